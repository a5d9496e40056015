"""STL-10's binary files: train_X.bin, train_y.bin, test_X.bin, test_y.bin and class_names.txt.

Format: a picture is 3 x 96 x 96 bytes, the red plane, the green, the blue, each column by column; a label is a byte, 1
to 10. Source: Coates, Lee & Ng, 'An Analysis of Single-Layer Networks in Unsupervised Feature Learning' (2011), and
the page of the set.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.facts import Facts
from torchbeam.data.pictures import Array
from torchbeam.data.records import Record, Source
from torchbeam.data.sources.namelist import read_names
from torchbeam.errors import DataError

SIDE = 96
PLANES = 3 * SIDE * SIDE
NAMES = "class_names.txt"
_PASSED_OVER = ("unlabeled_X.bin", "fold_indices.txt")


@dataclass(frozen=True, slots=True)
class Arrays:
    """Pictures in several arrays one after the other, each of shape (N, H, W, 3): of files too large to be copied."""

    arrays: tuple[NDArray[np.uint8], ...]

    def content(self, index: int) -> bytes:
        """The pixels' bytes."""
        return self._one(index).content(0)

    def image(self, index: int, least: tuple[int, int] | None = None) -> Image.Image:
        """The picture, mode RGB."""
        return self._one(index).image(0, least)

    def facts(self, index: int) -> Facts:
        """What one look at the picture tells."""
        return self._one(index).facts(0)

    def _one(self, index: int) -> Array:
        for array in self.arrays:
            if index < len(array):
                return Array(np.asarray(array[index : index + 1]))
            index -= len(array)
        raise IndexError(index)


def here(root: Path) -> bool:
    """Whether pictures of STL-10 lie in a folder, with or without their labels."""
    try:
        return any((root / f"{part}_X.bin").is_file() for part in ("train", "test"))
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The labelled pictures of STL-10, parts train and test, classes as class_names.txt lists them.

    Raises DataError where a file is damaged or missing, or there is nothing to learn from.
    """
    parts = _parts(root)
    if to_learn and "train" not in parts:
        raise DataError(
            f"{root} has STL-10's test files but none to learn from",
            expected="train_X.bin and train_y.bin beside them",
            remedy="unpack stl10_binary.tar.gz as a whole",
        )
    classes = read_names(root / NAMES).names
    arrays = {part: _pixels(pictures) for part, (pictures, _) in parts.items()}
    labels = {part: _labels(path, len(arrays[part]), len(classes)) for part, (_, path) in parts.items()}
    records = tuple(
        Record(f"{part}#{number:05d}", int(label) - 1, part)
        for part, own in labels.items()
        for number, label in enumerate(own)
    )
    beside = [name for name in _PASSED_OVER if (root / name).is_file()]
    notes = (f"passed over: {' and '.join(beside)}",) if beside else ()
    return Source("stl10", place, root, classes, records, Arrays(tuple(arrays.values())), notes)


def _parts(root: Path) -> dict[str, tuple[Path, Path]]:
    """The files of pictures and of labels, by part. Raises DataError where there are no labels to the pictures."""
    pairs = {part: (root / f"{part}_X.bin", root / f"{part}_y.bin") for part in ("train", "test")}
    parts = {part: pair for part, pair in pairs.items() if pair[0].is_file()}
    for pictures, labels in parts.values():
        if not labels.is_file():
            raise DataError(
                f"{pictures} has no labels beside it",
                expected=labels.name,
                remedy="unpack stl10_binary.tar.gz as a whole",
            )
    return parts


def _pixels(path: Path) -> NDArray[np.uint8]:
    """A view of shape (N, 96, 96, 3) into the file, which is read as its pictures are asked for."""
    size = path.stat().st_size
    if size == 0 or size % PLANES:
        raise DataError(
            f"{path} is cut off or too long",
            expected=f"{PLANES:,} bytes for each picture",
            got=f"{size:,} bytes, which are {size / PLANES:,.2f} pictures",
            remedy="get the file again",
        )
    # (N, channel, column, row) as it lies there
    return np.memmap(path, np.uint8, "r").reshape(-1, 3, SIDE, SIDE).transpose(0, 3, 2, 1)


def _labels(path: Path, pictures: int, classes: int) -> NDArray[np.uint8]:
    """The labels as they stand in the file, 1 and up."""
    if path.stat().st_size != pictures:
        raise DataError(
            f"{path} does not go with its pictures",
            expected=f"{pictures:,} labels, a byte each",
            got=f"{path.stat().st_size:,} bytes",
            remedy="get both files again, from one archive",
        )
    labels = np.fromfile(path, np.uint8)
    wrong = np.flatnonzero((labels < 1) | (labels > classes))
    if len(wrong):
        raise DataError(
            f"{path} has a label that {NAMES} does not name",
            expected=f"1 to {classes}",
            got=f"{labels[wrong[0]]} for picture {wrong[0]}",
            remedy="get both files again, from one archive",
        )
    return labels
