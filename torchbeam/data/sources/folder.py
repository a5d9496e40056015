"""A folder of class folders, with or without train, val and test folders above them."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from torchbeam.data.decode import SUFFIXES
from torchbeam.data.pictures import Files
from torchbeam.data.records import PARTS, Record, Source
from torchbeam.errors import DataError

# The names that parts go by.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
NOT_FOR_LEARNING = tuple(name for name, part in PART_NAMES.items() if part != "train")
# What may tell two names apart that a person would take for one.
ONLY = "only by capital letters, spaces or the coding of their letters"
_REMEDY = "put the pictures of each class into a folder of that class's name: DIR/cat/1.jpg, DIR/dog/1.jpg"

# part -> class -> its pictures' files
ByPart = Mapping[str, Mapping[str, Sequence[Path]]]


def here(root: Path) -> bool:
    """Whether a picture lies in a folder below `root`."""
    try:
        return any(holds_pictures(folder) for folder in folders(root))
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures below `root`, by class folder; classes in natural order ('2' before '10').

    To learn, there must be two classes and, if any part, one named train; parts are matched by class name. A class
    that only val or test knows is refused, and so are two classes whose names differ only by case, by blanks or by
    Unicode normalisation. Raises DataError, also where no pictures are found.
    """
    parts = part_folders(root, _is_part)
    roots = parts or {"": root}
    found = {part: {folder.name: pictures_below(folder) for folder in folders(roots[part])} for part in roots}
    by_part = {part: {name: paths for name, paths in by.items() if paths} for part, by in found.items()}
    beside = [path.name for path in folders(root) if parts and path not in parts.values()]
    notes = (*_loose(roots), *_left_out(found, beside))
    return assemble("folder", root, place, by_part, notes, to_learn)


def assemble(
    kind: str, root: Path, place: str, by_part: ByPart, notes: Sequence[str] = (), to_learn: bool = True
) -> Source:
    """The source of pictures that lie below `root`, given by part ('' where there are none) and class.

    Raises DataError where nothing could be learnt from them.
    """
    if to_learn and "" not in by_part and "train" not in by_part:
        raise DataError(
            f"{root} has a {' and a '.join(sorted(by_part))} folder but none to learn from",
            expected="a folder named train beside them",
        )
    learnt = by_part.get("train", by_part.get("", {})) if to_learn else chain(*by_part.values())
    classes = tuple(sorted(set(learnt), key=lambda name: (natural(name), name)))
    _check_found(root, classes)
    if to_learn:
        _check_two(root, classes)
        check_classes(classes, by_part)
    records: list[Record] = []
    for part in ("", *PARTS):
        for label, name in enumerate(classes):
            paths = by_part.get(part, {}).get(name, [])
            records += [Record(path.relative_to(root).as_posix(), label, part) for path in paths]
    files = Files(root, tuple(record.path for record in records))
    told = (*notes, *notes_on_classes(classes, by_part))
    return Source(kind, place, root, classes, tuple(records), files, told)


# Names


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts 'class 2' before 'class 10'."""
    parts = re.split(r"([0-9]+)", name)
    numbers = [part.lstrip("0") for part in parts[1::2]]
    keys = [(1, 0, part) for part in parts]
    keys[1::2] = [(0, len(number), number) for number in numbers]  # a longer number is a larger one
    return keys


def alike(name: str) -> str:
    """What is left of a name without case, blanks at its ends or doubled, and ways to code a letter (NFC)."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return " ".join(folded.split())


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """The names that are alike, group by group."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(alike(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _shown(names: Iterable[str]) -> str:
    """Names side by side so that their difference can be seen."""
    quoted = [repr(name) for name in names]
    seen_alike = len({unicodedata.normalize("NFC", each) for each in quoted}) < len(quoted)
    return " and ".join(ascii(name) for name in names) if seen_alike else " and ".join(quoted)


# Files


def is_picture(path: Path) -> bool:
    """Whether a file counts as a picture: by its suffix, and not hidden."""
    return _named_picture(path.name) and path.is_file()


def _named_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def part_folders(root: Path, is_part: Callable[[Path], bool]) -> dict[str, Path]:
    """The folders of parts in `root`, by part. Raises DataError where one part has two of them."""
    parts: dict[str, Path] = {}
    for path in folders(root):
        part = PART_NAMES.get(path.name.lower())
        if part is None or not is_part(path):
            continue
        if part in parts:
            raise DataError(
                f"{root} has two folders for the {part} part",
                expected=f"one, named {part}",
                got=f"{parts[part].name} and {path.name}",
                remedy="merge them, or take one out",
            )
        parts[part] = path
    return parts


def _is_part(folder: Path) -> bool:
    """Whether a folder that has a part's name is a part: it holds class folders.

    'train' may be a class, of trains: pictures directly inside speak for that unless several class folders do not.
    """
    class_folders = sum(holds_pictures(inner) for inner in folders(folder))
    return class_folders >= (2 if any(is_picture(path) for path in folder.iterdir()) else 1)


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, in order; hidden ones and links that lead back up are passed over."""
    return _listed(folder)[0]


def pictures_below(folder: Path) -> list[Path]:
    """Every picture below a folder, hidden folders left out, in natural order."""
    return sorted(_walk(folder), key=lambda path: (natural(path.as_posix()), path.as_posix()))


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture below a folder."""
    return any(_walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    """Every picture below a folder; a folder that links reach more than once is entered once."""
    waiting, entered = [folder], {folder.resolve()}
    while waiting:
        inner, pictures = _listed(waiting.pop())
        yield from pictures
        for path in inner:
            real = path.resolve()
            if real not in entered:
                entered.add(real)
                waiting.append(path)


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """(folders, pictures) directly in a folder. Only names and kinds are asked: no file is opened, a pipe neither."""
    inner, pictures = [], []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path, link = folder / entry.name, entry.is_symlink()
            if _named_picture(entry.name) and (path.is_file() if link else entry.is_file()):
                pictures.append(path)
            elif entry.name.startswith((".", "__MACOSX")):
                continue
            elif (path.is_dir() if link else entry.is_dir()) and not (link and _leads_up(folder, path)):
                inner.append(path)
    return inner, pictures


def _leads_up(folder: Path, link: Path) -> bool:
    return folder.resolve().is_relative_to(link.resolve())


# What is refused, and what is told


def _check_found(root: Path, classes: tuple[str, ...]) -> None:
    if not classes:
        loose = sum(is_picture(path) for path in root.iterdir())
        got = f"{loose:,} pictures that lie loose" if loose else "no folder that holds a picture"
        raise DataError(
            f"no classes found in {root}",
            expected="one folder of pictures per class",
            got=got,
            remedy=_REMEDY,
        )


def _check_two(root: Path, classes: tuple[str, ...]) -> None:
    if len(classes) == 1:
        raise DataError(
            f"only one class found in {root}",
            expected="at least two classes to tell apart",
            got=classes[0],
            remedy=_REMEDY,
        )


def check_classes(classes: Sequence[str], by_part: Mapping[str, Iterable[str]], unit: str = "folder") -> None:
    """Raises DataError where two of the classes are alike, or a part has one that is not among them.

    by_part: the names of each part's classes. unit: what a part is ('folder').
    """
    for group in look_alikes(classes):
        raise DataError(
            f"two classes differ {ONLY}",
            got=_shown(group),
            remedy="merge them, or rename one if they are two things",
        )
    own = {alike(name): name for name in classes}
    for part, names in by_part.items():
        unknown = sorted(set(names) - set(classes), key=natural)
        if not unknown:
            continue
        near = [_shown((own[alike(name)], name)) for name in unknown if alike(name) in own]
        raise DataError(
            f"the {part} {unit} has classes that the train {unit} does not know",
            expected=", ".join(classes),
            got=", ".join(unknown),
            remedy=f"give them one name: {', '.join(near)} differ {ONLY}"
            if near
            else f"give each of them a {'folder' if unit == 'folder' else 'picture'} in train, or take it out",
        )


def notes_on_classes(classes: Sequence[str], by_part: Mapping[str, Iterable[str]], unit: str = "folder") -> list[str]:
    """Notes on classes that are alike, and on parts that have no pictures of some class."""
    notes = [f"two classes differ {ONLY}: {_shown(group)}" for group in look_alikes(classes)]
    for part, names in by_part.items():
        held = set(names)
        missing = [name for name in classes if name not in held]
        if missing:
            notes.append(f"the {part} {unit} has no pictures of: {', '.join(missing)}")
    return notes


def _loose(roots: dict[str, Path]) -> list[str]:
    """Notes on pictures that lie beside the class folders, and so have no class."""
    notes = []
    for folder in roots.values():
        loose = sum(is_picture(path) for path in folder.iterdir())
        if loose:
            notes.append(f"left out, lying loose beside the class folders: {loose:,} pictures in {folder}")
    return notes


def _left_out(found: ByPart, beside: list[str]) -> list[str]:
    notes = [f"left out, beside the parts: {', '.join(beside)}"] if beside else []
    for part, by_class in found.items():
        empty = [name for name, paths in by_class.items() if not paths]
        if empty:
            inside = f" in {part}" if part else ""
            notes.append(f"left out{inside}, no pictures inside: {', '.join(empty)}")
    return notes
