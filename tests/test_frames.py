"""Frames are counted as Pillow counts them, and in files made to be counted for ever."""

from io import BytesIO

import pytest
from data_makers import drawn, encoded
from hostile_pictures import grey_tiff, in_a_circle
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from torchbeam.data.frames import frames

MANY = {"save_all": True, "append_images": [drawn(2), drawn(3), drawn(4)]}


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_four_frames_are_four_as_pillow_counts_them(form):
    content = encoded(drawn(1), form, **MANY)
    assert frames(opened(content), content) == opened(content).n_frames == 4


def test_a_big_tiff_and_a_big_endian_one_are_counted():
    content = encoded(drawn(1), "TIFF", big_tiff=True, **MANY)
    assert frames(opened(content), content) == opened(content).n_frames == 4
    content = grey_tiff(bytes(6), (3, 2), big_endian=True)
    assert frames(opened(content), content) == 1


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "JPEG", "BMP", "PPM", "MPO"])
def test_a_picture_alone_is_one_frame(form):
    content = encoded(drawn(1), form)
    assert frames(opened(content), content) == 1


def test_a_gif_with_remarks_and_palettes_of_its_frames():
    content = encoded(drawn(1), "GIF", comment=b"c" * 700, loop=3, duration=[10, 20, 30, 40], **MANY)
    assert frames(opened(content), content) == opened(content).n_frames == 4


def test_pages_in_a_circle_are_counted_once():
    content = in_a_circle(grey_tiff(bytes(6), (3, 2)))
    assert frames(opened(content), content) == 1


@given(
    st.sampled_from([b"GIF89a\1\0\1\0\x80\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0"]), st.data()
)
def test_any_bytes_are_counted_through(head, data):
    image = Image.new("L", (1, 1))
    image.format = "GIF" if head.startswith(b"G") else "TIFF"
    noise = data.draw(st.binary(max_size=200))
    assert 1 <= frames(image, head + noise) <= 200
