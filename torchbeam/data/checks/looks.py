"""What single pictures are like: those that cannot be read, and those that are not like the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from torchbeam.data.checks.finding import Finding, Severity, counted
from torchbeam.data.facts import Facts
from torchbeam.data.pictures import Files
from torchbeam.data.placeholders import placeholders
from torchbeam.data.records import Skipped, Source
from torchbeam.errors import PictureError

TINY, USUAL = 16, 32  # pixels of the shorter side: below TINY where half of the pictures have USUAL
BLANK = 2  # shades, of 256, within which all of a blank picture's thumbnail lies
# The endings each format goes by; Pillow opens MPO as JPEG, and PGM as PPM.
ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}


@dataclass(frozen=True, slots=True)
class Trait:
    """Something a picture may be: which ones are, what is said of them, and in a line of each."""

    kind: str
    severity: Severity
    one: str
    remedy: str
    has: Callable[[Facts], bool]
    detail: Callable[[Facts], str]


TRAITS = (
    Trait(
        "rotated by EXIF",
        "note",
        "picture is turned upright by its EXIF",
        "nothing to do here; programs that ignore EXIF see them, and boxes drawn on them, another way round",
        lambda facts: facts.orientation != 1,
        lambda facts: f"orientation {facts.orientation}",
    ),
    Trait(
        "deeper than 8 bits",
        "note",
        "picture has more than 8 bits a channel",
        "nothing to do where the upper 8 bits hold what is to be seen; else scale the values first",
        lambda facts: facts.bits > 8,
        lambda facts: f"{facts.bits} bits, mode {facts.mode}",
    ),
    Trait(
        "transparent",
        "note",
        "picture has transparent pixels, which are laid on white",
        "lay them on another colour first where white would mislead",
        lambda facts: facts.alpha,
        lambda facts: f"mode {facts.mode}",
    ),
    Trait(
        "CMYK",
        "note",
        "picture is stored in a printer's colours, CMYK or YCCK, and converted without its colour profile",
        "convert to RGB with their profile where colours matter",
        lambda facts: facts.mode == "CMYK",
        lambda facts: f"mode {facts.mode}",
    ),
    Trait(
        "animated",
        "note",
        "picture has several frames, of which the first is used",
        "save the frames that are wanted as pictures of their own",
        lambda facts: facts.frames > 1,
        lambda facts: f"{facts.frames:,} frames",
    ),
    Trait(
        "blank",
        "warning",
        "picture is of one shade all over",
        "leave them out unless emptiness is what they show",
        lambda facts: max(facts.thumb) - min(facts.thumb) <= BLANK if facts.grey else _flat(facts.thumb),
        lambda facts: f"about {tuple(facts.thumb[:3])}",
    ),
)


def looks(source: Source, facts: Mapping[int, Facts], skipped: Sequence[Skipped]) -> Iterator[Finding]:
    """Findings on single pictures."""
    yield from _unreadable(source, skipped)
    odd = _placeholders(source, facts)
    yield from odd
    known = {path for finding in odd for path in finding.paths}
    rest = {number: one for number, one in facts.items() if source.records[number].path not in known}
    yield from _misnamed(source, rest)
    yield from _tiny(source, rest)
    for trait in TRAITS:
        having = [number for number, one in rest.items() if trait.has(one)]
        if having:
            yield Finding(
                trait.kind,
                trait.severity,
                counted(len(having), trait.one),
                tuple(source.records[number].path for number in having),
                trait.remedy,
                tuple(trait.detail(facts[number]) for number in having),
                leave_out=_out(source, having, trait.kind) if trait.kind == "blank" else (),
            )
    yield from _shades(source, rest)


def _out(source: Source, numbers: Sequence[int], reason: str) -> tuple[tuple[str, str], ...]:
    return tuple((source.records[number].path, reason) for number in numbers)


def _flat(thumb: bytes) -> bool:
    cells = np.frombuffer(thumb, np.uint8).reshape(64, 3).astype(np.int64)
    return bool((cells.max(axis=0) - cells.min(axis=0)).max() <= BLANK)


# What cannot be read


_UNREADABLE = {
    "picture missing": ("picture is listed but not there", "put them back, or take them off the list"),
    "cut off": ("picture is cut off before its end", "copy or download them again"),
    "unreadable": ("picture cannot be read", "get them again, or take them out"),
}


def _unreadable(source: Source, skipped: Sequence[Skipped]) -> Iterator[Finding]:
    number_of = {record.path: number for number, record in enumerate(source.records)}
    kinds = [_why(source, number_of[bad.path]) for bad in skipped]
    for kind, (one, remedy) in _UNREADABLE.items():
        bad = [skip for skip, own in zip(skipped, kinds, strict=True) if own == kind]
        if bad:
            yield Finding(
                kind,
                "error",
                counted(len(bad), one),
                tuple(skip.path for skip in bad),
                remedy,
                tuple(skip.reason for skip in bad),
                leave_out=tuple((skip.path, f"{kind}: {skip.reason}") for skip in bad),
            )


def _why(source: Source, number: int) -> str:
    pictures = source.pictures
    if isinstance(pictures, Files) and not (pictures.root / pictures.paths[number]).exists():
        return "picture missing"
    try:
        return "cut off" if _ends_early(pictures.content(number)) else "unreadable"
    except PictureError:
        return "unreadable"


def _ends_early(content: bytes) -> bool:
    """Whether a picture's file lacks the end that its format prescribes."""
    if content.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in content[-4096:]
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND" not in content[-4096:]
    if content.startswith(b"GIF8"):
        return not content.rstrip(b"\0").endswith(b";")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return int.from_bytes(content[4:8], "little") + 8 > len(content)
    if content.startswith(b"BM"):
        return int.from_bytes(content[2:6], "little") > len(content)
    return False


# What is not like the others


def _placeholders(source: Source, facts: Mapping[int, Facts]) -> list[Finding]:
    numbers = list(facts)
    odd = [numbers[index] for index in placeholders(list(facts.values()))]
    if not odd:
        return []
    what = counted(
        len(odd), "picture is no photograph but a drawing of nearly one colour, as sites send for a lost one"
    )
    paths = tuple(source.records[number].path for number in odd)
    details = tuple(f"{facts[number].format}, {_by(facts[number].size)}" for number in odd)
    out = _out(source, odd, "placeholder")
    return [Finding("placeholder", "warning", what, paths, "take them out; train leaves them out", details, (), out)]


def _misnamed(source: Source, facts: Mapping[int, Facts]) -> Iterator[Finding]:
    wrong = [number for number, one in facts.items() if _misleads(source.records[number].path, one.format)]
    if wrong:
        yield Finding(
            "wrong extension",
            "warning",
            counted(len(wrong), "picture is of another format than its name says"),
            tuple(source.records[number].path for number in wrong),
            "rename them; they are read here by their content, but other programs go by the name",
            tuple(f"holds {facts[number].format}" for number in wrong),
        )


def _misleads(path: str, form: str) -> bool:
    ending = PurePosixPath(path).suffix.lower()
    return form in ENDINGS and bool(ending) and ending not in ENDINGS[form]


def _tiny(source: Source, facts: Mapping[int, Facts]) -> Iterator[Finding]:
    sides = {number: min(one.size) for number, one in facts.items()}
    if not sides or sorted(sides.values())[len(sides) // 2] < USUAL:
        return
    small = [number for number, side in sides.items() if side < TINY]
    if small:
        yield Finding(
            "tiny",
            "warning",
            f"{counted(len(small), 'picture is')} less than {TINY} pixels high or wide, the others are larger",
            tuple(source.records[number].path for number in small),
            "look whether they are thumbnails or icons, and take them out",
            tuple(_by(facts[number].size) for number in small),
        )


def _shades(source: Source, facts: Mapping[int, Facts]) -> Iterator[Finding]:
    """Grey pictures among colours, or the reverse: the fewer are told."""
    counts = Counter(one.grey for one in facts.values())
    if not (counts[True] and counts[False]):
        return
    fewer = counts[True] <= counts[False]
    odd = tuple(source.records[number].path for number, one in facts.items() if one.grey == fewer)
    kind, one = (
        ("grey", "picture is grey among colour ones") if fewer else ("colour", "picture is in colour among grey")
    )
    yield Finding(kind, "note", counted(len(odd), one), odd, "nothing to do unless one class has most of them")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
