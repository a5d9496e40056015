"""The report: one HTML file that needs no network, to be shown to others."""

import html
import re
from dataclasses import dataclass

from PIL import Image

from torchbeam.data.load import Data
from torchbeam.data.records import PARTS
from torchbeam.design.ledger import Ledger
from torchbeam.learn.evaluate import Error, Evaluation
from torchbeam.learn.loop import Epoch
from torchbeam.learn.plan import OPTIMISERS, Plan
from torchbeam.learn.rate import RangeTest
from torchbeam.learn.signs import Finding
from torchbeam.report.figures import curves, shade
from torchbeam.report.offline import document, inline, section
from torchbeam.report.ratecurve import rate_curve

MOST_CLASSES_IN_TABLE = 30
SKIPPED_SHOWN = 20
RIGHT, WRONG = (47, 111, 178), (200, 60, 50)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture taken for another class, and how. beside: HTML that stands under it."""

    picture: Image.Image
    error: Error
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Everything the report tells. filters: the layer they are of, and <img> elements. way: of computing, in words.
    rate: the range test that the rate is from, None where it was told."""

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
    way: str
    rate: RangeTest | None
    findings: tuple[Finding, ...]


def page(told: Told) -> str:
    """The whole report as HTML; every name from the data is escaped, and nothing is loaded from anywhere."""
    title = f"{told.name}: {told.test.accuracy:.2%} on {told.test.n:,} test pictures"
    body = "\n".join(
        (
            headline(told.name, told.test, told.ledger.parameters, told.seconds, told.device),
            section("The data", data_section(told.data)),
            section("Learning", _learning(told)),
            *([section("What the doctor found", findings_section(told.findings))] if told.findings else []),
            section("Class by class", classes_section(told.test)),
            section("What is taken for what", confusion_section(told.test)),
            section("The worst mistakes", mistakes_section(told.test, told.mistakes)),
            section("The first layer's filters", filters_section(*told.filters)),
            section("The network", network_section(told.text, told.ledger)),
        )
    )
    return document(title, body)


def headline(name: str, test: Evaluation, parameters: int, taken: float, device: str) -> str:
    """The name of the run and its figures, large. taken: seconds."""
    low, high = test.interval
    minutes, seconds = divmod(round(taken), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    cards = (
        (f"{test.accuracy:.2%}", f"right on {test.n:,} test pictures it had never seen"),
        (f"{100 * low:.1f} to {100 * high:.1f} %", "its 95 % interval (Wilson's)"),
        (f"{test.baseline:.1%}", "by always naming the class most frequent in training"),
        (f"{parameters:,}", f"parameters, trained in {took} on {device}"),
    )
    inside = "".join(
        f'<div class="card"><b>{html.escape(big)}</b><span>{html.escape(small)}</span></div>' for big, small in cards
    )
    return f'<header>\n<h1>{html.escape(name)}</h1>\n<div class="cards">{inside}</div>\n</header>'


def data_section(data: Data) -> str:
    """Where the pictures are from, and the parts they fell into."""
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
        f'<figure class="curves">{curves(told.epochs, told.best_epoch)}</figure>\n'
        f"<p>Computed in {html.escape(told.way)}.</p>" + _rate(told.rate)
    )


def _rate(test: RangeTest | None) -> str:
    """Where the peak rate is from, where it was measured."""
    if test is None:
        return ""
    return (
        f"\n<p>The rate was measured: {html.escape(test.reason)}.</p>\n"
        f'<figure class="curves">{rate_curve(test)}</figure>'
    )


def findings_section(findings: tuple[Finding, ...]) -> str:
    """What is wrong with the run, each with when it was found and what to do."""
    rows = []
    for one in findings:
        when = f"Epoch {one.epoch}, step {one.step:,}" if one.step else "Before training"
        said, remedy = (
            re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(words)) for words in (one.text, one.remedy)
        )
        rows.append(f"<p><b>{when}.</b> {said}<br>What to do: {remedy}.</p>")
    return "\n".join(rows)


def classes_section(test: Evaluation) -> str:
    """Precision, recall and F1 of each class."""
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


def confusion_section(test: Evaluation) -> str:
    """Which class is taken for which: the whole table, or its largest cells."""
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


def mistakes_section(test: Evaluation, mistakes: tuple[Shown, ...]) -> str:
    """The pictures taken for another class with most confidence."""
    if not mistakes:
        return f"<p>None: all {test.n:,} test pictures are right.</p>"
    wrong = test.n - round(test.accuracy * test.n)
    which = "" if wrong == len(mistakes) else f"; here the {len(mistakes)} called so with most confidence"
    cards = "".join(
        f"<figure>{inline(shown.picture)}<figcaption><b>{html.escape(shown.error.called)}</b> "
        f"{shown.error.called_probability:.1%}<br>is {html.escape(shown.error.truth)} "
        f"{shown.error.truth_probability:.1%}</figcaption>{shown.beside}</figure>"
        for shown in mistakes
    )
    return (
        f"<p>{wrong:,} of {test.n:,} test pictures went wrong{which}. Under each what it was called and what "
        "it is, with the probabilities the network gave.</p>\n"
        f'<div class="pictures">{cards}</div>'
    )


def filters_section(layer: str, filters: list[str]) -> str:
    """The first layer's filters as pictures."""
    if not filters:
        return "<p>No layer weighs the pixels of the picture itself.</p>"
    return (
        f"<p><code>{html.escape(layer)}</code>. Each filter from its lowest weight (black) to its highest "
        "(white).</p>\n"
        f'<div class="pictures filters">{"".join(filters)}</div>'
    )


def network_section(text: str, book: Ledger) -> str:
    """The network's text and its layers."""
    rows = "".join(
        f'<tr><th class="text">{html.escape(row.name)}</th><td class="text"><code>{html.escape(row.text)}</code></td>'
        f"<td>{row.output}</td><td>{row.neurons:,}</td><td>{_unless_none(row.parameters)}</td><td>{_unless_none(row.macs)}</td>"
        f"<td>{row.receptive_field[0]}x{row.receptive_field[1]}</td></tr>"
        for row in book.rows
    )
    return (
        f"<pre>{html.escape(text)}</pre>\n"
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
