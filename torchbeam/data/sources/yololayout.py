"""Where the pictures of a YOLO set lie: as data.yaml says, as lists say, or in folders images and labels."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from torchbeam.data.records import PARTS, Fault
from torchbeam.data.sources.folder import PART_NAMES, folders, pictures_below
from torchbeam.data.sources.namelist import check_names, read_names, text_of
from torchbeam.data.sources.yamlfile import MAX_BYTES, read_yaml
from torchbeam.errors import DataError

MAX_LIST_BYTES = 64 * 2**20
IMAGES, LABELS = "images", "labels"
# Where names lie in sets without data.yaml, and lists of pictures beside them.
_NAMES = ("classes.txt", "obj.names", "classes.names", "labels/classes.txt", "train/labels/classes.txt")
_LISTS = {"train.txt": "train", "valid.txt": "val", "val.txt": "val", "test.txt": "test"}


@dataclass(frozen=True, slots=True)
class Layout:
    """names: of the classes in order, none where nothing names them. pictures: (path below the root, part)."""

    names: tuple[str, ...]
    pictures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def label_path(picture: str) -> str:
    """The file of a picture's labels: its last folder 'images' is 'labels'; where it has none they lie beside it."""
    path = PurePosixPath(picture)
    at = max((place for place, name in enumerate(path.parts[:-1]) if name == IMAGES), default=None)
    if at is not None:
        path = PurePosixPath(*path.parts[:at], LABELS, *path.parts[at + 1 :])
    return path.with_suffix(".txt").as_posix()


def is_set(root: Path) -> bool:
    """Whether a YOLO set lies in a folder. Raises OSError."""
    return bool(_yaml_files(root) or (_names_file(root) and _lists(root)) or _plain(root))


def laid_out(root: Path) -> Layout:
    """The names and pictures of a set. Raises DataError where data.yaml or the names cannot be used."""
    described = _yaml_files(root)
    if described:
        return _by_yaml(root, described[0])
    file = _names_file(root)
    names = read_names(file).names if file else ()
    lists = _lists(root) if file else {}
    if lists:
        faults: list[Fault] = []
        found = {part: _listed(root, path, root, faults) for part, path in lists.items()}
        return Layout(names, *_once(found), tuple(faults))
    places = _plain(root)
    if not places:
        raise DataError(f"no YOLO set in {root}", expected="data.yaml, or folders images and labels")
    return Layout(names, *_once({part: _below(root, place) for part, place in places.items()}))


def _yaml_files(root: Path) -> list[Path]:
    """The YAML files that name classes and parts, data.yaml first."""
    found = []
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")], key=lambda path: (path.stem != "data", path.name)):
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
        if re.search(rb"^\s*(names|nc)\s*:", text, re.MULTILINE) and re.search(
            rb"^\s*(train|val|test)\s*:", text, re.MULTILINE
        ):
            found.append(path)
    return found


def _names_file(root: Path) -> Path | None:
    return next((root / name for name in _NAMES if (root / name).is_file()), None)


def _lists(root: Path) -> dict[str, Path]:
    return {part: root / name for name, part in _LISTS.items() if (root / name).is_file()}


def _plain(root: Path) -> dict[str, Path]:
    """The folders of pictures by part, in sets that are folders alone; none where no label goes with a picture."""
    inner = {path.name: path for path in folders(root)}
    by_part = {PART_NAMES[name.lower()]: path / IMAGES for name, path in inner.items() if name.lower() in PART_NAMES}
    places = {part: path for part, path in by_part.items() if path.is_dir()}
    if not places and IMAGES in inner:
        own = {PART_NAMES.get(path.name.lower(), ""): path for path in folders(inner[IMAGES])}
        places = {part: path for part, path in own.items() if part} or {"": inner[IMAGES]}
    labelled = (
        (root / label_path(path.relative_to(root).as_posix())).is_file()
        for place in places.values()
        for path in pictures_below(place)
    )
    return places if any(labelled) else {}


def _below(root: Path, folder: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in pictures_below(folder)]


def _once(found: Mapping[str, Iterable[str]]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """(path, part) of every picture once, and notes on those that a later part has again."""
    parts: dict[str, str] = {}
    notes = []
    for part in ("", *PARTS):
        again: dict[str, int] = {}
        for path in found.get(part, ()):
            if parts.setdefault(path, part) != part:
                again[parts[path]] = again.get(parts[path], 0) + 1
        notes += [f"{count:,} pictures of {part} are in {own} already, and stay there" for own, count in again.items()]
    return tuple(parts.items()), tuple(notes)


# data.yaml


def _by_yaml(root: Path, file: Path) -> Layout:
    told = read_yaml(file)
    names = _names(file, told)
    base = _base(root, told.get("path"))
    faults: list[Fault] = []
    found: dict[str, list[str]] = {}
    missing: list[str] = []
    for key, part in PART_NAMES.items():
        entries = told.get(key)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            place = _place(base, str(entry))
            if place is None:
                missing.append(f"{key}: {entry}")
            elif place.is_dir():
                found.setdefault(part, []).extend(_below(root, place))
            else:
                found.setdefault(part, []).extend(_listed(root, place, base, faults))
    if not found:
        raise DataError(
            f"{file} names no folder of pictures that is there",
            expected="train, val or test, each a folder below it or a .txt that lists pictures",
            got=", ".join(missing) or "none of them",
            remedy="mend the paths in it; they are read from its own folder",
        )
    pictures, notes = _once(found)
    gone = [f"{file.name} names what is not there: {', '.join(missing)}"] if missing else []
    return Layout(names, pictures, (*gone, *notes), tuple(faults))


def _names(file: Path, told: Mapping[object, object]) -> tuple[str, ...]:
    given, count = told.get("names"), told.get("nc")
    if given is None and isinstance(count, int):
        return ()
    if isinstance(given, dict):
        given = [given.get(number) for number in range(len(given))]
    if not isinstance(given, list) or not all(isinstance(name, str | int | float) for name in given):
        raise DataError(f"{file} has names that are no list", expected="names: [cat, dog], or a number before each")
    names = [str(name).strip() for name in given]
    if isinstance(count, int) and count != len(names):
        raise DataError(
            f"{file} counts its classes otherwise than it names them", got=f"nc {count}, {len(names)} names"
        )
    check_names(names, str(file))
    return tuple(names)


def _base(root: Path, told: object) -> Path:
    """The folder that paths are read from: that of `path` where it lies in the root, else the root itself.

    Such files travel, and name the folder of another machine.
    """
    inside = _inside(str(told)) if told else None
    return root / inside if inside is not None and (root / inside).is_dir() else root


def _place(base: Path, entry: str) -> Path | None:
    """The folder or list that an entry names, below the base; of an absolute path its longest end that is there."""
    inside = _inside(entry)
    if inside is not None:
        return base / inside if (base / inside).exists() else None
    path = PurePosixPath(entry.replace("\\", "/"))
    ends = [path.parts[at:] for at in range(1, len(path.parts) - 1)]
    return next((base.joinpath(*end) for end in ends if ".." not in end and base.joinpath(*end).exists()), None)


def _inside(entry: str) -> PurePosixPath | None:
    """A path that stays below, leading '..' dropped as some tools write them for nothing; None for any other."""
    path = PurePosixPath(entry.strip().replace("\\", "/"))
    parts = list(path.parts)
    while parts and parts[0] == "..":
        parts.pop(0)
    if path.is_absolute() or ".." in parts or "\0" in entry or (parts and parts[0].endswith(":")):
        return None
    return PurePosixPath(*parts)


def _listed(root: Path, file: Path, base: Path, faults: list[Fault]) -> list[str]:
    """The pictures that a list names, one a line, from the list's own folder or from the base.

    A picture that is not there is kept, to be told of when it is read; one outside the folder is a fault.
    """
    found = []
    for line in text_of(file, MAX_LIST_BYTES).splitlines():
        if not line.strip():
            continue
        inside = _inside(line)
        if inside is None:
            place = _place(base, line.strip())
        else:
            shorter = PurePosixPath(*inside.parts[1:])  # CVAT writes data/ before what lies here
            tried = [file.parent / inside, base / inside, base / shorter]
            place = next((path for path in tried if path.is_file()), base / inside)
        if place is None:
            name = file.relative_to(root).as_posix()
            faults.append(
                Fault(name, "picture outside", f"{line.strip()[:80]!r} is no place below the folder; left out")
            )
        else:
            found.append(place.relative_to(root).as_posix())
    return found
