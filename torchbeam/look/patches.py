"""patches: where, in pictures of one's own, each unit of each layer is strongest and weakest. One pass for all units.

Zeiler & Fergus, 'Visualizing and Understanding Convolutional Networks' (2014), section 4, who show the nine strongest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError, SettingError
from torchbeam.look.receptive import Box, ReceptiveFields, fields_of
from torchbeam.look.slid import as_maps, weighing
from torchbeam.look.subject import Modelled, looking
from torchbeam.network.taps import Taps, tapped

MOST = 9
BITS = 32  # of a key that hold the sample, below those that hold the value
MOST_SAMPLE = 2**BITS - 1
GATHERED = 2**23  # numbers of the maps that are searched at a time for a place


@dataclass(frozen=True, slots=True)
class Patch:
    """A unit's strongest or weakest place in a picture, the first of several in reading order: the sample, the
    position in the layer's map, the unit's value there before any activation, and what it sees of the picture."""

    sample: int
    row: int
    column: int
    value: float
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class PatchBook:
    """The patches of every unit of the layers. layers: their units by name. left_out: those that gave no map for each
    picture. pictures: how many were seen."""

    layers: Mapping[str, int]
    left_out: tuple[str, ...]
    pictures: int
    fields: ReceptiveFields
    _widths: Mapping[str, int]
    _ends: tuple["Ranking", "Ranking"]

    def most(self, layer: str, unit: int) -> tuple[Patch, ...]:
        """The nine places that excite a unit most, one of each picture, strongest first; equals by their sample.
        Raises SettingError for what is not in the book."""
        return self._of(self._ends[0], layer, unit)

    def least(self, layer: str, unit: int) -> tuple[Patch, ...]:
        """The nine places that excite a unit least, one of each picture, weakest first; equals by their sample.
        Raises SettingError for what is not in the book."""
        return self._of(self._ends[1], layer, unit)

    def _of(self, end: "Ranking", layer: str, unit: int) -> tuple[Patch, ...]:
        if layer not in self.layers:
            known = list(self.layers)
            raise SettingError(
                f"no patches of layer {short(layer)!r}", expected=listed(known), remedy=nearest(layer, known)
            )
        if not 0 <= unit < self.layers[layer]:
            most = self.layers[layer] - 1
            raise SettingError(f"no patches of unit {unit} of {layer}", expected=f"0 to {most}")
        before = sum(count for name, count in self._before(layer))
        found: list[Patch] = []
        for sample, place, value in end.of(before + unit):
            row, column = divmod(place, self._widths[layer])
            known = self.fields.knows(layer) and row < self.fields.layer(layer).output.height
            box = self.fields.box(layer, row, column) if known else self.fields.whole
            found.append(Patch(sample, row, column, value, box))
        return tuple(found)

    def _before(self, layer: str) -> list[tuple[str, int]]:
        every = list(self.layers.items())
        return every[: [name for name, _ in every].index(layer)]


class Ranking:
    """The nine largest values of each of many units so far, and the sample and place of each: what is kept is units x
    nine, whatever was seen. Equal values go by the smaller sample. sign: -1 for the nine smallest.

    A value and its sample are one whole number, the value's bits above the sample's, so that one search ranks both.
    """

    def __init__(self, units: int, sign: int = 1, most: int = MOST) -> None:
        self.sign, self.most = sign, most
        self._keys_UM = torch.empty(units, 0, dtype=torch.int64)
        self._places_UM = torch.empty(units, 0, dtype=torch.int64)

    def add(self, values_NU: Tensor, samples_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values, float32 on the CPU, of samples not seen before; NaN counts as the last. Gives what came among the
        nine: (unit, rank, place in the batch), whose places are still to be `put`."""
        before = self._keys_UM.shape[1]
        keys_UM = torch.cat((self._keys_UM, _keys(self.sign * values_NU.T, samples_N)), 1)
        self._keys_UM, at_UM = keys_UM.topk(min(self.most, keys_UM.shape[1]), 1)
        fresh = at_UM.new_full((len(keys_UM), len(samples_N)), -1)
        self._places_UM = torch.cat((self._places_UM, fresh), 1).gather(1, at_UM)
        units, ranks = torch.nonzero(at_UM >= before, as_tuple=True)
        return units, ranks, at_UM[units, ranks] - before

    def put(self, units: Tensor, ranks: Tensor, places: Tensor) -> None:
        """The places of what came, in reading order within its map."""
        self._places_UM[units, ranks] = places

    def of(self, unit: int) -> list[tuple[int, int, float]]:
        """(sample, place, value) of a unit's nine, the first first."""
        keys = self._keys_UM[unit]
        samples = MOST_SAMPLE - (keys & MOST_SAMPLE)
        ordered = keys >> BITS
        bits = torch.where(ordered < 0, -ordered | torch.iinfo(torch.int32).min, ordered)
        values = self.sign * bits.to(torch.int32).view(torch.float32) + 0.0  # and no zero is a negative one
        return list(zip(samples.tolist(), self._places_UM[unit].tolist(), values.tolist(), strict=True))


def _keys(values_UN: Tensor, samples_N: Tensor) -> Tensor:
    """Whole numbers in the order of (value, smaller sample). The bits of a float, but for the sign, rise with it."""
    values = torch.nan_to_num(values_UN.contiguous(), nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    bits = values.view(torch.int32).to(torch.int64)
    ordered = torch.where(bits < 0, -(bits & torch.iinfo(torch.int32).max), bits)
    return ordered * 2**BITS + (MOST_SAMPLE - samples_N)


Batch = Sequence[Any]  # (samples, normalised pictures N, C, H, W), and what else there is


def patches(network: nn.Module | Modelled, data: Iterable[Batch], *, layers: Sequence[str] | None = None) -> PatchBook:
    """The patches of every unit of every convolution and fully connected layer, or of those named, in one pass.

    data: batches (samples, pictures, ...): the samples' numbers, 0 to 2**32 - 1 and each once, and the normalised
    pictures, all of one size. Values are the layers' own outputs, before the activation, in float32. Beside the
    network's own work two reductions of each map are made; only pictures that come among a unit's nine are searched for
    the place. Raises SettingError for a name that is no such layer, and DataError for no pictures, or of several sizes.
    """
    net = network if isinstance(network, nn.Module) else network.network
    names = _names(net, layers)
    device = next((weight.device for weight in net.parameters()), torch.device("cpu"))
    walk: _Pass | None = None
    with looking(net), tapped(net, names) as taps:
        for samples, pictures, *_ in data:
            with torch.inference_mode():  # not while the data make the next batch: it may be learnt from later
                net(pictures.to(device))
                walk = walk or _Pass(net, names, taps, pictures)
                walk.add(taps, pictures, checked_samples(samples, len(pictures)))
    if walk is None:
        raise DataError("no pictures to find patches in", expected="one batch of samples and pictures at the least")
    return walk.book()


def checked_samples(samples: Sequence[int] | NDArray[np.int64] | Tensor, count: int) -> Tensor:
    """Samples' numbers as a tensor. Raises DataError where they are not one for each picture, or do not fit."""
    made = torch.as_tensor(np.asarray(samples)).to(torch.int64)
    if made.shape != (count,) or (count and (int(made.min()) < 0 or int(made.max()) > MOST_SAMPLE)):
        raise DataError(
            "the samples of a batch are not the numbers of its pictures",
            expected=f"{count} numbers from 0 to {MOST_SAMPLE:,}",
            got=f"{' x '.join(map(str, made.shape))} of them",
        )
    return made


def _names(network: nn.Module, layers: Sequence[str] | None) -> list[str]:
    known = weighing(network)
    for name in layers or ():
        if name not in known:
            raise SettingError(
                f"no patches of layer {short(name)!r} can be found", expected=listed(known), remedy=nearest(name, known)
            )
    return known if layers is None else list(layers)


class _Pass:
    """What is known while the data go by. All layers' units stand in one row, so that a batch is ranked at once."""

    def __init__(self, network: nn.Module, names: list[str], taps: Taps, pictures: Tensor) -> None:
        self.size = pictures.shape[1:]
        modules = dict(network.named_modules())
        self.last = {name: isinstance(modules[name], nn.Linear) for name in names}
        maps = {name: as_maps(taps[name], last=self.last[name]) for name in names if name in taps}
        self.shapes = {n: each.shape[1:] for n, each in maps.items() if each.dim() == 4 and len(each) == len(pictures)}
        self.left_out = tuple(name for name in names if name not in self.shapes)
        units = sum(shape[0] for shape in self.shapes.values())
        self.ends = (Ranking(units), Ranking(units, sign=-1))
        self.fields = fields_of(network, Volume(*self.size))
        self.pictures = 0

    def add(self, taps: Taps, pictures: Tensor, samples_N: Tensor) -> None:
        """One batch."""
        if pictures.shape[1:] != self.size:
            sizes = [" x ".join(map(str, size)) for size in (self.size, pictures.shape[1:])]
            raise DataError("patches are of pictures of one size", expected=sizes[0], got=sizes[1])
        self.pictures += len(pictures)
        maps = [as_maps(taps[name], last=self.last[name]) for name in self.shapes]
        highest = torch.cat([each.amax((2, 3)).float() for each in maps], 1).cpu()
        lowest = torch.cat([each.amin((2, 3)).float() for each in maps], 1).cpu()
        for ranking, values_NU in zip(self.ends, (highest, lowest), strict=True):
            units, ranks, batch = ranking.add(values_NU, samples_N)
            ranking.put(units, ranks, _places(maps, units, batch, ranking.sign))

    def book(self) -> PatchBook:
        """What was found."""
        layers = {name: shape[0] for name, shape in self.shapes.items()}
        widths = {name: shape[2] for name, shape in self.shapes.items()}
        return PatchBook(layers, self.left_out, self.pictures, self.fields, widths, self.ends)


def _places(maps: list[Tensor], units: Tensor, batch: Tensor, sign: int) -> Tensor:
    """Where in its map each of those units, which are in rising order, is strongest: the first place of several."""
    ends = list(accumulate(each.shape[1] for each in maps))
    cuts = torch.searchsorted(units, torch.tensor([0, *ends])).tolist()
    found: list[Tensor] = []
    for at, each in enumerate(maps):
        first, last = cuts[at], cuts[at + 1]
        step = max(1, GATHERED // (each.shape[2] * each.shape[3]))
        for start in range(first, last, step):
            span = slice(start, min(start + step, last))
            own = (units[span] - (ends[at] - each.shape[1])).to(each.device)
            taken = each[batch[span].to(each.device), own].flatten(1)
            found.append(taken.argmax(1) if sign > 0 else taken.argmin(1))
    return torch.cat(found).cpu() if found else units.new_empty(0)
