"""arithmetic: one number of a convolution, pool or fully connected layer, worked out by hand.

window x filter, number by number, their sum, and the bias: the same as the network computed. A maximum is a filter of
zeros with a single one, at the largest; an average one of equal shares; an L2 norm the root of a sum of squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.design.words import Flatten
from torchbeam.look.cells import SOFT, bare, draw_cells, draw_map, draw_picture, number, sheet
from torchbeam.look.look import Look, Measured
from torchbeam.look.receptive import Box, ReceptiveFields, fields_of
from torchbeam.look.slid import Ran, Sliding, ran
from torchbeam.look.subject import Given, Modelled, Subject, subject_of

CHANNELS_SHOWN = 3
INPUTS_SHOWN = 6  # of an FC over numbers that lie nowhere


@dataclass(frozen=True, slots=True, eq=False)
class Worked:
    """One number, worked out in float64. channels: of the layer's input, that the unit reads. window, weights,
    products: C, H, W. inside: H, W, where the window stands on the input and not on padding.

    bias: None where the layer has none. value: what comes out by hand; network: what the network computed; largest: the
    layer's largest number by size.
    """

    layer: str
    kind: str
    unit: int
    row: int
    column: int
    channels: range
    window: NDArray[np.float64]
    inside: NDArray[np.bool_]
    weights: NDArray[np.float64]
    products: NDArray[np.float64]
    bias: float | None
    value: float
    network: float
    largest: float

    @property
    def difference(self) -> float:
        """How far the two are apart, as a share of the layer's largest number."""
        return abs(self.value - self.network) / (self.largest or 1.0)


def worked(layer: Ran, unit: int, row: int, column: int) -> Worked:
    """The number that a unit of a layer gives at a position, worked out. Raises SettingError for what it has not.

    >>> from torch import tensor
    >>> network = nn.Sequential(nn.Conv2d(1, 1, 2))
    >>> _ = network.load_state_dict({"0.weight": tensor([[[[1.0, 2.0], [0.0, -1.0]]]]), "0.bias": tensor([0.5])})
    >>> found = worked(ran(network, tensor([[[[3.0, 1.0], [4.0, 5.0]]]]), ["0"])["0"], 0, 0, 0)
    >>> found.products[0].tolist(), found.value, found.network  # 3 x 1 + 1 x 2 + 4 x 0 + 5 x -1 + 0.5
    ([[3.0, 2.0], [0.0, -5.0]], 0.5, 0.5)
    """
    layer.check_unit(unit)
    row, column = layer.position(unit, row, column)
    channels = layer.channels(unit)
    window, inside = layer.window(channels, row, column)
    bias = None if layer.bias is None else float(layer.bias[unit])
    if layer.weight is not None:
        weights = layer.weight[unit].double().numpy()
        products = window * weights
        value = float(products.sum()) + (bias or 0.0)
    elif layer.sliding.kind == "l2":
        weights = window
        products = window * window
        value = float(np.sqrt(products.sum()))
    else:
        weights = _shares(layer.sliding, layer, row, column, window)
        products = np.where(weights == 0, 0.0, window * np.where(weights == 0, 1.0, weights))
        products[~np.isfinite(products)] = 0.0
        value = float(products.sum())
    made = float(layer.output_KHW[unit, row, column])
    kind = layer.sliding.kind
    return Worked(
        layer.name,
        kind,
        unit,
        row,
        column,
        channels,
        window,
        inside,
        weights,
        products,
        bias,
        value,
        made,
        layer.largest,
    )


def arithmetic(
    network: nn.Module | Modelled,
    picture: Given,
    layer: str,
    unit: int,
    row: int | None = None,
    column: int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """How one number came about: the receptive field in the picture, the window of the layer's input, the filter, the
    products, their sum and the bias. Without a row or column: where the unit is strongest.

    arrays: 'field' (bytes), 'window', 'filter', 'products', 'inside', 'sum', 'bias', 'value', 'network', 'map'. facts:
    'row', 'column', 'box' (left, top, right, bottom) and 'difference'. Raises SettingError for a layer that has no
    window, a unit or position that is not there, and as subject_of does.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    layered = ran(subject.network, subject.x_1CHW, [layer])[layer]
    at = layered.position(unit, row, column)
    found = worked(layered, unit, *at)
    fields = fields_of(subject.network, Volume(*subject.x_1CHW.shape[1:]))
    box = seen_from(fields, layer, *at)
    said = (
        f"{layer}, unit {unit}, row {at[0]}, column {at[1]}: {equation(found)}; the network computed "
        f"{found.network:.6g}. Seen of the picture: {box}{uncertain(fields, layer)}. By hand in float64; {subject.of}"
    )
    arrays = {
        "field": Measured(cut(subject.shown_HWC, box), ("row", "column", "colour"), "byte"),
        "window": Measured(found.window, ("channel", "row", "column"), "activation"),
        "filter": Measured(found.weights, ("channel", "row", "column"), "weight"),
        "products": Measured(found.products, ("channel", "row", "column"), "activation x weight"),
        "inside": Measured(found.inside, ("row", "column"), "1 on the input, 0 on padding"),
        "sum": Measured(np.array(found.products.sum()), (), "activation"),
        "bias": Measured(np.array(found.bias or 0.0), (), "activation"),
        "value": Measured(np.array(found.value), (), "activation"),
        "network": Measured(np.array(found.network), (), "activation"),
        "map": Measured(layered.output_KHW[unit], ("row", "column"), "activation"),
    }
    facts = {"layer": layer, "unit": unit, "row": at[0], "column": at[1], "difference": found.difference}
    facts |= {"box": (box.left, box.top, box.right, box.bottom)}
    volume = came_from(fields, subject.network, layer)
    return Look("arithmetic", arrays, said, lambda: _drawn(subject, layered, found, box, volume), facts=facts)


def seen_from(fields: ReceptiveFields, layer: str, row: int, column: int) -> Box:
    """The receptive field of a position; the whole picture where it could not be read, or does not lie there."""
    if not fields.knows(layer):
        return fields.whole
    made = fields.layer(layer).output
    return fields.box(layer, row, column) if row < made.height and column < made.width else fields.whole


def uncertain(fields: ReceptiveFields, layer: str) -> str:
    """What a caption adds where the receptive field could not be read."""
    return "" if fields.knows(layer) else f" (taken as the whole of it: {fields.note or 'the layer was not read'})"


def came_from(fields: ReceptiveFields, network: nn.Module, layer: str) -> Volume | None:
    """The volume that an FC's input was before it was laid out in one row; None where that is not known."""
    if not fields.knows(layer):
        return None
    read = fields.layer(layer)
    source = fields.layers[read.sources[0]] if read.sources[0] >= 0 else None
    if source is not None and isinstance(source.word, Flatten):
        return source.input
    flattened = any(name == f"{layer}-flatten" for name, _ in network.named_modules())
    return read.input if flattened else None


def cut(shown_HWC: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The pixels in a box."""
    return shown_HWC[box.top : box.bottom, box.left : box.right]


def equation(found: Worked) -> str:
    """The number in words: 'the sum of 27 products -0.53 + bias 0.12 = -0.41'."""
    total = found.products.sum()
    match found.kind:
        case "max":
            return f"the largest of {found.inside.sum()} is {found.value:.6g}"
        case "avg":
            return f"the mean of {np.count_nonzero(found.weights)} is {found.value:.6g}"
        case "l2":
            return f"the root of the sum of {found.inside.sum()} squares, √{total:.6g} = {found.value:.6g}"
        case _:
            bias = "" if found.bias is None else f" + bias {found.bias:.6g} = {found.value:.6g}"
            return f"sum of {found.products.size:,} products {total:.6g}{bias}"


def _shares(sliding: Sliding, layer: Ran, row: int, column: int, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """A pool's window as a filter: one at the largest, the first of several; or equal shares."""
    if sliding.kind == "max":
        weights = np.zeros(window.shape)
        weights.flat[int(window.argmax())] = 1.0
        return weights
    height, width = layer.input_CHW.shape[1:]
    left, right, top, bottom = sliding.counted
    down = [-top <= at < height + bottom for at in sliding.places(0, row, height)]
    across = [-left <= at < width + right for at in sliding.places(1, column, width)]
    counted = np.outer(down, across)
    return np.where(counted, 1.0 / (sliding.divisor or int(counted.sum())), 0.0)[None]


# The picture.


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """What is drawn of window, filter and products, C, H, W: the channels that weigh most, each with its name.
    hidden: how many products are not drawn, and left: their sum."""

    parts: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    names: tuple[str, ...]
    hidden: int
    left: float


def laid(found: Worked, volume: Volume | None, most: int = CHANNELS_SHOWN) -> Laid:
    """An FC's numbers are drawn where they lay in the volume it read; where that is none, the few that weigh most side
    by side."""
    parts, names = (found.window, found.weights, found.products), [f"channel {each}" for each in found.channels]
    flat = found.kind == "fc" and found.window.shape[1:] == (1, 1)
    if flat and volume is not None and volume.neurons == found.window.size and volume.height * volume.width > 1:
        shape = (volume.channels, volume.height, volume.width)
        parts = (parts[0].reshape(shape), parts[1].reshape(shape), parts[2].reshape(shape))
        names = [f"channel {each}" for each in range(volume.channels)]
    elif flat and found.window.size > 1:
        kept = np.sort(np.argsort(-np.abs(found.products[:, 0, 0]), kind="stable")[:INPUTS_SHOWN])
        parts = (parts[0][kept].T, parts[1][kept].T, parts[2][kept].T)
        names = ["inputs\n" + ", ".join(map(str, kept[:3])) + ",\n" + ", ".join(map(str, kept[3:]))]
    rows = np.sort(np.argsort(-np.abs(parts[2].sum((1, 2))), kind="stable")[:most])
    shown = (parts[0][rows], parts[1][rows], parts[2][rows])
    hidden, left = found.products.size - shown[2].size, float(found.products.sum() - shown[2].sum())
    return Laid(shown, tuple(names[row] for row in rows), hidden, left)


def _drawn(subject: Subject, layer: Ran, found: Worked, box: Box, volume: Volume | None) -> Figure:
    shown = laid(found, volume)
    middle = (1.9 if shown.parts[0].shape[1] > 1 else 1.0) * len(shown.names) + 0.3
    with sheet(10.0, 3.5 + middle + 0.6) as figure:
        title = f"{found.layer}: unit {found.unit} at row {found.row}, column {found.column}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        parts: NDArray[Any] = np.array(figure.subfigures(3, 1, height_ratios=(3.2, middle, 0.6)))
        top, below, foot = parts
        whole, near, mapped = top.subplots(1, 3)
        draw_picture(whole, subject.shown_HWC, box, "the picture, and what is seen of it")
        if box.width:
            draw_picture(near, cut(subject.shown_HWC, box), None, f"seen: {box.width} x {box.height} pixels")
        else:
            bare(near, "seen: padding alone")
        draw_map(mapped, layer.output_KHW[found.unit], "what the unit gives", (found.row, found.column))
        _rows(below, found, shown)
        others = f"all the others, {shown.hidden:,} products: sum {number(shown.left)}.   " if shown.hidden else ""
        same = f"the network computed {found.network:.6g}; apart by {found.difference:.0g} of the layer's largest"
        foot.text(0.012, 0.5, f"{others}{equation(found)}\n{same}", fontsize=9.5, va="center")
    return figure


def _rows(below: SubFigure, found: Worked, shown: Laid) -> None:
    """Window x filter = products, a row of each channel."""
    names = {"max": "chosen", "avg": "shares", "l2": "itself"}
    titles = ("window", names.get(found.kind, "filter"), "products")
    limits = [float(np.abs(part[np.isfinite(part)]).max(initial=0.0)) for part in shown.parts]
    grid = below.subplots(len(shown.names), 6, squeeze=False, width_ratios=(4, 0.5, 4, 0.5, 4, 2.6))
    for at, (name, axes) in enumerate(zip(shown.names, grid, strict=True)):
        for place, (part, limit) in enumerate(zip(shown.parts, limits, strict=True)):
            inside = found.inside if place == 0 and part.shape[1:] == found.inside.shape else None
            chosen = part[at] == 1 if found.kind == "max" and place == 1 else None
            title = titles[place] if at == 0 else ""
            draw_cells(axes[2 * place], part[at], title, limit=limit, inside=inside, chosen=chosen)
        for sign, between in (("×", axes[1]), ("=", axes[3])):
            bare(between)
            between.text(0.5, 0.5, sign, transform=between.transAxes, ha="center", va="center", fontsize=13)
        bare(axes[5])
        told = f"{name}\nsum {number(float(shown.parts[2][at].sum()))}"
        axes[5].text(0.0, 0.5, told, transform=axes[5].transAxes, va="center", color=SOFT)
