import io
import re

import numpy as np
from PIL import Image

from torchbeam.report.lookpage import MOST_CELLS, Pointed, Shown, look_page


def png():
    held = io.BytesIO()
    Image.new("RGB", (4, 4)).save(held, format="PNG")
    return held.getvalue()


def pointed(rows, columns):
    values = np.arange(rows * columns, dtype=float).reshape(rows, columns) - 1
    boxes = np.zeros((rows, columns, 4), np.int64)
    boxes[..., 2:] = 8
    return Pointed(np.zeros((8, 8, 3), np.uint8), values, boxes, boxes.astype(float), "<lost>")


def test_each_cell_has_its_frame_and_its_number():
    page = look_page("a < b", [Shown("Title", "a caption & more", png(), pointed=pointed(2, 2))])
    assert "<h1>a &lt; b</h1>" in page and "a caption &amp; more" in page
    assert re.findall(r"<u>(\S+) &lt;lost&gt;, row (\d), column (\d)</u>", page) == [
        ("-1", "0", "0"),
        ("0", "0", "1"),
        ("1", "1", "0"),
        ("2", "1", "1"),
    ]
    # The picture of 8 pixels is drawn 56 times as large: its frame of 8 is 448 wide.
    assert page.count("width:448px;height:448px") >= 4


def test_a_fine_map_is_thinned_out():
    page = look_page("x", [Shown("t", "c", png(), pointed=pointed(100, 100))])
    assert 0 < page.count("<u>") <= MOST_CELLS


def test_a_moving_picture_is_shown_too():
    assert "data:image/gif;base64," in look_page("x", [Shown("t", "c", png(), gif=b"GIF89a")])
