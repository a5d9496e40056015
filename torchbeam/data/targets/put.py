"""How pictures, masks and lists get into a data set that is being written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.pictures import Files
from torchbeam.data.records import IGNORE
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.files import cannot_write

# Above this a mask's pixels no longer fit a byte, 255 being the pixels that nobody is judged by.
MOST_IN_A_BYTE = 254


def put_picture(told: Readable, sample: Sample, path: Path, link: bool) -> None:
    """The sample's picture at `path`: its file's bytes untouched, or linked, or a PNG where there is no file.

    Raises PictureError, OutOfRoom, OutputError.
    """
    pictures = told.source.pictures
    if not sample.facts.format:
        put_image(path, pictures.image(sample.number))
    elif not (link and isinstance(pictures, Files) and linked(pictures.root / pictures.paths[sample.number], path)):
        put(path, pictures.content(sample.number))


def linked(old: Path, new: Path) -> bool:
    """Whether `new` became a hard link to the file `old`; not across file systems, nor where that is forbidden."""
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.hardlink_to(old.resolve())
    except OSError:
        return False
    return True


def put_image(path: Path, image: Image.Image) -> None:
    """A picture as a PNG. Raises OutOfRoom, OutputError."""
    held = BytesIO()
    image.save(held, "PNG")
    put(path, held.getvalue())


def put_mask(path: Path, mask_HW: NDArray[np.int32], largest: int, palette: Sequence[int] = ()) -> None:
    """A mask as a PNG of one channel, `largest` being the highest value of the whole set but for IGNORE.

    IGNORE becomes 255; with values above 254 the PNG has 16 bits and IGNORE is 65535. palette: 256 colours as
    768 numbers, for eyes only. Raises OutOfRoom, OutputError.
    """
    if largest > MOST_IN_A_BYTE:
        put_image(path, Image.fromarray(np.where(mask_HW == IGNORE, 65_535, mask_HW).astype(np.uint16)))
        return
    image = Image.fromarray(np.where(mask_HW == IGNORE, 255, mask_HW).astype(np.uint8))
    if palette:
        image.putpalette(list(palette))
    put_image(path, image)


def put(path: Path, content: bytes | str) -> None:
    """A file, its folder made where it is missing. Raises OutOfRoom, OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def growing(path: Path) -> Iterator[BinaryIO]:
    """A file that is written piece by piece. Raises OutOfRoom, OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise cannot_write(path, error) from error
