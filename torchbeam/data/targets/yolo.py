"""YOLO as Ultralytics reads it: images/PART, labels/PART with a text file for each picture, and data.yaml.

A line is a class number and then either the box (centre, width and height) or the corners of its outline, all in
shares of the picture's width and height. Without parts it is images and labels alone, and classes.txt: Ultralytics
trains on parts only. Source: Ultralytics' documentation, 'Object Detection Datasets' and 'Instance Segmentation
Datasets'.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import yaml
from numpy.typing import NDArray

from torchbeam.data.records import PARTS, Boxes
from torchbeam.data.regions import Outlines, Region, Runs, box_of, raster
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import Names, line_names, name_of
from torchbeam.data.targets.put import put, put_picture
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.data.targets.things import boxes_of, cropped
from torchbeam.data.tracing import joined, outlines_of


def check(told: Readable) -> None:
    """Raises DataError where there are neither boxes nor masks."""
    contents.check_boxed(told, "yolo")


def lost(told: Readable) -> dict[str, int]:
    """What YOLO cannot hold: difficult, crowds, holes, shapes beside boxes without one, classes of whole pictures."""
    return {
        **contents.bare(told),
        **contents.labels(told),
        **contents.difficult(told),
        **contents.crowds(told),
        **contents.strangers(told),
        **contents.holed(told),
        **_shapes_lost(told),
        **contents.outside(told),
        **contents.renamed(told.source.classes, _class_names(told)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write everything below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    in_parts, names = any(contents.parts(told)), Names(by_stem=True)
    parts: set[str] = set()
    for sample in told.samples:
        held = boxes_of(told, sample)
        if held is None:
            continue
        part = sample.record.part or "train" if in_parts else ""
        parts.add(part)
        name = names.free(str(PurePosixPath(part, *map(_no_images, PurePosixPath(name_of(sample)).parts))))
        put_picture(told, sample, root / "images" / name, link)
        lines = "".join(f"{line}\n" for line in label_lines(held, sample.facts.size))
        put(root / "labels" / PurePosixPath(name).with_suffix(".txt"), lines)
        yield sample
    classes = _class_names(told)
    if in_parts:
        folders = {part: f"images/{part}" for part in PARTS if part in parts}
        names_too = folders | {"names": dict(enumerate(classes))}
        put(root / "data.yaml", yaml.safe_dump(names_too, allow_unicode=True, sort_keys=False))
    else:
        put(root / "classes.txt", "".join(f"{name}\n" for name in classes))


def _no_images(folder: str) -> str:
    """Readers look for labels by putting 'labels' in the place of the last folder 'images'."""
    return "images_" if folder == "images" else folder


def _class_names(told: Readable) -> tuple[str, ...]:
    """The classes as data.yaml has them, or as classes.txt does, where some readers cut lines at colons."""
    return line_names(told.source.classes, "" if any(contents.parts(told)) else ":")


def label_lines(held: Boxes, size: tuple[int, int]) -> list[str]:
    """A line for each box: outlines where the shape of every one is known, else boxes."""
    if _as_outlines(held):
        return [_line(label, one_outline(region, size) / size) for label, region in _labelled(held)]
    middles = (held.xyxy_N4[:, :2] + held.xyxy_N4[:, 2:]) / 2
    sides = held.xyxy_N4[:, 2:] - held.xyxy_N4[:, :2]
    rows = np.concatenate([middles / size, sides / size], axis=1)
    return [_line(label, row) for label, row in zip(held.labels_N.tolist(), rows, strict=True)]


def one_outline(region: Region, size: tuple[int, int]) -> NDArray[np.float64]:
    """A shape as one polygon (M, 2) inside its picture of (width, height), several joined by bridges of no width."""
    if isinstance(region, Runs):
        pixels, corner = cropped(region)
        return joined(outlines_of(pixels)) + np.array(corner)
    whole = joined(region)
    if len(region.rings) > 1:
        width, height = size
        covered = raster(region, height, width)
        # Polygons that overlap would leave a hole where they do.
        if (raster(Outlines((whole,)), height, width) != covered).any():
            whole = joined(outlines_of(covered))
    return np.clip(whole, 0, size)


def _labelled(held: Boxes) -> Iterator[tuple[int, Region]]:
    for label, region in zip(held.labels_N.tolist(), held.regions, strict=True):
        if region is not None:
            yield label, region


def _as_outlines(held: Boxes) -> bool:
    return bool(len(held)) and all(region is not None for region in held.regions)


def _line(label: int, shares: NDArray[np.float64]) -> str:
    # Ten digits: of a picture of 100,000 pixels a hundred-thousandth of a pixel.
    return " ".join([str(label), *(f"{share:.10g}" for share in shares.reshape(-1).tolist())])


def _shapes_lost(told: Readable) -> dict[str, int]:
    shapes = moved = 0
    for sample in told.samples:
        held = boxes_of(told, sample)
        if held is None:
            continue
        if not _as_outlines(held):
            shapes += sum(region is not None for region in held.regions)
            continue
        boxes = np.array([box_of(region) for _, region in _labelled(held)])
        moved += int((np.abs(boxes - held.xyxy_N4).max(axis=1) > 0.5).sum())
    return contents.only({
        "shapes of boxes, where another in the picture has none": shapes,
        "boxes that do not go round their shape (read back round it)": moved,
    })  # fmt: skip
