"""The report of a transfer: a run's, with what the adviser found and what lies near in the space of the codes."""

import html

import torch
from torch import Tensor

from torchbeam.design.ledger import Ledger
from torchbeam.jobs.ground import Ground
from torchbeam.jobs.transferred import Transferred
from torchbeam.jobs.tuned import Tuned
from torchbeam.learn.adviser import doing
from torchbeam.learn.evaluate import worst_mistakes
from torchbeam.report.codes import Neighbour, advice_table, codes_map, nearest, neighbours, principal
from torchbeam.report.figures import curves
from torchbeam.report.offline import PICTURE_PIXELS, document, section
from torchbeam.report.page import (
    Shown,
    classes_section,
    confusion_section,
    data_section,
    headline,
    mistakes_section,
    network_section,
)

MISTAKES_SHOWN = 24


def transfer_page(
    made: Transferred,
    ground: Ground,
    run: Tuned | None,
    book: Ledger,
    codes_ND: Tensor,
    scores_MK: Tensor,
    labels_M: Tensor,
) -> str:
    """The whole report as HTML. codes_ND: the backbone's codes of the pictures learnt from and then the M tested."""
    fitted = len(codes_ND) - len(labels_M)
    wrong = (scores_MK.argmax(1) != labels_M).tolist()
    learnt = ground.samples("train", "val")
    labels = [*ground.labels(learnt).tolist(), *labels_M.tolist()]
    tested = [False] * fitted + [True] * len(labels_M)
    plane = codes_map(principal(codes_ND, fitted), labels, tested, [False] * fitted + wrong, made.classes)
    parts = [
        headline(made.out.name, made.test, made.parameters, made.seconds, str(ground.place)),
        section("The strategy", _strategy(made)),
        section("The data", data_section(ground.data)),
    ]
    if run is not None:
        best = run.story.best.epoch if run.story.best else 1
        parts.append(section("Learning", f'<figure class="curves">{curves(run.story.epochs, best)}</figure>'))
    parts += [
        section("Class by class", classes_section(made.test)),
        section("What is taken for what", confusion_section(made.test)),
        section("The worst mistakes", mistakes_section(made.test, _mistakes(ground, codes_ND, scores_MK, labels_M))),
        section("The codes", _MAP + f'<figure class="curves">{plane}</figure>'),
        section("The network", network_section(made.text, book)),
    ]
    title = f"{made.out.name}: {made.test.accuracy:.2%} on {made.test.n:,} test pictures"
    return document(title, "\n".join(parts), _STYLE)


_STYLE = """.near{display:flex;gap:6px;margin-top:6px;font-size:12px;color:#52606d}
.near span{flex:1}
.near img{width:100%;height:auto;max-height:64px;object-fit:cover}
.kept{background:#eaf3fb}
.pictures figure{width:210px}
.pictures img{max-width:210px}
"""
_MAP = (
    "<p>Every picture by its codes, on the two directions in which the codes of the pictures learnt from differ most: "
    "those learnt from pale, those tested full, mistakes ringed. What lies apart here is apart; what lies together may "
    "still differ in another direction.</p>\n"
)


def _strategy(made: Transferred) -> str:
    told = html.escape(doing(made.mode, None if made.advice is None else made.advice.best))
    lines = [f"<p>Kept: <b>{told}</b> of <code>{html.escape(made.backbone)}</code>.</p>"]
    if made.head is not None:
        held = made.head
        read = "" if held["accuracy"] is None else f", {held['accuracy']:.1%} right in cross-validation"
        lines.append(
            f"<p>The head is a linear {html.escape(held['kind'])} on {html.escape(held['place'])}, C "
            f"{held['strength']:.2g}{read}. Kind and C were chosen by cross-validation on what is not for the test.</p>"
        )
    for rival in made.rivals:
        kept = "kept" if rival.kept else "not kept"
        lines.append(
            f"<p>{html.escape(rival.what)}: {rival.accuracy:.1%} of {rival.n:,} pictures held out; {kept}.</p>"
        )
    lines += [f"<p>{html.escape(note)}</p>" for note in made.notes]
    return "\n".join(lines) + ("" if made.advice is None else advice_table(made.advice))


def _mistakes(ground: Ground, codes_ND: Tensor, scores_MK: Tensor, labels_M: Tensor) -> tuple[Shown, ...]:
    """The worst mistakes, each with the training pictures whose codes are nearest."""
    data, learnt, tested = ground.data, ground.samples("train", "val"), ground.samples("test")
    worst = worst_mistakes(scores_MK, labels_M, data.classes, MISTAKES_SHOWN)
    rows = torch.tensor([len(learnt) + bad.index for bad in worst], dtype=torch.int64)
    cosines, places = nearest(codes_ND[rows], codes_ND[: len(learnt)])
    least = (PICTURE_PIXELS, PICTURE_PIXELS)
    shown = []
    for bad, own, near in zip(worst, cosines.tolist(), places.tolist(), strict=True):
        found = [
            Neighbour(data.image(int(learnt[at]), least), data.classes[data.records[int(learnt[at])].label], cosine)
            for cosine, at in zip(own, near, strict=True)
        ]
        shown.append(Shown(data.image(int(tested[bad.index]), least), bad, neighbours(found)))
    return tuple(shown)
