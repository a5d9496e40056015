"""expand: puts definitions in their place, so that only words, groups, branches and side heads are left.

Every link that a definition made remembers in `said` what stands in the text, in the words of the design's own net:
parameters by their values, values by their names. However definitions call each other, the work is bounded: by
MAX_LAYERS links and layers, and by MAX_NESTING brackets and calls within each other.
"""

from typing import Any

from torchbeam.design.arguments import ArgumentError, names_of, read_word, real, short, whole
from torchbeam.design.nets import Aux, Branches, Call, Define, Design, Group, Link, Net, Open, Step
from torchbeam.errors import DesignError

MAX_LAYERS = 10_000
MAX_NESTING = 64

Bound = dict[str, str]


class ExpansionError(DesignError):
    """A definition cannot stand where it is used: `step` is where, `piece` the index of the argument, -1 for all."""

    def __init__(self, error: DesignError, step: Step, piece: int = -1, *, got: str = "") -> None:
        self.step = step
        self.piece = piece
        super().__init__(error.what, expected=error.expected, got=got or error.got, remedy=error.remedy)


def expanded(design: Design) -> Net:
    """The design's net with every definition in its place.

    Raises ExpansionError, a DesignError that knows its step, where that cannot be, or comes to too many layers.
    """
    net, _ = _Expansion(design.where).net(design.net, {}, ())
    return net


def count_layers(net: Net) -> int:
    """How many layers an expanded net unrolls to, SKIPs among them."""
    total = 0
    for link in net:
        match link.step:
            case Group(net=inner, count=count):
                total += int(count) * count_layers(inner)
            case Branches(nets=nets):
                total += 1 + sum(map(count_layers, nets))
            case Aux(net=inner):
                total += count_layers(inner)
            case _:
                total += 1
    return total


def _too_many(step: Step) -> ExpansionError:
    what = f"the network has more than {MAX_LAYERS:,} layers"
    return ExpansionError(DesignError(what, expected=f"at most {MAX_LAYERS:,}"), step)


class _Expansion:
    """One pass over a design; counts the links it has made."""

    def __init__(self, where: tuple[Define, ...]) -> None:
        self.nets = {define.name.lower(): define for define in where if not isinstance(define.body, str)}
        self.values = {define.name.lower(): define.body for define in where if isinstance(define.body, str)}
        self.links = 0

    def net(self, net: Net, bound: Bound, within: tuple[str, ...]) -> tuple[Net, int]:
        """The net in its place, itself where no definition has a part in it, and the layers it unrolls to."""
        made: list[Link] = []
        layers = 0
        for link in net:
            new, more = self.link(link, bound, within)
            made.append(new)
            layers += more
            if layers > MAX_LAYERS:
                raise _too_many(link.step)
        return (net if all(new is old for new, old in zip(made, net, strict=True)) else tuple(made)), layers

    def link(self, link: Link, bound: Bound, within: tuple[str, ...]) -> tuple[Link, int]:
        step = link.step
        self.links += 1
        if self.links > MAX_LAYERS:
            raise _too_many(step)
        if len(within) > MAX_NESTING:
            raise ExpansionError(DesignError(f"brackets and definitions nest deeper than {MAX_NESTING}"), step)
        deeper = (*within, "")
        match step:
            case Open(word=word, arguments=pieces):
                return Link(self.word(step, bound), link.name, self.open_said(word, pieces, bound)), 1
            case Call(name=name, arguments=pieces):
                net, layers = self.call(step, bound, within)
                said = Call(name, tuple(self.said(piece, bound) for piece in pieces))
                return Link(Group(net), link.name, said), layers
            case Group(net=net, count=said):
                inner, layers = self.net(net, bound, deeper)
                count = self.count(step, bound)
                if inner is net and count == said:
                    return link, layers * count
                return Link(Group(inner, count), link.name, self.group_said(step, bound)), layers * count
            case Branches(kind=kind, nets=nets):
                made = [self.net(net, bound, deeper) for net in nets]
                layers = 1 + sum(more for _, more in made)
                if all(new is old for (new, _), old in zip(made, nets, strict=True)):
                    return link, layers
                return Link(Branches(kind, tuple(net for net, _ in made)), link.name), layers
            case Aux(weight=said, net=net):
                inner, layers = self.net(net, bound, deeper)
                weight = self.weight(step, bound)
                if inner is net and weight == said:
                    return link, layers
                return Link(Aux(weight, inner), link.name, self.aux_said(step, bound)), layers
            case _:
                return link, 1

    def word(self, step: Open, bound: Bound) -> Any:
        word, pieces = step.word, step.arguments
        own = names_of(word)
        values = [piece if piece in own else self.value(piece, bound) for piece in pieces]
        try:
            return read_word(word, values)
        except ArgumentError as error:
            values = [
                f"{piece} = {short(value)}" for piece, value in zip(pieces, values, strict=True) if value != piece
            ]
            raise ExpansionError(error, step, error.piece, got=", ".join(dict.fromkeys(values))) from None

    def call(self, step: Call, bound: Bound, within: tuple[str, ...]) -> tuple[Net, int]:
        name = step.name.lower()
        if name in within:
            raise ExpansionError(
                DesignError(f"{step.name} calls itself", remedy="write a repeat, as in [ ... ]*3"), step
            )
        define = self.nets.get(name)
        if define is None or isinstance(define.body, str):
            raise ExpansionError(DesignError(f"no definition of {step.name}", expected="one behind 'where'"), step)
        if len(step.arguments) != len(define.parameters):
            raise ExpansionError(wrong_number(define, len(step.arguments)), step)
        values = [self.said(piece, bound) for piece in step.arguments]
        inside = dict(zip((p.lower() for p in define.parameters), values, strict=True))
        return self.net(define.body, inside, (*within, name))

    def count(self, step: Group, bound: Bound) -> int:
        if isinstance(step.count, int):
            return step.count
        value = self.value(step.count, bound)
        try:
            count = whole(value, "a repeat")
            Group((), count)
        except DesignError as error:
            raise ExpansionError(error, step, got=f"{step.count} = {short(value)}") from None
        return count

    def weight(self, step: Aux, bound: Bound) -> float:
        if not isinstance(step.weight, str):
            return step.weight
        value = self.value(step.weight, bound)
        try:
            weight = real(value)
            Aux(weight, ())
        except DesignError as error:
            raise ExpansionError(error, step, 0, got=f"{step.weight} = {short(value)}") from None
        return weight

    def value(self, piece: str, bound: Bound) -> str:
        """What a piece stands for: a parameter's value, a defined value, or itself."""
        said = self.said(piece, bound)
        return self.values.get(said.lower(), said)

    def said(self, piece: str, bound: Bound) -> str:
        """The piece as the design's own net would say it: parameters by their values, the rest as it is."""
        return bound.get(piece.lower(), piece)

    def open_said(self, word: str, pieces: tuple[str, ...], bound: Bound) -> Open | None:
        """The word as the design's own net would say it; None where no name is left in it."""
        own = names_of(word)
        said: list[str] = []
        for piece in pieces:
            outer = piece if piece in own else self.said(piece, bound)
            # A value's name that the word takes for its own, as k in LRN, is said by its value.
            said.append(outer if piece in own or outer.lower() not in own else self.value(piece, bound))
        named = any(piece.lower() in self.values and piece.lower() not in own for piece in said)
        return Open(word, tuple(said)) if named else None

    def group_said(self, step: Group, bound: Bound) -> Group | None:
        """The group with its count as the design's own net would say it; None where that is a number."""
        said = self.said(str(step.count), bound)
        return Group(step.net, said) if said.lower() in self.values else None

    def aux_said(self, step: Aux, bound: Bound) -> Aux | None:
        """The side head with its weight as the design's own net would say it; None where that is a number."""
        said = self.said(str(step.weight), bound)
        return Aux(said, step.net) if said.lower() in self.values else None


def wrong_number(define: Define, given: int) -> DesignError:
    """The error of a call with too few or too many values."""
    count = len(define.parameters)
    takes = f"{count} value{'s' * (count != 1)}" + (f" ({' '.join(define.parameters)})" if count else "")
    return DesignError(
        f"{define.name} takes {takes}, here {given} {'is' if given == 1 else 'are'} given",
        expected=" ".join((define.name, *define.parameters)),
    )
