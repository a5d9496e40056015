"""backward: one unit of a layer run backwards on a picture, with the numbers that the network used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.look.arithmetic import INPUTS_SHOWN, came_from, worked
from torchbeam.look.cells import SOFT, bare, draw_cells, draw_map, number, sheet
from torchbeam.look.look import Look, Measured
from torchbeam.look.receptive import fields_of
from torchbeam.look.slid import Ran, ran
from torchbeam.look.slopes import around, arriving, filter_gradient, input_gradient, met, routed, stepped
from torchbeam.look.subject import Given, Modelled, Subject, looking, subject_of

RATE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Back:
    """One unit run backwards. arriving: dL/dy, K, H, W. into: dL/dx through the unit alone, C, H, W of the layer's
    input. weights, slope, after: the filter, dL/dw, and the filter after one step, C / groups, kernel; None of pools.

    loss: L before the step; loss_after: with this one filter, and its bias, one step on; None where no step was made.
    """

    layer: Ran
    unit: int
    row: int
    column: int
    rate: float
    arriving: NDArray[np.float64]
    into: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    slope: NDArray[np.float64] | None
    bias_slope: float
    after: NDArray[np.float64] | None
    loss: float
    loss_after: float | None


def backward(
    network: nn.Module | Modelled,
    picture: Given,
    layer: str,
    unit: int,
    row: int | None = None,
    column: int | None = None,
    *,
    label: str | int | None = None,
    rate: float = RATE,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """One unit of a convolution, pool or fully connected layer run backwards. L is the cross-entropy of the network's
    scores with the class `label` (by name or number; None for the likeliest).

    What arrives at the unit; what comes of it into the window of one position (without a row or column: where the unit
    is strongest), by the flipped filter, or by a pool's routing; the filter's gradient, added up over all positions;
    and the filter one step on, w - rate x dL/dw. The network itself is not changed.

    arrays: 'arriving' (the unit's), 'into' (through the unit, C, H, W of the layer's input), 'window into' (the part
    in the window), and but for pools 'filter', 'filter gradient', 'stepped'. facts: 'loss', 'loss after', 'bias
    gradient', 'row', 'column'. Raises SettingError as `arithmetic` and `Subject.label` do, for a layer that no
    gradient comes to, for one that pads with pixels, and for a rate that is no number above 0.
    """
    if not 0 < rate < float("inf"):
        raise SettingError(f"a step cannot have a rate of {rate:g}", expected="a number above 0")
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    layered = ran(subject.network, subject.x_1CHW, [layer])[layer]
    at = layered.position(unit, row, column)
    target = subject.label(label)
    arrives, loss = arriving(subject.network, subject.x_1CHW, target, layer)
    found = _back(subject, layered, unit, at, arrives, target, loss, rate)
    volume = came_from(fields_of(subject.network, Volume(*subject.x_1CHW.shape[1:])), subject.network, layer)
    said = (
        f"{layer}, unit {unit}, backwards at row {at[0]}, column {at[1]}: L = {loss:.6g}, the cross-entropy with "
        f"{subject.classes[target]}{_after(found)}. By hand in float64; {subject.of}"
    )
    facts = {"layer": layer, "unit": unit, "row": at[0], "column": at[1], "class": subject.classes[target]}
    facts |= {"loss": loss, "loss after": found.loss_after, "bias gradient": found.bias_slope, "rate": rate}
    return Look("backward", _arrays(found), said, lambda: _drawn(found, volume), facts=facts)


def _back(
    subject: Subject,
    layer: Ran,
    unit: int,
    at: tuple[int, int],
    arrives: NDArray[np.float64],
    target: int,
    loss: float,
    rate: float,
) -> Back:
    if layer.weight is None:
        into = np.zeros(layer.input_CHW.shape)
        into[unit] = routed(layer, arrives, unit)
        return Back(layer, unit, *at, rate, arrives, into, None, None, 0.0, None, loss, None)
    into = input_gradient(layer, arrives, unit)
    weights = layer.weight[unit].double().numpy()
    slope, bias_slope = filter_gradient(layer, arrives, unit)
    after = stepped(weights, slope, rate)
    loss_after = _loss_after(subject, layer, unit, after, bias_slope, target, rate)
    return Back(layer, unit, *at, rate, arrives, into, weights, slope, bias_slope, after, loss, loss_after)


def _loss_after(
    subject: Subject, layer: Ran, unit: int, after: NDArray[np.float64], bias_slope: float, target: int, rate: float
) -> float | None:
    """L with one filter and its bias a step on; None where the weights are made of others, as weight normalisation's
    are. The network is called with other numbers in place of its own, which stay."""
    own = dict(subject.network.named_parameters())
    weight, bias = own.get(f"{layer.name}.weight"), own.get(f"{layer.name}.bias")
    if weight is None:
        return None
    with looking(subject.network), torch.no_grad():
        moved = weight.clone()
        moved[unit] = torch.from_numpy(after).to(moved).reshape(moved[unit].shape)
        others = {f"{layer.name}.weight": moved}
        if bias is not None:
            shifted = bias.clone()
            shifted[unit] -= rate * bias_slope
            others[f"{layer.name}.bias"] = shifted
        scores = functional_call(subject.network, others, (subject.x_1CHW,)).flatten(1).float()
        return float(F.cross_entropy(scores, torch.tensor([target], device=scores.device)))


def _arrays(found: Back) -> Mapping[str, Measured]:
    axes = ("channel", "row", "column")
    arrays = {
        "arriving": Measured(found.arriving[found.unit], ("row", "column"), "dL/dy"),
        "into": Measured(found.into, axes, "dL/dx"),
        "window into": Measured(_window_into(found), axes, "dL/dx"),
    }
    if found.weights is not None and found.slope is not None and found.after is not None:
        arrays["filter"] = Measured(found.weights, axes, "weight")
        arrays["filter gradient"] = Measured(found.slope, axes, "dL/dw")
        arrays["stepped"] = Measured(found.after, axes, "weight")
    return arrays


def _window_into(found: Back) -> NDArray[np.float64]:
    """The gradient in the window of the position, zero on padding."""
    channels = found.layer.channels(found.unit)
    height, width = found.into.shape[1:]
    rows = found.layer.sliding.places(0, found.row, height)
    columns = found.layer.sliding.places(1, found.column, width)
    _, inside = found.layer.window(channels, found.row, found.column)
    part = found.into[channels.start : channels.stop]
    taken = part[:, np.clip(rows, 0, height - 1)][:, :, np.clip(columns, 0, width - 1)]
    return np.where(inside, taken, 0.0)


def _after(found: Back) -> str:
    if found.loss_after is None:
        return ""
    return f"; with this filter one step of {found.rate:g} on, {found.loss_after:.6g}"


# The picture.


def _drawn(found: Back, volume: Volume | None) -> Figure:
    with sheet(10.0, 8.2 if found.weights is not None else 5.6) as figure:
        title = f"{found.layer.name}, backwards: unit {found.unit} at row {found.row}, column {found.column}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        if found.weights is None:
            _pool(figure, found)
        else:
            _filter(figure, found, volume)
    return figure


def _pool(figure: Figure, found: Back) -> None:
    """What arrives at a pool, and where it goes; as maps, and as numbers for one window."""
    grid: NDArray[Any] = figure.subplots(2, 6, width_ratios=WIDTHS, height_ratios=(3, 2))
    maps, cells = grid
    place = (found.row, found.column)
    draw_map(maps[0], found.arriving[found.unit], "dL/dy that arrives", place, signed=True)
    draw_map(maps[2], found.layer.input_CHW[found.unit], "what the layer took")
    draw_map(maps[4], found.into[found.unit], "dL/dx that it sends back", signed=True)
    done = worked(found.layer, found.unit, *place)
    arrives = float(found.arriving[found.unit, found.row, found.column])
    draw_cells(cells[0], np.array([[arrives]]), "arrives here")
    draw_cells(cells[2], done.window[0], "the window", inside=done.inside, chosen=done.weights[0] == 1)
    draw_cells(cells[4], _window_into(found)[0], "dL/dx in the window", inside=done.inside)
    _signs(maps, "→", "→", "a maximum sends all\nto its place" if done.kind == "max" else "shared out")
    _signs(cells, "→", "→", "other windows may\nsend here too")


def _filter(figure: Figure, found: Back, volume: Volume | None) -> None:
    """The sum over positions for one weight, the pixel's gradient by the flipped filter, and the step."""
    grid: NDArray[Any] = figure.subplots(3, 6, width_ratios=WIDTHS, height_ratios=(1.2, 1, 1))
    weights, slope, after = (_part(found, each, volume) for each in (found.weights, found.slope, found.after))
    layer, unit = found.layer, found.unit
    channel = _channel(found)
    down, across = (size // 2 for size in layer.sliding.kernel)
    meets = met(layer, unit, down, across)[channel]
    named = f"weight {layer.channels(unit)[channel]}, {down}, {across}"
    draw_map(grid[0, 0], found.arriving[unit], "dL/dy that arrives", (found.row, found.column), signed=True)
    draw_map(grid[0, 2], meets, f"what {named} met", signed=True)
    draw_map(grid[0, 4], meets * found.arriving[unit], "products", signed=True)
    places = "position" if meets.size == 1 else "positions"
    total = float((meets * found.arriving[unit]).sum())
    _signs(grid[0], "×", "=", f"sum over {meets.size:,}\n{places}: dL/dw\nof {named}\n{number(total)}")
    _pixel(grid[1], found, channel, weights, volume)
    limit = float(max(np.abs(weights).max(), np.abs(after).max()))
    draw_cells(grid[2, 0], weights, "filter", limit=limit)
    draw_cells(grid[2, 2], slope, "dL/dw, all weights")
    draw_cells(grid[2, 4], after, "filter, one step on", limit=limit)
    told = "" if found.loss_after is None else f"L {found.loss:.5g}\nthen {found.loss_after:.5g}"
    _signs(grid[2], f"− {found.rate:g} ×", "=", told)


def _pixel(
    axes: Sequence[Axes], found: Back, channel: int, weights: NDArray[np.float64], volume: Volume | None
) -> None:
    """The gradient of the pixel in the middle of the window, of one channel; of an FC, of all that are shown."""
    layer, unit = found.layer, found.unit
    if layer.sliding.kind == "fc":
        arrives = float(found.arriving[unit, found.row, found.column])
        draw_cells(axes[0], np.array([[arrives]]), "dL/dy")
        draw_cells(axes[2], weights, "filter")
        draw_cells(axes[4], _part(found, _window_into(found), volume), "dL/dx through the unit")
        _signs(axes, "×", "=", "")
        return
    height, width = found.into.shape[1:]
    middle = [size // 2 for size in layer.sliding.kernel]
    row = min(max(layer.sliding.places(0, found.row, height)[middle[0]], 0), height - 1)
    column = min(max(layer.sliding.places(1, found.column, width)[middle[1]], 0), width - 1)
    numbers, inside = around(layer, found.arriving, unit, row, column)
    back = weights[::-1, ::-1]
    draw_cells(axes[0], numbers, "dL/dy around one pixel", inside=inside)
    draw_cells(axes[2], back, "filter, flipped")
    draw_cells(axes[4], numbers * back, "products")
    total = number(float(found.into[layer.channels(unit)[channel], row, column]))
    _signs(axes, "×", "=", f"sum: dL/dx of pixel\n{row}, {column} of channel {layer.channels(unit)[channel]}\n{total}")


WIDTHS = (4, 0.9, 4, 0.6, 4, 2.4)


def _signs(axes: Sequence[Axes], first: str, second: str, told: str) -> None:
    for sign, between in ((first, axes[1]), (second, axes[3])):
        bare(between)
        size = 13 if len(sign) == 1 else 9
        between.text(0.5, 0.5, sign, transform=between.transAxes, ha="center", va="center", fontsize=size)
    bare(axes[5])
    axes[5].text(0.0, 0.5, told, transform=axes[5].transAxes, va="center", color=SOFT)


def _channel(found: Back) -> int:
    """The channel of the filter with the steepest slopes."""
    return 0 if found.slope is None else int(np.abs(found.slope).sum((1, 2)).argmax())


def _part(found: Back, values: NDArray[np.float64] | None, volume: Volume | None) -> NDArray[np.float64]:
    """What is drawn of numbers C, H, W: the channel with the steepest slopes; of an FC's, the channel where they lay,
    or the few inputs with the steepest."""
    if values is None or found.slope is None:
        return np.zeros((1, 1))
    if values.shape[1:] != (1, 1) or len(values) == 1 or found.layer.sliding.kind != "fc":
        return values[_channel(found)]
    if volume is not None and volume.neurons == len(values) and volume.height * volume.width > 1:
        shape = (volume.channels, volume.height, volume.width)
        return values.reshape(shape)[int(np.abs(found.slope.reshape(shape)).sum((1, 2)).argmax())]
    most = np.sort(np.argsort(-np.abs(found.slope[:, 0, 0]), kind="stable")[:INPUTS_SHOWN])
    return values[most, 0, 0][None]
