"""What a sample carries, and what a source of samples offers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.facts import Facts
from torchbeam.data.regions import Region
from torchbeam.errors import DataError

PARTS = ("train", "val", "test")
# The label of a picture that has no class as a whole, only boxes or a mask.
UNLABELLED = -1
# In masks: a pixel that nobody is judged by, and one that is of no class; class k is k + 1.
IGNORE, NOTHING = -1, 0


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The things in one picture, N of them.

    xyxy_N4: float64, left, top, right and bottom edge in pixels of the upright picture; 0 is the picture's own
    left (upper) edge, so a box around the whole picture is (0, 0, width, height). labels_N: int64, indices into
    the source's classes. regions: the exact shape of each, or None where only the box is known.
    difficult_N (VOC) and crowd_N (COCO's iscrowd): bool.
    """

    xyxy_N4: NDArray[np.float64]
    labels_N: NDArray[np.int64]
    regions: tuple[Region | None, ...]
    difficult_N: NDArray[np.bool_]
    crowd_N: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.xyxy_N4)
        lengths = {len(self.labels_N), len(self.regions), len(self.difficult_N), len(self.crowd_N)}
        if self.xyxy_N4.shape != (count, 4) or lengths != {count}:
            raise DataError(
                f"{count} boxes do not go with their labels",
                expected="boxes of shape (N, 4), and N labels, regions and flags",
                got=f"shape {self.xyxy_N4.shape}, and {', '.join(map(str, sorted(lengths)))}",
            )

    def __len__(self) -> int:
        return len(self.xyxy_N4)

    def take(self, chosen: Sequence[int]) -> "Boxes":
        """The boxes of those numbers, in that order."""
        at = np.asarray(chosen, dtype=np.int64)
        regions = tuple(self.regions[number] for number in at.tolist())
        return Boxes(self.xyxy_N4[at], self.labels_N[at], regions, self.difficult_N[at], self.crowd_N[at])


def boxes(
    xyxy: Sequence[Sequence[float]],
    labels: Sequence[int],
    regions: Sequence[Region | None] = (),
    difficult: Sequence[bool] = (),
    crowd: Sequence[bool] = (),
) -> Boxes:
    """Boxes from plain rows; what is not given is None and False."""
    count = len(xyxy)
    return Boxes(
        np.asarray(xyxy, dtype=np.float64).reshape(-1, 4),
        np.asarray(labels, dtype=np.int64).reshape(-1),
        tuple(regions) or (None,) * count,
        np.asarray(difficult or [False] * count, dtype=np.bool_),
        np.asarray(crowd or [False] * count, dtype=np.bool_),
    )


@dataclass(frozen=True, slots=True)
class Record:
    """One sample: the name of its picture within its source, its class, and its part where the source names one.

    label: index into the source's classes, or UNLABELLED. part: 'train', 'val', 'test' or '' when the source has
    no parts. boxes: the things in it, None where the source knows nothing of boxes. masked: whether
    `source.masks` has a mask for it.
    """

    path: str
    label: int
    part: str = ""
    boxes: Boxes | None = field(default=None, compare=False)
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that was set aside, and why."""

    path: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """As --json prints it."""
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in what a source says of a picture: its kind ('box inverted'), and the reason in a line.

    What is wrong is left out (a box set aside) or mended as the reason says (a box cut at the picture's edge).
    """

    path: str
    kind: str
    reason: str


class Pictures(Protocol):
    """The pictures of a source, by the index of their record."""

    def content(self, index: int) -> bytes:
        """What the picture is told apart by: its file's bytes, or its pixels' where there is no file."""
        ...

    def image(self, index: int, least: tuple[int, int] | None = None) -> Image.Image:
        """The picture upright, in mode L or RGB. Raises PictureError.

        least: (width, height) that will do; a larger picture may come reduced, both sides at least that.
        """
        ...

    def facts(self, index: int) -> Facts:
        """What one look at the whole picture tells. Raises PictureError."""
        ...


class Masks(Protocol):
    """The masks of a source, by the index of their record."""

    def mask(self, index: int) -> NDArray[np.int32]:
        """Shape (H, W), upright: NOTHING, IGNORE, or 1 + the index of the pixel's class. Raises PictureError."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What was found at a place: its kind, the folder finally read, classes in order, records and pictures.

    notes tells in sentences what was passed over or taken for granted; faults what is wrong with labels, boxes
    and masks, one by one.
    """

    kind: str
    place: str
    root: Path | None
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    pictures: Pictures
    notes: tuple[str, ...] = ()
    masks: Masks | None = None
    faults: tuple[Fault, ...] = ()
