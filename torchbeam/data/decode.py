"""Bytes -> a picture as it is meant to be seen: upright, 8 bits deep, grey or RGB, nothing hidden behind alpha.

Pillow decodes; torchvision's decoder crashes the process on damaged PNGs.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

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
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise PictureError(
                f"{name} is too large",
                expected=f"at most {MAX_PIXELS / 1e6:.0f} million pixels",
                got=f"{image.width}x{image.height}",
                remedy="scale it down first",
            )
        image.load()
    except UnidentifiedImageError:
        raise _not_a_picture(content, name) from None
    except Image.DecompressionBombError:
        raise PictureError(f"{name} is too large", expected=f"at most {MAX_PIXELS / 1e6:.0f} million pixels") from None
    except PictureError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise PictureError(
            f"{name} is damaged or cut off",
            got=str(error) or type(error).__name__,
            remedy="get the file again",
        ) from None
    return from_image(image, name)


def from_image(image: Image.Image, name: str = "the picture") -> Image.Image:
    """A decoded picture upright by its EXIF, in mode L or RGB, alpha laid on white. Raises PictureError."""
    return _eight_bits(_upright(image), name)


def from_array(pixels: np.ndarray, name: str = "the array") -> Image.Image:
    """A picture from an array of bytes, shape (H, W), (H, W, 1) or (H, W, 3). Raises PictureError."""
    shape = pixels.shape
    if pixels.ndim == 3 and shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] == 3)):
        raise PictureError(
            f"{name} is not a picture",
            expected="uint8 pixels 0 to 255 of shape (height, width) or (height, width, 3)",
            got=f"{pixels.dtype} of shape {shape}",
        )
    if 0 in shape:
        raise PictureError(f"{name} has no pixels", got=f"shape {shape}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _not_a_picture(content: bytes, name: str) -> PictureError:
    if not content:
        got = "an empty file"
    elif b"\0" not in content[:512] and content[:512].decode("utf-8", "replace").isprintable():
        got = "text"
    else:
        got = f"bytes that begin with {content[:8].hex(' ')}"
    return PictureError(f"{name} is not a picture", expected="JPEG, PNG, WebP, BMP, GIF, TIFF or PPM", got=got)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return image


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65_535:
            raise PictureError(f"{name} has more than 16 bits a pixel", got=f"values {wide.min()} to {wide.max()}")
        return Image.fromarray((wide >> 8).astype(np.uint8))
    if image.mode == "F":
        real = np.asarray(image)
        if not (np.isfinite(real).all() and real.min() >= 0 and real.max() <= 1):
            raise PictureError(
                f"{name} has real numbers for pixels that are no shades",
                expected="numbers from 0 (black) to 1 (white)",
                got=f"{real.min():g} to {real.max():g}",
            )
        return Image.fromarray((real * 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        over = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", over.size, BACKGROUND), over)
        return flat.convert("L" if image.mode in ("LA", "La") else "RGB")
    return image.convert("RGB")
