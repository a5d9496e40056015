"""What is drawn and said of each volume of a network: one block for each group of layers that `gathered` makes."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torchbeam.design.ledger import Ledger, Row
from torchbeam.design.volume import Volume
from torchbeam.report.gathered import SIGNS, Group, Piece, common, gathered, moves, scope, words

Kind = Literal["input", "conv", "pool", "fc", "join", "other"]

_KINDS: dict[str, Kind] = {"CONV": "conv", "FC": "fc", "POOL": "pool"}
_UNSAID = ("pad", "bias", "fit", "count")  # of a layer's arguments: what its volumes tell, or nobody asks
_VALUED = ("stride", "dilation", "groups", "to")


@dataclass(frozen=True, slots=True)
class Branch:
    """The layers along one branch of a module, each as (kind, what is written in its box); none for a SKIP."""

    boxes: tuple[tuple[Kind, str], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """A side head: what is applied in it, and what comes out."""

    name: str
    applied: tuple[str, ...]
    volume: Volume
    parameters: int


@dataclass(frozen=True, slots=True)
class Block:
    """One volume as it is drawn.

    applied: what was done to the volume before to come here, in pieces that a line should not break. then: the
    layers behind that keep the volume. sees: (width, height) in pixels of the input. count: how many layers or modules
    it stands for. window: (width, height) on the volume before that one neuron reads, where that is one window.
    branches and sign ('|' in depth, '+' added): of the last module in it.
    """

    name: str
    volume: Volume
    kind: Kind
    applied: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    sees: tuple[int, int] | None = None
    parameters: int = 0
    count: int = 1
    window: tuple[int, int] | None = None
    branches: tuple[Branch, ...] = ()
    sign: str = ""
    heads: tuple[Head, ...] = ()


def blocks_of(book: Ledger) -> tuple[Block, ...]:
    """The blocks of a network in order, the input first; side heads hang where they are tapped."""
    first, groups = gathered(book)
    scopes = _counted([piece for group in groups for piece in group])
    places = {"input": 0} | {row.name: 0 for row in first}
    places |= {row.name: place for place, group in enumerate(groups, 1) for row in _rows(group)}
    drawn_as = {row.name: piece.last.name for group in groups for piece in group for row in piece.moved + piece.kept}
    heads = _heads(book, places)
    blocks = [Block("input", book.input, "input", then=words(first), heads=tuple(heads.get(0, ())))]
    for place, group in enumerate(groups, 1):
        blocks.append(_block(group, scopes, drawn_as, tuple(heads.get(place, ()))))
    return tuple(blocks)


def _block(group: Group, scopes: Counter[tuple[str, ...]], drawn_as: dict[str, str], heads: tuple[Head, ...]) -> Block:
    rows, first, last = _rows(group), group[0], group[-1]
    modules = [piece for piece in group if piece.joins]
    alike = not modules and len({piece.signature[:2] for piece in group}) == 1
    return Block(
        name=_name(group, scopes),
        volume=last.last.output,
        kind=_kind(rows),
        applied=_applied(group, alike, drawn_as),
        then=words(last.kept) if alike or first is last else (),
        sees=last.last.receptive_field,
        parameters=sum(row.parameters for row in rows),
        count=len(group),
        window=_window(first.last) if alike else None,
        branches=_branches(modules[-1].moved) if modules else (),
        sign=SIGNS.get(modules[-1].last.word, "") if modules else "",
        heads=heads,
    )


def _applied(group: Group, alike: bool, drawn_as: dict[str, str]) -> tuple[str, ...]:
    if alike:
        what, *how = _said(group[0].last)
        return (f"{len(group)} x {what}" if len(group) > 1 else what, *how)
    if len(group) == 1:
        return _joined(group[0], drawn_as)
    # A module counts once, whatever joins stand within its branches.
    return _tally(row for piece in group for row in piece.moved if row is piece.last or len(row.sources) < 2)


def _rows(group: Group) -> tuple[Row, ...]:
    return tuple(row for piece in group for row in piece.moved + piece.kept)


def _name(group: Group, scopes: Counter[tuple[str, ...]]) -> str:
    """The layer's or the scope's name, or the first and the last of them: scopes where the group has all of them."""
    inside = _counted(group)

    def name(row: Row) -> str:
        names = scope(row)
        whole = (names[:depth] for depth in range(1, len(names) + 1) if inside[names[:depth]] == scopes[names[:depth]])
        return ".".join(next(whole, ())) or row.name

    first, last = name(group[0].last), name(group[-1].last)
    shared = len(".".join((*common(group), "")))
    return first if first == last else f"{first} – {last[shared:]}"


def _counted(pieces: Iterable[Piece]) -> Counter[tuple[str, ...]]:
    """How many layers stand in each scope, and in those inside it."""
    scopes = [scope(row) for piece in pieces for row in piece.moved]
    return Counter(names[:depth] for names in scopes for depth in range(1, len(names) + 1))


def _kind(rows: tuple[Row, ...]) -> Kind:
    if any(len(row.sources) > 1 for row in rows):
        return "join"
    for word, kind in _KINDS.items():
        if any(row.word == word for row in rows):
            return kind
    return "other"


def _said(row: Row) -> tuple[str, ...]:
    """'CONV 96', '11x11', 'stride 4': a layer's text without what its volumes tell."""
    word, *pieces = row.text.split(" ")
    said = [word]
    while pieces:
        piece = pieces.pop(0)
        value = pieces.pop(0) if pieces and piece in (*_VALUED, *_UNSAID) else ""
        if piece not in _UNSAID:
            said.append(f"{piece} {value}".rstrip())
    # 'CONV' alone would be a line of one word.
    return (" ".join(said[:2]), *said[2:])


def _joined(piece: Piece, drawn_as: dict[str, str]) -> tuple[str, ...]:
    """'4 branches', 'joined in depth'; behind a branch that was drawn for itself, what comes in beside it."""
    join = piece.last
    how = {"CONCAT": "joined in depth", "SUM": "added"}.get(join.word, join.word.lower())
    if not piece.opened:
        return (f"{len(join.sources)} branches", how) if len(join.sources) > 1 else _tally(piece.moved)
    if len(piece.moved) > 1 or len(join.sources) > 2:
        return (how, "with a branch")
    order = list(drawn_as)
    earlier = min(join.sources, key=lambda name: order.index(name) if name in drawn_as else -1)
    return (how, f"with {drawn_as.get(earlier, 'input').rpartition('.')[2]}")


def _tally(rows: Iterable[Row]) -> tuple[str, ...]:
    """'36 x sum,', '108 CONV 3x3': how often each word stands there; the windows' size where all have the same."""
    counts: Counter[str] = Counter()
    windows: dict[str, set[str]] = {}
    for row in rows:
        if moves(row):
            counts[row.word] += 1
            windows.setdefault(row.word, set()).add(_kernel(row.text))
    said = []
    for word, count in sorted(counts.items(), key=lambda entry: entry[0] not in SIGNS):
        size = windows[word].pop() if len(windows[word]) == 1 else ""
        times, what = (f"{count} x", word.lower()) if word in SIGNS else (str(count), f"{word} {size}".rstrip())
        said.append(f"{times} {what}" if count > 1 else what)
    return (*(f"{each}," for each in said[:-1]), *said[-1:])


def _kernel(text: str) -> str:
    """'11x11', the size of a layer's window as written; '' where it has none of its own."""
    found = re.search(r"(?<!stride )(?<!pad )(?<!dilation )(?<!to )\b\d+x\d+\b", text)
    return found.group() if found and text.startswith(("CONV", "POOL")) else ""


def _window(row: Row) -> tuple[int, int] | None:
    kernel = _kernel(row.text)
    if not kernel:
        return None
    found = re.search(r"dilation (\d+)(?:x(\d+))?", row.text)
    across, down = (int(found[1]), int(found[2] or found[1])) if found else (1, 1)
    wide, high = map(int, kernel.split("x"))
    return (across * (wide - 1) + 1, down * (high - 1) + 1) if wide * high > 1 else None


def _branches(part: tuple[Row, ...]) -> tuple[Branch, ...]:
    """What stands along each branch; along the longest way where one branches again."""
    along: dict[str, tuple[Row, ...]] = {}
    for row in part:
        ways = [along.get(source, ()) for source in row.sources]
        if row is part[-1]:
            return tuple(Branch(tuple(map(_box, way))) for way in ways) if any(ways) else ()
        along[row.name] = max(ways, key=len) + ((row,) if moves(row) else ())
    return ()


def _box(row: Row) -> tuple[Kind, str]:
    shown = SIGNS.get(row.word) or _kernel(row.text) or row.word.lower()
    return _kind((row,)), f"dw {shown}" if " depthwise" in row.text else shown


def _heads(book: Ledger, places: dict[str, int]) -> dict[int, list[Head]]:
    """The side heads by the place of the block where they are tapped; one inside another hangs with it."""
    at = dict(places)
    rows_of: dict[str, list[Row]] = {}
    for row in book.rows:
        if row.head:
            at[row.name] = at[row.sources[0]]
            rows_of.setdefault(row.head, []).append(row)
    heads: dict[int, list[Head]] = {}
    for name, rows in rows_of.items():
        head = Head(name, _tally(rows), rows[-1].output, sum(row.parameters for row in rows))
        heads.setdefault(at[rows[0].name], []).append(head)
    return heads
