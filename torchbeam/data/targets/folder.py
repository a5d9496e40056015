"""Class folders, below folders of parts where there are parts: DIR/train/cat/1.jpg."""

from collections.abc import Iterator
from pathlib import Path

from torchbeam.data.records import UNLABELLED
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import Names, folder_names, name_of
from torchbeam.data.targets.put import put_picture
from torchbeam.data.targets.target import Readable, Sample


def check(told: Readable) -> None:
    """Raises DataError where no picture has a class as a whole."""
    contents.check_labelled(told, "folder")


def lost(told: Readable) -> dict[str, int]:
    """What class folders cannot hold: boxes, masks, pictures without a class, the classes' order."""
    classes = told.source.classes
    return {
        **contents.unlabelled(told),
        **contents.boxes(told),
        **contents.masks(told),
        **contents.strangers(told),
        **contents.order(told),
        **contents.without_picture(told),
        **contents.renamed(classes, folder_names(classes)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write everything below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    names, folders = Names(by_stem=False), folder_names(told.source.classes)
    in_parts = any(contents.parts(told))
    for sample in told.samples:
        if sample.record.label == UNLABELLED:
            continue
        part = f"{sample.record.part or 'train'}/" if in_parts else ""
        name = names.free(part + _in_class(told, sample, folders[sample.record.label]))
        put_picture(told, sample, root / name, link)
        yield sample


def _in_class(told: Readable, sample: Sample, folder: str) -> str:
    """The picture's place below its class folder, of which its own path may already have the name."""
    name = name_of(sample)
    first, _, rest = name.partition("/")
    return f"{folder}/{rest if rest and first in (folder, told.source.classes[sample.record.label]) else name}"
