"""Whether a run that is stopped again and again ends in the same bits: `python -m bench.soak_resume`.

For SGD, AdamW and Muon, each with batch norm, dropout, mixup and averaged weights: a run on the digits that nothing
stops, and one that is stopped at 50 steps drawn by chance, each time taken up by a new learner from the state on disk,
must end with the same SHA-256 of the weights. Then the same of real processes: `torchbeam train`, killed (kill -9) at
a moment drawn by chance, then `torchbeam resume`, killed too, 100 kills in all, spread over the combinations.
`--stops` and `--kills` take other numbers; the exit code is 1 where any bits differ.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

import torchbeam
from bench.machine import keep, machine
from torchbeam.cli import main as torchbeam_main
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.learn.checkpoint import State, load, save
from torchbeam.learn.learner import Learner
from torchbeam.learn.loop import learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import PLAIN, Way
from torchbeam.network.build import build
from torchbeam.network.modelfile import tensors_digest
from torchbeam.tasks.classify import Classify

STOPS, KILLS = 50, 100
RATES = {"sgd": 0.05, "adamw": 0.002, "muon": 0.02}
BATCH_NORM = "INPUT 8x8x1 -> CONV 8 3x3 -> BN -> RELU -> POOL -> CONV 8 3x3 -> BN -> RELU -> FC 10"
DROPOUT = "INPUT 8x8x1 -> CONV 8 3x3 -> RELU -> POOL -> FC 32 -> RELU -> DROPOUT 0.5 -> FC 10"
BATCH_SIZE = 64
KILLED_EPOCHS = 25  # of the runs in processes, so that they last for about ten kills
MOST_STATES, MOST_LATER = 4, 0.02  # a process is killed after at most so many more states, and so many seconds more
LONGEST = 120.0  # seconds until a process must have come so far


@dataclass(frozen=True, slots=True)
class Case:
    """What is trained, and how: as a plan, and as flags of the command line."""

    optimiser: str
    kind: str
    text: str
    augment: str = "none"
    ema: float = 0.0
    way: Way = PLAIN

    def plan(self, epochs: int) -> Plan:
        """Of that many epochs."""
        return Plan(
            epochs,
            BATCH_SIZE,
            RATES[self.optimiser],
            optimiser=self.optimiser,
            ema=self.ema,
            augment=parse_augment(self.augment),
        )

    def flags(self) -> list[str]:
        """Of `torchbeam train`; a state is written as often as can be."""
        told = ["--net", self.text, "--optimiser", self.optimiser, "--lr", str(RATES[self.optimiser])]
        told += ["--epochs", str(KILLED_EPOCHS), "--batch-size", str(BATCH_SIZE), "--augment", self.augment]
        told += ["--ema", str(self.ema)] if self.ema else []
        return [*told, "--precision", "fp32", "--device", "cpu", "--state-every", "0.01s"]


def cases() -> list[Case]:
    """Every combination."""
    made = []
    for optimiser, kind in product(RATES, ("batch norm", "dropout", "mixup", "ema")):
        text = DROPOUT if kind == "dropout" else BATCH_NORM
        augment = "shift 0.1, mixup 0.3" if kind == "mixup" else "none"
        way = Way("bf16", channels_last=True) if kind == "mixup" else PLAIN
        made.append(Case(optimiser, kind, text, augment, 0.9 if kind == "ema" else 0.0, way))
    return made


# In this process, stopped and taken up


@dataclass(frozen=True, slots=True)
class Parts:
    """What is learnt from, and what is validated on."""

    train: Batches
    validation: Batches


def digits() -> Parts:
    """The digits, at 8x8."""
    data = load_data("digits")
    pixels = Fixed(data, data.volume(), Kept())
    return Parts(batches(data, pixels, "train", BATCH_SIZE, 0), batches(data, pixels, "val", 512, 0))


def begun(case: Case, plan: Plan, parts: Parts) -> Learner:
    torch.manual_seed(7)
    task = Classify(tuple("0123456789"), 0.1)
    objective = Objective(task, Preprocessing(8, 8, 1, (0.3,), (0.35,)), plan, case.way, torch.device("cpu"))
    return Learner(build(parse(case.text)), objective, len(parts.train))


def taken_up(case: Case, plan: Plan, parts: Parts, state: State | None) -> Learner:
    """A learner that goes on from a state; whatever stood in it before is of other weights."""
    learner = begun(case, plan, parts)
    if state is not None:
        for weights in learner.network.parameters():
            nn.init.constant_(weights, 9.0)
        learner.restore(state)
    return learner


def finished(learner: Learner, parts: Parts) -> str:
    """The digest of the weights at the end."""
    for _ in learn(learner, parts.train, parts.validation):
        pass
    with learner.weights():
        return tensors_digest(learner.network.state_dict())


def stopped(learner: Learner, parts: Parts, step: int, further: int) -> None:
    """Learn up to that step; where it ends an epoch, so many records further, into validation and behind it."""
    records = learn(learner, parts.train, parts.validation)
    while learner.step < step:
        next(records)
    for _ in range(further if learner.batch == len(parts.train) else 0):
        next(records)
    records.close()  # type: ignore[attr-defined]


def stop_again_and_again(case: Case, parts: Parts, stops: int, folder: Path) -> dict[str, Any]:
    """How a run ends that is stopped so often, and whether it does as one that is not."""
    plan = case.plan(max(2, -(-2 * (stops + 1) // len(parts.train))))
    steps = plan.epochs * len(parts.train)
    whole = finished(begun(case, plan, parts), parts)
    chance = random.Random(f"{case.optimiser} {case.kind}")
    state: State | None = None
    for step in sorted(chance.sample(range(1, steps), stops)):
        learner = taken_up(case, plan, parts, state)
        stopped(learner, parts, step, chance.randrange(3))
        save(folder, learner.state())
        state, note = load(folder)
        if note:
            raise ValueError(f"at step {step}: {note}")
    same = finished(taken_up(case, plan, parts, state), parts) == whole
    return {"steps": steps, "stops": stops, "same": same}


# In processes of their own, killed


def serve() -> None:
    """Import once; then each line of stdin is a job, done by a process of its own, which may be killed. Its number is
    printed, and after one more line, how it ended: till then the number is nobody else's."""
    _ = torchbeam.train, torchbeam.resume
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            _do(told["arguments"], told["errors"])
        print(child, flush=True)
        sys.stdin.readline()
        print(os.waitpid(child, 0)[1], flush=True)


def _do(arguments: list[str], errors: str) -> None:
    code = 70
    try:
        for number, path in ((1, os.devnull), (2, errors)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
        code = torchbeam_main(arguments)
    finally:
        os._exit(code)


@dataclass(frozen=True, slots=True)
class Server:
    """Where jobs are told, and where their processes' numbers and ends are read."""

    told_to: IO[str]
    told_by: IO[str]
    chance: random.Random

    def job(self, folder: Path, arguments: list[str], kill: bool) -> bool:
        """Run `torchbeam` on that run folder; whether it was killed. Raises ValueError where it failed."""
        errors = folder.with_suffix(".err")
        before = newest(folder)
        self.told_to.write(json.dumps({"arguments": arguments, "errors": str(errors)}) + "\n")
        self.told_to.flush()
        child = int(self.told_by.readline())
        if kill:
            self._wait(folder, before + self.chance.randint(0, MOST_STATES))
            os.kill(child, signal.SIGKILL)
        self.told_to.write("wait\n")
        self.told_to.flush()
        ended = int(self.told_by.readline())
        if ended not in (0, signal.SIGKILL):
            raise ValueError(f"torchbeam {' '.join(arguments)} ended with {ended}:\n{errors.read_text()[-2000:]}")
        return ended == signal.SIGKILL

    def _wait(self, folder: Path, states: int) -> None:
        """Until the run has that many states, if it has begun at all, or is at its end; and a little longer."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end and not (folder / "summary.json").exists():
            if (folder / "config.json").exists() and newest(folder) >= states:
                break
            time.sleep(0.001)
        time.sleep(self.chance.uniform(0, MOST_LATER))


@contextmanager
def server() -> Iterator[Server]:
    command = [sys.executable, "-c", "from bench.soak_resume import serve; serve()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("no pipes to the server")
        yield Server(process.stdin, process.stdout, random.Random(0))
        process.stdin.close()


def newest(folder: Path) -> int:
    """The number of the newest state; 0 where there is none."""
    return max((int(path.stem.split("-")[1]) for path in folder.glob("state/state-*.safetensors")), default=0)


def kill_again_and_again(case: Case, kills: int, served: Server, place: Path) -> dict[str, Any]:
    """As many kills, of one run or, where one is finished before, of several; whether all end as one not killed."""
    train = ["train", "digits", *case.flags(), "--cache", str(place / "cache"), "--out"]
    whole = place / "whole"
    served.job(whole, [*train, str(whole)], False)
    done, runs, same = 0, 0, True
    while done < kills:
        runs += 1
        folder, before = place / f"killed-{runs}", done
        arguments = [*train, str(folder)]
        while not (folder / "summary.json").exists():
            done += served.job(folder, arguments, kill=done < kills)
            arguments = ["resume", str(folder)]
        same = same and ending(folder) == ending(whole)
        if done == before:
            raise ValueError(f"{folder} came to its end before it could be killed")
    return {"kills": done, "runs": runs, "same": same}


def ending(folder: Path) -> tuple[Any, ...]:
    """What must be the same: the weights, the way they were computed, the result."""
    summary = json.loads((folder / "summary.json").read_text())
    way = json.loads((folder / "config.json").read_text())["way"]["value"]
    return summary["weights_sha256"], summary["best_epoch"], summary["test"], way


def soak(case: Case, parts: Parts, stops: int, kills: int, served: Server) -> dict[str, Any]:
    """One combination, stopped and killed."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        in_process = stop_again_and_again(case, parts, stops, Path(place) / "state")
        killed = kill_again_and_again(case, kills, served, Path(place)) if kills else {"kills": 0}
    seconds = round(time.perf_counter() - began, 1)
    return {
        "optimiser": case.optimiser,
        "with": case.kind,
        "stopped": in_process,
        "killed": killed,
        "seconds": seconds,
    }


def main() -> None:
    told = argparse.ArgumentParser(prog="python -m bench.soak_resume", description=(__doc__ or "").partition("\n")[0])
    told.add_argument("--stops", type=int, default=STOPS, help="of each combination, in this process")
    told.add_argument("--kills", type=int, default=KILLS, help="of processes, over all combinations")
    given = told.parse_args()
    torch.set_num_threads(1)  # pictures of 8x8 are not worth a second thread
    parts, rows, every = digits(), [], cases()
    print("| optimiser | with | steps | stops | same bits | kills | same bits | seconds |")
    print("|---|---|--:|--:|---|--:|---|--:|")
    with server() as served:
        for at, case in enumerate(every):
            kills = given.kills * (at + 1) // len(every) - given.kills * at // len(every)
            row = soak(case, parts, given.stops, kills, served)
            rows.append(row)
            cells = [case.optimiser, case.kind, row["stopped"]["steps"], given.stops, said(row["stopped"])]
            cells += [kills, said(row["killed"]), f"{row['seconds']:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    different = sum(not each.get("same", True) for row in rows for each in (row["stopped"], row["killed"]))
    print(f"{len(every) * given.stops} stops and {given.kills} kills; {different} runs ended in other bits")
    print(f"on {machine()}, torch {torch.__version__}")
    keep("soak_resume", {"stops": given.stops, "kills": given.kills, "combinations": rows})
    sys.exit(different > 0)


def said(found: dict[str, Any]) -> str:
    return {True: "yes", False: "NO", None: ""}[found.get("same")]


if __name__ == "__main__":
    main()
