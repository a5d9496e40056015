"""A design as it was drawn: links in a row, groups, branches, side heads, and the definitions they use.

Everything here is what the text says. `expand` puts definitions in their place, `layers` lists what comes of it.
"""

from dataclasses import dataclass
from typing import Literal

from torchbeam.design.words import Input, Word
from torchbeam.errors import DesignError


@dataclass(frozen=True, slots=True)
class Group:
    """[net]*count: the net in brackets, so many times over. A count in letters is a name of the definitions."""

    net: "Net"
    count: int | str = 1

    def __post_init__(self) -> None:
        if isinstance(self.count, int) and self.count < 1:
            raise DesignError(f"a group cannot have count {self.count}", expected="1 or more")


@dataclass(frozen=True, slots=True)
class Branches:
    """( net | net ) or ( net + net ): side by side on the same input, joined in depth or added."""

    kind: Literal["concat", "sum"]
    nets: tuple["Net", ...]

    def __post_init__(self) -> None:
        if len(self.nets) < 2:
            raise DesignError("one branch alone is joined with nothing", expected="two branches or more")


@dataclass(frozen=True, slots=True)
class Aux:
    """AUX weight [net]: a side head, trained with that weight of its loss, absent from the output and the totals."""

    weight: float | str
    net: "Net"

    def __post_init__(self) -> None:
        if not isinstance(self.weight, str) and not 0 < self.weight < float("inf"):
            raise DesignError(f"AUX cannot have weight {self.weight:g}", expected="a finite number above 0")


@dataclass(frozen=True, slots=True)
class Call:
    """A definition's name where a step stands, with the values of its parameters as text."""

    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """A word some of whose arguments are names of the definitions: `CONV n f stride s`."""

    word: str
    arguments: tuple[str, ...]


Step = Word | Group | Branches | Aux | Call | Open


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a net, with the name it was given, if any.

    said: what stands in the text where `expand` has put `step` in its place; None everywhere else.
    """

    step: Step
    name: str = ""
    said: Step | None = None


Net = tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Define:
    """name parameters = body: a net, or the text of one value."""

    name: str
    parameters: tuple[str, ...]
    body: Net | str


@dataclass(frozen=True, slots=True)
class Design:
    """A network as drawn: its INPUT, the links behind it, and the definitions they use."""

    input: Input
    net: Net
    where: tuple[Define, ...] = ()
