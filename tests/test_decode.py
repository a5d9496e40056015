"""Bytes of every kind become an upright picture of 8 bits, or are refused by name."""

import random
import struct
import warnings
from itertools import count

import numpy as np
import pytest
from data_makers import drawn, encoded, run_python
from hostile_pictures import (
    ORIENTATION,
    exif,
    grey_tiff,
    png_chunk,
    png_of_one_shade,
    raw_exif,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mutated_pictures import MAKER, mutations, seeds
from PIL import Image

from torchbeam.data.decode import (
    ELSEWHERE,
    FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    SUFFIXES,
    decode,
    from_array,
    from_image,
    read_bytes,
    see,
    shown,
    size_of,
)
from torchbeam.errors import DataError, PictureError

# How a picture U that is to be seen upright lies in the file, by EXIF orientation: where the standard says the
# stored row 0 and column 0 belong. 6: row 0 is the right side, column 0 the top.
STORED = {
    1: lambda u: u,  # top, left
    2: lambda u: u[:, ::-1],  # top, right
    3: lambda u: u[::-1, ::-1],  # bottom, right
    4: lambda u: u[::-1],  # bottom, left
    5: lambda u: u.swapaxes(0, 1),  # left, top
    6: lambda u: u[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda u: u[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda u: u[::-1].swapaxes(0, 1),  # left, bottom
}


def upright(width: int = 48, height: int = 32) -> np.ndarray:
    """Four quarters of their own colour, (height, width, 3): no turn or mirror of it looks the same."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, width // 2 :] = 255, 0, 0
    picture[height // 2 :, : width // 2] = 0, 160, 0
    picture[height // 2 :, width // 2 :] = 200, 200, 255
    return picture


def shades(picture: Image.Image) -> list:
    return np.asarray(picture).reshape(-1, *np.asarray(picture).shape[2:]).tolist()


# What is seen


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_gives_its_pixels(form, mode):
    picture = drawn(1, (24, 18), mode)
    seen = decode(encoded(picture, form), "a")
    assert seen.size == (24, 18)
    assert seen.mode in ("L", "RGB")
    if form in ("PNG", "TIFF", "BMP", "PPM"):
        assert (seen.mode, seen.tobytes()) == (picture.mode, picture.tobytes())
    if (form, mode) == ("GIF", "L"):  # its grey shades are a palette
        assert seen.convert("L").tobytes() == picture.tobytes()


def test_the_formats_and_suffixes_are_those_the_message_names():
    assert set(FORMATS) == {"JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"}
    known = Image.registered_extensions()
    assert {known[suffix] for suffix in SUFFIXES} == set(FORMATS)


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_as_its_exif_says(orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright())))
    content = encoded(stored, "JPEG", quality=95, subsampling=0, exif=exif(orientation))
    seen = np.asarray(decode(content, "a")).astype(int)
    assert seen.shape == (32, 48, 3)
    assert np.abs(seen - upright()).max() <= 8


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_other_formats_are_turned_to_the_same_pixels(form, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright())))
    options = {"lossless": True} if form == "WEBP" else {}
    seen = decode(encoded(stored, form, exif=exif(orientation), **options), "a")
    assert np.array_equal(np.asarray(seen), upright())


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation):
    content = encoded(Image.fromarray(upright()), "PNG", exif=exif(orientation))
    assert np.array_equal(np.asarray(decode(content, "a")), upright())


def test_a_jpeg_is_turned_though_another_entry_of_its_exif_is_damaged():
    # The maker's name, a text by the standard, is stored as a real number.
    block = raw_exif((MAKER, 11, struct.pack("<f", 1.5)), (ORIENTATION, 3, struct.pack("<HH", 6, 0)))
    content = encoded(Image.fromarray(upright()), "JPEG", exif=block)
    assert decode(content, "a").size == (32, 48)


@pytest.mark.parametrize("block", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0nothing of the kind", b"Exif\0\0II*\0\xff"])
def test_a_damaged_exif_block_leaves_the_pixels(block):
    picture = Image.fromarray(upright())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = decode(encoded(picture, "JPEG", exif=block), "a")
    assert np.array_equal(np.asarray(seen), np.asarray(decode(encoded(picture, "JPEG"), "a")))


def test_a_16_bit_png_keeps_the_upper_8_bits():
    wide = np.array([[0, 255, 256, 32768, 65279, 65535]], np.uint16)
    seen = decode(encoded(Image.fromarray(wide)), "a")
    assert (seen.mode, shades(seen)) == ("L", [0, 0, 1, 128, 254, 255])


def test_a_16_bit_pgm_is_seen_by_its_largest_shade():
    seen = decode(b"P5 3 1 1023\n" + struct.pack(">3H", 0, 512, 1023), "a")
    assert (seen.mode, shades(seen)) == ("L", [0, 128, 255])


def test_a_12_bit_tiff_is_seen_by_its_largest_shade():
    # Two pixels in three bytes: 4095, 4095, 2048, 0.
    seen = decode(grey_tiff(bytes([0xFF, 0xFF, 0xFF, 0x80, 0x00, 0x00]), (4, 1), bits=12), "a")
    assert (seen.mode, shades(seen)) == ("L", [255, 255, 128, 0])


def test_one_bit_is_black_and_white():
    bits = Image.fromarray(np.array([[True, False, True]]))
    for form in ("PNG", "BMP", "TIFF", "GIF", "PPM"):
        seen = decode(encoded(bits, form), "a")
        assert (seen.mode, shades(seen)) == ("L", [255, 0, 255]), form


def test_a_palette_is_looked_up():
    colours = drawn(2).quantize(4)
    seen = decode(encoded(colours, "PNG"), "a")
    assert (seen.mode, seen.tobytes()) == ("RGB", colours.convert("RGB").tobytes())


def test_the_transparent_colour_of_a_palette_is_white():
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.putdata([0, 1, 2])
    for form in ("PNG", "GIF"):
        seen = decode(encoded(palette, form, transparency=1), "a")
        assert (seen.mode, shades(seen)) == ("RGB", [[10, 20, 30], [255, 255, 255], [70, 80, 90]]), form


def test_a_palette_half_transparent_lets_the_white_through():
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 0, 0, 0, 70, 80, 90])
    palette.putdata([0, 1, 2])
    seen = decode(encoded(palette, "PNG", transparency=bytes([255, 102, 0])), "a")
    # Black, covering 102 of 255: 255 - 102 shines through.
    assert (seen.mode, shades(seen)) == ("RGB", [[10, 20, 30], [153, 153, 153], [255, 255, 255]])


@pytest.mark.parametrize(
    ("mode", "clear", "other"), [("RGB", (255, 0, 0), (0, 0, 255)), ("L", 7, 9), ("1", 0, 1), ("I;16", 256, 512)]
)
def test_the_transparent_colour_of_a_png_without_a_palette_is_white(mode, clear, other):
    picture = Image.new(mode, (2, 1), clear)
    picture.putpixel((1, 0), other)
    seen = decode(encoded(picture, "PNG", transparency=clear), "a")
    kept = {"RGB": (0, 0, 255), "L": 9, "1": 255, "I;16": 2}[mode]
    assert (seen.getpixel((0, 0)), seen.getpixel((1, 0))) == ((255, 255, 255) if mode == "RGB" else 255, kept)


def test_alpha_is_laid_on_white():
    half = Image.new("RGBA", (4, 1))
    half.putdata([(200, 100, 0, 255), (200, 100, 0, 0), (0, 0, 0, 102), (200, 100, 50, 51)])
    # One fifth of (200, 100, 50) and four fifths of white: (244, 224, 214).
    expected = [[200, 100, 0], [255, 255, 255], [153, 153, 153], [244, 224, 214]]
    for form, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        seen = decode(encoded(half, form, **options), "a")
        assert seen.mode == "RGB"
        assert np.abs(np.array(shades(seen)) - expected).max() <= 1, form


def test_grey_with_alpha_is_laid_on_white_and_stays_grey():
    half = Image.new("LA", (3, 1))
    half.putdata([(80, 255), (80, 0), (0, 102)])
    seen = decode(encoded(half, "PNG"), "a")
    assert (seen.mode, shades(seen)) == ("L", [80, 255, 153])


def test_colour_and_grey_multiplied_by_their_alpha_are_laid_on_white():
    rgba = {262: (3, 2), 277: (3, 4), 338: (3, 1)}
    colour = grey_tiff(bytes([40, 20, 10, 51, 0, 0, 0, 0]), (2, 1), more=rgba)
    seen = decode(colour, "a")
    assert np.abs(np.array(shades(seen)) - [[244, 224, 214], [255, 255, 255]]).max() <= 1
    grey = decode(grey_tiff(bytes([40, 51, 0, 0]), (2, 1), more={277: (3, 2), 338: (3, 1)}), "a")
    assert np.abs(np.array(shades(grey.convert("L"))) - [244, 255]).max() <= 1


def test_cmyk_becomes_rgb():
    inks = Image.new("CMYK", (3, 1))
    inks.putdata([(0, 0, 0, 0), (255, 255, 255, 255), (0, 255, 255, 0)])
    seen = decode(encoded(inks, "TIFF"), "a")
    assert (seen.mode, shades(seen)) == ("RGB", [[255, 255, 255], [0, 0, 0], [255, 0, 0]])
    patch = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95), "a")
    assert np.abs(np.asarray(patch).astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_seen(form):
    first, second = Image.new("RGB", (9, 5), (255, 0, 0)), Image.new("RGB", (9, 5), (0, 0, 255))
    options = {"lossless": True} if form == "WEBP" else {}
    seen = decode(encoded(first, form, save_all=True, append_images=[second], **options), "a")
    assert (seen.mode, seen.size) == ("RGB", (9, 5))
    assert shades(seen) == [[255, 0, 0]] * 45


def test_real_numbers_from_0_to_1_are_shades():
    real = Image.fromarray(np.array([[0, 0.2, 0.5, 1]], np.float32))
    seen = decode(encoded(real, "TIFF"), "a")
    assert (seen.mode, shades(seen)) == ("L", [0, 51, 128, 255])


@pytest.mark.parametrize(("low", "high"), [(0, 1.5), (-0.25, 1), (0, float("inf")), (float("nan"), 1)])
def test_real_numbers_that_are_no_shades_are_refused(low, high):
    real = Image.fromarray(np.array([[low, high]], np.float32))
    with pytest.raises(PictureError, match=r"^scan has real numbers for pixels that are no shades") as caught:
        decode(encoded(real, "TIFF"), "scan")
    assert caught.value.expected == "numbers from 0 (black) to 1 (white)"


def test_real_numbers_that_are_refused_are_named():
    real = Image.fromarray(np.array([[-0.25, 3.5]], np.float32))
    with pytest.raises(PictureError) as caught:
        decode(encoded(real, "TIFF"), "scan")
    assert caught.value.got == "-0.25 to 3.5"


def test_whole_numbers_of_32_bits_are_seen_where_16_hold_them():
    wide = Image.fromarray(np.array([[0, 32768, 65535]], np.int32))
    seen = decode(encoded(wide, "TIFF"), "a")
    assert (seen.mode, shades(seen)) == ("L", [0, 128, 255])


@pytest.mark.parametrize(("low", "high"), [(0, 65536), (-1, 9)])
def test_whole_numbers_beyond_16_bits_are_refused(low, high):
    wide = Image.fromarray(np.array([[low, high]], np.int32))
    with pytest.raises(PictureError, match=r"^scan has more than 16 bits a pixel") as caught:
        decode(encoded(wide, "TIFF"), "scan")
    assert caught.value.got == f"values {low} to {high}"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA"])
def test_a_picture_of_every_mode_becomes_grey_or_rgb(mode):
    assert from_image(Image.new(mode, (3, 2))).mode in ("L", "RGB")


@pytest.mark.parametrize("mode", ["La", "RGBa", "RGBX", "I;16", "I;16B", "I;16L"])
def test_a_picture_of_every_rarer_mode_becomes_grey_or_rgb(mode):
    assert from_image(Image.new(mode, (3, 2))).mode in ("L", "RGB")


# What is refused


def test_a_truncated_picture_is_refused_whatever_its_format():
    picture = drawn(3, (64, 48))
    for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        whole = encoded(picture, form)
        with pytest.raises(PictureError, match=r"^x is damaged or cut off") as caught:
            decode(whole[: len(whole) * 2 // 3] if form != "TIFF" else whole[: len(whole) - 2000], "x")
        assert caught.value.remedy == "get the file again", form
        assert caught.value.got, form


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_jpeg_is_refused_also_when_much_of_it_is_there(share):
    whole = encoded(drawn(3, (64, 48)), "JPEG", progressive=True)
    with pytest.raises(PictureError, match="is damaged or cut off"):
        decode(whole[: int(len(whole) * share)], "x.jpg")


def test_a_png_whose_header_does_not_match_its_check_sum_is_called_damaged():
    whole = bytearray(encoded(drawn(4)))
    whole[29] ^= 0xFF  # the first byte of the header's check sum
    with pytest.raises(PictureError, match=r"^x\.png is damaged or cut off"):
        decode(bytes(whole), "x.png")


def test_a_png_whose_pixels_do_not_match_their_check_sum_is_refused_or_right():
    picture = drawn(4)
    whole = encoded(picture)
    at = whole.index(b"IDAT")
    length = struct.unpack(">I", whole[at - 4 : at])[0]
    for place in range(at + 4, at + 8 + length):
        damaged = whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        try:
            seen = decode(damaged, "x.png")
        except PictureError:
            continue
        assert seen.tobytes() == picture.tobytes(), place


@pytest.mark.parametrize("text", ["<html>not found</html>", "404: Not Found\n", "a\n\ttable\r\nof text\n", "größer\n"])
def test_a_text_by_the_name_of_a_picture_is_called_text(text):
    with pytest.raises(PictureError, match=r"^x\.png is not a picture") as caught:
        decode(text.encode(), "x.png")
    assert caught.value.expected == "JPEG, PNG, WebP, BMP, GIF, TIFF or PPM"
    assert caught.value.got == "text"


def test_an_empty_file_is_called_empty():
    with pytest.raises(PictureError, match=r"^x\.png is not a picture") as caught:
        decode(b"", "x.png")
    assert caught.value.got == "an empty file"


def test_bytes_of_another_kind_are_shown():
    with pytest.raises(PictureError, match="is not a picture") as caught:
        decode(b"PK\x03\x04\0\0\0\0\0\0", "x.png")
    assert caught.value.got == "bytes that begin with 50 4b 03 04 00 00 00 00"


def test_formats_that_run_programs_or_hold_drawings_are_not_opened():
    for form in ("EPS", "PDF"):
        with pytest.raises(PictureError, match="is not a picture"):
            decode(encoded(drawn(1), form), "x")


@pytest.mark.parametrize(("width", "height"), [(7071, 7072), (9500, 9500), (13000, 13500)])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(width, height):
    assert width * height > MAX_PIXELS
    with pytest.raises(PictureError, match=r"^x\.png is too large") as caught:
        decode(png_of_one_shade(width, height, whole=False), "x.png")
    assert caught.value.expected == "at most 50 million pixels"
    assert caught.value.got == f"{width}x{height}"
    assert caught.value.remedy == "scale it down first"


def test_a_picture_of_far_too_many_pixels_is_refused_with_what_came_and_what_to_do():
    with pytest.raises(PictureError, match=r"^x\.png is too large") as caught:
        decode(png_of_one_shade(40000, 40000, whole=False), "x.png")
    assert caught.value.expected == "at most 50 million pixels"
    assert "40000x40000" in caught.value.got or "1600000000" in caught.value.got
    assert caught.value.remedy == "scale it down first"


def test_a_picture_of_just_as_many_pixels_as_allowed_is_not_too_large():
    assert decode(png_of_one_shade(8000, MAX_PIXELS // 8000), "x.png").size == (8000, 6250)


def test_a_picture_that_is_refused_by_its_header_takes_no_memory(tmp_path):
    (tmp_path / "x.png").write_bytes(png_of_one_shade(9000, 9000))
    assert (tmp_path / "x.png").stat().st_size < 100_000
    script = """
import resource, sys
from pathlib import Path
from torchbeam.data.decode import decode
from torchbeam.errors import PictureError

content = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(content, "x.png")
except PictureError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    kilobytes = int(run_python("-c", script, tmp_path / "x.png"))
    assert kilobytes < 8000  # its pixels would take 81 megabytes


def test_a_folder_by_the_name_of_a_picture_cannot_be_read(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(PictureError, match=r"^cannot read ") as caught:
        read_bytes(tmp_path / "x.jpg")
    assert caught.value.got == "Is a directory"
    assert caught.value.remedy == "check the path"


def test_a_file_that_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(PictureError, match=r"^cannot read ") as caught:
        read_bytes(tmp_path / "x.jpg")
    assert caught.value.got == "No such file or directory"


def test_a_picture_s_error_is_a_data_error_and_the_user_s_to_mend():
    assert issubclass(PictureError, DataError)
    assert PictureError.exit_code == 2


# Arrays


def test_an_array_of_bytes_is_a_picture():
    chance = np.random.default_rng(0)
    for shape, mode in (((5, 7), "L"), ((5, 7, 1), "L"), ((5, 7, 3), "RGB")):
        pixels = chance.integers(0, 256, shape, np.uint8)
        seen = from_array(pixels)
        assert (seen.mode, seen.size) == (mode, (7, 5))
        assert seen.tobytes() == pixels.tobytes()


def test_an_array_in_another_order_of_memory_is_the_same_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(from_array(pixels)), pixels)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((5, 7), np.float32),
        ((5, 7), np.int64),
        ((5, 7, 3), bool),
        ((3, 5, 7), np.uint8),
        ((5, 7, 2), np.uint8),
        ((7,), np.uint8),
        ((), np.uint8),
        ((1, 5, 7, 3), np.uint8),
    ],
)
def test_other_arrays_are_not_pictures(shape, kind):
    with pytest.raises(PictureError, match=r"^frame 3 is not a picture") as caught:
        from_array(np.zeros(shape, kind), "frame 3")
    assert caught.value.expected == "uint8 pixels 0 to 255 of shape (height, width) or (height, width, 3 or 4)"
    assert caught.value.got == f"{np.dtype(kind)} of shape {shape}"


@pytest.mark.parametrize("shape", [(0, 7), (5, 0), (0, 0, 3), (5, 0, 1)])
def test_an_array_without_pixels_is_refused(shape):
    with pytest.raises(PictureError, match=r"^the array has no pixels") as caught:
        from_array(np.zeros(shape, np.uint8))
    assert caught.value.got == f"shape {shape}"


# Whatever comes


def test_mutated_files_give_a_picture_or_a_picture_error_and_nothing_else():
    seen = refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, content in mutations(rounds=20):
            try:
                picture = decode(content, "x")
            except PictureError as error:
                assert str(error).startswith("x "), kind
                refused += 1
            else:
                assert picture.mode in ("L", "RGB"), kind
                assert min(picture.size) >= 1, kind
                seen += 1
    assert seen + refused == 20 * len(seeds())
    assert seen > 50
    assert refused > 50


def test_mutated_files_make_no_warnings():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _, content in mutations(rounds=10):
            try:
                decode(content, "x")
            except PictureError:
                continue
    assert sorted({f"{warning.category.__name__}: {warning.message}" for warning in caught}) == []


def test_a_damaged_exif_block_makes_no_warning():
    content = encoded(drawn(7), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    decode(content, "x.jpg")


def test_a_picture_too_large_makes_no_warning():
    with pytest.raises(PictureError, match="is too large"):
        decode(png_of_one_shade(9500, 9500, whole=False), "x.png")


def test_random_bytes_behind_every_signature_give_a_picture_error():
    numbers = count()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for whole in seeds().values():
            for length in (4, 12, 40):
                noise = random.Random(next(numbers)).randbytes(200)
                with pytest.raises(PictureError):
                    decode(whole[: min(length, 8)] + noise, "x")


# A size that will do


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.sampled_from(sorted(STORED)),
)
def test_a_jpeg_comes_reduced_and_never_below_the_size_that_will_do(size, least, orientation):
    content = encoded(Image.new("RGB", size, (200, 30, 90)), "JPEG", exif=exif(orientation))
    whole = size[::-1] if orientation >= 5 else size
    seen = see(content, "x", least)
    assert seen.size == whole
    scale = max(-(-whole[axis] // seen.image.size[axis]) for axis in (0, 1))
    for axis in (0, 1):
        assert seen.image.size[axis] >= min(least[axis], whole[axis])
    # No larger a step would have done: 8 is the most there is.
    twice = [min(8, scale * 2) * least[axis] > whole[axis] for axis in (0, 1)]
    assert scale in (1, 2, 4, 8) or 1 in seen.image.size
    assert scale == 8 or any(twice) or 1 in seen.image.size
    assert abs(np.asarray(seen.image).astype(int) - [200, 30, 90]).max() <= 4


def test_a_turned_jpeg_is_reduced_by_its_upright_sides():
    content = encoded(Image.new("RGB", (800, 100)), "JPEG", exif=exif(6))  # upright it is 100 x 800
    assert decode(content, "x", (25, 25)).size == (25, 200)
    assert decode(content, "x", (25, 300)).size == (50, 400)
    assert decode(content, "x", (60, 100)).size == (100, 800)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_reduced_jpeg_has_the_colours_of_the_whole_one(mode):
    soft = Image.fromarray(np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8))
    content = encoded(soft.resize((640, 480), Image.Resampling.BICUBIC).convert(mode), "JPEG", quality=95)
    whole, reduced = decode(content, "x"), decode(content, "x", (80, 60))
    assert (reduced.size, reduced.mode) == ((80, 60), whole.mode)
    meant = np.asarray(whole.resize((80, 60), Image.Resampling.BOX)).astype(int)
    assert abs(np.asarray(reduced) - meant).max() <= 6


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_other_formats_come_whole(form):
    assert decode(encoded(drawn(1, (80, 60)), form), "x", (8, 8)).size == (80, 60)


def test_a_size_that_is_none_asks_for_the_smallest():
    assert decode(encoded(drawn(1, (80, 64)), "JPEG"), "x", (0, 0)).size == (10, 8)


def test_a_picture_turned_once_is_not_turned_again():
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        seen = decode(encoded(Image.fromarray(upright()), form, exif=exif(6)), "x")
        assert from_image(seen).size == seen.size == (32, 48), form


def test_an_orientation_in_xmp_or_behind_the_pixels_turns_a_png():
    plain = encoded(Image.fromarray(upright()))
    behind = plain[:-12] + png_chunk(b"eXIf", exif(6).tobytes()[6:]) + plain[-12:]
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    xmp = plain[:33] + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + plain[33:]
    for content in (behind, xmp):
        assert see(content, "x").orientation == 6
        assert decode(content, "x").size == (32, 48)


# The size from the header


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_size_from_the_header_is_the_size_that_is_decoded(tmp_path, form, orientation):
    content = encoded(drawn(1, (40, 30)), form, exif=exif(orientation))
    (tmp_path / "x").write_bytes(content)
    assert size_of(tmp_path / "x", "x") == see(content, "x").size == decode(content, "x").size


def test_the_size_of_a_png_that_is_turned_behind_its_pixels(tmp_path):
    plain = encoded(drawn(1, (40, 30)))
    (tmp_path / "x").write_bytes(plain[:-12] + png_chunk(b"eXIf", exif(6).tobytes()[6:]) + plain[-12:])
    assert size_of(tmp_path / "x", "x") == (30, 40)


def test_the_header_tells_the_size_of_a_picture_that_is_cut_off(tmp_path):
    (tmp_path / "x").write_bytes(encoded(drawn(1, (400, 300)), "JPEG")[:2000])
    assert size_of(tmp_path / "x", "x") == (400, 300)


def test_no_size_is_told_of_what_is_no_picture(tmp_path):
    (tmp_path / "x").write_bytes(b"404: Not Found")
    with pytest.raises(PictureError, match=r"^1\.jpg is not a picture"):
        size_of(tmp_path / "x", "1.jpg")
    (tmp_path / "x").write_bytes(encoded(drawn(1))[:20])
    with pytest.raises(PictureError, match=r"^1\.jpg is damaged or cut off"):
        size_of(tmp_path / "x", "1.jpg")
    with pytest.raises(PictureError, match=r"^cannot read "):
        size_of(tmp_path / "y", "1.jpg")


# Files


def test_a_file_is_read_as_it_is_also_by_a_link(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(drawn(1)))
    (tmp_path / "y.png").symlink_to("x.png")
    assert read_bytes(tmp_path / "y.png") == encoded(drawn(1))


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path):
    with open(tmp_path / "x.tif", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(PictureError, match="is too large a file") as caught:
        read_bytes(tmp_path / "x.tif")
    assert caught.value.expected == "at most 500 million bytes"
    assert caught.value.got == "500,000,001"


def test_suffixes_tell_what_is_decoded_and_what_is_a_picture_all_the_same():
    assert {".jpg", ".jfif", ".pbm", ".pnm"} <= SUFFIXES
    assert {".heic", ".avif", ".jp2", ".dng"} <= ELSEWHERE
    assert not SUFFIXES & ELSEWHERE
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES | ELSEWHERE)


def test_a_picture_of_a_kind_that_is_not_decoded_is_called_by_its_kind():
    with pytest.raises(PictureError, match=r"^IMG_1\.jpg is of a kind that is not decoded") as caught:
        decode(b"\0\0\0\x18ftypheic" + bytes(40), "IMG_1.jpg")
    assert caught.value.got == "HEIC, or another kind of film or picture"
    assert caught.value.remedy == "convert it to JPEG or PNG"


@given(st.text(max_size=40))
def test_a_name_is_shown_in_one_line_that_any_terminal_can_print(name):
    line = shown(name)
    assert line.isprintable()
    assert line.isprintable() is (shown(line) == line)
    if name.isprintable():
        assert line == name


def test_names_with_line_breaks_and_stray_bytes_stay_in_one_line():
    with pytest.raises(PictureError) as caught:
        decode(b"", "a\nb\x1b[31m\udcff.png")
    assert caught.value.reason == "a\\nb\\x1b[31m\\udcff.png is not a picture (an empty file)"
