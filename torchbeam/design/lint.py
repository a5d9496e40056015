"""The textbook's sizing rules as findings, each with its numbers and its fix."""

from dataclasses import dataclass

from torchbeam.design.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a layer does not keep: what, with numbers, and what would mend it."""

    layer: str
    rule: str
    message: str
    fix: str


def lint(ledger: Ledger) -> list[Finding]:
    """What the lectures' sizing rules say against a design, layer by layer.

    dropped-pixels: a window that does not fit leaves real pixels at the right and bottom edge unseen.
    """
    findings: list[Finding] = []
    before = ledger.input
    for row in ledger.rows:
        right, bottom = row.dropped
        if right or bottom:
            findings.append(
                Finding(
                    row.name,
                    "dropped-pixels",
                    f"{row.text} leaves unseen {right} of {before.width} columns and {bottom} of {before.height} rows",
                    "write fit pad, or an input, pad or stride that fits: fit error lists the nearest",
                )
            )
        before = row.output
    return findings
