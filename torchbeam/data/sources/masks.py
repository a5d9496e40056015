"""Pictures and their masks in two folders beside each other: images/1.jpg and masks/1.png."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from torchbeam.data.decode import read_bytes, size_of
from torchbeam.data.maskfiles import MaskFiles, stored_values
from torchbeam.data.pictures import Files
from torchbeam.data.records import IGNORE, NOTHING, PARTS, UNLABELLED, Fault, Record, Source
from torchbeam.data.sources.agreed import agreed
from torchbeam.data.sources.folder import PART_NAMES, folders, pictures_below
from torchbeam.data.sources.namelist import BACKGROUND, NameList, read_names
from torchbeam.data.sources.voclists import parts_listed
from torchbeam.errors import DataError, PictureError

PICTURE_FOLDERS = frozenset({"images", "image", "img", "imgs", "jpegimages", "pictures", "photos", "input", "inputs"})
MASK_FOLDERS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "annotation", "gt", "groundtruth", "ground_truth", "targets"}
    | {"segmentation", "segmentations", "segmentationclass"}
)
# What a mask's name may have after its picture's.
ENDINGS = ("_mask", "-mask", "_gt", "_label", "_labels", "_seg", "_segmentation")
LISTS = ("classes.txt", "labelmap.txt")
VOID = 255  # by a custom that VOC began, a pixel that nobody is judged by
FOREGROUND = "foreground"
_MOST_VALUES = 100  # more values than that without a name are shades, not classes


@dataclass(frozen=True, slots=True)
class Pair:
    """A folder of pictures, that of their masks, and the part they are."""

    part: str
    pictures: Path
    masks: Path


@dataclass(frozen=True, slots=True)
class Meaning:
    """The classes of masks, and what their stored values and colours mean: what MaskFiles takes."""

    classes: tuple[str, ...]
    values: dict[int, int]
    colours: dict[int, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at a mask tells: the values in it, and (width, height)."""

    values: frozenset[int]
    size: tuple[int, int]


def here(root: Path) -> bool:
    """Whether two folders lie in `root`, or in folders of parts, where most masks go with a picture by name."""
    try:
        for pair in pairs(root):
            masks = pictures_below(pair.masks)
            known = {_key(path, pair.pictures) for path in pictures_below(pair.pictures)}
            if sum(any(key in known for key in _keys(path, pair.masks)) for path in masks) * 2 > len(masks):
                return True
    except OSError:
        return False
    return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures below `root` and their masks, without a class of their own.

    Classes: those in classes.txt or labelmap.txt, whose line i (from 0) names value i; otherwise 'foreground' where
    masks hold 0 and one of 1 and 255, or else the values' numbers. Value 0 is no class unless a list names it,
    255 beside a list or a row of values is not judged. Raises DataError where no mask can be read or understood.
    """
    found = pairs(root)
    records, masks, faults = _paired(root, found)
    told = listed(root)
    meaning, scans, unread = understood(root, masks, told)
    by_path = {fault.path: fault for fault in unread}
    for number, (record, mask) in enumerate(zip(records, masks, strict=True)):
        if not mask:
            continue
        fault = by_path.get(mask) or _size_fault(root, record, scans[mask])
        if fault:
            faults.append(Fault(record.path, fault.kind, fault.reason))
            masks[number] = ""
    kept = tuple(
        Record(record.path, UNLABELLED, record.part, masked=bool(mask))
        for record, mask in zip(records, masks, strict=True)
    )
    files = Files(root, tuple(record.path for record in kept))
    holder = MaskFiles(root, tuple(masks), meaning.values, meaning.colours)
    by_part = _classes_by_part(kept, masks, meaning, scans)
    notes = (*meaning.notes, *agreed(root, meaning.classes, by_part, to_learn, told.names if told else ()))
    return Source("masks", place, root, meaning.classes, kept, files, notes, holder, tuple(faults))


def _classes_by_part(
    records: Sequence[Record], masks: Sequence[str], meaning: Meaning, scans: Mapping[str, Scan]
) -> dict[str, set[str]]:
    """The names of the classes that the masks of each part hold; no name for the part of sets without parts."""
    held: dict[str, set[str]] = {}
    for record, mask in zip(records, masks, strict=True):
        numbers = {meaning.values[value] for value in scans[mask].values} if mask else set()
        held.setdefault(record.part, set()).update(meaning.classes[number - 1] for number in numbers if number > 0)
    return held


def pairs(root: Path) -> list[Pair]:
    """The folders of pictures and masks in `root`: images beside masks, in folders of parts or holding such."""
    inner = folders(root)
    parts = [(PART_NAMES[path.name.lower()], path) for path in inner if path.name.lower() in PART_NAMES]
    found = [pair for part, folder in parts for pair in _beside(part, folders(folder))]
    return found or _beside("", inner)


def _beside(part: str, inner: Sequence[Path]) -> list[Pair]:
    pictures = [path for path in inner if path.name.lower() in PICTURE_FOLDERS]
    masks = [path for path in inner if path.name.lower() in MASK_FOLDERS and pictures_below(path)]
    if len(pictures) != 1 or len(masks) != 1:
        return []
    if not part:
        own = {PART_NAMES.get(path.name.lower()): path for path in folders(pictures[0])}
        other = {PART_NAMES.get(path.name.lower()): path for path in folders(masks[0])}
        both = [Pair(name, own[name], other[name]) for name in PARTS if name in own and name in other]
        if both:
            return both
    return [Pair(part, pictures[0], masks[0])]


def _key(path: Path, folder: Path) -> tuple[Path, str]:
    return path.parent.relative_to(folder), path.stem


def _keys(path: Path, folder: Path) -> list[tuple[Path, str]]:
    """What a mask's picture may be called: as the mask, or as it without its ending."""
    inner, stem = _key(path, folder)
    shorter = [stem[: -len(ending)] for ending in ENDINGS if stem.lower().endswith(ending)]
    return [(inner, name) for name in [stem, *shorter]]


def _paired(root: Path, found: Iterable[Pair]) -> tuple[list[Record], list[str], list[Fault]]:
    """The pictures in the order of the parts, the path of each one's mask ('' for none), and who misses whom."""
    records: list[Record] = []
    paths: list[str] = []
    faults: list[Fault] = []
    for pair in sorted(found, key=lambda pair: ("", *PARTS).index(pair.part)):
        pictures = pictures_below(pair.pictures)
        known = {_key(path, pair.pictures) for path in pictures}
        masks: dict[tuple[Path, str], Path] = {}
        for path in sorted(pictures_below(pair.masks), key=lambda path: len(path.stem)):
            own = next((key for key in _keys(path, pair.masks) if key in known and key not in masks), None)
            if own:
                masks[own] = path
            else:
                name = path.relative_to(root).as_posix()
                faults.append(Fault(name, "picture missing", "a mask without a picture; left out"))
        for path in pictures:
            record = Record(path.relative_to(root).as_posix(), UNLABELLED, pair.part)
            mask = masks.get(_key(path, pair.pictures))
            if mask is None:
                faults.append(Fault(record.path, "mask missing", f"no mask of its name in {pair.masks.name}"))
            records.append(record)
            paths.append(mask.relative_to(root).as_posix() if mask else "")
    if (root / "ImageSets").is_dir():
        records, wrong = _parts_listed(root, records)
        faults += wrong
    return records, paths, faults


def _parts_listed(root: Path, records: Sequence[Record]) -> tuple[list[Record], list[Fault]]:
    """The pictures in the parts that VOC's lists name, for what of VOC has masks and no XML."""
    parts, faults = parts_listed(root, {Path(record.path).stem for record in records})
    return [replace(record, part=record.part or parts.get(Path(record.path).stem, "")) for record in records], faults


def _size_fault(root: Path, record: Record, scan: Scan) -> Fault | None:
    try:
        width, height = size_of(root / record.path, record.path)
    except PictureError:
        return None  # told of when the picture is looked at
    if scan.size == (width, height):
        return None
    side = "; the picture lies on its side by its EXIF" if scan.size == (height, width) else ""
    reason = f"a mask of {scan.size[0]}x{scan.size[1]} for a picture of {width}x{height}{side}; the mask is left out"
    return Fault(record.path, "mask size", reason)


# What the values mean


def listed(root: Path) -> NameList | None:
    """The list of classes in a folder, if there is one. Raises DataError."""
    for name in LISTS:
        if (root / name).is_file():
            return read_names(root / name)
    return None


def understood(root: Path, masks: Iterable[str], told: NameList | None) -> tuple[Meaning, dict[str, Scan], list[Fault]]:
    """What the masks at those paths below `root` mean, what each holds, and which cannot be read; '' is passed over.

    told: the classes by name, as `listed` gives them. Raises DataError where no mask can be read or understood.
    """
    colours = {**dict.fromkeys(_VOID_COLOURS, VOID), **told.colours} if told and told.colours else {}
    paths = list(dict.fromkeys(path for path in masks if path))
    scans: dict[str, Scan] = {}
    faults: list[Fault] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        for path, scan in zip(paths, pool.map(lambda path: _scan(root, path, colours), paths), strict=True):
            if isinstance(scan, Scan):
                scans[path] = scan
            else:
                faults.append(Fault(path, "mask unreadable", f"{scan}; left out"))
    if not scans:
        got = faults[0].reason if faults else "none at all"
        raise DataError(f"no mask in {root} can be read", expected="a mask beside each picture", got=got)
    found = frozenset().union(*(scan.values for scan in scans.values()))
    meaning = _by_list(root, told, found) if told else _by_values(root, found)
    return Meaning(meaning.classes, meaning.values, colours, meaning.notes), scans, faults


# VOC draws the borders of things in this colour.
_VOID_COLOURS = (224 << 16 | 224 << 8 | 192,)


def _scan(root: Path, path: str, colours: dict[int, int]) -> Scan | str:
    try:
        stored = stored_values(read_bytes(root / path), path, colours)
    except PictureError as error:
        return error.reason
    return Scan(frozenset(np.unique(stored).tolist()), (stored.shape[1], stored.shape[0]))


def _by_list(root: Path, told: NameList, found: frozenset[int]) -> Meaning:
    names = told.names
    first_is_nothing = names[0].lower() in BACKGROUND
    classes = names[1:] if first_is_nothing else names
    if not classes:
        raise DataError(f"the list of classes in {root} names none but the background", got=names[0])
    if len(classes) == 1 and (found <= {0, 1} or found <= {0, VOID}):
        return Meaning(classes, {0: NOTHING, 1: 1, VOID: 1}, {})
    notes = []
    if not first_is_nothing and max(found - {VOID}, default=0) == len(names):
        notes.append(f"the list of classes names {len(names)} values above 0, which is taken for nothing")
        names, first_is_nothing = ("background", *names), True
    start = 0 if first_is_nothing else 1
    values = {value: start + value for value in range(len(names))}
    if VOID not in values and VOID in found:
        values[VOID] = IGNORE
        notes.append(f"{VOID} in the masks is a pixel that nobody is judged by")
    unknown = sorted(found - values.keys())
    if unknown:
        raise DataError(
            f"the masks in {root} have values that the list of classes does not name",
            expected=f"0 to {len(names) - 1}, one for each line",
            got=", ".join(map(str, unknown[:5])) + (" ..." if len(unknown) > 5 else ""),
        )
    return Meaning(classes, values, {}, tuple(notes))


def _by_values(root: Path, found: frozenset[int]) -> Meaning:
    things = sorted(found - {0})
    if not things:
        raise DataError(f"the masks in {root} hold nothing", expected="a value above 0 for each class", got="0")
    if len(things) > _MOST_VALUES:
        raise DataError(
            f"the masks in {root} hold {len(things)} values that nothing names",
            expected="a value for each class; so many are shades",
            remedy=f"cut them at a threshold, or name the values in a {LISTS[0]}, one a line from 0 on",
        )
    if things in ([1], [VOID]):
        return Meaning((FOREGROUND,), {0: NOTHING, things[0]: 1}, {})
    notes = []
    if things == [*range(1, len(things)), VOID]:
        things.pop()
        notes.append(f"{VOID} in the masks is taken for a pixel that nobody is judged by; {LISTS[0]} can name it")
    values = {0: NOTHING, **{value: 1 + index for index, value in enumerate(things)}}
    if notes:
        values[VOID] = IGNORE
    return Meaning(tuple(map(str, things)), values, {}, tuple(notes))
