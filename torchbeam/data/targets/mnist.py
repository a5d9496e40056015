"""MNIST's idx files: train-images-idx3-ubyte, train-labels-idx1-ubyte, and t10k- for the test.

Format: sources/mnist.py.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from torchbeam.data.targets import contents
from torchbeam.data.targets.put import growing, put
from torchbeam.data.targets.rows import check_classes, check_size, halves, labelled, pixels, rows_lost
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.errors import DataError

MOST_CLASSES = 256  # a label is a byte
_NAMES = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTES = 8


def check(told: Readable) -> None:
    """Raises DataError but for grey pictures of one size, in 256 classes at most."""
    contents.check_labelled(told, "mnist")
    check_classes(told, "mnist", MOST_CLASSES)
    check_size(told, "mnist", labelled(told)[0].facts.size)
    coloured = [sample.record.path for sample in labelled(told) if not sample.facts.grey]
    if coloured:
        raise DataError(
            f"mnist holds grey pictures only, and {len(coloured):,} have colour",
            got=", ".join(coloured[:3]),
            remedy="convert it to folder or csv",
        )


def lost(told: Readable) -> dict[str, int]:
    """What idx files cannot hold: boxes, masks, pictures without a class, validation, the names of the classes."""
    classes = told.source.classes
    numbers = [str(number) for number in range(len(classes))]
    named = sum(one != other for one, other in zip(classes, numbers, strict=True))
    return {
        **contents.unlabelled(told),
        **rows_lost(told),
        **contents.only({"names of classes (written as numbers)": named}),
        **contents.without_picture(told),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write the files below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    del link  # no picture stays a file
    for part, samples in halves(told).items():
        name, (width, height) = _NAMES[part], samples[0].facts.size
        with growing(root / f"{name}-images-idx3-ubyte") as file:
            file.write(_head(len(samples), height, width))
            for sample in samples:
                file.write(pixels(told, sample, "L").tobytes())
                yield sample
        labels = np.array([sample.record.label for sample in samples], dtype=np.uint8)
        put(root / f"{name}-labels-idx1-ubyte", _head(len(samples)) + labels.tobytes())


def _head(*shape: int) -> bytes:
    return bytes((0, 0, _UNSIGNED_BYTES, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
