"""Whether a state on disk outlives kill -9, and what saving one costs: `python -m bench.soak_saving`, or with a number.

A process goes on from the last state and saves one after the other until it is killed, at a moment drawn by chance;
then the next one does, 200 in all. After every kill the state that is loaded must be, bit for bit, one that was saved,
and no older than the last of which the killed process knew that it was saved. Moments are told apart by what the
killed process left: a file begun and not finished, a third state not yet removed, or neither.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from bench.machine import keep, machine
from torchbeam.learn.checkpoint import State, load, save

KILLS = 200
TIMED = 5


def made(step: int) -> State:
    """The state of a step: half a megabyte of numbers that no other step has."""
    tensors: dict[str, Tensor] = {f"layer{at}": torch.arange(40_000, dtype=torch.int32) + 1_000 * step for at in (0, 1)}
    tensors["conv"] = (torch.arange(73_728.0) + step).view(64, 128, 3, 3).to(memory_format=torch.channels_last)
    return State(tensors, {"step": step, "place": [step, "of many"]})


def is_made(state: State) -> bool:
    """Whether a state is, in every bit and stride, that of its step."""
    other = made(state.told["step"])
    same = all(
        torch.equal(tensor, other.tensors[name]) and tensor.stride() == other.tensors[name].stride()
        for name, tensor in state.tensors.items()
    )
    return same and state.told == other.told and state.tensors.keys() == other.tensors.keys()


def soak(folder: Path, kills: int, chance: random.Random) -> dict[str, int]:
    """Kill that many savers; how many states they saved, and how many were killed at which moment.

    Raises ValueError where a state is lost, changed, or spoken of as damaged.
    """
    torch.set_num_threads(1)  # a forked process has none of its parent's other threads
    span = 3 * fastest(lambda: save(folder, made(0)))
    told = {"kills": kills, "states": 0, "while writing": 0, "before removing": 0, "between": 0}
    step = 0
    for _ in range(kills):
        known = killed_after(folder, chance.uniform(0, span))
        names = [path.name for path in folder.iterdir()]
        state, note = load(folder)
        now = state.told["step"]
        if note or not is_made(state) or not max(step, known) <= now <= max(step, known) + 1:
            raise ValueError(f"step {now} loaded after step {known} was saved; {note!r}; {names}")
        unfinished = any(name.startswith(".") for name in names)
        told["while writing" if unfinished else "before removing" if len(names) > 2 else "between"] += 1
        told["states"] += now - step
        step = now
    save(folder, made(step))
    left = sorted(path.name.split("-")[0] for path in folder.iterdir())
    if left != ["state", "state"]:
        raise ValueError(f"what killed processes left was not removed: {left}")
    return told


def killed_after(folder: Path, seconds: float) -> int:
    """Let a process save states for so long and kill it; the last step it knew to be saved, or 0."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _save_for_ever(folder, writer)
    os.close(writer)
    os.read(reader, 8)  # it has begun
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    return int.from_bytes(said[-8:], "big")


def _save_for_ever(folder: Path, writer: int) -> NoReturn:
    try:
        step = load(folder)[0].told["step"]
        os.write(writer, bytes(8))
        while True:
            step += 1
            save(folder, made(step))
            os.write(writer, step.to_bytes(8, "big"))
    finally:
        os._exit(1)


def fastest(done: Callable[[], object], times: int = TIMED) -> float:
    """Seconds that the fastest of some tries takes."""
    taken: list[float] = []
    for _ in range(times):
        before = time.perf_counter()
        done()
        taken.append(time.perf_counter() - before)
    return min(taken)


def costs(folder: Path) -> dict[str, float]:
    """Seconds to save and load 400 MB, beside writing and flushing as many bytes."""
    state = State({f"layer{at}": torch.randn(5_000_000) for at in range(20)}, {"step": 1})
    content = os.urandom(1 << 20) * 381

    def write() -> None:
        with open(folder / "plain", "wb") as file:
            file.write(content)
            os.fsync(file.fileno())

    save_s, write_s = fastest(lambda: save(folder / "state", state)), fastest(write)
    load_s = fastest(lambda: load(folder / "state"))
    return {"save": round(save_s, 2), "load": round(load_s, 2), "write": round(write_s, 2)}


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        told = soak(Path(place) / "soak", kills, random.Random(0))
        seconds = time.perf_counter() - began
        cost = costs(Path(place))
    print("| kills | states saved | while writing | before removing | between | lost or changed | seconds |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    print(f"| {' | '.join(f'{count:,}' for count in told.values())} | 0 | {seconds:.0f} |")
    print(f"400 MB: saved in {cost['save']} s, loaded in {cost['load']} s; plainly written in {cost['write']} s")
    print(f"on {machine()}")
    keep("soak_saving", {"soak": told, "seconds_400_MB": cost})


if __name__ == "__main__":
    main()
