"""One file in COCO's format -> what it tells, checked; what is wrong with single annotations is listed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torchbeam.data.regions import Outlines, Region, box_of
from torchbeam.data.runlengths import runs_from_coco
from torchbeam.data.sources.namelist import check_names
from torchbeam.errors import DataError

MAX_BYTES = 2**30  # COCO's own is half of that
_SNIFFED = 2**16
_LISTS = ("images", "annotations", "categories")

# An id: COCO's are whole numbers, some tools write texts.
Id = int | str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its file's name, and (width, height) where they are told."""

    name: str
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Thing:
    """An annotation: what it goes by, its category's id, its edges in pixels, its shape, and whether it is a crowd."""

    name: str
    category: Id
    xyxy: tuple[float, float, float, float]
    region: Region | None
    crowd: bool


@dataclass(frozen=True, slots=True)
class Document:
    """What a file tells: names by category id, ascending; pictures by id; things by their picture's id.

    faults: (kind, reason) of what was set aside.
    """

    categories: dict[Id, str]
    images: dict[Id, Image]
    things: dict[Id, list[Thing]]
    faults: tuple[tuple[str, str], ...]


def looks_like_coco(path: Path) -> bool:
    """Whether two of COCO's three lists are named at the beginning or the end of a file."""
    try:
        with path.open("rb") as file:
            seen = file.read(_SNIFFED)
            file.seek(max(0, path.stat().st_size - _SNIFFED))
            seen += file.read(_SNIFFED)
    except OSError:
        return False
    return (
        seen.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and sum(f'"{key}"'.encode() in seen for key in _LISTS) > 1
    )


def read_document(path: Path) -> Document:
    """What a file tells. Raises DataError where it is not COCO's format, or ids or categories are there twice."""
    told = _read(path)
    lists = {key: told.get(key) for key in _LISTS}
    wrong = [key for key, value in lists.items() if not isinstance(value, list)]
    if wrong:
        raise DataError(f"{path} is not in COCO's format", expected=f"lists {', '.join(_LISTS)}", got=_missing(wrong))
    faults: list[tuple[str, str]] = []
    categories = _categories(path, lists["categories"])
    images = _images(path, lists["images"], faults)
    things: dict[Id, list[Thing]] = {}
    for number, row in enumerate(_rows(path, lists["annotations"]), start=1):
        name = str(row.get("id", f"in place {number}"))[:40]
        picture = row.get("image_id")
        if not isinstance(picture, int | str) or picture not in images:
            faults.append(("picture unknown", f"annotation {name} is of picture {picture!r:.40}, which is not listed"))
            continue
        thing = _thing(row, name, faults)
        if thing is not None:
            things.setdefault(picture, []).append(thing)
    return Document(categories, images, things, tuple(faults))


def _missing(keys: list[str]) -> str:
    return f"no list of {' and none of '.join(keys)}"


def _read(path: Path) -> Mapping[str, object]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is too long to be read at once", expected=f"at most {MAX_BYTES / 2**30:g} GiB")
        told = json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise DataError(f"cannot read {path}", got=error.strerror or str(error), remedy="check the path") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON that can be read", got=str(error)[:200]) from error
    if not isinstance(told, dict):
        raise DataError(f"{path} is not in COCO's format", expected="an object", got=type(told).__name__)
    return told


def _rows(path: Path, rows: object) -> list[Mapping[str, object]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} has entries that tell nothing", expected="objects in each of its lists")
    return rows


def _categories(path: Path, rows: object) -> dict[Id, str]:
    named: dict[Id, str] = {}
    for row in _rows(path, rows):
        number, name = row.get("id"), row.get("name")
        if not isinstance(number, int | str) or not isinstance(name, str | int) or number in named:
            raise DataError(
                f"{path} has a category that cannot be told from others",
                expected="an id of its own and a name for each",
                got=f"id {number!r:.40}, name {name!r:.40}",
            )
        named[number] = str(name).strip()
    check_names(list(named.values()), str(path))
    return dict(sorted(named.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _images(path: Path, rows: object, faults: list[tuple[str, str]]) -> dict[Id, Image]:
    images: dict[Id, Image] = {}
    for row in _rows(path, rows):
        number, name = row.get("id"), row.get("file_name")
        if not isinstance(number, int | str) or not isinstance(name, str):
            faults.append(
                ("picture incomplete", f"a picture of id {number!r:.40} and file_name {name!r:.40}; left out")
            )
            continue
        if number in images:
            raise DataError(
                f"{path} has two pictures of one id, so that nobody knows whose annotations are whose",
                got=f"{number!r:.40}: {images[number].name} and {name}",
                remedy="number the pictures anew",
            )
        width, height = row.get("width"), row.get("height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            images[number] = Image(name, (width, height))
        else:
            images[number] = Image(name, None)
    return images


def _thing(row: Mapping[str, object], name: str, faults: list[tuple[str, str]]) -> Thing | None:
    category, edges = row.get("category_id"), row.get("bbox")
    region = _region(row.get("segmentation"), name, faults)
    box = _numbers(edges)
    if isinstance(category, int | str) and box is not None and len(box) == 4:
        left, top, width, height = box
        xyxy = (left, top, left + width, top + height)
    elif isinstance(category, int | str) and edges in (None, []) and region is not None:
        xyxy = box_of(region)
    else:
        reason = f"annotation {name} has category {category!r:.40} and box {edges!r:.80}; set aside"
        faults.append(("annotation incomplete", reason))
        return None
    return Thing(name, category, xyxy, region, row.get("iscrowd") in (1, True))


def _region(told: object, name: str, faults: list[tuple[str, str]]) -> Region | None:
    """The shape of an annotation; one that cannot be read is left out, its box is not."""
    if not told:
        return None
    try:
        if isinstance(told, dict):
            return runs_from_coco(told)
        polygons = told if isinstance(told, list) else [told]
        rings = [_numbers(polygon) for polygon in polygons]
        return Outlines(
            tuple(np.array(ring if ring and not len(ring) % 2 else [0.0, 0.0]).reshape(-1, 2) for ring in rings)
        )
    except DataError as error:
        reason = f"the shape of annotation {name}: {error.what}" + (f" ({error.got})" if error.got else "")
        faults.append(("shape unreadable", f"{reason}; left out"))
        return None


def _numbers(told: object) -> list[float] | None:
    """A list of numbers as floats, None for anything else; a number too large for a float is infinite."""
    if not isinstance(told, list) or not set(map(type, told)) <= {int, float}:
        return None
    try:
        return [float(each) for each in told]
    except OverflowError:
        return [math.inf] * len(told)
