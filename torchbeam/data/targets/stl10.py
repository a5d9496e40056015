"""STL-10's binary files, pictures without a class in unlabeled_X.bin. Format: sources/stl10.py."""

from collections.abc import Iterator
from pathlib import Path

from torchbeam.data.records import UNLABELLED
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import line_names
from torchbeam.data.targets.put import growing, put
from torchbeam.data.targets.rows import check_classes, check_size, halves, pixels, rows_lost
from torchbeam.data.targets.target import Readable, Sample

SIDE = 96
MOST_CLASSES = 255  # a label is a byte, the first class 1


def check(told: Readable) -> None:
    """Raises DataError but for pictures of 96x96 pixels, in 255 classes at most; grey ones become RGB."""
    contents.check_labelled(told, "stl10")
    check_classes(told, "stl10", MOST_CLASSES)
    check_size(told, "stl10", (SIDE, SIDE))


def lost(told: Readable) -> dict[str, int]:
    """What these files cannot hold: boxes, masks, validation, and pictures without a class of another size."""
    classes = told.source.classes
    other = sum(sample.record.label == UNLABELLED and not _fits(sample) for sample in told.samples)
    return {
        **rows_lost(told),
        **contents.only({"pictures without a class, of another size": other}),
        **contents.renamed(classes, line_names(classes)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write the files below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    del link  # no picture stays a file
    put(root / "class_names.txt", "".join(f"{name}\n" for name in line_names(told.source.classes)))
    unlabelled = [sample for sample in told.samples if sample.record.label == UNLABELLED and _fits(sample)]
    for name, samples in {**halves(told), **({"unlabeled": unlabelled} if unlabelled else {})}.items():
        with growing(root / f"{name}_X.bin") as file:
            for sample in samples:
                # The red plane, the green, the blue, each column by column.
                file.write(pixels(told, sample, "RGB").transpose(2, 1, 0).tobytes())
                yield sample
        if name != "unlabeled":
            put(root / f"{name}_y.bin", bytes(sample.record.label + 1 for sample in samples))


def _fits(sample: Sample) -> bool:
    return sample.facts.size == (SIDE, SIDE)
