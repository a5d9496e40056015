"""Learner: all that changes while a network learns, so that it can be kept whole and taken up again.

What does not change is the Objective's: task, plan, way, device. Order, augmentation and dropout are functions of
(seed, epoch, step), so no random state is among what changes.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchbeam.data.batches import Batch
from torchbeam.data.chance import splitmix64
from torchbeam.learn.average import average_for
from torchbeam.learn.checkpoint import State
from torchbeam.learn.course import course_of, from_json
from torchbeam.learn.doctor import Doctor
from torchbeam.learn.finetune import prepare_
from torchbeam.learn.jumps import LOWERED, Watch
from torchbeam.learn.objective import Objective
from torchbeam.learn.optimisers import optimiser_for, restore, state_of
from torchbeam.learn.signs import Finding


@dataclass(frozen=True, slots=True)
class Step:
    """One update. epoch and step count from 1, step over the whole run, `steps` how many it has, None where it ends
    by the clock. pictures: of this update. share: of the run that is done. lr: its rate."""

    epoch: int
    step: int
    steps: int | None
    pictures: int
    share: float
    lr: float


class Learner:
    """A network in training, from its first step to its last, over as many sittings as it takes.

    epoch counts from 1; batch and step say how many of this epoch and of the run are done. seconds: what earlier
    sittings took. front: where the network is the rest behind a frozen part (see learn/frozen.py), that part: its
    weights stand in every state too, so that a state holds the whole network.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        steps_per_epoch: int,
        doctor: Doctor | None = None,
        front: nn.Module | None = None,
    ) -> None:
        plan = objective.plan
        prepare_(network, plan)
        self.network, self.objective, self.doctor, self.front = network, objective, doctor, front
        if doctor is not None and objective.maps:  # maps need not lie about 0 with a deviation of 1, as pictures do
            told = doctor.told()
            doctor.recall(told | {"said": [*told["said"], "inputs"]})
        self.called = objective.way.ready(network, objective.device)
        self.optimiser = optimiser_for(network, plan)
        self.average = average_for(network, plan)
        # Half precision has no room for small gradients (Micikevicius et al. 2018); bf16 and fp32 have.
        self.scaler = torch.amp.GradScaler(objective.device.type, enabled=objective.way.precision == "fp16")  # type: ignore[attr-defined]
        self.steps_per_epoch = steps_per_epoch
        self.course = course_of(plan)
        self.epoch, self.batch, self.step, self.seen, self.window = 1, 0, 0, 0, 0
        self.sums = torch.zeros(2, dtype=torch.float64, device=objective.device)  # of the loss: epoch's, window's
        self.watch, self.lowered, self.times_lowered = Watch(), 1.0, 0
        self.seconds, self.since = 0.0, time.perf_counter()
        self.good: State | None = None

    @property
    def steps(self) -> int | None:
        """Batches of the whole run; None where it ends by the clock."""
        plan = self.objective.plan
        return None if plan.seconds is not None else plan.epochs * self.steps_per_epoch

    def share(self, step: float) -> float:
        """The share of the course that is over at that step, or by the clock."""
        seconds = self.objective.plan.seconds
        if seconds is not None:
            return min(1.0, (self.seconds + time.perf_counter() - self.since) / seconds)
        first = self.course.first
        return (step - first) / max(1, self.objective.plan.epochs * self.steps_per_epoch - first)

    @property
    def over(self) -> bool:
        """Whether there is nothing left to learn from."""
        plan = self.objective.plan
        return self.epoch > plan.epochs or (plan.seconds is not None and self.share(0) >= 1)

    def rate(self) -> float:
        """The rate of the next update."""
        share = self.share(self.step + 0.5 * self.objective.plan.accumulate)
        return self.lowered * self.course.at(self.objective.plan.schedule, share)

    def update(self, batches: Sequence[Batch]) -> tuple[Step, list[Finding]]:
        """One update from the gradients of these batches, and what the doctor found in it."""
        plan, lr = self.objective.plan, self.rate()
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["share"]
        torch.manual_seed(seed_of(plan.seed, self.step))
        pictures = sum(len(batch.samples) for batch in batches)
        number = self.step // plan.accumulate + 1
        looks = self.doctor if self.doctor is not None and self.doctor.due(number) else None
        for batch in batches:
            shown, targets = self.objective.shown(batch, self.epoch)
            with looks.listening(self.called) if looks else nullcontext():
                loss = self.objective.loss(self.called, shown, targets)
            self.scaler.scale(loss * (len(batch.samples) / pictures)).backward()
            self.sums += loss.detach().double() * len(batch.samples)
            if looks:
                looks.after_backward(self.network, loss.detach(), self.scaler.get_scale())
        if not self.step:  # what a first stretch is judged by
            self.watch.seen(self.sums[0].item() / pictures, pictures)
        self._stepped(number)
        done = self.share(self.step + len(batches))
        findings = looks.after_update(self.network, self.epoch, number, done) if looks else []
        self.optimiser.zero_grad()
        self.step += len(batches)
        self.batch += len(batches)
        self.seen += pictures
        self.window += pictures
        return Step(self.epoch, self.step, self.steps, pictures, done, lr), findings

    def _stepped(self, number: int) -> None:
        plan = self.objective.plan
        if plan.clip:
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), plan.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.network, number)

    def weights(self) -> AbstractContextManager[Any]:
        """The context in which the network holds the weights that are measured and kept: the averaged ones."""
        return nullcontext() if self.average is None else self.average.weights_in(self.network)

    def next_epoch(self) -> None:
        """What counts within an epoch begins anew."""
        self.epoch, self.batch, self.seen = self.epoch + 1, 0, 0
        self.sums[0] = 0

    def loss(self) -> float:
        """The mean training loss of this epoch so far."""
        return self.sums[0].item() / max(1, self.seen)

    def blown(self) -> float | None:
        """The mean loss since the last look where it shows that training has blown up; it is read here alone, so
        that no other step waits for the device."""
        mean, pictures = self.sums[1].item() / max(1, self.window), self.window
        self.sums[1], self.window = 0, 0
        return mean if self.watch.blown(mean, pictures) or not self._finite() else None

    def _finite(self) -> bool:
        """Whether every weight and running statistic is a number: a last update may have spoilt what no loss has
        shown yet."""
        held = [
            tensor for tensor in self.network.state_dict().values() if tensor.is_floating_point() and tensor.numel()
        ]
        return all(
            math.isfinite(norm) for norm in torch.stack([tensor.float().abs().max() for tensor in held]).tolist()
        )

    def keep_good(self) -> None:
        """Keep this moment in memory, to come back to."""
        kept = self._now()
        self.good = State({name: tensor.clone() for name, tensor in kept.tensors.items()}, kept.told)

    def step_back(self) -> None:
        """Back to the last moment that was kept, with the rate lowered. Raises RuntimeError where none was."""
        if self.good is None:
            raise RuntimeError("no moment was kept to come back to")
        lowered, times, watch = self.lowered * LOWERED, self.times_lowered + 1, self.watch
        self._take(self.good.tensors, self.good.told)
        self.lowered, self.times_lowered, self.watch = lowered, times, watch

    def state(self) -> State:
        """This moment and the last good one, to be written down."""
        now = self._now()
        tensors = dict(now.tensors) | {f"network/{name}": tensor for name, tensor in self._still().items()}
        if self.good is None:
            return State(tensors, now.told)
        tensors |= {f"good/{name}": tensor for name, tensor in self.good.tensors.items()}
        return State(tensors, now.told | {"good": self.good.told})

    def restore(self, state: State) -> None:
        """Go on from a state that was written down."""
        now = {name: tensor for name, tensor in state.tensors.items() if not name.startswith("good/")}
        still = {name: now.pop(f"network/{name}") for name in self._still()}
        if self.front is not None:
            self.front.load_state_dict(still)
        self._take(now, state.told)
        self.seconds = state.told["seconds"]
        if self.doctor is not None and state.told["doctor"] is not None:
            self.doctor.recall(state.told["doctor"])
        good = _below(state.tensors, "good/")
        # A front that the run kept apart, and that is trained with the rest now, was at that moment what it is.
        good = {name: tensor for name, tensor in now.items() if name.startswith("network/")} | good if good else good
        self.good = State(good, state.told["good"]) if good else None

    def _still(self) -> dict[str, Tensor]:
        """The tensors of the frozen part in front of what is trained."""
        return {} if self.front is None else self.front.state_dict()

    def _now(self) -> State:
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"optimiser/{name}": value for name, value in state_of(self.optimiser, self.network).items()}
        if self.average is not None:
            tensors |= {f"average/{name}": tensor for name, tensor in self.average.tensors().items()}
        tensors["sums"] = self.sums
        told = {
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "steps": self.steps,
            "seen": self.seen,
            "window": self.window,
            "course": self.course.to_json(),
            "watch": self.watch.to_json(),
            "lowered": self.lowered,
            "times_lowered": self.times_lowered,
            "seconds": self.seconds + time.perf_counter() - self.since,
            "scaler": self.scaler.state_dict(),
            "doctor": None if self.doctor is None else self.doctor.told(),
        }
        return State({name: tensor.detach() for name, tensor in tensors.items()}, told)

    def _take(self, tensors: Mapping[str, Tensor], told: dict[str, Any]) -> None:
        self.network.load_state_dict(_below(tensors, "network/"))
        restore(self.optimiser, self.network, _below(tensors, "optimiser/"))
        if self.average is not None:
            self.average.restore(_below(tensors, "average/"))
        self.sums.copy_(tensors["sums"])
        self.epoch, self.batch, self.step = told["epoch"], told["batch"], told["step"]
        self.seen, self.window = told["seen"], told["window"]
        self.course, self.watch = from_json(told["course"]), Watch.from_json(told["watch"])
        self.lowered, self.times_lowered = told["lowered"], told["times_lowered"]
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(told["scaler"])


def network_in(state: State) -> dict[str, Tensor]:
    """The state dict of the network that a state holds, as it was trained last."""
    return _below(state.tensors, "network/")


def seed_of(seed: int, step: int) -> int:
    """What torch's random numbers, which dropout draws, begin with at a step."""
    mixed = splitmix64(splitmix64(np.array([seed % 2**64], np.uint64)) ^ np.uint64(step))
    return int(mixed[0] >> np.uint64(1))


def _below(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}
