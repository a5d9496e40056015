"""load_data: a place -> its pictures, every one of them read once, split into parts, the bad ones set aside."""

import difflib
import errno
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from torchbeam.data.records import Pictures, Record, Skipped, Source
from torchbeam.data.sources import digits, folder, mnist
from torchbeam.data.split import Split, as_named, split
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError, PictureError

# Data sets that come by name.
NAMED: dict[str, Callable[[], Source]] = {"digits": digits.read}
# Pictures of many sizes are brought to a square of at most this side where nobody says another.
LARGEST_SIDE = 64
CHUNK = 64  # pictures handed to a thread at a time


@dataclass(frozen=True, slots=True)
class Data:
    """Pictures ready to be learnt from.

    records and digests (SHA-256 of each picture's content) belong together, index by index; `pictures`
    goes by `numbers`, the records' places in the source, since those set aside left gaps.
    sizes: (width, height) of each picture, upright. grey: no picture has colour.
    """

    kind: str
    place: str
    root: Path | None
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    digests: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    numbers: tuple[int, ...]
    pictures: Pictures
    grey: bool
    split: Split
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def image(self, sample: int) -> Image.Image:
        """The picture of a record as it is, mode L or RGB."""
        return self.pictures.image(self.numbers[sample])

    def counts(self, part: str) -> tuple[int, ...]:
        """How many pictures of each class a part has."""
        found = Counter(self.records[index].label for index in self.split.indices(part))
        return tuple(found[label] for label in range(len(self.classes)))

    def volume(self) -> Volume:
        """The input these pictures ask for: their own size where they share one, else a square of the
        smaller side that half of them reach, at most 64, in steps of 8."""
        if len(set(self.sizes)) == 1:
            width, height = self.sizes[0]
        else:
            middle = sorted(min(size) for size in self.sizes)[len(self.sizes) // 2]
            width = height = max(8, min(LARGEST_SIDE, middle // 8 * 8))
        return Volume(1 if self.grey else 3, height, width)

    def digest(self, parts: Split) -> str:
        """SHA-256 of which pictures, classes and parts there are, whatever their names and order."""
        rows = sorted(
            f"{digest} {self.classes[record.label]} {part}"
            for record, digest, part in zip(self.records, self.digests, parts.parts, strict=True)
        )
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()


def load_data(place: str | Path, *, to_learn: bool = True) -> Data:
    """Read the pictures at a place: a folder of class folders, of MNIST's idx files, or the name 'digits'.

    Every picture is decoded once; those that cannot be are listed in `skipped` with the reason.
    to_learn: split them for training, validation and test; otherwise keep the parts the source names ('' where
    it names none), and any number of classes will do.
    Raises DataError where the place has no pictures, or nothing that could be learnt from.
    """
    source = find(place, to_learn)
    looked, skipped = look(source)
    if to_learn:
        _check_every_class(source, looked.keys(), skipped)
    if not looked:
        raise DataError(
            f"no picture at {place} can be read",
            got=_reasons(skipped) or "none at all",
            remedy="mend the pictures",
        )
    records = tuple(source.records[number] for number in looked)
    digests = tuple(found.digest for found in looked.values())
    parts = split(records, digests) if to_learn else as_named(records)
    return Data(
        kind=source.kind,
        place=source.place,
        root=source.root,
        classes=source.classes,
        records=records,
        digests=digests,
        sizes=tuple(found.size for found in looked.values()),
        numbers=tuple(looked),
        pictures=source.pictures,
        grey=all(found.grey for found in looked.values()),
        split=parts,
        skipped=skipped,
        notes=(*source.notes, *_copies(records, digests, parts)),
    )


def _copies(records: tuple[Record, ...], digests: tuple[str, ...], parts: Split) -> list[str]:
    """Notes on identical pictures where they spoil the result: in two parts, or in two classes."""
    in_parts: dict[str, set[str]] = {}
    in_classes: dict[str, set[int]] = {}
    for record, digest, part in zip(records, digests, parts.parts, strict=True):
        in_parts.setdefault(digest, set()).add(part)
        in_classes.setdefault(digest, set()).add(record.label)
    notes = []
    for part in ("val", "test"):
        both = sum({"train", part} <= seen for seen in in_parts.values())
        if both:
            notes.append(f"{both:,} pictures are in train and again in {part}: its figure is too good")
    twice = sum(len(labels) > 1 for labels in in_classes.values())
    if twice:
        notes.append(f"{twice:,} pictures are in two classes at once, so one of their labels is wrong")
    return notes


def find(place: str | Path, to_learn: bool = True) -> Source:
    """The source at a place, its format told by what lies there. Raises DataError."""
    if str(place) in NAMED:
        named = NAMED[str(place)]()
        beside = f"a folder {place} lies here too; to read it write ./{place}"
        return replace(named, notes=(*named.notes, beside)) if Path(place).is_dir() else named
    try:
        root = Path(place).expanduser()
        if not root.is_dir():
            raise _nothing_at(place, "a file" if root.is_file() else "nothing there")
        root = _enter(root)
        if mnist.find(root):
            return mnist.read(root, str(place), to_learn)
        return folder.read(root, str(place), to_learn)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _nothing_at(place, "a name too long for any file") from error
        raise DataError(f"cannot read {error.filename or place}", got=error.strerror or str(error)) from error
    except (RuntimeError, ValueError) as error:  # a home that does not exist, a name no file can have
        raise _nothing_at(place, str(error)) from error


def _nothing_at(place: str | Path, got: str) -> DataError:
    close = difflib.get_close_matches(str(place), NAMED, n=1)
    return DataError(
        f"no data at {place}",
        expected=f"a folder, or one of the names {', '.join(NAMED)}",
        got=got,
        remedy=f"did you mean {close[0]}?" if close else "check the path",
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a picture tells: SHA-256 of its content, (width, height), whether it is grey."""

    digest: str
    size: tuple[int, int]
    grey: bool


def look(source: Source) -> tuple[dict[int, Seen], tuple[Skipped, ...]]:
    """Read and decode every picture of a source once; those that cannot be come back as skipped."""

    def look_at(chunk: range) -> list[Seen | Skipped]:
        return [one(number) for number in chunk]

    def one(number: int) -> Seen | Skipped:
        try:
            digest = hashlib.sha256(source.pictures.content(number)).hexdigest()
            image = source.pictures.image(number)
        except PictureError as error:
            return Skipped(source.records[number].path, error.reason)
        return Seen(digest, image.size, image.mode == "L")

    count = len(source.records)
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [seen for chunk in pool.map(look_at, chunks) for seen in chunk]
    good = {number: seen for number, seen in enumerate(found) if isinstance(seen, Seen)}
    return good, tuple(seen for seen in found if isinstance(seen, Skipped))


def _reasons(skipped: tuple[Skipped, ...]) -> str:
    return "\n".join(bad.reason for bad in skipped[:3])


def _check_every_class(source: Source, good: Collection[int], skipped: tuple[Skipped, ...]) -> None:
    """Refuses a source of which a whole class could not be read; a class must never vanish in silence."""
    learnt = {source.records[number].label for number in good if source.records[number].part in ("", "train")}
    lost = [name for label, name in enumerate(source.classes) if label not in learnt]
    if lost:
        raise DataError(
            f"no picture to learn from can be read of: {', '.join(lost)}",
            got=_reasons(skipped) or "none at all",
            remedy="mend the pictures, or take the class out",
        )


def _enter(root: Path) -> Path:
    """Goes down while a folder holds no pictures and exactly one folder (beside licence and readme files)."""
    while True:
        entries = [path for path in root.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        folders = [path for path in entries if path.is_dir()]
        others = [
            path
            for path in entries
            if path.is_file() and not path.name.lower().startswith(("licen", "readme", "copying"))
        ]
        if len(folders) != 1 or others or folders[0].name.lower() in folder.NOT_FOR_LEARNING:
            return root
        inner = [path for path in folders[0].iterdir() if not path.name.startswith(".")]
        if any(folder.is_picture(path) for path in inner) and not any(path.is_dir() for path in inner):
            return root  # a single class folder is not a wrapper: the error names it
        root = folders[0]
