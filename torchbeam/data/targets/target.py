"""What a format that can be written offers, and what it is given to write."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.facts import Facts
from torchbeam.data.records import Record, Source


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture that can be read: its number in the source, what the source says of it, and what it is."""

    number: int
    record: Record
    facts: Facts


@dataclass(frozen=True, slots=True)
class Readable:
    """What of a source can be read, picture by picture, in the source's order.

    shaped: whether masks or shapes of boxes are known at all, so that a picture without boxes has an empty mask.
    """

    source: Source
    samples: tuple[Sample, ...]
    shaped: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shaped", any(map(_shaped, self.samples)))

    def mask(self, sample: Sample) -> NDArray[np.int32] | None:
        """The sample's own mask, shape (H, W), or None. Raises PictureError."""
        if self.source.masks is None or not sample.record.masked:
            return None
        return self.source.masks.mask(sample.number)


class Target(Protocol):
    """A format that can be written."""

    def check(self, told: Readable) -> None:
        """Raises DataError where the format cannot hold these pictures at all."""
        ...

    def lost(self, told: Readable) -> dict[str, int]:
        """What the format cannot hold, in plain words, with counts; empty where all of it survives."""
        ...

    def write(self, told: Readable, root: Path, link: bool) -> Iterator[Sample]:
        """Write everything below `root`, an empty folder; yields each sample as it is done.

        link: pictures that are files are hard-linked where the file system can. Raises OutOfRoom, OutputError.
        """
        ...


def _shaped(sample: Sample) -> bool:
    held = sample.record.boxes
    return sample.record.masked or (held is not None and any(region is not None for region in held.regions))
