"""complete: gives every field that a text left unsaid its value, so that the design can be built.

The rules are those of the lectures' patterns: a bare CONV is 3x3 with 32 filters, doubled after each POOL
up to 512; a bare POOL is max 2x2 with stride 2, and crops where it does not fit; a bare FC has 256 units,
the last one as many as there are classes. Definitions stay as they were said wherever they say it all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torchbeam.design.expand import count_layers, expanded
from torchbeam.design.layers import Names
from torchbeam.design.nets import Aux, Branches, Call, Define, Design, Group, Link, Net, Open, Step
from torchbeam.design.sizing import Way, joined, output, settled
from torchbeam.design.volume import Fit, Volume, Window
from torchbeam.design.words import (
    Conv,
    Fc,
    Join,
    Pool,
    Skip,
    Softmax,
    Word,
    sharing,
)
from torchbeam.errors import DesignError, FitError

# What is assumed where neither the text nor the data says.
ASSUMED_INPUT = Volume(3, 32, 32)
ASSUMED_CLASSES = 10

FIRST_FILTERS = 32
MOST_FILTERS = 512
MIDDLE_UNITS = 256


def complete(
    design: Design, input: Volume = ASSUMED_INPUT, classes: int | None = None, fit: Fit | None = None
) -> Design:
    """The same design with nothing left unsaid.

    input: the volume of the data, used where INPUT is bare. classes: the units of the last bare FC, and the value of
    a definition called 'classes'; None leaves that definition as it is. fit: replaces the fit that INPUT says; layers
    that say their own keep it. A repeat whose rounds come out different is written out, round after round.
    Raises DesignError or FitError where the layers cannot follow each other.
    """
    start = design.input.volume or input
    design = Design(
        replace(design.input, volume=start, fit=fit or design.input.fit),
        design.net,
        design.where if classes is None else _with_classes(design.where, classes),
    )
    net = expanded(design)
    try:
        said = _completed(design.input.volume or start, design.input.fit, classes or ASSUMED_CLASSES, net)
    except FitError as error:
        raise _with_inputs(error, design, net, classes or ASSUMED_CLASSES) from None
    return Design(design.input, said, _used(said, design.where))


def says_classes(design: Design) -> bool:
    """Whether a definition called 'classes' gives their number."""
    return any(map(_is_classes, design.where))


def without_softmax(design: Design) -> Design:
    """The design without a SOFTMAX at its very end: training takes the scores before it, as the
    cross-entropy holds the softmax, and predictions apply it afterwards. Side heads lose theirs too."""
    net = _stripped(design.net, expanded(design))
    where = tuple(d if isinstance(d.body, str) else replace(d, body=_heads_stripped(d.body)) for d in design.where)
    return replace(design, net=_heads_stripped(net or design.net), where=where)


def bare_fcs(net: Net) -> int:
    """How many FCs, repeats run through, have no units said: the last one gets the classes. Side heads count apart."""
    total = 0
    for link in net:
        match link.step:
            case Group(net=inner, count=count):
                total += int(count) * bare_fcs(inner)
            case Branches(nets=nets):
                total += sum(map(bare_fcs, nets))
            case Fc(out_features=None):
                total += 1
    return total


def _completed(start: Volume, fit: Fit, classes: int, net: Net) -> Net:
    _, named = _State(start, fit, classes, bare_fcs(net), way=[("INPUT", start)]).net(net, Names(net))
    return named


def _with_classes(where: tuple[Define, ...], classes: int) -> tuple[Define, ...]:
    return tuple(replace(define, body=str(classes)) if _is_classes(define) else define for define in where)


def _is_classes(define: Define) -> bool:
    return define.name.lower() == "classes" and isinstance(define.body, str)


def _stripped(net: Net, full: Net) -> Net:
    """The net without SOFTMAX at its end; `full` is the same net, expanded. A definition that ends so is opened."""
    while net:
        last, step = net[-1], full[-1].step
        if isinstance(step, Group) and step.count == 1:
            drawn = last.step.net if isinstance(last.step, Group) else _net_said(step.net)
            inner = _stripped(drawn, step.net)
            if inner:
                return net if inner == drawn else (*net[:-1], Link(Group(inner), last.name))
        elif not isinstance(step, Softmax):
            return net
        net, full = net[:-1], full[:-1]
    return net


def _heads_stripped(net: Net) -> Net:
    """The net with no SOFTMAX at the end of its side heads."""
    return tuple(replace(link, step=_head_stripped(link.step)) for link in net)


def _head_stripped(step: Step) -> Step:
    match step:
        case Group(net=net):
            return replace(step, net=_heads_stripped(net))
        case Branches(nets=nets):
            return replace(step, nets=tuple(map(_heads_stripped, nets)))
        case Aux(net=net):
            return replace(step, net=_heads_stripped(_stripped(net, net) or net))
        case _:
            return step


def _used(net: Net, where: tuple[Define, ...]) -> tuple[Define, ...]:
    """The definitions that the net, or one that it uses, speaks of."""
    bodies = {define.name.lower(): define.body for define in where}
    found: set[str] = set()
    waiting = _spoken(net)
    while waiting:
        name = waiting.pop().lower()
        if name in bodies and name not in found:
            found.add(name)
            body = bodies[name]
            waiting += [] if isinstance(body, str) else _spoken(body)
    return tuple(define for define in where if define.name.lower() in found)


def _spoken(net: Net) -> list[str]:
    """Every name that might be a definition's."""
    names: list[str] = []
    for link in net:
        match link.step:
            case Call(name=name, arguments=pieces):
                names += [name, *pieces]
            case Open(arguments=pieces):
                names += pieces
            case Group(net=inner, count=said) | Aux(net=inner, weight=said):
                names += [*_spoken(inner), str(said)]
            case Branches(nets=nets):
                names += [name for inner in nets for name in _spoken(inner)]
    return names


@dataclass
class _State:
    """What is known while walking down the net: the volume so far, and what the next bare words get."""

    volume: Volume
    fit: Fit
    classes: int
    bare_fcs: int
    filters: int = FIRST_FILTERS
    way: Way = field(default_factory=list)

    def net(self, net: Net, names: Names) -> tuple[Net, Net]:
        """The settled net twice: with the names as said, and with those its layers have when written out."""
        said: list[Link] = []
        named: list[Link] = []
        for link in net:
            as_said, as_named = self.link(link, names)
            said += as_said
            named += as_named
        return tuple(said), tuple(named)

    def link(self, link: Link, names: Names) -> tuple[Net, Net]:
        """What becomes of one link; several where a repeat is written out."""
        step = link.step
        if isinstance(step, Group):
            return _as_said(link, *self.group(step, link.name, names))
        if isinstance(step, Skip):
            return (link,), (Link(step, _last(names.take(link.name, step)) if link.name else ""),)
        if isinstance(step, Branches):
            inside = names.scope(link.name, *step.nets) if link.name else names
            made, named = self.branches(step, inside)
        elif isinstance(step, Aux):
            inside = names.scope(link.name or "aux", step.net, numbered=not link.name)
            made, named = self.aux(step, inside)
        else:
            name = names.take(link.name, step)  # type: ignore[arg-type]
            word = self.word(step, name)  # type: ignore[arg-type]
            return _as_said(link, (Link(word, link.name),), (Link(word, _last(name) if link.name else ""),))
        own = _last(inside.prefix.rstrip(".")) if link.name else ""
        return _as_said(link, (Link(made, link.name),), (Link(named, own),))

    def group(self, group: Group, name: str, names: Names) -> tuple[Net, Net]:
        inside = names.scope(name, group.net) if name else names
        own = _last(inside.prefix.rstrip(".")) if name else ""
        rounds = [self.net(group.net, inside) for _ in range(int(group.count))]
        said, named = rounds[0]
        written_out = Group(tuple(link for _, each in rounds for link in each))
        alike = all(again == said for again, _ in rounds)
        repeat = Group(said, group.count) if alike else written_out
        # Once its names are others, a repeat would count on from those: it is written out to keep its layers' names.
        renamed = Group(named, group.count) if alike and named == said else written_out
        if name or group.count == 1:
            return (Link(repeat, name),), (Link(renamed, own),)
        return _without_brackets(repeat), _without_brackets(renamed)

    def branches(self, step: Branches, names: Names) -> tuple[Branches, Branches]:
        start, filters, way = self.volume, self.filters, list(self.way)
        made: list[tuple[Net, Net]] = []
        ends: list[Volume] = []
        deepest = filters
        for net in step.nets:
            self.volume, self.filters, self.way = start, filters, list(way)
            made.append(self.net(net, names))
            ends.append(self.volume)
            deepest = max(deepest, self.filters)
        join = Join(step.kind)
        name = names.take("", join)
        self.volume, self.filters, self.way = joined(join, tuple(ends), name), deepest, way
        self.way.append((name, self.volume))
        return Branches(step.kind, tuple(s for s, _ in made)), Branches(step.kind, tuple(n for _, n in made))

    def aux(self, step: Aux, names: Names) -> tuple[Aux, Aux]:
        beside = _State(self.volume, self.fit, self.classes, bare_fcs(step.net), self.filters, list(self.way))
        said, named = beside.net(step.net, names)
        return Aux(step.weight, said), Aux(step.weight, named)

    def word(self, word: Word, name: str) -> Word:
        settled = self.settle(word, name)
        after = output(settled, self.volume, getattr(settled, "fit", None) or self.fit, name, self.way)
        if after != self.volume:
            self.way.append((name, after))
        self.volume = after
        if isinstance(settled, Pool):
            self.filters = min(2 * self.filters, MOST_FILTERS)
        return settled

    def settle(self, word: Word, name: str) -> Word:
        match word:
            case Conv(connect="full", out_channels=None, groups=groups):
                return settled(replace(word, out_channels=self.next_filters(groups, name)))
            case Pool(reach="window", kernel_size=None, to=None, fit=None):
                pool = settled(word)
                bare_fits = self.fit != "error" or self.pool_fits(pool)
                return pool if bare_fits else replace(pool, fit="crop")  # type: ignore[arg-type]
            case Fc(out_features=None):
                self.bare_fcs -= 1
                return replace(word, out_features=MIDDLE_UNITS if self.bare_fcs else self.classes)
            case _:
                return settled(word)

    def pool_fits(self, pool: Word) -> bool:
        if not isinstance(pool, Pool):
            return True
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
                remedy="say the number of filters, as in " + sharing(self.filters, groups, "filters"),
            )
        return self.filters


def _without_brackets(group: Group) -> Net:
    """A repeat as it is, and what was written out as it stands between the others."""
    return group.net if group.count == 1 else (Link(group),)


def _as_said(link: Link, made: Net, named: Net) -> tuple[Net, Net]:
    """A definition's link as it stands in the text, where completing it has added nothing but its words' defaults."""
    said = link.said
    if said is None:
        return made, named
    if isinstance(said, Group):  # only its count is a name
        return _counted(made, link.step, said), _counted(named, link.step, said)
    if isinstance(said, Aux):
        weighed = [replace(each[0], step=replace(each[0].step, weight=said.weight)) for each in (made, named)]  # type: ignore[type-var]
        return (weighed[0],), (weighed[1],)
    if len(made) == 1 and made[0].step == _step_settled(link.step):
        return (Link(said, made[0].name),), (Link(said, named[0].name),)
    return made, named


def _counted(net: Net, step: Step, said: Group) -> Net:
    """A repeat with its count by name, where it was not written out."""
    match net:
        case (Link(step=Group(net=inner, count=count), name=name),) if isinstance(step, Group) and count == step.count:
            return (Link(Group(inner, said.count), name),)
        case _:
            return net


def _step_settled(step: Step) -> Step:
    """A step with nothing but its words' own defaults, definitions where they were."""
    return _step_said(step, settled)


def _net_said(net: Net, finish: Callable[[Word], Word] = lambda word: word) -> Net:
    """An expanded net as it would be said, its words finished."""
    return tuple(Link(_link_said(link, finish), link.name) for link in net)


def _link_said(link: Link, finish: Callable[[Word], Word]) -> Step:
    match link.said:
        case Call() | Open():
            return link.said
        case Group(count=said) | Aux(weight=said):
            step = _step_said(link.step, finish)
            return replace(step, count=said) if isinstance(step, Group) else replace(step, weight=said)  # type: ignore[call-arg]
        case _:
            return _step_said(link.step, finish)


def _step_said(step: Step, finish: Callable[[Word], Word]) -> Step:
    match step:
        case Group(net=net):
            return replace(step, net=_net_said(net, finish))
        case Branches(nets=nets):
            return replace(step, nets=tuple(_net_said(net, finish) for net in nets))
        case Aux(net=net):
            return replace(step, net=_net_said(net, finish))
        case Call() | Open():
            return step
        case word:
            return finish(word)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


# How far from the text's own a size of the whole input is looked for, and how many layers may be sized for it each way.
INPUT_REACH = 32
INPUT_WORK = 1_500


def _with_inputs(error: FitError, design: Design, net: Net, classes: int) -> FitError:
    """The error with the nearest sizes of the whole INPUT, smaller and larger, at which every layer fits."""
    start = design.input.volume
    if start is None:
        return error
    found: list[str] = []
    work = INPUT_WORK // max(1, count_layers(net))
    for sign in (-1, 1):
        for by in range(1, min(INPUT_REACH, work) + 1):
            width, height = start.width + sign * by, start.height + sign * by
            if min(width, height) < 1:
                break
            try:
                _completed(Volume(start.channels, height, width), design.input.fit, classes, net)
            except DesignError:
                continue
            found.append(f"INPUT {width}x{height}x{start.channels} fits throughout")
            break
    # Where the first layer is the one that does not fit, "input 227" is told already.
    told = len(error.way) < 2 and all(f"input {line.split('x')[0][6:]} gives" in error.remedy for line in found)
    remedy = "\n".join((error.remedy, *(() if told else found)))
    return FitError(error.what, expected=error.expected, got=error.got, remedy=remedy, way=error.way)
