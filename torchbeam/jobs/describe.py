"""describe: a text -> its ledger, completed, with what was assumed and what the sizing rules say. Without torch."""

import difflib
import errno
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torchbeam.design.complete import ASSUMED_CLASSES, ASSUMED_INPUT, bare_fcs, complete
from torchbeam.design.ledger import Ledger, Row, ledger
from torchbeam.design.lint import Finding, lint
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import FITS, Fit, Volume
from torchbeam.design.words import Design
from torchbeam.design.zoo import NETWORKS, find
from torchbeam.errors import SettingError


@dataclass(frozen=True, slots=True)
class Description:
    """A design in numbers. text is the completed notation; assumed says what neither text nor options told."""

    design: Design
    text: str
    ledger: Ledger
    findings: tuple[Finding, ...]
    assumed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """text, layers, totals, findings and assumed; bytes are of fp32, sizes [width, height] in pixels."""
        book = self.ledger
        return {
            "text": self.text,
            "input": str(book.input),
            "layers": [_row_json(row) for row in book.rows],
            "totals": {
                "output": str(book.output),
                "neurons": book.neurons,
                "parameters": book.parameters,
                "macs": book.macs,
                "flops": 2 * book.macs,
                "forward_bytes": book.forward_bytes,
                "training_bytes": book.training_bytes,
                "receptive_field": list(book.receptive_field),
            },
            "findings": [asdict(finding) for finding in self.findings],
            "assumed": list(self.assumed),
        }

    def __str__(self) -> str:
        """The table, its totals, the completed text and the findings."""
        book = self.ledger
        lines = table(book)
        lines += [
            "",
            f"{book.parameters:,} parameters, {book.macs:,} multiply-accumulates, {book.neurons:,} neurons a picture",
            f"memory: {human_bytes(book.forward_bytes)} forward for one picture, "
            f"{human_bytes(book.training_bytes)} in training",
            "",
            self.text,
        ]
        lines += [f"assumed: {assumed}" for assumed in self.assumed]
        for finding in self.findings:
            lines += [
                "",
                f"{finding.layer}: {finding.message} [{finding.rule}]",
                f"  remedy    {finding.fix}",
            ]
        return "\n".join(lines)


def describe(
    net: str | Design, *, input: str | None = None, classes: int | None = None, fit: Fit | None = None
) -> Description:
    """Size a network: a text in the notation, a file that holds one, a named network, or a Design.

    input: '32x32x3' (width x height x depth) for a bare INPUT; classes: units of the last bare FC.
    fit: 'error', 'crop' or 'pad', for layers that do not say their own.
    Raises NotationError, DesignError, FitError or SettingError.
    """
    check_fit(fit)
    if classes is not None and classes < 1:
        raise SettingError(f"classes cannot be {classes}", expected="1 or more")
    design = net if isinstance(net, Design) else parse(text_of(net))
    volume = None if input is None else volume_of(input)
    completed = complete(design, volume or ASSUMED_INPUT, classes or ASSUMED_CLASSES, fit)
    book = ledger(completed)
    assumed = []
    if design.input.volume is None and volume is None:
        assumed.append(f"an input of {ASSUMED_INPUT} (--input says another)")
    if classes is None and bare_fcs(design.net):
        assumed.append(f"{ASSUMED_CLASSES} classes (--classes says another)")
    return Description(completed, write(completed), book, tuple(lint(book)), tuple(assumed))


def check_fit(fit: str | None) -> None:
    """Raises SettingError unless `fit` is None or one of error, crop, pad."""
    if fit is not None and fit not in FITS:
        raise SettingError(
            f"fit cannot be {fit}", expected=" or ".join(FITS), remedy="leave --fit out to be told what does not fit"
        )


def text_of(net: str) -> str:
    """The notation that `net` stands for: a named network's, a text file's, or itself. Raises SettingError."""
    if "->" in net or "→" in net or "\n" in net:
        return net
    known = find(net)
    if known is not None:
        return known.text
    if net.strip().upper().startswith("INPUT"):
        return net
    try:
        path = Path(net)
        if path.is_file():
            return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
            raise SettingError(f"cannot read the network in {net}", got=str(error)) from None
    close = difflib.get_close_matches(net.lower(), NETWORKS, n=1)
    nearest = f"did you mean {close[0]}? Otherwise, " if close else ""
    raise SettingError(
        f"no network {net!r}",
        expected=f"notation that begins with INPUT, a file that holds it, or one of: {', '.join(NETWORKS)}",
        remedy=nearest + 'for example --net "INPUT -> [CONV -> RELU -> POOL]*2 -> FC"',
    )


def volume_of(text: str) -> Volume:
    """'32x32x3' as a Volume. Raises SettingError."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise SettingError(
            f"{text[:40]!r} is not the size of an input", expected="width x height x depth, as in 32x32x3"
        )
    width, height, channels = map(int, parts)
    return Volume(channels, height, width)


def table(book: Ledger) -> list[str]:
    """The ledger as lines of text, columns aligned."""
    head = ("layer", "notation", "output", "neurons", "parameters", "MACs", "sees")
    body = [("input", "", str(book.input), f"{book.input.neurons:,}", "", "", "")]
    body += [
        (
            row.name,
            row.text,
            str(row.output),
            f"{row.neurons:,}",
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.macs:,}" if row.macs else "",
            f"{row.receptive_field[0]}x{row.receptive_field[1]}",
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


def human_bytes(count: int) -> str:
    """'60.9 MB': decimal units, three figures."""
    if count < 1000:
        return f"{count} bytes"
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB", "EB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _row_json(row: Row) -> dict[str, Any]:
    plain = asdict(row)
    plain["output"] = str(row.output)
    plain["parameters"] = row.parameters
    return plain
