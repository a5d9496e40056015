"""slid: one layer as it ran on one picture: what it took, what it gave, and where its window stood for each number.

A convolution, a pool and a fully connected layer are one thing here: a window over a volume, with weights. An FC is a
convolution of 1 x 1 over a volume of one position, as deep as its input is long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.errors import SettingError
from torchbeam.look.receptive import check_position
from torchbeam.look.subject import looking
from torchbeam.network.blocks import AvgPool, L2Pool, MaxPool, Pads4
from torchbeam.network.taps import Taps, tapped

Kind = Literal["conv", "fc", "max", "avg", "l2"]
NONE: Pads4 = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Sliding:
    """How a layer's window slides. Sizes are (down, across), pads (left, right, top, bottom) as torch's pad takes them.

    to: the positions that an adaptive pool gives, which chooses its own windows. filler: how padding is filled, as
    nn.Conv2d's padding_mode. counted: the padding that an average counts. divisor: what it divides by instead.
    """

    kind: Kind
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pads: Pads4 = NONE
    filler: str = "zeros"
    counted: Pads4 = NONE
    divisor: int | None = None
    to: tuple[int, int] | None = None

    def places(self, axis: int, position: int, length: int) -> list[int]:
        """Where the window of that position stands along an axis, 0 for down and 1 for across: positions of the
        input, those outside 0 to length - 1 in the padding."""
        if self.to is not None:
            places = self.to[axis]
            return list(range(position * length // places, -(-(position + 1) * length // places)))
        near = self.pads[0] if axis else self.pads[2]
        start = position * self.stride[axis] - near
        return [start + self.dilation[axis] * at for at in range(self.kernel[axis])]

    def filled(self, place: int, length: int) -> int | None:
        """The position of the input that fills a place; None where padding of its own does."""
        if 0 <= place < length:
            return place
        match self.filler:
            case "reflect":
                return -place if place < 0 else 2 * (length - 1) - place
            case "replicate":
                return min(max(place, 0), length - 1)
            case "circular":
                return place % length
            case _:
                return None


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """A layer as it ran. input_CHW, output_KHW: float32; K is the number of units.

    weight, bias: what its units weigh their windows with, on the CPU: K, C / groups, kernel; None for pools.
    """

    name: str
    sliding: Sliding
    input_CHW: NDArray[np.float32]
    output_KHW: NDArray[np.float32]
    weight: Tensor | None
    bias: Tensor | None

    @property
    def units(self) -> int:
        """How many there are."""
        return self.output_KHW.shape[0]

    @property
    def largest(self) -> float:
        """The layer's largest number, by its size."""
        return float(np.abs(self.output_KHW).max())

    def channels(self, unit: int) -> range:
        """The channels of the input that a unit reads."""
        if self.weight is None:
            return range(unit, unit + 1)
        depth = self.weight.shape[1]
        group = unit // (self.units // self.sliding.groups)
        return range(group * depth, (group + 1) * depth)

    def window(self, channels: range, row: int, column: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """What stands in the window of a position, C, H, W, and where that is the input itself and no padding, H, W.
        Padding is 0, minus infinity under a maximum, or what the layer fills it with."""
        height, width = self.input_CHW.shape[1:]
        down, across = self.sliding.places(0, row, height), self.sliding.places(1, column, width)
        rows = [self.sliding.filled(place, height) for place in down]
        columns = [self.sliding.filled(place, width) for place in across]
        filled = np.outer([row is not None for row in rows], [column is not None for column in columns])
        inside = np.outer([0 <= at < height for at in down], [0 <= at < width for at in across])
        block = self.input_CHW[channels.start : channels.stop]
        taken = block[:, [row or 0 for row in rows]][:, :, [column or 0 for column in columns]].astype(np.float64)
        empty = -np.inf if self.sliding.kind == "max" else 0.0
        return np.where(filled, taken, empty), inside

    def check_unit(self, unit: int) -> None:
        """Raises SettingError unless the layer has that unit."""
        if not 0 <= unit < self.units:
            count = "1 unit, number 0" if self.units == 1 else f"{self.units:,} units, numbered 0 to {self.units - 1}"
            raise SettingError(f"{self.name} has no unit {unit}", expected=count)

    def position(self, unit: int, row: int | None, column: int | None) -> tuple[int, int]:
        """The position asked for; what is None is where the unit is strongest. Raises SettingError."""
        self.check_unit(unit)
        values = self.output_KHW[unit]
        height, width = values.shape
        check_position(self.name, row or 0, column or 0, height, width)
        rows = slice(None) if row is None else slice(row, row + 1)
        columns = slice(None) if column is None else slice(column, column + 1)
        part = values[rows, columns]
        down, across = np.unravel_index(int(part.argmax()), part.shape)
        return (int(down) if row is None else row), (int(across) if column is None else column)


def ran(network: nn.Module, x_1CHW: Tensor, names: Sequence[str]) -> dict[str, Ran]:
    """The layers of those names as they run on a picture, in evaluation; of one that runs several times, its last run.

    Raises SettingError for a name that is no convolution, pool or fully connected layer, and for one that does not
    run or does not give one map for one picture.
    """
    modules = dict(network.named_modules(remove_duplicate=False))
    slidings = {name: _sliding_of(name, modules) for name in names}
    taken = {name: name if (pad := _pad_before(name, modules)) is None else pad for name in names}
    every = [*dict.fromkeys([*names, *taken.values()])]
    with looking(network), torch.no_grad(), tapped(network, every, inputs=True) as taps:
        network(x_1CHW)
    return {name: _ran(name, modules[name], slidings[name], taken[name], taps) for name in names}


def slidable(network: nn.Module) -> list[str]:
    """The names of the layers that `ran` takes: convolutions, pools and fully connected layers."""
    return [name for name, module in network.named_modules(remove_duplicate=False) if name and _maker(module)]


def weighing(network: nn.Module) -> list[str]:
    """The names of the layers that weigh what they read: convolutions and fully connected layers."""
    named = network.named_modules()
    return [name for name, module in named if name and isinstance(module, nn.Conv2d | nn.Linear)]


def as_maps(output: Tensor, *, last: bool) -> Tensor:
    """What a layer gives as N, K, H, W. last: whether its units are, as those of an FC over several positions."""
    if output.dim() == 2:
        return output[:, :, None, None]
    if not last:
        return output
    return output.permute(0, 3, 1, 2) if output.dim() == 4 else output.flatten(1, -2).transpose(1, 2)[..., None]


def _ran(name: str, module: nn.Module, sliding: Sliding, taken: str, taps: Taps) -> Ran:
    if name not in taps:
        raise SettingError(f"{name} does not run in evaluation", remedy="look at a layer that does")
    given, made = taps.inputs[taken], taps[name]
    given, made = (as_maps(each, last=isinstance(module, nn.Linear)) for each in (given, made))
    if len(given) != 1 or len(made) != 1 or made.dim() != 4:
        raise SettingError(f"{name} does not give one map for one picture", got=" x ".join(map(str, made.shape)))
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if isinstance(weight, Tensor):
        weight = weight.detach().cpu()
        weight = weight[:, :, None, None] if weight.dim() == 2 else weight
    return Ran(
        name,
        sliding,
        _array(given[0]),
        _array(made[0]),
        weight if isinstance(weight, Tensor) else None,
        bias.detach().cpu() if isinstance(bias, Tensor) else None,
    )


def _array(values: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(values.detach().float().cpu().numpy())


# From modules to windows.


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _even(value: Any) -> Pads4:
    down, across = _pair(value)
    return (across, across, down, down)


def _conv(conv: nn.Conv2d) -> Sliding:
    kernel, dilation = _pair(conv.kernel_size), _pair(conv.dilation)
    pads = NONE if isinstance(conv.padding, str) else _even(conv.padding)
    if conv.padding == "same":  # the odd pixel goes behind
        down, across = (spread * (size - 1) for size, spread in zip(kernel, dilation, strict=True))
        pads = (across // 2, across - across // 2, down // 2, down - down // 2)
    return Sliding("conv", kernel, _pair(conv.stride), dilation, conv.groups, pads, conv.padding_mode)


def _max(pool: nn.MaxPool2d) -> Sliding:
    stride = _pair(pool.stride or pool.kernel_size)
    return Sliding("max", _pair(pool.kernel_size), stride, _pair(pool.dilation), pads=_even(pool.padding))


def _avg(pool: nn.AvgPool2d) -> Sliding:
    pads = _even(pool.padding)
    counted = pads if pool.count_include_pad else NONE
    stride = _pair(pool.stride or pool.kernel_size)
    return Sliding("avg", _pair(pool.kernel_size), stride, pads=pads, counted=counted, divisor=pool.divisor_override)


def _norm(pool: nn.LPPool2d) -> Sliding:
    return Sliding("l2", _pair(pool.kernel_size), _pair(pool.stride or pool.kernel_size))


def _ours(kind: Kind, pool: Any) -> Sliding:
    return Sliding(kind, pool.kernel_size, pool.stride, pads=pool.pads, counted=getattr(pool, "counted", NONE))


def _adaptive(kind: Kind, pool: Any) -> Sliding | None:
    sizes = pool.output_size if isinstance(pool.output_size, tuple | list) else (pool.output_size,) * 2
    return None if None in sizes else Sliding(kind, to=_pair(tuple(sizes)))


MAKERS: dict[type[nn.Module], Callable[[Any], Sliding | None]] = {
    nn.Conv2d: _conv,
    nn.Linear: lambda _: Sliding("fc"),
    nn.MaxPool2d: lambda pool: None if pool.return_indices else _max(pool),
    nn.AvgPool2d: _avg,
    nn.AdaptiveMaxPool2d: lambda pool: None if pool.return_indices else _adaptive("max", pool),
    nn.AdaptiveAvgPool2d: lambda pool: _adaptive("avg", pool),
    MaxPool: lambda pool: _ours("max", pool),
    AvgPool: lambda pool: _ours("avg", pool),
    nn.LPPool2d: lambda pool: _norm(pool) if pool.norm_type == 2 else None,
    L2Pool: lambda pool: _ours("l2", pool),
}


def _maker(module: nn.Module) -> Callable[[Any], Sliding | None] | None:
    """What tells a module's sliding; None for one that computes in another way than its class in MAKERS does."""
    for kind, maker in MAKERS.items():
        if isinstance(module, kind):
            own = type(module)
            same = own.forward is kind.forward
            if issubclass(own, nn.Conv2d):
                same = same and own._conv_forward is nn.Conv2d._conv_forward  # pyright: ignore[reportPrivateUsage]
            return maker if same else None
    return None


def _pad_before(name: str, modules: dict[str, nn.Module]) -> str | None:
    """The module that pads for a layer of ours whose padding differs from side to side."""
    return f"{name}-pad" if isinstance(modules.get(f"{name}-pad"), nn.ZeroPad2d) else None


def _sliding_of(name: str, modules: dict[str, nn.Module]) -> Sliding:
    fits = [each for each, module in modules.items() if each and _maker(module)]
    if name not in modules or not name:
        raise SettingError(f"no layer {short(name)!r}", expected=listed(fits), remedy=nearest(name, fits))
    maker = _maker(modules[name])
    made = maker(modules[name]) if maker else None
    if made is None:
        raise SettingError(
            f"{name} is a {type(modules[name]).__name__}, which has no window to show",
            expected=f"a convolution, pool or fully connected layer: {listed(fits)}" if fits else "",
        )
    pad = _pad_before(name, modules)
    if pad is not None:
        left, right, top, bottom = (int(each) for each in modules[pad].padding)  # type: ignore[union-attr]
        made = replace(made, pads=(left, right, top, bottom))
    return made
