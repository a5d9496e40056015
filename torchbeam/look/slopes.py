"""slopes: layers run backwards by hand: what arrives from above, and what is made of it, number by number.

L is the cross-entropy of the network's scores; `arriving` is dL/dy of a layer's output y, as autograd brings it there.
From it and the layer alone, in float64, come the gradient of its input (a convolution of what arrives with the flipped
filter), that of its filters (a sum over all positions), where a maximum sends what arrives, and one step downhill.

Sources: Goodfellow, Bengio & Courville, 'Deep Learning' (2016), section 9.5; Dumoulin & Visin, 'A guide to convolution
arithmetic for deep learning' (2016), chapter 4, for strides, which spread what arrives with zeros between.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.errors import SettingError
from torchbeam.look.arithmetic import worked
from torchbeam.look.slid import Ran, as_maps
from torchbeam.look.subject import looking
from torchbeam.network.taps import tapped


def arriving(network: nn.Module, x_1CHW: Tensor, label: int, name: str) -> tuple[NDArray[np.float64], float]:
    """(dL/dy of a layer's output, K, H, W, and L), of one picture and the class it should be taken for.

    Nothing of the network is changed, and no weight is left with a gradient. Raises SettingError for a layer that has
    no way to the scores.
    """
    module = network.get_submodule(name)
    with looking(network), torch.enable_grad(), tapped(network, [name], gradients=True) as taps:
        scores = network(x_1CHW.detach()).flatten(1)
        loss = F.cross_entropy(scores.float(), torch.tensor([label], device=scores.device))
        (slope,) = torch.autograd.grad(loss, [taps[name]], allow_unused=True) if loss.requires_grad else (None,)
    if slope is None:
        raise SettingError(f"no gradient comes from the scores to {name}", remedy="look at a layer on the way to them")
    maps = as_maps(slope.detach(), last=isinstance(module, nn.Linear))
    return maps[0].double().cpu().numpy(), float(loss.detach())


def input_gradient(layer: Ran, arriving_KHW: NDArray[np.float64], unit: int | None = None) -> NDArray[np.float64]:
    """dL/dx of a layer's input x, C, H, W; unit: what comes through one unit alone.

    Of a convolution it is a convolution: what arrives, spread by the stride and with zeros around, with the filters
    flipped in both directions. Pools send what arrives at a position back to its window: see `routed`. Raises
    SettingError for a layer that fills its padding with pixels, whose gradients fold back.
    """
    if layer.weight is None:
        units = range(layer.units) if unit is None else (unit,)
        made = np.zeros(layer.input_CHW.shape)
        for each in units:
            made[each] = routed(layer, arriving_KHW, each)
        return made
    _check_zeros(layer)
    sliding, depth = layer.sliding, layer.input_CHW.shape[0]
    spread = torch.from_numpy(spread_out(arriving_KHW, sliding.stride))
    if unit is not None:
        spread = torch.where((torch.arange(layer.units) == unit)[:, None, None], spread, 0.0)
    extents = [gap * (size - 1) for gap, size in zip(sliding.dilation, sliding.kernel, strict=True)]
    spread = F.pad(spread, (extents[1], extents[1], extents[0], extents[0]))
    reached = F.conv2d(spread[None], flipped(layer), dilation=sliding.dilation, groups=sliding.groups)[0]
    left, _, top, _ = sliding.pads
    height, width = layer.input_CHW.shape[1:]
    # Of what was reached, the part that is no padding; input behind the last window was not reached.
    room = F.pad(reached, (0, max(0, left + width - reached.shape[2]), 0, max(0, top + height - reached.shape[1])))
    return room[:depth, top : top + height, left : left + width].numpy()


def flipped(layer: Ran) -> Tensor:
    """A layer's filters turned upside down and back to front, float64: for each channel of its input, one over the
    units that read it, C, K / groups, kernel."""
    if layer.weight is None:
        raise SettingError(f"{layer.name} has no filter to flip")
    groups, units = layer.sliding.groups, layer.units
    weight = layer.weight.double().flip(2, 3)
    shape = (groups, units // groups, *weight.shape[1:])
    return weight.reshape(shape).transpose(1, 2).reshape(-1, units // groups, *weight.shape[2:])


def spread_out(arriving_KHW: NDArray[np.float64], stride: tuple[int, int]) -> NDArray[np.float64]:
    """What arrives, stride - 1 zeros between each two of its numbers."""
    units, height, width = arriving_KHW.shape
    spread = np.zeros((units, (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1))
    spread[:, :: stride[0], :: stride[1]] = arriving_KHW
    return spread


def around(
    layer: Ran, arriving_KHW: NDArray[np.float64], unit: int, row: int, column: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What arrives around one pixel of a layer's input, as large as the filter, and where that is no zero put in
    between or beyond. Times the flipped filter of a channel, and added up, it is the pixel's gradient through the
    unit."""
    sliding = layer.sliding
    numbers = np.zeros(sliding.kernel)
    inside = np.zeros(sliding.kernel, dtype=bool)
    height, width = arriving_KHW.shape[1:]
    for at in np.ndindex(*sliding.kernel):
        back = [size - 1 - one for size, one in zip(sliding.kernel, at, strict=True)]
        down = row + sliding.pads[2] - sliding.dilation[0] * back[0]
        across = column + sliding.pads[0] - sliding.dilation[1] * back[1]
        (high, beside), (wide, between) = divmod(down, sliding.stride[0]), divmod(across, sliding.stride[1])
        if not beside and not between and 0 <= high < height and 0 <= wide < width:
            numbers[at], inside[at] = arriving_KHW[unit, high, wide], True
    return numbers, inside


def met(layer: Ran, unit: int, row: int, column: int) -> NDArray[np.float64]:
    """The numbers of the input that the weights at (row, column) of a unit's filter meet as it slides: C / groups, and
    the shape of the unit's map."""
    height, width = layer.output_KHW.shape[1:]
    channels, sliding, (left, right, top, bottom) = layer.channels(unit), layer.sliding, layer.sliding.pads
    given = layer.input_CHW[channels.start : channels.stop].astype(np.float64)
    padded = np.pad(given, ((0, 0), (top, bottom), (left, right)))
    down, across = row * sliding.dilation[0], column * sliding.dilation[1]
    rows = slice(down, down + (height - 1) * sliding.stride[0] + 1, sliding.stride[0])
    columns = slice(across, across + (width - 1) * sliding.stride[1] + 1, sliding.stride[1])
    return padded[:, rows, columns]


def filter_gradient(layer: Ran, arriving_KHW: NDArray[np.float64], unit: int) -> tuple[NDArray[np.float64], float]:
    """(dL/dw of a unit's filter, C / groups, kernel; dL/db): at every position, what arrives there times the window
    that stands there, all added up. The bias has a window of 1."""
    if layer.weight is None:
        raise SettingError(f"{layer.name} has no filter", expected="a convolution or a fully connected layer")
    layer.check_unit(unit)
    _check_zeros(layer)
    arrives = arriving_KHW[unit]
    made = np.zeros(layer.weight.shape[1:])
    for row, column in np.ndindex(*made.shape[1:]):
        made[:, row, column] = (met(layer, unit, row, column) * arrives).sum((1, 2))
    return made, float(arrives.sum())


def routed(layer: Ran, arriving_KHW: NDArray[np.float64], unit: int) -> NDArray[np.float64]:
    """Where a pool sends what arrives at a unit, H, W: a maximum to the place it was taken from, by its index, the
    first of several; an average to all by their shares; an L2 norm y to each x by x / y, and nothing where y is 0."""
    if layer.weight is not None:
        raise SettingError(f"{layer.name} is no pool", remedy="its input's gradient is input_gradient's")
    height, width = layer.input_CHW.shape[1:]
    made = np.zeros((height, width))
    for row, column in np.ndindex(*arriving_KHW.shape[1:]):
        found = worked(layer, unit, row, column)
        shares = found.weights[0]
        if found.kind == "l2":
            shares = shares / found.value if found.value else np.zeros(shares.shape)
        rows = layer.sliding.places(0, row, height)
        columns = layer.sliding.places(1, column, width)
        for down, across in zip(*np.nonzero(found.inside & (shares != 0)), strict=True):
            made[rows[down], columns[across]] += arriving_KHW[unit, row, column] * shares[down, across]
    return made


def stepped(weights: NDArray[np.float64], slope: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """One step downhill: w - rate x dL/dw.

    >>> stepped(np.array([1.0, 2.0]), np.array([0.5, -1.0]), 0.1).tolist()
    [0.95, 2.1]
    """
    return weights - rate * slope


def line_gradient(
    arriving: Sequence[float], filter: Sequence[float], length: int, stride: int = 1, padding: int = 0
) -> NDArray[np.float64]:
    """The gradient of a line x of `length` numbers, over which a filter slid: y[i] = sum of filter[k] x[i stride + k -
    padding]. Each x met filter[k] where y[i] was made, so dL/dx[j] is the sum of arriving[i] filter[j + padding - i
    stride]: a convolution of what arrives with the flipped filter.

    By hand: a filter 2, 3, 5 over five numbers gives three; let 1, 10 and 100 arrive at them. The first x met only the
    2, at the first: 2 x 1. The second met 3 at the first and 2 at the second: 3 + 20. The third met all: 5 + 30 + 200.

    >>> line_gradient([1, 10, 100], [2, 3, 5], 5).tolist()
    [2.0, 23.0, 235.0, 350.0, 500.0]
    >>> line_gradient([1, 10, 100], [2, 3, 5], 5, stride=2, padding=1).tolist()  # with zeros between: 1, 0, 10, 0, 100
    [3.0, 25.0, 30.0, 250.0, 300.0]
    """
    spread = np.zeros((len(arriving) - 1) * stride + 1)
    spread[::stride] = arriving
    edge = np.zeros(len(filter) - 1)
    around = np.concatenate((edge, spread, edge))
    back = np.asarray(filter, dtype=np.float64)[::-1]
    reached = np.array([around[at : at + len(back)] @ back for at in range(len(around) - len(edge))])
    reached = np.concatenate((reached, np.zeros(max(0, padding + length - len(reached)))))
    return reached[padding : padding + length]


def _check_zeros(layer: Ran) -> None:
    if layer.sliding.filler != "zeros":
        raise SettingError(
            f"{layer.name} pads with pixels ({layer.sliding.filler}), whose gradients fold back into the picture",
            expected="a layer that pads with zeros",
        )
