"""How large the blocks of the picture are and how wide its words, and where each comes to stand.

All lengths are in pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from torchbeam.report.blocks import Block, Branch, Head, Kind

# Of the sheet.
WIDEST, NARROWEST = 1280, 760
MARGIN = 32
CHANNEL = 36  # between two rows, where the way from one to the next runs
STEP = 118  # the width of what is written under an arrow

# Of the blocks: the most they measure, and what one pixel or channel does where nothing is larger.
SIDE, THICK = 150, 56
ONE_SIDE, ONE_THICK = 20, 6
_SLANT = (0.36, 0.30)  # of a volume's width, across and up the page
_SPAN = 40  # how many times the smallest a side may be, before a higher root is taken
ROOTS = {2: "square", 3: "cube", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth"}
_MOST_HEADS = 3  # side heads that one box names
SHEET = 6  # from one of the sheets in front of a block that stands for several layers to the next

INK, MUTED = "#1f2933", "#52606d"
# Of each kind of text: its size, whether it is bold, its colour.
TEXTS = {
    "headline": (24, True, INK),
    "totals": (14, False, INK),
    "name": (13, True, INK),
    "size": (13, False, INK),
    "fact": (12, False, MUTED),
    "step": (12, False, INK),
    "then": (11, False, MUTED),
    "box": (10, False, INK),
    "note": (12, False, MUTED),
}
_LINE = 1.3
_NARROW = 0.58  # no letter is taken for narrower on average, in shares of its size

# Words.


def wide_of(text: str, kind: str) -> float:
    """How wide a text is at most, in any of the fonts: after DejaVu Sans, the widest of the common ones."""
    size, bold, _ = TEXTS[kind]
    ems = sum(map(_ems, text))
    return max(ems, _NARROW * len(text)) * size * (1.1 if bold else 1)


def _ems(letter: str) -> float:
    if letter in "ilj.,:;'|! ()[]":
        return 0.4
    if letter in "mwMWQ@%–—…→":
        return 1.0
    return 0.76 if letter.isupper() else 0.64 if letter.isascii() else 1.1


def high_of(kind: str) -> float:
    """From one line of such words to the next."""
    return TEXTS[kind][0] * _LINE


def fitted(text: str, kind: str, room: float) -> str:
    """The text, its middle left out where it is wider than the room."""
    if wide_of(text, kind) <= room:
        return text
    most = int(room / (_NARROW * TEXTS[kind][0]))
    keep = next(n for n in range(min(most, len(text)), -1, -1) if wide_of(_elided(text, n), kind) <= room or not n)
    return _elided(text, keep)


def _elided(text: str, keep: int) -> str:
    return text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :]


def lines_of(pieces: Iterable[str], kind: str, room: float, glue: str = " ") -> tuple[str, ...]:
    """The pieces set in lines no wider than the room; a piece that is wider alone loses its middle."""
    lines: list[str] = []
    for piece in pieces:
        longer = f"{lines[-1]}{glue}{piece}" if lines else ""
        if lines and wide_of(longer, kind) <= room:
            lines[-1] = longer
        else:
            lines.append(fitted(piece, kind, room))
    return tuple(lines)


def figures(number: int) -> str:
    """'34.9 k', '60.9 M': three figures; small numbers in full."""
    value, unit = float(number), ""
    for larger in ("k", "M", "G", "T", "P", "E"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{number:,}" if number < 10_000 else f"{value:.3g} {unit}"


# Blocks and where they stand.


@dataclass(frozen=True, slots=True)
class Scale:
    """From a number of pixels or channels to one of the picture: `factor` times its `root`-th root."""

    root: int
    factor: float

    @classmethod
    def of(cls, values: Sequence[int], most: float, one: float) -> "Scale":
        """The lowest root that leaves the smallest value a size that can be seen."""
        span = max(values) / min(values)
        root = next((root for root in ROOTS if span ** (1 / root) <= _SPAN), max(ROOTS))
        return cls(root, min(one, most / max(values) ** (1 / root)))

    def length(self, value: int) -> float:
        """So many pixels or channels in the picture."""
        return self.factor * value ** (1 / self.root)


@dataclass(frozen=True, slots=True)
class Cell:
    """A block with its measures and its words, each a (kind, text); x and axis are where its middle stands.

    said: what stands below it. step: what stands under the arrow to it, `drop` lower where a window reaches below the
    axis. head: the lines in the box of its side heads.
    """

    block: Block
    thick: float
    high: float
    slant: tuple[float, float]
    said: tuple[tuple[str, str], ...]
    step: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    drop: float = 0.0
    x: float = 0.0
    axis: float = 0.0

    @classmethod
    def of(cls, block: Block, sides: Scale, thickness: Scale) -> "Cell":
        """The cell of a block, not placed yet."""
        across = sides.length(block.volume.width)
        said = [("name", fitted(block.name, "name", 180)), ("size", str(block.volume))]
        said += [("fact", f"sees {block.sees[0]}x{block.sees[1]}")] if block.sees else []
        said += [("fact", f"{figures(block.parameters)} parameters")] if block.parameters else []
        step = [("step", line) for line in lines_of(block.applied, "step", STEP)]
        step += [("then", line) for line in lines_of(block.then, "then", STEP, ", ")[:3]]
        return cls(
            block,
            thickness.length(block.volume.channels),
            sides.length(block.volume.height),
            (across * _SLANT[0], across * _SLANT[1]),
            tuple(said),
            tuple(step),
            _head_lines(block.heads),
        )

    @property
    def sheets(self) -> int:
        """How many sheets stand in front, where the block is of several layers."""
        return min(self.block.count - 1, 2)

    @property
    def body(self) -> tuple[float, float]:
        """Width and height of all that is drawn of the block."""
        return self.sheets * SHEET + self.thick + self.slant[0], self.high + self.slant[1]

    @property
    def labels(self) -> float:
        """The width of what stands below."""
        widest = max(wide_of(text, kind) for kind, text in self.said)
        return max(widest, *(wide_of(line, "then") for line in self.head)) + 26 if self.head else widest

    @property
    def before(self) -> float:
        """The width that the arrow to the block takes."""
        return max(34, sketch_size(self.block)[0] + 34, *(wide_of(text, kind) + 14 for kind, text in self.step))

    @property
    def left(self) -> float:
        """From the block's foremost edge."""
        return self.x - self.body[0] / 2

    @property
    def front(self) -> float:
        """The left edge of its front, behind its sheets."""
        return self.left + self.sheets * SHEET

    @property
    def floor(self) -> float:
        """The lower edge of its front."""
        return self.axis + self.body[1] / 2

    def edge(self, y: float) -> float:
        """Where a way from the left at that height meets it: a wide and low block has its front below the axis."""
        behind = max(0.0, self.floor - self.high - y) / self.slant[1]
        return self.left + self.slant[0] * behind

    def face(self, across: float, down: float) -> tuple[float, float]:
        """The place on the right face at shares of its width and height."""
        dx, dy = self.slant
        return self.front + self.thick + across * dx, self.floor - self.high - across * dy + down * self.high


@dataclass(frozen=True, slots=True)
class Line:
    """A row of cells on the page."""

    cells: tuple[Cell, ...]
    top: float = 0.0

    def at(self, top: float) -> "Line":
        """The same row, begun at `top`."""
        return Line(tuple(replace(cell, axis=top + self.above) for cell in self.cells), top)

    @property
    def right(self) -> float:
        """Where its last cell ends, the way to the next row not counted."""
        last = self.cells[-1]
        return last.x + max(last.labels, last.body[0]) / 2

    @property
    def above(self) -> float:
        """From its top to its axis."""
        return max(max(cell.body[1] / 2, sketch_size(cell.block)[1] + 14) for cell in self.cells) + 6

    @property
    def labels(self) -> float:
        """Where the lines below the blocks begin."""
        deep = max(max(c.body[1] / 2, 12 + c.drop + sum(high_of(kind) for kind, _ in c.step)) for c in self.cells)
        return self.top + self.above + deep + 14

    @property
    def heads(self) -> float:
        """Where the side heads begin."""
        return self.labels + max(sum(high_of(kind) for kind, _ in cell.said) for cell in self.cells) + 10

    @property
    def bottom(self) -> float:
        """Where all of it ends."""
        hung = max(len(cell.head) for cell in self.cells)
        return self.heads + (hung * high_of("then") + 12 if hung else 0)


def rows_of(cells: Sequence[Cell]) -> list[Line]:
    """The cells in as few rows as the widest sheet allows, and these no wider than they need be."""
    fewest, widest = len(_set(cells, WIDEST)), WIDEST
    while widest > NARROWEST and len(_set(cells, widest - 20)) == fewest:
        widest -= 20
    return [Line(tuple(row)) for row in _set(cells, widest)]


def _set(cells: Sequence[Cell], widest: float) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for cell in cells:
        half = max(cell.body[0], cell.labels) / 2
        if rows:
            last = rows[-1][-1]
            apart = max((last.body[0] + cell.body[0]) / 2 + cell.before, (last.labels + cell.labels) / 2 + 14)
            if last.x + apart + half <= widest - MARGIN:
                rows[-1].append(replace(cell, x=last.x + apart, drop=_drop(last, cell.block)))
                continue
        x = MARGIN + max(half, cell.body[0] / 2 + (cell.before if rows else 0))
        rows.append([replace(cell, x=x)])
    return rows


def _drop(last: Cell, block: Block) -> float:
    """How far below the axis a block's window reaches."""
    return max(0.0, corners(last, block.window)[2][1] - last.axis) if block.window else 0.0


def corners(last: Cell, window: tuple[int, int]) -> list[tuple[float, float]]:
    """One neuron's window on the face of the volume before, clockwise from the top left; never too small to be seen."""
    volume = last.block.volume
    wide = min(1.0, max(window[0] / volume.width, 3 / max(last.slant[0], 3)))
    high = min(1.0, max(window[1] / volume.height, 4 / max(last.high, 4)))
    left, top = (1 - wide) * 0.6, (1 - high) * 0.2
    return [last.face(left + wide * u, top + high * v) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]


def _head_lines(heads: Sequence[Head]) -> tuple[str, ...]:
    lines: list[str] = []
    for head in heads[:_MOST_HEADS]:
        lines += [fitted(head.name, "then", 140), *lines_of(head.applied, "then", 130)]
        lines.append(f"{head.volume}, {figures(head.parameters)} parameters")
    return (*lines, f"and {len(heads) - _MOST_HEADS} more") if len(heads) > _MOST_HEADS else tuple(lines)


# The sketch of a module's branches.

BOX, GAP, PITCH = 15, 6, 20  # the height of a box, from one box to the next, from one branch to the next
_MOST_BRANCHES, _MOST_BOXES = 5, 4


def shown(block: Block) -> list[tuple[tuple[Kind, str], ...]]:
    """The boxes that are drawn, branch by branch; '…' for those that are left out."""
    branches = [_boxes(branch) for branch in block.branches]
    if len(branches) > _MOST_BRANCHES:
        more = len(branches) - _MOST_BRANCHES + 1
        branches = [*branches[:-more], (("other", f"{more} more"),)]
    return branches


def _boxes(branch: Branch) -> tuple[tuple[Kind, str], ...]:
    boxes = list(branch.boxes)
    if len(boxes) > _MOST_BOXES:
        boxes[_MOST_BOXES // 2 : 1 - _MOST_BOXES // 2] = [("other", "…")]
    return tuple((kind, fitted(text, "box", 60)) for kind, text in boxes)


def box_wide(text: str) -> float:
    """How wide a box with that text is."""
    return wide_of(text, "box") + 8


def sketch_size(block: Block) -> tuple[float, float]:
    """Width and height; (0, 0) where there is nothing to sketch."""
    if not block.branches:
        return 0.0, 0.0
    branches = shown(block)
    inside = max(sum(box_wide(text) + GAP for _, text in boxes) for boxes in branches)
    return max(inside, 24) + 34, PITCH * len(branches)
