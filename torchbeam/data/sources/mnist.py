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
MAX_BYTES = 4 * 2**30  # MNIST unpacks to 47 MB; a small gzip file can claim anything
_PARTS = {"train": "train", "t10k": "test", "test": "test"}


def find(root: Path) -> dict[str, tuple[Path, Path]]:
    """The pairs (images, labels) of idx files in a folder, by part; empty where there are none."""
    pairs: dict[str, tuple[Path, Path]] = {}
    for stem, part in _PARTS.items():
        images, labels = _file(root, f"{stem}-images", 3), _file(root, f"{stem}-labels", 1)
        if images and labels:
            pairs[part] = (images, labels)
    return pairs


def read(root: Path, place: str) -> Source:
    """The pictures of a folder of idx files; parts are train and test (t10k), classes the labels' numbers.

    Raises DataError when a file is damaged or images and labels do not match.
    """
    pixels, records, labels_seen = [], [], []
    for part, (images_path, labels_path) in find(root).items():
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise DataError(
                f"{images_path.name} and {labels_path.name} do not belong together",
                expected="images of shape (N, height, width) and N labels",
                got=f"shapes {images.shape} and {labels.shape}",
            )
        if pixels and images.shape[1:] != pixels[0].shape[1:]:
            raise DataError(
                f"{images_path.name} holds pictures of another size than the other part",
                expected=f"{pixels[0].shape[2]}x{pixels[0].shape[1]}",
                got=f"{images.shape[2]}x{images.shape[1]}",
            )
        stem = images_path.name.split("-")[0]
        records += [Record(f"{stem}#{n:05d}", int(y), part) for n, y in enumerate(labels)]
        pixels.append(images)
        labels_seen.append(labels)
    count = int(np.concatenate(labels_seen).max(initial=0)) + 1
    classes = tuple(str(number) for number in range(count))
    return Source("mnist", place, root, classes, tuple(records), Array(np.concatenate(pixels)))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, gzipped or not. Raises DataError."""
    try:
        packed = path.open("rb").read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}", got=str(error), remedy="get the file again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTES:
        raise DataError(
            f"{path} is not an idx file of unsigned bytes",
            expected="the bytes 00 00 08 at its beginning",
            got=content[:3].hex(" ") or "an empty file",
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
