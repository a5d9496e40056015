"""sheets: a grid of small maps or filters, each with a label that can be read. All lengths are in inches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from torchbeam.look.overlay import COVER, FAINT, INK, SIGNED, UNSIGNED

MARGIN, GAP = 0.15, 0.05  # around the sheet; between tiles
BETWEEN = 0.22  # groups
TITLE, LABEL, BAR = 0.26, 0.14, 0.3  # heights of a line of each
TITLED = 9.0  # a figure is made as wide as its title, up to here
WIDE = 6.0  # from here on a group has its colour bar beside its title
TITLE_POINTS, LABEL_POINTS = 9.0, 6.5
LETTER = 0.6 / 72  # the width of a letter on the average, for each point of its size


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours for numbers: from `low` to `high`, what lies beyond being coloured as the end is.

    colours: the name of one of matplotlib's maps. unit: of the numbers. cut: whether some of them lie beyond.
    """

    low: float
    high: float
    colours: str
    unit: str = ""
    cut: bool = False

    def shares(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Where the numbers lie between low (0) and high (1)."""
        return np.clip((values - self.low) / max(self.high - self.low, 1e-30), 0, 1)

    def pixels(self, values_HW: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The numbers as bytes H x W x 3."""
        return np.ascontiguousarray(colormaps[self.colours](self.shares(values_HW), bytes=True)[..., :3])

    def over(self, shown_HWC: NDArray[np.uint8], values_HW: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The numbers over a picture of their size, which is grey, so that all colour is theirs, and stays as it is
        where they are low."""
        grey_HWC = shown_HWC.mean(2, keepdims=True)
        share = COVER * self.shares(values_HW)[..., None]
        return ((1 - share) * grey_HWC + share * self.pixels(values_HW)).round().astype(np.uint8)


def scale_of(values: NDArray[np.floating], unit: str = "", most: float = 1.0) -> Scale:
    """A scale for all those numbers: about zero where some lie below it, from zero where none does. most: the share of
    them that keeps colours of its own; what is beyond is coloured alike."""
    sizes = np.abs(values)
    end = float(np.quantile(sizes, most)) if most < 1 else float(sizes.max(initial=0))
    largest = float(sizes.max(initial=0))
    high = end or largest or 1.0
    if values.min(initial=0) < 0:
        return Scale(-high, high, SIGNED, unit, largest > high)
    return Scale(0.0, high, UNSIGNED, unit, largest > high)


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One small picture, bytes H x W x 3, and what stands below it."""

    pixels_HWC: NDArray[np.uint8]
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Tiles in reading order below a title, each within a square of that side; scale: of their colours."""

    title: str
    tiles: tuple[Tile, ...]
    columns: int = 1
    side: float = 0.7
    scale: Scale | None = None

    @property
    def rows(self) -> int:
        """How many rows of tiles there are."""
        return -(-len(self.tiles) // self.columns)

    @property
    def width(self) -> float:
        """Of the tiles."""
        return min(self.columns, len(self.tiles)) * (self.side + GAP) - GAP

    @property
    def step(self) -> float:
        """From one row of tiles to the next."""
        return self.side + GAP + (LABEL if any(tile.label for tile in self.tiles) else 0)

    @property
    def bar_below(self) -> bool:
        """Whether the colour bar stands below the tiles, and not beside the title."""
        return self.scale is not None and self.width < WIDE

    @property
    def height(self) -> float:
        """Of title, tiles and colour bar."""
        return TITLE + self.rows * self.step - GAP + (BAR if self.bar_below else 0)


def sheet(groups: Sequence[Group], *, title: str = "", across: bool = False) -> Figure:
    """The groups one below the other, or side by side, as one figure as large as they need, below its title."""
    if across:
        width = sum(group.width for group in groups) + BETWEEN * (len(groups) - 1)
        height = max(group.height for group in groups)
    else:
        width = max(group.width for group in groups)
        height = sum(group.height for group in groups) + BETWEEN * (len(groups) - 1)
    heading = TITLE if title else 0.0
    width = max(width, min(len(title) * TITLE_POINTS * LETTER, TITLED))
    width, height = width + 2 * MARGIN, height + 2 * MARGIN + heading
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    _say(axes, MARGIN, MARGIN + TITLE / 2 - 0.03, title, TITLE_POINTS, width - 2 * MARGIN, bold=True)
    left, top = MARGIN, MARGIN + heading
    for group in groups:
        _group(axes, group, left, top, group.width if across else width - 2 * MARGIN)
        left, top = (left + group.width + BETWEEN, top) if across else (left, top + group.height + BETWEEN)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _group(axes: Axes, group: Group, left: float, top: float, room: float) -> None:
    beside = group.scale is not None and not group.bar_below
    _say(axes, left, top + TITLE / 2 - 0.03, group.title, TITLE_POINTS, room - (2.4 if beside else 0))
    for at, tile in enumerate(group.tiles):
        row, column = divmod(at, group.columns)
        _tile(axes, tile, left + column * (group.side + GAP), top + TITLE + row * group.step, group.side)
    if group.scale and group.bar_below:
        _bar(axes, group.scale, left, top + group.height - BAR / 2, group.width)
    elif group.scale:
        _bar(axes, group.scale, left + room - 2.3, top + TITLE / 2 - 0.03, 2.3)


def _tile(axes: Axes, tile: Tile, left: float, top: float, side: float) -> None:
    high, wide = tile.pixels_HWC.shape[:2]
    width, height = side * wide / max(high, wide), side * high / max(high, wide)
    x, y = left + (side - width) / 2, top + (side - height) / 2
    axes.imshow(tile.pixels_HWC, extent=(x, x + width, y + height, y), aspect="auto", interpolation="antialiased")
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=FAINT, linewidth=0.5))
    if tile.label:
        _say(axes, left + side / 2, top + side + LABEL / 2, tile.label, LABEL_POINTS, side, at="center")


def _bar(axes: Axes, scale: Scale, left: float, middle: float, width: float) -> None:
    """low, the colours, high and unit in one line."""
    low, high = f"{scale.low:.3g}", f"{scale.high:.3g}"
    if scale.cut:
        low, high = f"≤ {low}" if scale.low < 0 else low, f"≥ {high}"
    ends = (len(low) + 1) * LABEL_POINTS * LETTER, (len(high) + 1) * LABEL_POINTS * LETTER
    told = f"{high} {scale.unit}".strip()
    right = min(max(ends[1], (len(told) + 1) * LABEL_POINTS * LETTER), width / 2)
    colours = scale.pixels(np.linspace(scale.low, scale.high, 256)[None])
    x, end = left + ends[0], left + width - right
    axes.imshow(colours, extent=(x, end, middle + 0.05, middle - 0.05), aspect="auto")
    _say(axes, left, middle, low, LABEL_POINTS, ends[0])
    _say(axes, end + 0.05, middle, told, LABEL_POINTS, right)


def _say(
    axes: Axes, x: float, y: float, text: str, points: float, room: float, *, at: str = "left", bold: bool = False
) -> None:
    """A line of text that keeps to its room; of one that is too long the middle is left out."""
    letters = max(4, int(room / (points * LETTER)))
    if len(text) > letters:
        text = f"{text[: (letters - 1) // 2]}…{text[len(text) - letters // 2 :]}"
    weight = "bold" if bold else "normal"
    axes.text(x, y, text, ha=at, va="center", fontsize=points, color=INK, fontweight=weight, parse_math=False)
