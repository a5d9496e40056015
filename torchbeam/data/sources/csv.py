"""Lists of pictures in CSV files: a row for each picture with its class, part and mask, or a row for each box.

What the columns may be called is told in table.py. Paths are relative to the folder of the file, or absolute.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from torchbeam.data.maskfiles import MaskFiles
from torchbeam.data.pictures import Files
from torchbeam.data.records import UNLABELLED, Boxes, Fault, Record, Source, boxes
from torchbeam.data.sources.boxed import sounded, true_size
from torchbeam.data.sources.folder import PART_NAMES, check_classes, natural, notes_on_classes
from torchbeam.data.sources.listing import (
    Line,
    by_picture,
    check_parts,
    check_pixels,
    in_order,
    labels_are_whole,
    lines_of,
)
from torchbeam.data.sources.masks import listed, understood
from torchbeam.data.sources.namelist import NameList
from torchbeam.data.sources.table import SUFFIXES, Table, peek, read_table
from torchbeam.errors import DataError

# Rows of which one picture must lie there, for a file to be taken for a list of pictures.
_LOOKED_AT = 20


def here(root: Path) -> bool:
    """Whether a list of pictures lies in a folder, beside at least one of the pictures its first rows name."""
    try:
        return any(table.columns.tells and _found(table) for table in _peeked(root))
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True, file: Path | None = None) -> Source:
    """The pictures of the list in `root`, or of train, val and test lists side by side, or of the one `file` there.

    A picture has the class of its row. Where pictures have several rows with boxes, or one has none and no class, a
    label is the box's class, and pictures have none. Classes are in the order of a class_index column, else in
    natural order. To learn, the train part must know every class, and there must be two of them unless there are
    boxes or masks. Pictures that are missing stay in the records. Raises DataError, with the line, for what cannot
    be meant so.
    """
    tables, notes = ([(read_table(file), "")], []) if file else _chosen(root)
    name = " and ".join(table.path.name for table, _ in tables)
    boxed = tables[0][0].columns.box is not None
    lines = [line for table, part in tables for line in lines_of(table, part, root)]
    if not lines:
        raise DataError(f"{root / name} lists no picture", expected="a row for each picture below its first line")
    pictures, repeats = by_picture(lines, boxed)
    check_parts(name, lines, to_learn)
    check_pixels(name, lines)
    named = tables[0][0].columns.at.keys() & {"label", "class_index"}
    whole = bool(named) and labels_are_whole(name, pictures, boxed)
    labelled = [line for line in lines if line.label and (whole or line.box)]
    classes = _classes(labelled, to_learn)
    masks = _masks(root, pictures, classes)
    classes = masks.classes
    _check_enough(root / name, classes, labelled, to_learn, boxed or masks.files is not None)
    index = {label: at for at, label in enumerate(classes)}
    held = {path: _boxes(root, path, own, index) for path, own in pictures.items()} if boxed else {}
    records = tuple(
        Record(
            path,
            index[own[0].label] if whole else UNLABELLED,
            own[0].part,
            held[path][0] if boxed else None,
            masks.files is not None and bool(masks.files.paths[at]),
        )
        for at, (path, own) in enumerate(pictures.items())
    )
    bare = len({line.path for line in lines if line.label and not whole and not line.box})
    notes += repeats + ([f"a class without a box is passed over, in {bare:,} of the pictures"] if bare else [])
    return Source(
        "csv",
        place,
        root,
        classes,
        records,
        Files(root, tuple(pictures)),
        (*notes, *masks.notes, *notes_on_classes(classes, _by_part(labelled), "part")),
        masks.files,
        (*(fault for _, faults in held.values() for fault in faults), *masks.faults),
    )


# Which files


def _peeked(root: Path) -> list[Table]:
    """The files in a folder that name pictures."""
    files = sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    return [table for table in (peek(path, _LOOKED_AT) for path in files) if table]


def _found(table: Table) -> bool:
    at = table.columns.at["path"]
    return any(_is_file(table.path.parent, row.cells[at]) for row in table.rows)


def _is_file(folder: Path, name: str) -> bool:
    try:
        return bool(name) and ((folder / name).is_file() or (folder / name.replace("\\", "/")).is_file())
    except (OSError, ValueError):  # too long a name, or one that no file can have
        return False


def _chosen(root: Path) -> tuple[list[tuple[Table, str]], list[str]]:
    """The tables to read and the part that the name of each says, and notes on others."""
    peeked = _peeked(root)
    there = {table.path for table in peeked if _found(table)}
    # one named val.csv beside a list whose pictures are there is no stray: that its own are missing must be told
    files = [table.path for table in peeked if table.columns.tells and (table.path in there or _part_of(table.path))]
    bare = [table.path.name for table in peeked if not table.columns.tells and table.path in there]
    parts = [_part_of(path) for path in files]
    if not there & set(files):
        raise DataError(
            f"no list of pictures in {root}",
            expected="a .csv file with a column for the picture and one for its class, and its pictures there",
            remedy="name the file itself",
        )
    if len(files) > 1 and ("" in parts or len(set(parts)) < len(parts)):
        raise DataError(
            f"{root} has several lists of pictures",
            expected="one, or train.csv, val.csv and test.csv",
            got=", ".join(path.name for path in files),
            remedy="name the one to read, or take the others out",
        )
    tables = [read_table(path) for path in files]
    for one, other in pairwise(tables):
        if _holds(one) != _holds(other):
            raise DataError(
                f"{one.path.name} and {other.path.name} have different columns",
                expected="classes, boxes and masks in both or in neither",
                got=f"{', '.join(sorted(_holds(one)))} and {', '.join(sorted(_holds(other)))}",
                remedy="give both the same columns",
            )
    notes = [f"passed over, it names pictures but tells nothing of them: {', '.join(bare)}"] if bare else []
    return list(zip(tables, parts, strict=True)), notes


def _part_of(file: Path) -> str:
    return PART_NAMES.get(file.stem.lower(), "")


def _holds(table: Table) -> set[str]:
    return set(table.columns.at) - {"part"} | ({"boxes"} if table.columns.box else set())


# Classes


def _classes(labelled: Sequence[Line], to_learn: bool) -> tuple[str, ...]:
    """The labels, those of train alone where they are learnt, in the order that a column gives them or naturally."""
    numbers = in_order(labelled)
    parts = {"", "train"} if to_learn else {line.part for line in labelled}
    labels = {line.label for line in labelled if line.part in parts}
    return tuple(sorted(labels, key=lambda label: (numbers.get(label, 0), natural(label), label)))


def _by_part(labelled: Iterable[Line]) -> dict[str, set[str]]:
    by_part: dict[str, set[str]] = {}
    for line in labelled:
        by_part.setdefault(line.part, set()).add(line.label)
    return by_part


def _check_enough(file: Path, classes: Sequence[str], labelled: Sequence[Line], to_learn: bool, marked: bool) -> None:
    if not to_learn:
        return
    if len(classes) < (1 if marked else 2):
        raise DataError(
            f"{file} has too few classes",
            expected="a class for some box" if marked else "at least two classes to tell apart",
            got=", ".join(classes) or "none",
        )
    if labelled:
        check_classes(classes, _by_part(labelled), "part")


# Boxes and masks


def _boxes(root: Path, path: str, own: Sequence[Line], index: Mapping[str, int]) -> tuple[Boxes, list[Fault]]:
    marked = [(line.box, index[line.label]) for line in own if line.box]
    told = boxes([box for box, _ in marked], [label for _, label in marked])
    return sounded(root, path, told, None)


@dataclass(frozen=True, slots=True)
class _Masks:
    """The masks of the pictures, None where there are none; the classes with them, and what is to be said."""

    files: MaskFiles | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def _masks(root: Path, pictures: Mapping[str, Sequence[Line]], classes: tuple[str, ...]) -> _Masks:
    """Value v of a mask means class v - 1, 0 none and 255 nobody's; without classes it means what masks.py tells.

    With one class 0 and 255 are none and that class.
    """
    paths = {path: own[0].mask for path, own in pictures.items()}
    if not any(paths.values()):
        return _Masks(None, classes)
    names = NameList(("background", *classes), {}) if classes else listed(root)
    meaning, scans, unread = understood(root, paths.values(), names)
    reasons = {fault.path: fault for fault in unread}
    faults: list[Fault] = []
    for path, mask in paths.items():
        if not mask:
            continue
        if mask in reasons:
            faults.append(Fault(path, reasons[mask].kind, reasons[mask].reason))
        else:
            faults += _size_fault(root, path, scans[mask].size)
    left_out = {fault.path for fault in faults}
    kept = tuple("" if path in left_out else mask for path, mask in paths.items())
    files = MaskFiles(root, kept, meaning.values, meaning.colours)
    return _Masks(files, meaning.classes, meaning.notes, tuple(faults))


def _size_fault(root: Path, path: str, mask: tuple[int, int]) -> list[Fault]:
    size = true_size(root, path)
    if size is None or mask == size:
        return []
    reason = f"a mask of {mask[0]}x{mask[1]} for a picture of {size[0]}x{size[1]}; the mask is left out"
    return [Fault(path, "mask size", reason)]
