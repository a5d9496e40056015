"""Pixels to polygons: outer outlines, holes, and several polygons as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import binary_fill_holes, label

from torchbeam.data.regions import Outlines, raster, signed_area
from torchbeam.data.tracing import holes, joined, outlines_of

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
TOUCHING = np.ones((3, 3))


def drawn(*rows):
    return np.array([[sign == "#" for sign in row] for row in rows])


def test_a_square_has_four_corners_clockwise_from_its_first_pixel():
    outlines = outlines_of(drawn("....", ".##.", ".##."))
    assert [ring.tolist() for ring in outlines.rings] == [[[1, 1], [3, 1], [3, 3], [1, 3]]]


def test_pixels_that_touch_at_a_corner_are_two_pieces():
    outlines = outlines_of(drawn("#.", ".#"))
    assert [ring.tolist() for ring in outlines.rings] == [
        [[0, 0], [1, 0], [1, 1], [0, 1]],
        [[1, 1], [2, 1], [2, 2], [1, 2]],
    ]


def test_an_l_has_six_corners():
    assert outlines_of(drawn("#..", "###")).rings[0].tolist() == [[0, 0], [1, 0], [1, 1], [3, 1], [3, 2], [0, 2]]


def test_a_hole_is_counted_and_filled():
    ring = drawn("###", "#.#", "###")
    assert holes(ring) == 1
    assert raster(outlines_of(ring), 3, 3).all()


@given(masks)
def test_outlines_cover_the_mask_with_its_holes_filled(mask):
    outlines = outlines_of(mask)
    assert (raster(outlines, *mask.shape) == binary_fill_holes(mask, TOUCHING)).all()
    assert len(outlines.rings) == label(mask)[1]


@given(masks)
def test_holes_are_what_lies_outside_and_cannot_get_out(mask):
    outside = label(np.pad(~mask, 1, constant_values=True), TOUCHING)[1] - 1
    assert holes(mask) == outside


@given(masks)
def test_every_corner_is_one(mask):
    for ring in outlines_of(mask).rings:
        assert signed_area(ring) > 0
        step = np.roll(ring, -1, axis=0) - ring
        assert ((step == 0).sum(axis=1) == 1).all()  # along one axis
        assert ((step == 0) != (np.roll(step, 1, axis=0) == 0)).all()  # and each turn changes it


def test_an_empty_mask_has_no_outline():
    assert outlines_of(np.zeros((3, 4), dtype=bool)).rings == ()
    assert outlines_of(np.zeros((0, 0), dtype=bool)).rings == ()
    assert holes(np.zeros((3, 4), dtype=bool)) == 0


@given(masks.filter(lambda mask: mask.any()))
def test_one_polygon_covers_what_its_pieces_do(mask):
    filled = binary_fill_holes(mask, TOUCHING)
    outlines = outlines_of(filled)
    whole = joined(outlines)
    assert (raster(Outlines((whole,)), *mask.shape) == filled).all()
    assert len(whole) == sum(len(ring) for ring in outlines.rings) + 2 * (len(outlines.rings) - 1)


def test_bridges_go_to_the_nearest_corner():
    near = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    whole = joined(Outlines((near, near + np.array([3, 0]))))
    assert whole.tolist() == [[0, 0], [2, 0], [3, 0], [5, 0], [5, 2], [3, 2], [3, 0], [2, 0], [2, 2], [0, 2]]


def test_one_polygon_stays_as_it_is():
    alone = np.array([[0.0, 0], [2, 0], [2, 2]])
    assert joined(Outlines((alone,))) is alone


@pytest.mark.parametrize("count", [1500])
def test_large_polygons_are_joined_piece_by_piece(count):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    whole = joined(Outlines((circle, circle + np.array([3, 0]))))
    bridge = np.abs(np.diff(whole, axis=0)).max(axis=0)
    assert bridge[0] == pytest.approx(1, abs=1e-6)
    assert len(whole) == 2 * count + 2
