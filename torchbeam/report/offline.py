"""What every page is made of that needs no network: the frame around it, sections, and pictures as text."""

import base64
import html
from importlib.resources import files
from io import BytesIO

from PIL import Image

PICTURE_PIXELS = 160
SMALL = 64  # pixels up to which a picture is kept exactly; larger ones are JPEGs, a tenth of the size


def document(title: str, body: str, style: str = "") -> str:
    """A whole page; it may show its own pictures and nothing else, and runs no code. style: CSS beside the common."""
    common = files("torchbeam.report").joinpath("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{text(title)}</title>\n<style>\n{common}{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def text(value: str) -> str:
    """Text as HTML: nothing in it can become markup, and bytes of names that are no text are shown as such."""
    return html.escape(value.encode("utf-8", "backslashreplace").decode("utf-8"))


def section(title: str, content: str) -> str:
    """A part of the page under a title, which is text; content is HTML."""
    return f"<section>\n<h2>{text(title)}</h2>\n{content}\n</section>"


def cards(pairs: list[tuple[str, str]]) -> str:
    """Large figures, each with what it is, both as text."""
    inside = "".join(f'<div class="card"><b>{text(big)}</b><span>{text(small)}</span></div>' for big, small in pairs)
    return f'<div class="cards">{inside}</div>'


def inline(picture: Image.Image, largest: int = PICTURE_PIXELS) -> str:
    """An <img> of the picture: scaled down to `largest` pixels, small ones enlarged in whole pixels by the page."""
    small = picture.copy()
    small.thumbnail((largest, largest))
    held = BytesIO()
    form, options = ("PNG", {"optimize": True}) if max(small.size) <= SMALL else ("JPEG", {"quality": 85})
    small.save(held, form, **options)
    data = base64.b64encode(held.getvalue()).decode()
    grown = max(1, largest // max(small.size))
    size = f'width="{small.width * grown}" height="{small.height * grown}"'
    return f'<img src="data:image/{form.lower()};base64,{data}" {size} alt="">'
