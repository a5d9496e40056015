"""The report: one HTML file that needs no network, to be shown to others."""

import html
from dataclasses import dataclass

from PIL import Image

from torchbeam.data.load import Data
from torchbeam.data.records import PARTS
from torchbeam.design.ledger import Ledger
from torchbeam.learn.evaluate import Error, Evaluation
from torchbeam.learn.loop import Epoch
from torchbeam.learn.plan import OPTIMISERS, Plan
from torchbeam.report.figures import curves, shade
from torchbeam.report.offline import document, inline, section

MOST_CLASSES_IN_TABLE = 30
SKIPPED_SHOWN = 20
RIGHT, WRONG = (47, 111, 178), (200, 60, 50)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture taken for another class, and how."""

    picture: Image.Image
    error: Error


@dataclass(frozen=True, slots=True)
class Told:
    """Everything the report tells. filters: the layer they are of, and <img> elements."""

    name: str
    text: str
    ledger: Ledger
    data: Data
    plan: Plan
    device: str
    seconds: float
    epochs: tuple[Epoch, ...]
    best_epoch: int
    test: Evaluation
    validation: Evaluation
    mistakes: tuple[Shown, ...]
    filters: tuple[str, list[str]]


def page(told: Told) -> str:
    """The whole report as HTML; every name from the data is escaped, and nothing is loaded from anywhere."""
    title = f"{told.name}: {told.test.accuracy:.2%} on {told.test.n:,} test pictures"
    body = "\n".join(
        (
            _headline(told),
            section("The data", _data(told.data)),
            section("Learning", _learning(told)),
            section("Class by class", _classes(told.test)),
            section("What is taken for what", _confusion(told.test)),
            section("The worst mistakes", _mistakes(told)),
            section("The first layer's filters", _filters(told)),
            section("The network", _network(told)),
        )
    )
    return document(title, body)


def _headline(told: Told) -> str:
    test = told.test
    low, high = test.interval
    minutes, seconds = divmod(round(told.seconds), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    cards = (
        (f"{test.accuracy:.2%}", f"right on {test.n:,} test pictures it had never seen"),
        (f"{100 * low:.1f} to {100 * high:.1f} %", "its 95 % interval (Wilson's)"),
        (f"{test.baseline:.1%}", "by always naming the class most frequent in training"),
        (f"{told.ledger.parameters:,}", f"parameters, trained in {took} on {told.device}"),
    )
    inside = "".join(
        f'<div class="card"><b>{html.escape(big)}</b><span>{html.escape(small)}</span></div>' for big, small in cards
    )
    return f'<header>\n<h1>{html.escape(told.name)}</h1>\n<div class="cards">{inside}</div>\n</header>'


def _data(data: Data) -> str:
    where = f" from <code>{html.escape(str(data.root))}</code>" if data.root else ""
    sizes = set(data.sizes)
    size = "x".join(map(str, next(iter(sizes)))) + " pixels" if len(sizes) == 1 else "many sizes"
    shade_word = "Grey" if data.grey else "Colour"
    lines = [f"<p>{shade_word} pictures of {size}{where}: {len(data.records):,} of {len(data.classes):,} classes.</p>"]
    rows = []
    for part in PARTS:
        counts = data.counts(part)
        rows.append(
            f'<tr><th class="text">{part}</th><td>{sum(counts):,}</td><td>{min(counts):,} to {max(counts):,}</td>'
            f'<td class="text">{html.escape(data.split.origins[part])}</td></tr>'
        )
    lines.append(
        '<table><tr><th class="text">part</th><th>pictures</th><th>of a class</th><th class="text">is</th></tr>'
        + "".join(rows)
        + "</table>"
    )
    lines += [f"<p>{html.escape(note)}</p>" for note in data.notes]
    if data.skipped:
        shown = "".join(f"<li>{html.escape(bad.reason)}</li>" for bad in data.skipped[:SKIPPED_SHOWN])
        more = len(data.skipped) - SKIPPED_SHOWN
        rest = f"<li>and {more:,} more</li>" if more > 0 else ""
        lines.append(f"<p>Set aside, {len(data.skipped):,} that could not be read:</p><ul>{shown}{rest}</ul>")
    return "\n".join(lines)


def _learning(told: Told) -> str:
    plan, best = told.plan, told.epochs[told.best_epoch - 1]
    return (
        f"<p>{len(told.epochs)} epochs in batches of {plan.batch_size}, {OPTIMISERS[plan.optimiser]} with a "
        f"learning rate up to {plan.lr:.3g}, seed {plan.seed}. Epoch {told.best_epoch} was kept: the highest accuracy "
        f"on validation, {best.validation_score:.2%} of {told.validation.n:,} pictures. That choice makes the "
        "validation figure a little too good; the test part was read once, afterwards.</p>\n"
        f'<figure class="curves">{curves(told.epochs, told.best_epoch)}</figure>'
    )


def _classes(test: Evaluation) -> str:
    rows = "".join(
        f'<tr><th class="text">{html.escape(score.name)}</th><td>{score.n:,}</td>'
        + "".join(f"<td>{_share(value)}</td>" for value in (score.precision, score.recall, score.f1))
        + "</tr>"
        for score in test.classes
    )
    return (
        "<p>Precision: of the pictures called so, how many are. Recall: of those that are, how many are called so. "
        "F1: their harmonic mean.</p>\n"
        '<table><tr><th class="text">class</th><th>pictures</th><th>precision</th><th>recall</th><th>F1</th></tr>'
        f"{rows}</table>"
    )


def _confusion(test: Evaluation) -> str:
    names = [score.name for score in test.classes]
    if len(names) > MOST_CLASSES_IN_TABLE:
        pairs = sorted(
            (
                (count, names[i], names[j])
                for i, row in enumerate(test.confusion)
                for j, count in enumerate(row)
                if i != j
            ),
            reverse=True,
        )
        rows = "".join(
            f'<tr><th class="text">{html.escape(truth)}</th><td class="text">{html.escape(called)}</td>'
            f"<td>{count:,}</td></tr>"
            for count, truth, called in pairs[:20]
            if count
        )
        return (
            "<p>The most frequent mistakes.</p>\n"
            f'<table><tr><th class="text">is</th><th class="text">called</th><th>pictures</th></tr>{rows}</table>'
        )
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    rows = []
    for i, row in enumerate(test.confusion):
        most = max(1, *row)
        cells = "".join(
            f'<td style="{shade(0.2 + 0.8 * count / most if count else 0, RIGHT if i == j else WRONG)}" '
            f'title="{html.escape(f"{count} of class {names[i]} called {names[j]}", quote=True)}">{count or ""}</td>'
            for j, count in enumerate(row)
        )
        rows.append(f"<tr><th>{html.escape(names[i])}</th>{cells}</tr>")
    return (
        "<p>Each row holds the test pictures of one class, each column those called so. "
        "Blue is right, red is wrong.</p>\n"
        f'<div class="wide"><table class="confusion"><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'
    )


def _mistakes(told: Told) -> str:
    if not told.mistakes:
        return f"<p>None: all {told.test.n:,} test pictures are right.</p>"
    wrong = told.test.n - round(told.test.accuracy * told.test.n)
    which = "" if wrong == len(told.mistakes) else f"; here the {len(told.mistakes)} called so with most confidence"
    cards = "".join(
        f"<figure>{inline(shown.picture)}<figcaption><b>{html.escape(shown.error.called)}</b> "
        f"{shown.error.called_probability:.1%}<br>is {html.escape(shown.error.truth)} "
        f"{shown.error.truth_probability:.1%}</figcaption></figure>"
        for shown in told.mistakes
    )
    return (
        f"<p>{wrong:,} of {told.test.n:,} test pictures went wrong{which}. Under each what it was called and what "
        "it is, with the probabilities the network gave.</p>\n"
        f'<div class="pictures">{cards}</div>'
    )


def _filters(told: Told) -> str:
    layer, filters = told.filters
    if not filters:
        return "<p>No layer weighs the pixels of the picture itself.</p>"
    return (
        f"<p><code>{html.escape(layer)}</code>. Each filter from its lowest weight (black) to its highest "
        "(white).</p>\n"
        f'<div class="pictures filters">{"".join(filters)}</div>'
    )


def _network(told: Told) -> str:
    book = told.ledger
    rows = "".join(
        f'<tr><th class="text">{html.escape(row.name)}</th><td class="text"><code>{html.escape(row.text)}</code></td>'
        f"<td>{row.output}</td><td>{row.neurons:,}</td><td>{_unless_none(row.parameters)}</td><td>{_unless_none(row.macs)}</td>"
        f"<td>{row.receptive_field[0]}x{row.receptive_field[1]}</td></tr>"
        for row in book.rows
    )
    return (
        f"<pre>{html.escape(told.text)}</pre>\n"
        f"<p>{book.parameters:,} parameters and {book.macs:,} multiply-accumulates for one picture. Volumes are "
        "width x height x depth; the last column is how many pixels of the input one neuron sees.</p>\n"
        '<div class="wide"><table><tr><th class="text">layer</th><th class="text">notation</th><th>output</th>'
        "<th>neurons</th><th>parameters</th><th>MACs</th><th>sees</th></tr>"
        f'<tr><th class="text">input</th><td></td><td>{book.input}</td><td>{book.input.neurons:,}</td>'
        f"<td></td><td></td><td></td></tr>{rows}</table></div>"
    )


def _unless_none(count: int) -> str:
    return f"{count:,}" if count else ""


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
