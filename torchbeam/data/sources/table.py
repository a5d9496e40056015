"""A table of pictures in a text file: which column holds what, by the usual names, and its rows as cells.

Cells are parted by commas, semicolons or tabs (RFC 4180's quoting, told by the header), in UTF-8 with or without a
byte order mark; bytes that are not UTF-8 become surrogates, as in names of files.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TextIO

from torchbeam.errors import DataError

SUFFIXES = (".csv", ".tsv")
# What a column may be called, in any case, for what it holds.
NAMES = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "filepath"),
    "label": ("label", "class", "category", "target"),
    "class_index": ("class_index",),
    "part": ("split", "part", "set", "subset"),
    "mask": ("mask", "mask_path"),
}
EDGES = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"))
SIDES = ("x", "y", "width", "height")
# The columns of the file in which a run keeps its split.
_SPLIT = ["path", "sha256", "class", "group", "part"]
_DELIMITERS = (",", ";", "\t")
_PEEK = 2**16  # characters that are read to tell whether a file is such a table


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each thing stands in a row. box: the four columns of a box, with whether they are edges; or None.

    twice: two names for one thing, where there are two.
    """

    at: dict[str, int]
    box: tuple[int, ...] | None
    edges: bool
    twice: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether pictures are named, and something is said of them."""
        said = self.at.keys() & {"label", "class_index", "mask"}
        return "path" in self.at and (bool(said) or self.box is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins in, from 1, and its cells."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A file, its columns and its rows, as many as were asked for."""

    path: Path
    columns: Columns
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """The whole table in a file. Raises DataError where it is none, or a row does not fit its header."""
    with path.open("rb") as file:
        beginning = file.read(4096)
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in beginning:
        raise DataError(
            f"{path} is no text in UTF-8",
            got="UTF-16, or no text at all",
            remedy="save the table as CSV in UTF-8",
        )
    with _opened(path) as file:
        header = _header(file)
        if _is_split(header):
            raise DataError(
                f"{path} is the split of a run, not a list of pictures and their classes",
                remedy="name the folder that the run read",
            )
        columns = columns_of(header.names)
        _check(path, header, columns)
        return Table(path, columns, tuple(_rows(file, header, path)))


def peek(path: Path, count: int) -> Table | None:
    """The first rows of a file, or None where it is no table that names pictures; a run's split is none.

    Raises OSError.
    """
    with _opened(path) as file:
        text = file.read(_PEEK)
    if len(text) == _PEEK:  # the last line may be cut
        text = text[: text.rfind("\n") + 1]
    held = StringIO(text, newline="")
    header = _header(held)
    columns = columns_of(header.names)
    if _is_split(header) or "path" not in columns.at:
        return None
    rows = []
    with suppress(DataError):  # which reading the whole table will raise
        rows.extend(islice(_rows(held, header, path), count))
    return Table(path, columns, tuple(rows))


def columns_of(header: Sequence[str]) -> Columns:
    """What the columns of that header hold; of two for one thing the first."""
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in header]
    at: dict[str, int] = {}
    twice: list[str] = []
    for thing, known in NAMES.items():
        places = [place for place, name in enumerate(names) if name in known]
        at |= {thing: places[0]} if places else {}
        twice += [header[place].strip() for place in places] if len(places) > 1 and not twice else []
    boxes = [known for known in EDGES if set(known) <= set(names)]
    twice += [name for known in boxes for name in known] if len(boxes) > 1 and not twice else []
    # width and height alone, or beside edges, are the picture's
    box = boxes[0] if boxes else SIDES if set(SIDES) <= set(names) else None
    return Columns(at, tuple(names.index(name) for name in box) if box else None, bool(boxes), tuple(twice))


def _check(path: Path, header: "_Header", columns: Columns) -> None:
    names = {name.strip().lower() for name in header.names}
    if columns.twice:
        raise DataError(
            f"{path} has two columns for one thing",
            expected="one column for the picture, one for its class, its part, its mask, and one set of edges",
            got=", ".join(columns.twice),
            remedy="take one out, or give it a name that says what else it is",
        )
    if not columns.tells:
        raise DataError(
            f"{path} does not say in its first line what its columns hold",
            expected=f"a column for the picture ({', '.join(NAMES['path'])}) and one for its class "
            f"({', '.join(NAMES['label'])}), its mask or its boxes",
            got=", ".join(header.names) or "an empty line",
            remedy="name the columns in the first line",
        )
    for known in EDGES:
        if columns.box is None and len(names & set(known)) > 1:
            raise DataError(
                f"{path} has only some of the columns of a box",
                expected=", ".join(known),
                got=", ".join(name for name in known if name in names),
                remedy="add the missing ones",
            )


@dataclass(frozen=True, slots=True)
class _Header:
    """names: the cells of the first line. blanks: whether blanks after a delimiter do not count."""

    names: tuple[str, ...]
    delimiter: str
    blanks: bool


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _is_split(header: _Header) -> bool:
    return [name.strip() for name in header.names] == _SPLIT


def _header(file: TextIO) -> _Header:
    """The first line by the delimiter that makes most columns of it, those that name a picture first."""
    best, rank = _Header((), ",", False), (False, 0)
    start = file.tell()
    for delimiter in _DELIMITERS:
        file.seek(start)
        with suppress(csv.Error, StopIteration):
            names = tuple(next(csv.reader(file, delimiter=delimiter)))
            own = ("path" in columns_of(names).at, len(names))
            if own > rank:
                # a header written 'path, label' says that rows are written so
                blanks = len(names) > 1 and all(name.startswith(" ") for name in names[1:])
                best, rank = _Header(names, delimiter, blanks), own
    file.seek(start)
    if not best.blanks:
        return best
    names = tuple(next(csv.reader(file, delimiter=best.delimiter, skipinitialspace=True)))
    file.seek(start)
    return replace(best, names=names)


def _rows(file: TextIO, header: _Header, path: Path) -> Iterator[Row]:
    """The rows below the header, blank ones passed over; file stands at its beginning."""
    # strict: a quote that is never closed would swallow the rest of the file
    reader = csv.reader(file, delimiter=header.delimiter, skipinitialspace=header.blanks, strict=True)
    line = 1
    try:
        for number, cells in enumerate(reader):
            begins, line = line, reader.line_num + 1
            if number == 0 or not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header.names):
                raise DataError(
                    f"{path} has a row of another length in line {begins}",
                    shown=header.delimiter.join(cells)[:200],
                    expected=f"{len(header.names)} cells, as in its first line",
                    got=str(len(cells)),
                    remedy="add or take out cells; put a cell with a delimiter inside into double quotes",
                )
            yield Row(begins, tuple(cells))
    except csv.Error as error:
        raise DataError(
            f"{path} has a row that cannot be read from line {line} on",
            expected="cells in double quotes that are closed, a quote inside doubled",
            got=str(error),
            remedy="mend the quotes",
        ) from error
