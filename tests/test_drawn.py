"""The three drawn pictures that a model file is proven with."""

from io import BytesIO

from data_makers import encoded
from PIL import Image

from torchbeam.data.decode import decode
from torchbeam.data.drawn import drawn_pictures


def near(own: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(one - two) for one, two in zip(own, other, strict=True)) <= 1


def test_they_are_three_png_files_and_the_same_on_every_call():
    pictures = drawn_pictures()
    assert len(pictures) == 3
    assert all(content.startswith(b"\x89PNG\r\n\x1a\n") for content in pictures)
    assert pictures == drawn_pictures()
    assert sum(len(content) for content in pictures) < 50_000  # they travel in every model file


def test_they_differ_in_shape_and_kind():
    seen = [decode(content, "drawn") for content in drawn_pictures()]
    assert [picture.mode for picture in seen] == ["RGB", "L", "RGB"]
    shapes = [picture.width / picture.height for picture in seen]
    assert shapes[0] > 1 > shapes[1]
    assert shapes[2] == 1


def test_the_colours_are_where_they_were_drawn():
    colour, grey, clear = (decode(content, "drawn") for content in drawn_pictures())
    assert colour.getpixel((0, 0)) == (30, 60, 120)
    assert colour.getpixel((57, 52)) == (230, 180, 40)  # the middle of the disc
    assert colour.getpixel((130, 90)) == (200, 40, 60)  # in the box
    assert grey.getpixel((10, 20)) == 255  # where the white line begins
    assert grey.getpixel((75, 15)) == 0  # where the black one does
    assert clear.getpixel((0, 0)) == (255, 255, 255)  # nothing drawn: white
    assert clear.getpixel((64, 76)) == (20, 20, 20)
    # 200 parts of (40, 160, 90) and 55 of white, of 255
    assert near(clear.getpixel((64, 108)), (86, 180, 126))


def test_the_grey_one_uses_nearly_all_shades():
    low, high = decode(drawn_pictures()[1], "drawn").getextrema()
    assert (low, high) == (0, 255)
    assert len(decode(drawn_pictures()[1], "drawn").getcolors()) > 100


def test_the_third_would_look_different_on_black():
    third = drawn_pictures()[2]
    held = Image.open(BytesIO(third))
    assert held.mode == "RGBA"
    assert held.getpixel((0, 0))[3] == 0
    assert encoded(decode(third, "drawn")) != encoded(held.convert("RGB"))
