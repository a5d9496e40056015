"""A folder of class folders, with or without train, val and test folders above them."""

import re
from itertools import chain
from pathlib import Path

from torchbeam.data.decode import SUFFIXES
from torchbeam.data.pictures import Files
from torchbeam.data.records import PARTS, Record, Source
from torchbeam.errors import DataError

# The names folders of parts go by.
_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
NOT_FOR_LEARNING = tuple(name for name, part in _PART_NAMES.items() if part != "train")
_REMEDY = "put the pictures of each class into a folder of that class's name: DIR/cat/1.jpg, DIR/dog/1.jpg"


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures below `root`, by class folder; classes in natural order ('2' before '10').

    To learn, there must be two classes and, if any part, one named train; parts are matched by class name, and
    a class that only val or test knows is refused. Raises DataError, also where no pictures are found.
    """
    parts = {_PART_NAMES[path.name.lower()]: path for path in _folders(root) if _is_part(path)}
    roots = parts or {"": root}
    if to_learn and parts and "train" not in parts:
        raise DataError(
            f"{root} has a {' and a '.join(sorted(parts))} folder but none to learn from",
            expected="a folder named train beside them",
        )
    found = {part: {folder.name: pictures_below(folder) for folder in _folders(roots[part])} for part in roots}
    by_part = {part: {name: paths for name, paths in by.items() if paths} for part, by in found.items()}
    learnt = by_part.get("train", by_part.get("", {})) if to_learn else chain(*by_part.values())
    classes = tuple(sorted(set(learnt), key=lambda name: (natural(name), name)))
    _check_found(root, classes)
    if to_learn:
        _check_classes(root, classes, by_part)
    records: list[Record] = []
    for part in ("", *PARTS):
        for name in classes:
            paths = by_part.get(part, {}).get(name, [])
            records += [Record(path.relative_to(root).as_posix(), classes.index(name), part) for path in paths]
    files = Files(root, tuple(record.path for record in records))
    beside = [path.name for path in _folders(root) if parts and path not in parts.values()]
    notes = (*_loose(roots), *_notes(found, by_part, classes, beside))
    return Source("folder", place, root, classes, tuple(records), files, notes)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts 'class 2' before 'class 10'."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def is_picture(path: Path) -> bool:
    """Whether a file counts as a picture: by its suffix, and not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _is_part(folder: Path) -> bool:
    """Whether a folder is a part: by its name, and holding class folders.

    'train' may be a class, of trains: pictures directly inside speak for that unless several class folders do not.
    """
    if folder.name.lower() not in _PART_NAMES:
        return False
    class_folders = sum(bool(pictures_below(inner)) for inner in _folders(folder))
    return class_folders >= (2 if any(is_picture(path) for path in folder.iterdir()) else 1)


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder; hidden ones and links that lead back up are passed over."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir()
        and not path.name.startswith((".", "__MACOSX"))
        and not (path.is_symlink() and folder.resolve().is_relative_to(path.resolve()))
    ]


def pictures_below(folder: Path) -> list[Path]:
    """Every picture below a folder, hidden folders left out, in natural order."""
    here = [path for path in folder.iterdir() if is_picture(path)]
    below = [picture for inner in _folders(folder) for picture in pictures_below(inner)]
    return sorted(here + below, key=lambda path: (natural(path.as_posix()), path.as_posix()))


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


def _check_classes(root: Path, classes: tuple[str, ...], by_part: dict[str, dict[str, list[Path]]]) -> None:
    if len(classes) == 1:
        raise DataError(
            f"only one class found in {root}",
            expected="at least two classes to tell apart",
            got=classes[0],
            remedy=_REMEDY,
        )
    for part, by_class in by_part.items():
        unknown = sorted(set(by_class) - set(classes), key=natural)
        if unknown:
            raise DataError(
                f"the {part} folder has classes that the train folder does not know",
                expected=", ".join(classes),
                got=", ".join(unknown),
                remedy="give each of them a folder in train, or take it out",
            )


def _loose(roots: dict[str, Path]) -> list[str]:
    """Notes on pictures that lie beside the class folders, and so have no class."""
    notes = []
    for folder in roots.values():
        loose = sum(is_picture(path) for path in folder.iterdir())
        if loose:
            notes.append(f"left out, lying loose beside the class folders: {loose:,} pictures in {folder}")
    return notes


def _notes(
    found: dict[str, dict[str, list[Path]]],
    by_part: dict[str, dict[str, list[Path]]],
    classes: tuple[str, ...],
    beside: list[str],
) -> tuple[str, ...]:
    notes = [f"left out, beside the parts: {', '.join(beside)}"] if beside else []
    for part, by_class in found.items():
        empty = [name for name, paths in by_class.items() if not paths]
        if empty:
            inside = f" in {part}" if part else ""
            notes.append(f"left out{inside}, no pictures inside: {', '.join(empty)}")
    for part, by_class in by_part.items():
        missing = [name for name in classes if name not in by_class]
        if missing:
            notes.append(f"the {part} folder has no pictures of: {', '.join(missing)}")
    return tuple(notes)
