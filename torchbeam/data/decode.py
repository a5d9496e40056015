"""Bytes -> a picture as it is meant to be seen: upright, 8 bits deep, grey or RGB, nothing hidden behind alpha.

Pillow decodes; torchvision's decoder crashes the process on damaged PNGs.
"""

import threading
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from torchbeam.errors import PictureError

# The decoders that bytes from outside may reach; Pillow opens MPO, what some phones call JPEG, as JPEG.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
# Twice the largest sensor of a common camera; a small file can claim far more and fill the memory.
MAX_PIXELS = 80_000_000
# Transparent pixels are shown on this colour.
BACKGROUND = "white"


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture's file. Raises PictureError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot read {path}", got=error.strerror or str(error), remedy="check the path") from error


def decode(content: bytes, name: str) -> Image.Image:
    """The picture in `content`, upright, in mode L or RGB; of an animation the first frame.

    Raises PictureError, which names the picture, when it is damaged, too large or no picture at all.
    """
    with _HUSH:
        try:
            image = Image.open(BytesIO(content), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name, f"{image.width}x{image.height}")
            image.load()
            if image.format == "PNG":  # Pillow stops reading before the checksum that tells of wrong pixels
                Image.open(BytesIO(content), formats=("PNG",)).verify()
        except UnidentifiedImageError:
            raise _not_a_picture(content, name) from None
        except Image.DecompressionBombError as error:
            raise _too_large(name, str(error).split(",")[0]) from None
        except PictureError:
            raise
        except Exception as error:  # Pillow's decoders raise many kinds on damaged files
            raise _damaged(name, str(error) or type(error).__name__) from None
        return from_image(image, name)


def from_image(image: Image.Image, name: str = "the picture") -> Image.Image:
    """A decoded picture upright by its EXIF, in mode L or RGB, alpha laid on white. Raises PictureError."""
    with _HUSH:
        try:
            return _eight_bits(_upright(image), name)
        except PictureError:
            raise
        except Exception as error:  # a mode or a file that Pillow opens but cannot convert
            raise _damaged(name, str(error) or type(error).__name__) from None


def from_array(pixels: np.ndarray, name: str = "the array") -> Image.Image:
    """A picture from an array of bytes, shape (H, W) or (H, W, 1, 3 or 4), alpha laid on white. Raises PictureError."""
    shape = pixels.shape
    if pixels.ndim == 3 and shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] in (3, 4))):
        raise PictureError(
            f"{name} is not a picture",
            expected="uint8 pixels 0 to 255 of shape (height, width) or (height, width, 3 or 4)",
            got=f"{pixels.dtype} of shape {shape}",
        )
    if 0 in shape:
        raise PictureError(f"{name} has no pixels", got=f"shape {shape}")
    return from_image(Image.fromarray(np.ascontiguousarray(pixels)), name)


class _Hush:
    """Keeps Pillow's warnings about odd files off the screen while any thread decodes; what matters is raised.

    Warning filters belong to the whole process, so the first thread in changes them and the last one out
    puts them back.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.filters = warnings.catch_warnings()
                self.filters.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.filters.__exit__(None, None, None)


_HUSH = _Hush()


def _too_large(name: str, got: str) -> PictureError:
    return PictureError(
        f"{name} is too large",
        expected=f"at most {MAX_PIXELS / 1e6:.0f} million pixels",
        got=got,
        remedy="scale it down first",
    )


def _damaged(name: str, got: str) -> PictureError:
    return PictureError(f"{name} is damaged or cut off", got=got, remedy="get the file again")


# How the files of each format begin.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")


def _not_a_picture(content: bytes, name: str) -> PictureError:
    start = content[:512].decode("utf-8", "replace")
    if content.startswith(_BEGINNINGS) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP"):
        return _damaged(name, "a beginning that cannot be read")
    if not content:
        got = "an empty file"
    elif all(letter.isprintable() or letter.isspace() for letter in start):
        got = "text"
    else:
        got = f"bytes that begin with {content[:8].hex(' ')}"
    return PictureError(f"{name} is not a picture", expected="JPEG, PNG, WebP, BMP, GIF, TIFF or PPM", got=got)


# EXIF's orientation (tag 274) and what turns the picture upright.
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = image.info
    return turned


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bits(image, name)
    if image.mode == "F":
        return _from_reals(image, name)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", over.size, BACKGROUND), over)
        return flat.convert("L" if image.mode in ("LA", "L", "1") else "RGB")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_16_bits(image: Image.Image, name: str) -> Image.Image:
    wide = np.asarray(image).astype(np.int64)
    if wide.min() < 0 or wide.max() > 65_535:
        raise PictureError(f"{name} has more than 16 bits a pixel", got=f"values {wide.min()} to {wide.max()}")
    tags = getattr(image, "tag_v2", {})
    bits = min(16, *tags.get(_BITS_PER_SAMPLE, (16,)))
    clear = wide == image.info.get("transparency", -1)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        wide = 2**bits - 1 - wide
    shades = (wide >> (bits - 8)).astype(np.uint8)
    shades[clear] = 255  # the background's white
    return Image.fromarray(shades)


# TIFF's tags for how deep a pixel is, and whether 0 is black or white.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def _from_reals(image: Image.Image, name: str) -> Image.Image:
    real = np.asarray(image)
    if not (np.isfinite(real).all() and real.min() >= 0 and real.max() <= 1):
        raise PictureError(
            f"{name} has real numbers for pixels that are no shades",
            expected="numbers from 0 (black) to 1 (white)",
            got=f"{real.min():g} to {real.max():g}",
        )
    return Image.fromarray((real * 255).round().astype(np.uint8))
