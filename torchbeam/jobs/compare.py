"""compare: networks side by side, number by number."""

from dataclasses import dataclass
from typing import Any

from torchbeam.jobs.amounts import human_bytes
from torchbeam.jobs.describe import Description


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two descriptions or more, under the names they were asked for by."""

    names: tuple[str, ...]
    descriptions: tuple[Description, ...]

    @property
    def findings(self) -> tuple[Any, ...]:
        """What the sizing rules say against any of them."""
        return tuple(finding for one in self.descriptions for finding in one.findings)

    def to_json(self) -> dict[str, Any]:
        """As `describe A B --json` prints it."""
        return {
            "networks": [
                {"name": name} | one.to_json() for name, one in zip(self.names, self.descriptions, strict=True)
            ]
        }

    def __str__(self) -> str:
        """One line a quantity, one column a network, and how much larger each is than the first."""
        names = [" ".join(name.split()) for name in self.names]  # a text may hold line breaks
        rows = [("", *(name if len(name) <= 32 else name[:29] + "..." for name in names))]
        rows += [(what, *values) for what, values in _quantities(self.descriptions)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = []
        for what, *values in rows:
            cells = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
            lines.append("  ".join((what.ljust(widths[0]), *cells)).rstrip())
        return "\n".join(lines)


def compare(names: tuple[str, ...], descriptions: tuple[Description, ...]) -> Comparison:
    """Descriptions side by side."""
    return Comparison(names, descriptions)


def _quantities(descriptions: tuple[Description, ...]) -> list[tuple[str, list[str]]]:
    books = [one.ledger for one in descriptions]

    def counted(numbers: list[int]) -> list[str]:
        first = numbers[0]
        shares = [f"  {number / first:.2f} x" if first else "" for number in numbers[1:]]
        return [f"{numbers[0]:,}", *(f"{n:,}{share}" for n, share in zip(numbers[1:], shares, strict=True))]

    rows = [
        ("input", [str(book.input) for book in books]),
        ("output", [str(book.output) for book in books]),
        ("layers deep", [str(book.depth) for book in books]),
        ("parameters", counted([book.parameters for book in books])),
        ("multiply-accumulates", counted([book.macs for book in books])),
        ("neurons", counted([book.neurons for book in books])),
        ("memory forward", [human_bytes(book.forward_bytes) for book in books]),
        ("memory in training", [human_bytes(book.training_bytes) for book in books]),
        ("sees before classifier", ["{}x{}".format(*book.field_before_classifier) for book in books]),
        ("findings", [str(len(one.findings)) for one in descriptions]),
    ]
    if any(book.side_parameters for book in books):
        rows.insert(4, ("side heads", [f"{book.side_parameters:,}" for book in books]))
    if descriptions[0].memory is not None:
        rows.append(("largest batch", [f"{one.ledger.largest_batch(one.memory or 0):,}" for one in descriptions]))
    return rows
