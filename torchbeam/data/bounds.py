"""How large a picture may be: what decoding it takes is reckoned from its header, before it is decoded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from torchbeam.errors import PictureError

# Bytes that decoding one picture may take. Pillow holds a pixel in 4 bytes whatever its mode (grey and palettes in
# fewer), and turning or converting it takes as much again: 50 million pixels. The largest sensor of a common camera
# has more; its JPEGs are decoded at a reduced scale where that will do.
ROOM = 400_000_000
MAX_PIXELS = ROOM // 8
JPEG_PIXELS = 250_000_000
# Pictures that take more than this are decoded one at a time in this process: its threads share the memory.
LARGE = 128_000_000
# A picture of more than LARGE_PIXELS must tell something: flat ones are packed about 1,000 to 1 in a PNG, 8,000 to 1
# with 1 bit a pixel. Pillow unpacks BMP's run lengths pixel by pixel in Python; there 127 to 1 is all that is honest.
LARGE_PIXELS = 16_000_000
_VALUES_A_BYTE = {"BMP": 200}
VALUES_A_BYTE = 10_000
# Every scan of a JPEG goes through all its pixels, and may be of a few bytes; encoders write about ten.
MAX_SCANS = 100

_TIFF_COMPRESSION, _TIFF_BITS, _TIFF_SAMPLES, _TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT = 259, 258, 277, 322, 323


def check(image: Image.Image, whole: tuple[int, int], scans: int, size: int, name: str) -> int:
    """The bytes that decoding will take. Raises PictureError for a picture that is too large.

    image: opened, not loaded, its scale already reduced where it may be. whole: its size before that. scans: of a
    JPEG. size: of the file, in bytes.
    """
    width, height = max(whole, _tile(image), key=lambda size: size[0] * size[1])
    needed = _needed(image, width * height, scans)
    most = min(JPEG_PIXELS, width * height * ROOM // max(1, needed))
    if width * height > most:
        raise too_large(name, f"{width}x{height}", most)
    if scans > MAX_SCANS:
        raise PictureError(
            f"{name} is stored in too many scans",
            expected=f"at most {MAX_SCANS}",
            got=f"{scans}",
            remedy="save it anew",
        )
    values = whole[0] * whole[1] * len(image.getbands())
    factor = _VALUES_A_BYTE.get(image.format or "", VALUES_A_BYTE)
    if whole[0] * whole[1] > LARGE_PIXELS and values > factor * size:
        raise PictureError(
            f"{name} claims more pixels than its bytes can tell",
            expected=f"at most {factor:,} values a byte beyond {LARGE_PIXELS // 1_000_000} million pixels",
            got=f"{whole[0]}x{whole[1]} in {size:,} bytes",
            remedy="leave it out, or save it anew smaller",
        )
    return needed


@contextmanager
def room(needed: int) -> Iterator[None]:
    """Held while a picture is decoded that takes so many bytes: of large ones, one at a time."""
    # A process forked while another thread decodes inherits the lock held for good, so nobody waits for ever.
    held = needed > LARGE and _ONE_AT_A_TIME.acquire(timeout=60)
    try:
        yield
    finally:
        if held:
            _ONE_AT_A_TIME.release()


_ONE_AT_A_TIME = threading.Lock()


def too_large(name: str, got: str, most: int = MAX_PIXELS) -> PictureError:
    """The error for a picture of too many pixels."""
    expected = f"at most {most // 1_000_000} million pixels"
    return PictureError(f"{name} is too large", expected=expected, got=got, remedy="scale it down first")


def _needed(image: Image.Image, area: int, scans: int) -> int:
    """Bytes at the peak: the picture in Pillow's 4 bytes a pixel, and either what the decoder holds of it or what it
    is turned or converted into."""
    kept = 4 * image.width * image.height
    return kept + max(kept, int(area * _decoder_holds(image, scans)))


def _decoder_holds(image: Image.Image, scans: int) -> float:
    """Bytes that the decoder holds for each pixel, beside the picture it fills."""
    if image.format == "WEBP":
        return 12  # two canvases of 4 bytes, and the frame as Python bytes
    if isinstance(image, JpegImageFile) and (scans > 1 or "progressive" in image.info):
        blocks = [across * down for _, across, down, _ in image.layer]
        return 2 * sum(blocks) / max([1, *blocks])  # every coefficient of every layer, 2 bytes each, unreduced
    if image.format == "TIFF" and _tag(image, _TIFF_COMPRESSION, 1) != 1:
        return _tag(image, _TIFF_BITS, 8) * _tag(image, _TIFF_SAMPLES, 1) / 8  # a strip, which may be all of it
    return 0


def _tile(image: Image.Image) -> tuple[int, int]:
    """A TIFF's tile: one is unpacked as a whole, however small the picture is."""
    return (_tag(image, _TIFF_TILE_WIDTH, 0), _tag(image, _TIFF_TILE_HEIGHT, 0)) if image.format == "TIFF" else (0, 0)


def _tag(image: Image.Image, tag: int, default: int) -> int:
    told = getattr(image, "tag_v2", {}).get(tag)
    values = told if isinstance(told, tuple) else (told,)
    return max((value for value in values if isinstance(value, int)), default=default)
