"""COCO: annotations/instances_PART.json beside folders of pictures; also one file, or one in each part's folder.

Boxes are [left, top, width, height] in pixels; shapes are polygons, or run lengths where pixels are known. Ids of
categories are any numbers: classes are known by name. Source: Lin et al., 'Microsoft COCO: Common Objects in
Context' (2014), and the page on the set's format.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from torchbeam.data.pictures import Files
from torchbeam.data.records import PARTS, UNLABELLED, Boxes, Fault, Record, Source, boxes
from torchbeam.data.sources.agreed import agreed, classes_boxed
from torchbeam.data.sources.boxed import sounded
from torchbeam.data.sources.cocojson import Document, Id, Thing, looks_like_coco, read_document
from torchbeam.data.sources.folder import PART_NAMES, folders
from torchbeam.data.sources.masks import PICTURE_FOLDERS
from torchbeam.errors import DataError

ROBOFLOW = "_annotations.coco.json"
_LISTS = ("annotations", "annotation")  # folders of files
# Files of the set that tell of something else.
_OTHERS = ("captions", "person_keypoints", "stuff", "panoptic", "image_info")
_TRIED = 20  # pictures that are looked for to find their folder


@dataclass(frozen=True, slots=True)
class Listing:
    """A file, the part it is, and what it tells."""

    file: Path
    part: str
    told: Document


def here(root: Path) -> bool:
    """Whether a file in COCO's format lies in `root`, in its annotations folder or in folders of parts."""
    try:
        return bool(_found(root))
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True, file: Path | None = None) -> Source:
    """The pictures that files in COCO's format tell of, with their boxes and shapes.

    file: this one alone, its pictures having no part; what lies in a folder annotations has its pictures beside
    that. Classes are the categories by ascending id, those of train first; parts are matched by name.
    Raises DataError where a file cannot be read, contradicts itself, or nothing could be learnt from.
    """
    if file is not None:
        root = file.parent.parent if file.parent.name.lower() in _LISTS else file.parent
    listings = [
        Listing(each, "" if file else _part(each), read_document(each)) for each in ([file] if file else _found(root))
    ]
    listings.sort(key=lambda listing: (listing.part != "train", ("", *PARTS).index(listing.part)))
    classes = tuple(dict.fromkeys(name for listing in listings for name in listing.told.categories.values()))
    index_of = {name: index for index, name in enumerate(classes)}
    records: dict[str, Record] = {}
    faults: list[Fault] = []
    for listing in listings:
        found, wrong = _records(root, listing, index_of, records)
        records |= found
        faults += wrong
    if not records:
        got = faults[0].reason if faults else "none"
        raise DataError(f"no picture is listed in {root}", expected="'images', each with a file_name", got=got)
    listed = {name for each in listings if each.part in ("", "train") for name in each.told.categories.values()}
    by_part = classes_boxed(records.values(), classes)
    notes = agreed(root, classes, by_part, to_learn, listed)
    files = Files(root, tuple(records))
    return Source("coco", place, root, classes, tuple(records.values()), files, tuple(notes), None, tuple(faults))


def _found(root: Path) -> list[Path]:
    """The files in COCO's format: those named instances where there are any, since others repeat them."""
    inner = folders(root)
    places = [root, *(path for path in inner if path.name.lower() in (*_LISTS, *PART_NAMES))]
    files = sorted(path for folder in places for path in folder.glob("*.json") if not path.name.startswith("."))
    files = [path for path in files if not path.name.lower().startswith(_OTHERS)]
    named = [path for path in files if path.name.startswith("instances") or path.name == ROBOFLOW]
    return [path for path in named or files if looks_like_coco(path)]


def _part(file: Path) -> str:
    words = re.findall("[a-z]+", file.stem.lower())
    return next((PART_NAMES[word] for word in (*words, file.parent.name.lower()) if word in PART_NAMES), "")


def _records(
    root: Path, listing: Listing, index_of: Mapping[str, int], earlier: Mapping[str, Record]
) -> tuple[dict[str, Record], list[Fault]]:
    told, name = listing.told, listing.file.relative_to(root).as_posix()
    faults = [Fault(name, kind, reason) for kind, reason in told.faults]
    safe = {picture: path for picture, image in told.images.items() if (path := _inside(image.name)) is not None}
    for picture in told.images.keys() - safe.keys():
        reason = f"{told.images[picture].name!r} is no place below the folder; left out"
        faults.append(Fault(name, "picture outside", reason))
    folder = _folder(root, listing, [*safe.values()][:_TRIED])
    records: dict[str, Record] = {}
    for picture, inside in safe.items():
        path = (folder / inside).relative_to(root).as_posix()
        if path in earlier or path in records:
            faults.append(Fault(path, "listed twice", f"again in {name}, which is passed over"))
            continue
        held, odd = _boxes(told.things.get(picture, ()), told.categories, index_of)
        sound_ones, wrong = sounded(root, path, held, told.images[picture].size)
        faults += [*(Fault(path, "class unknown", reason) for reason in odd), *wrong]
        records[path] = Record(path, UNLABELLED, listing.part, sound_ones)
    return records, faults


def _boxes(
    things: Iterable[Thing], categories: Mapping[Id, str], index_of: Mapping[str, int]
) -> tuple[Boxes, list[str]]:
    known, odd = [], []
    for thing in things:
        if thing.category in categories:
            known.append(thing)
        else:
            odd.append(f"annotation {thing.name} is of category {thing.category}, which is not listed; set aside")
    held = boxes(
        [thing.xyxy for thing in known],
        [index_of[categories[thing.category]] for thing in known],
        [thing.region for thing in known],
        crowd=[thing.crowd for thing in known],
    )
    return held, odd


# Where pictures lie


def _inside(name: str) -> PurePosixPath | None:
    """The place of a picture in its folder, None where it would lie outside."""
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or "\0" in name or not path.name or path.parts[0].endswith(":")
    return None if outside else path


def _folder(root: Path, listing: Listing, tried: Sequence[PurePosixPath]) -> Path:
    """The folder that a file's pictures are told from: where most of the first of them lie."""
    places = _places(root, listing)
    hits = {place: sum((place / inside).is_file() for inside in tried) for place in places}
    return max(places, key=lambda place: hits[place])


def _places(root: Path, listing: Listing) -> list[Path]:
    """Where pictures may lie, the likeliest first."""
    own = re.sub("^instances_", "", listing.file.stem)
    inner = folders(root)
    images = [path for path in inner if path.name.lower() in PICTURE_FOLDERS]
    named = [
        path
        for path in [*inner, *(below for folder in images for below in folders(folder))]
        if path.name == own or (listing.part and PART_NAMES.get(path.name.lower()) == listing.part)
    ]
    beside = [listing.file.parent] if listing.file.parent.name.lower() not in _LISTS else []
    deeper = [below for folder in named for below in folders(folder) if below.name.lower() in PICTURE_FOLDERS]
    return list(dict.fromkeys([*named, *deeper, *images, *beside, root, *inner]))
