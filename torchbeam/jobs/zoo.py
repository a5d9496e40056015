"""zoo: every named network with its numbers, computed from its text."""

from dataclasses import dataclass
from typing import Any

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.zoo import NETWORKS
from torchbeam.design.zoo.network import Network
from torchbeam.jobs.amounts import human_count


@dataclass(frozen=True, slots=True)
class Entry:
    """One network as published. depth: CONV and FC layers on the longest way. receptive_field: (width, height) in
    pixels before the classifier. side_parameters: those of side heads, there in training only."""

    network: Network
    input: str
    parameters: int
    side_parameters: int
    macs: int
    depth: int
    receptive_field: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """As `zoo --json` prints it."""
        return {
            "name": self.network.name,
            "year": self.network.year,
            "input": self.input,
            "parameters": self.parameters,
            "side_parameters": self.side_parameters,
            "macs": self.macs,
            "depth": self.depth,
            "receptive_field": list(self.receptive_field),
            "paper": self.network.paper,
            "introduced": self.network.introduced,
            "published": self.network.published,
            "text": self.network.text.strip(),
        }


@dataclass(frozen=True, slots=True)
class Zoo:
    """The named networks, oldest first."""

    entries: tuple[Entry, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """As `zoo --json` prints it: a list."""
        return [entry.to_json() for entry in self.entries]

    def __str__(self) -> str:
        """The table."""
        rows = [("name", "year", "input", "parameters", "MACs", "depth", "sees", "introduced")]
        rows += [
            (
                entry.network.name,
                str(entry.network.year),
                entry.input,
                f"{entry.parameters:,}",
                human_count(entry.macs),
                str(entry.depth),
                f"{entry.receptive_field[0]}",
                entry.network.introduced,
            )
            for entry in self.entries
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(7)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in range(1, 7)), row[7]]
            lines.append("  ".join(cells))
        told = "sees: pixels across that a neuron sees before the classifier; describe NAME tells the rest"
        return "\n".join([*lines, "", told])


def zoo() -> Zoo:
    """Every named network with its year, parameters, multiply-accumulates, depth and receptive field."""
    return Zoo(tuple(map(_entry, NETWORKS.values())))


def _entry(network: Network) -> Entry:
    book = ledger(complete(parse(network.text)))
    return Entry(
        network=network,
        input=str(book.input),
        parameters=book.parameters,
        side_parameters=book.side_parameters,
        macs=book.macs,
        depth=book.depth,
        receptive_field=book.field_before_classifier,
    )
