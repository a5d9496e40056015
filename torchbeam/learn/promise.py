"""What a run will take, said before it starts: seconds an epoch, seconds in all, memory at its peak.

`rehearse` makes a few real updates of a copy of the network; `promised` multiplies.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import torch
from torch import nn

from torchbeam.data.batches import Batch, Batches
from torchbeam.learn.evaluate import EVALUATION_BATCH, outputs_of
from torchbeam.learn.objective import Objective
from torchbeam.learn.optimisers import optimiser_for
from torchbeam.learn.views import ALONE, VIEWS, Views

if sys.platform != "win32":
    import resource

T = TypeVar("T")
STEPS = 5  # that are rehearsed at most, after a first one that is not counted
SECONDS = 2.0  # after which no other step is rehearsed


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was measured: seconds of a training step, its batch made and shown; of a pass over validation as the loop
    makes it, and as a result is measured, in full precision and by all views; bytes that the process, or the GPU, holds
    at its peak, None where the system does not tell or no update was made."""

    step_seconds: float
    evaluation_seconds: float
    result_seconds: float
    memory: int | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What a run will take. epochs: None where it ends by the clock. epoch_seconds: of training and validation.
    seconds: in all. memory: bytes at the peak, None where it is not known."""

    epochs: int | None
    epoch_seconds: float
    seconds: float
    memory: int | None

    def to_json(self) -> dict[str, Any]:
        """As config.json and log.jsonl keep it."""
        return asdict(self)

    def __str__(self) -> str:
        """As in 'about 2 min 10 s: 10 epochs of 13 s with validation; peak memory 1.3 GB'."""
        each = human_seconds(self.epoch_seconds)
        if self.epochs is None:
            told = f"{human_seconds(self.seconds)}, as told: epochs of {each} with validation"
        elif self.epochs == 1:
            told = f"about {human_seconds(self.seconds)}: 1 epoch, with validation"
        else:
            told = f"about {human_seconds(self.seconds)}: {self.epochs} epochs of {each} with validation"
        return told if self.memory is None else f"{told}; peak memory {_human_memory(self.memory)}"


def promised(
    step_seconds: float,
    steps_per_epoch: int,
    epochs: int,
    evaluation_seconds: float,
    *,
    beforehand: float = 0.0,
    afterwards: float = 0.0,
    limit: float | None = None,
    memory: int | None = None,
) -> Promise:
    """The promise of a run: epochs x (steps x step + validation), and what is done beforehand (compiling) and
    afterwards (the test part, the report), in seconds. limit: seconds of training that the run has, in place of
    epochs."""
    epoch = step_seconds * steps_per_epoch + evaluation_seconds
    if limit is not None:
        return Promise(None, epoch, limit, memory)
    return Promise(epochs, epoch, beforehand + epochs * epoch + afterwards, memory)


def rehearse(
    network: nn.Module,
    objective: Objective,
    training: Batches,
    validation: Batches,
    step_seconds: float | None = None,
    views: Views = ALONE,
) -> Rehearsal:
    """A few real updates of a copy of the network by the objective's plan, and a piece of validation.

    step_seconds: what a step is known to take; of a compiled network, which would be compiled for this alone, it
    must be, and only batches are then made and shown. Neither the network nor random numbers nor the number of
    threads are changed. Raises ValueError for a compiled network of unknown speed, and whatever training raises.
    """
    way, device = objective.way, objective.device
    if way.compiled and step_seconds is None:
        raise ValueError("a compiled network is not rehearsed")
    threads = torch.get_num_threads()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    made = training.epoch(objective.plan.seed, 1)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            rehearsed = copy.deepcopy(network)
            called = replace(way, compiled=False).ready(rehearsed, device)
            if step_seconds is None:
                step = _timed(made, _update(called, objective), device)
            else:
                step = step_seconds + _timed(made, lambda batch: objective.shown(batch, 1), device)
            evaluation = evaluation_seconds(rehearsed, validation, objective)
            result = evaluation_seconds(rehearsed, validation, replace(objective, way=way.exact), views)
    finally:
        torch.set_num_threads(threads)
    peak = _peak(device) if step_seconds is None else None
    # A run keeps a good moment to come back to, weights and momentum; here the copy's weights are in their place.
    kept = sum(each.nbytes for each in network.parameters())
    return Rehearsal(step, evaluation, result, None if peak is None else peak + kept)


def evaluation_seconds(network: nn.Module, validation: Batches, objective: Objective, views: Views = ALONE) -> float:
    """The seconds of a pass over validation, from its first batch, which is smaller for several views; the network is
    left in eval mode."""
    if not len(validation.samples):
        return 0.0
    count = min(EVALUATION_BATCH // len(VIEWS[views.name]), len(validation.samples))
    part = replace(validation, samples=validation.samples[:count])

    def one_pass(_: int) -> None:
        outputs_of(network, part, objective.preprocessing, objective.device, way=objective.way, views=views)

    return _timed(range(STEPS), one_pass, objective.device) * len(validation.samples) / count


def human_seconds(seconds: float) -> str:
    """'43 ms', '3.2 s', '48 s', '2 min 10 s', '1 h 5 min', '3 d 4 h': the two largest units."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    if (whole := round(seconds)) < 60:
        return f"{whole} s"
    if whole < 3600:
        return _in_two(whole, 60, "min", "s")
    if (minutes := round(seconds / 60)) < 24 * 60:
        return _in_two(minutes, 60, "h", "min")
    return _in_two(round(seconds / 3600), 24, "d", "h")


def _in_two(count: int, size: int, large: str, small: str) -> str:
    many, rest = divmod(count, size)
    return f"{many} {large} {rest} {small}" if rest else f"{many} {large}"


def _human_memory(count: int) -> str:
    """'1.3 GB', '860 MB': decimal units."""
    return f"{count / 1e9:.1f} GB" if count >= 0.9995e9 else f"{count / 1e6:.0f} MB"


def _update(called: nn.Module, objective: Objective) -> Callable[[Batch], None]:
    """What a run does with a batch."""
    called.train()
    plan, device = objective.plan, objective.device
    optimiser = optimiser_for(called, plan)
    # In fp16 as in a run: a step whose gradients became too large is left out, and takes less.
    scaler = torch.amp.GradScaler(device.type, enabled=objective.way.precision == "fp16")  # type: ignore[attr-defined]

    def update(batch: Batch) -> None:
        loss = objective.loss(called, *objective.shown(batch, 1))
        scaler.scale(loss).backward()
        if plan.clip:
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(called.parameters(), plan.clip)
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()

    return update


def _timed(items: Iterable[T], work: Callable[[T], object], device: torch.device) -> float:
    """The usual seconds of making an item and working on it, the first left out where another fits into the time."""
    seconds: list[float] = []
    begun = before = time.perf_counter()
    for item in items:
        work(item)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.perf_counter()
        seconds.append(now - before)
        before = now
        if len(seconds) > STEPS or now - begun > SECONDS:
            break
    return statistics.median(seconds[1:] or seconds or [0.0])


def _peak(device: torch.device) -> int | None:
    """Bytes that the GPU, or else the process, has held at most."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts bytes, others kilobytes
