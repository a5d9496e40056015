"""Training, beside plain PyTorch and Keras 3 on JAX: `python -m bench.train speed|mnist|fashion|all [--keras PYTHON]`.

speed: pictures a second of the lecture's network, [CONV-BN-RELU-CONV-BN-RELU-POOL]*3 -> FC with 32, 64 and 128 filters,
on 32x32x3 pictures in batches of 256, flipped and cropped; the first epoch, in which things are compiled, is not
counted. Beside it what the machine makes of one large product of matrices, and the share of it that is reached:
three times the forward multiply-accumulates, two operations each. PyTorch has its transforms on each picture, with 0
and with 2 workers, the better one counts; Keras is given batches that NumPy augments whole, torchbeam makes its own.

mnist, fashion: seconds from the start of the process until 99.0 % of MNIST's, 90 % of Fashion-MNIST's test pictures are
right. PyTorch and Keras run their own examples and stop at the first epoch whose measure on the test part is high
enough; torchbeam is the whole command, which reads the test part once, at its end, report included.

All sides are processes of their own, one at a time, in turn; every line they say is timed here, by one clock. Keras is
run by the interpreter named, whose environment is its own: `uv venv K && uv pip install --python K/bin/python --group
bench`. The real data lies in the folder named by TORCHBEAM_SHARED, or in ../shared.
"""

import argparse
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench.machine import keep, machine
from bench.peers.given import BATCH, write_drawn
from bench.peers.own import DEVICE, NET
from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.learn.way import PRECISIONS

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("TORCHBEAM_SHARED") or ROOT.parent / "shared")
WITH_JAX = os.environ | {"KERAS_BACKEND": "jax"}
DRAWN = 50 * BATCH  # pictures of the speed's epochs
EPOCHS = 4  # of the speed, the first not counted
SIZES = (1024, 2048, 4096)  # of the matrices
NO_KERAS = "Keras was not measured: name a Python that has keras and jax with --keras"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached: the share of the test part; the folder of the data, torchvision's name for it, and
    what torchbeam is told."""

    score: float
    folder: str
    dataset: str
    flags: tuple[str, ...]


TARGETS = {
    "mnist": Target(0.99, "mnist", "MNIST", ("--recipe", "mnist")),
    "fashion": Target(0.90, "fashion-mnist", "FashionMNIST", ("--recipe", "mnist", "--epochs", "2")),
}
LONGEST = {"PyTorch": 14, "Keras": 30}  # epochs; the examples themselves stop after 14 and 15
Line = tuple[float, dict[str, Any]]


def lines(command: Sequence[str]) -> Generator[Line, None, None]:
    """What a process says, each line with the seconds since it was started. Closed early, it ends the process."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=WITH_JAX, stdout=subprocess.PIPE, stderr=said, text=True)
        try:
            for line in process.stdout or ():
                yield time.perf_counter() - start, json.loads(line)
            if process.wait():
                said.seek(0)
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read()[-2000:]}")
        finally:
            process.terminate()
            process.wait()


def side(name: str, *told: object, python: str = sys.executable) -> list[str]:
    return [python, "-m", f"bench.peers.{name}", *map(str, told)]


# speed


def matrix_rate(precision: str) -> float:
    """Operations a second of the best product of two large matrices."""
    best = 0.0
    for size in SIZES if DEVICE.type == "cpu" else [4 * size for size in SIZES]:
        a, b = torch.randn(2, size, size, device=DEVICE).to(PRECISIONS[precision])
        for _ in range(6):
            start = time.perf_counter()
            product = torch.mm(a, b)
            _ = product[0, 0].item()  # waits for the device
            best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def rates(said: Sequence[Line]) -> list[float]:
    """Pictures a second of each epoch but the first."""
    epochs = [line for line in said if "epoch" in line[1]]
    return [now["pictures"] / (at - before) for (before, _), (at, now) in pairwise(epochs)]


def speed(keras: str | None, turns: int) -> dict[str, Any]:
    made: dict[str, list[float]] = {}
    told: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = write_drawn(Path(place), DRAWN)
        sides = {
            "torchbeam": side("own", folder, EPOCHS),
            "PyTorch, 0 workers": side("plain", "speed", folder, 0, EPOCHS),
            "PyTorch, 2 workers": side("plain", "speed", folder, 2, EPOCHS),
        }
        if keras:
            sides["Keras"] = side("keras_jax", "speed", folder, 0, EPOCHS, python=keras)
        for _ in range(turns):
            for name, command in sides.items():
                said = list(lines(command))
                told[name] = said[0][1]
                made[name] = made.get(name, []) + rates(said)
                print(f"speed  {name:<20} {max(made[name]):>8,.0f} pictures a second", flush=True)
    way = told["torchbeam"]["way"]
    machines = {name: matrix_rate(name) for name in dict.fromkeys(("fp32", way["precision"]))}
    operations = 2 * 3 * ledger(complete(parse(NET))).macs
    best = {name: max(found) for name, found in made.items()}
    own, plain = best["torchbeam"], max(best["PyTorch, 0 workers"], best["PyTorch, 2 workers"])
    return {
        "pictures a second": {name: round(rate) for name, rate in best.items()},
        "middle of the epochs": {name: round(median(found)) for name, found in made.items()},
        "with": told,
        "times PyTorch": round(own / plain, 2),
        "times Keras": round(own / best["Keras"], 2) if keras else NO_KERAS,
        "matrices, gigaflops": {name: round(rate / 1e9) for name, rate in machines.items()},
        "gigaflops reached": {name: round(rate * operations / 1e9) for name, rate in best.items()},
        "share of the matrices' rate": round(own * operations / machines[way["precision"]], 3),
        "share of fp32's, PyTorch": round(plain * operations / machines["fp32"], 3),
    }


def speed_table(found: dict[str, Any]) -> list[str]:
    lines = [f"{'side':<20} {'pictures a second':>18} {'gigaflops':>10}"]
    for name, rate in found["pictures a second"].items():
        lines.append(f"{name:<20} {rate:>18,} {found['gigaflops reached'][name]:>10,}")
    lines += [f"{'matrices, ' + name:<20} {'':>18} {rate:>10,}" for name, rate in found["matrices, gigaflops"].items()]
    told = ("times PyTorch", "times Keras", "share of the matrices' rate", "share of fp32's, PyTorch")
    return lines + [f"{name}: {found[name]}" for name in told]


# seconds to a target


def unpacked(target: Target, root: Path) -> Path:
    """MNIST's four files as torchvision looks for them: ROOT/DATASET/raw."""
    raw = root / target.dataset / "raw"
    raw.mkdir(parents=True)
    for packed in sorted((SHARED / "data" / target.folder).glob("*-ubyte.gz")):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return raw


def until(score: float, command: Sequence[str]) -> dict[str, Any]:
    """Seconds until the first epoch that measures up to `score`; the best there was where none does."""
    best, taken, epochs = 0.0, 0.0, 0
    with closing(lines(command)) as said:
        for seconds, line in said:
            taken, epochs, best = seconds, line.get("epoch", 0), max(best, line.get("score", 0.0))
            if best >= score:
                break
    return {"seconds": round(taken, 1), "score": best, "epochs": epochs, "reached": best >= score}


def whole_command(target: Target, raw: Path, seed: int) -> dict[str, Any]:
    """torchbeam train, from its start to the end of its process, in a new cache."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "torchbeam", "train", str(raw), *target.flags, "--seed", str(seed), "--json"]
        command += ["--out", str(Path(place) / "run"), "--cache", str(Path(place) / "cache")]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    summary = json.loads(done.stdout)
    score = summary["test"]["accuracy"]
    found = {"seconds": round(seconds, 1), "score": score, "epochs": summary["epochs"]}
    return found | {"reached": score >= target.score}


def to_target(name: str, keras: str | None, turns: int) -> dict[str, Any]:
    target = TARGETS[name]
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as place:
        raw = unpacked(target, Path(place))
        for seed in range(turns):
            runs = {"torchbeam": whole_command(target, raw, seed)}
            command = side("plain", target.dataset, place, seed, LONGEST["PyTorch"])
            runs["PyTorch"] = until(target.score, command)
            if keras:
                command = side("keras_jax", target.dataset, raw, seed, LONGEST["Keras"], python=keras)
                runs["Keras"] = until(target.score, command)
            for peer, run in runs.items():
                found.setdefault(peer, []).append(run)
                print(f"{name}  seed {seed}  {peer:<10} {_run_text(run)}", flush=True)
    middle = {peer: round(median(run["seconds"] for run in runs), 1) for peer, runs in found.items()}
    notes = {} if keras else {"note": NO_KERAS}
    return {"target": target.score, "told": list(target.flags), "seconds": middle, "runs": found} | notes


def _run_text(run: dict[str, Any]) -> str:
    end = "" if run["reached"] else ", not reached"
    return f"{run['seconds']:.1f} s, {run['score']:.2%}, {run['epochs']} epochs{end}"


def target_table(name: str, found: dict[str, Any]) -> list[str]:
    lines = [f"{name}, {found['target']:.1%} of the test part", f"{'side':<12} {'seconds':>9}  each run"]
    for peer, runs in found["runs"].items():
        each = "; ".join(_run_text(run) for run in runs)
        lines.append(f"{peer:<12} {found['seconds'][peer]:>9,.1f}  {each}")
    return lines


def keras_python(named: str | None) -> str | None:
    """A Python that has Keras and JAX: the one named, this one, or none."""
    if named is None:
        return sys.executable if find_spec("keras") and find_spec("jax") else None
    done = subprocess.run([named, "-c", "import keras, jax"], env=WITH_JAX, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{named} cannot import keras and jax:\n{done.stderr[-1000:]}")
    return named


def main() -> None:
    told = argparse.ArgumentParser(prog="python -m bench.train", description=(__doc__ or "").partition("\n")[0])
    told.add_argument("stage", choices=["speed", *TARGETS, "all"])
    told.add_argument("--keras", metavar="PYTHON", help="an interpreter that has keras and jax")
    told.add_argument("--turns", type=int, default=1, help="rounds over all sides; each has a seed of its own")
    given = told.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the side being measured ends too
    keras = keras_python(given.keras)
    if keras is None:
        print(NO_KERAS)
    for stage in ("speed", *TARGETS) if given.stage == "all" else (given.stage,):
        found = speed(keras, given.turns) if stage == "speed" else to_target(stage, keras, given.turns)
        print("\n".join(speed_table(found) if stage == "speed" else target_table(stage, found)))
        keep(f"train-{stage}", found)
    print(f"on {machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
