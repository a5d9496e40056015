"""What spoilt texts get for an answer, and how long it takes: `python -m bench.fuzz`.

10,000 texts of real networks, each spoilt once or twice, are read, completed and counted. Whatever the text,
only a Mistake may come out. Process time of each text, of reading it alone and of all three; chance is seeded, so
every run tries the same texts. All three take as long as there are layers, of which a text may ask for 10,000.
"""

import random
import sys
import time
from collections import Counter
from contextlib import suppress

from bench.machine import keep, machine
from tests.hostile_texts import TEXTS, spoilt
from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.errors import Mistake

TRIED = 10_000


def answer(text: str) -> str:
    """'read', or the class of the error."""
    try:
        ledger(complete(parse(text)))
    except Mistake as error:
        return type(error).__name__
    except Exception as error:
        return f"NOT A MISTAKE: {type(error).__name__}"
    return "read"


def main() -> None:
    chance = random.Random(0)
    answer(TEXTS[0])  # the first parse reads the grammar
    counts: Counter[str] = Counter()
    times: list[tuple[float, str]] = []
    readings: list[float] = []
    for _ in range(TRIED):
        text = spoilt(chance, TEXTS)
        before = time.process_time()
        with suppress(Mistake):
            parse(text)
        readings.append(time.process_time() - before)
        before = time.process_time()
        found = answer(text)
        times.append((time.process_time() - before, text))
        counts[found] += 1
        if found.startswith("NOT"):
            print(f"{found}\n{text}\n", file=sys.stderr)
    times.sort(reverse=True)
    slowest, text = times[0]
    print(f"reading alone: the slowest in {1000 * max(readings):.1f} ms")
    for name, count in counts.most_common():
        print(f"{name:<18} {count:>6,}")
    print(f"{'texts':<18} {TRIED:>6,}, {sum(taken for taken, _ in times):.1f} s, half of them in {_ms(times, 0.5)} ms,")
    print(f"{'':<18} 99 of 100 in {_ms(times, 0.01)} ms; the slowest, in {1000 * slowest:.0f} ms:\n{text}")
    print(f"on {machine()}")
    over = sum(taken > 0.05 for taken, _ in times)
    print(f"{over} of {TRIED:,} took over 50 ms in all, {sum(taken > 0.05 for taken in readings)} to read")
    figures = {"slowest_reading_ms": round(1000 * max(readings), 1), "over_50_ms": over}
    figures |= {"median_ms": _ms(times, 0.5), "p99_ms": _ms(times, 0.01), "slowest_ms": round(1000 * slowest, 1)}
    keep("fuzz", {"tried": TRIED, "answers": counts, **figures, "slowest": text})
    sys.exit(any(name.startswith("NOT") for name in counts))


def _ms(times: list[tuple[float, str]], share: float) -> float:
    """The time that this share of the texts, the slowest first, is above."""
    return round(1000 * times[int(share * len(times))][0], 1)


if __name__ == "__main__":
    main()
