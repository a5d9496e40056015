"""VOC's ImageSets: which pictures are for learning, for choosing and for the test, as lists of names."""

import re
from collections.abc import Collection
from pathlib import Path

from torchbeam.data.decode import SUFFIXES
from torchbeam.data.records import PARTS, Fault
from torchbeam.data.sources.namelist import text_of

MAX_BYTES = 64 * 2**20
_LISTS = ("train", "val", "test", "trainval")


def parts_listed(root: Path, stems: Collection[str]) -> tuple[dict[str, str], list[Fault]]:
    """The part of each picture that the lists name, by its name without suffix, and what is wrong with the lists.

    stems: the names of those that are annotated.
    trainval is looked at only for what train or val do not exist for. A name in two lists is kept out of learning:
    test goes before val, val before train. Lists of single classes are not looked at. Raises DataError.
    """
    folder = root / "ImageSets" / "Main"
    if not any((folder / f"{name}.txt").is_file() for name in _LISTS):
        folder = root / "ImageSets" / "Segmentation"  # all that is there of a set of masks alone
    lists = {name: _names(folder / f"{name}.txt") for name in _LISTS if (folder / f"{name}.txt").is_file()}
    both = lists.pop("trainval", set())
    missing = [part for part in ("train", "val") if part not in lists]
    if both and missing:
        lists[missing[0]] = both - lists.get("val" if missing[0] == "train" else "train", set())
    parts: dict[str, str] = {}
    faults = []
    for part in PARTS:
        for name in sorted(lists.get(part, ())):
            if name not in stems:
                faults.append(
                    Fault(name, "annotation missing", f"{part}.txt lists it, and nothing of its name is annotated")
                )
                continue
            if name in parts:
                reason = f"in the lists of {parts[name]} and {part}; taken for {part}"
                faults.append(Fault(name, "in two parts", reason))
            parts[name] = part
    return parts, faults


def _names(path: Path) -> set[str]:
    """The names in a list; what some tools add is cut off: flags after the name, the picture's folder and suffix."""
    found = set()
    for line in text_of(path, MAX_BYTES).splitlines():
        name = re.sub(r"\s+-?[01]$", "", line.strip()).replace("\\", "/")
        name = re.sub(r"^.*?JPEGImages/", "", name)
        stem, dot, suffix = name.rpartition(".")
        found.add(stem if dot and f".{suffix}".lower() in SUFFIXES else name)
    return found - {""}
