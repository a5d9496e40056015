"""What there is in a source that some format cannot hold, counted in plain words."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.records import IGNORE, PARTS, UNLABELLED, Boxes
from torchbeam.data.regions import Outlines, Region, Runs
from torchbeam.data.sources.folder import natural
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.data.targets.things import boxes_of, cropped, hidden, stray
from torchbeam.data.tracing import holes
from torchbeam.errors import DataError

# Pixels that a coordinate is off after it was written in shares of the picture, with ten digits or six.
_NOISE = 1e-2


def only(counts: dict[str, int]) -> dict[str, int]:
    """The counts that are not 0."""
    return {what: count for what, count in counts.items() if count}


def labels(told: Readable) -> dict[str, int]:
    """Pictures that have a class as a whole."""
    return only({"classes of whole pictures": sum(sample.record.label != UNLABELLED for sample in told.samples)})


def unlabelled(told: Readable) -> dict[str, int]:
    """Pictures that have none."""
    return only({"pictures without a class": sum(sample.record.label == UNLABELLED for sample in told.samples)})


def boxes(told: Readable) -> dict[str, int]:
    """Boxes, with all that belongs to them."""
    return only({"boxes": sum(len(sample.record.boxes or ()) for sample in told.samples)})


def shapes(told: Readable) -> dict[str, int]:
    """Boxes whose shape is known."""
    return only({"shapes of boxes": sum(region is not None for region in _regions(told.samples))})


def outlines(told: Readable) -> dict[str, int]:
    """Boxes whose shape is outlines with corners between pixels, of which a mask keeps the pixels."""
    finer = (isinstance(region, Outlines) and not _along_pixels(region) for region in _regions(told.samples))
    return only({"outlines finer than pixels": sum(finer)})


def covered(told: Readable) -> dict[str, int]:
    """Boxes whose shape is partly under a later one's, which masks cannot tell."""
    return only({"shapes partly under another": sum(map(hidden, told.samples))})


def masks(told: Readable) -> dict[str, int]:
    """Pictures with a mask."""
    return only({"masks": sum(sample.record.masked for sample in told.samples)})


def difficult(told: Readable) -> dict[str, int]:
    """Boxes marked difficult."""
    return only({"boxes marked difficult": sum(int(held.difficult_N.sum()) for held in _boxes(told.samples))})


def crowds(told: Readable) -> dict[str, int]:
    """Boxes marked as crowds."""
    return only({"boxes marked as crowds (iscrowd)": sum(int(held.crowd_N.sum()) for held in _boxes(told.samples))})


def fractions(told: Readable) -> dict[str, int]:
    """Boxes whose edges are not whole pixels."""
    count = sum(int(_between(held.xyxy_N4).any(axis=1).sum()) for held in _boxes(told.samples))
    return only({"boxes with edges between pixels (rounded)": count})


def holed(told: Readable) -> dict[str, int]:
    """Boxes whose shape has holes, where only polygons can be written; of masks without boxes, their pieces."""
    count = 0
    for sample in told.samples:
        held = boxes_of(told, sample)
        runs = [region for region in held.regions if isinstance(region, Runs)] if held is not None else []
        count += sum(holes(cropped(region)[0]) > 0 for region in runs)
    return only({"shapes with holes (filled)": count})


def outside(told: Readable) -> dict[str, int]:
    """Where boxes take the place of masks: what of the masks no box holds."""
    ignored = left = 0
    for sample in told.samples:
        mask = told.mask(sample)
        if mask is not None:
            ignored += bool((mask == IGNORE).any())
            left += stray(told, sample)
    return only({"masks with pixels to ignore": ignored, "mask regions outside every box": left})


def strangers(told: Readable) -> dict[str, int]:
    """Pictures of no part, where the others have one and the format cannot leave it open."""
    return only(
        {"pictures of no part (written as train)": sum(not part for part in parts(told)) if any(parts(told)) else 0}
    )


def order(told: Readable) -> dict[str, int]:
    """Classes that a format without a list of them reads back at another place."""
    there = _there(told)
    back = sorted(there, key=lambda name: (natural(name), name))
    moved = sum(one != other for one, other in zip(there, back, strict=True))
    return only({"classes out of natural order (read back in it)": moved})


def without_picture(told: Readable) -> dict[str, int]:
    """Classes that nothing is of, which a format without a list of classes forgets."""
    return only({"classes without a picture": len(told.source.classes) - len(_there(told))})


def bare(told: Readable) -> dict[str, int]:
    """Pictures of which nobody knows what is where."""
    count = sum(sample.record.boxes is None and not sample.record.masked for sample in told.samples)
    return only({"pictures with neither boxes nor a mask (left out)": count})


def renamed(classes: Iterable[str], written: Iterable[str]) -> dict[str, int]:
    """Classes whose names the format cannot hold as they are."""
    count = sum(one != other for one, other in zip(classes, written, strict=True))
    return only({"names of classes (written with other signs)": count})


def parts(told: Readable) -> list[str]:
    """The part of each sample."""
    return [sample.record.part for sample in told.samples]


def parts_there(told: Readable) -> list[str]:
    """The parts that occur, in their order, '' first."""
    there = set(parts(told))
    return [part for part in ("", *PARTS) if part in there]


def check_boxed(told: Readable, name: str) -> None:
    """Raises DataError where a source has neither boxes nor masks, for a format that holds nothing else."""
    if not any(sample.record.boxes is not None or sample.record.masked for sample in told.samples):
        raise DataError(
            f"{told.source.place} has neither boxes nor masks, which is what {name} holds",
            got="a class for each picture, and no more",
            remedy="convert it to folder or csv",
        )


def check_labelled(told: Readable, name: str) -> None:
    """Raises DataError where no picture has a class as a whole, for a format that holds nothing else."""
    if all(sample.record.label == UNLABELLED for sample in told.samples):
        raise DataError(
            f"{told.source.place} has no classes of whole pictures, which is what {name} holds",
            got="boxes or masks",
            remedy="convert it to coco, voc, yolo, csv or masks",
        )


def _there(told: Readable) -> list[str]:
    """The classes that something is of, in the source's order."""
    seen = {sample.record.label for sample in told.samples}
    seen |= {label for held in _boxes(told.samples) for label in held.labels_N.tolist()}
    return [name for label, name in enumerate(told.source.classes) if label in seen]


def _along_pixels(region: Outlines) -> bool:
    """Whether every side runs along the edges of pixels."""
    return all(
        not _between(ring).any() and (np.abs(np.roll(ring, -1, axis=0) - ring) < _NOISE).any(axis=1).all()
        for ring in region.rings
    )


def _between(pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which coordinates lie between the edges of pixels."""
    return np.abs(pixels - np.round(pixels)) >= _NOISE


def _boxes(samples: Iterable[Sample]) -> Iterator[Boxes]:
    return (sample.record.boxes for sample in samples if sample.record.boxes is not None)


def _regions(samples: Iterable[Sample]) -> Iterator[Region]:
    return (region for held in _boxes(samples) for region in held.regions if region is not None)
