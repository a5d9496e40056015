"""One table: pictures.csv, with the pictures beside it and masks as PNG.

A row for each box, or for the picture where it has none: path, label, class_index, part, the edges x1, y1, x2, y2 in
pixels, and the path of the mask; columns that nothing would be in are left out, and class_index where the classes are
in natural order. Of a row with a box, the label is the box's class. Masks: 0 nothing, 255 to be ignored, else 1 + the
class's place among the labels in the table, or, where it has none, the class's line in classes.txt, counted from 0.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.colours import palette
from torchbeam.data.records import IGNORE, NOTHING, UNLABELLED
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import Names, line_names, listed_names, name_of
from torchbeam.data.targets.put import put, put_mask, put_picture
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.data.targets.things import mask_of

NAME = "pictures.csv"
EDGES = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a source goes into a table. classes: their names as written. listed: those that rows name, in order.

    boxed: whether there are boxes at all. numbered: whether the order of the classes must be told.
    """

    classes: tuple[str, ...]
    listed: tuple[int, ...]
    boxed: bool
    numbered: bool

    def keeps(self, sample: Sample) -> bool:
        """Whether a picture can stand in the table: not without a class where all rows must have one."""
        return self.boxed or not self.listed or sample.record.label != UNLABELLED


def plan(told: Readable) -> Plan:
    """What the table of a source will hold."""
    boxed = any(sample.record.boxes for sample in told.samples)
    if boxed:
        held = [sample.record.boxes for sample in told.samples if sample.record.boxes]
        seen = {label for one in held for label in one.labels_N.tolist()}
    else:
        seen = set()
    # Of a picture with boxes the rows name the boxes' classes alone.
    seen |= {sample.record.label for sample in told.samples if not sample.record.boxes} - {UNLABELLED}
    classes = (line_names if seen else listed_names)(told.source.classes)
    return Plan(classes, tuple(sorted(seen)), boxed, bool(contents.order(told)))


def check(told: Readable) -> None:
    """A table can hold any picture."""
    del told


def lost(told: Readable) -> dict[str, int]:
    """What the table cannot hold: shapes but as pixels of a mask, marks of boxes, classes of pictures with boxes."""
    own = plan(told)
    both = sum(sample.record.label != UNLABELLED and bool(sample.record.boxes) for sample in told.samples)
    left_out = sum(not own.keeps(sample) for sample in told.samples)
    return {
        **contents.only({"pictures without a class (left out)": left_out}),
        **contents.only({"classes of whole pictures that have boxes": both}),
        **contents.shapes(told),
        **contents.difficult(told),
        **contents.crowds(told),
        **contents.strangers(told),
        **contents.only({"classes that no row names": _unnamed(told, own)}),
        **contents.renamed(told.source.classes, own.classes),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write everything below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    own, names, in_parts = plan(told), Names(by_stem=True), any(contents.parts(told))
    rows: list[dict[str, str]] = []
    for sample in told.samples:
        if not own.keeps(sample):
            continue
        part = sample.record.part or "train" if in_parts else ""
        place = f"images/{names.free(str(PurePosixPath(part, name_of(sample))))}"
        put_picture(told, sample, root / place, link)
        masked = _masked(told, own, sample, root, place)
        rows += [{"path": place, "part": part, "mask": masked} | row for row in _things(sample, own)]
        yield sample
    if not own.listed:
        put(root / "classes.txt", "".join(f"{name}\n" for name in ("background", *own.classes)))
    columns = ("path", "label", "class_index", "part", *EDGES, "mask")
    held = StringIO()
    filled = [name for name in columns if any(row.get(name) for row in rows)]
    writer = csv.DictWriter(held, filled, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    put(root / NAME, held.getvalue())


def _things(sample: Sample, own: Plan) -> list[dict[str, str]]:
    """The class and the edges of each row of a picture."""
    held, label = sample.record.boxes, sample.record.label
    if not held:
        return [_class(label, own)]
    return [
        _class(one, own) | dict(zip(EDGES, map(repr, edges), strict=True))
        for one, edges in zip(held.labels_N.tolist(), held.xyxy_N4.tolist(), strict=True)
    ]


def _class(label: int, own: Plan) -> dict[str, str]:
    if label == UNLABELLED:
        return {}
    return {"label": own.classes[label]} | ({"class_index": str(label)} if own.numbered else {})


def _masked(told: Readable, own: Plan, sample: Sample, root: Path, place: str) -> str:
    """Writes the mask of a picture, and tells its path; '' where there is none."""
    mask = mask_of(told, sample)
    if mask is None:
        return ""
    path = PurePosixPath("masks", *PurePosixPath(place).parts[1:]).with_suffix(".png")
    put_mask(root / path, _by_place(mask, own), len(own.classes), palette())
    return str(path)


def _by_place(mask_HW: NDArray[np.int32], own: Plan) -> NDArray[np.int32]:
    """A mask by the places of the classes among the labels; those of no label are to be ignored."""
    if not own.listed:
        return mask_HW
    places = np.full(len(own.classes) + 2, IGNORE, dtype=np.int32)  # its last is found by IGNORE, -1
    places[NOTHING] = NOTHING
    for place, label in enumerate(own.listed, start=1):
        places[label + 1] = place
    return places[mask_HW]


def _unnamed(told: Readable, own: Plan) -> int:
    return len(told.source.classes) - len(own.listed) if own.listed else 0
