"""MNIST's idx files, gzipped or not: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...

Format: two zero bytes, a type byte (8: unsigned bytes), the number of axes, each axis as a big-endian
32-bit number, then the bytes. Source: LeCun, Cortes & Burges, 'The MNIST database'.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.pictures import Array
from torchbeam.data.records import Record, Source
from torchbeam.errors import DataError

UNSIGNED_BYTES = 8
MAX_BYTES = 2**30  # MNIST unpacks to 47 MB; a small gzip file can claim anything
_PARTS = {"train": "train", "t10k": "test", "test": "test"}


def here(root: Path) -> bool:
    """Whether idx files lie in a folder."""
    return bool(find(root))


def find(root: Path) -> dict[str, tuple[Path, Path]]:
    """The pairs (images, labels) of idx files in a folder, by part; empty where there are none."""
    pairs: dict[str, tuple[Path, Path]] = {}
    for stem, part in _PARTS.items():
        images, labels = _file(root, f"{stem}-images", 3), _file(root, f"{stem}-labels", 1)
        if images and labels:
            pairs[part] = (images, labels)
    return pairs


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures of a folder of idx files; parts are train and test (t10k), classes the labels there are.

    Raises DataError when a file is damaged, images and labels do not match, or there are none to learn from.
    """
    pairs = find(root)
    if to_learn and "train" not in pairs:
        raise DataError(
            f"{root} has MNIST's test files but none to learn from",
            expected="train-images-idx3-ubyte and train-labels-idx1-ubyte beside them",
        )
    parts = {part: _read_pair(images, labels) for part, (images, labels) in pairs.items()}
    shapes = {part: images.shape[1:] for part, (images, _) in parts.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(
            f"the parts in {root} hold pictures of different sizes",
            expected="one size for all",
            got=", ".join(f"{part} {width}x{height}" for part, (height, width) in shapes.items()),
        )
    numbers = np.unique(np.concatenate([labels for _, labels in parts.values()]))
    place_of = {int(number): index for index, number in enumerate(numbers)}
    records = tuple(
        Record(f"{pairs[part][0].name.split('-')[0]}#{number:05d}", place_of[int(label)], part)
        for part, (_, labels) in parts.items()
        for number, label in enumerate(labels)
    )
    pixels = np.concatenate([images for images, _ in parts.values()])
    return Source("mnist", place, root, tuple(str(number) for number in numbers), records, Array(pixels))


def _read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(
            f"{images_path.name} and {labels_path.name} do not belong together",
            expected="images of shape (N, height, width) and N labels",
            got=f"shapes {images.shape} and {labels.shape}",
        )
    return images, labels


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, gzipped or not. Raises DataError."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}", got=str(error), remedy="get the file again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTES or content[3] > 4:
        raise DataError(
            f"{path} is not an idx file of unsigned bytes",
            expected="the bytes 00 00 08 and a number of axes, at most 4, at its beginning",
            got=content[:4].hex(" ") or "an empty file",
        )
    axes = content[3]
    shape = tuple(int(n) for n in np.frombuffer(content[4 : 4 + 4 * axes].ljust(4 * axes, b"\0"), ">u4"))
    size, start = math.prod(shape), 4 + 4 * axes
    if len(content) != start + size:
        raise DataError(
            f"{path} is cut off or too long",
            expected=f"{size:,} bytes of data for shape {shape}",
            got=f"{max(0, len(content) - start):,}",
            remedy="get the file again",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _file(root: Path, stem: str, axes: int) -> Path | None:
    for name in (f"{stem}-idx{axes}-ubyte", f"{stem}.idx{axes}-ubyte"):
        for suffix in ("", ".gz"):
            if (root / (name + suffix)).is_file():
                return root / (name + suffix)
    return None
