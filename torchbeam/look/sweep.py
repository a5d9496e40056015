"""sweep: a unit's window slides over the picture, and its map grows number by number. Moving pictures."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.look.arithmetic import seen_from, uncertain
from torchbeam.look.cells import RISING, bare, draw_cells, draw_picture, outline, sheet
from torchbeam.look.look import Look, Measured
from torchbeam.look.receptive import Box, fields_of
from torchbeam.look.slid import Ran, ran
from torchbeam.look.subject import Given, Modelled, Subject, subject_of

FRAMES = 24
WIDTH, HEIGHT, FRAME_DPI = 6.6, 2.5, 72
COLOURS = 64  # of a frame: enough for a map, and a third of the bytes
LAST_FRAMES = 4  # for which the finished map stays


def sweep(
    network: nn.Module | Modelled,
    picture: Given,
    layer: str,
    unit: int,
    *,
    frames: int = FRAMES,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """A unit's window going over the picture, position by position, and its map as far as it has come.

    frames: how many the moving picture has at most, from the first position to the last in even steps.
    arrays: 'map', 'filter' (of the channel that weighs most) and 'boxes': frame x (left, top, right, bottom), what is
    seen of the picture. Raises SettingError as `arithmetic` does, and for fewer than two frames.
    """
    if frames < 2:
        raise SettingError(f"a sweep cannot have {frames} frames", expected="2 or more")
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    layered = ran(subject.network, subject.x_1CHW, [layer])[layer]
    layered.check_unit(unit)
    height, width = layered.output_KHW.shape[1:]
    places = [divmod(at, width) for at in steps(height * width, frames)]
    fields = fields_of(subject.network, Volume(*subject.x_1CHW.shape[1:]))
    boxes = [seen_from(fields, layer, *place) for place in places]
    said = (
        f"{layer}, unit {unit}: its window at {len(places)} of {height * width:,} positions, and its map so far"
        f"{uncertain(fields, layer)}; {subject.of}"
    )
    arrays = {
        "map": Measured(layered.output_KHW[unit], ("row", "column"), "activation"),
        "boxes": Measured(np.array([(b.left, b.top, b.right, b.bottom) for b in boxes]), ("frame", "side"), "pixel"),
    }
    if layered.weight is not None:
        arrays["filter"] = Measured(heaviest(layered, unit)[1], ("row", "column"), "weight")
    drawn = list(_frames(subject, layered, unit, places, boxes))
    colours = drawn[-1].quantize(COLOURS, Image.Quantize.MEDIANCUT)  # the same for all: what stays costs no bytes
    moving = tuple(frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in drawn)
    return Look(
        "sweep",
        arrays,
        said,
        lambda: _still(subject, layered, unit, places[-1], boxes[-1])[0],
        frames=moving + moving[-1:] * LAST_FRAMES,
        frame_seconds=0.2,
        facts={"layer": layer, "unit": unit, "positions": height * width},
    )


def steps(count: int, most: int) -> list[int]:
    """At most so many of `count` places, evenly from the first to the last."""
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, most))})


def heaviest(layer: Ran, unit: int) -> tuple[int, NDArray[np.float64]]:
    """The channel of the input that a unit weighs most, by the sum of its weights' sizes, and those weights."""
    weights = np.zeros((1, 1, 1)) if layer.weight is None else layer.weight[unit].double().numpy()
    channel = int(np.abs(weights).sum((1, 2)).argmax())
    return channel, weights[channel]


def _still(subject: Subject, layer: Ran, unit: int, place: tuple[int, int], box: Box) -> tuple[Figure, Axes, Axes]:
    """The figure with the map grown up to a place; and the axes of picture and map."""
    with sheet(WIDTH, HEIGHT) as figure:
        whole, middle, mapped = figure.subplots(1, 3, width_ratios=(2, 1.1, 2))
        draw_picture(whole, subject.shown_HWC, box, f"{layer.name}, unit {unit}")
        if layer.weight is None:
            bare(middle)
            middle.text(0.5, 0.5, layer.sliding.kind, ha="center", va="center", transform=middle.transAxes)
        else:
            channel, weights = heaviest(layer, unit)
            draw_cells(middle, weights, f"filter, channel {layer.channels(unit)[channel]}")
        values = layer.output_KHW[unit]
        low, high = float(values.min()), float(values.max())
        mapped.imshow(_grown(values, place), cmap=RISING, vmin=low, vmax=high, interpolation="nearest")
        mapped.set_facecolor("#eef1f4")
        bare(mapped, f"map, {values.shape[1]} x {values.shape[0]}")
        outline(mapped, Box(place[1], place[0], place[1] + 1, place[0] + 1))
    return figure, whole, mapped


def _grown(values: NDArray[np.float32], place: tuple[int, int]) -> NDArray[np.float32]:
    """The map up to a place in reading order; beyond it, nothing."""
    numbers = np.arange(values.size).reshape(values.shape)
    return np.where(numbers <= place[0] * values.shape[1] + place[1], values, np.nan)


def _frames(
    subject: Subject, layer: Ran, unit: int, places: Sequence[tuple[int, int]], boxes: Sequence[Box]
) -> Iterator[Image.Image]:
    """One figure, of which only what moves is drawn anew."""
    figure, whole, mapped = _still(subject, layer, unit, places[0], boxes[0])
    figure.set_dpi(FRAME_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # nothing is to shift from frame to frame
    for (row, column), box in zip(places, boxes, strict=True):
        for axes, marked in ((whole, box), (mapped, Box(column, row, column + 1, row + 1))):
            for frame in list(axes.patches):
                frame.remove()
            if marked.width:
                outline(axes, marked)
        mapped.images[0].set_data(_grown(layer.output_KHW[unit], (row, column)))
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        yield Image.fromarray(np.ascontiguousarray(pixels))
