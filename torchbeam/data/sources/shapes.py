"""`shapes`: 600 pictures with circles, squares and triangles, drawn as they are asked for; the truth about them is
exact.

A picture is a function of its number alone. On a shaded, noisy ground lie one to four shapes that do not touch.
Boxes go round the drawn pixels, outlines cover the centres of exactly those, and so does the mask; the picture's
class is that of its largest shape, which has at least one and a half times the pixels of the next.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.chance import uniform
from torchbeam.data.decode import from_array
from torchbeam.data.facts import Facts, examine_pixels
from torchbeam.data.records import NOTHING, Boxes, Record, Source, boxes
from torchbeam.data.regions import Outlines, raster

PICTURES = 600
SIDE = 64
CLASSES = ("circle", "square", "triangle")
MOST_SHAPES = 4
# Pixels of the largest shape, and of the smallest.
LARGEST, SMALLEST = (330, 800), 40
CLEARLY = 1.5
GAP = 2  # pixels between two shapes at least
TRIES = 25  # places tried for a shape before it is left out
CORNERS = 64  # of a circle's outline
COLOURS_TRIED = 100
# Colours lie at least this far apart, of 255 in each of red, green and blue; shade and noise move them by less.
APART, SHADE, NOISE = 110.0, 24.0, 12.0
# What draws are for; the numbers below 1000 are those of batches and augmentation.
LAYOUT, COLOUR, GROUND = 1000, 1001, 1002


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: its class, its outline (M, 2) in pixels, and its pixels' box and count."""

    label: int
    outline: Outlines
    box: tuple[int, int, int, int]
    pixels: int


def read() -> Source:
    """The drawn pictures, their classes, boxes, outlines and masks; no parts."""
    scenes = tuple(scene(number) for number in range(PICTURES))
    records = tuple(
        Record(f"shapes#{number:03d}", shapes[0].label, "", _boxes(shapes), True)
        for number, shapes in enumerate(scenes)
    )
    drawn = Drawn(scenes)
    return Source("shapes", "shapes", None, CLASSES, records, drawn, masks=drawn)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The pictures and their masks, drawn when they are asked for."""

    scenes: tuple[tuple[Shape, ...], ...]

    def content(self, index: int) -> bytes:
        """The pixels' bytes."""
        return self.pixels(index).tobytes()

    def image(self, index: int, least: tuple[int, int] | None = None) -> Image.Image:
        """The picture, mode RGB."""
        del least  # nothing would be saved
        return from_array(self.pixels(index))

    def facts(self, index: int) -> Facts:
        """What one look at the picture tells."""
        return examine_pixels(self.pixels(index))

    def mask(self, index: int) -> NDArray[np.int32]:
        """Shape (64, 64): NOTHING, or 1 + the class of the shape that covers the pixel's centre."""
        mask = np.full((SIDE, SIDE), NOTHING, dtype=np.int32)
        for shape in self.scenes[index]:
            mask[raster(shape.outline, SIDE, SIDE)] = shape.label + 1
        return mask

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Shape (64, 64, 3)."""
        shapes = self.scenes[index]
        ground, *colours = _colours(index, 1 + len(shapes))
        picture = np.broadcast_to(ground, (SIDE, SIDE, 3)).copy()
        for shape, colour in zip(shapes, colours, strict=True):
            picture[raster(shape.outline, SIDE, SIDE)] = colour
        picture += _shade(index)
        return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def scene(number: int) -> tuple[Shape, ...]:
    """The shapes of a picture, the largest first."""
    chance = iter(uniform(0, number, np.arange(1 + MOST_SHAPES * (3 + 2 * TRIES)), LAYOUT).tolist())
    wanted = 1 + int(MOST_SHAPES * next(chance))
    found: list[Shape] = []
    for _ in range(wanted):
        low, high = (SMALLEST, found[0].pixels / CLEARLY) if found else LARGEST
        label, upright = int(len(CLASSES) * next(chance)), next(chance) < 0.5
        shape = _sized(label, upright, low + (high - low) * next(chance), high)
        found += _placed(shape, found, [(next(chance), next(chance)) for _ in range(TRIES)])
    return tuple(found)


def _sized(label: int, upright: bool, pixels: float, most: float) -> Shape:
    """A shape in the upper left corner, of about so many pixels and not more than `most`."""
    half = round(math.sqrt(pixels / (math.pi, 4, math.sqrt(3))[label]))
    while True:
        outline = Outlines((_outline(label, upright, half),))
        y, x = np.nonzero(raster(outline, SIDE, SIDE))
        if len(x) <= most:
            box = (int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)
            return Shape(label, outline, box, len(x))
        half -= 1


def _outline(label: int, upright: bool, half: int) -> NDArray[np.float64]:
    """The corners of a shape of about 2 * half pixels across.

    Sizes are chosen so that the outermost corners lie within a quarter of a pixel of the drawn pixels' edges: a
    circle round a pixel's centre, a triangle whose tip is over one.
    """
    middle = half + 0.5
    if CLASSES[label] == "circle":
        turn = np.arange(CORNERS) * (2 * np.pi / CORNERS)
        return middle + (half + 0.25) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if CLASSES[label] == "square":
        return np.array([(0, 0), (2 * half, 0), (2 * half, 2 * half), (0, 2 * half)], dtype=np.float64)
    height = round(math.sqrt(3) * middle)
    tip, base = (0, height) if upright else (height, 0)
    return np.array([(middle, tip), (2 * middle, base), (0, base)], dtype=np.float64)


def _placed(shape: Shape, others: list[Shape], places: list[tuple[float, float]]) -> list[Shape]:
    """The shape at the first of the places, shares of the room there is, where it keeps clear of the others; or
    nothing."""
    _, _, width, height = shape.box
    for across, down in places:
        left, top = 1 + int(across * (SIDE - 1 - width)), 1 + int(down * (SIDE - 1 - height))
        box = (left, top, left + width, top + height)
        if not any(_near(box, other.box) for other in others):
            moved = Outlines(tuple(ring + np.array([left, top]) for ring in shape.outline.rings))
            return [Shape(shape.label, moved, box, shape.pixels)]
    return []


def _near(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] + GAP and other[0] < one[2] + GAP and one[1] < other[3] + GAP and other[1] < one[3] + GAP


def _boxes(shapes: tuple[Shape, ...]) -> Boxes:
    return boxes(
        [shape.box for shape in shapes], [shape.label for shape in shapes], [shape.outline for shape in shapes]
    )


def _colours(number: int, count: int) -> list[NDArray[np.float64]]:
    """As many colours (3,), each far from those before it: of many drawn ones the first that is, else the farthest."""
    lowest, highest = SHADE + NOISE, 255 - SHADE - NOISE
    drawn = uniform(0, number, np.arange(count * COLOURS_TRIED * 3), COLOUR).reshape(count, COLOURS_TRIED, 3)
    chosen: list[NDArray[np.float64]] = []
    for tried in lowest + (highest - lowest) * drawn:
        apart = np.full(COLOURS_TRIED, APART)
        for other in chosen:
            apart = np.minimum(apart, np.linalg.norm(tried - other, axis=1))
        chosen.append(tried[int(np.argmax(apart))])
    return chosen


def _shade(number: int) -> NDArray[np.float64]:
    """What is added to every pixel: light that falls off to one side, and noise. Shape (64, 64, 3)."""
    chance = uniform(0, number, np.arange(1 + SIDE * SIDE * 3), GROUND)
    turn, noise = 2 * math.pi * chance[0], chance[1:].reshape(SIDE, SIDE, 3)
    along = np.linspace(-1, 1, SIDE) / math.sqrt(2)
    fall = math.sin(turn) * along[:, None] + math.cos(turn) * along[None, :]
    return SHADE * fall[:, :, None] + NOISE * (2 * noise - 1)
