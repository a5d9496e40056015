"""The facts of a picture: by hand, by Pillow, and the same again after re-encoding."""

import hashlib

import numpy as np
import pytest
from data_makers import drawn, encoded, shared
from hostile_pictures import exif, flat_png, grey_tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from torchbeam.data.facts import Facts, examine, examine_pixels
from torchbeam.errors import PictureError

TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF's orientation -> Pillow's Transpose


def photo(number: int, size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Soft hills of colour, as photos have: no flat field whose neighbours only differ by noise."""
    chance = np.random.default_rng(number)
    small = Image.fromarray(chance.integers(0, 256, (9, 13, 3), np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))


def different_bits(first: int, second: int) -> int:
    return (first ^ second).bit_count()


def test_the_facts_of_a_file_are_those_of_its_header_and_its_pixels():
    picture = drawn(1, (40, 30))
    content = encoded(picture)
    found = examine(content, "x")
    assert found == Facts(
        digest=hashlib.sha256(content).hexdigest(),
        size=(40, 30),
        grey=False,
        format="PNG",
        mode="RGB",
        bits=8,
        alpha=False,
        orientation=1,
        frames=1,
        dhash=found.dhash,
        thumb=picture.resize((8, 8), Image.Resampling.BOX).tobytes(),
    )


def test_the_hash_of_a_picture_of_9_by_8_by_hand():
    rows = np.zeros((8, 9), np.uint8)
    rows[0] = range(9)  # every right one brighter: eight bits, the highest
    rows[1] = range(9, 0, -1)  # none
    rows[2, 5] = 1  # the fifth pair (4, 5) only: 0000 1000
    rows[7] = 1, 1, 1, 1, 1, 1, 1, 1, 2  # the last pair: the lowest bit
    assert examine(encoded(Image.fromarray(rows)), "x").dhash == 0xFF_00_08_00_00_00_00_01
    assert examine_pixels(rows).dhash == 0xFF_00_08_00_00_00_00_01


def test_the_hash_of_a_larger_picture_is_that_of_its_means():
    small = np.random.default_rng(3).integers(0, 256, (8, 9), np.uint8)
    large = small.repeat(16, 0).repeat(16, 1)  # 144 x 128
    bits = (small[:, 1:] > small[:, :-1]).reshape(-1)
    by_hand = int.from_bytes(np.packbits(bits).tobytes(), "big")
    assert examine_pixels(large).dhash == examine_pixels(small).dhash == by_hand


def test_the_thumbnail_is_of_means():
    small = np.random.default_rng(4).integers(0, 256, (8, 8, 3), np.uint8)
    assert examine_pixels(small.repeat(32, 0).repeat(16, 1)).thumb == small.tobytes()
    grey = examine_pixels(np.full((20, 20), 7, np.uint8))
    assert grey.thumb == bytes([7] * 192)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(50, 95))
def test_a_picture_encoded_again_has_nearly_the_same_hash_and_thumbnail(number, quality):
    picture = photo(number)
    first = examine(encoded(picture), "x")
    second = examine(encoded(picture, "JPEG", quality=quality), "x")
    third = examine(encoded(picture.resize((150, 100), Image.Resampling.BOX), "WEBP", quality=quality), "x")
    for other in (second, third):
        assert different_bits(first.dhash, other.dhash) <= 5
        far = np.frombuffer(first.thumb, np.uint8).astype(int) - np.frombuffer(other.thumb, np.uint8)
        assert abs(far).max() <= 12
    assert different_bits(first.dhash, examine(encoded(photo(number + 1)), "x").dhash) > 10


@pytest.mark.parametrize("orientation", TURNS)
def test_a_turned_picture_has_the_facts_of_the_upright_one(orientation):
    upright = photo(5)
    back = {6: 8, 8: 6}.get(orientation, orientation)
    stored = upright.transpose(Image.Transpose(TURNS[back]))
    plain = examine(encoded(upright), "x")
    for form in ("PNG", "TIFF"):
        found = examine(encoded(stored, form, exif=exif(orientation)), "x")
        assert (found.size, found.orientation) == ((300, 200), orientation)
        assert (found.dhash, found.thumb, found.grey) == (plain.dhash, plain.thumb, plain.grey)
    reduced = examine(encoded(stored, "JPEG", exif=exif(orientation), quality=95), "x")
    assert (reduced.size, reduced.orientation) == ((300, 200), orientation)
    assert different_bits(reduced.dhash, plain.dhash) <= 3


@pytest.mark.parametrize(
    ("content", "form", "mode", "bits"),
    [
        (encoded(drawn(1), "JPEG"), "JPEG", "RGB", 8),
        (encoded(drawn(1), "MPO", save_all=True, append_images=[drawn(2)]), "JPEG", "RGB", 8),
        (encoded(drawn(1).convert("CMYK"), "JPEG"), "JPEG", "CMYK", 8),
        (encoded(drawn(1, mode="1")), "PNG", "1", 1),
        (flat_png(8, 8, 2), "PNG", "L", 2),
        (flat_png(8, 8, 16), "PNG", "I;16", 16),
        (flat_png(8, 8, 16, 2), "PNG", "RGB", 16),
        (encoded(drawn(1).quantize(4), bits=2), "PNG", "P", 8),
        (encoded(drawn(1), "GIF"), "GIF", "P", 8),
        (encoded(drawn(1), "TIFF"), "TIFF", "RGB", 8),
        (encoded(drawn(1, mode="1"), "TIFF"), "TIFF", "1", 1),
        (grey_tiff(bytes(12), (3, 2), 16), "TIFF", "I;16", 16),
        (encoded(Image.new("F", (9, 7)), "TIFF"), "TIFF", "F", 32),
        (b"P5 2 1 65535\n" + bytes(4), "PPM", "I", 16),
        (encoded(drawn(1), "BMP"), "BMP", "RGB", 8),
        (encoded(drawn(1), "WEBP"), "WEBP", "RGB", 8),
    ],
)
def test_format_mode_and_depth_are_those_stored(content, form, mode, bits):
    found = examine(content, "x")
    assert (found.format, found.mode, found.bits) == (form, mode, bits)


def test_grey_means_without_a_coloured_pixel():
    grey = photo(6).convert("L")
    for picture in (grey, grey.convert("RGB"), grey.convert("RGBA"), grey.quantize(16), grey.convert("1")):
        assert examine(encoded(picture), "x").grey
    assert examine(encoded(grey.convert("RGB"), "JPEG"), "x").grey
    assert not examine(encoded(photo(6), "JPEG"), "x").grey
    assert not examine(encoded(photo(6)), "x").grey


def test_one_coloured_pixel_of_a_large_picture_is_colour():
    pixels = np.full((900, 1100, 3), 80, np.uint8)
    assert examine_pixels(pixels).grey
    pixels[899, 1099, 2] += 1
    assert not examine_pixels(pixels).grey
    assert not examine(encoded(Image.fromarray(pixels), compress_level=1), "x").grey


def test_alpha_is_told_where_a_pixel_is_clear():
    picture = drawn(1).convert("RGBA")
    assert examine(encoded(picture), "x").alpha is False
    picture.putpixel((3, 3), (0, 0, 0, 200))
    assert examine(encoded(picture), "x").alpha is True


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_frames_are_counted(form):
    assert examine(encoded(drawn(1), form, save_all=True, append_images=[drawn(2), drawn(3)]), "x").frames == 3


def test_a_large_jpeg_is_looked_at_reduced_and_keeps_its_size():
    content = encoded(photo(7, (1600, 900)), "JPEG")
    found = examine(content, "x")
    whole = examine(encoded(photo(7, (1600, 900)), compress_level=1), "x")
    assert found.size == (1600, 900)
    assert different_bits(found.dhash, whole.dhash) <= 3


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_that_is_cut_off_is_found_wherever_it_is_cut(options):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 200, 3), np.uint8))
    whole = encoded(noise, "JPEG", quality=30, **options)
    examine(whole, "x")
    for length in [*range(0, len(whole) - 40, 97), *range(len(whole) - 40, len(whole))]:
        with pytest.raises(PictureError):
            examine(whole[:length], "x")


@pytest.mark.parametrize(
    ("shape", "mode"), [((20, 30), "L"), ((20, 30, 3), "RGB"), ((1, 1), "L"), ((1, 700, 3), "RGB")]
)
def test_pixels_without_a_file_have_the_facts_of_a_lossless_one(shape, mode):
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    found, stored = examine_pixels(pixels), examine(encoded(Image.fromarray(pixels)), "x")
    assert (found.size, found.grey, found.dhash, found.thumb) == (stored.size, stored.grey, stored.dhash, stored.thumb)
    assert (found.format, found.mode, found.bits, found.alpha) == ("", mode, 8, False)
    assert (found.orientation, found.frames) == (1, 1)
    assert found.digest == hashlib.sha256(pixels.tobytes()).hexdigest()


def test_real_photos_have_the_size_that_pillow_tells_and_their_own_hash():
    paths = sorted(shared("data", "imagenet-samples").rglob("*.JPEG")) or sorted(
        shared("data", "imagenet-samples").rglob("*.jpg")
    )
    assert paths
    hashes = []
    for path in paths:
        found = examine(path.read_bytes(), path.name)
        with Image.open(path) as image:
            assert (found.size, found.mode, found.format) == (image.size, image.mode, image.format)
            thumbnail = image.convert("L").resize((9, 8), Image.Resampling.BOX)
        grey = np.asarray(thumbnail).astype(int)
        clear = abs(np.diff(grey, axis=1)) > 6  # where the whole picture leaves no doubt
        bits = np.array([bit == "1" for bit in f"{found.dhash:064b}"]).reshape(8, 8)
        assert (bits == (np.diff(grey, axis=1) > 0))[clear].all(), path.name
        hashes.append(found.dhash)
    assert len(set(hashes)) == len(hashes)
