"""Pascal VOC: JPEGImages, Annotations (an XML each), ImageSets (a list for each part), and masks as PNG.

Boxes are whole pixels counted from 1, both ends inside the box. Masks: 0 nothing, 255 to be ignored, else 1 + the
class (SegmentationClass; labelmap.txt lists the classes) or the number of the object in the XML, from 1
(SegmentationObject). Source: Everingham et al., 'The PASCAL Visual Object Classes Challenge 2012 Development Kit'.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.colours import colour, palette
from torchbeam.data.records import IGNORE, Boxes
from torchbeam.data.regions import raster
from torchbeam.data.targets import contents
from torchbeam.data.targets.names import Names, flat, listed_names, name_of
from torchbeam.data.targets.put import put, put_mask, put_picture
from torchbeam.data.targets.target import Readable, Sample
from torchbeam.data.targets.things import boxes_of, mask_of


def check(told: Readable) -> None:
    """Raises DataError where there are neither boxes nor masks."""
    contents.check_boxed(told, "voc")


def lost(told: Readable) -> dict[str, int]:
    """What VOC cannot hold: fractions of pixels, shapes one over the other, crowds, classes of whole pictures."""
    classes = told.source.classes
    return {
        **contents.bare(told),
        **contents.labels(told),
        **contents.fractions(told),
        **contents.only({"boxes of a single pixel (many readers find none)": sum(map(_points, told.samples))}),
        **contents.outlines(told),
        **contents.covered(told),
        **contents.crowds(told),
        **contents.renamed(classes, listed_names(classes)),
    }


def write(told: Readable, root: Path, link: bool) -> Iterator[Sample]:
    """Write everything below `root`; yields each sample as it is done. Raises PictureError, OutOfRoom, OutputError."""
    names, classes = Names(by_stem=True), listed_names(told.source.classes)
    put(root / "labelmap.txt", labelmap(classes))
    lists: dict[str, list[str]] = {}
    for sample in told.samples:
        held, mask = sample.record.boxes, mask_of(told, sample)
        if held is None and mask is None:
            continue
        name = names.free(flat(name_of(sample)))
        stem = Path(name).stem
        put_picture(told, sample, root / "JPEGImages" / name, link)
        put(root / "Annotations" / f"{stem}.xml", _xml(sample, name, classes, mask is not None))
        lists.setdefault(f"Main/{sample.record.part}", []).append(stem)
        if mask is not None:
            put_mask(root / "SegmentationClass" / f"{stem}.png", mask, len(classes), palette())
            shaped = boxes_of(told, sample) if held is not None else None
            objects = root / "SegmentationObject" / f"{stem}.png"
            put_mask(objects, _objects(shaped, mask), len(shaped or ()), palette())
            lists.setdefault(f"Segmentation/{sample.record.part}", []).append(stem)
        yield sample
    for place, stems in lists.items():
        if not place.endswith("/"):
            put(root / "ImageSets" / f"{place}.txt", "".join(f"{stem}\n" for stem in stems))


def labelmap(classes: tuple[str, ...]) -> str:
    """The classes in order, the background first, with the colours masks show them in: CVAT's labelmap.txt."""
    lines = ["# label:color_rgb:parts:actions"]
    for value, name in enumerate(("background", *classes)):
        red, green, blue = colour(value)
        lines.append(f"{name}:{red},{green},{blue}::")
    return "\n".join([*lines, ""])


def whole_pixels(held: Boxes) -> NDArray[np.int64]:
    """Boxes (N, 4) as VOC has them: first and last column and row, from 1; never less than one pixel."""
    first, last = np.floor(held.xyxy_N4[:, :2] + 0.5), np.floor(held.xyxy_N4[:, 2:] + 0.5)
    middle = np.floor((held.xyxy_N4[:, :2] + held.xyxy_N4[:, 2:]) / 2)
    thin = last <= first  # narrower than a pixel, and no pixel's edge near
    first, last = np.where(thin, middle, first), np.where(thin, middle + 1, last)
    return np.concatenate([first + 1, last], axis=1).astype(np.int64)


def _points(sample: Sample) -> int:
    if sample.record.boxes is None:
        return 0
    ends = whole_pixels(sample.record.boxes)
    return int((ends[:, :2] == ends[:, 2:]).all(axis=1).sum())


def _objects(held: Boxes | None, mask_HW: NDArray[np.int32]) -> NDArray[np.int32]:
    """1 + the number of the box that a pixel belongs to, later ones over earlier."""
    found = np.where(mask_HW == IGNORE, IGNORE, 0).astype(np.int32)
    for number, region in enumerate(held.regions if held is not None else ()):
        if region is not None:
            found[raster(region, *mask_HW.shape)] = number + 1
    return found


def _xml(sample: Sample, name: str, classes: tuple[str, ...], segmented: bool) -> bytes:
    width, height = sample.facts.size
    top = ElementTree.Element("annotation")
    _add(top, folder="JPEGImages", filename=name)
    _add(ElementTree.SubElement(top, "size"), width=width, height=height, depth=1 if sample.facts.grey else 3)
    _add(top, segmented=int(segmented))
    held = sample.record.boxes
    if held is not None:
        for label, ends, hard in zip(held.labels_N, whole_pixels(held).tolist(), held.difficult_N, strict=True):
            thing = ElementTree.SubElement(top, "object")
            _add(thing, name=classes[label], pose="Unspecified", truncated=0, difficult=int(hard))
            xmin, ymin, xmax, ymax = ends
            _add(ElementTree.SubElement(thing, "bndbox"), xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="utf-8") + b"\n"


def _add(above: ElementTree.Element, **values: str | int) -> None:
    for name, value in values.items():
        ElementTree.SubElement(above, name).text = str(value)
