"""YOLO: a text file of labels for each picture, in a folder labels beside the folder images, and data.yaml.

A line is a class number and then either the box (centre, width and height) or the corners of its outline, all in
shares of the picture's width and height. Source: Ultralytics' documentation, 'Object Detection Datasets' and
'Instance Segmentation Datasets'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from torchbeam.data.pictures import Files
from torchbeam.data.records import UNLABELLED, Boxes, Fault, Record, Source, boxes
from torchbeam.data.regions import Outlines, Region, box_of
from torchbeam.data.sources.agreed import agreed, classes_boxed
from torchbeam.data.sources.boxed import sounded, true_size
from torchbeam.data.sources.folder import natural
from torchbeam.data.sources.namelist import text_of
from torchbeam.data.sources.yololayout import LABELS, Layout, is_set, label_path, laid_out
from torchbeam.errors import DataError

MAX_BYTES = 16 * 2**20
_NOT_LABELS = ("classes.txt", "labels.txt")

# Left, top, right and bottom.
Edges = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of labels: the class's number, and four numbers (box) or the corners (outline) in shares."""

    number: int
    label: int
    shares: tuple[float, ...]


def here(root: Path) -> bool:
    """Whether a YAML file that names classes and parts, or folders images and labels that go together, lie there."""
    try:
        return is_set(root)
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures of a YOLO set, with their boxes and outlines; one without a file of labels shows nothing.

    Classes are in the order of the set's own names. Raises DataError where data.yaml cannot be used, there are no
    pictures, or nothing could be learnt from them.
    """
    layout = laid_out(root)
    if not layout.pictures:
        raise DataError(f"no pictures in the YOLO set {root}", expected="pictures in its folders of images")
    lines, faults = _lines(root, layout)
    classes = layout.names or _by_numbers(root, lines)
    records = []
    for (path, part), told in zip(layout.pictures, lines, strict=True):
        held, wrong = _boxes(root, path, told, len(classes))
        faults += wrong
        records.append(Record(path, UNLABELLED, part, held))
    by_part = classes_boxed(records, classes)
    notes = [*layout.notes, *agreed(root, classes, by_part, to_learn, layout.names)]
    if not layout.names:
        notes.append("nothing names the classes: they go by their numbers")
    files = Files(root, tuple(record.path for record in records))
    all_faults = (*layout.faults, *faults, *_strays(root, layout))
    return Source("yolo", place, root, classes, tuple(records), files, tuple(notes), None, all_faults)


def _by_numbers(root: Path, lines: Sequence[Sequence[Line]]) -> tuple[str, ...]:
    most = max((line.label for told in lines for line in told), default=-1)
    if not 0 <= most < 10_000:
        raise DataError(
            f"nothing names the classes in {root}, and their numbers cannot be taken for names",
            expected="numbers from 0 on",
            got=str(most) if most >= 0 else "no box at all",
            remedy="add a classes.txt with a name a line, or names to data.yaml",
        )
    return tuple(str(number) for number in range(most + 1))


def _strays(root: Path, layout: Layout) -> list[Fault]:
    """The files of labels that no picture asks for; beside pictures, other texts may lie."""
    asked = {label_path(path) for path, _ in layout.pictures}
    places = {PurePosixPath(each).parent for each in asked}
    found = {
        (place / path.name).as_posix()
        for place in places
        if LABELS in place.parts
        for path in (root / place).glob("*.txt")
        if path.name not in _NOT_LABELS
    }
    reason = "labels without a picture; left out"
    return [Fault(name, "picture missing", reason) for name in sorted(found - asked, key=natural)]


# Labels


def _lines(root: Path, layout: Layout) -> tuple[list[list[Line]], list[Fault]]:
    lines, faults = [], []
    for path, _ in layout.pictures:
        name = label_path(path)
        told: list[Line] = []
        lines.append(told)
        if not (root / name).is_file():
            continue
        try:
            text = text_of(root / name, MAX_BYTES)
        except DataError as error:
            faults.append(Fault(path, "labels unreadable", f"{error.what}; the picture is taken to show nothing"))
            continue
        for number, row in enumerate(text.splitlines(), start=1):
            if not row.strip():
                continue
            line = _line(number, row)
            if isinstance(line, Line):
                told.append(line)
            else:
                faults.append(Fault(path, "line unreadable", f"line {number} of {name}: {line}; set aside"))
    return lines, faults


def _line(number: int, text: str) -> Line | str:
    """A line of labels, or in words why it is none."""
    words = text.split()
    try:
        label, *shares = (float(word) for word in words)
    except ValueError:
        return f"{text.strip()[:60]!r} is not numbers"
    if not (0 <= label < 2**31 and label == int(label)):
        return f"{words[0][:20]} is no class number"
    if len(shares) == 4 or (len(shares) >= 6 and len(shares) % 2 == 0):
        return Line(number, int(label), tuple(shares))
    return f"{len(shares)} numbers after the class, where a box has 4 and an outline 6 or more, in pairs"


def _boxes(root: Path, path: str, told: Sequence[Line], count: int) -> tuple[Boxes, list[Fault]]:
    faults = []
    size = true_size(root, path)
    xyxy: list[Edges] = []
    labels: list[int] = []
    regions: list[Region | None] = []
    for line in told:
        if line.label >= count:
            reason = f"line {line.number} of {label_path(path)} is of class {line.label} of {count}; set aside"
            faults.append(Fault(path, "class unknown", reason))
        elif size is not None:
            edges, region = _in_pixels(line.shares, size)
            xyxy.append(edges)
            labels.append(line.label)
            regions.append(region)
    held, wrong = sounded(root, path, boxes(xyxy, labels, regions), size)
    return held, faults + wrong


def _in_pixels(shares: Sequence[float], size: tuple[int, int]) -> tuple[Edges, Region | None]:
    """The edges of a box in pixels, and its outline where corners are told."""
    across, down = size
    if len(shares) == 4:
        x, y, width, height = shares
        left, top = (x - width / 2) * across, (y - height / 2) * down
        return (left, top, left + width * across, top + height * down), None
    ring = np.array(shares, dtype=np.float64).reshape(-1, 2) * size
    if not np.isfinite(ring).all():
        return (np.nan, np.nan, np.nan, np.nan), None
    outline = Outlines((ring,))
    return box_of(outline), outline
