"""Boxes as a source states them -> boxes that can be learnt from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbeam.data.records import boxes
from torchbeam.data.regions import Outlines
from torchbeam.data.sound import sound

NAN, INF = float("nan"), float("inf")
SIZE = (100, 50)


def one(*edges: float) -> tuple[list[list[float]], list[str]]:
    """What becomes of one box, and the kinds of its faults."""
    kept, faults = sound(boxes([edges], [3]), SIZE, "a.png")
    assert {fault.path for fault in faults} <= {"a.png"}
    return kept.xyxy_N4.tolist(), [fault.kind for fault in faults]


@pytest.mark.parametrize("edges", [(0, 0, 100, 50), (10, 5, 20, 6), (0.25, 0.5, 0.75, 0.75), (99, 49, 100, 50)])
def test_a_box_within_its_picture_stays_as_it_is(edges):
    assert one(*edges) == ([list(edges)], [])


@pytest.mark.parametrize(
    ("edges", "cut"),
    [
        ((-1, -1, 101, 51), (0, 0, 100, 50)),  # a pixel: what rounding, or counting from 1, may do
        ((-0.5, 5, 20, 6), (0, 5, 20, 6)),
        ((10, 5, 100.9, 6), (10, 5, 100, 6)),
    ],
)
def test_up_to_a_pixel_beyond_the_edge_is_cut_without_a_word(edges, cut):
    assert one(*edges) == ([list(cut)], [])


@pytest.mark.parametrize(
    ("edges", "cut"),
    [
        ((-1.01, 0, 10, 10), (0, 0, 10, 10)),
        ((90, 40, 120, 60), (90, 40, 100, 50)),
        ((-1e9, -1e9, 1e9, 1e9), (0, 0, 100, 50)),
        ((5, 5, 50, 52), (5, 5, 50, 50)),
    ],
)
def test_further_out_is_cut_and_told(edges, cut):
    assert one(*edges) == ([list(cut)], ["box reaches out"])


@pytest.mark.parametrize(
    ("edges", "kind"),
    [
        ((NAN, 0, 10, 10), "box not a number"),
        ((0, 0, 10, NAN), "box not a number"),
        ((0, -INF, 10, 10), "box not a number"),
        ((0, 0, INF, 10), "box not a number"),
        ((20, 0, 10, 10), "box inverted"),
        ((0, 20, 10, 10), "box inverted"),
        ((120, 0, 110, 10), "box inverted"),  # of two faults the plainer
        ((10, 0, 10, 10), "box empty"),
        ((0, 10, 10, 10), "box empty"),
        ((0, 0, 0, 0), "box empty"),
        ((100, 0, 120, 10), "box outside"),
        ((100, 0, 100.5, 10), "box outside"),  # within a pixel of the edge, yet no pixel of it is in the picture
        ((-20, 0, -10, 10), "box outside"),
        ((-20, 0, 0, 10), "box outside"),
        ((0, 50, 10, 60), "box outside"),
        ((0, -5, 10, 0), "box outside"),
    ],
)
def test_what_cannot_be_learnt_from_is_set_aside(edges, kind):
    assert one(*edges) == ([], [kind])


def test_the_reason_names_the_box_by_its_number_and_edges():
    told = boxes([(0, 0, 10, 10), (30, 0, 20.5, 10), (90, 0, 130, 10)], [0, 1, 2])
    _, faults = sound(told, SIZE, "a.png")
    assert [fault.reason for fault in faults] == [
        "box 2 (30, 0, 20.5, 10) ends before it begins; set aside",
        "box 3 (90, 0, 130, 10) reaches out of its 100x50 picture; cut at the edge",
    ]


def test_labels_regions_and_flags_stay_with_their_boxes():
    regions = [Outlines((np.array([[0.0, 0], [9, 0], [0, number]]),)) for number in (1, 2, 3, 4)]
    edges = [(0, 0, 9, 9), (5, 5, 5, 9), (1, 1, 9, 9), (2, 2, 9, 99)]
    told = boxes(edges, [3, 2, 1, 0], regions, [True, True, False, True], [False, True, True, True])
    kept, faults = sound(told, SIZE, "a.png")
    assert kept.labels_N.tolist() == [3, 1, 0]
    assert kept.regions == (regions[0], regions[2], regions[3])
    assert kept.difficult_N.tolist() == [True, False, True]
    assert kept.crowd_N.tolist() == [False, True, True]
    assert [fault.kind for fault in faults] == ["box empty", "box reaches out"]
    assert told.xyxy_N4[3].tolist() == [2, 2, 9, 99]  # what was told is left alone


def test_no_boxes_are_no_boxes():
    kept, faults = sound(boxes([], []), SIZE, "a.png")
    assert kept.xyxy_N4.shape == (0, 4)
    assert kept.labels_N.dtype == np.int64
    assert faults == []
    kept, _ = sound(boxes([(0, 0, 0, 0)], [1]), SIZE, "a.png")
    assert kept.xyxy_N4.shape == (0, 4)
    assert kept.regions == ()


EDGE = st.floats(width=64) | st.integers(-5, 105).map(float) | st.sampled_from([-1e308, 1e308, 5e-324, -0.0])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(EDGE, EDGE, EDGE, EDGE), max_size=6), st.integers(1, 101), st.integers(1, 51))
def test_what_is_kept_lies_in_the_picture_with_area_and_is_the_part_of_the_box_that_does(told, width, height):
    kept, faults = sound(boxes(told, range(len(told))), (width, height), "a.png")
    for label, (left, top, right, bottom) in zip(kept.labels_N.tolist(), kept.xyxy_N4.tolist(), strict=True):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        own = told[label]
        assert (left, top) == (max(own[0], 0), max(own[1], 0))
        assert (right, bottom) == (min(own[2], width), min(own[3], height))
    # Whatever is not kept has its fault, and whatever has none is as it was, but for a pixel.
    aside = [fault for fault in faults if fault.reason.endswith("set aside")]
    assert len(kept) + len(aside) == len(told)
    if not faults and told:
        assert np.abs(kept.xyxy_N4 - np.array(told)).max() <= 1
