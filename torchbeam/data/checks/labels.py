"""What is wrong with boxes and masks, and what lies in the folder that no label names."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchbeam.data.checks.finding import Finding, Severity, counted
from torchbeam.data.decode import SUFFIXES
from torchbeam.data.facts import Facts
from torchbeam.data.pictures import Files
from torchbeam.data.records import Fault, Source

_SET_ASIDE = "correct the labels; until then what is wrong is left out"
_REPLACE = "put them back, or take them off the list"


@dataclass(frozen=True, slots=True)
class Ill:
    """A kind of fault: how bad it is, what is said of one and of many, and what to do."""

    severity: Severity
    one: str
    many: str
    remedy: str = _SET_ASIDE


# What sources tell of most; any other kind is an error that is told by its name.
FAULTS = {
    "box inverted": Ill("error", "box ends before it begins", "boxes end before they begin"),
    "box empty": Ill("error", "box has no area", "boxes have no area"),
    "box outside": Ill("error", "box lies outside its picture", "boxes lie outside their pictures"),
    "box not a number": Ill("error", "box has edges that are no numbers", "boxes have edges that are no numbers"),
    "box reaches out": Ill(
        "warning",
        "box reaches out of its picture",
        "boxes reach out of their pictures",
        "correct the labels; the boxes are cut at the picture's edge",
    ),
    "class unknown": Ill(
        "error",
        "label is of a class that is not listed",
        "labels are of classes that are not listed",
        "list the class, or correct the label",
    ),
    "size differs": Ill(
        "warning",
        "picture has another size than its labels say",
        "pictures have another size than their labels say",
        "label the pictures as they are; boxes drawn at another size are in the wrong place",
    ),
    "picture missing": Ill(
        "error", "label is of a picture that is not there", "labels are of missing pictures", _REPLACE
    ),
    "in two parts": Ill("error", "picture is listed in two parts", "pictures are listed in two parts each"),
    "listed twice": Ill("warning", "picture is listed twice", "pictures are listed twice", "list each picture once"),
    "mask missing": Ill("warning", "picture has no mask", "pictures have no mask", "add the masks"),
    "mask size": Ill(
        "error",
        "mask is of another size than its picture",
        "masks are of another size than their pictures",
        "make the mask as large as its picture",
    ),
    "mask unreadable": Ill("error", "mask cannot be read", "masks cannot be read", "save them again"),
    "mask unusable": Ill(
        "error",
        "mask cannot be used",
        "masks cannot be used",
        "save them again, with the values of the classes alone",
    ),
}
# Pictures that nothing here decodes: what cameras and programs leave.
OTHER_PICTURES = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".svg", ".psd", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".jp2", ".ico"}
)
_BESIDE = ("licen", "readme", "copying", "classes.txt")  # what a folder of pictures may well hold


def faults(source: Source) -> Iterator[Finding]:
    """One finding for each kind of fault the source told of."""
    kinds: dict[str, list[Fault]] = {}
    for fault in source.faults:
        kinds.setdefault(fault.kind, []).append(fault)
    for kind, found in kinds.items():
        ill = FAULTS.get(kind, Ill("error", f"label: {kind}", f"labels: {kind}"))
        yield Finding(
            kind,
            ill.severity,
            counted(len(found), ill.one, ill.many),
            tuple(fault.path for fault in found),
            ill.remedy,
            tuple(fault.reason for fault in found),
        )


def empty(source: Source, facts: Mapping[int, Facts]) -> Iterator[Finding]:
    """A note on pictures without a box where others have some: meant, or forgotten."""
    boxed = [record for number in facts if (record := source.records[number]).boxes is not None]
    bare = [record.path for record in boxed if not len(record.boxes or ())]
    if bare and len(bare) < len(boxed):
        what = counted(len(bare), "picture has no box", "pictures have no box")
        yield Finding("without boxes", "note", what, tuple(bare), "right where they show nothing; else label them")


def masks(source: Source, unusable: Mapping[int, str], wrong_size: Mapping[int, str]) -> Iterator[Finding]:
    """Findings on masks: those that cannot be used, with the reason, and those of another size than their picture."""
    for kind, bad in (("mask unusable", unusable), ("mask size", wrong_size)):
        if bad:
            ill, paths = FAULTS[kind], tuple(source.records[number].path for number in bad)
            details = tuple(bad.values())
            out = tuple(zip(paths, details, strict=True))
            what = counted(len(bad), ill.one, ill.many)
            yield Finding(kind, ill.severity, what, paths, ill.remedy, details, leave_out=out)


def strays(source: Source) -> Iterator[Finding]:
    """Notes on files below the folder that no record names: any, where folders are the labels; else pictures."""
    if source.root is None or not isinstance(source.pictures, Files):
        return
    named = {record.path for record in source.records}
    others = [path for path in _files(source.root) if path.relative_to(source.root).as_posix() not in named]
    foreign = [path for path in others if path.suffix.lower() in OTHER_PICTURES]
    if foreign:
        what = f"{counted(len(foreign), 'picture is', 'pictures are')} in formats that are not read here: "
        remedy = "convert them to JPEG or PNG"
        yield _stray("other format", "warning", what + _suffixes(foreign), source.root, foreign, remedy)
    known = source.kind == "folder" or source.masks is None
    loose = [path for path in others if path.suffix.lower() in SUFFIXES] if known else []
    if loose:
        what = f"{counted(len(loose), 'picture is', 'pictures are')} below the folder, but no label names "
        remedy = "label them, or let them lie: they are not used"
        yield _stray("not labelled", "note", what + ("it" if len(loose) == 1 else "them"), source.root, loose, remedy)
    if source.kind == "folder":
        rest = [path for path in others if path not in {*foreign, *loose} and not _expected(path)]
        if rest:
            what = f"{counted(len(rest), 'file is', 'files are')} no picture: {_suffixes(rest)}"
            yield _stray("no picture", "note", what, source.root, rest, "nothing to do: they are passed over")


def _stray(kind: str, severity: Severity, what: str, root: Path, paths: Sequence[Path], remedy: str) -> Finding:
    return Finding(kind, severity, what, tuple(path.relative_to(root).as_posix() for path in paths), remedy)


def _files(root: Path) -> list[Path]:
    """Every file below a folder that is not hidden, in order; links to folders are not followed."""
    found = []
    for place, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__MACOSX")))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    return found


def _expected(path: Path) -> bool:
    return path.name.lower().startswith(_BESIDE)


def _suffixes(paths: Sequence[Path]) -> str:
    endings = sorted({path.suffix.lower() or "no ending" for path in paths})
    return ", ".join(endings[:8]) + (" and others" if len(endings) > 8 else "")
