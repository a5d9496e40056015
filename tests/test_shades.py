"""Every mode and depth becomes 8 bits, by its own arithmetic, in one piece or tile by tile."""

import struct

import numpy as np
import pytest
from data_makers import drawn, encoded
from hostile_pictures import grey_tiff
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from torchbeam.data.decode import decode
from torchbeam.data.shades import TILE, eight_bits, tiles
from torchbeam.errors import PictureError

MODES = [
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "LA",
    "PA",
    "La",
    "RGBa",
    "I",
    "I;16",
    "I;16B",
    "F",
]
CHANCE = np.random.default_rng(7)


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    """A picture of that mode with every value there can be."""
    if mode in ("I", "I;16", "I;16B", "F"):
        wide = CHANCE.integers(0, 65536, size[::-1], np.uint16)
        if mode == "F":
            return Image.fromarray((wide / 65535).astype(np.float32))
        return Image.fromarray(wide).convert(mode) if mode != "I" else Image.fromarray(wide.astype(np.int32))
    bands = len(Image.new(mode, (1, 1)).getbands())
    raw = CHANCE.integers(0, 256, (size[1], size[0], bands), np.uint8)
    if mode in ("La", "RGBa"):
        raw[..., :-1] = np.minimum(raw[..., :-1], raw[..., -1:])
    picture = Image.new("L", size) if mode == "1" else Image.frombytes(mode, size, raw.tobytes())
    if mode == "1":
        picture = Image.frombytes("L", size, raw.tobytes()).convert("1")
    if mode in ("P", "PA"):
        picture.putpalette(CHANCE.integers(0, 256, 768, np.uint8).tobytes())
    return picture


@pytest.mark.parametrize("mode", MODES)
def test_tile_by_tile_is_the_same_as_in_one_piece(mode):
    width, height = 1000, TILE // 1000 + 5
    whole = noise(mode, (width, height))
    seen, _ = eight_bits(whole, "x")
    assert (seen.size, seen.mode in ("L", "RGB")) == ((width, height), True)
    for box in ((0, 0, 40, 40), (960, height - 30, 1000, height), (0, TILE // width - 20, 300, height)):
        part, _ = eight_bits(whole.crop(box), "x")
        if mode.startswith("I") or mode == "F":
            assert abs(np.asarray(part).astype(int) - np.asarray(seen.crop(box))).max() == 0
        assert part.tobytes() == seen.crop(box).tobytes(), box


@given(st.integers(1, 3 * TILE), st.integers(1, 40))
def test_tiles_cover_a_picture_once_and_are_small(width, height):
    if width * height > 4 * TILE:
        height = max(1, 4 * TILE // width)
    covered = np.zeros((height, width), np.uint8)
    for (left, top, right, bottom), tile in tiles(Image.new("L", (width, height))):
        covered[top:bottom, left:right] += 1
        assert tile.size == (right - left, bottom - top)
        assert tile.width * tile.height <= TILE
    assert (covered == 1).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_is_in_8_bits_is_given_back_itself(mode):
    picture = drawn(1, mode=mode)
    assert eight_bits(picture, "x") == (picture, False)
    assert eight_bits(picture, "x")[0] is picture


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=40))
def test_16_bits_keep_the_upper_8(values):
    seen, alpha = eight_bits(Image.fromarray(np.array([values], np.uint16)), "x")
    assert (list(seen.tobytes()), alpha) == ([value >> 8 for value in values], False)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40))
def test_reals_are_scaled_to_255(values):
    seen, _ = eight_bits(Image.fromarray(np.array([values], np.float32)), "x")
    assert all(abs(shade - 255 * value) <= 0.5001 for shade, value in zip(seen.tobytes(), values, strict=True))


def test_alpha_is_told_where_any_pixel_is_not_opaque():
    for mode in ("LA", "RGBA", "PA", "RGBa"):
        opaque = drawn(1).convert("RGBA").convert("LA" if mode == "LA" else "RGBA")
        if mode == "PA":
            opaque = drawn(1).quantize(8).convert("PA")
            opaque.putalpha(255)
        assert eight_bits(opaque, "x")[1] is False, mode
        clear = opaque.copy()
        clear.putalpha(254)
        assert eight_bits(clear, "x")[1] is True, mode


def test_alpha_is_told_of_a_single_pixel_of_a_large_picture():
    picture = Image.new("RGBA", (1000, 1000), (9, 9, 9, 255))
    assert eight_bits(picture, "x")[1] is False
    picture.putpixel((999, 999), (9, 9, 9, 0))
    seen, alpha = eight_bits(picture, "x")
    assert alpha is True
    assert [seen.getpixel((x, 999)) for x in (998, 999)] == [(9, 9, 9), (255, 255, 255)]


def test_a_colour_that_is_clear_is_told_where_it_occurs():
    picture = Image.new("RGB", (4, 4), (1, 2, 3))
    assert decode(encoded(picture, transparency=(9, 9, 9)), "x").getpixel((0, 0)) == (1, 2, 3)
    picture.info["transparency"] = (9, 9, 9)
    assert eight_bits(picture, "x")[1] is False
    picture.info["transparency"] = (1, 2, 3)
    assert eight_bits(picture, "x")[1] is True
    wide = Image.fromarray(np.array([[5, 600]], np.uint16))
    wide.info["transparency"] = 600
    seen, alpha = eight_bits(wide, "x")
    assert (list(seen.tobytes()), alpha) == ([0, 255], True)


REAL, LARGEST = {339: (3, 3)}, 341  # TIFF's SampleFormat and SMaxSampleValue


def test_12_bits_in_16_are_seen_by_the_largest_sample_that_the_file_names():
    pixels = struct.pack("<4H", 0, 2048, 4095, 16)
    named = decode(grey_tiff(pixels, (4, 1), 16, more={LARGEST: (3, 4095)}), "x")
    assert list(named.tobytes()) == [0, 128, 255, 1]
    assert list(decode(grey_tiff(pixels, (4, 1), 16), "x").tobytes()) == [0, 8, 15, 0]


def test_a_largest_sample_that_is_none_is_not_believed():
    pixels = struct.pack("<3H", 0, 2048, 65535)
    for told in (4095, 0):
        seen = decode(grey_tiff(pixels, (3, 1), 16, more={LARGEST: (3, told)}), "x")
        assert list(seen.tobytes()) == [0, 8, 255]


def test_the_largest_sample_in_the_picture_changes_nothing():
    # MaxSampleValue is a statistic of this picture, not a range.
    seen = decode(grey_tiff(struct.pack("<2H", 0, 2048), (2, 1), 16, more={281: (3, 2048)}), "x")
    assert list(seen.tobytes()) == [0, 8]


@pytest.mark.parametrize("top", [255, 65535, 0.5])
def test_reals_go_as_far_as_the_file_says(top):
    pixels = struct.pack("<3f", 0, top / 5, top)
    assert list(decode(grey_tiff(pixels, (3, 1), 32, more={**REAL, LARGEST: (11, top)}), "x").tobytes()) == [0, 51, 255]


def test_reals_beyond_what_the_file_says_are_refused_with_the_remedy():
    pixels = struct.pack("<2f", 0, 300)
    with pytest.raises(PictureError, match="has real numbers for pixels that are no shades") as caught:
        decode(grey_tiff(pixels, (2, 1), 32, more={**REAL, LARGEST: (11, 255)}), "x")
    assert caught.value.remedy == "scale them, or name the largest in the TIFF's tag SMaxSampleValue"


def test_white_may_be_zero():
    seen = decode(grey_tiff(struct.pack("<3H", 0, 256, 65535), (3, 1), 16, more={262: (3, 0)}), "x")
    assert list(seen.tobytes()) == [255, 254, 0]
    seen = decode(grey_tiff(struct.pack("<2f", 0, 1), (2, 1), 32, more={**REAL, 262: (3, 0)}), "x")
    assert list(seen.tobytes()) == [255, 0]


def test_wide_shades_are_refused_wherever_in_a_large_picture_they_are_none():
    wide = np.zeros((1000, 1000), np.int32)
    wide[999, 999] = 65536
    with pytest.raises(PictureError, match="has more than 16 bits a pixel") as caught:
        eight_bits(Image.fromarray(wide), "x")
    assert caught.value.got == "values 0 to 65536"
    real = np.zeros((1000, 1000), np.float32)
    real[999, 999] = float("nan")
    with pytest.raises(PictureError, match="are no shades"):
        eight_bits(Image.fromarray(real), "x")
