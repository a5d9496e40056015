"""The training loop. It reads top to bottom and yields records; whoever draws, logs or saves reads them.

It may be left after any record, and closed: the learner then holds a whole moment, from which a loop goes on.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from torchbeam.data.batches import Batch, Batches
from torchbeam.errors import Diverged
from torchbeam.learn.evaluate import EVALUATION_BATCH, outputs_of
from torchbeam.learn.jumps import MOST
from torchbeam.learn.learner import Learner, Step
from torchbeam.learn.signs import Finding

# Updates between two looks at the loss; between them nothing waits for the device.
WINDOW = 50
# Batches of validation between two records, so that a run can be stopped there too.
VALIDATED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: mean training loss; plain loss and score on validation; the rate of its last step; its seconds,
    and training pictures per second (validation not counted). While this record is read the network holds the
    weights that were measured."""

    epoch: int
    epochs: int | None
    loss: float
    validation_loss: float
    validation_score: float
    lr: float
    seconds: float
    pictures_per_second: float


@dataclass(frozen=True, slots=True)
class Validating:
    """A part of validation is done."""

    share: float


@dataclass(frozen=True, slots=True)
class Lowered:
    """Training blew up: at `step` the mean loss was `loss`. It goes on from step `back`, at `factor` times the
    rate; `times` counts such returns."""

    step: int
    loss: float
    back: int
    factor: float
    times: int


Record = Step | Epoch | Validating | Lowered | Finding


def learn(learner: Learner, train: Batches, validation: Batches) -> Iterator[Record]:
    """Train the learner's network in place to the end of its plan, or on to it.

    Yields a Step after each update, what the doctor finds, an Epoch after each epoch. Raises Diverged when the loss
    blows up though the rate was lowered three times; the network then holds the last good weights.
    """
    plan = learner.objective.plan
    learner.since = time.perf_counter()
    if learner.good is None:
        learner.keep_good()
    while not learner.over:
        start, before, lr = time.perf_counter(), learner.seen, learner.rate()
        learner.called.train()
        blown = None
        for batches in _grouped(train.epoch(plan.seed, learner.epoch, learner.batch), plan.accumulate):
            step, findings = learner.update(batches)
            lr = step.lr
            yield step
            yield from findings
            ends = learner.batch == len(train) or learner.over
            if ends or learner.batch // plan.accumulate % WINDOW == 0:
                blown = learner.blown()
                if blown is not None or ends:
                    break
                learner.keep_good()
        if blown is not None:
            yield _stepped_back(learner, blown, lr)
            continue
        trained = time.perf_counter()
        with learner.weights():
            outputs, labels = yield from _validated(learner, validation)
            task = learner.objective.task
            validation_loss = task.plain_loss(outputs, labels).item()
            yield Epoch(
                learner.epoch,
                None if plan.seconds is not None else plan.epochs,
                learner.loss(),
                validation_loss,
                task.score(outputs, labels),
                lr,
                time.perf_counter() - start,
                (learner.seen - before) / max(1e-9, trained - start),
            )
        if learner.doctor is not None:
            done = learner.share(learner.step)
            score = task.score(outputs, labels)
            yield from learner.doctor.after_epoch(
                learner.epoch, learner.step, done, learner.loss(), validation_loss, score
            )
        learner.next_epoch()
        learner.keep_good()


def _grouped(batches: Iterable[Batch], count: int) -> Iterator[list[Batch]]:
    """The batches in groups of `count`, whose gradients make one update; the last may be smaller."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == count:
            yield group
            group = []
    if group:
        yield group


def _validated(learner: Learner, validation: Batches) -> Generator[Validating, None, tuple[Tensor, Tensor]]:
    """(scores N x K, labels N) of validation, in order."""
    made: list[tuple[Tensor, Tensor]] = []
    objective, samples = learner.objective, validation.samples
    size = VALIDATED_AT_ONCE * EVALUATION_BATCH
    for start in range(0, len(samples), size):
        part = replace(validation, samples=samples[start : start + size])
        made.append(outputs_of(learner.network, part, objective.preprocessing, objective.device, way=objective.way))
        yield Validating(min(1.0, (start + size) / len(samples)))
    return torch.cat([outputs for outputs, _ in made]), torch.cat([labels for _, labels in made])


def _stepped_back(learner: Learner, loss: float, lr: float) -> Lowered:
    """Back to the last good moment at a lower rate. Raises Diverged after the third time."""
    step = learner.step
    if learner.times_lowered >= MOST:
        learner.step_back()
        raise Diverged(
            f"the loss became {loss:.4g} by step {step:,}, where the learning rate was {lr:.3g}; lowered {MOST} times, "
            "it still blew up",
            expected="a loss that falls",
            remedy="leave --lr out, and a rate is measured; or look at the pictures and labels with torchbeam check",
        )
    learner.step_back()
    return Lowered(step, loss, learner.step, learner.lowered, learner.times_lowered)
