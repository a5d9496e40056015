"""The doctor: what is wrong with a run, said in sentences with numbers, before training and while it goes on.

It reads and never writes: the bits of a run are the same without it. It looks at few steps, so that it costs less
than 2 % of the time, and what it says is a function of the run's state, so that a resumed run says the same.
"""

import copy
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.data.batches import Batch, Batches
from torchbeam.learn import signs
from torchbeam.learn.listening import Heard, Listener, weights_of
from torchbeam.learn.objective import Objective
from torchbeam.learn.signs import Chance, Finding, Least, Relation
from torchbeam.network.graph import Graph

FIRST_LOOKS = frozenset({1, 10, 30, 100, 300})
LATER_LOOKS = 1000  # and each step that is a multiple of it
LEARNT_BY = 0.3  # the share of the run after which a network should know something
FEWEST_STEPS = 20  # before which it need not
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
COMPARED, THUMBNAIL = 1024, 8  # pictures, and pixels of a side, by which likeness is judged
# The trial before training: so many pictures, learnt by heart in steps by this share of each layer's own length (You
# et al. 2017's rule): safe at any scale, with no state to keep. At most this share of the run's steps go into it.
TRIAL_PICTURES, TRIAL_STEPS, TRIAL_FEWEST, TRIAL_SHARE, TRIAL_RATE = 16, 32, 16, 0.015, 0.02
LEARNT_BY_HEART = 0.9  # of the first loss: plain by then that the network can, mostly after 3 to 10 steps


class Doctor:
    """Watches one run: at each step that is `due` around its forward, after its backward and its update, and after
    each epoch. Every kind of finding is said once.

    classes: their number. lr: the peak rate. weighted: whether some classes count more in the loss. blind: the least
    training loss of scores that are the same for every picture; by default from the classes' shares alone.
    told: what `told()` gave when the run was left off.
    """

    def __init__(
        self,
        classes: int,
        lr: float,
        train: Batches,
        validation: Batches,
        weighted: bool = False,
        blind: float | None = None,
        told: dict[str, Any] | None = None,
    ) -> None:
        self._classes, self._lr, self._train, self._weighted = classes, lr, train, weighted
        counts = _counts(train, classes)
        self._chance: Chance = signs.chance(counts, _counts(validation, classes))
        self._blind = signs.blind_loss(counts) if blind is None else blind
        self._alive, self._widest = False, 0.0  # whether it was seen to answer to pictures, and how far scores differed
        self._heads = 1.0  # by which the loss counts, side heads included
        self._flat: float | None = None  # an epoch's loss that was flat, to be looked into at the next step
        self._said: list[str] = []
        self._began: float = math.log(classes)
        self._least: Least | None = None
        self._better: float = lr / 10  # the rate that remedies name
        self._listener: Listener | None = None
        if told is not None:
            self.recall(told)

    def told(self) -> dict[str, Any]:
        """What it has said and keeps in mind, as JSON, for a run that is resumed."""
        least = None if self._least is None else asdict(self._least)
        life = {"alive": self._alive, "widest": self._widest, "heads": self._heads, "flat": self._flat}
        return {"said": list(self._said), "began": self._began, "better": self._better, "least": least, "life": life}

    def recall(self, told: dict[str, Any]) -> None:
        """Go on with what `told()` gave."""
        self._said, self._began, self._better = list(told["said"]), float(told["began"]), float(told["better"])
        self._least = None if told["least"] is None else Least(**told["least"])
        life = told.get("life", self.told()["life"])  # a state may be from before there was one
        self._alive, self._widest = bool(life["alive"]), float(life["widest"])
        self._heads, self._flat = float(life["heads"]), life["flat"]

    def due(self, step: int) -> bool:
        """Whether it looks at this step of the run, counted from 1."""
        return step in FIRST_LOOKS or step % LATER_LOOKS == 0 or self._flat is not None

    def listening(self, network: nn.Module) -> AbstractContextManager[None]:
        """Around the forward of a step that is due. Give the module that is called, compiled or not: of a compiled one
        only gradients and updates are heard."""
        self._listener = Listener()
        return self._listener.forward(network)

    def after_backward(self, network: nn.Module, loss: Tensor, scale: float = 1.0) -> None:
        """loss: of one batch, as the objective gives it. scale: what the gradients are multiplied by, as for fp16."""
        if self._listener is None:
            self._listener = Listener()
        self._listener.backward(network, loss, scale)

    def after_update(self, network: nn.Module, epoch: int, step: int, progress: float) -> list[Finding]:
        """What this step tells, of kinds not said before. progress: the share of the run that is done, from 0 to 1.

        Here, and only here, the device is waited for.
        """
        if self._listener is None:
            return []
        self._listener.update()
        heard, self._listener = self._listener.heard(), None
        self._heads = 1 + _sides(network)
        died = self._died(heard)
        if died is not None:  # what else could be said would be of what came of it
            return self._new([signs.inputs(heard), died], epoch, step)
        ratio = signs.middle_ratio(heard)
        moved = signs.update_ratio(ratio, progress, self._lr)
        if moved is not None and moved.kind not in self._said:  # every remedy names one and the same rate
            self._better = signs.better_rate(ratio, self._lr)
        found: list[Finding | None] = [signs.inputs(heard), moved]
        if step == 1:
            expected = expected_loss(network, self._classes)
            found.append(signs.first_loss(heard.loss, expected, self._classes))
            self._began = max(self._began, expected, heard.loss if math.isfinite(heard.loss) else 0.0)
        else:
            found.append(signs.rate(heard.loss, self._began, self._better))
        zeros = signs.zeros(heard)
        if zeros is not None:
            found.append(zeros)
        elif moved is None and math.isfinite(heard.loss):  # else dead units and burst gradients are what came of it
            found.append(signs.dead(heard, self._better) or signs.gradients(heard, step))
        return self._new(found, epoch, step)

    def _died(self, heard: Heard) -> Finding | None:
        """Whether a network that answered to pictures does so no more, and its loss lies flat: this batch's, or the
        mean of the epoch that gave reason to look."""
        loss, self._flat = heard.loss if self._flat is None else self._flat, None
        shown = signs.lifeless(heard, self._widest)
        if not shown:
            self._alive = True
            if heard.spread is not None and heard.loss <= signs.LOSS_GROWN * self._began:  # not while it explodes
                self._widest = max(self._widest, heard.spread)
            return None
        blind = self._blind * self._heads
        return signs.quiet_death(loss, blind, shown, self._lr) if self._alive and signs.is_flat(loss, blind) else None

    def after_epoch(
        self,
        epoch: int,
        step: int,
        progress: float,
        train_loss: float,
        validation_loss: float,
        validation_score: float,
        train_score: float | None = None,
    ) -> list[Finding]:
        """What an epoch tells, of kinds not said before. train_loss: its mean; validation_loss: without what only helps
        training; scores: accuracies."""
        found = [signs.rate(train_loss, self._began, self._better)]
        blind = signs.learns_nothing(validation_loss, validation_score, self._chance)
        if self._weighted:  # then rare classes may be learnt at the cost of both
            blind = blind and train_loss >= signs.LEARNT_LOSS * math.log(self._classes)
        unsaid = not {"does-not-learn", "shuffled-labels", "quiet-death"} & set(self._said)
        if blind and unsaid and step >= FEWEST_STEPS and progress >= LEARNT_BY:
            alike = relation(self._train)
            found.append(signs.nothing_learnt(validation_score, self._chance, alike, self._said, self._better))
        if self._least is not None:
            gap = None if train_score is None else train_score - validation_score
            found.append(signs.overfit(self._least, epoch, train_loss, validation_loss, gap))
        if step >= FEWEST_STEPS and signs.is_flat(train_loss, self._blind * self._heads):
            self._flat = train_loss
        if math.isfinite(validation_loss) and (self._least is None or validation_loss < self._least.validation):
            self._least = Least(epoch, validation_loss, train_loss)
        return self._new(found, epoch, step)

    def _new(self, found: Iterable[Finding | None], epoch: int, step: int) -> list[Finding]:
        new = [finding for finding in found if finding is not None and finding.kind not in self._said]
        self._said += [finding.kind for finding in new]
        return [replace(finding, epoch=epoch, step=step) for finding in new]


def examine(network: nn.Module, objective: Objective, batch: Batch, classes: int, steps: int) -> list[Finding]:
    """What is wrong before the first step, from one batch of training and a copy of the network, not yet compiled.

    The copy is given the batch as the first epoch shows it; then, where nothing was found, it learns 16 of its
    pictures, as they are, by heart. steps: of the whole run; at most 1.5 % as many go into that, and none where that
    is too few to tell. The network, and the random numbers of torch, stay as they are.
    """
    device = objective.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        torch.manual_seed(objective.plan.seed)
        patient = copy.deepcopy(network).train()
        pictures, targets = objective.shown(batch, 1)
        listener = Listener()
        with listener.forward(patient):
            loss = objective.loss(patient, pictures, targets)
        loss.backward()
        listener.backward(patient, loss)
        heard = listener.heard()
        found = [signs.inputs(heard), signs.first_loss(heard.loss, expected_loss(patient, classes), classes)]
        layers = [weight for _, weight in weights_of(patient)]
        if len(layers) > 1 and all(bool((weight == weight[:1]).all()) for weight in layers):
            found.append(signs.all_zero(len(layers)))
        else:
            found.append(signs.dead(heard, None) or signs.gradients(heard, 1))
        budget = min(TRIAL_STEPS, int(TRIAL_SHARE * steps))
        if not any(found) and budget >= TRIAL_FEWEST:
            found.append(_trial(patient, objective, batch, budget))
    return [finding for finding in found if finding is not None]


def _trial(patient: nn.Module, objective: Objective, batch: Batch, steps: int) -> Finding | None:
    """Whether the network learns a few pictures by heart; it stops as soon as that is plain."""
    pixels = batch.pixels_NCHW[:TRIAL_PICTURES].to(objective.device)
    pictures = objective.way.laid(objective.preprocessing.normalise(pixels))
    targets = batch.labels_N[:TRIAL_PICTURES].to(objective.device)
    for module in patient.modules():
        if isinstance(module, DROPOUTS):
            module.eval()
    losses: list[float] = []
    for step in range(steps):
        patient.zero_grad()
        loss = objective.loss(patient, pictures, targets)
        losses.append(loss.item())
        if losses[-1] < LEARNT_BY_HEART * losses[0]:
            return None
        loss.backward()
        _step_by_length(patient, TRIAL_RATE * (1 - step / steps))
    return signs.does_not_fit(len(targets), steps, losses[0], min(losses))


@torch.no_grad()
def _step_by_length(network: nn.Module, share: float) -> None:
    """Move each layer's weights against their gradient by a share of their own length."""
    for _, weight in weights_of(network):
        if weight.grad is None:
            continue
        # Weights that start at 0, as a last layer may, are moved as if they had nearly the length PyTorch gives them.
        length = torch.linalg.vector_norm(weight).clamp_min(0.5 * math.sqrt(len(weight)))
        steep = torch.linalg.vector_norm(weight.grad).clamp_min(1e-30)
        weight.sub_(weight.grad * (share * length / steep))


def expected_loss(network: nn.Module, classes: int) -> float:
    """The loss of a network that knows nothing: ln K, and the side heads' by their weights."""
    return math.log(classes) * (1 + _sides(network))


def _sides(network: nn.Module) -> float:
    runs = [run for module in network.modules() if isinstance(module, Graph) for run in module.runs]
    return sum(run.weight for run in runs if run.weight is not None)


def relation(train: Batches) -> Relation:
    """Whether training pictures that look alike, as thumbnails, are of one class more often than by chance; of at most
    1,024, spread evenly. Copies of one picture are not compared with each other."""
    places = np.linspace(0, len(train.samples) - 1, min(COMPARED, len(train.samples))).astype(np.int64)
    few = replace(train, samples=train.samples[places])
    small, labels = [], []
    for batch in few.in_order():
        small.append(F.adaptive_avg_pool2d(batch.pixels_NCHW.float().cpu(), THUMBNAIL).flatten(1))
        labels.append(batch.labels_N)
    x, classes_N = torch.cat(small), torch.cat(labels)
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp_min(1e-3)
    # By differences, not products, which would leave the distance between copies above 0.
    apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = apart.masked_fill(apart == 0, math.inf).argmin(1)
    n = len(x)
    counts = torch.bincount(classes_N).double()
    by_chance = (counts * (counts - 1)).sum().item() / max(1, n * (n - 1))
    return Relation((classes_N[nearest] == classes_N).double().mean().item(), by_chance, n)


def _counts(part: Batches, classes: int) -> list[int]:
    return torch.bincount(part.labels[torch.from_numpy(part.samples)], minlength=classes).tolist()
