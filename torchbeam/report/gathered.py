"""Which layers of a network are drawn together, so that 500 of them are as few volumes as a page has room for.

A layer that keeps the volume (RELU, BN, DROPOUT, LRN) belongs to the one before it, and a module of branches is one
piece, unless it is as long as a network: then its longest branch is taken piece by piece. Where that makes more than
MOST blocks, the rules of `_few` are taken one after another until it does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise

from torchbeam.design.ledger import Ledger, Row
from torchbeam.design.volume import Volume

MOST = 20  # blocks in a picture, the input's included
FEW = 8  # blocks that a long network should not fall short of where its layers are all of one size
LONG = 8  # layers that a branch may have and still be drawn within its module
DEEPEST = 64  # branches within branches that are opened
PERIOD = 8  # layers or modules that may repeat together

SIGNS = {"CONCAT": "|", "SUM": "+"}
_MOVES = ("CONV", "POOL", "FC", "UP", "SHORTCUT")


@dataclass(frozen=True, slots=True)
class Piece:
    """One layer, or the layers of one module, and those behind that keep the volume.

    opened: its longest branch is pieces of its own, which stand before it.
    """

    moved: tuple[Row, ...]
    kept: tuple[Row, ...] = ()
    opened: bool = False

    @property
    def last(self) -> Row:
        """The layer whose volume is drawn."""
        return self.moved[-1]

    @property
    def joins(self) -> bool:
        """Whether it is a module, and not one layer alone."""
        return len(self.moved) > 1 or len(self.last.sources) > 1

    @property
    def signature(self) -> tuple[object, ...]:
        """The same for pieces that do the same."""
        said = tuple(row.word if len(row.sources) > 1 else row.text for row in self.moved)
        return (said, self.last.output, words(self.kept))


Group = tuple[Piece, ...]


def gathered(book: Ledger) -> tuple[tuple[Row, ...], list[Group]]:
    """The rows behind the input that keep its volume, and the groups of all that follow, each to be one block."""
    first, pieces = _pieces(book.trunk, book.input)
    return first, _few([(piece,) for piece in pieces])


def moves(row: Row) -> bool:
    """Whether a layer makes a volume of its own, be it as large as the one before; a POOL to that size makes none."""
    return (row.word in _MOVES and row.activation_bytes > 0) or len(row.sources) > 1 or row.macs > 0


def words(rows: Iterable[Row]) -> tuple[str, ...]:
    """The words of layers, each once."""
    return tuple(dict.fromkeys(row.word for row in rows))


def scope(row: Row) -> tuple[str, ...]:
    """The names of the brackets a layer stands in, from the outermost in."""
    return tuple(row.name.split(".")[:-1])


def common(group: Group) -> tuple[str, ...]:
    """The names of the brackets that all of a group stands in."""
    scopes = [scope(row) for piece in group for row in piece.moved]
    low, high = min(scopes), max(scopes)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]


# From layers to pieces.


def _pieces(rows: tuple[Row, ...], before: Volume, depth: int = 0) -> tuple[tuple[Row, ...], list[Piece]]:
    """The leading rows that keep the volume, and the pieces of all that follow."""
    first: tuple[Row, ...] = ()
    pieces: list[Piece] = []
    for part in _parts(rows):
        kept, opened = (part, []) if _keeps(part, before) else _opened(part, before, depth)
        if kept and pieces:
            pieces[-1] = replace(pieces[-1], kept=pieces[-1].kept + kept)
        else:
            first += kept
        pieces += opened
        before = part[-1].output
    return first, pieces


def _opened(part: tuple[Row, ...], before: Volume, depth: int) -> tuple[tuple[Row, ...], list[Piece]]:
    """A layer or module as one piece; one that is as long as a network as those of its longest branch and its join."""
    names = _longest(part) if depth < DEEPEST else set()
    if not names:
        return (), [Piece(part)]
    kept, pieces = _pieces(tuple(row for row in part if row.name in names), before, depth + 1)
    return kept, [*pieces, Piece(tuple(row for row in part if row.name not in names), opened=True)]


def _parts(rows: tuple[Row, ...]) -> list[tuple[Row, ...]]:
    """The rows cut wherever nothing but the last row's volume is read further on."""
    at = {row.name: place for place, row in enumerate(rows)}
    cuts: list[int] = []
    needed = len(rows)
    for place in range(len(rows) - 1, -1, -1):
        if needed >= place:
            cuts.append(place + 1)
        needed = min((needed, *(at.get(source, -1) for source in rows[place].sources)))
    cuts.append(0)
    cuts.reverse()
    return [rows[start:end] for start, end in pairwise(cuts)]


def _keeps(part: tuple[Row, ...], before: Volume) -> bool:
    return len(part) == 1 and part[0].output == before and not moves(part[0])


def _longest(part: tuple[Row, ...]) -> set[str]:
    """The layers of the longest branch of a module; none where it is short."""
    inside = {row.name: row for row in part}
    branches = [_behind(source, inside) for source in part[-1].sources if len(part[-1].sources) > 1]
    longest = max(branches, key=lambda names: sum(moves(inside[name]) for name in names), default=set[str]())
    return longest if sum(moves(inside[name]) for name in longest) > LONG else set()


def _behind(name: str, inside: dict[str, Row]) -> set[str]:
    """The layers that a layer's volume is made from, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in inside and name not in found:
            found.add(name)
            waiting += inside[name].sources
    return found


# From pieces to groups of them.


def _few(groups: list[Group]) -> list[Group]:
    """Groups few enough: equal layers in a row, named scopes from the innermost out, repeats, one width x height."""
    deepest = max((len(common(group)) for group in groups), default=0)
    rules = [_equal, *(partial(_scoped, depth=depth) for depth in range(deepest, 0, -1)), _repeated, _one_size]
    for rule in rules:
        if len(groups) < MOST:
            break
        groups = rule(groups)
    return _evenly(groups, MOST - 1)


def _equal(groups: list[Group]) -> list[Group]:
    """Layers that are alike, one behind the other in the same scope: the '2 x CONV 3x3' of VGG."""

    def key(at: int) -> object:
        piece = groups[at][0]
        return at if piece.joins else (piece.signature[:2], common(groups[at]))

    return [_together(groups[at] for at in run) for _, run in groupby(range(len(groups)), key)]


def _scoped(groups: list[Group], depth: int) -> list[Group]:
    """What stands in one scope of so many names, 'stage3' or 'stage3.block1'."""

    def key(at: int) -> object:
        names = common(groups[at])
        return names[:depth] if len(names) >= depth else at

    return [_together(groups[at] for at in run) for _, run in groupby(range(len(groups)), key)]


def _repeated(groups: list[Group]) -> list[Group]:
    """Sequences of layers and modules that repeat."""
    signs = [tuple(piece.signature for piece in group) for group in groups]
    made: list[Group] = []
    at = 0
    while at < len(groups):
        covered = 1
        for period in range(1, PERIOD + 1):
            end = at + period
            while signs[end : end + period] == signs[at : at + period] and end + period <= len(groups):
                end += period
            covered = max(covered, end - at if end > at + period else 1)
        made.append(_together(groups[at : at + covered]))
        at += covered
    return made


def _one_size(groups: list[Group]) -> list[Group]:
    """What has one width x height; vectors stay apart where there is room, and the longest run is cut where there is
    nothing else."""
    runs = [list(run) for _, run in groupby(groups, lambda group: _size(group[-1].last.output))]
    vectors = [_size(run[0][-1].last.output) == (1, 1) for run in runs]
    if sum(len(run) if flat else 1 for run, flat in zip(runs, vectors, strict=True)) < MOST:
        runs = [
            part for run, flat in zip(runs, vectors, strict=True) for part in ([[g] for g in run] if flat else [run])
        ]
    longest = max(range(len(runs)), key=lambda at: len(runs[at]))
    parts = _evenly(runs[longest], max(1, FEW - len(runs)))
    return [*map(_together, runs[:longest]), *parts, *map(_together, runs[longest + 1 :])]


def _evenly(groups: list[Group], most: int) -> list[Group]:
    cuts = [at * len(groups) // most for at in range(most + 1)] if len(groups) > most else range(len(groups) + 1)
    return [_together(groups[start:end]) for start, end in pairwise(cuts)]


def _together(groups: Iterable[Group]) -> Group:
    return tuple(piece for group in groups for piece in group)


def _size(volume: Volume) -> tuple[int, int]:
    return volume.width, volume.height
