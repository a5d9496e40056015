"""The two ways a source holds its pictures: as files, and as one array."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.decode import decode, from_array, read_bytes


@dataclass(frozen=True, slots=True)
class Files:
    """Pictures in files, one each, in the order of the records."""

    root: Path
    paths: tuple[str, ...]

    def content(self, index: int) -> bytes:
        """The file's bytes. Raises PictureError."""
        return read_bytes(self.root / self.paths[index])

    def image(self, index: int) -> Image.Image:
        """The decoded picture, mode L or RGB. Raises PictureError."""
        return decode(self.content(index), self.paths[index])


@dataclass(frozen=True, slots=True)
class Array:
    """Pictures in one array of bytes, shape (N, H, W) or (N, H, W, 3)."""

    pixels: NDArray[np.uint8]

    def content(self, index: int) -> bytes:
        """The pixels' bytes."""
        return self.pixels[index].tobytes()

    def image(self, index: int) -> Image.Image:
        """The picture, mode L or RGB."""
        return from_array(self.pixels[index])
