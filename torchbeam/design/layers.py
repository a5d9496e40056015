"""unfold: a completed design as the list of its layers, each with its name, its sources and its volumes.

Repeats are run through, groups, branches and definitions opened. A named bracket is a scope: its layers are
called 'stage1.conv1'. A layer without a name is called after its word and counted within its scope: conv1, relu1,
conv2; a join is a layer of its own: concat1, sum1. SKIP is none.
"""

from dataclasses import dataclass, field
from itertools import count

from torchbeam.design.expand import expanded
from torchbeam.design.nets import Aux, Branches, Design, Group, Link, Net
from torchbeam.design.sizing import joined, output, settled
from torchbeam.design.volume import Fit, Volume
from torchbeam.design.words import Conv, Fc, Foreign, Join, Skip, Word, spelling
from torchbeam.errors import DesignError

INPUT = -1  # the source of the layers that read the network's input


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer where it stands: its dotted name, its word, what comes in and what goes out.

    sources: the places in the list of the layers it reads, INPUT for the network's input; one but for joins.
    Foreign stands only where a module from outside was read. head: the side head it belongs to, '' for the network.
    """

    name: str
    word: Word | Join | Foreign
    sources: tuple[int, ...]
    inputs: tuple[Volume, ...]
    output: Volume
    fit: Fit
    head: str = ""

    @property
    def input(self) -> Volume:
        """What comes in; the first volume of a join."""
        return self.inputs[0]


def unfold(design: Design) -> tuple[Layer, ...]:
    """The layers of a completed design in order of execution; a side head stands where it is tapped.

    Raises DesignError where a word is still bare, and as `sizing.output` and `expand.expanded` do.
    """
    if design.input.volume is None:
        raise DesignError("INPUT has no size yet", remedy="complete the design first")
    net = expanded(design)
    walk = _Unfolding(design.input.volume, design.input.fit)
    walk.net(net, Names(net), INPUT)
    if not any(not layer.head for layer in walk.layers):
        raise DesignError("the network has no layers", expected="at least one that is not SKIP")
    return tuple(walk.layers)


class _Unfolding:
    """Walks down a net, listing its layers. Places are indices into the list."""

    def __init__(self, volume: Volume, fit: Fit) -> None:
        self.volume = volume
        self.fit: Fit = fit
        self.layers: list[Layer] = []
        self.head = ""

    def net(self, net: Net, names: "Names", source: int) -> int:
        """The place of the net's last layer."""
        for link in net:
            source = self.link(link, names, source)
        return source

    def link(self, link: Link, names: "Names", source: int) -> int:
        match link.step:
            case Group(net=net, count=times):
                inside = names.scope(link.name, net) if link.name else names
                for _ in range(int(times)):
                    source = self.net(net, inside, source)
                return source
            case Branches(kind=kind, nets=nets):
                inside = names.scope(link.name, *nets) if link.name else names
                ends = tuple(self.net(net, inside, source) for net in nets)
                join = Join(kind)
                name = inside.take("", join)
                volumes = tuple(self.at(end) for end in ends)
                return self.add(name, join, ends, joined(join, volumes, name), self.fit)
            case Aux(net=net):
                before, inside = self.head, names.scope(link.name or "aux", net, numbered=not link.name)
                self.head = inside.prefix.rstrip(".")
                self.net(net, inside, source)
                self.head = before
                return source
            case Skip() as skip:
                if link.name:  # no layer, but no other layer gets its name
                    names.take(link.name, skip)
                return source
            case word:
                # A definition that says all but its words' own defaults is kept as it is when completed.
                return self.word(settled(word), names.take(link.name, word), source)  # type: ignore[arg-type]

    def word(self, word: Word, name: str, source: int) -> int:
        if _is_bare(word):
            raise DesignError(f"{name} is still bare", remedy="complete the design first")
        fit: Fit = getattr(word, "fit", None) or self.fit
        return self.add(name, word, (source,), output(word, self.at(source), fit, name), fit)

    def add(self, name: str, word: Word | Join, sources: tuple[int, ...], made: Volume, fit: Fit) -> int:
        volumes = tuple(self.at(source) for source in sources)
        self.layers.append(Layer(name, word, sources, volumes, made, fit, self.head))
        return len(self.layers) - 1

    def at(self, place: int) -> Volume:
        return self.volume if place == INPUT else self.layers[place].output


def _is_bare(word: Word) -> bool:
    match word:
        case Conv(out_channels=channels, connect=connect):
            return channels is None and connect == "full"
        case Fc(out_features=units):
            return units is None
        case _:
            return False


@dataclass
class Names:
    """Gives the layers of one scope their names, each once."""

    net: Net
    prefix: str = ""
    _given: set[str] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._said = set(said_names(self.net))

    def take(self, said: str, word: Word | Join) -> str:
        """The dotted name of the next layer; `said` is the name in the text, or ''."""
        if said and said not in self._given:
            name = said
        else:
            name = self._numbered(f"{said}_" if said else spelling(word).lower(), 2 if said else 1)
        self._given.add(name)
        return self.prefix + name

    def scope(self, said: str, *nets: Net, numbered: bool = False) -> "Names":
        """The names inside a named bracket; numbered: from 1 on, as for brackets that the text gives no name."""
        if numbered:
            name = self._numbered(said, 1)
        else:
            name = said if said not in self._given else self._numbered(f"{said}_", 2)
        self._given.add(name)
        return Names(tuple(link for net in nets for link in net), f"{self.prefix}{name}.")

    def _numbered(self, stem: str, first: int) -> str:
        start = self._counts.get(stem, first)
        number = next(n for n in count(start) if f"{stem}{n}" not in self._given and f"{stem}{n}" not in self._said)
        self._counts[stem] = number + 1
        return f"{stem}{number}"


def said_names(net: Net) -> list[str]:
    """The names said in a scope: in its links and, through unnamed brackets, in theirs."""
    names: list[str] = []
    for link in net:
        if link.name:
            names.append(link.name)
        elif isinstance(link.step, Group):
            names += said_names(link.step.net)
        elif isinstance(link.step, Branches):
            names += [name for inner in link.step.nets for name in said_names(inner)]
    return names
