"""Boxes against the true size of their picture."""

import numpy as np
from data_makers import drawn
from PIL import Image

from torchbeam.data.records import Fault, boxes
from torchbeam.data.regions import Runs
from torchbeam.data.sources.boxed import sounded, true_size

WIDE = np.array([24 * 18])


def picture(tmp_path, orientation=1):
    exif = Image.Exif()
    exif[274] = orientation
    drawn(1).save(tmp_path / "a.png", exif=exif)
    return tmp_path


def test_boxes_are_cut_at_the_true_edges(tmp_path):
    held, faults = sounded(picture(tmp_path), "a.png", boxes([[0, 0, 24, 18], [20, 1, 30, 5]], [0, 1]), (24, 18))
    assert held.xyxy_N4.tolist() == [[0, 0, 24, 18], [20, 1, 24, 5]]
    assert [fault.kind for fault in faults] == ["box reaches out"]


def test_another_size_is_told(tmp_path):
    _, faults = sounded(picture(tmp_path), "a.png", boxes([], []), (100, 50))
    assert faults == [Fault("a.png", "size differs", "said to be 100x50, the picture is 24x18")]


def test_a_picture_that_lies_on_its_side_is_told(tmp_path):
    assert true_size(picture(tmp_path, orientation=6), "a.png") == (18, 24)
    _, faults = sounded(tmp_path, "a.png", boxes([], []), (24, 18))
    assert faults[0].reason == "said to be 24x18, the picture is 18x24; the picture lies on its side by its EXIF"


def test_a_missing_picture_has_the_size_it_is_said_to_have(tmp_path):
    told = boxes([[0, 0, 24, 18]], [0])
    held, faults = sounded(tmp_path, "a.png", told, (10, 18))
    assert held.xyxy_N4.tolist() == [[0, 0, 10, 18]] and [fault.kind for fault in faults] == ["box reaches out"]
    held, faults = sounded(tmp_path, "a.png", told, None)
    assert len(held) == 0 and faults == []
    assert true_size(tmp_path, "a.png") is None


def test_shapes_of_another_size_are_left_out_and_their_boxes_kept(tmp_path):
    told = boxes([[0, 0, 4, 4]] * 2, [0, 0], [Runs(18, 24, WIDE), Runs(24, 18, WIDE)])
    held, faults = sounded(picture(tmp_path), "a.png", told, None)
    assert [region is None for region in held.regions] == [False, True]
    assert faults == [Fault("a.png", "mask size", "the shape of box 2 is told for 18x24; left out")]
