"""What is told of a named architecture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """A published network: its text, where it comes from, and the figures its paper gives."""

    name: str
    year: int
    paper: str
    introduced: str
    text: str
    parameters: int
