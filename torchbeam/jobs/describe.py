"""describe: a text, a named network or a module -> its ledger, with what was assumed and what the sizing rules say.

What only some descriptions need is imported by name when it is asked for: `network/read.py` when a module is given (so
that describing a text never waits for torch), and `report/volumes.py` when the volumes are drawn.
"""

from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchbeam.design.complete import ASSUMED_CLASSES, ASSUMED_INPUT, bare_fcs, complete
from torchbeam.design.expand import expanded
from torchbeam.design.explain import Sum, explain
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.ledger import Ledger, Row, ledger_of
from torchbeam.design.lint import Finding
from torchbeam.design.lint import lint as findings_of
from torchbeam.design.nets import Design
from torchbeam.design.notation import write
from torchbeam.design.volume import Fit, Volume
from torchbeam.errors import SettingError
from torchbeam.files import write_whole
from torchbeam.jobs.amounts import bytes_of, human_bytes
from torchbeam.jobs.net import check_fit, design_of, volume_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Description:
    """A network in numbers. text is the completed notation, '' for a module that is no plain chain of its words;
    assumed says what neither text nor options told, notes what could not be read exactly from a module.

    memory: bytes that `largest_batch` is asked for; None where nobody asked.
    """

    design: Design | None
    text: str
    layers: tuple[Layer, ...]
    ledger: Ledger
    findings: tuple[Finding, ...]
    assumed: tuple[str, ...]
    notes: tuple[str, ...] = ()
    memory: int | None = None

    def explain(self, layer: str) -> "Explanation":
        """Every number of one layer with the sum that made it. Raises DesignError where there is no such layer."""
        row = self.ledger.row(layer)
        return Explanation(row.name, row.text, explain(self.layers, self.ledger, layer))

    def to_svg(self, path: str | Path, title: str = "network") -> None:
        """Draw the volumes as the textbooks do, into an SVG file, whole or not at all. Raises OutputError."""
        drawn: str = import_module("torchbeam.report.volumes").volumes_svg(self.ledger, title)
        write_whole(Path(path), drawn.encode())

    def to_json(self) -> dict[str, Any]:
        """text, layers, totals, findings and assumed; bytes are of fp32, sizes [width, height] in pixels."""
        book = self.ledger
        batch = {} if self.memory is None else {"memory": self.memory, "largest_batch": book.largest_batch(self.memory)}
        return {
            "text": self.text,
            "input": str(book.input),
            "layers": [_row_json(row) for row in book.rows],
            "totals": {
                "output": str(book.output),
                "neurons": book.neurons,
                "parameters": book.parameters,
                "side_parameters": book.side_parameters,
                "macs": book.macs,
                "flops": 2 * book.macs,
                "forward_bytes": book.forward_bytes,
                "training_bytes": book.training_bytes,
                "depth": book.depth,
                "receptive_field": list(book.receptive_field),
                "receptive_field_before_classifier": list(book.field_before_classifier),
                **batch,
            },
            "findings": [asdict(finding) for finding in self.findings],
            "assumed": list(self.assumed),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The table, its totals, the completed text and the findings."""
        book = self.ledger
        lines = [*table(book), "", *self._totals()]
        lines += ["", self.text] if self.text else []
        lines += [f"assumed: {assumed}" for assumed in self.assumed]
        lines += [f"note: {note}" for note in self.notes]
        for finding in self.findings:
            lines += ["", f"{finding.layer}: {finding.message} [{finding.rule}]", f"  remedy    {finding.fix}"]
            lines += [f"  cost      {finding.cost}"] if finding.cost else []
        return "\n".join(lines)

    def _totals(self) -> list[str]:
        book = self.ledger
        lines = [
            f"{book.parameters:,} parameters, {book.macs:,} multiply-accumulates, {book.neurons:,} neurons a picture",
            f"memory: {human_bytes(book.forward_bytes)} forward for one picture, "
            f"{human_bytes(book.training_bytes)} in training",
            f"{book.depth} layers deep; before the classifier a neuron sees {_by(book.field_before_classifier)} pixels",
        ]
        if book.side_parameters:
            lines.append(f"side heads: {book.side_parameters:,} parameters more in training, none after it")
        if self.memory is not None:
            batch = book.largest_batch(self.memory)
            lines.append(f"largest batch in {human_bytes(self.memory)}: {batch:,} pictures in training")
        return lines


@dataclass(frozen=True, slots=True)
class Explanation:
    """The sums behind one layer's row."""

    layer: str
    text: str
    sums: tuple[Sum, ...]

    def to_json(self) -> dict[str, Any]:
        """As `describe --explain --json` prints it."""
        return asdict(self)

    def __str__(self) -> str:
        """One line a number: what, how much, why."""
        widths = [max(len(getattr(one, name)) for one in self.sums) for name in ("quantity", "result")]
        lines = [f"{self.layer}: {self.text}"]
        lines += [f"  {s.quantity:<{widths[0]}}  {s.result:>{widths[1]}}  = {s.formula}" for s in self.sums]
        return "\n".join(lines)


def describe(
    net: "str | Design | nn.Module",
    *,
    input: str | None = None,
    classes: int | None = None,
    fit: Fit | None = None,
    memory: str | int | None = None,
) -> Description:
    """Size a network: a text in the notation, a file that holds one, a named network, a Design, or any nn.Module.

    input: '32x32x3' (width x height x depth), in place of what INPUT says; for a module, the picture it is given.
    classes: units of the last bare FC, and the value of a definition called 'classes'. fit: 'error', 'crop' or 'pad',
    for layers that do not say their own. memory: bytes, or '8GB', to be told the largest batch to train in it.
    Raises NotationError, DesignError, FitError or SettingError.
    """
    room = None if memory is None else bytes_of(memory)
    volume = None if input is None else volume_of(input)
    if not isinstance(net, str | Design):
        return _of_module(net, volume or ASSUMED_INPUT, volume is None, room)
    check_fit(fit)
    if classes is not None and classes < 1:
        raise SettingError(f"classes cannot be {classes}", expected="1 or more")
    design = design_of(net)
    if volume is not None:
        design = replace(design, input=replace(design.input, volume=volume))
    completed = complete(design, ASSUMED_INPUT, classes, fit)
    layers = unfold(completed)
    book = ledger_of(layers, completed.input.volume or ASSUMED_INPUT)
    assumed = []
    if design.input.volume is None:
        assumed.append(f"an input of {ASSUMED_INPUT} (--input says another)")
    if classes is None and bare_fcs(expanded(design)):
        assumed.append(f"{ASSUMED_CLASSES} classes (--classes says another)")
    found = tuple(findings_of(layers, book))
    return Description(completed, write(completed), layers, book, found, tuple(assumed), memory=room)


def lint(
    net: "str | Design | nn.Module", *, input: str | None = None, classes: int | None = None, fit: Fit | None = None
) -> tuple[Finding, ...]:
    """What the lectures' sizing rules say against a network, each with its numbers, the fix and what that costs.

    Takes what `describe` takes, and raises as it does.
    """
    return describe(net, input=input, classes=classes, fit=fit).findings


def _of_module(module: "nn.Module", volume: Volume, assumed: bool, memory: int | None) -> Description:
    reading = import_module("torchbeam.network.read").read(module, volume)
    book = ledger_of(reading.layers, volume)
    text = "" if reading.design is None else write(reading.design)
    said = (f"an input of {volume} (input= says another)",) if assumed else ()
    found = tuple(findings_of(reading.layers, book))
    return Description(reading.design, text, reading.layers, book, found, said, reading.notes, memory)


def table(book: Ledger) -> list[str]:
    """The ledger as lines of text, columns aligned."""
    head = ("layer", "notation", "output", "neurons", "parameters", "MACs", "sees")
    body = [("input", "", str(book.input), f"{book.input.neurons:,}", "", "", "")]
    body += [
        (
            row.name,
            _cut(row.text),
            str(row.output),
            f"{row.neurons:,}",
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.macs:,}" if row.macs else "",
            _by(row.receptive_field),
        )
        for row in book.rows
    ]
    rows = [head, *body]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    rule = "  ".join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:]]


NOTATION_WIDTH = 48


def _cut(text: str) -> str:
    return text if len(text) <= NOTATION_WIDTH else text[: NOTATION_WIDTH - 3] + "..."


def _by(pair: tuple[float, float]) -> str:
    return f"{pair[0]}x{pair[1]}"


def _row_json(row: Row) -> dict[str, Any]:
    plain = asdict(row)
    plain["output"] = str(row.output)
    plain["parameters"] = row.parameters
    return plain
