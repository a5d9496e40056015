"""The two ways a source holds its pictures: as files, and as one array."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.decode import decode, from_array, read_bytes
from torchbeam.data.facts import Facts, examine, examine_pixels


@dataclass(frozen=True, slots=True)
class Files:
    """Pictures in files, one each, in the order of the records."""

    root: Path
    paths: tuple[str, ...]

    def content(self, index: int) -> bytes:
        """The file's bytes. Raises PictureError."""
        return read_bytes(self.root / self.paths[index])

    def image(self, index: int, least: tuple[int, int] | None = None) -> Image.Image:
        """The decoded picture, mode L or RGB, where both sides stay at least `least` perhaps reduced.

        Raises PictureError.
        """
        return decode(self.content(index), self.paths[index], least)

    def facts(self, index: int) -> Facts:
        """What one look at the picture tells. Raises PictureError."""
        return examine(self.content(index), self.paths[index])


@dataclass(frozen=True, slots=True)
class Array:
    """Pictures in one array of bytes, shape (N, H, W) or (N, H, W, 3)."""

    pixels: NDArray[np.uint8]

    def content(self, index: int) -> bytes:
        """The pixels' bytes."""
        return self.pixels[index].tobytes()

    def image(self, index: int, least: tuple[int, int] | None = None) -> Image.Image:
        """The picture, mode L or RGB."""
        del least  # nothing would be saved
        return from_array(self.pixels[index])

    def facts(self, index: int) -> Facts:
        """What one look at the picture tells."""
        return examine_pixels(self.pixels[index])
