"""cells: numbers drawn in cells, as arithmetic is read; and the pictures and maps that stand beside them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.look.receptive import Box

INK, SOFT, FAINT = "#1f2933", "#616e7c", "#cbd2d9"
BLUE, ORANGE, RED = "#2f6fb2", "#d9822b", "#c83c32"
SIGNED, RISING = "RdBu_r", "magma"  # colours of numbers about zero, and of maps from low to high
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
MOST_NUMBERED = 7  # cells along a side that numbers are still written in
SMALL = 96  # pixels along a side under which a picture is drawn pixel by pixel


@contextmanager
def sheet(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of that size in inches; what is drawn within the block has the style."""
    with rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def shown(x_CHW: NDArray[np.float32] | Tensor, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.uint8]:
    """A normalised picture as bytes H, W, 3: grey unless it has three channels; its first where it has two or more
    than three."""
    values = x_CHW.detach().float().cpu().numpy() if isinstance(x_CHW, Tensor) else x_CHW
    kept = 3 if values.shape[0] == 3 else 1
    shift, scale = (np.asarray(each[:kept], dtype=np.float32)[:, None, None] for each in (mean, std))
    pixels = np.clip(np.nan_to_num(values[:kept] * scale + shift), 0, 1)
    bytes_CHW = (255 * pixels).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(bytes_CHW, (3, *bytes_CHW.shape[1:])).transpose(1, 2, 0))


def bare(axes: Axes, title: str = "") -> None:
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title)


def draw_picture(axes: Axes, shown_HWC: NDArray[np.uint8], box: Box | None = None, title: str = "") -> None:
    """A picture; box: marked on it."""
    small = max(shown_HWC.shape[:2]) < SMALL
    axes.imshow(shown_HWC, interpolation="nearest" if small else "antialiased", aspect="equal")
    bare(axes, title)
    if box is not None and box.width:
        outline(axes, box)


def outline(axes: Axes, box: Box, colour: str = ORANGE) -> Rectangle:
    """The box as a frame, around its pixels."""
    corner = (box.left - 0.5, box.top - 0.5)
    frame = Rectangle(corner, box.width, box.height, fill=False, edgecolor=colour, linewidth=1.8, clip_on=False)
    axes.add_patch(frame)
    return frame


def draw_map(
    axes: Axes, values_HW: NDArray[Any], title: str = "", place: tuple[int, int] | None = None, signed: bool = False
) -> None:
    """A map and its scale, or a cell where it has but one number; place: (row, column) that is marked. signed: white
    is zero."""
    if values_HW.size == 1:
        draw_cells(axes, values_HW.astype(np.float64), title)
        return
    limit = float(np.abs(values_HW).max(initial=0.0)) or 1.0
    low, high = (-limit, limit) if signed else (None, None)
    colours = SIGNED if signed else RISING
    image = axes.imshow(values_HW, cmap=colours, interpolation="nearest", aspect="equal", vmin=low, vmax=high)
    bare(axes, title)
    if place is not None:
        outline(axes, Box(place[1], place[0], place[1] + 1, place[0] + 1))
    if axes.figure is not None:
        scale = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
        scale.ax.tick_params(labelsize=7, length=2)
        scale.outline.set_visible(False)  # type: ignore[operator]


def draw_cells(
    axes: Axes,
    values_HW: NDArray[np.float64],
    title: str = "",
    *,
    limit: float | None = None,
    inside: NDArray[np.bool_] | None = None,
    chosen: NDArray[np.bool_] | None = None,
) -> None:
    """Numbers as coloured cells, white at zero, with the numbers in them where there is room. limit: the number of the
    deepest colour. inside: where they are the input's own; the others are hatched, as padding. chosen: framed."""
    finite = np.where(np.isfinite(values_HW), values_HW, 0.0)
    limit = limit or float(np.abs(finite).max(initial=0.0)) or 1.0
    height, width = values_HW.shape
    axes.imshow(finite, cmap=SIGNED, vmin=-1.15 * limit, vmax=1.15 * limit, interpolation="nearest", aspect="equal")
    bare(axes, title)
    for row, column in np.ndindex(height, width):
        if inside is not None and not inside[row, column]:
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor=FAINT, linewidth=0)
            )
        if chosen is not None and chosen[row, column]:
            outline(axes, Box(column, row, column + 1, row + 1))
        if max(height, width) <= MOST_NUMBERED:
            value = float(values_HW[row, column])
            colour = "white" if abs(finite[row, column]) > 0.75 * limit else INK
            size = 8.5 - 0.5 * max(0, max(height, width) - 3)
            axes.text(column, row, number(value), ha="center", va="center", fontsize=size, color=colour)


def number(value: float) -> str:
    """A number in about four characters, as it stands in a cell."""
    if not np.isfinite(value):
        return "−∞" if value < 0 else "∞" if value > 0 else "NaN"
    size = abs(value)
    if value == 0:
        text = "0"
    elif size >= 1000 or size < 0.001:
        text = f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    else:
        text = f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.095 else 3}f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text
