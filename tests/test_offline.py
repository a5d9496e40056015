"""What pages are made of."""

import base64
import os
from io import BytesIO

from check_makers import scene
from PIL import Image

from torchbeam.report.offline import cards, document, inline, section, text


def test_a_page_loads_nothing_and_runs_nothing():
    page = document("<title>", "<p>body</p>", ".own{color:red}")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "<title>&lt;title&gt;</title>" in page and ".own{color:red}" in page and "<p>body</p>" in page
    assert page.startswith("<!doctype html>") and "script" not in page


def test_text_cannot_become_markup():
    nasty = "<script>\"&'"
    assert text(nasty) == "&lt;script&gt;&quot;&amp;&#x27;"
    assert section(nasty, "<p>kept</p>") == f"<section>\n<h2>{text(nasty)}</h2>\n<p>kept</p>\n</section>"
    assert text(nasty) in cards([(nasty, nasty)])
    text(os.fsdecode(b"caf\xe9")).encode("utf-8")


def shown(markup: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(markup.split("base64,")[1].split('"')[0])))


def test_small_pictures_are_kept_exactly_and_enlarged_in_whole_pixels():
    small = scene(0, (30, 20))
    markup = inline(small, 160)
    assert shown(markup).format == "PNG" and shown(markup).tobytes() == small.tobytes()
    assert 'width="150" height="100"' in markup


def test_large_pictures_are_scaled_down():
    markup = inline(scene(0, (400, 200)), 160)
    assert shown(markup).format == "JPEG" and shown(markup).size == (160, 80)
    assert 'width="160" height="80"' in markup
    assert shown(inline(scene(0, (400, 200)).convert("L"), 160)).mode == "L"
