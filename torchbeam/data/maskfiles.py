"""Masks in files: pictures whose values are no shades but classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from torchbeam.data.decode import FORMATS, MAX_PIXELS, read_bytes
from torchbeam.errors import PictureError

# Of a JPEG, which keeps values only about: what lies this near black or white was that.
NEAR = 32
_NOISE = 8  # what JPEG makes of plain black
_BETWEEN = 0.1  # the share of pixels, those at edges, that may be neither
_MEANS_NOTHING = -2
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """Masks in files, one for each record; a path '' where a record has none.

    values: what a stored value (palette index or grey value) means: NOTHING, IGNORE or 1 + the index of a class.
    colours: the stored value that a colour, 65536 x red + 256 x green + blue, stands for.
    """

    root: Path
    paths: tuple[str, ...]
    values: Mapping[int, int]
    colours: Mapping[int, int] = field(default_factory=dict)

    def mask(self, index: int) -> NDArray[np.int32]:
        """Shape (H, W), upright: NOTHING, IGNORE, or 1 + the index of the pixel's class. Raises PictureError."""
        name = self.paths[index]
        if not name:
            raise PictureError(f"picture {index} has no mask")
        stored = stored_values(read_bytes(self.root / name), name, self.colours)
        top = max(self.values, default=0)
        table = np.full(top + 2, _MEANS_NOTHING, dtype=np.int32)
        table[list(self.values)] = list(self.values.values())
        mask = table[np.where((stored < 0) | (stored > top), top + 1, stored)]
        unknown = mask == _MEANS_NOTHING
        if unknown.any():
            raise PictureError(
                f"{name} has values that name no class",
                expected=", ".join(map(str, sorted(self.values))),
                got=_some(np.unique(stored[unknown]).tolist()),
            )
        return mask


def stored_values(content: bytes, name: str, colours: Mapping[int, int] | None = None) -> NDArray[np.int32]:
    """The values (H, W) in a mask's file as they are: palette indices or grey values, turned upright by its EXIF.

    With `colours` a coloured mask is read by them, one of a palette too where they know all its colours. A JPEG is
    black (0) or white (255). Raises PictureError.
    """
    image, jpeg = _opened(content, name)
    return _black_or_white(_values(image, name, {}), name) if jpeg else _values(image, name, colours or {})


def _opened(content: bytes, name: str) -> tuple[Image.Image, bool]:
    """The picture as it is stored but upright, and whether it is a JPEG."""
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
        jpeg = image.format in ("JPEG", "MPO")
        if image.width * image.height <= MAX_PIXELS:
            image.load()
            if image.format == "PNG":  # Pillow stops reading before the checksum that tells of wrong pixels
                Image.open(BytesIO(content), formats=("PNG",)).verify()
            return ImageOps.exif_transpose(image), jpeg
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        got = str(error).split(" <")[0] or type(error).__name__
        raise PictureError(f"the mask {name} cannot be read", got=got, remedy="get the file again") from None
    raise PictureError(
        f"the mask {name} is too large",
        expected=f"at most {MAX_PIXELS / 1e6:.0f} million pixels",
        got=f"{image.width}x{image.height}",
    )


def _values(image: Image.Image, name: str, colours: Mapping[int, int]) -> NDArray[np.int32]:
    if image.mode == "P":
        known = _by_colour(image.convert("RGB"), colours) if colours else None
        if known is not None and not (known == _MEANS_NOTHING).any():
            return known
        return np.asarray(image).astype(np.int32)
    if image.mode in ("1", "L", "LA") or image.mode.startswith("I"):
        pixels = np.asarray(image).astype(np.int32)
        return pixels[..., 0] if pixels.ndim == 3 else pixels
    if image.mode not in ("RGB", "RGBA"):
        raise PictureError(f"the mask {name} has pixels of mode {image.mode}", expected="palette indices or greys")
    if colours:
        known = _by_colour(image.convert("RGB"), colours)
        if (known == _MEANS_NOTHING).any():
            at = tuple(np.argwhere(known == _MEANS_NOTHING)[0].tolist())
            raise PictureError(f"the mask {name} has colours that name no class", got=str(image.getpixel(at[::-1])))
        return known
    pixels = np.asarray(image).astype(np.int32)
    if (pixels[..., :1] != pixels[..., 1:3]).any():
        raise PictureError(
            f"the mask {name} has colours, and nothing says what they mean",
            expected="palette indices or greys, a value for each class",
            remedy="save the masks as index masks, or add a labelmap.txt of lines 'name:red,green,blue'",
        )
    return pixels[..., 0]


def _by_colour(image: Image.Image, colours: Mapping[int, int]) -> NDArray[np.int32]:
    pixels = np.asarray(image).astype(np.int32)
    packed = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    known = np.array(sorted(colours), dtype=np.int32)
    at = np.minimum(np.searchsorted(known, packed), len(known) - 1)
    stands_for = np.array([colours[colour] for colour in known.tolist()], dtype=np.int32)
    return np.where(known[at] == packed, stands_for[at], np.int32(_MEANS_NOTHING))


def _black_or_white(values: NDArray[np.int32], name: str) -> NDArray[np.int32]:
    between = ((values > NEAR) & (values < 255 - NEAR)).mean()
    if between > _BETWEEN or _NOISE < values.max(initial=0) <= NEAR:
        raise PictureError(
            f"the mask {name} is a JPEG, which changes the values of its pixels",
            expected="PNG, or black and white alone",
            remedy="save the masks as PNG from what they were made of",
        )
    return np.where(values >= 128, 255, 0).astype(np.int32)


def _some(values: list[int]) -> str:
    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(map(str, values[:_SHOWN])) + more
