"""The volumes of a network drawn as the textbooks do: a row of blocks to scale, as one SVG file.

After Krizhevsky, Sutskever & Hinton 2012 (figure 2) and LeCun et al. 1998 (figure 2). All lengths are in pixels.
"""

import html
from collections.abc import Sequence
from itertools import pairwise

from torchbeam.design.ledger import Ledger
from torchbeam.report.blocks import Block, Kind, blocks_of
from torchbeam.report.measures import (
    BOX,
    CHANNEL,
    GAP,
    INK,
    MARGIN,
    MUTED,
    NARROWEST,
    ONE_SIDE,
    ONE_THICK,
    PITCH,
    ROOTS,
    SHEET,
    SIDE,
    TEXTS,
    THICK,
    Cell,
    Line,
    Scale,
    box_wide,
    corners,
    figures,
    fitted,
    high_of,
    lines_of,
    rows_of,
    shown,
    sketch_size,
    wide_of,
)

_FAINT = "#9aa5b1"
_THIN = 2.0  # of a sheet in front of a block
_COLOURS: dict[Kind, tuple[str, str]] = {
    "input": ("#c9d1d9", "input"),
    "conv": ("#8db9e8", "CONV"),
    "pool": ("#f2b48a", "POOL"),
    "fc": ("#9fd3a4", "FC"),
    "join": ("#c5b3e6", "branches joined"),
    "other": ("#e3d9a8", "another layer"),
}
_STYLE = (
    'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}'
    + "".join(
        f".{kind}{{font-size:{size}px;fill:{ink}{';font-weight:600' if bold else ''}}}"
        for kind, (size, bold, ink) in TEXTS.items()
    )
    + f".edge{{stroke:{INK};stroke-opacity:.55;stroke-width:.8;stroke-linejoin:round}}"
    f".way{{fill:none;stroke:{MUTED};stroke-width:1.4}}.next{{stroke-dasharray:5 4}}"
    f".window{{fill:#fff;fill-opacity:.55;stroke:{INK};stroke-width:1}}"
    f".ray{{fill:none;stroke:{INK};stroke-width:.7;stroke-opacity:.75}}"
    f".sign{{fill:none;stroke:{INK};stroke-width:1.4}}"
    f".head{{fill:#fff;stroke:{MUTED};stroke-dasharray:3 2}}"
)


def volumes_svg(book: Ledger, title: str) -> str:
    """The picture of a network's volumes as a standalone SVG file.

    Sides and thickness are those of the volumes on scales that the caption names; what one block stands for is told in
    blocks.py. Every name is escaped; the same ledger and title give the same text.
    """
    blocks = blocks_of(book)
    sides = Scale.of([side for b in blocks for side in (b.volume.height, b.volume.width)], SIDE, ONE_SIDE)
    thickness = Scale.of([b.volume.channels for b in blocks], THICK, ONE_THICK)
    rows = rows_of([Cell.of(block, sides, thickness) for block in blocks])
    width = max(NARROWEST, *(round(row.right) + MARGIN for row in rows))
    top, head = _heading(book, title, blocks, width)
    for at, row in enumerate(rows):
        rows[at] = row.at(top)
        top = rows[at].bottom + CHANNEL
    right = max(row.right for row in rows)
    drawn = [_continued(row, following, right) for row, following in pairwise(rows)]
    for row in rows:
        drawn += _row(row, row is not rows[0])
    for line in _caption(sides, thickness, blocks, width):
        drawn.append(_say(MARGIN, top, line, "note"))
        top += high_of("note")
    height = round(top + 12)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{_plain(title)}: its volumes</title>',
            f'<desc id="desc">{_plain("; ".join(map(_told, blocks)))}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *head,
            *drawn,
            "</svg>\n",
        )
    )


# Words.


def _plain(text: str) -> str:
    return html.escape("".join(letter if letter.isprintable() else " " for letter in text))


def _say(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    """A text whose line begins at y: its letters stand one size lower."""
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y + TEXTS[kind][0]:.1f}"{where}>{_plain(text)}</text>'


def _told(block: Block) -> str:
    """A block in words, for those who cannot see it and where the pointer rests on it."""
    done = " ".join((*block.applied, *block.then))
    said = [f"{block.name}: {done} -> {block.volume}" if done else f"{block.name}: {block.volume}"]
    said += [f"sees {block.sees[0]}x{block.sees[1]}"] if block.sees else []
    said += [f"{block.parameters:,} parameters"] if block.parameters else []
    said += [f"side head {head.name}: {' '.join(head.applied)} -> {head.volume}" for head in block.heads]
    return ", ".join(said)


# Drawing.


def _row(row: Line, continued: bool) -> list[str]:
    drawn: list[str] = []
    for cell in row.cells:
        drawn += _body(cell)
    if continued:
        drawn += _arrow(MARGIN - 14, MARGIN, row.cells[0])
    for last, cell in pairwise(row.cells):
        if cell.block.window:
            drawn += _window(last, cell, cell.block.window)
        drawn += _arrow(last.face(0.5, 0.5)[0], last.left + last.body[0], cell)
    for cell in row.cells:
        drawn += _labels(row, cell)
    return drawn


def _body(cell: Cell) -> list[str]:
    block = cell.block
    sheets = [(cell.left + at * SHEET, min(_THIN, cell.thick)) for at in range(cell.sheets)]
    return [
        f'<g class="block {block.kind}" data-volume="{block.volume}"><title>{_plain(_told(block))}</title>',
        *(_box(cell, *place) for place in (*sheets, (cell.front, cell.thick))),
        "</g>",
    ]


def _box(cell: Cell, x: float, thick: float) -> str:
    """The three faces that are seen of a box so thick, its front beginning at x."""
    (dx, dy), high, y = cell.slant, cell.high, cell.floor - cell.high
    colour = _COLOURS[cell.block.kind][0]
    faces = (
        ("side", 0.35, f"M{x + thick:.1f},{y:.1f}l{dx:.1f},{-dy:.1f}v{high:.1f}l{-dx:.1f},{dy:.1f}z"),
        ("above", 0.6, f"M{x:.1f},{y:.1f}l{dx:.1f},{-dy:.1f}h{thick:.1f}l{-dx:.1f},{dy:.1f}z"),
        ("front", 0.0, f"M{x:.1f},{y:.1f}h{thick:.1f}v{high:.1f}h{-thick:.1f}z"),
    )
    return "".join(f'<path class="edge {n}" fill="{_lighter(colour, share)}" d="{d}"/>' for n, share, d in faces)


def _lighter(colour: str, share: float) -> str:
    return "#" + bytes(round(part + (255 - part) * share) for part in bytes.fromhex(colour[1:])).hex()


def _window(last: Cell, cell: Cell, window: tuple[int, int]) -> list[str]:
    """The window, and where it leads."""
    places = corners(last, window)
    y = cell.axis - cell.body[1] * 0.2
    x = cell.edge(y)
    rays = "".join(f"M{right:.1f},{at:.1f}L{x:.1f},{y:.1f}" for right, at in places[1:3])
    outline = "L".join(f"{across:.1f},{down:.1f}" for across, down in places)
    return [
        f'<path class="window" d="M{outline}z"/><path class="ray" d="{rays}"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8" fill="{INK}"/>',
    ]


def _arrow(start: float, free: float, cell: Cell) -> list[str]:
    """The way to a block, from `start` on; what is said of it stands between `free` and the block."""
    tip = cell.edge(cell.axis) - 1
    middle = (free + cell.left) / 2
    drawn = [
        f'<path class="way" d="M{start:.1f},{cell.axis:.1f}H{tip - 5:.1f}"/>',
        f'<path fill="{MUTED}" d="M{tip:.1f},{cell.axis:.1f}l-8,-4v8z"/>',
    ]
    y = cell.axis + 8 + cell.drop
    for kind, text in cell.step:
        drawn.append(_say(middle, y, text, kind, "middle"))
        y += high_of(kind)
    return drawn + _sketch(cell.block, middle, cell.axis - 10)


def _labels(row: Line, cell: Cell) -> list[str]:
    drawn: list[str] = []
    y = row.labels
    for kind, text in cell.said:
        drawn.append(_say(cell.x, y, text, kind, "middle"))
        y += high_of(kind)
    if cell.head:
        x, wide = cell.x - cell.labels / 2, cell.labels
        high = len(cell.head) * high_of("then") + 10
        drawn.append(
            f'<path class="way next" d="M{cell.front + cell.thick / 2:.1f},{cell.floor:.1f}V{row.labels - 6:.1f}'
            f'H{x + 4:.1f}V{row.heads:.1f}"/>'
            f'<rect class="head" x="{x:.1f}" y="{row.heads:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="3"/>'
        )
        for at, line in enumerate(cell.head):
            drawn.append(_say(cell.x, row.heads + 4 + at * high_of("then"), line, "then", "middle"))
    return drawn


def _continued(row: Line, following: Line, right: float) -> str:
    """The way from the end of one row to the beginning of the next."""
    last, below = row.cells[-1], row.bottom + CHANNEL / 2
    return (
        f'<path class="way next" d="M{last.face(0.5, 0.5)[0]:.1f},{last.axis:.1f}H{right + 14:.1f}V{below:.1f}'
        f'H{MARGIN - 14}V{following.cells[0].axis:.1f}"/>'
    )


# Around the blocks.


def _heading(book: Ledger, title: str, blocks: Sequence[Block], width: int) -> tuple[float, list[str]]:
    """Title, totals and legend, and where they end."""
    room = width - 2 * MARGIN
    wide, high = book.field_before_classifier
    totals = [
        f"{book.parameters:,} parameters",
        f"{figures(book.macs)} MACs",
        f"depth {book.depth}",
        f"receptive field {wide}x{high}",
        f"input {book.input}",
        f"output {book.output}",
        f"{len(book.trunk):,} {'layer' if len(book.trunk) == 1 else 'layers'}",
    ]
    drawn = [_say(MARGIN, 20, fitted(title, "headline", room), "headline")]
    y = 58.0
    for line in lines_of(totals, "totals", room, "  ·  "):
        drawn.append(_say(MARGIN, y, line, "totals"))
        y += high_of("totals")
    x, y = float(MARGIN), y + 8
    for kind, (colour, text) in _COLOURS.items():
        if any(block.kind == kind or any(kind == k for b in block.branches for k, _ in b.boxes) for block in blocks):
            drawn.append(f'<rect class="edge" x="{x:.1f}" y="{y + 1.5:.1f}" width="13" height="13" fill="{colour}"/>')
            drawn.append(_say(x + 19, y, text, "note"))
            x += 19 + wide_of(text, "note") + 22
    return y + 40, drawn


def _caption(sides: Scale, thickness: Scale, blocks: Sequence[Block], width: int) -> tuple[str, ...]:
    text = (
        f"To scale: a block's height and depth grow with the {ROOTS[sides.root]} root of its volume's height and "
        f"width, its thickness with the {ROOTS[thickness.root]} root of its channels. Sizes are width x height x "
        "depth; 'sees' is how many pixels of the input one neuron sees."
    )
    if any(block.window for block in blocks):
        text += " The small square is the window that one neuron reads."
    if any(block.count > 1 for block in blocks):
        text += " Sheets in front of a block: it stands for several layers, of which the last one's volume is drawn."
    if any(block.branches for block in blocks):
        text += " A sketch shows the branches of the last module, with the windows' sizes in its boxes"
        depthwise = any(said.startswith("dw ") for b in blocks for branch in b.branches for _, said in branch.boxes)
        text += "; dw is depthwise." if depthwise else "."
    if any(block.heads for block in blocks):
        text += " Dashed boxes are side heads: trained with the network, and no part of its totals or its output."
    return lines_of(text.split(), "note", width - 2 * MARGIN)


# The sketch of a module's branches.


def _sketch(block: Block, middle: float, bottom: float) -> list[str]:
    """The branches side by side, from the fork on the left to the sign of their join on the right."""
    if not block.branches:
        return []
    wide, high = sketch_size(block)
    left, right, top = middle - wide / 2, middle + wide / 2, bottom - high
    branches = shown(block)
    ys = [top + PITCH * (at + 0.5) for at in range(len(branches))]
    centre, fork, join = (ys[0] + ys[-1]) / 2, left + 6, right - 22
    wires = f"M{left:.1f},{centre:.1f}H{fork:.1f}M{join:.1f},{centre:.1f}h8"
    wires += "".join(f"M{x:.1f},{ys[0]:.1f}V{ys[-1]:.1f}" for x in (fork, join))
    wires += "".join(f"M{fork:.1f},{y:.1f}H{join:.1f}" for y in ys)
    drawn = [f'<path fill="none" stroke="{_FAINT}" d="{wires}"/>']
    for y, boxes in zip(ys, branches, strict=True):
        x = (fork + join) / 2 - sum(box_wide(text) + GAP for _, text in boxes) / 2 + GAP / 2
        for kind, text in boxes:
            drawn.append(
                f'<rect class="edge" x="{x:.1f}" y="{y - BOX / 2:.1f}" width="{box_wide(text):.1f}" height="{BOX}" '
                f'rx="2" fill="{_lighter(_COLOURS[kind][0], 0.35)}"/>'
            )
            drawn.append(_say(x + box_wide(text) / 2, y - 6.5, text, "box", "middle"))
            x += box_wide(text) + GAP
    x, cross = right - 7, "h4h-8" if block.sign == "+" else ""
    drawn.append(f'<circle cx="{x:.1f}" cy="{centre:.1f}" r="7" fill="#fff" stroke="{MUTED}"/>')
    return [*drawn, f'<path class="sign" d="M{x:.1f},{centre - 4:.1f}v8v-4{cross}"/>']
