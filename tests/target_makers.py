"""Sources made in memory, for the tests of what is written."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from data_makers import drawn, encoded

from torchbeam.data.pictures import Array, Files
from torchbeam.data.records import UNLABELLED, Boxes, Masks, Record, Source
from torchbeam.data.targets.target import Readable, Sample, Target


@dataclass(frozen=True)
class Held:
    """Masks that lie in memory."""

    masks: dict[int, np.ndarray]

    def mask(self, index: int) -> np.ndarray:
        return self.masks[index]


def told(source: Source) -> Readable:
    """All of a source."""
    facts = [source.pictures.facts(number) for number in range(len(source.records))]
    return Readable(source, tuple(Sample(n, r, f) for n, (r, f) in enumerate(zip(source.records, facts, strict=True))))


def made(
    records: list[Record],
    classes: tuple[str, ...] = ("cat", "dog"),
    size: tuple[int, int] = (24, 18),
    mode: str = "RGB",
    masks: Masks | None = None,
) -> Readable:
    """Pictures without files, one drawn for each record."""
    pixels = np.stack([np.asarray(drawn(number, mode=mode).resize(size)) for number in range(len(records))])
    return told(Source("made", "made", None, classes, tuple(records), Array(pixels), (), masks))


def in_files(root: Path, records: list[Record], classes: tuple[str, ...] = ("cat", "dog")) -> Readable:
    """Pictures in files below `root`, at the paths of the records."""
    for number, record in enumerate(records):
        path = root / record.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(drawn(number), "PNG" if path.suffix == ".png" else "JPEG"))
    files = Files(root, tuple(record.path for record in records))
    return told(Source("made", str(root), root, classes, tuple(records), files))


def boxed(path: str, held: Boxes, part: str = "", label: int = UNLABELLED, masked: bool = False) -> Record:
    return Record(path, label, part, held, masked)


def write(target: Target, readable: Readable, root: Path, link: bool = False) -> list[str]:
    """Writes all of it; the records' paths in the order they were written."""
    root.mkdir(parents=True, exist_ok=True)
    target.check(readable)
    return [sample.record.path for sample in target.write(readable, root, link)]


def tree(root: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
