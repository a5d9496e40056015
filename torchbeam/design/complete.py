"""complete: gives every field that a text left unsaid its value, so that the design can be built.

The rules are those of the lectures' patterns: a bare CONV is 3x3 with 32 filters, doubled after each POOL
up to 512; a bare POOL is max 2x2 with stride 2, and crops where it does not fit; a bare FC has 256 units,
the last one as many as there are classes.
"""

from dataclasses import dataclass, replace

from torchbeam.design.layers import Names
from torchbeam.design.sizing import DEFAULT_KERNEL, DEFAULT_POOL, output
from torchbeam.design.volume import Fit, Volume, Window
from torchbeam.design.words import (
    ACTIVATIONS,
    Activation,
    Conv,
    Design,
    Fc,
    Group,
    Link,
    Net,
    Pool,
    Softmax,
    Word,
)
from torchbeam.errors import DesignError

# What is assumed where neither the text nor the data says.
ASSUMED_INPUT = Volume(3, 32, 32)
ASSUMED_CLASSES = 10

FIRST_FILTERS = 32
MOST_FILTERS = 512
MIDDLE_UNITS = 256


def complete(design: Design, input: Volume, classes: int, fit: Fit | None = None) -> Design:
    """The same design with nothing left unsaid.

    input: the volume of the data, used where INPUT is bare. classes: the units of the last bare FC.
    fit: replaces the fit that INPUT says; layers that say their own keep it.
    A repeat whose rounds come out different is written out, round after round.
    Raises DesignError or FitError where the layers cannot follow each other.
    """
    start = design.input.volume or input
    state = _State(start, fit or design.input.fit, classes, bare_fcs(design.net))
    net, _ = state.net(design.net, Names(design.net))
    return Design(replace(design.input, volume=start, fit=state.fit), net)


def without_softmax(design: Design) -> Design:
    """The design without a SOFTMAX at its very end: training takes the scores before it, as the
    cross-entropy holds the softmax, and predictions apply it afterwards."""
    net = _stripped(design.net)
    return replace(design, net=net) if net else design


def _stripped(net: Net) -> Net:
    while net:
        last = net[-1]
        if isinstance(last.step, Group) and last.step.count == 1:
            inner = _stripped(last.step.net)
            if inner:
                return (*net[:-1], replace(last, step=Group(inner)))
        elif not isinstance(last.step, Softmax):
            return net
        net = net[:-1]
    return net


@dataclass
class _State:
    """What is known while walking down the net: the volume so far, and what the next bare words get."""

    volume: Volume
    fit: Fit
    classes: int
    bare_fcs: int
    filters: int = FIRST_FILTERS

    def net(self, net: Net, names: Names) -> tuple[Net, Net]:
        """The settled net twice: with the names as said, and with those its layers have when written out."""
        said: list[Link] = []
        named: list[Link] = []
        for link in net:
            if isinstance(link.step, Group):
                as_said, as_named = self.group(link.step, link.name, names)
                said += as_said
                named += as_named
            else:
                name = names.take(link.name, link.step)
                word = self.word(link.step, name)
                said.append(Link(word, link.name))
                named.append(Link(word, _last(name) if link.name else ""))
        return tuple(said), tuple(named)

    def group(self, group: Group, name: str, names: Names) -> tuple[Net, Net]:
        inside = names.scope(name, group.net) if name else names
        own = _last(inside.prefix.rstrip(".")) if name else ""
        rounds = [self.net(group.net, inside) for _ in range(group.count)]
        said, named = rounds[0]
        if all(again == said for again, _ in rounds):
            return (Link(Group(said, group.count), name),), (Link(Group(named, group.count), own),)
        written_out = tuple(link for _, each in rounds for link in each)
        if not name:
            return written_out, written_out
        return (Link(Group(written_out), name),), (Link(Group(written_out), own),)

    def word(self, word: Word, name: str) -> Word:
        settled = self.settle(word, name)
        self.volume = output(settled, self.volume, getattr(settled, "fit", None) or self.fit, name)
        if isinstance(settled, Pool):
            self.filters = min(2 * self.filters, MOST_FILTERS)
        return settled

    def settle(self, word: Word, name: str) -> Word:
        match word:
            case Conv(out_channels=filters, kernel_size=kernel):
                return replace(
                    word,
                    out_channels=filters or self.next_filters(word.groups, name),
                    kernel_size=kernel or DEFAULT_KERNEL,
                    padding=word.pads,
                )
            case Pool(reach="global"):
                return replace(word, kind=word.kind or "max")
            case Pool():
                kernel = word.kernel_size or DEFAULT_POOL
                settled = replace(word, kind=word.kind or "max", kernel_size=kernel, stride=word.stride or kernel)
                bare = word.kernel_size is None and word.fit is None and self.fit == "error"
                return replace(settled, fit="crop") if bare and not self.pool_fits(settled) else settled
            case Fc(out_features=None):
                self.bare_fcs -= 1
                return replace(word, out_features=MIDDLE_UNITS if self.bare_fcs else self.classes)
            case Activation(slope=None):
                return replace(word, slope=ACTIVATIONS[word.kind])
            case _:
                return word

    def pool_fits(self, pool: Pool) -> bool:
        sides = zip(
            pool.kernel_size or (),
            pool.stride or (),
            pool.padding,
            (self.volume.height, self.volume.width),
            strict=True,
        )
        return all(Window(k, s, *pads).fits(length) for k, s, pads, length in sides)

    def next_filters(self, groups: int, name: str) -> int:
        if self.filters % groups:
            raise DesignError(
                f"{name}: a bare CONV has {self.filters} filters here, which {groups} groups cannot share",
                remedy="say the number of filters",
            )
        return self.filters


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def bare_fcs(net: Net) -> int:
    """How many FCs, repeats run through, have no units said: the last one gets the classes."""
    total = 0
    for link in net:
        if isinstance(link.step, Group):
            total += link.step.count * bare_fcs(link.step.net)
        elif isinstance(link.step, Fc) and link.step.out_features is None:
            total += 1
    return total
