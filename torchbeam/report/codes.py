"""What the report of a transfer shows of the codes: their map in the plane, and what lies nearest to each mistake."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from torchbeam.learn.adviser import Advice
from torchbeam.report.figures import INK, STYLE
from torchbeam.report.offline import inline, text

# Of matplotlib's tab10, then round again with another sign.
COLOURS = ("#2f6fb2", "#d9822b", "#3a9d5d", "#c83c32", "#7d5fb2", "#8c6d4f", "#d36fb0", "#6b7785", "#a5a52a", "#2aa5a0")
SIGNS = "osD^v<>P"
NAMED = 20  # classes that a legend still has room for
DRAWN = 2_000  # points that are drawn
NEIGHBOURS = 3
SMALL = 96


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training picture near a test picture: its class, and the cosine of the angle between their codes."""

    picture: Image.Image
    name: str
    cosine: float


def principal(codes_ND: Tensor, fitted: int) -> NDArray[np.float64]:
    """The codes on the two directions in which the first `fitted` of them differ most, N x 2 (Pearson 1901)."""
    centred = codes_ND.double() - codes_ND[:fitted].double().mean(0)
    # The Gram matrix of the smaller side: its eigenvectors are the directions.
    given = centred[:fitted]
    if given.shape[0] < given.shape[1]:
        values, vectors = np.linalg.eigh((given @ given.T).numpy())
        axes = given.numpy().T @ vectors[:, :-3:-1] / np.sqrt(np.maximum(values[:-3:-1], 1e-12))
    else:
        axes = np.linalg.eigh((given.T @ given).numpy())[1][:, :-3:-1]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    return centred.numpy() @ axes


def codes_map(
    places_N2: NDArray[np.float64],
    labels: Sequence[int],
    tested: Sequence[bool],
    wrong: Sequence[bool],
    classes: Sequence[str],
) -> str:
    """The map as inline SVG: training pictures pale, test pictures full, mistakes ringed."""
    step = math.ceil(len(labels) / DRAWN)
    shown = np.array([number % step == 0 or bad for number, bad in enumerate(wrong)])
    label, test, bad = np.array(labels)[shown], np.array(tested)[shown], np.array(wrong)[shown]
    places = places_N2[shown]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        for number, name in enumerate(classes):
            colour = COLOURS[number % len(COLOURS)]
            sign = SIGNS[number // len(COLOURS) % len(SIGNS)]
            own = label == number
            pale, full = own & ~test, own & test
            axes.plot(*places[pale].T, sign, color=colour, alpha=0.3, markersize=4, markeredgewidth=0)
            axes.plot(*places[full].T, sign, color=colour, markersize=5, markeredgewidth=0, label=name)
        if bad.any():
            axes.plot(*places[bad].T, "o", color="none", markeredgecolor=INK, markersize=10, label="taken for another")
        axes.set(xticks=[], yticks=[], xlabel="first direction", ylabel="second direction")
        axes.margins(0.05)
        if len(classes) <= NAMED:
            figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside right upper", fontsize=9)
        held = StringIO()
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    made = held.getvalue()
    return made[made.index("<svg") :]


def nearest(codes_ND: Tensor, among_MD: Tensor, most: int = NEIGHBOURS) -> tuple[Tensor, Tensor]:
    """(cosines, places) N x most of the nearest among M codes, by the angle between codes less the others' mean."""
    middle = among_MD.mean(0)
    here, there = (codes_ND - middle), (among_MD - middle)
    here = here / here.norm(dim=1, keepdim=True).clamp_min(1e-12)
    there = there / there.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosines, places = (here @ there.T).topk(min(most, len(among_MD)))
    return cosines, places


def neighbours(found: Sequence[Neighbour]) -> str:
    """What stands beside a mistake: the training pictures nearest to it, each with its class."""
    if not found:
        return ""
    cells = "".join(f"<span>{inline(one.picture, SMALL)}<br>{text(one.name)} {one.cosine:.2f}</span>" for one in found)
    return f'<div class="near">{cells}</div>'


def advice_table(advice: Advice) -> str:
    """The probes and what they say, as HTML."""
    rows = "".join(
        f'<tr{" class=kept" if place == advice.best else ""}><th class="text">{text(str(place))}</th>'
        f"<td>{place.width:,}</td><td>{place.accuracy:.1%}</td><td>{place.error:.1%}</td></tr>"
        for place in (advice.random, *advice.places)
    )
    told = "".join(f"<li>{text(sentence)}</li>" for sentence in advice.sentences())
    return (
        f"<p>Linear classifiers, cross-validated on {advice.probed:,} training pictures: how much each stage of the "
        "backbone tells about these classes, in the network's order, beside random features of the codes' width.</p>\n"
        '<table><tr><th class="text">linear probe on</th><th>numbers</th><th>right</th><th>standard error</th></tr>'
        f"{rows}</table>\n<ul>{told}</ul>"
    )
