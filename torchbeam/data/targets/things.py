"""Boxes with shapes, or masks: each as the source has it, or made out of the other."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from torchbeam.data.records import IGNORE, NOTHING, Boxes, boxes
from torchbeam.data.regions import Region, Runs, box_of, raster
from torchbeam.data.runlengths import runs_by_value, runs_of
from torchbeam.data.targets.target import Readable, Sample

# Pixels that touch at a corner belong to one thing.
_TOUCHING = np.ones((3, 3), dtype=bool)


def boxes_of(told: Readable, sample: Sample) -> Boxes | None:
    """The sample's boxes, their shapes taken from its mask where they have none; of a mask alone, its connected
    pieces as boxes; None where the sample has neither boxes nor a mask."""
    held, mask = sample.record.boxes, None
    if held is None or None in held.regions:
        mask = told.mask(sample)
    if mask is None:
        return held
    return pieces(mask) if held is None else _shaped(held, mask)


def pieces(mask_HW: NDArray[np.int32]) -> Boxes:
    """The connected pieces of each class of a mask, as boxes with shapes, class by class, from the top down."""
    rows, labels, regions = [], [], []
    for value in np.unique(mask_HW[mask_HW > NOTHING]).tolist():
        numbered, count = _pieces(mask_HW == value)
        runs = runs_by_value(numbered)
        for number, (y, x) in enumerate(ndimage.find_objects(numbered, count), start=1):
            rows.append((x.start, y.start, x.stop, y.stop))
            labels.append(value - 1)
            regions.append(runs[number])
    return boxes(rows, labels, regions)


def _shaped(held: Boxes, mask_HW: NDArray[np.int32]) -> Boxes:
    """Boxes with the pixels of their class inside them as the shape of each that has none, and has such pixels."""
    regions: list[Region | None] = []
    for number, region in enumerate(held.regions):
        inside = _inside(held, number, mask_HW) if region is None else None
        regions.append(runs_of(inside) if inside is not None and inside.any() else region)
    return Boxes(held.xyxy_N4, held.labels_N, tuple(regions), held.difficult_N, held.crowd_N)


def _inside(held: Boxes, number: int, mask_HW: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The pixels of a box's class whose centres are in the box."""
    height, width = mask_HW.shape
    left, top, right, bottom = held.xyxy_N4[number]
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    in_box = ((y > top) & (y < bottom))[:, None] & ((x > left) & (x < right))
    return in_box & (mask_HW == held.labels_N[number] + 1)


def mask_of(told: Readable, sample: Sample) -> NDArray[np.int32] | None:
    """The sample's mask, or one painted from the shapes of its boxes, later ones over earlier; None where there is
    neither.

    A box of no known shape is to be ignored where nothing else is painted: its thing is somewhere in there.
    """
    mask = told.mask(sample)
    held = sample.record.boxes
    if mask is not None or held is None or not paintable(told, sample):
        return mask
    width, height = sample.facts.size
    painted = np.full((height, width), NOTHING, dtype=np.int32)
    for box, region in zip(held.xyxy_N4, held.regions, strict=True):
        if region is None:
            left, top = np.floor(box[:2]).astype(int)
            right, bottom = np.ceil(box[2:]).astype(int)
            painted[top:bottom, left:right] = IGNORE
    for label, region in zip(held.labels_N.tolist(), held.regions, strict=True):
        if region is not None:
            painted[raster(region, height, width)] = label + 1
    return painted


def paintable(told: Readable, sample: Sample) -> bool:
    """Whether a sample's boxes tell enough for a mask: the shape of some is known or, where shapes are at all, there
    are none."""
    held = sample.record.boxes
    if held is None or not len(held):
        return held is not None and told.shaped
    return any(region is not None for region in held.regions)


def stray(told: Readable, sample: Sample) -> int:
    """How many connected pieces of the sample's mask are in no box of their class."""
    mask = told.mask(sample) if sample.record.boxes is not None else None
    held = boxes_of(told, sample) if mask is not None else None
    if mask is None or held is None:
        return 0
    left = mask.copy()
    for number, region in enumerate(held.regions):
        if region is None:
            left[_inside(held, number, mask)] = NOTHING
        else:
            left[raster(region, *mask.shape) & (mask == held.labels_N[number] + 1)] = NOTHING
    return sum(_pieces(left == value)[1] for value in np.unique(left[left > NOTHING]))


def cropped(runs: Runs) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The pixels of a shape in the box around them, and that box's left and top edge."""
    left, top, right, bottom = (int(edge) for edge in box_of(runs))
    return raster(runs, runs.height, runs.width)[top:bottom, left:right], (left, top)


def hidden(sample: Sample) -> int:
    """How many boxes' shapes are partly under the shape of a later one, and so cannot be told from a mask."""
    held = sample.record.boxes
    if held is None:
        return 0
    width, height = sample.facts.size
    over = np.zeros((height, width), dtype=bool)
    found = 0
    for region in reversed(held.regions):
        if region is not None:
            pixels = raster(region, height, width)
            found += bool((over & pixels).any())
            over |= pixels
    return found


def _pieces(pixels_HW: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """The pixels with the number of the piece they belong to, from 1 on, and how many pieces there are."""
    numbered = np.zeros(pixels_HW.shape, dtype=np.int32)
    return numbered, int(ndimage.label(pixels_HW, structure=_TOUCHING, output=numbered))  # pyright: ignore
