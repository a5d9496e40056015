"""ImageNet and its kin: folders named by synset ids (n01440764), or a flat val folder with a list of its classes.

Known layouts: one folder per synset, with or without train and val above them; Kaggle's ILSVRC/Data/CLS-LOC with
LOC_synset_mapping.txt and LOC_val_solution.csv; Caffe's flat val folder with val.txt and synset_words.txt; Tiny
ImageNet with val_annotations.txt, wnids.txt and words.txt. Classes are in the order of their ids, which is ImageNet's
own: tench is 0. Source: Russakovsky et al., 'ImageNet Large Scale Visual Recognition Challenge' (2015).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torchbeam.data.records import Source
from torchbeam.data.sources.folder import (
    PART_NAMES,
    alike,
    assemble,
    folders,
    holds_pictures,
    part_folders,
    pictures_below,
)
from torchbeam.errors import DataError

MAX_LIST = 2**26  # bytes of a list; words.txt of the whole of WordNet takes 3 million
_SYNSET = re.compile(r"n[0-9]{8}")
_KAGGLE = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
_NAMES = ("LOC_synset_mapping.txt", "synset_words.txt", "imagenet_class_index.json", "words.txt")
_LISTS = ("val_annotations.txt", "LOC_val_solution.csv", "val.txt")
_DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
_PARENTS = 3


def here(root: Path) -> bool:
    """Whether class folders named by synset ids lie in a folder, or a flat folder of pictures with such a list."""
    try:
        root = _entered(root)
        named = [path for path in folders(root) if path.name.lower() in PART_NAMES]
        learnt = [path for path in named if PART_NAMES[path.name.lower()] == "train"]
        return any(_has_synsets(path) for path in (root, *(learnt or named))) or _own_list(root) is not None
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures of ImageNet's layouts below `root`; classes are named by the first word of their synset.

    Two synsets of one name are told apart by their ids: 'crane (n02012849)'. Folders of parts whose pictures have no
    list are passed over with a note. Raises DataError where a list is damaged or cannot be matched, or where nothing
    could be learnt from.
    """
    root = _entered(root)
    told = _names(root)
    notes: list[str] = []
    by_part: dict[str, dict[str, list[Path]]] = {}
    if _has_synsets(root) or _own_list(root):
        by_part[""] = _labelled(root, root, told, notes)
    else:
        parts = part_folders(root, holds_pictures)
        if "train" in parts and not told.order:  # then its folders, empty ones too, are what numbers count through
            told = replace(told, order=tuple(sorted(path.name for path in folders(parts["train"]))))
        by_part = {part: _labelled(root, path, told, notes) for part, path in parts.items()}
    by_part = {part: by_class for part, by_class in by_part.items() if by_class}
    source = assemble("imagenet", root, place, by_part, notes, to_learn)
    classes = readable(source.classes, told.words)
    return replace(source, classes=classes, notes=(*source.notes, *_on_names(source.classes, told)))


def readable(synsets: Sequence[str], words: Mapping[str, str]) -> tuple[str, ...]:
    """Names for synset ids: the first of each one's words, the id beside it where two would be alike, or alone."""
    first = [words.get(synset, synset).split(",")[0].strip() or synset for synset in synsets]
    count = Counter(alike(name) for name in first)
    return tuple(
        name if count[alike(name)] == 1 or name == synset else f"{name} ({synset})"
        for synset, name in zip(synsets, first, strict=True)
    )


# Where things lie


def _entered(root: Path) -> Path:
    """Kaggle's folder of pictures, where it lies below."""
    return next((root / below for below in _KAGGLE if (root / below).is_dir()), root)


def _has_synsets(folder: Path) -> bool:
    """Whether all folders in a folder, one or more, are named by synset ids."""
    names = [path.name for path in folders(folder)]
    return bool(names) and all(_SYNSET.fullmatch(name) for name in names)


def _around(root: Path) -> list[Path]:
    """The folder and those above it where its lists may lie."""
    return [root, *root.resolve().parents[:_PARENTS]]


def _nearest(name: str, folder: Path, root: Path) -> Path | None:
    return next((place / name for place in (folder, *_around(root)) if (place / name).is_file()), None)


def _list_for(folder: Path, root: Path) -> Path | None:
    """The list that tells the classes of the pictures in a flat val folder of `root`."""
    found = (_nearest(name, folder, root) for name in _LISTS)
    return next((path for path in found if path), None)


def _own_list(root: Path) -> Path | None:
    """The list of a flat folder of pictures that is itself named as a val folder."""
    if PART_NAMES.get(root.resolve().name.lower()) != "val" or not holds_pictures(root):
        return None
    found = _list_for(root, root)
    # val.txt is a common name: it must have synsets to count through
    return found if found and (found.name != "val.txt" or _names(root).order) else None


# Pictures and their synsets


def _labelled(root: Path, folder: Path, told: "_Names", notes: list[str]) -> dict[str, list[Path]]:
    """The pictures of a part by synset id; what is passed over goes into notes."""
    if _has_synsets(folder):
        by_synset = {inner.name: pictures_below(inner) for inner in folders(folder)}
        empty = [synset for synset, paths in by_synset.items() if not paths]
        if empty:
            notes.append(f"left out in {folder.name}, no pictures inside: {', '.join(empty)}")
        return {synset: paths for synset, paths in by_synset.items() if paths}
    path = _list_for(folder, root) if folder == root or PART_NAMES[folder.name.lower()] == "val" else None
    if path is None:
        devkit = _nearest(_DEVKIT, folder, root)
        if devkit and PART_NAMES[folder.name.lower()] == "val":
            raise DataError(
                f"{devkit} does not tell the classes of {folder}",
                expected=f"one of {', '.join(_LISTS)}",
                got="numbers that follow a table of their own (meta.mat in the devkit), not the order of synset ids",
                remedy=f"put LOC_val_solution.csv or val.txt beside {folder}, or sort its pictures into synset folders",
            )
        notes.append(f"passed over, its pictures have no labels: {folder.name}")
        return {}
    return _by_list(folder, path, read_list(path, told.order), notes)


def _by_list(folder: Path, path: Path, synsets: Mapping[str, str], notes: list[str]) -> dict[str, list[Path]]:
    """The pictures of a flat folder by the synset that a list gives to their names."""
    by_synset: dict[str, list[Path]] = {}
    pictures = pictures_below(folder)
    for picture in pictures:
        synset = synsets.get(picture.name) or synsets.get(picture.stem)
        if synset:
            by_synset.setdefault(synset, []).append(picture)
    listed = sum(map(len, by_synset.values()))
    if not listed:
        raise DataError(
            f"{path} names none of the pictures in {folder}",
            expected="the names of its files, with or without .JPEG",
            got=f"{next(iter(synsets), 'no line')} in the list, "
            f"{pictures[0].name if pictures else 'no picture'} in the folder",
            remedy="put the list that belongs to these pictures there",
        )
    if listed < len(pictures):
        notes.append(f"left out in {folder.name}, not in {path.name}: {len(pictures) - listed:,} pictures")
    if listed < len(synsets):
        notes.append(f"named by {path.name} but not in {folder.name}: {len(synsets) - listed:,} pictures")
    if path.name != "val.txt":
        notes.append(f"the boxes in {path.name} are passed over")
    return dict(sorted(by_synset.items()))


def read_list(path: Path, order: Sequence[str]) -> dict[str, str]:
    """File name (with its suffix or without, as the list has it) -> synset id.

    order: the synset ids that the numbers of a val.txt count through, sorted. Raises DataError.
    """
    pairs = [(at, *_name_and_class(line, path.suffix)) for at, line in enumerate(_text(path).splitlines(), 1)]
    found: dict[str, str] = {}
    for at, name, told in pairs:
        if not name or (at == 1 and (name, told) == ("ImageId", "PredictionString")):
            continue
        synset = order[int(told)] if _counts(told, order) and path.name == "val.txt" else told
        if not _SYNSET.fullmatch(synset):
            numbers = f", or a number from 0 to {len(order) - 1}" if path.name == "val.txt" and order else ""
            raise DataError(
                f"{path} has no class in line {at}",
                expected=f"the name of a picture and a synset id such as n01440764{numbers}",
                got=f"{name} {told}".strip(),
                remedy="get the list that belongs to these pictures",
            )
        if found.setdefault(name, synset) != synset:
            raise DataError(
                f"{path} gives one picture two classes, the second in line {at}",
                got=f"{name}: {found[name]} and {synset}",
                remedy="take the wrong line out",
            )
    return found


def _name_and_class(line: str, suffix: str) -> tuple[str, str]:
    """What a line says of a picture: by tabs as Tiny ImageNet, by comma as Kaggle, else by the last blank."""
    if suffix == ".csv" or "\t" in line:
        name, _, rest = line.partition("," if suffix == ".csv" else "\t")
        return name, next(iter(rest.split()), "")
    name, *rest = line.rsplit(None, 1) or [""]
    return name, rest[0] if rest else ""


def _counts(told: str, order: Sequence[str]) -> bool:
    return told.isascii() and told.isdecimal() and len(told) < 9 and int(told) < len(order)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_LIST + 1)
    if len(content) > MAX_LIST:
        raise DataError(
            f"{path} is too large for a list of names",
            expected=f"at most {MAX_LIST:,} bytes",
            remedy="get the file again",
        )
    return content.decode("utf-8-sig", "surrogateescape")


# Names of synsets


@dataclass(frozen=True, slots=True)
class _Names:
    """words: synset id -> its words. order: the ids that numbers count through, () where nothing tells. file: where
    they were found."""

    words: Mapping[str, str]
    order: tuple[str, ...]
    file: Path | None


def _names(root: Path) -> _Names:
    for place in _around(root):
        for name in _NAMES:
            if (place / name).is_file():
                return _named(place / name)
    return _Names({}, (), None)


def _named(path: Path) -> _Names:
    if path.suffix == ".json":
        words = _from_json(path)
    else:
        rows = [line.split("\t" if "\t" in line else " ", 1) for line in _text(path).splitlines()]
        words = {row[0]: row[1].strip() for row in rows if len(row) == 2 and _SYNSET.fullmatch(row[0])}
        if not words and path.name != "words.txt":  # that name is anybody's
            raise DataError(
                f"{path} names no synset",
                expected="lines such as: n01440764 tench, Tinca tinca",
                got=" ".join(rows[0])[:80] if rows else "an empty file",
                remedy="get the file again, or take it out",
            )
        words = dict(sorted(words.items()))
    order = () if path.name == "words.txt" else tuple(words)  # words.txt holds the whole of WordNet
    return _Names(words, order, path if words else None)


def _from_json(path: Path) -> dict[str, str]:
    """Keras' {"0": ["n01440764", "tench"], ...}, in the order of its numbers."""
    try:
        table = json.loads(_text(path))
        pairs = [table[str(number)] for number in range(len(table))]
        return {str(synset): str(name).replace("_", " ") for synset, name in pairs}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DataError(
            f"{path} is no index of classes",
            expected='{"0": ["n01440764", "tench"], "1": ...}',
            got=f"{type(error).__name__}: {error}",
            remedy="get the file again, or take it out",
        ) from error


def _on_names(synsets: Sequence[str], told: _Names) -> list[str]:
    missing = [synset for synset in synsets if synset not in told.words]
    if told.file is None:
        return [f"classes go by their synset ids: none of {', '.join(_NAMES)} lies here"]
    if missing:
        return [f"{told.file.name} does not name: {', '.join(missing)}"]
    return []
