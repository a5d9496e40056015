"""unfold: a completed design as the plain sequence of its layers, each with its name and volumes.

Repeats are run through, groups opened. A named group is a scope: its layers are called 'stage1.conv1'.
A layer without a name is called after its word and counted within its scope: conv1, relu1, conv2.
"""

from dataclasses import dataclass, field

from torchbeam.design.sizing import output
from torchbeam.design.volume import Fit, Volume
from torchbeam.design.words import Conv, Design, Fc, Group, Net, Pool, Word, spelling
from torchbeam.errors import DesignError


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer where it stands: its dotted name, its word, what comes in and what goes out."""

    name: str
    word: Word
    input: Volume
    output: Volume
    fit: Fit


def unfold(design: Design) -> tuple[Layer, ...]:
    """The layers of a completed design in order.

    Raises DesignError where a word is still bare, and as `sizing.output` does.
    """
    if design.input.volume is None:
        raise DesignError("INPUT has no size yet", remedy="complete the design first")
    layers: list[Layer] = []
    _unfold(design.net, Names(design.net), design.input.volume, design.input.fit, layers)
    return tuple(layers)


def _unfold(net: Net, names: "Names", volume: Volume, fit: Fit, layers: list[Layer]) -> Volume:
    for link in net:
        if isinstance(link.step, Group):
            inside = names.scope(link.name, link.step.net) if link.name else names
            for _ in range(link.step.count):
                volume = _unfold(link.step.net, inside, volume, fit, layers)
            continue
        word = link.step
        name = names.take(link.name, word)
        if _is_bare(word):
            raise DesignError(f"{name} is still bare", remedy="complete the design first")
        own_fit = getattr(word, "fit", None) or fit
        after = output(word, volume, own_fit, name)
        layers.append(Layer(name, word, volume, after, own_fit))
        volume = after
    return volume


def _is_bare(word: Word) -> bool:
    match word:
        case Conv(out_channels=channels, kernel_size=kernel):
            return channels is None or kernel is None
        case Fc(out_features=units):
            return units is None
        case Pool(reach="window", kernel_size=kernel):
            return kernel is None
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

    def take(self, said: str, word: Word) -> str:
        """The dotted name of the next layer; `said` is the name in the text, or ''."""
        if said and said not in self._given:
            name = said
        else:
            name = self._numbered(f"{said}_" if said else spelling(word).lower(), 2 if said else 1)
        self._given.add(name)
        return self.prefix + name

    def scope(self, said: str, net: Net) -> "Names":
        """The names inside a named group."""
        name = said if said not in self._given else self._numbered(f"{said}_", 2)
        self._given.add(name)
        return Names(net, f"{self.prefix}{name}.")

    def _numbered(self, stem: str, first: int) -> str:
        number = self._counts.get(stem, first)
        while f"{stem}{number}" in self._given or f"{stem}{number}" in self._said:
            number += 1
        self._counts[stem] = number + 1
        return f"{stem}{number}"


def said_names(net: Net) -> list[str]:
    """The names said in a scope: in its links and, through unnamed groups, in theirs."""
    names: list[str] = []
    for link in net:
        if link.name:
            names.append(link.name)
        elif isinstance(link.step, Group):
            names += said_names(link.step.net)
    return names
