"""The training loop. It reads top to bottom and yields records; whoever draws, logs or saves reads them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbeam.data.augment.apply import augmented
from torchbeam.data.batches import Batches
from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import Diverged
from torchbeam.learn.evaluate import outputs_of
from torchbeam.learn.plan import Plan
from torchbeam.learn.rate import warm_up_cosine
from torchbeam.network.graph import Outputs
from torchbeam.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Step:
    """One update: epoch and step count from 1, step over the whole run."""

    epoch: int
    step: int
    steps: int
    pictures: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: mean training loss; plain loss and score on validation; the rate of its last step; its seconds,
    and training pictures per second (validation not counted)."""

    epoch: int
    epochs: int
    loss: float
    validation_loss: float
    validation_score: float
    lr: float
    seconds: float
    pictures_per_second: float


def learn(
    network: nn.Module,
    task: Task,
    train: Batches,
    validation: Batches,
    preprocessing: Preprocessing,
    plan: Plan,
    device: torch.device,
) -> Iterator[Step | Epoch]:
    """Train `network` in place by `plan`, yielding a Step after each update and an Epoch after each epoch.

    Raises Diverged when the loss is no longer a number; the network then holds the last finite weights' update.
    """
    network.to(device)
    optimiser = _sgd(network, plan)
    steps, step = plan.epochs * len(train), 0
    for epoch in range(1, plan.epochs + 1):
        start = time.perf_counter()
        network.train()
        loss_sum, seen, lr = 0.0, 0, 0.0
        for batch in train.epoch(plan.seed, epoch):
            lr = plan.lr * warm_up_cosine((step + 0.5) / steps, plan.warm_up)
            for group in optimiser.param_groups:
                group["lr"] = lr
            pixels, targets = batch.pixels_NCHW.to(device), batch.labels_N.to(device)
            shown = augmented(
                plan.augment, pixels, batch.samples, plan.seed, epoch, preprocessing.mean, preprocessing.std
            )
            if shown.partner_N is not None and shown.share_N is not None:
                targets = task.mixed(targets, shown.partner_N, shown.share_N)
            loss = _loss(task, network(shown.pictures_NCHW), targets)
            loss_now = loss.item()
            if not abs(loss_now) < float("inf"):
                raise _diverged(loss_now, step + 1, lr, plan)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step, seen = step + 1, seen + len(batch.samples)
            loss_sum += loss_now * len(batch.samples)
            yield Step(epoch, step, steps, len(batch.samples))
        trained = time.perf_counter()
        outputs, labels = outputs_of(network, validation, preprocessing, device)
        validation_loss = task.plain_loss(outputs, labels).item()
        if not abs(validation_loss) < float("inf"):
            raise _diverged(validation_loss, step, lr, plan)
        yield Epoch(
            epoch,
            plan.epochs,
            loss_sum / seen,
            validation_loss,
            task.score(outputs, labels),
            lr,
            time.perf_counter() - start,
            seen / (trained - start),
        )


def _loss(task: Task, outputs: Tensor | Outputs, targets: Tensor) -> Tensor:
    """The task's loss, and that of every side head by its weight (Szegedy et al. 2014)."""
    if isinstance(outputs, Tensor):
        return task.loss(outputs, targets)
    loss = task.loss(outputs.scores, targets)
    for weight, scores in outputs.sides:
        loss = loss + weight * task.loss(scores, targets)
    return loss


def _sgd(network: nn.Module, plan: Plan) -> torch.optim.SGD:
    weights: list[Tensor] = [p for p in network.parameters() if p.ndim > 1]
    others: list[Tensor] = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": plan.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.momentum > 0)


def _diverged(loss: float, step: int, lr: float, plan: Plan) -> Diverged:
    return Diverged(
        f"the loss became {loss} at step {step:,}, where the learning rate was {lr:.3g}",
        expected="a loss that is a number",
        remedy=f"leave --lr out, or try a lower one than {min(lr, plan.lr):.2g}; 0.05 suits most networks",
    )
