"""Masks as PNG beside the pictures: images/PART/1.jpg, masks/PART/1.png, and classes.txt.

A mask has one channel: 0 nothing, 255 to be ignored, else the class, whose name stands in that line of classes.txt,
counted from 0. With more than 254 classes it has 16 bits, and what is to be ignored is 65535.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from torchbeam.data.colours import palette
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import Names, listed_names, name_of
from torchbeam.data.targets.put import put, put_mask, put_picture
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.data.targets.things import mask_of, paintable
from torchbeam.errors import DataError


def check(told: Readable) -> None:
    """Raises DataError where there are neither masks nor boxes of known shape."""
    contents.check_boxed(told, "masks")
    if not told.shaped:
        raise DataError(
            f"{told.source.place} has boxes but no shapes, of which a mask could be made",
            remedy="convert it to coco, voc, yolo or csv",
        )


def lost(told: Readable) -> dict[str, int]:
    """What masks cannot hold: boxes as such, shapes one over the other, classes of whole pictures."""
    left_out = sum(not sample.record.masked and not paintable(told, sample) for sample in told.samples)
    return {
        **contents.only({"pictures without a mask (left out)": left_out}),
        **contents.labels(told),
        **contents.boxes(told),
        **contents.difficult(told),
        **contents.crowds(told),
        **contents.outlines(told),
        **contents.covered(told),
        **contents.strangers(told),
        **contents.renamed(told.source.classes, listed_names(told.source.classes)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write everything below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    in_parts, names = any(contents.parts(told)), Names(by_stem=True)
    classes = listed_names(told.source.classes)
    put(root / "classes.txt", "".join(f"{name}\n" for name in ("background", *classes)))
    for sample in told.samples:
        mask = mask_of(told, sample)
        if mask is None:
            continue
        part = sample.record.part or "train" if in_parts else ""
        name = names.free(str(PurePosixPath(part, name_of(sample))))
        put_picture(told, sample, root / "images" / name, link)
        put_mask(root / "masks" / PurePosixPath(name).with_suffix(".png"), mask, len(classes), palette())
        yield sample
