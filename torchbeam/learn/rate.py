"""The learning-rate range test: a short sweep from a tiny rate to a huge one that shows which peak a run can take.

Source: Smith, 'Cyclical Learning Rates for Training Neural Networks', 2017, section 3.3.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count, islice
from statistics import fmean
from typing import Any

import torch
from torch import nn

from torchbeam.data.batches import Batch, Batches
from torchbeam.learn.objective import Objective
from torchbeam.learn.optimisers import optimiser_for
from torchbeam.learn.plan import Plan

# Updates of a test: this share of the run's, within these bounds. Fewer than 30 show nothing but noise.
SHARE, FEWEST, MOST = 0.05, 30, 100
# The lowest and the highest rate tried. AdamW's and Muon's steps are of the rate's own length, whatever the gradient.
RANGES: dict[str, tuple[float, float]] = {"sgd": (3e-4, 3.0), "adamw": (1e-5, 0.1), "muon": (3e-4, 3.0)}
# The sweep is over when the loss is this many times its lowest, or no number.
EXPLODED = 4.0
# Nothing was learnt where the smoothed loss falls by less than this share of its beginning, or no further than the
# lowest of as many means of as much noise would.
FLAT, CHANCE = 0.02, 4.0


@dataclass(frozen=True, slots=True)
class RangeTest:
    """The sweep and what it led to.

    rates: of each update, rising. losses: of each batch before its update. smoothed: their weighted mean over
    neighbours. chosen: the peak rate for the run. reason: why that one, in a sentence.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    chosen: float
    reason: str

    @property
    def steps(self) -> int:
        """How many batches the sweep saw a loss of."""
        return len(self.rates)

    def to_json(self) -> dict[str, Any]:
        """As the run folder keeps it."""
        return {
            "chosen": self.chosen,
            "reason": self.reason,
            "steps": self.steps,
            "rates": list(self.rates),
            "losses": list(self.losses),
            "smoothed": list(self.smoothed),
        }


def range_test(network: nn.Module, objective: Objective, batches: Batches, plan: Plan, otherwise: float) -> RangeTest:
    """The peak rate for `plan`, found on a copy of the network by its own optimiser; `otherwise` where none shows.

    A function of (plan.seed, network, data): network, buffers and random numbers stay as they are. It takes SHARE of
    the run's updates, between FEWEST and MOST of them. plan.lr is not looked at.
    """
    low, high = RANGES[plan.optimiser]
    updates = plan.epochs * math.ceil(len(batches) / plan.accumulate)
    steps = min(MOST, max(FEWEST, round(SHARE * updates)))
    rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
    devices = [objective.device] if objective.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(plan.seed)
        losses = list(_losses(network, objective, batches, plan, rates))
    return judged(rates[: len(losses)], losses, otherwise)


def judged(rates: Sequence[float], losses: Sequence[float], otherwise: float) -> RangeTest:
    """What a sweep tells; `otherwise` where it tells nothing.

    The rate lies halfway, as rates are counted, between the one at which the smoothed loss is lowest and the usual
    one, `otherwise`, and is the former where that is lower. A sweep passes each rate in a step or two, and its lowest
    point strays by two or three times from one length or order to the next; the usual rate, right within ten times
    for most networks, halves that. Against grids of rates on twelve small networks this cost at most 2.6 points of
    accuracy, a fourth of the lowest point 7.6, the steepest fall 12.4, the lowest point itself 40.8.
    """
    if not losses:
        reason = f"the loss was no number before any update, which tells nothing: {otherwise:g}, as without a test"
        return RangeTest((), (), (), otherwise, reason)
    smoothed = _smoothed(losses)
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    begun, least, best = smoothed[0], smoothed[lowest], rates[lowest]
    swept = f"in {len(rates)} updates at rates from {rates[0]:.2g} to {rates[-1]:.2g} the loss"
    if begun - least < max(FLAT * abs(begun), _chance_fall(losses[: lowest + 1], smoothed, len(losses))):
        chosen = _rounded(min(otherwise, rates[-1] / 10))
        why = "as without one" if chosen == _rounded(otherwise) else "a tenth of where it was over"
        reason = f"{swept} fell no further than by chance, so the test tells nothing: {chosen:g}, {why}"
    else:
        chosen = _rounded(min(best, math.sqrt(best * otherwise)))
        why = (
            f"halfway to the usual {otherwise:.2g}"
            if otherwise < best
            else f"for the usual {otherwise:.2g} is above it"
        )
        reason = f"{swept} fell from {begun:.3g} to {least:.3g}, lowest at {best:.2g}: {chosen:g}, {why}"
    return RangeTest(tuple(rates), tuple(losses), smoothed, chosen, reason)


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")


def _chance_fall(losses: Sequence[float], smoothed: Sequence[float], steps: int) -> float:
    """How far means over neighbours fall below the first by noise alone: a bell's mean is of 2 sqrt(pi) its width."""
    noise = math.sqrt(fmean((loss - mean) ** 2 for loss, mean in zip(losses, smoothed, strict=False)))
    return CHANCE * noise / math.sqrt(2 * math.sqrt(math.pi) * _width(steps))


def _width(steps: int) -> float:
    """The spread of the bell by which losses are smoothed, in updates: a thirtieth of the sweep, at least one."""
    return max(1.0, steps / 30)


def _smoothed(losses: Sequence[float]) -> tuple[float, ...]:
    """Each loss with its neighbours, weighted by a bell.

    What explodes counts as three times the first loss at most, or it would raise its neighbours on the good side.
    """
    wide = _width(len(losses))
    capped = [min(loss, 3 * losses[0]) for loss in losses]
    made = []
    for at in range(len(capped)):
        weights = [math.exp(-0.5 * ((at - other) / wide) ** 2) for other in range(len(capped))]
        made.append(sum(w * loss for w, loss in zip(weights, capped, strict=True)) / sum(weights))
    return tuple(made)


def _losses(
    network: nn.Module, objective: Objective, batches: Batches, plan: Plan, rates: list[float]
) -> Iterator[float]:
    """The loss before each update, up to where it explodes; what is no number is left out."""
    copy = deepcopy(network)
    called = replace(objective.way, compiled=False).ready(copy, objective.device).train()
    optimiser = optimiser_for(copy, plan)
    scaler = torch.amp.GradScaler(objective.device.type, enabled=objective.way.precision == "fp16")  # type: ignore[attr-defined]
    groups = _groups(batches, plan)
    recent, lowest = deque[float](maxlen=3), math.inf
    for rate in rates:
        epoch, group = next(groups)
        pictures = sum(len(batch.samples) for batch in group)
        mean = 0.0
        for batch in group:
            shown, targets = objective.shown(batch, epoch)
            loss = objective.loss(called, shown, targets) * (len(batch.samples) / pictures)
            scaler.scale(loss).backward()
            mean += loss.item()
        if not math.isfinite(mean):
            return
        yield mean
        recent.append(mean)
        lowest = min(lowest, fmean(recent)) if len(recent) == 3 else lowest
        if min(recent) > EXPLODED * lowest:
            return
        for param_group in optimiser.param_groups:
            param_group["lr"] = rate * param_group["share"]
        if plan.clip:
            scaler.unscale_(optimiser)
            torch.nn.utils.clip_grad_norm_(copy.parameters(), plan.clip)
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()


def _groups(batches: Batches, plan: Plan) -> Iterator[tuple[int, list[Batch]]]:
    """(epoch, the batches of one update) without end."""
    for epoch in count(1):
        drawn = batches.epoch(plan.seed, epoch)
        while group := list(islice(drawn, plan.accumulate)):
            yield epoch, group
