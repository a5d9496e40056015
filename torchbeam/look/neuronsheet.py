"""neuronsheet: one unit drawn: filter, map, patches, classes and the picture made for it, on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from torchbeam.design.volume import Volume
from torchbeam.look.arithmetic import cut
from torchbeam.look.cells import (
    BLUE,
    FAINT,
    INK,
    RED,
    RISING,
    SIGNED,
    SOFT,
    bare,
    draw_cells,
    draw_picture,
    number,
    sheet,
)
from torchbeam.look.fired import Fired
from torchbeam.look.patches import Patch
from torchbeam.look.receptive import Box
from torchbeam.look.slid import Ran
from torchbeam.look.subject import Subject

WIDTH, ROW = 12.5, 3.5  # inches
CELL, GAP = 120, 6  # pixels of a patch as it is drawn, and between two
CLASSES_SHOWN = 10
NAME_SHOWN = 16  # characters of a class's name
CHANNELS_SHOWN = 9
FEW_BARS = 5  # are not drawn thicker


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Everything the sheet tells. place: (row, column) where the unit is strongest; box: what that sees. volume: what
    an FC's input was before it was laid out in one row. made: the picture made for the unit, bytes H, W, 3."""

    subject: Subject
    layer: Ran
    unit: int
    place: tuple[int, int]
    box: Box
    volume: Volume | None
    made: NDArray[np.uint8] | None
    fired: Fired | None


def neuron_sheet(told: Told) -> Figure:
    """The sheet: one row, and a second where there are pictures of one's own."""
    rows = 1 if told.fired is None else 2
    with sheet(WIDTH, ROW * rows + 0.3) as figure:
        figure.suptitle(f"{told.layer.name}, unit {told.unit} of {told.layer.units}", x=0.01, ha="left", fontsize=12)
        grid: NDArray[Any] = figure.subplots(rows, 4, squeeze=False)
        draw_picture(grid[0, 0], told.subject.shown_HWC, told.box, "strongest where it sees this")
        _map(grid[0, 1], told)
        _filter(grid[0, 2], told)
        if told.made is None:
            bare(grid[0, 3])
        else:
            draw_picture(grid[0, 3], told.made, None, "a picture made for it")
        if told.fired is not None:
            fired, classes = told.fired, told.subject.classes
            _patches(grid[1, 0], fired.most, fired, "fires most for")
            _patches(grid[1, 1], fired.least, fired, "fires least for")
            known = np.flatnonzero(fired.counts)
            first = known[np.argsort(-fired.means[known], kind="stable")][:CLASSES_SHOWN]
            _bars(grid[1, 2], first, fired.means, classes, "mean activation by class", "activation")
            change = 100 * fired.change
            moved = known[np.argsort(-np.abs(change[known]), kind="stable")][:CLASSES_SHOWN]
            moved = moved[change[moved] != 0]
            whole, silent = (100 * each.sum() / fired.counts.sum() for each in (fired.right, fired.right_without))
            title = f"accuracy without it: {whole:.1f} → {silent:.1f} %"
            _bars(grid[1, 3], moved, change, classes, title, "change of the class's accuracy, points")
    return figure


def _map(axes: Axes, told: Told) -> None:
    """The unit's map laid over the picture in grey; one number as a cell."""
    values, shown = told.layer.output_KHW[told.unit], told.subject.shown_HWC
    high, low = float(values.max()), float(values.min())
    if values.size == 1:
        draw_cells(axes, values.astype(np.float64), "what it gives", limit=told.layer.largest)
        return
    grey = shown.mean(2)
    height, width = grey.shape
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=extent)
    image = axes.imshow(values, cmap=RISING, alpha=0.65, extent=extent, interpolation="nearest")
    bare(axes, f"its map, {values.shape[1]} x {values.shape[0]}, {number(low)} to {number(high)}")
    if axes.figure is not None:
        scale = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
        scale.ax.tick_params(labelsize=7, length=2)


def _filter(axes: Axes, told: Told) -> None:
    """The filter: in colour where it reads the picture's, else the channels it weighs most, side by side."""
    layer = told.layer
    if layer.weight is None:
        bare(axes, "its filter")
        axes.text(0.5, 0.5, f"a pool has none: {layer.sliding.kind}", transform=axes.transAxes, ha="center")
        return
    weights = layer.weight[told.unit].float().numpy()
    if told.volume is not None and told.volume.neurons == weights.size:
        weights = weights.reshape(told.volume.channels, told.volume.height, told.volume.width)
    if weights.shape[1:] == (1, 1):
        _weights(axes, weights[:, 0, 0], layer.channels(told.unit))
        return
    limit = float(np.abs(weights).max()) or 1.0
    if len(weights) == 3 and len(layer.input_CHW) == 3:
        axes.imshow(0.5 + 0.5 * weights.transpose(1, 2, 0) / limit, interpolation="nearest")
        bare(axes, "its filter, in the picture's colours")
        return
    if len(weights) == 1:
        draw_cells(axes, weights[0].astype(np.float64), "its filter")
        return
    most = np.sort(np.argsort(-np.abs(weights).sum((1, 2)), kind="stable")[:CHANNELS_SHOWN])
    channels = layer.channels(told.unit) if told.volume is None else range(len(weights))
    _tiles(axes, weights[most], [channels[at] for at in most], limit, len(weights))


def _weights(axes: Axes, weights: NDArray[np.float32], channels: range) -> None:
    """A filter of one pixel: its weights as bars, the largest named."""
    axes.bar(channels, weights, color=np.where(weights < 0, BLUE, RED), width=1.0 if len(weights) > 60 else 0.8)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set(xlabel="input channel", xlim=(channels.start - 0.7, channels.stop - 0.3))
    most = np.argsort(-np.abs(weights), kind="stable")[:4]
    axes.set_title("its weights; largest: " + ", ".join(str(channels[at]) for at in most))


def _tiles(axes: Axes, weights: NDArray[np.float32], channels: Sequence[int], limit: float, every: int) -> None:
    """Channels of a filter as squares in rows of three, each with its number above."""
    height, width = weights.shape[1:]
    down, across = height + 0.25 * max(height, width), width + 0.12 * max(height, width)
    for at, (part, channel) in enumerate(zip(weights, channels, strict=True)):
        row, column = divmod(at, 3)
        left, top = column * across, row * down
        box = (left, left + width, top + height, top)
        axes.imshow(part, cmap=SIGNED, vmin=-limit, vmax=limit, extent=box, interpolation="nearest", aspect="equal")
        axes.text(left, top - 0.02 * height, str(channel), fontsize=7, va="bottom", color=INK)
    rows = -(-len(weights) // 3)
    axes.set(xlim=(0, 3 * across), ylim=(rows * down, -0.2 * max(height, width)))
    bare(axes, f"its filter: {len(weights)} channels of {every}" if every > len(weights) else "its filter, by channel")


def _patches(axes: Axes, patches: Sequence[Patch], fired: Fired, title: str) -> None:
    """Nine patches in three rows, each as large as its field of view lets it be, with the unit's value."""
    side = 3 * CELL + 2 * GAP
    canvas = np.full((side, side, 3), 238, dtype=np.uint8)
    largest = max((max(patch.box.width, patch.box.height) for patch in patches), default=1) or 1
    for at, patch in enumerate(patches):
        row, column = divmod(at, 3)
        top, left = row * (CELL + GAP), column * (CELL + GAP)
        pixels = cut(fired.pictures[patch.sample], patch.box)
        if pixels.size:
            _paste(canvas, pixels, top, left, CELL / largest)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.75}
        axes.text(left + 4, top + 4, number(patch.value), fontsize=7, va="top", bbox=box)
    axes.imshow(canvas, interpolation="antialiased")
    ends = f": {number(patches[0].value)} to {number(patches[-1].value)}" if patches else ""
    bare(axes, title + ends)


def _paste(canvas: NDArray[np.uint8], pixels: NDArray[np.uint8], top: int, left: int, scale: float) -> None:
    """A patch into the middle of its cell; few pixels stay squares."""
    height, width = (max(1, min(CELL, round(scale * side))) for side in pixels.shape[:2])
    way = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BILINEAR
    drawn = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), way))
    down, across = top + (CELL - height) // 2, left + (CELL - width) // 2
    canvas[down : down + height, across : across + width] = drawn


def _bars(
    axes: Axes,
    first: NDArray[np.intp],
    values: NDArray[np.float64],
    classes: Sequence[str],
    title: str,
    label: str,
) -> None:
    """A bar for each of some classes, from the top."""
    names = [_short(classes[int(at)]) for at in first]
    taken = values[first]
    axes.barh(range(len(first)), taken, color=np.where(taken < 0, BLUE, RED), height=0.7)
    axes.set_yticks(range(len(first)), names)
    axes.set_ylim(max(len(first), FEW_BARS) - 0.5, -0.5)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.grid(True, axis="x", color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_title(title)
    axes.set_xlabel(label)
    if not len(first):
        axes.set_xlim(-1, 1)
        axes.text(0.5, 0.92, "no class changes", transform=axes.transAxes, ha="center", color=SOFT)


def _short(name: str) -> str:
    return name if len(name) <= NAME_SHOWN else name[: NAME_SHOWN - 1] + "…"
