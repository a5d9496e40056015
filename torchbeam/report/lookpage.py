"""A page of looks: every picture with its caption, and maps that tell, under the pointer, what each position saw and
its number. One offline HTML file without code: what appears, the style sheet shows."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.report.offline import document, section, text

SIDE = 448  # pixels of the page that a picture is wide, at least
MOST_CELLS = 4_096  # of a map that can be pointed at; a finer one is thinned out


@dataclass(frozen=True, slots=True, eq=False)
class Pointed:
    """A map that is pointed at. values: rows x columns. boxes: of each position (left, top, right, bottom) in pixels of
    the picture, shape rows x columns x 4. places: where each cell lies, in the same pixels and shape. what: of the
    number, as in 'probability lost'."""

    picture_HWC: NDArray[np.uint8]
    values: NDArray[np.floating]
    boxes: NDArray[np.int64]
    places: NDArray[np.float64]
    what: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One look on the page. png: its picture's bytes; gif: an animated one's, or none."""

    title: str
    caption: str
    png: bytes
    gif: bytes = b""
    pointed: Pointed | None = None


def look_page(title: str, looks: Sequence[Shown]) -> str:
    """The whole page as HTML."""
    parts = [f"<header>\n<h1>{text(title)}</h1>\n</header>"]
    parts += [section(look.title, _shown(look)) for look in looks]
    return document(title, "\n".join(parts), _STYLE)


_STYLE = """.look img{max-width:100%;height:auto}
.pointed{position:relative;display:inline-block;margin:12px 0 28px}
.pointed>img{display:block;image-rendering:pixelated}
.pointed>i{position:absolute;display:block}
.pointed>i>b{display:none}
.pointed>i:hover{outline:1px solid #fff;z-index:2}
.pointed>i:hover>b{display:block;position:absolute;border:2px solid #d9822b;box-sizing:border-box;pointer-events:none}
.pointed>i:hover>b>u{position:absolute;left:0;top:100%;background:#1f2933;color:#fff;font:13px system-ui;
padding:1px 5px;text-decoration:none;white-space:nowrap;font-style:normal}
"""


def _shown(look: Shown) -> str:
    lines = [f'<div class="look"><img src="data:image/png;base64,{base64.b64encode(look.png).decode()}" alt=""></div>']
    if look.gif:
        lines.append(f'<img src="data:image/gif;base64,{base64.b64encode(look.gif).decode()}" alt="">')
    lines.append(f"<p>{text(look.caption)}</p>")
    if look.pointed is not None:
        lines.append("<p>Point at a position: the frame is what it saw, the number is its own.</p>")
        lines.append(_cells(look.pointed))
    return "\n".join(lines)


def _cells(made: Pointed) -> str:
    """The picture with a cell over each position: its frame and number appear under the pointer."""
    height, width = made.picture_HWC.shape[:2]
    grown = max(1, -(-SIDE // width))
    held = io.BytesIO()
    Image.fromarray(made.picture_HWC).save(held, format="PNG")
    rows, columns = made.values.shape
    step = max(1, int(np.ceil(np.sqrt(rows * columns / MOST_CELLS))))
    largest = float(np.abs(made.values).max()) or 1.0
    cells = []
    for row in range(0, rows, step):
        for column in range(0, columns, step):
            left, top, right, bottom = (made.places[row, column] * grown).tolist()
            box = (made.boxes[row, column] * grown).tolist()
            value = float(made.values[row, column])
            share = value / largest
            colour = f"rgba(217,130,43,{0.65 * share:.2f})" if share > 0 else f"rgba(47,111,178,{-0.65 * share:.2f})"
            cells.append(
                f'<i style="left:{left:.0f}px;top:{top:.0f}px;width:{right - left:.0f}px;height:{bottom - top:.0f}px;'
                f'background:{colour}"><b style="left:{box[0] - left:.0f}px;top:{box[1] - top:.0f}px;'
                f'width:{box[2] - box[0]:.0f}px;height:{box[3] - box[1]:.0f}px"><u>{value:.4g} {text(made.what)}, row '
                f"{row}, column {column}</u></b></i>"
            )
    picture = base64.b64encode(held.getvalue()).decode()
    return (
        f'<div class="pointed"><img src="data:image/png;base64,{picture}" width="{width * grown}" '
        f'height="{height * grown}" alt="">{"".join(cells)}</div>'
    )
