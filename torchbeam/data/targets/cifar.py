"""CIFAR's binary files: as CIFAR-10 up to ten classes, as CIFAR-100 up to a hundred. Format: sources/cifar.py."""

from collections.abc import Iterator
from pathlib import Path

from torchbeam.data.targets import contents
from torchbeam.data.targets.names import line_names
from torchbeam.data.targets.put import growing, put
from torchbeam.data.targets.rows import check_classes, check_size, halves, pixels, rows_lost
from torchbeam.data.targets.target import Readable, Sample

SIDE = 32
FEW_CLASSES, MOST_CLASSES = 10, 100
BATCHES = 5  # CIFAR-10's training part


def check(told: Readable) -> None:
    """Raises DataError but for pictures of 32x32 pixels, in a hundred classes at most; grey ones become RGB."""
    contents.check_labelled(told, "cifar")
    check_classes(told, "cifar", MOST_CLASSES)
    check_size(told, "cifar", (SIDE, SIDE))


def lost(told: Readable) -> dict[str, int]:
    """What these files cannot hold: boxes, masks, pictures without a class, validation."""
    classes = told.source.classes
    return {
        **contents.unlabelled(told),
        **rows_lost(told),
        **contents.renamed(classes, line_names(classes)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write the files below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError.

    CIFAR-100's coarse labels are 0 throughout, the class named 'all'.
    """
    del link  # no picture stays a file
    names = "".join(f"{name}\n" for name in line_names(told.source.classes))
    few = len(told.source.classes) <= FEW_CLASSES
    put(root / ("batches.meta.txt" if few else "fine_label_names.txt"), names)
    if not few:
        put(root / "coarse_label_names.txt", "all\n")
    for name, samples in _files(halves(told), few).items():
        with growing(root / name) as file:
            for sample in samples:
                label = bytes([sample.record.label]) if few else bytes([0, sample.record.label])
                file.write(label + pixels(told, sample, "RGB").transpose(2, 0, 1).tobytes())
                yield sample


def _files(parts: dict[str, list[Sample]], few: bool) -> dict[str, list[Sample]]:
    """The samples of each file; CIFAR-10's five batches are as equal as can be, in order."""
    train, test = parts.get("train", []), parts.get("test", [])
    if not few:
        found = {"train.bin": train, "test.bin": test}
    else:
        cuts = [len(train) * batch // BATCHES for batch in range(BATCHES + 1)]
        found = {f"data_batch_{at + 1}.bin": train[cuts[at] : cuts[at + 1]] for at in range(BATCHES)}
        found["test_batch.bin"] = test
    return {name: samples for name, samples in found.items() if samples}
