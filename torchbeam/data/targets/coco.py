"""COCO: annotations/instances_PART.json, and the pictures in a folder for each part.

Boxes are [left, top, width, height] in pixels; shapes are polygons, or run lengths where pixels are known. Without
parts it is annotations/instances.json and the folder images. Source: Lin et al., 'Microsoft COCO: Common Objects in
Context' (2014), and the page on the set's format.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchbeam.data.records import Boxes
from torchbeam.data.regions import Outlines, Region, area
from torchbeam.data.runlengths import runs_to_coco
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import Names, line_names, name_of
from torchbeam.data.targets.put import put, put_picture
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.data.targets.things import boxes_of


def check(told: Readable) -> None:
    """Raises DataError where there are neither boxes nor masks."""
    contents.check_boxed(told, "coco")


def lost(told: Readable) -> dict[str, int]:
    """What COCO cannot hold: difficult, classes of whole pictures, what of a mask is in no box."""
    return {
        **contents.bare(told),
        **contents.labels(told),
        **contents.difficult(told),
        **contents.outside(told),
        **contents.renamed(told.source.classes, line_names(told.source.classes)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write everything below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    categories = [{"id": at, "name": name} for at, name in enumerate(line_names(told.source.classes), start=1)]
    for part in contents.parts_there(told):
        folder, names = part or "images", Names(by_stem=False)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for sample in told.samples:
            held = boxes_of(told, sample) if sample.record.part == part else None
            if held is None:
                continue
            name = names.free(name_of(sample))
            put_picture(told, sample, root / folder / name, link)
            width, height = sample.facts.size
            images.append({"id": len(images) + 1, "file_name": name, "width": width, "height": height})
            for number in range(len(held)):
                told_of = {"id": len(annotations) + 1, "image_id": len(images), **_annotation(held, number)}
                annotations.append(told_of)
            yield sample
        if images:
            lists = {"images": images, "annotations": annotations, "categories": categories}
            name = f"instances_{part}.json" if part else "instances.json"
            put(root / "annotations" / name, json.dumps(lists, separators=(",", ":")) + "\n")


def _annotation(held: Boxes, number: int) -> dict[str, Any]:
    left, top, right, bottom = held.xyxy_N4[number].tolist()
    region = held.regions[number]
    shape = {} if region is None else {"segmentation": _segmentation(region)}
    return {
        "category_id": int(held.labels_N[number]) + 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top) if region is None else area(region),
        "iscrowd": int(held.crowd_N[number]),
        **shape,
    }


def _segmentation(region: Region) -> object:
    if isinstance(region, Outlines):
        return [ring.reshape(-1).tolist() for ring in region.rings]
    return runs_to_coco(region)
