"""Names of classes in a file of their own: one a line (classes.txt, obj.names), or with colours (labelmap.txt)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torchbeam.errors import DataError

MAX_BYTES = 2**20
# What the class goes by that stands for no class.
BACKGROUND = frozenset({"background", "_background_", "__background__", "unlabeled", "unlabelled"})
_COLOUR = re.compile(r"(.+?):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(:.*)?")


@dataclass(frozen=True, slots=True)
class NameList:
    """names, in the order of the file's lines, and the number of the line (from 0) that a colour means.

    A colour is 65536 x red + 256 x green + blue.
    """

    names: tuple[str, ...]
    colours: dict[int, int]


def read_names(path: Path) -> NameList:
    """The names in a file, one a line; of a line 'name:red,green,blue::' the colour too. '#' begins a comment there.

    Raises DataError where the file cannot be read, names nothing, or names something twice.
    """
    lines = text_of(path, MAX_BYTES).splitlines()
    if path.name.lower().startswith("labelmap"):
        lines = [line for line in lines if not line.lstrip().startswith("#")]
    lines = [line.strip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    names, colours = [], {}
    for number, line in enumerate(lines):
        coloured = _COLOUR.fullmatch(line)
        if coloured:
            red, green, blue = (int(shade) for shade in coloured.group(2, 3, 4))
            colours[red << 16 | green << 8 | blue] = number
        names.append(coloured.group(1).strip() if coloured else re.sub(r":+$", "", line))
    check_names(names, str(path))
    return NameList(tuple(names), colours)


def check_names(names: Sequence[str], where: str) -> None:
    """Raises DataError unless there are names, none of them empty or there twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or twice or "" in names:
        if not names:
            got = "none"
        else:
            got = f"no name in place {names.index('') + 1}" if "" in names else f"{', '.join(twice[:5])} more than once"
        raise DataError(f"the names of the classes in {where} cannot be used", expected="each of them once", got=got)


def text_of(path: Path, most: int) -> str:
    """The text in a file of at most `most` bytes; UTF-8, with or without its mark. Raises DataError."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}", got=error.strerror or str(error), remedy="check the path") from error
    if len(content) > most:
        raise DataError(f"{path} is too long for what it should hold", expected=f"at most {most:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8", got=str(error), remedy="save it as UTF-8") from error
