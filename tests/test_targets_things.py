"""Boxes with shapes out of masks, and masks out of boxes with shapes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from target_makers import Held, boxed, made

from torchbeam.data.records import IGNORE, Record, boxes
from torchbeam.data.regions import Outlines, raster
from torchbeam.data.runlengths import runs_of
from torchbeam.data.targets.things import boxes_of, hidden, mask_of, paintable, pieces, stray


def square(left, top, right, bottom):
    return Outlines((np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64),))


def one(record, mask=None):
    masks = None if mask is None else Held({0: np.array(mask, dtype=np.int32)})
    size = (8, 6) if mask is None else np.shape(mask)[::-1]
    readable = made([record], size=size, masks=masks)
    return readable, readable.samples[0]


def test_a_mask_alone_becomes_its_connected_pieces():
    mask = [
        [1, 0, 0, 2, 2],
        [0, 1, 0, 2, 2],
        [0, 0, 0, 0, 0],
        [1, 1, 1, -1, 0],
        [1, 0, 1, 0, 1],
        [1, 1, 1, 0, 0],
    ]
    told = boxes_of(*one(Record("a", 0, masked=True), mask))
    assert told.xyxy_N4.tolist() == [[0, 0, 2, 2], [0, 3, 3, 6], [4, 4, 5, 5], [3, 0, 5, 2]]
    assert told.labels_N.tolist() == [0, 0, 0, 1]
    ring = raster(told.regions[1], 6, 5)
    assert ring.sum() == 8 and not ring[4, 1]  # the hole is kept


@given(arrays(np.int32, (7, 9), elements=st.integers(-1, 3)))
def test_the_pieces_of_a_mask_make_it_up_again(mask):
    told = pieces(mask)
    painted = np.where(mask == IGNORE, IGNORE, 0)
    for (left, top, right, bottom), label, region in zip(told.xyxy_N4, told.labels_N, told.regions, strict=True):
        inside = raster(region, 7, 9)
        assert not (painted[inside] > 0).any()
        assert ndimage.label(inside, np.ones((3, 3)))[1] == 1
        y, x = np.nonzero(inside)
        assert (left, top, right, bottom) == (x.min(), y.min(), x.max() + 1, y.max() + 1)
        painted[inside] = label + 1
    assert (painted == mask).all()


def test_boxes_without_a_shape_get_the_pixels_of_their_class_inside():
    mask = [[1, 1, 0, 1], [2, 1, 0, 1], [0, 0, 0, 0]]
    held = boxes([(0, 0, 2, 2), (0, 1, 1, 2), (2, 2, 4, 3)], [0, 1, 0])
    told = boxes_of(*one(boxed("a", held, masked=True), mask))
    assert raster(told.regions[0], 3, 4).tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert raster(told.regions[1], 3, 4).tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert told.regions[2] is None
    assert told.xyxy_N4.tolist() == held.xyxy_N4.tolist()


def test_a_shape_that_is_known_is_kept_and_so_are_flags():
    held = boxes([(0, 0, 2, 2)], [0], [square(0, 0, 2, 2)], [True], [True])
    told = boxes_of(*one(boxed("a", held, masked=True), [[1, 0], [0, 0]]))
    assert told.regions[0] is held.regions[0]
    assert told.difficult_N[0] and told.crowd_N[0]


def test_without_boxes_and_mask_there_is_nothing():
    readable, sample = one(Record("a", 0))
    assert boxes_of(readable, sample) is None and mask_of(readable, sample) is None


def test_a_mask_is_painted_from_shapes_later_over_earlier():
    held = boxes([(0, 0, 3, 2), (2, 1, 4, 3)], [0, 1], [square(0, 0, 3, 2), square(2, 1, 4, 3)])
    mask = mask_of(*one(boxed("a", held)))
    assert mask.dtype == np.int32
    assert mask.tolist() == [
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 2, 2, 0, 0, 0, 0],
        [0, 0, 2, 2, 0, 0, 0, 0],
        *[[0] * 8] * 3,
    ]


def test_a_box_of_unknown_shape_is_to_be_ignored_where_nothing_else_is():
    held = boxes([(0, 0, 2, 1), (0.5, 0.5, 3.5, 1.5)], [0, 1], [square(0, 0, 2, 1), None])
    assert mask_of(*one(boxed("a", held)))[:3, :5].tolist() == [[1, 1, -1, -1, 0], [-1, -1, -1, -1, 0], [0] * 5]


def test_no_mask_is_made_of_boxes_alone():
    readable, sample = one(boxed("a", boxes([(0, 0, 2, 2)], [0])))
    assert not paintable(readable, sample) and mask_of(readable, sample) is None


def test_a_picture_without_boxes_has_an_empty_mask_where_others_have_shapes():
    readable, sample = one(boxed("a", boxes([], [])))
    assert not paintable(readable, sample) and mask_of(readable, sample) is None
    shaped = boxed("b", boxes([(0, 0, 2, 2)], [0], [square(0, 0, 2, 2)]))
    readable = made([boxed("a", boxes([], [])), shaped], size=(8, 6))
    assert (mask_of(readable, readable.samples[0]) == 0).all()
    readable = made([boxed("a", boxes([], [])), Record("b", 0, masked=True)])
    assert paintable(readable, readable.samples[0])


def test_its_own_mask_goes_before_one_that_is_painted():
    held = boxes([(0, 0, 2, 2)], [0], [square(0, 0, 2, 2)])
    assert mask_of(*one(boxed("a", held, masked=True), [[2, -1], [0, 0]])).tolist() == [[2, -1], [0, 0]]


def test_pieces_of_a_mask_in_no_box_are_counted():
    mask = [[1, 1, 0, 1], [2, 0, 0, 1], [0, 0, 2, 0]]
    assert stray(*one(boxed("a", boxes([(0, 0, 2, 2)], [0]), masked=True), mask)) == 3
    assert stray(*one(boxed("a", boxes([(0, 0, 4, 3), (0, 0, 4, 3)], [0, 1]), masked=True), mask)) == 0
    assert stray(*one(Record("a", 0, masked=True), mask)) == 0  # its pieces become boxes
    assert stray(*one(boxed("a", boxes([], []), masked=True), mask)) == 4
    known = boxes([(0, 0, 4, 3)], [0], [square(0, 0, 2, 1)])
    assert stray(*one(boxed("a", known, masked=True), mask)) == 3


def test_shapes_under_later_ones_are_counted():
    far, near = square(0, 0, 2, 2), square(1, 1, 3, 3)
    apart = runs_of(np.eye(6, 8, dtype=bool) & (np.arange(6)[:, None] > 3))
    assert hidden(one(boxed("a", boxes([(0, 0, 2, 2)] * 3, [0] * 3, [far, near, apart])))[1]) == 1
    assert hidden(one(boxed("a", boxes([(0, 0, 2, 2)] * 2, [0] * 2, [far, apart])))[1]) == 0
    assert hidden(one(boxed("a", boxes([(0, 0, 2, 2)] * 2, [0] * 2, [None, far])))[1]) == 0
    assert hidden(one(Record("a", 0))[1]) == 0
