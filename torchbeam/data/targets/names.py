"""The names of written files and classes: as the source has them where that can be, safe and unlike each other."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from torchbeam.data.decode import SUFFIXES
from torchbeam.data.records import Record
from torchbeam.data.sources.namelist import BACKGROUND
from torchbeam.data.targets.target import Sample

# Folders that only say how a data set is laid out, in front of what names a picture.
_LAYOUT = re.compile(r"jpegimages|images?", re.IGNORECASE)
_PART = re.compile(r"(train|training|val|valid|validation|test|testing)([0-9]{4})?", re.IGNORECASE)
# Signs that some file system or some reader of lists takes for something else, and what is not text at all.
_UNSAFE = re.compile(r"[<>:\"|?*\\#%\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_SUFFIX_OF = {"JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}


@dataclass(slots=True)
class Names:
    """Hands out each name once; one that is taken gets a number.

    by_stem: names that differ in their suffix alone count as taken, since labels or masks go by the stem. Case
    makes no difference, for file systems that see none.
    """

    by_stem: bool
    taken: set[str] = field(default_factory=set)

    def free(self, wanted: str) -> str:
        """`wanted`, or with -2, -3, ... behind its stem."""
        stem, suffix = _cut(wanted)
        name, number = wanted, 1
        while (key := _key(name, self.by_stem)) in self.taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self.taken.add(key)
        return name


def name_of(sample: Sample) -> str:
    """The picture's path with its suffix, less the folders of parts and layout it lies in: 'cat/1.jpg'."""
    stem, suffix = _cut(own_path(sample.record))
    if not sample.facts.format:
        suffix = ".png"  # pixels without a file are written as one
    elif not suffix:
        suffix = _SUFFIX_OF.get(sample.facts.format, f".{sample.facts.format.lower()}")
    return "/".join(map(safe, stem.split("/"))) + suffix


def flat(name: str) -> str:
    """A path as one name without blanks: 'cat/my 1.jpg' -> 'cat_my_1.jpg'."""
    return re.sub(r"[\s/]+", "_", name)


def own_path(record: Record) -> str:
    """The record's path less leading folders that say its part or the layout."""
    parts = PurePosixPath(record.path).parts
    first = 0
    while first < len(parts) - 1 and (
        _LAYOUT.fullmatch(parts[first]) or (record.part and _PART.fullmatch(parts[first]))
    ):
        first += 1
    return "/".join(parts[first:])


def safe(name: str) -> str:
    """One name of a file or folder that every file system takes and no reader passes over."""
    told = _UNSAFE.sub("_", name).rstrip(". ").lstrip(" ")
    told = "_" + told[1:] if told.startswith((".", "__MACOSX")) else told
    return told.replace("/", "_") or "_"


def folder_names(classes: Iterable[str]) -> tuple[str, ...]:
    """The classes as names of folders, unlike each other."""
    names = Names(by_stem=False)
    return tuple(names.free(safe(name)) for name in classes)


def line_names(classes: Iterable[str], forbidden: str = "") -> tuple[str, ...]:
    """The classes as they can stand in a line of text, none of the forbidden signs in them, unlike each other."""
    instead = dict.fromkeys(map(ord, forbidden), "_")
    return _unlike([_UNPRINTABLE.sub("_", name).translate(instead).strip() or "_" for name in classes], set())


def listed_names(classes: Iterable[str]) -> tuple[str, ...]:
    """The classes as they can stand in labelmap.txt or classes.txt below a line for the background.

    Lines there are cut at colons, a # begins a comment, and words for the background are no classes.
    """
    return _unlike(line_names(classes, ":#"), set(BACKGROUND))


def _unlike(names: Iterable[str], taken: set[str]) -> tuple[str, ...]:
    """The names, those that are taken or were there before with a number behind."""
    told = []
    for name in names:
        number, free = 1, name
        while free in taken or free.lower() in taken & BACKGROUND:
            number += 1
            free = f"{name}-{number}"
        taken.add(free)
        told.append(free)
    return tuple(told)


def _cut(name: str) -> tuple[str, str]:
    """A path without the suffix of a picture, and that suffix."""
    suffix = PurePosixPath(name).suffix
    return (name[: -len(suffix)], suffix) if suffix.lower() in SUFFIXES else (name, "")


def _key(name: str, by_stem: bool) -> str:
    return (_cut(name)[0] if by_stem else name).casefold()
