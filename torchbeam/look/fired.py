"""fired: what one unit does on one's own pictures: its patches, its classes, and what the network is without it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torchbeam.errors import DataError
from torchbeam.look.arithmetic import seen_from
from torchbeam.look.cells import shown
from torchbeam.look.patches import Batch, Patch, Ranking, checked_samples
from torchbeam.look.receptive import ReceptiveFields
from torchbeam.look.slid import Ran, as_maps
from torchbeam.look.subject import Subject, looking
from torchbeam.look.without import without
from torchbeam.network.taps import tapped


@dataclass(frozen=True, slots=True, eq=False)
class Fired:
    """A unit on one's own pictures. most, least: the nine patches, and their whole pictures as bytes H, W, 3.

    By class, K of them: counts, the pictures; means, of the unit's map over its positions and the class's pictures
    (NaN where it has none); right and right_without, how many the network has right, as it is and without the unit.
    """

    most: tuple[Patch, ...]
    least: tuple[Patch, ...]
    pictures: Mapping[int, NDArray[np.uint8]]
    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    right: NDArray[np.int64]
    right_without: NDArray[np.int64]

    @property
    def change(self) -> NDArray[np.float64]:
        """By how much the accuracy of each class changes without the unit; NaN where it has no pictures."""
        return (self.right_without - self.right) / np.where(self.counts == 0, np.nan, self.counts)


def fired_by(subject: Subject, layer: Ran, unit: int, fields: ReceptiveFields, data: Iterable[Batch]) -> Fired:
    """What a unit does on batches (samples, pictures, labels), in one pass with the unit and without it."""
    network, silent = subject.network, without(subject.network, layer.name, unit)
    last = isinstance(network.get_submodule(layer.name), nn.Linear)
    tally, finds = _Tally(len(subject.classes)), (_Finds(subject, 1), _Finds(subject, -1))
    with looking(network), tapped(network, [layer.name]) as taps:
        for samples, pictures, labels, *_ in data:
            labels_N = torch.as_tensor(labels).to(torch.int64).cpu()
            _check_labels(labels_N, len(pictures), len(subject.classes))
            with torch.inference_mode():  # not while the data make the next batch
                given = pictures.to(subject.x_1CHW.device)
                scores = network(given).flatten(1)
                maps_NHW = as_maps(taps[layer.name], last=last)[:, unit].float()
                tally.add(labels_N, maps_NHW.mean((1, 2)), scores, silent(given).flatten(1))
                for find in finds:
                    find.add(checked_samples(samples, len(pictures)), maps_NHW, pictures)
    if not tally.counts.sum():
        raise DataError("no pictures to see the unit on", expected="one batch of pictures and labels at the least")
    most, least = (find.patches(fields, layer) for find in finds)
    means = tally.sums.numpy() / np.where(tally.counts == 0, np.nan, tally.counts)
    counts, right, right_without = (each.numpy() for each in (tally.counts, tally.right, tally.right_without))
    pictures = finds[0].pictures | finds[1].pictures
    return Fired(most, least, pictures, counts, means, right, right_without)


class _Tally:
    """Sums by class while the data go by."""

    def __init__(self, classes: int) -> None:
        self.counts, self.right, self.right_without = (torch.zeros(classes, dtype=torch.int64) for _ in range(3))
        self.sums = torch.zeros(classes, dtype=torch.float64)

    def add(self, labels_N: Tensor, means_N: Tensor, scores_NK: Tensor, without_NK: Tensor) -> None:
        """One batch."""
        self.counts.index_add_(0, labels_N, torch.ones_like(labels_N))
        self.sums.index_add_(0, labels_N, means_N.double().cpu())
        for right, given in ((self.right, scores_NK), (self.right_without, without_NK)):
            right.index_add_(0, labels_N, (given.argmax(1).cpu() == labels_N).to(torch.int64))


class _Finds:
    """The nine patches at one end, and their pictures."""

    def __init__(self, subject: Subject, sign: int) -> None:
        self.subject, self.sign, self.ranking = subject, sign, Ranking(1, sign)
        self.pictures: dict[int, NDArray[np.uint8]] = {}

    def add(self, samples_N: Tensor, maps_NHW: Tensor, pictures_NCHW: Tensor) -> None:
        """One batch; pictures that fell out of the nine are let go."""
        flat = maps_NHW.flatten(1)
        ends_N1 = (flat.amax(1) if self.sign > 0 else flat.amin(1)).cpu()[:, None]
        units, ranks, batch = self.ranking.add(ends_N1, samples_N)
        taken = flat[batch.to(flat.device)]
        self.ranking.put(units, ranks, (taken.argmax(1) if self.sign > 0 else taken.argmin(1)).cpu())
        for at in batch.tolist():
            self.pictures[int(samples_N[at])] = shown(pictures_NCHW[at], self.subject.mean, self.subject.std)
        kept = {sample for sample, _, _ in self.ranking.of(0)}
        self.pictures = {sample: pixels for sample, pixels in self.pictures.items() if sample in kept}

    def patches(self, fields: ReceptiveFields, layer: Ran) -> tuple[Patch, ...]:
        """The nine, with what each sees."""
        width = layer.output_KHW.shape[2]
        found = [(sample, *divmod(place, width), value) for sample, place, value in self.ranking.of(0)]
        return tuple(
            Patch(s, row, column, value, seen_from(fields, layer.name, row, column)) for s, row, column, value in found
        )


def _check_labels(labels_N: Tensor, count: int, classes: int) -> None:
    most = int(labels_N.max()) if labels_N.numel() else 0
    if labels_N.shape != (count,) or (count and not 0 <= int(labels_N.min()) <= most < classes):
        raise DataError(
            "the labels of a batch are not classes of its pictures",
            expected=f"{count} numbers from 0 to {classes - 1}",
            got=f"{' x '.join(map(str, labels_N.shape))} of them, up to {most}",
        )
