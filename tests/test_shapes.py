"""The drawn shapes: the same in every process, and the truth about them exact."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from data_makers import run_python
from PIL import Image, ImageDraw
from scipy import ndimage

from torchbeam.data.records import UNLABELLED
from torchbeam.data.regions import Outlines, box_of, raster
from torchbeam.data.sources import shapes


@pytest.fixture(scope="module")
def source():
    return shapes.read()


def test_there_are_600_pictures_of_three_classes_about_as_often(source):
    assert (source.kind, source.place, source.root) == ("shapes", "shapes", None)
    assert source.classes == ("circle", "square", "triangle")
    assert len(source.records) == 600 == len({record.path for record in source.records})
    assert {record.part for record in source.records} == {""}
    assert UNLABELLED not in {record.label for record in source.records}
    counts = Counter(record.label for record in source.records)
    assert min(counts.values()) > 600 / 3 * 0.85
    boxes = Counter(label for record in source.records for label in record.boxes.labels_N.tolist())
    assert min(boxes.values()) > 300
    assert set(Counter(len(record.boxes) for record in source.records)) == {1, 2, 3, 4}
    assert source.notes == () and source.faults == ()


def test_pictures_are_colour_64_by_64_and_no_two_alike(source):
    seen = {source.pictures.content(number) for number in range(600)}
    assert len(seen) == 600
    image = source.pictures.image(7)
    assert (image.size, image.mode) == ((64, 64), "RGB")
    assert image.tobytes() == source.pictures.content(7)
    facts = source.pictures.facts(7)
    assert (facts.size, facts.grey, facts.format) == ((64, 64), False, "")


def test_boxes_are_tight_around_the_pixels_of_the_mask(source):
    """scipy's connected pieces of the mask are the shapes, their slices the boxes."""
    for number, record in enumerate(source.records):
        mask = source.masks.mask(number)
        assert mask.dtype == np.int32
        pieces, count = ndimage.label(mask > 0, np.ones((3, 3)))
        assert count == len(record.boxes)
        found = set()
        for at, (y, x) in enumerate(ndimage.find_objects(pieces), start=1):
            (value,) = np.unique(mask[pieces == at])
            found.add((x.start, y.start, x.stop, y.stop, value - 1))
        told = zip(record.boxes.xyxy_N4.tolist(), record.boxes.labels_N.tolist(), strict=True)
        assert found == {(*map(int, box), label) for box, label in told}


def test_the_class_is_that_of_the_clearly_largest_shape(source):
    for number, record in enumerate(source.records):
        mask = source.masks.mask(number)
        boxes = record.boxes.xyxy_N4.astype(int)
        areas = [
            int((mask[t:b, lft:r] == label + 1).sum())
            for (lft, t, r, b), label in zip(boxes, record.boxes.labels_N, strict=True)
        ]
        assert areas[0] == max(areas)
        assert record.label == record.boxes.labels_N[0]
        assert all(areas[0] >= 1.5 * area for area in areas[1:])


def test_outlines_cover_the_mask_and_lie_at_the_boxes_edges(source):
    for number, record in enumerate(source.records[:100]):
        painted = np.zeros((64, 64), dtype=np.int32)
        for label, region, box in zip(record.boxes.labels_N, record.boxes.regions, record.boxes.xyxy_N4, strict=True):
            assert isinstance(region, Outlines)
            painted[raster(region, 64, 64)] = label + 1
            assert np.abs(np.array(box_of(region)) - box).max() <= 0.25
        assert (painted == source.masks.mask(number)).all()


def inside(ring, x, y):
    """Whether a point is in a convex polygon: on the same side of every edge."""
    ends = np.roll(ring, -1, axis=0)
    sides = (ends[:, 0] - ring[:, 0]) * (y - ring[:, 1]) - (ends[:, 1] - ring[:, 1]) * (x - ring[:, 0])
    return (sides > 0).all() or (sides < 0).all()


def test_drawn_are_exactly_the_pixels_whose_centres_lie_inside(source):
    for number in range(3):
        mask = source.masks.mask(number)
        rings = [
            (region.rings[0], label)
            for region, label in zip(
                source.records[number].boxes.regions, source.records[number].boxes.labels_N, strict=True
            )
        ]
        for row in range(64):
            for column in range(64):
                labels = [label for ring, label in rings if inside(ring, column + 0.5, row + 0.5)]
                assert mask[row, column] == (labels[0] + 1 if labels else 0)


def test_outlines_are_what_their_class_says(source):
    """Areas by formula: pi r², a square's side squared, half of base by height."""
    for record in source.records[:60]:
        for box, label, region in zip(record.boxes.xyxy_N4, record.boxes.labels_N, record.boxes.regions, strict=True):
            (ring,), (width, height) = region.rings, box[2:] - box[:2]
            x, y = ring.T
            area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
            assert len(ring) == {0: 64, 1: 4, 2: 3}[label]
            expected = {0: np.pi * (width / 2 - 0.25) ** 2, 1: width * width, 2: width * height / 2}[label]
            assert area == pytest.approx(expected, rel=0.002)


def test_shapes_stand_out_from_the_ground(source):
    """The mean colour of a shape differs from that of the ground around it by more than light and noise move it."""
    for number in range(0, 600, 10):
        pixels = np.asarray(source.pictures.image(number)).astype(float)
        mask = source.masks.mask(number)
        for left, top, right, bottom in source.records[number].boxes.xyxy_N4.astype(int):
            near = np.zeros((64, 64), dtype=bool)
            near[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = True
            near[top:bottom, left:right] = False
            box = mask[top:bottom, left:right] > 0
            apart = pixels[top:bottom, left:right][box].mean(axis=0) - pixels[near & (mask == 0)].mean(axis=0)
            assert np.linalg.norm(apart) > 90


def test_the_ground_is_shaded_and_noisy(source):
    pixels = np.asarray(source.pictures.image(0)).astype(float)
    ground = pixels[source.masks.mask(0) == 0]
    assert ground.std(axis=0).min() > 5


def test_a_picture_is_a_function_of_its_number_in_every_process(source):
    code = (
        "import hashlib; from torchbeam.data.sources import shapes; s = shapes.read();"
        "print(hashlib.sha256(b''.join(s.pictures.content(n) for n in (599, 3, 0))).hexdigest())"
    )
    own = b"".join(source.pictures.content(number) for number in (599, 3, 0))
    assert run_python("-c", code).strip() == hashlib.sha256(own).hexdigest()
    boxes = [tuple(map(int, box)) for box in source.records[42].boxes.xyxy_N4]
    assert [shape.box for shape in shapes.scene(42)] == boxes


def test_a_circle_is_drawn_as_pillow_would_about(source):
    """Pillow's own circle of that box covers the same pixels but for a few at the edge."""
    numbers = [number for number, record in enumerate(source.records) if record.boxes.labels_N[0] == 0][:20]
    for number in numbers:
        left, top, right, bottom = map(int, source.records[number].boxes.xyxy_N4[0])
        other = Image.new("1", (64, 64))
        ImageDraw.Draw(other).ellipse((left, top, right - 1, bottom - 1), fill=1)
        own = raster(source.records[number].boxes.regions[0], 64, 64)
        assert (own != np.asarray(other)).sum() < 0.05 * own.sum()
