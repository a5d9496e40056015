"""What one look at a picture tells: enough to split, to check and to plan, without keeping its pixels."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.decode import from_array, see
from torchbeam.data.frames import frames
from torchbeam.data.shades import tiles

# JPEGs are looked at on the smallest scale whose both sides have this many pixels: 16 for each of a thumbnail's, so
# that where those begin and end, on whole pixels, is nearly the same on every scale.
ENOUGH = 128


@dataclass(frozen=True, slots=True)
class Facts:
    """digest: SHA-256 of the content, hex. size: (width, height), upright. grey: no pixel has colour, its three
    channels are equal (of a reduced JPEG, no pixel of the reduced one).

    format: Pillow's name of the file's format, '' where there is no file. mode: Pillow's mode as stored. bits: of
    one channel. alpha: some pixel is not opaque. orientation: EXIF's, 1 to 8. frames: 1 unless animated (or a TIFF
    of several pages). dhash: 64 bits, which of two neighbours in a 9x8 grey thumbnail is brighter. thumb: 8x8 RGB
    bytes, row by row.
    """

    digest: str
    size: tuple[int, int]
    grey: bool
    format: str
    mode: str
    bits: int
    alpha: bool
    orientation: int
    frames: int
    dhash: int
    thumb: bytes


def examine(content: bytes, name: str) -> Facts:
    """The facts of a picture's file, decoded once. Raises PictureError where it cannot be read whole."""
    seen = see(content, name, (ENOUGH, ENOUGH))
    small = _reduced(seen.image)
    return Facts(
        digest=hashlib.sha256(content).hexdigest(),
        size=seen.size,
        grey=_is_grey(seen.image),
        format=seen.stored.format or "",
        mode=seen.stored.mode,
        bits=_bits(seen.stored, content),
        alpha=seen.alpha,
        orientation=seen.orientation,
        frames=frames(seen.stored, content),
        dhash=_dhash(small),
        thumb=_thumb(small),
    )


def examine_pixels(pixels: NDArray[np.uint8]) -> Facts:
    """The facts of a picture that is no file: bytes of shape (H, W) or (H, W, 3). Raises PictureError."""
    picture = from_array(pixels)
    small = _reduced(picture)
    return Facts(
        digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
        size=picture.size,
        grey=_is_grey(picture),
        format="",
        mode=picture.mode,
        bits=8,
        alpha=False,
        orientation=1,
        frames=1,
        dhash=_dhash(small),
        thumb=_thumb(small),
    )


def _is_grey(picture: Image.Image) -> bool:
    return picture.mode == "L" or all(_all_equal(tile) for _, tile in tiles(picture))


def _all_equal(tile: Image.Image) -> bool:
    red, green, blue = (channel.tobytes() for channel in tile.split())
    return red == green == blue


_BITS = {"1": 1, "I": 16, "F": 32}
_TIFF_BITS = 258


def _bits(stored: Image.Image, content: bytes) -> int:
    """How deep a channel is stored. Pillow gives colours of 16 bits as 8, so PNG and TIFF are asked themselves."""
    if stored.mode in ("P", "PA"):
        return 8  # of the palette's colours
    if stored.format == "PNG":
        return content[24]
    if stored.format == "TIFF":
        return max(getattr(stored, "tag_v2", {}).get(_TIFF_BITS, (1,)))  # as long a tuple as there are channels
    return 16 if stored.mode.startswith("I;16") else _BITS.get(stored.mode, 8)


def _reduced(picture: Image.Image) -> Image.Image:
    """By whole factors, to a size that the thumbnails cost little from."""
    across, down = max(1, picture.width // ENOUGH), max(1, picture.height // ENOUGH)
    return picture if across == down == 1 else picture.reduce((across, down))


def _dhash(small: Image.Image) -> int:
    """The difference hash: in each row of a 9x8 grey thumbnail, 1 where the right one of two neighbours is brighter.

    Row by row from the left, the first pair in the highest bit (N. Krawetz, "Kind of Like That", 2013).
    """
    grey = small.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    found = 0
    for at in range(72):
        if at % 9:
            found = found << 1 | (grey[at] > grey[at - 1])
    return found


def _thumb(small: Image.Image) -> bytes:
    return small.resize((8, 8), Image.Resampling.BOX).convert("RGB").tobytes()
