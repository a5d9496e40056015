"""Pixels of any mode and depth -> 8 bits, grey or RGB, nothing hidden behind alpha.

Large pictures are converted tile by tile, so that beside the picture and what it becomes little memory is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from torchbeam.errors import PictureError

# Transparent pixels are shown on this colour.
BACKGROUND = "white"
TILE = 1 << 18  # pixels

_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
# TIFF's tags for how deep a pixel is, whether 0 is black or white, and the largest sample there can be. MaxSampleValue
# (281) is not asked: TIFF 6.0 (section 8) gives it for statistics, "not to be used to affect the visual appearance".
_BITS_PER_SAMPLE, _PHOTOMETRIC, _S_MAX_SAMPLE_VALUE, _WHITE_IS_ZERO = 258, 262, 341, 0


def eight_bits(image: Image.Image, name: str) -> tuple[Image.Image, bool]:
    """(the picture in mode L or RGB, alpha laid on white; whether any pixel was not opaque). Raises PictureError.

    A picture that is in mode L or RGB already is given back itself. Wider shades are scaled from the whole range of
    their depth: 16 bits keep the upper 8, TIFFs of another depth by their BitsPerSample or SMaxSampleValue, real
    numbers go from 0 to 1 or as far as SMaxSampleValue says.
    """
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image, False
    wide = _wide(image, name) if image.mode.startswith("I") or image.mode == "F" else None
    mode = "L" if wide or image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.width * image.height <= TILE:
        return _tile_in_eight_bits(image, mode, wide)
    flat, alpha = Image.new(mode, image.size), False
    for box, tile in tiles(image):
        part, clear = _tile_in_eight_bits(tile, mode, wide)
        flat.paste(part, box)
        alpha |= clear
    return flat, alpha


def tiles(image: Image.Image) -> Iterator[tuple[tuple[int, int, int, int], Image.Image]]:
    """(box, that part of the picture), at most TILE pixels each, from top to bottom."""
    across = min(image.width, TILE)
    down = max(1, TILE // across)
    for top in range(0, image.height, down):
        for left in range(0, image.width, across):
            box = (left, top, min(left + across, image.width), min(top + down, image.height))
            yield box, image.crop(box)


def _tile_in_eight_bits(tile: Image.Image, mode: str, wide: "_Wide | None") -> tuple[Image.Image, bool]:
    if wide:
        return wide.in_eight_bits(tile)
    if tile.mode in _WITH_ALPHA or "transparency" in tile.info:
        over = (tile.convert("LA") if tile.mode == "La" else tile).convert("RGBA")
        clear = over.getextrema()[3][0] < 255  # type: ignore[index]  # a pair for each of the four bands
        flat = Image.alpha_composite(Image.new("RGBA", over.size, BACKGROUND), over) if clear else over
        return flat.convert(mode), clear
    return tile.convert(mode), False


@dataclass(frozen=True, slots=True)
class _Wide:
    """How shades wider than 8 bits are read: top is white (black when inverted), clear is the transparent one."""

    top: float
    inverted: bool
    clear: int | None

    def in_eight_bits(self, tile: Image.Image) -> tuple[Image.Image, bool]:
        """(mode L, whether any pixel was transparent)."""
        wide = np.asarray(tile)
        if tile.mode == "F":
            shades = np.rint(wide * np.float32(255 / self.top)).astype(np.uint8)
        else:  # for a top of 2^n - 1: the upper 8 of n bits
            shades = (wide.astype(np.uint32) * 256 // (int(self.top) + 1)).astype(np.uint8)
        if self.inverted:
            shades = 255 - shades
        clear = None if self.clear is None else wide == self.clear
        if clear is not None:
            shades[clear] = 255  # the background's white
        return Image.fromarray(shades), clear is not None and bool(clear.any())


def _wide(image: Image.Image, name: str) -> _Wide:
    """How the shades of a picture of mode I, I;16 or F are read. Raises PictureError where they are none."""
    ranges = [(pixels.min(), pixels.max()) for pixels in (np.asarray(tile) for _, tile in tiles(image))]
    low, high = np.min(ranges), np.max(ranges)  # NaN where any is
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        top = _told(tags, high) or 1
        if not (low >= 0 and high <= top):
            raise PictureError(
                f"{name} has real numbers for pixels that are no shades",
                expected="numbers from 0 (black) to 1 (white)",
                got=f"{low:g} to {high:g}",
                remedy="scale them, or name the largest in the TIFF's tag SMaxSampleValue",
            )
    else:
        if low < 0 or high > 65_535:
            raise PictureError(f"{name} has more than 16 bits a pixel", got=f"values {low} to {high}")
        top = _told(tags, high) or 2 ** min(16, *tags.get(_BITS_PER_SAMPLE, (16,))) - 1
    clear = image.info.get("transparency")
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    return _Wide(top, inverted, clear if isinstance(clear, int) else None)


def _told(tags: dict[int, object], high: float) -> float | None:
    """The largest sample there can be, where a TIFF says it and its pixels agree."""
    told = tags.get(_S_MAX_SAMPLE_VALUE)
    if isinstance(told, tuple) and told:
        told = told[0]
    return float(told) if isinstance(told, int | float) and 0 < told < 2**32 and high <= told else None
