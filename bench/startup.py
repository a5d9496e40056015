"""How long a person waits for `describe`: `python -m bench.startup`. Beside it, what importing torch alone takes.

Process time (user and system) of whole processes, the median of ten each, taken in turn.
"""

import resource
import subprocess
import sys
from statistics import median

from bench.machine import keep, machine

RUNS = 10
COMMANDS = {
    "describe lenet-5": [sys.executable, "-m", "torchbeam", "describe", "lenet-5"],
    "describe vgg-16": [sys.executable, "-m", "torchbeam", "describe", "vgg-16"],
    "describe resnet-152 --json": [sys.executable, "-m", "torchbeam", "describe", "resnet-152", "--json"],
    "zoo": [sys.executable, "-m", "torchbeam", "zoo"],
    "torchbeam --help": [sys.executable, "-m", "torchbeam", "--help"],
    "import torchbeam": [sys.executable, "-c", "import torchbeam"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(RUNS + 1):
        for name, command in COMMANDS.items():
            seconds = cpu_seconds(command)
            if turn:  # the first turn warms the file cache
                times[name].append(seconds)
    rows = {name: round(median(taken), 3) for name, taken in times.items()}
    for name, seconds in rows.items():
        print(f"{name:<27} {seconds:.3f} s")
    print(f"on {machine()}")
    keep("startup", rows)


if __name__ == "__main__":
    main()
