"""The report's pictures: curves as SVG, filters as PNG, all as text that goes into the page."""

import html
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from torchbeam.design.ledger import Ledger
from torchbeam.learn.loop import Epoch
from torchbeam.report.offline import inline

INK, FAINT, TRAIN, VALIDATION = "#1f2933", "#cbd2d9", "#2f6fb2", "#d9822b"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "torchbeam",  # the same run gives the same bytes
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#eef1f4",
}
FILTERS_SHOWN = 64
FILTER_PIXELS = 48


def curves(epochs: Sequence[Epoch], best_epoch: int) -> str:
    """Loss and validation accuracy over the epochs as inline SVG; the best epoch is marked."""
    numbers = [epoch.epoch for epoch in epochs]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        loss, accuracy = figure.subplots(1, 2)
        loss.plot(numbers, [e.loss for e in epochs], color=TRAIN, label="training, augmented and smoothed")
        loss.plot(numbers, [e.validation_loss for e in epochs], color=VALIDATION, label="validation")
        loss.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        loss.legend(frameon=False)
        shares = [100 * e.validation_score for e in epochs]
        accuracy.plot(numbers, shares, color=VALIDATION)
        accuracy.set(xlabel="epoch", ylabel="validation accuracy, %")
        best = shares[numbers.index(best_epoch)]
        accuracy.plot([best_epoch], [best], "o", color=VALIDATION)
        kept = f"kept: epoch {best_epoch}, {best:.2f} %"
        accuracy.text(0.97, 0.06, kept, transform=accuracy.transAxes, ha="right")
        for axes in (loss, accuracy):
            axes.grid(True)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(epochs) == 1:
                axes.set_xticks(numbers)
        held = StringIO()
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    text = held.getvalue()
    return text[text.index("<svg") :]


def first_filters(network: nn.Module, book: Ledger) -> tuple[str, list[str]]:
    """The layer that first weighs the picture, as text, and its filters as images, at most 64.

    Colour where they read RGB, else their first channel; an FC is shown as one template of the picture's shape
    for each unit. Nothing where the picture's pixels have been mixed or moved before, as by a POOL.
    """
    for row in book.trunk:
        if row.word in ("POOL", "UP", "SHORTCUT", "CONCAT"):
            break
        if row.word in ("CONV", "FC"):
            weights = network.get_parameter(f"{row.name}.weight").detach().float().cpu().numpy()
            if row.word == "FC":
                weights = weights.reshape(-1, book.input.channels, book.input.height, book.input.width)
            return f"{row.name}: {row.text}", [_filter(each) for each in weights[:FILTERS_SHOWN]]
    return "", []


def shade(share: float, colour: tuple[int, int, int]) -> str:
    """A background colour from white (0) to `colour` (1), and ink that can be read on it."""
    mixed = [round(255 + (part - 255) * share) for part in colour]
    dark = sum(mixed) < 380
    return html.escape(f"background:rgb({mixed[0]},{mixed[1]},{mixed[2]});color:{'#fff' if dark else INK}")


def _filter(weights_CHW: NDArray[np.float32]) -> str:
    """One filter, its weights from the lowest (black) to the highest (white) of its own."""
    shown = weights_CHW if weights_CHW.shape[0] == 3 else weights_CHW[:1]
    low, high = float(shown.min()), float(shown.max())
    bytes_CHW = ((shown - low) / max(high - low, 1e-12) * 255).round().astype(np.uint8)
    if len(bytes_CHW) == 3:
        return inline(Image.fromarray(np.ascontiguousarray(bytes_CHW.transpose(1, 2, 0))), FILTER_PIXELS)
    return inline(Image.fromarray(np.ascontiguousarray(bytes_CHW[0])), FILTER_PIXELS)
