"""What formats have in common that hold all pictures of a part in one file: one size, labels, train and test only."""

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.records import UNLABELLED
from torchbeam.data.targets import contents
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.errors import DataError


def labelled(told: Readable) -> list[Sample]:
    """The samples that have a class as a whole."""
    return [sample for sample in told.samples if sample.record.label != UNLABELLED]


def halves(told: Readable) -> dict[str, list[Sample]]:
    """The labelled samples of train and test, where there are any.

    val is test where there is no test, else it joins train, and so do pictures of no part.
    """
    as_test = {"test"} if "test" in contents.parts(told) else {"val"}
    found: dict[str, list[Sample]] = {"train": [], "test": []}
    for sample in labelled(told):
        found["test" if sample.record.part in as_test else "train"].append(sample)
    return {half: samples for half, samples in found.items() if samples}


def rows_lost(told: Readable) -> dict[str, int]:
    """Boxes, masks, and parts that are not train and test."""
    parts = contents.parts(told)
    val = "train" if "test" in parts else "test"
    return {
        **contents.boxes(told),
        **contents.masks(told),
        **contents.only({
            f"pictures of val (written as {val})": parts.count("val"),
            "pictures of no part (written as train)": parts.count(""),
        }),
    }  # fmt: skip


def pixels(told: Readable, sample: Sample, mode: str) -> NDArray[np.uint8]:
    """The picture's bytes, shape (H, W) for mode L and (H, W, 3) for RGB. Raises PictureError."""
    return np.asarray(told.source.pictures.image(sample.number).convert(mode))


def check_size(told: Readable, name: str, size: tuple[int, int]) -> None:
    """Raises DataError where a labelled picture is not (width, height)."""
    others = [sample for sample in labelled(told) if sample.facts.size != size]
    if others:
        width, height = others[0].facts.size
        raise DataError(
            f"{name} holds pictures of one size, and {len(others):,} have another",
            expected=f"{size[0]}x{size[1]}",
            got=f"{others[0].record.path} is {width}x{height}",
            remedy="scale the pictures first, or convert to folder or csv",
        )


def check_classes(told: Readable, name: str, most: int) -> None:
    """Raises DataError where there are more classes than a label can number."""
    if len(told.source.classes) > most:
        raise DataError(
            f"{name} holds at most {most} classes",
            got=f"{len(told.source.classes):,}",
            remedy="convert to folder or csv",
        )
