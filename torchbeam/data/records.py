"""What a sample carries, and what a source of samples offers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Record:
    """One sample: the name of its picture within its source, its class, and its part where the source names one.

    label: index into the source's classes. part: 'train', 'val', 'test' or '' when the source has no parts.
    """

    path: str
    label: int
    part: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that was set aside, and why."""

    path: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """As --json prints it."""
        return {"path": self.path, "reason": self.reason}


class Pictures(Protocol):
    """The pictures of a source, by the index of their record."""

    def content(self, index: int) -> bytes:
        """What the picture is told apart by: its file's bytes, or its pixels' where there is no file."""
        ...

    def image(self, index: int) -> Image.Image:
        """The picture upright, in mode L or RGB. Raises PictureError."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What was found at a place: its kind, the folder finally read, classes in order, records and pictures.

    notes tells in sentences what was passed over or taken for granted.
    """

    kind: str
    place: str
    root: Path | None
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    pictures: Pictures
    notes: tuple[str, ...] = ()
