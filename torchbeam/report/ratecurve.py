"""The learning-rate range test drawn: the loss against the rate, and the rate that was chosen."""

import re
from io import BytesIO, StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from torchbeam.learn.rate import RangeTest
from torchbeam.report.figures import FAINT, INK, TRAIN, VALIDATION

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "torchbeam",  # the same test gives the same bytes
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#eef1f4",
    "figure.facecolor": "white",  # its own sheet, so that ink can be read on a dark page too
    "savefig.facecolor": "white",
}
# The loss is drawn up to this many times its fall above where it began; what explodes further leaves the picture.
ABOVE = 1.0
PNG_DPI = 144


def rate_curve(test: RangeTest) -> str:
    """The smoothed loss against the rate as inline SVG, each batch's loss faint behind it, the chosen rate marked."""
    held = StringIO()
    with rc_context(_STYLE):
        _drawn(test).savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    text = held.getvalue()
    # Names of its own, so that it can stand in one page with another drawing.
    return re.sub(r'(\bid="|href="#|url\(#)', r"\1rate-", text[text.index("<svg") :])


def rate_curve_png(test: RangeTest) -> bytes:
    """The same picture as a PNG file's bytes."""
    held = BytesIO()
    with rc_context(_STYLE):
        _drawn(test).savefig(held, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return held.getvalue()


def _drawn(test: RangeTest) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.plot(test.rates, test.losses, ".", color=TRAIN, alpha=0.35, markersize=5, label="a batch's loss")
    axes.plot(test.rates, test.smoothed, color=TRAIN, linewidth=2, label="smoothed")
    axes.axvline(test.chosen, color=VALIDATION, linewidth=1.5, linestyle=(0, (4, 2)))
    axes.set(xlabel="learning rate", ylabel="training loss", title="learning-rate range test", ylim=_reach(test))
    shown = [*test.rates, test.chosen]
    low, high = min(shown), max(shown)
    axes.set_xlim(low * 0.8, high * 1.25)
    left = test.chosen**2 > low * high  # the number stands where there is more room
    axes.annotate(
        f"chosen: {test.chosen:.3g}",
        (test.chosen, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if left else 6, -4),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        color=VALIDATION,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )
    axes.grid(True)
    # Above the axes: wherever it stood in them, some curve would run through it.
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
    return figure


def _reach(test: RangeTest) -> tuple[float, float]:
    """The losses shown: from a little below the lowest to well above the beginning, not up to where it explodes."""
    if not test.losses:
        return 0.0, 1.0
    lowest, begun = min(test.losses), test.smoothed[0]
    fall = max(begun - min(test.smoothed), 0.2 * abs(begun), 1e-6)
    highest = min(max(test.losses), max(begun, *test.losses[:3]) + ABOVE * fall)
    room = max(0.08 * (highest - lowest), 0.01 * abs(highest), 1e-6)
    return lowest - room, highest + room
