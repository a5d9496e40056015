"""Masks in files: stored values to classes."""

import numpy as np
import pytest
from data_makers import drawn, encoded
from PIL import Image

from torchbeam.data.maskfiles import MaskFiles, stored_values
from torchbeam.data.records import IGNORE, NOTHING
from torchbeam.errors import PictureError

VALUES = np.array([[0, 1, 2], [2, 255, 0]], dtype=np.uint8)
MEANS = {0: NOTHING, 1: 1, 2: 2, 255: IGNORE}
MASK = [[0, 1, 2], [2, -1, 0]]


def palette_image(values):
    image = Image.frombytes("P", values.shape[::-1], values.tobytes())
    image.putpalette([(7 * shade) % 256 for shade in range(768)])
    return image


def masks(tmp_path, image, values=MEANS, colours=None, suffix=".png", **options):
    image.save(tmp_path / f"mask{suffix}", **options)
    return MaskFiles(tmp_path, (f"mask{suffix}", ""), values, colours or {})


@pytest.mark.parametrize(
    "image",
    [
        palette_image(VALUES),
        Image.fromarray(VALUES),
        Image.fromarray(VALUES.astype(np.uint16)),
        Image.fromarray(np.stack([VALUES] * 3, axis=2)),
        Image.fromarray(np.stack([VALUES] * 4, axis=2)),
        Image.fromarray(VALUES).convert("LA"),
    ],
    ids=["palette", "grey", "16 bits", "equal channels", "with alpha", "grey with alpha"],
)
def test_values_are_read_as_they_are_stored(tmp_path, image):
    mask = masks(tmp_path, image).mask(0)
    assert mask.dtype == np.int32
    assert mask.tolist() == MASK


def test_a_mask_of_one_bit(tmp_path):
    image = Image.fromarray(VALUES == 1)
    assert masks(tmp_path, image, {0: NOTHING, 1: 1}).mask(0).tolist() == [[0, 1, 0], [0, 0, 0]]


def test_values_above_a_byte(tmp_path):
    image = Image.fromarray(VALUES.astype(np.uint16) * 257)
    assert masks(tmp_path, image, {257 * stored: means for stored, means in MEANS.items()}).mask(0).tolist() == MASK


def test_masks_are_turned_upright_as_pictures_are(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # lies on its left side
    assert masks(tmp_path, palette_image(VALUES), exif=exif).mask(0).tolist() == [[2, 0], [-1, 1], [0, 2]]


def test_colours_are_read_by_the_list_that_tells_them(tmp_path):
    shades = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 9]], dtype=np.uint8)
    image = Image.fromarray(shades[np.array([[0, 1], [2, 1]])])
    colours = {0: 0, 128 << 16: 1, 128 << 8 | 9: 2}
    assert masks(tmp_path, image, MEANS, colours).mask(0).tolist() == [[0, 1], [2, 1]]
    # A palette in another order than the list's, as programs that pack pictures leave it.
    packed = image.quantize(4)
    assert masks(tmp_path, packed, MEANS, colours).mask(0).tolist() == [[0, 1], [2, 1]]


def test_a_palette_whose_colours_nobody_listed_is_read_by_index(tmp_path):
    assert masks(tmp_path, palette_image(VALUES), MEANS, {1: 2}).mask(0).tolist() == MASK


def test_values_without_a_class_are_named(tmp_path):
    image = Image.fromarray(np.arange(3, 19, dtype=np.uint8).reshape(4, 4))
    with pytest.raises(PictureError, match=r"^mask.png has values that name no class") as caught:
        masks(tmp_path, image).mask(0)
    assert caught.value.expected == "0, 1, 2, 255"
    assert caught.value.got == "3, 4, 5, 6, 7 and 11 more"


def test_a_picture_without_a_mask(tmp_path):
    with pytest.raises(PictureError, match=r"^picture 1 has no mask"):
        masks(tmp_path, palette_image(VALUES)).mask(1)


def test_a_missing_file(tmp_path):
    with pytest.raises(PictureError, match=r"^cannot read .*gone.png"):
        MaskFiles(tmp_path, ("gone.png",), MEANS).mask(0)


@pytest.mark.parametrize("content", [b"", b"text", encoded(drawn(1))[:60], b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture(content):
    with pytest.raises(PictureError, match=r"^the mask a.png cannot be read"):
        stored_values(content, "a.png")


def test_a_wrong_check_sum():
    content = bytearray(encoded(Image.fromarray(VALUES)))
    content[content.index(b"IDAT") + 6] ^= 1
    with pytest.raises(PictureError, match=r"^the mask a.png cannot be read"):
        stored_values(bytes(content), "a.png")


def test_a_mask_that_claims_too_much():
    content = encoded(Image.new("1", (9000, 9000)))
    with pytest.raises(PictureError, match=r"^the mask a.png is too large") as caught:
        stored_values(content, "a.png")
    assert caught.value.got == "9000x9000"


def test_colours_that_nobody_explains():
    with pytest.raises(PictureError, match=r"^the mask a.png has colours, and nothing says what they mean") as caught:
        stored_values(encoded(drawn(1)), "a.png")
    assert "index masks" in caught.value.remedy


def test_a_colour_that_is_not_listed():
    image = Image.new("RGB", (3, 2), (1, 2, 3))
    image.putpixel((2, 1), (4, 5, 6))
    with pytest.raises(PictureError, match=r"^the mask a.png has colours that name no class") as caught:
        stored_values(encoded(image), "a.png", {1 << 16 | 2 << 8 | 3: 1})
    assert caught.value.got == "(4, 5, 6)"


@pytest.mark.parametrize(("image", "suffix"), [(Image.new("F", (3, 2)), "TIFF"), (Image.new("CMYK", (3, 2)), "TIFF")])
def test_other_kinds_of_pixels(image, suffix):
    with pytest.raises(PictureError, match=r"^the mask a.tif has pixels of mode") as caught:
        stored_values(encoded(image, suffix), "a.tif")
    assert caught.value.expected == "palette indices or greys"


def test_a_jpeg_is_black_or_white():
    shape = np.zeros((64, 64), dtype=np.uint8)
    shape[10:40, 20:50] = 255
    content = encoded(Image.fromarray(shape), "JPEG", quality=60)
    values = stored_values(content, "a.jpg")
    assert set(np.unique(values)) == {0, 255}
    assert (values != shape).sum() <= 8


@pytest.mark.parametrize("values", [np.full((16, 16), 120), np.full((16, 16), 20)])
def test_a_jpeg_of_indices_is_refused(values):
    content = encoded(Image.fromarray(values.astype(np.uint8)), "JPEG")
    with pytest.raises(PictureError, match=r"^the mask a.jpg is a JPEG, which changes the values of its pixels"):
        stored_values(content, "a.jpg")
