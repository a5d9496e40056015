"""overlay: how a look is drawn: pictures in a row, maps over them, colour bars beside them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from torchbeam.errors import SettingError

INK, FAINT = "#1f2933", "#cbd2d9"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#eef1f4",
}
SIGNED, UNSIGNED = "RdBu_r", "magma"  # red speaks for the class, blue against it; dark is little, bright is much
SIDE = 3.2  # inches of a panel
COVER = 0.75  # how far the strongest of a map covers the picture beneath

Place = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One picture of a row: picture_HWC (bytes), map_RC, or the map over the picture.

    place: where the map lies, (left, top, right, bottom) in pixels of the picture; None for all of it. signed: 0 is
    white and both signs have their colours to the same strength; else from the least to the most. strongest: the
    number with the strongest colour, so that panels can be compared; None for the map's own. unit: what the map's
    numbers are, written at a colour bar; '' for none.

    Raises SettingError where there is nothing to draw, or the map is no map.
    """

    title: str = ""
    picture_HWC: NDArray[np.uint8] | None = None
    map_RC: NDArray[np.floating[Any]] | None = None
    place: Place | None = None
    signed: bool = True
    strongest: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.picture_HWC is None and self.map_RC is None:
            raise SettingError("a panel without a picture and without a map")
        if self.map_RC is not None and (self.map_RC.ndim != 2 or not self.map_RC.size):
            shape = " x ".join(map(str, self.map_RC.shape))
            raise SettingError("the map to draw is none", expected="rows x columns of numbers", got=shape or "a number")

    @property
    def limits(self) -> tuple[float, float]:
        """The numbers with the two outermost colours."""
        finite = np.zeros(1) if self.map_RC is None else self.map_RC[np.isfinite(self.map_RC)]
        finite = finite if finite.size else np.zeros(1)
        if self.signed:
            most = self.strongest or float(np.abs(finite).max()) or 1.0
            return -most, most
        low, high = float(finite.min()), self.strongest or float(finite.max())
        return low, high if high > low else low + 1


def row(*panels: Panel) -> Figure:
    """The panels side by side, without axes."""
    with rc_context(STYLE):
        figure = Figure(figsize=(SIDE * len(panels) + 0.6, SIDE + 0.5), layout="constrained")
        spots: NDArray[Any] = figure.subplots(1, len(panels), squeeze=False)
        for axes, panel in zip(spots[0], panels, strict=True):
            draw(axes, panel)
    return figure


def draw(axes: Axes, panel: Panel) -> None:
    """A panel into these axes of a figure, which are taken away. A map over a picture covers it the more, the stronger
    it is there; where it is no number nothing is drawn."""
    axes.set_axis_off()
    axes.set_title(panel.title)
    if panel.picture_HWC is not None:
        axes.imshow(panel.picture_HWC)
    if panel.map_RC is None:
        return
    low, high = panel.limits
    rows, columns = panel.map_RC.shape
    over = panel.picture_HWC
    whole = (0, 0, columns, rows) if over is None else (0, 0, over.shape[1], over.shape[0])
    left, top, right, bottom = panel.place or whole
    shares = np.clip((np.nan_to_num(panel.map_RC, nan=low) - low) / (high - low), 0, 1)
    strength = np.abs(2 * shares - 1) if panel.signed else shares
    image = axes.imshow(
        np.ma.masked_invalid(panel.map_RC),
        cmap=colormaps[SIGNED if panel.signed else UNSIGNED],
        vmin=low,
        vmax=high,
        alpha=None if over is None else COVER * strength * np.isfinite(panel.map_RC),
        extent=(left - 0.5, right - 0.5, bottom - 0.5, top - 0.5),  # pixel (0, 0) has its middle there
        interpolation="nearest",
    )
    if over is not None:
        axes.set(xlim=(-0.5, whole[2] - 0.5), ylim=(whole[3] - 0.5, -0.5))
    if panel.unit and axes.figure is not None:
        image.set_label(panel.unit)
        axes.figure.colorbar(image, ax=axes, label=panel.unit, shrink=0.85)
