"""column: all filters of a layer on one receptive field: the depth column that stands on a position."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.look.arithmetic import cut, seen_from, uncertain, worked
from torchbeam.look.cells import BLUE, INK, RED, bare, draw_picture, number, sheet
from torchbeam.look.look import Look, Measured
from torchbeam.look.receptive import Box, fields_of
from torchbeam.look.slid import Ran, ran
from torchbeam.look.subject import Given, Modelled, Subject, subject_of

NAMED = 5  # the strongest units that are named


def depth_column(layer: Ran, row: int, column: int) -> NDArray[np.float64]:
    """What all units of a layer give at one position: every filter on one receptive field, K numbers, in float64.
    Raises SettingError for a position it has not."""
    layer.position(0, row, column)
    if layer.weight is None:
        return np.array([worked(layer, unit, row, column).value for unit in range(layer.units)])
    window, _ = layer.window(range(layer.input_CHW.shape[0]), row, column)
    groups = layer.sliding.groups
    rows = torch.from_numpy(window).reshape(groups, -1)
    made = torch.cat(
        [weight.flatten(1).double() @ each for weight, each in zip(layer.weight.chunk(groups), rows, strict=True)]
    )
    return (made if layer.bias is None else made + layer.bias.double()).numpy()


def column(
    network: nn.Module | Modelled,
    picture: Given,
    layer: str,
    row: int | None = None,
    column: int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """What every unit of a layer gives at one position, from one and the same receptive field. Without a row or
    column: where the layer's largest number is.

    arrays: 'column' (K numbers, by hand), 'network' (what the network computed) and 'field' (bytes). facts: 'row',
    'column', 'box' (left, top, right, bottom) and 'difference', of the layer's largest number. Raises SettingError as
    `arithmetic` does.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    layered = ran(subject.network, subject.x_1CHW, [layer])[layer]
    strongest = int(np.unravel_index(int(layered.output_KHW.argmax()), layered.output_KHW.shape)[0])
    at = layered.position(strongest, row, column)
    values, made = depth_column(layered, *at), layered.output_KHW[:, at[0], at[1]]
    fields = fields_of(subject.network, Volume(*subject.x_1CHW.shape[1:]))
    box = seen_from(fields, layer, *at)
    difference = float(np.abs(values - made).max()) / (layered.largest or 1.0)
    said = (
        f"{layer}, all {layered.units} units at row {at[0]}, column {at[1]}; seen of the picture: {box}"
        f"{uncertain(fields, layer)}. By hand in float64, apart from the network's by {difference:.0g} of the layer's "
        f"largest; {subject.of}"
    )
    arrays = {
        "column": Measured(values, ("unit",), "activation"),
        "network": Measured(made, ("unit",), "activation"),
        "field": Measured(cut(subject.shown_HWC, box), ("row", "column", "colour"), "byte"),
    }
    facts = {"layer": layer, "row": at[0], "column": at[1], "difference": difference}
    facts |= {"box": (box.left, box.top, box.right, box.bottom)}
    return Look("column", arrays, said, lambda: _drawn(subject, layered, at, box, values), facts=facts)


def _drawn(subject: Subject, layer: Ran, at: tuple[int, int], box: Box, values: NDArray[np.float64]) -> Figure:
    with sheet(10.0, 3.6) as figure:
        title = f"{layer.name}: {layer.units} units on one receptive field, at row {at[0]}, column {at[1]}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        whole, near, bars = figure.subplots(1, 3, width_ratios=(2, 2, 4))
        draw_picture(whole, subject.shown_HWC, box, "the picture, and what is seen of it")
        if box.width:
            draw_picture(near, cut(subject.shown_HWC, box), None, f"seen: {box.width} x {box.height} pixels")
        else:
            bare(near, "seen: padding alone")
        colours = np.where(values < 0, BLUE, RED)
        bars.bar(range(len(values)), values, color=colours, width=1.0 if len(values) > 60 else 0.8)
        bars.axhline(0, color=INK, linewidth=0.6)
        bars.set(xlabel="unit", ylabel="activation", xlim=(-0.7, len(values) - 0.3))
        most = np.argsort(-values, kind="stable")[:NAMED]
        named = ", ".join(f"{unit} ({number(float(values[unit]))})" for unit in most)
        bars.set_title(f"strongest: {named}")
    return figure
