"""The main job on the digits, seeds 0 to 4, each as a user would run it: `python -m bench.digits`.

Prints a table and writes bench/out/digits.json. Seconds are those of the whole process, start to report.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from bench.machine import keep, machine

SEEDS = range(5)


def main() -> None:
    rows = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "torchbeam", "train", "digits", "--seed", str(seed), "--json"]
            command += ["--out", str(Path(place) / "run")]
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds = time.perf_counter() - start
        summary = json.loads(done.stdout)
        rows.append(
            {
                "seed": seed,
                "test": summary["test"]["accuracy"],
                "n": summary["test"]["n"],
                "validation": summary["validation"]["accuracy"],
                "best_epoch": summary["best_epoch"],
                "seconds": round(seconds, 1),
            }
        )
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    accuracies = [row["test"] for row in rows]
    print(f"test accuracy: mean {mean(accuracies):.4f}, lowest {min(accuracies):.4f}; on {machine()}")
    keep("digits", rows)


if __name__ == "__main__":
    main()
