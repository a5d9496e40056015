"""Stages: the places where a design can be cut, so that what lies before may serve another task.

A stage is read off the structure alone: the last cut at each width and height, and 'codes', what the classifier takes
(the CNN codes of Razavian et al. 2014). `trunk` is the design up to there, `with_head` puts another head behind it.
"""

from dataclasses import dataclass, replace
from typing import Literal

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.design.complete import complete
from torchbeam.design.expand import expanded
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.nets import Aux, Branches, Design, Group, Link, Net, Step
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.words import Conv, Dropout, Fc, Flatten, Lrn, Pool, Shortcut, Skip, Up
from torchbeam.errors import DesignError, SettingError

CODES = "codes"
STEM = "stem"
HEAD = "head"

Grid = tuple[Literal["avg", "max"], int]


@dataclass(frozen=True, slots=True)
class Stage:
    """A place to cut: behind `layer`, which is what `build` calls that child of the network, where `volume` comes out
    for one picture of the design's own size. Codes lie in one row: their volume is 1x1."""

    name: str
    layer: str
    volume: Volume


def stages(design: Design) -> tuple[Stage, ...]:
    """The stages of a design from the picture on: 'stem', 'stage1', 'stage2' ... and last 'codes'.

    A cut lies between two links of the top-level chain, where a single volume is live. Of the cuts in front of the
    classifier (the last CONV or FC) the last one at each width and height is a stage, from the first CONV, POOL, UP or
    SHORTCUT on; what is 1x1 is none, nor is a cut behind a DROPOUT. Codes are what comes to the classifier, flattened;
    of a CONV that slides over a map, averaged over the map. What is bare is completed as in `build`.
    Raises DesignError where nothing stands before a classifier, and as `complete` and `unfold` do.

    >>> [f"{s.name} {s.layer} {s.volume}" for s in stages(parse("INPUT 8x8x3 -> CONV 4 -> RELU -> POOL -> FC 2"))]
    ['stem relu1 8x8x4', 'stage1 pool1 4x4x4', 'codes pool1 1x1x64']
    """
    cuts = _cuts(complete(design))
    return named_stages([(cut.name, cut.volume) for cut in cuts.maps], Stage(CODES, cuts.codes.name, cuts.volume))


def named_stages(places: list[tuple[str, Volume]], codes: Stage) -> tuple[Stage, ...]:
    """The last of `places`, (layer, volume) in order of execution, at each width and height that is not 1x1, named in
    that order; and behind them the codes."""
    found: list[tuple[str, Volume]] = []
    for layer, volume in places:
        if (volume.height, volume.width) == (1, 1):
            continue
        if found and (found[-1][1].height, found[-1][1].width) == (volume.height, volume.width):
            found.pop()
        found.append((layer, volume))
    named = [Stage(f"stage{at}" if at else STEM, *place) for at, place in enumerate(found)]
    return (*named, codes)


def find_stage(known: tuple[Stage, ...], name: str) -> Stage:
    """The stage of that name, whatever its case. Raises SettingError with the nearest name."""
    for stage in known:
        if stage.name == name.lower():
            return stage
    names = [stage.name for stage in known]
    raise SettingError(f"no stage {short(name)!r}", expected=listed(names), remedy=nearest(name.lower(), names))


def trunk(design: Design, stage_name: str) -> Design:
    """The design up to a stage: no head, no side heads, its layers called as before, so that weights load by name.

    Up to 'codes' it gives N x numbers: FLATTEN stands at its end, behind POOL avg global where codes are averaged.
    Raises SettingError for an unknown stage; DesignError as `stages`, and where a layer that was cut off held a name
    that another one would take.
    """
    whole = complete(design)
    cuts = _cuts(whole)
    stage = find_stage(stages(whole), stage_name)
    cut = cuts.codes if stage.name == CODES else next(cut for cut in cuts.maps if cut.name == stage.layer)
    net = _without_sides(_cut(cuts.net, cut.way))
    made = complete(Design(whole.input, net + (cuts.ending if stage.name == CODES else ()), whole.where))
    kept = [layer.name for layer in cuts.layers[: cut.at + 1] if not layer.head]
    for own, layer in zip(kept, unfold(made), strict=False):
        if own != layer.name:
            raise DesignError(
                f"cut behind {cut.name}, {own} would be called {layer.name}, as a later layer held that name",
                remedy=f"name a layer of the text otherwise than {layer.name}",
            )
    return made


def with_head(design: Design, stage_name: str, head_text: str, classes: int) -> Design:
    """The trunk up to a stage with another head, a complete design of its own.

    head_text: links in the notation, as in 'FC classes' or what `pooled_head` gives; `classes` stands for their number.
    The head is a bracket called 'head' ('head_2' ... where that is taken), so that no layer of it bears the name of an
    old one: 'head.fc1'. Raises as `trunk`; NotationError where the head cannot be read, in a text that begins with the
    INPUT it gets; DesignError where it does not fit or gives another number of scores.
    """
    base = trunk(design, stage_name)
    before = unfold(base)
    taken = {layer.name.split(".")[0] for layer in before}
    name = next(name for name in (HEAD, *(f"{HEAD}_{n}" for n in range(2, len(taken) + 3))) if name not in taken)
    drawn = parse(f"INPUT {before[-1].output} fit {base.input.fit} -> {head_text}\nwhere classes = {classes}")
    alone = complete(drawn, classes=classes)
    gives = unfold(alone)[-1].output
    if gives != Volume(classes, 1, 1):
        raise DesignError(
            f"the head gives {gives}, not one score for each class",
            expected=str(Volume(classes, 1, 1)),
            remedy="end it with FC classes",
        )
    where = (*base.where, *alone.where)
    head = alone.net
    if any(define.name.lower() == "classes" for define in base.where):
        where, head = base.where, _unsaid(expanded(alone))  # the trunk means another number by that word
    return complete(Design(base.input, (*base.net, Link(Group(head), name)), where))


def pooled_head(grids: tuple[Grid, ...] = (("avg", 1),)) -> str:
    """The text of a head that pools a map over grids and classifies what comes: (('avg', 1), ('max', 2)) takes the
    average over the whole map and the maxima over its quarters.

    The numbers in front of its FC: grid by grid as given; within a grid channel by channel; within a channel row by
    row from the top, each from the left: channels x side^2 numbers a grid. Raises SettingError for another kind, a
    side below 1, or no grid.

    >>> pooled_head((("avg", 1), ("max", 2)))
    '( POOL avg to 1x1 -> FLATTEN | POOL max to 2x2 -> FLATTEN ) -> FC classes'
    """
    for kind, side in grids:
        if kind not in ("avg", "max") or side < 1:
            raise SettingError(f"no grid of kind {kind} and side {side}", expected="avg or max, and a side from 1 on")
    if not grids:
        raise SettingError("a head that pools needs a grid", expected="one or more, as in ('avg', 1)")
    pooled = [f"POOL {kind} to {side}x{side} -> FLATTEN" for kind, side in grids]
    numbers = pooled[0] if len(pooled) == 1 else f"( {' | '.join(pooled)} )"
    return f"{numbers} -> FC classes"


# Where a design can be cut.


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place behind a link: `name` of the built child, `at` the index of the layer whose output is live there. way:
    indices that lead down to the link, (link, round, link, round, ..., link). inside: within a named bracket."""

    name: str
    at: int
    way: tuple[int, ...]
    volume: Volume
    inside: bool
    drops: bool


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The cuts of a design that are stages' candidates, with its expanded net and layers. volume: of the codes;
    ending: the links that make them out of what is live at their cut."""

    net: Net
    layers: tuple[Layer, ...]
    maps: tuple[_Cut, ...]
    codes: _Cut
    volume: Volume
    ending: Net


def _cuts(whole: Design) -> _Cuts:
    net, layers = expanded(whole), unfold(whole)
    walk = _Walk(layers)
    walk.net(net, (), 0)
    learnt = [at for at, layer in enumerate(layers) if not layer.head and isinstance(layer.word, Conv | Fc)]
    before = [cut for cut in walk.cuts if learnt and cut.at < learnt[-1] and not cut.drops]
    if not before:
        last = f"{layers[learnt[-1]].name}, which reads the picture itself" if learnt else "no CONV and no FC"
        raise DesignError(
            "the network has nothing before its classifier to take codes from",
            expected="a layer or more before the last CONV or FC",
            got=last,
        )
    codes = before[-1]
    classifier = layers[learnt[-1]]
    flat = _is_flat(layers, codes.at)
    ending: Net = () if flat else (Link(Flatten()),)
    volume = Volume(codes.volume.neurons, 1, 1)
    slides = isinstance(classifier.word, Conv) and (classifier.output.height, classifier.output.width) != (1, 1)
    if slides and (codes.volume.height, codes.volume.width) != (1, 1):
        volume = Volume(codes.volume.channels, 1, 1)
        ending = (Link(Pool("avg", "global")), Link(Flatten()))
    first = next((at for at, layer in enumerate(layers) if isinstance(layer.word, _SPATIAL)), len(layers))
    maps = tuple(cut for cut in before if not cut.inside and cut.at >= first)
    return _Cuts(net, layers, maps, codes, volume, ending)


_SPATIAL = (Conv, Pool, Up, Shortcut)
_UPRIGHT = (*_SPATIAL, Lrn)  # those that give N, C, H, W whatever came


def _is_flat(layers: tuple[Layer, ...], at: int) -> bool:
    """Whether what a layer gives lies as N x features when it is built, not as N, C, H, W."""
    while at >= 0:
        word = layers[at].word
        if isinstance(word, Fc | Flatten):
            return True
        if isinstance(word, _UPRIGHT) or len(layers[at].sources) > 1:
            return len(layers[at].sources) > 1 and all(_is_flat(layers, source) for source in layers[at].sources)
        at = layers[at].sources[0]
    return False


class _Walk:
    """Walks down an expanded net beside its layers, noting the cuts in order."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.layers = layers
        self.passed = 0  # layers so far, side heads among them
        self.live = -1  # the layer whose output is live
        self.cuts: list[_Cut] = []

    def net(self, net: Net, way: tuple[int, ...], depth: int) -> None:
        for at, link in enumerate(net):
            self.link(link, (*way, at), depth)

    def link(self, link: Link, way: tuple[int, ...], depth: int) -> None:
        first, live = self.passed, self.live
        match link.step:
            case Group(net=net, count=times):
                for number in range(int(times)):
                    self.net(net, (*way, number), depth + bool(link.name))
            case Aux(net=net):
                self.passed += _count(net)
            case Skip():
                pass
            case step:
                self.passed += _count((link,)) if isinstance(step, Branches) else 1
                self.live = self.passed - 1
        if self.live == live:
            return
        layer = self.layers[self.live]
        if link.name or not isinstance(link.step, Group):
            # A bracket with a name is a child as a whole, and one without is as many as it has layers.
            parts = (self.layers[first] if link.name and isinstance(link.step, Group | Branches) else layer).name
            name = ".".join(parts.split(".")[: depth + 1])
            drops = isinstance(link.step, Dropout)
            self.cuts.append(_Cut(name, self.live, way, layer.output, depth > 0, drops))
        elif self.cuts:
            self.cuts[-1] = replace(self.cuts[-1], way=way)  # its end is that of its last link


def _count(net: Net) -> int:
    """How many layers an expanded net unrolls to; SKIP is none."""
    total = 0
    for link in net:
        match link.step:
            case Group(net=inner, count=times):
                total += int(times) * _count(inner)
            case Branches(nets=nets):
                total += 1 + sum(map(_count, nets))
            case Aux(net=inner):
                total += _count(inner)
            case step:
                total += not isinstance(step, Skip)
    return total


# Cutting.


def _cut(net: Net, way: tuple[int, ...]) -> Net:
    """An expanded net up to the link that `way` leads to; a bracket that is cut inside has its last round written
    out."""
    at, *rest = way
    if not rest:
        return net[: at + 1]
    link, (rounds, *inner) = net[at], rest
    if not isinstance(link.step, Group):
        raise RuntimeError("a way leads down through brackets alone")
    whole: Net = (Link(Group(link.step.net, rounds)),) if rounds else ()
    part = whole + _cut(link.step.net, tuple(inner))
    return net[:at] + ((Link(Group(part), link.name),) if link.name else part)


def _without_sides(net: Net) -> Net:
    """An expanded net without its side heads; a definition that held one is written out."""
    made: list[Link] = []
    for link in net:
        step: Step = link.step
        match step:
            case Aux():
                continue
            case Group(net=inner):
                step = replace(step, net=_without_sides(inner))
            case Branches(nets=nets):
                step = replace(step, nets=tuple(map(_without_sides, nets)))
            case _:
                pass
        made.append(link if step == link.step else Link(step, link.name))
    return tuple(made) or (Link(Skip()),)


def _unsaid(net: Net) -> Net:
    """An expanded net with every definition written out."""
    made: list[Link] = []
    for link in net:
        step = link.step
        if isinstance(step, Group | Aux):
            step = replace(step, net=_unsaid(step.net))
        elif isinstance(step, Branches):
            step = replace(step, nets=tuple(map(_unsaid, step.nets)))
        made.append(Link(step, link.name))
    return tuple(made)
