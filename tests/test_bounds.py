"""What decoding takes is reckoned rightly from the header, and what takes too much is refused."""

import json
import threading
from io import BytesIO

import pytest
from data_makers import encoded, run_python
from hostile_pictures import flat_png, grey_tiff, many_scans, patched, resized_jpeg
from PIL import Image

from torchbeam.data import bounds
from torchbeam.data.bounds import (
    JPEG_PIXELS,
    LARGE,
    LARGE_PIXELS,
    MAX_PIXELS,
    MAX_SCANS,
    ROOM,
    VALUES_A_BYTE,
    check,
    room,
)
from torchbeam.data.decode import decode
from torchbeam.errors import PictureError


def needs(content: bytes, scans: int = 1) -> int:
    with Image.open(BytesIO(content)) as image:
        return check(image, image.size, scans, len(content), "x")


@pytest.mark.parametrize(
    ("form", "options", "scans", "bytes_a_pixel"),
    [
        ("PNG", {}, 1, 8),
        ("JPEG", {}, 1, 8),
        ("JPEG", {"subsampling": 0, "progressive": True}, 10, 4 + 6),  # three layers, 2 bytes a coefficient
        ("JPEG", {"subsampling": 1, "progressive": True}, 10, 8),  # 4:2:2: two layers' worth
        ("WEBP", {}, 1, 16),
        ("TIFF", {}, 1, 8),
        ("TIFF", {"compression": "tiff_lzw"}, 1, 8),
    ],
)
def test_the_bytes_a_pixel_takes(form, options, scans, bytes_a_pixel):
    content = encoded(Image.new("RGB", (160, 80)), form, **options)
    assert needs(content, scans) == bytes_a_pixel * 160 * 80


def test_a_packed_tiff_of_16_bits_and_four_channels_takes_12_bytes_a_pixel():
    # 8 for the strip, 4 for the picture.
    assert needs(packed_rgba_of_16_bits(160, 80)) == 12 * 160 * 80


def packed_rgba_of_16_bits(width: int, height: int) -> bytes:
    picture = encoded(Image.new("RGBA", (width, height)), "TIFF", compression="tiff_adobe_deflate")
    with Image.open(BytesIO(picture)) as image:
        image.tag_v2[258] = 16
        assert image.tag_v2[277] == 4
    at = picture.index(b"\x02\x01\x03\0\x04\0\0\0")  # tag 258, SHORT, 4 values, at the offset that follows
    offset = int.from_bytes(picture[at + 8 : at + 12], "little")
    return patched(picture, offset, b"\x10\0" * 4)


MEASURE = """
import json, sys
from pathlib import Path
from torchbeam.data.bounds import check
from torchbeam.data.decode import see

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024

def now():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) * 1024

see(Path(sys.argv[1]).read_bytes(), "x")  # libraries loaded
for path in sys.argv[1:]:
    content = Path(path).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = now()
    seen = see(content, "x")
    used = peak() - before
    del seen
    print(json.dumps([Path(path).name, used]))
"""
SIDE = (2000, 1500)


def kinds() -> dict[str, tuple[bytes, int]]:
    """A file of every mode, turned where it can be, and the bytes reckoned for one of its pixels."""
    turned = Image.Exif()
    turned[274] = 6
    found = {
        f"{mode}.png": (encoded(Image.new(mode, SIDE), exif=turned, compress_level=1), 8) for mode in ("1", "L", "LA")
    }
    found |= {
        f"{mode}.png": (encoded(Image.new(mode, SIDE), exif=turned, compress_level=1), 8) for mode in ("RGB", "RGBA")
    }
    found["I;16.png"] = encoded(Image.new("I;16", SIDE), exif=turned, compress_level=1), 8
    found["P clear.png"] = encoded(Image.new("P", SIDE), exif=turned, transparency=0, compress_level=1), 8
    for mode in ("I", "F", "CMYK", "I;16B", "LAB"):
        found[f"{mode}.tif"] = encoded(Image.new(mode, SIDE), "TIFF", exif=turned), 8
    found["deflated.tif"] = encoded(Image.new("RGBA", SIDE), "TIFF", compression="tiff_adobe_deflate", exif=turned), 8
    found["cmyk.jpg"] = encoded(Image.new("CMYK", SIDE), "JPEG", exif=turned), 8
    found["progressive.jpg"] = encoded(Image.new("RGB", SIDE), "JPEG", progressive=True, subsampling=0, exif=turned), 10
    found["alpha.webp"] = encoded(Image.new("RGBA", SIDE), "WEBP", lossless=True, method=0, exif=turned), 16
    return found


def test_no_mode_takes_more_memory_than_is_reckoned(tmp_path):
    made = kinds()
    for name, (content, _) in made.items():
        (tmp_path / name).write_bytes(content)
    lines = run_python("-c", MEASURE, *(tmp_path / name for name in made)).splitlines()
    measured = dict(map(json.loads, lines))
    assert set(measured) == set(made)
    slack = 8_000_000  # tiles on their way, and what Python holds
    too_much = {name: used for name, used in measured.items() if used > made[name][1] * SIDE[0] * SIDE[1] + slack}
    assert too_much == {}


def test_the_limits_are_what_they_are_said_to_be():
    assert (ROOM, MAX_PIXELS, JPEG_PIXELS) == (400_000_000, 50_000_000, 250_000_000)


@pytest.mark.parametrize(("form", "most"), [("WEBP", 25), ("PNG", 50)])
def test_a_kind_whose_decoder_takes_more_has_a_lower_limit(form, most):
    content = encoded(Image.new("L" if form == "PNG" else "RGB", (16, 16)), form)
    with Image.open(BytesIO(content)) as image:
        image._size = (5001, 5000 * most // 25)
        with pytest.raises(PictureError, match=r"^x is too large") as caught:
            check(image, image.size, 1, 10**9, "x")
        assert caught.value.expected == f"at most {most} million pixels"
        image._size = (5000, 5000 * most // 25)
        assert check(image, image.size, 1, 10**9, "x") == ROOM


def long_jpeg(width: int, height: int) -> bytes:
    """A JPEG that claims any size and is long enough for it; libjpeg fills up what is not there."""
    comments = b"".join(b"\xff\xfe\xea\x62" + bytes(60_000) for _ in range(3))
    plain = encoded(Image.new("L", (64, 64), 90), "JPEG")
    return resized_jpeg(plain[:2] + comments + plain[2:], width, height)


def test_a_jpeg_beyond_the_limit_is_decoded_where_a_reduced_one_will_do():
    content = long_jpeg(15000, 13000)  # also beyond what Image.open lets pass
    with pytest.raises(PictureError, match=r"^x is too large") as caught:
        decode(content, "x")
    assert caught.value.got == "15000x13000"
    assert decode(content, "x", (500, 400)).size == (1875, 1625)
    with pytest.raises(PictureError, match="is too large"):
        decode(content, "x", (14000, 400))


def test_a_jpeg_beyond_its_own_limit_is_refused_however_little_will_do():
    with pytest.raises(PictureError, match="is too large") as caught:
        decode(long_jpeg(16000, 15626), "x", (10, 10))
    assert caught.value.expected == "at most 250 million pixels"


def test_a_progressive_jpeg_is_held_whole_by_its_decoder_and_refused_sooner():
    content = many_scans(64, 64, 1)
    long = content[:2] + b"\xff\xfe\xea\x62" + bytes(60_000) + content[2:]
    with pytest.raises(PictureError, match="is too large") as caught:  # 2 bytes a coefficient
        decode(resized_jpeg(long, 15000, 14000), "x", (10, 10))
    assert caught.value.expected == "at most 193 million pixels"


def test_more_scans_than_any_encoder_writes_are_refused():
    content = many_scans(16, 16, MAX_SCANS - 5)
    assert decode(content, "x").size == (16, 16)
    with pytest.raises(PictureError, match="is stored in too many scans") as caught:
        decode(many_scans(16, 16, MAX_SCANS), "x")
    assert caught.value.got == f"{MAX_SCANS + 5}"


def test_a_small_file_that_claims_a_large_picture_is_refused():
    size = 5000 * 4000 // VALUES_A_BYTE
    content = flat_png(5000, 4000)
    with Image.open(BytesIO(content)) as image:
        check(image, image.size, 1, size, "x")
        with pytest.raises(PictureError, match="claims more pixels than its bytes can tell") as caught:
            check(image, image.size, 1, size - 1, "x")
    assert caught.value.got == "5000x4000 in 1,999 bytes"
    assert caught.value.expected == "at most 10,000 values a byte beyond 16 million pixels"


def test_a_small_file_may_claim_a_picture_of_common_size():
    content = flat_png(4000, 4000, depth=1)
    assert LARGE_PIXELS == 4000 * 4000
    with Image.open(BytesIO(content)) as image:
        assert check(image, image.size, 1, 1, "x") == ROOM * 16 // 50


def test_a_tile_is_unpacked_whole_however_small_the_picture():
    tile = {259: (3, 8), 322: (4, 30000), 323: (4, 30000), 324: (4, 200), 325: (4, 8)}
    with pytest.raises(PictureError, match="is too large") as caught:
        needs(grey_tiff(bytes(8), (30, 30), more=tile))
    assert caught.value.got == "30000x30000"


def test_large_pictures_are_decoded_one_at_a_time_and_small_ones_beside_them():
    inside, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first_picture():
        with room(LARGE + 1):
            inside.set()
            leave.wait(20)

    def second_picture():
        with room(LARGE + 1):
            second.set()

    threads = [threading.Thread(target=first_picture), threading.Thread(target=second_picture)]
    threads[0].start()
    assert inside.wait(20)
    threads[1].start()
    with room(LARGE):  # not held up
        assert not second.wait(0.2)
    leave.set()
    assert second.wait(20)
    for thread in threads:
        thread.join(20)
    assert bounds._ONE_AT_A_TIME.acquire(timeout=0)
    bounds._ONE_AT_A_TIME.release()


def test_the_next_large_picture_is_decoded_after_one_that_failed():
    for _ in range(2):
        with pytest.raises(ValueError, match="of a decoder"), room(LARGE + 1):
            raise ValueError("of a decoder")
