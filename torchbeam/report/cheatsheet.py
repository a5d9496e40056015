"""The cheat sheet of activations: for a terminal in Braille dots, as one SVG file, and as plain data."""

import html
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from textwrap import wrap

from torchbeam.design.activations import ACTIVATIONS, Curve

Point = tuple[float, float]
Function = Callable[[float], float]

REACH = 4.0
# Drawn further out than the others: what sets it apart from RELU lies at 6.
_REACHES = {"RELU6": 8.0}


def as_json() -> list[dict[str, str | float | None]]:
    """Everything the sheet says but the drawings, one dict for each activation in its order."""
    return [
        {
            "name": curve.name,
            "title": curve.title,
            "formula": curve.formula,
            "derivative": curve.derivative,
            "source": curve.source,
            "number": curve.number,
            "default": curve.default,
        }
        for curve in ACTIVATIONS.values()
    ]


# What both drawings need: a curve as unbroken lines, and how far up and down it goes.


def _functions(curve: Curve) -> tuple[Function, Function]:
    """f and f' with the number the activation has when none is said."""
    number = curve.default or 0.0
    return (lambda x: curve.f(x, number)), (lambda x: curve.df(x, number))


def _reach(curve: Curve) -> float:
    return _REACHES.get(curve.name, REACH)


def _jump(function: Function, left: float, right: float) -> tuple[float, float] | None:
    """The two numbers, as close as halving brings them, between which the function jumps; None where it does not."""
    for _ in range(60):
        if abs(function(right) - function(left)) < 1e-3:
            return None
        middle = (left + right) / 2
        if abs(function(middle) - function(left)) > abs(function(right) - function(middle)):
            right = middle
        else:
            left = middle
    return left, right


def _pieces(function: Function, reach: float, steps: int) -> list[list[Point]]:
    """The graph over [-reach, reach] in even steps, as one line from jump to jump."""
    xs = [reach * (2 * step / steps - 1) for step in range(steps + 1)]
    pieces = [[(xs[0], function(xs[0]))]]
    for left, right in pairwise(xs):
        if jump := _jump(function, left, right):
            before, after = jump
            pieces[-1].append((before, function(before)))
            pieces.append([(after, function(after))])
        pieces[-1].append((right, function(right)))
    return pieces


def _range(pieces: list[list[Point]]) -> tuple[float, float]:
    """The nearest halves that hold 0 and every value."""
    values = [0.0, *(y for piece in pieces for _, y in piece)]
    low, high = math.floor(2 * min(values) + 1e-9) / 2, math.ceil(2 * max(values) - 1e-9) / 2
    return (low, high) if low < high else (0.0, 1.0)


def _figure(number: float) -> str:
    return f"{number:g}".replace("-", "−")


def _said(curve: Curve) -> list[tuple[str, str]]:
    """The lines under an activation's name, each with its label."""
    lines = [("f(x)", curve.formula), ("f′(x)", curve.derivative)]
    if curve.default is not None:
        symbol, _, meaning = curve.number.partition(", ")
        lines.append((symbol, f"{meaning}; {_figure(curve.default)} unless said"))
    return [*lines, ("from", curve.source)] if curve.source else lines


# In a terminal.

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of one Braille sign, row by row
_BLANK = 0x2800
_ROWS = 5
_LABEL = 5
_GAP = "  "
NARROWEST = 40


def as_text(width: int = 100) -> str:
    """The sheet for a terminal of so many columns, 40 at least; under 72 the drawings stand below their text."""
    width = max(width, NARROWEST)
    head = (
        f"{len(ACTIVATIONS)} activations. Beside each, its curve f(x) and its derivative f′(x); "
        "where a curve bends, the derivative is the one training takes."
    )
    blocks = ["\n".join(_block(curve, width)) for curve in ACTIVATIONS.values()]
    return "\n\n".join(["\n".join(wrap(head, width)), *blocks]) + "\n"


def _block(curve: Curve, width: int) -> list[str]:
    columns = max(13, min(20, width // 5))
    f, df = _functions(curve)
    panels = zip(_panel("f(x)", f, _reach(curve), columns), _panel("f′(x)", df, _reach(curve), columns), strict=True)
    drawn = [left + _GAP + right for left, right in panels]
    if width < 72:
        return [*_words(curve, width), *(line.rstrip() for line in drawn)]
    room = width - len(drawn[0]) - len(_GAP)
    words = _words(curve, room)
    words += [""] * (len(drawn) - len(words))
    drawn += [""] * (len(words) - len(drawn))
    return [f"{said:<{room}}{_GAP}{dots}".rstrip() for said, dots in zip(words, drawn, strict=True)]


def _words(curve: Curve, room: int) -> list[str]:
    lines = wrap(f"{curve.name}  {curve.title}", room, subsequent_indent="  ")
    for label, text in _said(curve):
        lines += wrap(f"{label:<7}{text}", room, subsequent_indent=" " * 7, break_on_hyphens=False)
    return lines


def _panel(heading: str, function: Function, reach: float, columns: int) -> list[str]:
    """A drawing with its heading above, the range of y to its left and that of x below, all lines equally long."""
    pieces = _pieces(function, reach, 2 * columns - 2)
    low, high = _range(pieces)
    labels = [_figure(high), *[""] * (_ROWS - 2), _figure(low)]
    lines = [f"{label:>{_LABEL - 1}} {line}" for label, line in zip(labels, dots(pieces, reach, columns), strict=True)]
    ends = f"{_figure(-reach)}{_figure(reach):>{columns - 2}}"
    return [f"{'':{_LABEL}}{heading:^{columns}}", *lines, f"{'':{_LABEL}}{ends}"]


def dots(pieces: list[list[Point]], reach: float, columns: int) -> list[str]:
    """Five lines of Braille: the pieces as lines, the two axes as every other dot."""
    # The last column and row of dots stay dark, so that 0 has a dot of its own halfway between -reach and reach.
    wide, high = 2 * columns - 2, 4 * _ROWS - 2
    bottom, top = _range(pieces)

    def place(point: Point) -> tuple[int, int]:
        x, y = point
        return round((x + reach) / (2 * reach) * wide), round((top - y) / (top - bottom) * high)

    across, down = place((0.0, 0.0))
    lit = {(column, down) for column in range(0, wide + 1, 2)} | {(across, row) for row in range(0, high + 1, 2)}
    for piece in pieces:
        for start, end in pairwise(map(place, piece)):
            lit |= _line(start, end)
    return [
        "".join(
            chr(_BLANK + sum(_DOTS[y][x] for y in range(4) for x in range(2) if (2 * column + x, 4 * row + y) in lit))
            for column in range(columns)
        )
        for row in range(_ROWS)
    ]


def _line(start: tuple[int, int], end: tuple[int, int]) -> set[tuple[int, int]]:
    """The dots from one to the other, both included."""
    (x0, y0), (x1, y1) = start, end
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    return {(round(x0 + (x1 - x0) * s / steps), round(y0 + (y1 - y0) * s / steps)) for s in range(steps + 1)}


# As an SVG file. All lengths are in pixels.

_ACROSS = 4
_WIDE = 316  # a cell; it is as high as the words in its row ask for
_MARGIN = 18
_HEAD = 70
_PLOT = (46, 64, 254, 136)  # left, top, width, height inside a cell
_LINE = 17
_LETTERS = 38  # that fit beside a label in any of the fonts
_STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1f2933; }
.sheet { fill: #f5f7fa; }
.card { fill: #ffffff; stroke: #e4e7eb; }
.headline { font-size: 24px; font-weight: 600; }
.name { font-size: 16px; font-weight: 600; }
.title, .said, .key { font-size: 13px; }
.title, .label { fill: #52606d; }
.label { font-size: 12px; font-style: italic; }
.tick { font-size: 11px; fill: #52606d; }
.grid { stroke: #eef1f4; }
.axis { stroke: #7b8794; }
.curve { fill: none; stroke: #2f6fb2; stroke-width: 2.5; stroke-linejoin: round; }
.slope { fill: none; stroke: #c8691c; stroke-width: 2; stroke-dasharray: 6 4; stroke-linejoin: round; }
"""


def as_svg() -> str:
    """The sheet as one SVG file that needs nothing else: a grid of plots on a background of its own."""
    curves = list(ACTIVATIONS.values())
    cells, below = [], _HEAD
    for start in range(0, len(curves), _ACROSS):
        row = curves[start : start + _ACROSS]
        high = _PLOT[1] + _PLOT[3] + 36 + _LINE * max(len(_under(curve)) for curve in row)
        cells += [_cell(curve, _MARGIN + _WIDE * column, below, high) for column, curve in enumerate(row)]
        below += high
    width, height = 2 * _MARGIN + _ACROSS * _WIDE, below + _MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label="Activation functions and their derivatives">',
            f"<style>{_STYLE}</style>",
            f'<rect class="sheet" width="{width}" height="{height}"/>',
            f'<text class="headline" x="{_MARGIN + 8}" y="44">Activation functions</text>',
            _key(width - _MARGIN - 288),
            *cells,
            "</svg>\n",
        )
    )


def _key(x: int) -> str:
    return (
        f'<path class="curve" d="M{x},39h36"/><text class="key" x="{x + 44}" y="44">f(x)</text>'
        f'<path class="slope" d="M{x + 90},39h36"/><text class="key" x="{x + 134}" y="44">f′(x), its derivative</text>'
    )


def _under(curve: Curve) -> list[tuple[str, str]]:
    """The lines under a plot; one that was broken has its label before its first part only."""
    lines = []
    for label, text in _said(curve):
        first, *rest = wrap(text, _LETTERS, break_on_hyphens=False)
        lines += [(label, first), *(("", more) for more in rest)]
    return lines


def _cell(curve: Curve, x: int, y: int, high: int) -> str:
    left, top, _, height = _PLOT
    said = []
    for row, (label, line) in enumerate(_under(curve)):
        down = top + height + 38 + _LINE * row
        said.append(f'<text class="said label" x="14" y="{down}">{label}</text>')
        said.append(f'<text class="said" x="{left}" y="{down}">{html.escape(line)}</text>')
    return "\n".join(
        (
            f'<g id="{curve.name.lower()}" class="activation" transform="translate({x} {y})">',
            f'<rect class="card" x="4.5" y="4.5" width="{_WIDE - 9}" height="{high - 9}" rx="8"/>',
            f'<text class="name" x="14" y="28">{curve.name}</text>',
            f'<text class="title" x="14" y="46">{html.escape(curve.title)}</text>',
            *_plot(curve),
            *said,
            "</g>",
        )
    )


def _plot(curve: Curve) -> list[str]:
    left, top, width, height = _PLOT
    reach = _reach(curve)
    graphs = [_pieces(function, reach, 120) for function in _functions(curve)]
    low, high = _range([piece for pieces in graphs for piece in pieces])

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x + reach) / (2 * reach) * width, top + (high - y) / (high - low) * height

    rules, lines = [], []
    for x in _ticks(-reach, reach):
        across, _ = place(x, 0)
        rules.append((x == 0, f"M{across:g},{top}v{height}"))
        lines.append(_tick(across, top + height + 15, x, "middle"))
    for y in _ticks(low, high):
        _, down = place(0, y)
        rules.append((y == 0, f"M{left},{down:g}h{width}"))
        lines.append(_tick(left - 6, down + 4, y, "end"))
    lines += [f'<path class="{"axis" if zero else "grid"}" d="{path}"/>' for zero, path in sorted(rules)]
    # The derivative goes on top: its gaps let the curve be seen where the two are one.
    for name, pieces in zip(("curve", "slope"), graphs, strict=True):
        lines += [f'<path class="{name}" d="{_path([place(*point) for point in piece])}"/>' for piece in pieces]
    return lines


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, 3 to 6 of them."""
    step = next(step for step in (0.25, 0.5, 1.0, 2.0, 4.0) if (high - low) / step <= 5)
    return [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(x: float, y: float, number: float, anchor: str) -> str:
    return f'<text class="tick" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{_figure(number)}</text>'


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
