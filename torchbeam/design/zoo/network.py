"""What is told of a named architecture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """A published network: its text, where it comes from, and the figures published with it.

    year: of the paper's first appearance. parameters: as the text has them, side heads left out. published: what the
    paper reports; errors are shares of pictures got wrong, 'top-5' where the class is not among the five likeliest.
    """

    name: str
    year: int
    paper: str
    introduced: str
    text: str
    parameters: int
    published: str
