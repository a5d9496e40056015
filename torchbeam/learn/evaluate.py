"""How good a classifier is on pictures it has not learnt from, with the uncertainty said."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from torchbeam.data.batches import Batches
from torchbeam.data.preprocess import Preprocessing
from torchbeam.learn.views import ALONE, Views, scores
from torchbeam.learn.way import PLAIN, Way
from torchbeam.network.fold import folded

EVALUATION_BATCH = 512  # pictures at a time; nothing is learnt, so only memory and speed feel it
HELD = 2**28  # bytes of scores that stay on the device before they are moved
Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: precision (right among those called so; None where none was), recall (called so among those
    that are; None where there are none), F1, and how many pictures are of it."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A part's result. interval: the accuracy's 95 % Wilson interval. baseline: the accuracy of always naming
    the class most frequent in training. confusion[i][j]: pictures of class i called j."""

    accuracy: float
    n: int
    interval: tuple[float, float]
    baseline: float
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassScore, ...]

    def to_json(self) -> dict[str, Any]:
        """As it stands in summary.json."""
        return asdict(self)


def outputs_of(
    network: nn.Module,
    batches: Batches,
    preprocessing: Preprocessing,
    device: torch.device,
    *,
    way: Way = PLAIN,
    views: Views = ALONE,
) -> tuple[Tensor, Tensor]:
    """(scores N x K float32, labels N) of every sample in order, on the CPU; the network, on the device, is left in
    eval mode.

    way: its precision and layout in memory are used; nothing is compiled anew. views: how each picture is shown.
    Batch norms are folded into the layers before them, so scores are a network's own but for rounding.
    """
    network.eval()
    ready = folded(network)
    outputs, waiting, labels = [], [], []
    for batch in batches.in_order():
        # Only the network runs in inference mode: a tensor made there can never be learnt from.
        with torch.inference_mode():
            pictures = way.laid(preprocessing.normalise(batch.pixels_NCHW.to(device, non_blocking=True)))
            with way.autocast(device):
                waiting.append(scores(ready, pictures, views))
        labels.append(batch.labels_N)
        # A GPU is not waited for at every batch, but its memory is not filled with scores.
        if sum(one.nbytes for one in waiting) >= HELD:
            outputs.append(torch.cat(waiting).cpu())
            waiting = []
    if waiting:
        outputs.append(torch.cat(waiting).cpu())
    return torch.cat(outputs), torch.cat(labels)


def evaluate_outputs(outputs: Tensor, labels: Tensor, classes: Sequence[str], majority: int) -> Evaluation:
    """The result of scores N x K against labels N; `majority` is the class most frequent in training."""
    count = len(classes)
    predicted = outputs.argmax(1)
    confusion = torch.zeros(count, count, dtype=torch.int64)
    confusion.index_put_((labels, predicted), torch.ones_like(labels), accumulate=True)
    right, n = int(confusion.diagonal().sum()), len(labels)
    return Evaluation(
        accuracy=right / n,
        n=n,
        interval=wilson(right, n),
        baseline=int((labels == majority).sum()) / n,
        loss=nn.functional.cross_entropy(outputs, labels).item(),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        classes=tuple(_class_score(name, confusion, label) for label, name in enumerate(classes)),
    )


@dataclass(frozen=True, slots=True)
class Error:
    """A picture taken for another class: its place in the part, what it is and was called, each with the
    probability the network gave it."""

    index: int
    truth: str
    called: str
    truth_probability: float
    called_probability: float


def worst_mistakes(outputs: Tensor, labels: Tensor, classes: Sequence[str], most: int) -> list[Error]:
    """The pictures most confidently taken for another class, worst first, at most so many."""
    probabilities = outputs.softmax(1)
    confidence, called = probabilities.max(1)
    wrong = torch.nonzero(called != labels).flatten().tolist()
    wrong.sort(key=lambda index: (-confidence[index].item(), index))
    return [
        Error(
            index,
            classes[int(labels[index])],
            classes[int(called[index])],
            probabilities[index, labels[index]].item(),
            confidence[index].item(),
        )
        for index in wrong[:most]
    ]


def wilson(right: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a share right / n (Wilson 1927), within [0, 1]."""
    share, z2 = right / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _class_score(name: str, confusion: Tensor, label: int) -> ClassScore:
    right = int(confusion[label, label])
    are, called = int(confusion[label].sum()), int(confusion[:, label].sum())
    return ClassScore(
        name,
        precision=right / called if called else None,
        recall=right / are if are else None,
        f1=2 * right / (are + called) if are + called else None,
        n=are,
    )
