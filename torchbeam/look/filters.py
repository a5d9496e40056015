"""filters: the weights of a layer as pictures, and how training changed them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import is_lazy

from torchbeam.errors import SettingError
from torchbeam.look.activations import at_least_one, bare, unknown
from torchbeam.look.look import Look, Measured
from torchbeam.look.sheets import Group, Scale, Tile, scale_of, sheet
from torchbeam.look.subject import DIGITS, Modelled
from torchbeam.network.modelfile import tensors_digest

CHANNELS = 12  # of one unit that are shown
COLUMNS = 12

Kernels = NDArray[np.float32]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """weights_UCHW: units, the channels that each reads, rows, columns. first: whether it reads the picture; groups: of
    a grouped convolution."""

    name: str
    weights_UCHW: Kernels
    first: bool
    groups: int

    @property
    def pictures(self) -> bool:
        """Whether its filters are pictures as a whole, grey or in colour."""
        return self.first and self.weights_UCHW.shape[1] in (1, 3)

    @property
    def single(self) -> bool:
        """Whether a unit is one small picture, and not one for each channel."""
        return self.pictures or self.weights_UCHW.shape[1] == 1

    @property
    def lengths_UC(self) -> Kernels:
        """The length (2-norm) of each kernel, that of one unit for one channel."""
        return np.sqrt(np.square(self.weights_UCHW).sum((2, 3)))

    def channels(self, units: Places, places: Places) -> Places:
        """The numbers of the channels that stand at those places of the units' weights."""
        count, channels = self.weights_UCHW.shape[:2]
        return units // (count // self.groups) * channels + places


def filters(
    network: nn.Module | Modelled,
    layer: str | None = None,
    *,
    most: int = 96,
    shape: tuple[int, int, int] | None = None,
) -> Look:
    """The filters of a CONV, or the templates of an FC, the strongest (longest) first.

    layer: a name; None for the first. Filters that read the picture are pictures themselves, in colour from RGB, mid
    grey for 0 and each by its own largest weight. Deeper ones are shown kernel by kernel on one scale: of the strongest
    units the 12 channels that weigh most; a depthwise unit has just one. most: small pictures in all. shape: (channels,
    height, width) of what an FC reads, as which its weights are laid out; a model's first FC knows it.

    Arrays: 'filters' (unit, channel, row, column) as shown, 'units' and 'channels', their numbers, 'lengths' of all
    units. Raises SettingError for a layer that is unknown or has no filters, and for an FC that reads no picture.
    """
    at_least_one("most", most)
    found = _layer(network, layer, shape)
    count, channels, high, wide = found.weights_UCHW.shape
    lengths_U = np.sqrt(np.square(found.lengths_UC).sum(1))
    units_U = np.argsort(-lengths_U, kind="stable")[: most if found.single else max(1, most // CHANNELS)]
    places_UC = np.argsort(-found.lengths_UC[units_U], axis=1, kind="stable")[:, : min(CHANNELS, most)]
    if found.pictures:  # red, green and blue stay in their order
        places_UC = np.tile(np.arange(channels), (len(units_U), 1))
    kernels_UCHW = found.weights_UCHW[units_U[:, None], places_UC]
    numbers_UC = found.channels(units_U[:, None], places_UC)
    left = _left_out(len(units_U), count, "units"), _left_out(places_UC.shape[1], channels, "channels of each")
    told = f"Filters of {found.name}, {wide} x {high} x {channels}, the strongest first"
    told += f"; left out: {', '.join(filter(None, left)) or 'none'}"

    def drawn() -> Figure:
        if found.single:
            scale = None if found.pictures else scale_of(kernels_UCHW, "weight")
            labels = [f"{unit}  |{lengths_U[unit]:.2g}|" for unit in units_U]
            return sheet(
                [Group("number |length|", _tiles(kernels_UCHW, labels, scale), COLUMNS, 0.7, scale)], title=told
            )
        return sheet(_by_unit(units_U, numbers_UC, kernels_UCHW, lengths_U), title=told)

    digest = tensors_digest(bare(network).state_dict())[:DIGITS]
    arrays = {
        "filters": Measured(kernels_UCHW, ("unit", "channel", "row", "column"), "weight"),
        "units": Measured(units_U, ("unit",), "number of the unit"),
        "channels": Measured(numbers_UC, ("unit", "channel"), "number of the channel"),
        "lengths": Measured(lengths_U, ("unit",), "length of all weights"),
    }
    return Look("filters", arrays, f"{told}. float32, weights {digest}", drawn, facts={"layer": found.name})


def before_after(
    before: nn.Module | Modelled,
    after: nn.Module | Modelled,
    layer: str | None = None,
    *,
    most: int = 48,
    shape: tuple[int, int, int] | None = None,
) -> Look:
    """A layer's filters in two networks side by side, those first that changed most; arguments as `filters`.

    Arrays: 'before' and 'after', as shown (pair, channel, row, column), 'units' and 'channels' of the pairs, 'change'
    of every unit, the length of the difference. Raises SettingError also where the two layers differ in shape.
    """
    at_least_one("most", most)
    one, other = _layer(before, layer, shape), _layer(after, layer, shape)
    if one.weights_UCHW.shape != other.weights_UCHW.shape or one.groups != other.groups:
        raise SettingError(
            f"the filters of {one.name} and {other.name} are of different shapes",
            expected=" x ".join(map(str, one.weights_UCHW.shape)),
            got=" x ".join(map(str, other.weights_UCHW.shape)),
        )
    squares_UC = np.square(other.weights_UCHW - one.weights_UCHW).sum((2, 3))
    change_U = np.sqrt(squares_UC.sum(1))
    pairs_P = np.argsort(-(change_U if one.single else squares_UC.ravel()), kind="stable")[:most]
    units_P, places_P = (pairs_P, np.zeros_like(pairs_P)) if one.single else np.divmod(pairs_P, squares_UC.shape[1])
    numbers_P = one.channels(units_P, places_P)
    sides = [
        each.weights_UCHW[units_P] if one.single else each.weights_UCHW[units_P, places_P][:, None]
        for each in (one, other)
    ]

    def drawn() -> Figure:
        scale = None if one.pictures else scale_of(np.stack(sides), "weight")
        largest = np.abs(np.stack(sides)).max((0, 2, 3, 4))  # of a pair, by which both are drawn
        labels = [f"{u}" if one.single else f"{u} · {c}" for u, c in zip(units_P, numbers_P, strict=True)]
        said = "unit" if one.single else "unit · channel"
        tiles = [_tiles(side, labels, scale, largest) for side in sides]
        titles = [f"{when}: {said}" for when in ("before", "after")]
        groups = [Group(title, each, 8, 0.6, scale) for title, each in zip(titles, tiles, strict=True)]
        return sheet(groups, across=True, title=f"{one.name}, those first that changed most")

    share = float(np.sqrt(squares_UC.sum() / max(np.square(one.weights_UCHW).sum(), 1e-30)))
    digests = [tensors_digest(bare(each).state_dict())[:DIGITS] for each in (before, after)]
    caption = (
        f"Filters of {one.name} before and after, the {len(pairs_P):,} that changed most of "
        f"{change_U.size if one.single else squares_UC.size:,}; the layer's change is {share:.3g} times as long as its "
        f"weights were. float32, weights {digests[0]} and {digests[1]}"
    )
    axes = ("pair", "channel", "row", "column")
    arrays = {
        "before": Measured(sides[0], axes, "weight"),
        "after": Measured(sides[1], axes, "weight"),
        "units": Measured(units_P, ("pair",), "number of the unit"),
        "channels": Measured(numbers_P, ("pair",), "number of the channel"),
        "change": Measured(change_U, ("unit",), "length of the difference"),
    }
    return Look("before-after", arrays, caption, drawn, facts={"layer": one.name, "change": share})


def _layer(network: nn.Module | Modelled, name: str | None, shape: tuple[int, int, int] | None) -> _Layer:
    module = bare(network)
    weighing = {
        each: one
        for each, one in module.named_modules()
        if isinstance(one, nn.Conv2d | nn.Linear) and not is_lazy(one.weight)
    }
    if not weighing:
        raise SettingError("the network has no filters", expected="a CONV, or an FC")
    if name is not None and name not in weighing:
        known = dict(module.named_modules())
        if name in known:
            raise SettingError(
                f"{name or 'the network'} is a {type(known[name]).__name__}, which has no filters to show",
                expected="a CONV or an FC, such as " + ", ".join(list(weighing)[:6]),
            )
        raise unknown(name, list(weighing))
    name = next(iter(weighing)) if name is None else name
    chosen, first = weighing[name], name == next(iter(weighing))
    weights = chosen.weight.detach().float().cpu().numpy()
    if isinstance(chosen, nn.Conv2d):
        return _Layer(name, weights, first and chosen.groups == 1, chosen.groups)
    if shape is None and first and isinstance(network, Modelled):
        made = network.preprocessing
        shape = made.depth, made.height, made.width
    if shape is None or int(np.prod(shape)) != chosen.in_features:
        laid = "" if shape is None else f", not {' x '.join(map(str, shape))}"
        raise SettingError(
            f"the {chosen.in_features:,} numbers that {name or 'the FC'} reads are laid out as no picture{laid}",
            expected="shape=(channels, height, width) of what it reads, or a CONV",
        )
    return _Layer(name, weights.reshape(-1, *shape), first, 1)


def _tiles(
    kernels_NCHW: Kernels, labels: Sequence[str], scale: Scale | None, largest_N: Kernels | None = None
) -> tuple[Tile, ...]:
    """Filters as pictures, or their first channels in the colours of the scale. largest_N: the weights that are black
    or white; None for each one's own largest."""
    if scale:
        pixels = [scale.pixels(kernel[0]) for kernel in kernels_NCHW]
    else:
        each_N = np.abs(kernels_NCHW).max((1, 2, 3)) if largest_N is None else largest_N
        pixels = [_picture(kernel, float(most)) for kernel, most in zip(kernels_NCHW, each_N, strict=True)]
    return tuple(Tile(one, label) for one, label in zip(pixels, labels, strict=True))


def _picture(kernel_CHW: Kernels, largest: float) -> NDArray[np.uint8]:
    """A filter as a picture: 0 is mid grey, a weight as large as `largest` black or white."""
    shares_HWC = 0.5 + kernel_CHW.transpose(1, 2, 0) / max(2 * largest, 1e-30)
    return np.repeat((255 * shares_HWC).round().astype(np.uint8), 3 // len(kernel_CHW), axis=2)


def _by_unit(units_U: Places, numbers_UC: Places, kernels_UCHW: Kernels, lengths_U: Kernels) -> list[Group]:
    """A row of kernels for each unit, all on one scale, whose bar stands beside the first."""
    scale = scale_of(kernels_UCHW, "weight")
    groups: list[Group] = []
    for unit, numbers_C, own_CHW in zip(units_U, numbers_UC, kernels_UCHW, strict=True):
        tiles = _tiles(own_CHW[:, None], [str(number) for number in numbers_C], scale)
        title = f"unit {unit}, |{lengths_U[unit]:.3g}|, by channel"
        groups.append(Group(title, tiles, COLUMNS, 0.6, None if groups else scale))
    return groups


def _left_out(shown: int, count: int, what: str) -> str:
    return f"{count - shown:,} of {count:,} {what}" if shown < count else ""
