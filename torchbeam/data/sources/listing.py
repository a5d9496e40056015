"""What the rows of a list of pictures say, cell by cell, and whether they agree with each other."""

import math
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from torchbeam.data.sources.folder import PART_NAMES
from torchbeam.data.sources.table import Row, Table
from torchbeam.errors import DataError

# The class of boxes that are given none.
OBJECT = "object"
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Line:
    """One row, '' and None for what it leaves out.

    where: the file and the line, for messages. path, mask: POSIX, relative to the root, or absolute. number: the
    class's place in the order of classes. box: left, top, right, bottom in pixels.
    """

    where: str
    path: str
    label: str
    number: int | None
    part: str
    mask: str
    box: tuple[float, float, float, float] | None


def lines_of(table: Table, part: str, root: Path) -> list[Line]:
    """The rows of a table. part: that of its file, which its rows may say otherwise. Raises DataError."""
    base = root.absolute().as_posix()
    return [_line(table, row, part, base) for row in table.rows]


def by_picture(lines: Iterable[Line], boxed: bool) -> tuple[dict[str, tuple[Line, ...]], list[str]]:
    """The rows of each picture in the order of the list, and notes on what was passed over.

    Without boxes a picture has one row: the same again is passed over. Raises DataError where the rows of a picture
    disagree on its part, its mask or, without boxes, its class.
    """
    found: dict[str, list[Line]] = {}
    again = 0
    for line in lines:
        own = found.setdefault(line.path, [])
        if own:
            _check_same(own[0], line, boxed)
        if own and not boxed:
            again += 1
        else:
            own.append(line)
    notes = [f"rows passed over that name a picture again: {again:,}"] if again else []
    return {path: tuple(own) for path, own in found.items()}, notes


def check_parts(name: str, lines: Sequence[Line], to_learn: bool) -> None:
    """Raises DataError where only some rows are of a part or, to learn, none of them is of train."""
    parts = {line.part for line in lines}
    if len(parts) > 1 and "" in parts:
        bare = next(line for line in lines if not line.part)
        raise DataError(
            f"{bare.where} names no part, others do",
            expected="train, val or test in every row",
            remedy="fill the cell in, or take the column out",
        )
    if to_learn and not parts & {"", "train"}:
        raise DataError(
            f"{name} has a {' and a '.join(sorted(parts))} part but none to learn from",
            expected="rows of a part named train",
        )


def labels_are_whole(name: str, pictures: Mapping[str, Sequence[Line]], boxed: bool) -> bool:
    """Whether a row's label is its picture's class: not where it is only its box's.

    It is so without boxes, and with them where every picture has one row and a label. Raises DataError where labels
    are missing from some rows.
    """
    lines = [line for own in pictures.values() for line in own]
    bare = next((line for line in lines if not line.label and (line.box or not boxed)), None)
    some = next((line for line in lines if line.label), None)
    if bare and some:
        raise DataError(
            f"{bare.where} gives no class, others do",
            expected=f"a class in every row, as '{some.label}' in {some.where}",
            got=f"an empty cell for {bare.path}",
            remedy="fill the class in, or take the row out",
        )
    if not boxed and not some and not any(line.mask for line in lines):
        raise DataError(f"{name} has a column for the class and nothing in it", remedy="fill the classes in")
    return bool(some) and (not boxed or all(len(own) == 1 and own[0].label for own in pictures.values()))


def in_order(lines: Sequence[Line]) -> dict[str, int]:
    """The number that a column gives each label, or {} where there is none. Raises DataError unless one to one."""
    if all(line.number is None for line in lines):
        return {}
    by_label: dict[str, Line] = {}
    by_number: dict[int | None, Line] = {}
    for line in lines:
        for first in (by_label.setdefault(line.label, line), by_number.setdefault(line.number, line)):
            if (first.label, first.number) != (line.label, line.number):
                raise DataError(
                    f"{line.where} numbers its class otherwise than {first.where}",
                    expected="one number for each class, and one class for each number",
                    got=f"{first.number} for {first.label}, {line.number} for {line.label}",
                    remedy="mend the numbers, or take their column out",
                )
    return {label: line.number for label, line in by_label.items() if line.number is not None}


def check_pixels(name: str, lines: Iterable[Line]) -> None:
    """Raises DataError where the boxes can only be fractions of the picture: none reaches beyond 1."""
    edges = [edge for line in lines for edge in line.box or () if math.isfinite(edge)]
    if edges and max(map(abs, edges)) <= 1 and any(edge != int(edge) for edge in edges):
        raise DataError(
            f"the boxes in {name} are fractions of the picture",
            expected="edges in pixels",
            got=f"numbers from {min(edges):g} to {max(edges):g}",
            remedy="multiply them by the width and the height of each picture",
        )


def _line(table: Table, row: Row, part: str, root: str) -> Line:
    columns = table.columns
    cells = {thing: row.cells[at] for thing, at in columns.at.items()}
    where = f"{table.path.name} line {row.line}"
    if not cells["path"]:
        raise DataError(
            f"{where} names no picture", expected="the path of one", remedy="fill it in or take the row out"
        )
    box = _box([row.cells[at].strip() for at in columns.box], columns.edges, where) if columns.box else None
    number = cells.get("class_index", "")
    label = cells.get("label", number)
    if columns.box and not columns.at.keys() & {"label", "class_index"}:
        label = OBJECT if box else ""
    return Line(
        where,
        _posix(cells["path"], root, where),
        label,
        _number(number, where) if "label" in cells and number else None,
        _part(cells["part"], where) if "part" in cells else part,
        _posix(cells["mask"], root, where) if cells.get("mask") else "",
        box,
    )


def _posix(cell: str, root: str, where: str) -> str:
    """A path as records have it: relative to the root where it lies below. Strings, for there may be a million."""
    name = cell
    if "\\" in cell and not os.path.exists(os.path.join(root, cell)):  # written on Windows
        name = cell.replace("\\", "/")
    try:
        kind = os.stat(os.path.join(root, name)).st_mode
    except OSError:  # missing: told of when the pictures are looked at
        kind = stat.S_IFREG
    except ValueError as error:
        raise DataError(f"{where} has a name that no file can have", got=f"{cell!r}: {error}") from error
    if not stat.S_ISREG(kind):  # opening a pipe would wait for ever
        raise DataError(
            f"{where} names what is no file",
            got=f"{cell}, a {'folder' if stat.S_ISDIR(kind) else 'pipe or device'}",
            remedy="name the picture's file",
        )
    if name.startswith(("/", "./")) or "//" in name or "/./" in name:
        path = PurePosixPath(name)
        return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    return name


def _part(cell: str, where: str) -> str:
    part = PART_NAMES.get(cell.strip().lower(), "")
    if cell.strip() and not part:
        raise DataError(
            f"{where} names a part that is none",
            expected=", ".join(PART_NAMES),
            got=cell,
            remedy="name it train, val or test",
        )
    return part


def _number(cell: str, where: str) -> int:
    if not (cell.isascii() and cell.isdecimal() and len(cell) <= _MOST_DIGITS):
        raise DataError(
            f"{where} has a class_index that is no number",
            expected="a whole number from 0",
            got=cell,
            remedy="mend the number, or take the column out",
        )
    return int(cell)


def _box(cells: Sequence[str], edges: bool, where: str) -> tuple[float, float, float, float] | None:
    if not any(cells):
        return None
    try:
        if any("_" in cell for cell in cells):  # which Python would read over
            raise ValueError
        left, top, right, bottom = (float(cell) for cell in cells)
    except ValueError:
        raise DataError(
            f"{where} has a box whose numbers are none",
            expected="four numbers of pixels, or four empty cells where the picture has no box",
            got=", ".join(cell or "an empty cell" for cell in cells),
            remedy="mend the row, with a point in decimal numbers",
        ) from None
    return (left, top, right, bottom) if edges else (left, top, left + right, top + bottom)


def _check_same(first: Line, line: Line, boxed: bool) -> None:
    for what, one, other in (
        ("parts", first.part, line.part),
        ("masks", first.mask, line.mask),
        ("classes", first.label, line.label),
    ):
        if one != other and not (boxed and what == "classes"):
            raise DataError(
                f"{first.where} and {line.where} give one picture two {what}",
                got=f"{line.path}: {one or 'none'} and {other or 'none'}",
                remedy="take the wrong row out",
            )
