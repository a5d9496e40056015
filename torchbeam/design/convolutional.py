"""convolutional: a classifier's design without a layer that needs one size of input, so that any larger picture fits.

An FC over a volume is a CONV whose window is that volume; behind it each FC is a CONV 1x1 (Long, Shelhamer & Darrell
2015, section 3.1; CS231n's notes, 'Converting FC layers to CONV layers'). A pool of the whole picture becomes the
window that it was at the design's own size. On a larger picture the classifier then stands at every place, for the
price of the features once (Sermanet et al. 2014, OverFeat, section 3.5).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from torchbeam.design.complete import complete
from torchbeam.design.expand import expanded
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.nets import Aux, Branches, Call, Design, Group, Link, Net, Step
from torchbeam.design.sizing import joined, slides
from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    Activation,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Join,
    Pool,
    Shortcut,
    Size,
    Skip,
    Up,
    Word,
    spelling,
)
from torchbeam.errors import DesignError

_EVEN = ((0, 0), (0, 0))


def convolutional(design: Design) -> Design:
    """The completed design with windows alone: K x 1 x 1 scores at its own size, a map of K x h x w at larger ones.

    Each FC is a CONV of its name, FLATTEN is gone, pools that take the whole picture or make a size of it have the
    windows that they had at the design's own size. `fit pad` is the pad it came to there, and everything else crops, so
    that one network serves every size. Side heads are left out. Raises DesignError, saying why, where that cannot be.
    """
    completed = complete(design)
    layers = [layer for layer in unfold(completed) if not layer.head]
    start = completed.input.volume or layers[0].input
    net, end = _Converting(iter(layers)).net(expanded(completed), _Value(start))
    if (end.volume.height, end.volume.width) != (1, 1):
        raise _refusal(
            f"its output is {end.volume}, not one score for each class", "end with FC classes, or POOL avg global"
        )
    return complete(Design(replace(completed.input, fit="crop"), net, completed.where))


def _refusal(why: str, remedy: str) -> DesignError:
    return DesignError("this network cannot be made fully convolutional", got=why, remedy=remedy)


@dataclass(frozen=True, slots=True)
class _Value:
    """What flows at the design's own size. flat: the original has it as one vector. whole: the layer that took the
    whole picture together; '' before there is one."""

    volume: Volume
    flat: bool = False
    whole: str = ""

    @property
    def spread(self) -> bool:
        """Whether it has more than one position."""
        return (self.volume.height, self.volume.width) != (1, 1)


class _Converting:
    """Walks down a net and its unfolded layers together. changes: how many steps became others so far."""

    def __init__(self, layers: Iterator[Layer]) -> None:
        self.layers = layers
        self.changes = 0
        self.again = False  # in a repeat's second round or later, where names were said already

    def net(self, net: Net, value: _Value) -> tuple[Net, _Value]:
        made: list[Link] = []
        for link in net:
            links, value = self.link(link, value)
            made += links
        return tuple(made), value

    def link(self, link: Link, value: _Value) -> tuple[Net, _Value]:
        name = "" if self.again else link.name
        match link.step:
            case Skip():
                return (Link(link.step, name),), value
            case Aux():
                self.changes += 1
                return (), value
            case Group():
                return self.group(link, link.step, name, value)
            case Branches():
                made, value = self.branches(link.step, value)
                return (Link(made, name),), value
            case _:
                return self.layer(link, name, value)

    def group(self, link: Link, step: Group, name: str, value: _Value) -> tuple[Net, _Value]:
        """A bracket or a definition, which stays as it was said where nothing in it became another."""
        before, again = self.changes, self.again
        first, value = self.net(step.net, value)
        rounds = [first]
        for _ in range(int(step.count) - 1):
            self.again = True
            more, value = self.net(step.net, value)
            rounds.append(more)
        self.again = again
        if self.changes == before and isinstance(link.said, Call):
            return (Link(link.said, name),), value
        net, count = first, link.said.count if isinstance(link.said, Group) else step.count
        if len({_nameless(each) for each in rounds}) > 1:
            net, count = tuple(link for each in rounds for link in each), 1
        if not net or (count == 1 and not name):
            return net, value
        return (Link(Group(net, count), name),), value

    def branches(self, step: Branches, value: _Value) -> tuple[Branches, _Value]:
        made = [self.net(net, value) for net in step.nets]
        layer = next(self.layers)
        ends = [end for _, end in made]
        if len({(end.volume.height, end.volume.width) for end in ends}) > 1:
            raise _refusal(
                f"{layer.name}: one of its branches was flattened and another was not",
                "join the branches before FLATTEN, or end each with POOL avg global",
            )
        volume = joined(Join(step.kind), tuple(end.volume for end in ends), layer.name)
        whole = next((end.whole for end in ends if end.whole), "")
        nets = tuple(net or (Link(Skip()),) for net, _ in made)
        return Branches(step.kind, nets), _Value(volume, any(end.flat for end in ends), whole)

    def layer(self, link: Link, name: str, value: _Value) -> tuple[Net, _Value]:
        layer = next(self.layers)
        made, value = _converted(layer, value)
        if made is layer.word:
            return (Link(link.said or link.step, name),), value
        self.changes += 1
        if made is None:
            return (), value
        if isinstance(layer.word, Fc) and not (self.again and "." in layer.name):
            name = layer.name.rpartition(".")[2]
        return (Link(made, name),), value


def _nameless(net: Net) -> Net:
    return tuple(Link(_step_nameless(link.step)) for link in net)


def _step_nameless(step: Step) -> Step:
    match step:
        case Group(net=net):
            return replace(step, net=_nameless(net))
        case Branches(nets=nets):
            return replace(step, nets=tuple(map(_nameless, nets)))
        case _:
            return step


def _converted(layer: Layer, value: _Value) -> tuple[Word | None, _Value]:
    """The word that stands in a layer's place, the layer's own where nothing changes, None where nothing is left of
    it; and what flows behind it."""
    word, name = layer.word, layer.name
    if isinstance(word, Fc):
        size = (value.volume.height, value.volume.width)
        made = Conv(word.out_features, size, padding=_EVEN, bias=word.bias)
        return made, _Value(layer.output, whole=value.whole or name)
    if isinstance(word, Flatten):
        return None, replace(value, flat=True)
    if isinstance(word, Activation | Dropout):
        return word, value
    if isinstance(word, Up):
        raise _refusal(
            f"{name} puts pixels between others, so that a step of the map is not one of whole windows", "leave UP out"
        )
    if value.flat and value.spread:
        raise _refusal(
            f"{name}, a {spelling(word)}, reads {value.volume} flattened into one vector, position by position",
            f"put the {spelling(word)} before FLATTEN, or behind the first FC",
        )
    if isinstance(word, Pool) and (word.reach == "global" or word.to is not None):
        made = _fixed(word, value.volume, name)
        whole = name if (layer.output.height, layer.output.width) == (1, 1) else ""
        return made, _Value(layer.output, whole=value.whole or whole)
    if value.whole and not _pointwise(word):
        raise _refusal(
            f"{name} stands behind {value.whole}, which takes the whole picture together: it would mix windows",
            f"write the {spelling(word)} 1x1 with stride 1 and pad 0, or leave it out",
        )
    return _pinned(layer), replace(value, volume=layer.output)


def _pointwise(word: object) -> bool:
    """Whether what comes out at a position is made from that position alone."""
    match word:
        case Conv(kernel_size=kernel, stride=stride):
            return kernel == stride == (1, 1) and word.pads == _EVEN
        case Pool(kernel_size=kernel, stride=stride, padding=padding):
            return kernel == stride == (1, 1) and padding == _EVEN
        case Shortcut(stride=stride):
            return stride == (1, 1)
        case _:
            return True


def _fixed(pool: Pool, volume: Volume, name: str) -> Pool | None:
    """A pool with the windows that a global or adaptive one has on that volume; None where they are single pixels."""
    to = pool.to or (1, 1)
    down, across = _windows(volume.height, to[0]), _windows(volume.width, to[1])
    if down is None or across is None:
        raise _refusal(
            f"{name} makes {to[1]}x{to[0]} of {volume} with windows that are not alike, or not evenly spaced",
            "take an input size at which they are: one that leaves the pool a multiple of what it makes",
        )
    kernel, stride = (down[0], across[0]), (down[1], across[1])
    return None if kernel == stride == (1, 1) else Pool(pool.kind, kernel_size=kernel, stride=stride)


def _windows(length: int, places: int) -> Size | None:
    """(size, stride) of an adaptive pool's windows from floor(iL/P) up to ceil((i+1)L/P), where one of each serves."""
    starts = [i * length // places for i in range(places)]
    sizes = {-(-(i + 1) * length // places) - start for i, start in enumerate(starts)}
    steps = {after - before for before, after in pairwise(starts)} or {1}
    return (sizes.pop(), steps.pop()) if len(sizes) == len(steps) == 1 and 0 not in steps else None


def _pinned(layer: Layer) -> Word | None:
    """The layer's word with the pads that `fit pad` came to and no fit but crop; itself where it is so already."""
    word = layer.word
    if not isinstance(word, Conv | Pool):
        return word  # type: ignore[return-value]
    down, across = slides(word, layer.input, layer.fit, layer.name)
    if not down.added and not across.added:
        return word if word.fit in (None, "crop") else replace(word, fit=None)
    said = word.pads if isinstance(word, Conv) else word.padding
    more = (down.added, across.added)
    pads = ((said[0][0], said[0][1] + more[0]), (said[1][0], said[1][1] + more[1]))
    if isinstance(word, Conv):
        return replace(word, padding=pads, fit=None)
    if word.kind == "avg" and word.count == "all" and said != _EVEN:
        raise _refusal(
            f"{layer.name} counts its pad in the average and not what fit pad adds, for which there are no words",
            "say the pad whole, or count valid",
        )
    return replace(word, padding=pads, fit=None, count="valid" if word.kind == "avg" else word.count)
