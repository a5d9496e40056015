"""The exclude list: pictures to leave out, each with the reason, as a text that people can read and edit."""

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from torchbeam.errors import DataError
from torchbeam.files import write_whole

COLUMNS = ("path", "reason")


def write(path: Path, reasons: Mapping[str, str]) -> None:
    """Write the list: a line of path, reason for each picture. Raises OutputError or OutOfRoom."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows(reasons.items())
    write_whole(path, text.getvalue())


def read(path: Path) -> dict[str, str]:
    """The reason for each path of a list. Raises DataError."""
    try:
        # Programs that edit tables write a mark before the first letter, and empty lines at the end.
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
            rows = [row for row in csv.reader(text, strict=True) if row]
    except (OSError, csv.Error) as error:
        raise DataError(
            f"cannot read the exclude list {path}",
            expected="a list that torchbeam check --exclude wrote",
            got=getattr(error, "strerror", None) or str(error),
        ) from error
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        odd = next((row for row in rows[1:] if len(row) != len(COLUMNS)), rows[0] if rows else [])
        raise DataError(
            f"{path} is not an exclude list",
            expected=f"a first line of {','.join(COLUMNS)}, and two cells in each after it",
            got=",".join(odd)[:80] or "an empty file",
        )
    return dict(rows[1:])
