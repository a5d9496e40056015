"""YOLO, as written: hand-worked cases, and what is read back."""

import numpy as np
import pytest
import yaml
from target_makers import Held, boxed, in_files, made, tree, write

from torchbeam.data.records import IGNORE, Record, boxes
from torchbeam.data.regions import Outlines, raster
from torchbeam.data.runlengths import runs_of
from torchbeam.data.sources import yolo as source
from torchbeam.data.targets import yolo
from torchbeam.data.targets.yolo import label_lines, one_outline
from torchbeam.errors import DataError


def square(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def numbers(line):
    return [float(word) for word in line.split()]


def test_a_box_is_its_middle_and_sides_in_shares():
    held = boxes([(0, 0, 20, 10), (2, 1, 7, 3.5)], [1, 0])
    lines = label_lines(held, (20, 10))
    assert lines == ["1 0.5 0.5 1 1", "0 0.225 0.225 0.25 0.25"]


def test_an_outline_is_its_corners_in_shares():
    held = boxes([(0, 0, 4, 4)], [3], [Outlines((np.array([(0, 0), (4, 0), (4, 2.5)]),))])
    assert label_lines(held, (8, 5)) == ["3 0 0 0.5 0 0.5 0.5"]


def test_one_box_without_a_shape_makes_boxes_of_all_and_that_is_counted():
    shaped = Outlines((square(0, 0, 4, 4),))
    held = boxes([(0, 0, 4, 4), (1, 1, 3, 3)], [0, 0], [shaped, None])
    assert label_lines(held, (8, 8)) == ["0 0.25 0.25 0.5 0.5", "0 0.25 0.25 0.25 0.25"]
    assert yolo.lost(made([boxed("a", held)])) == {"shapes of boxes, where another in the picture has none": 1}


def test_digits_are_enough_for_a_wide_picture():
    held = boxes([(1 / 3, 2 / 3, 99_999.123456, 77_777.7)], [0])
    label, x, y, width, height = numbers(label_lines(held, (100_000, 80_000))[0])
    back = [(x - width / 2) * 1e5, (y - height / 2) * 8e4, (x + width / 2) * 1e5, (y + height / 2) * 8e4]
    assert label == 0
    assert np.abs(np.array(back) - held.xyxy_N4[0]).max() < 1e-4


def test_several_outlines_become_one_that_covers_the_same():
    apart = Outlines((square(0, 0, 3, 3), square(5, 4, 8, 7)))
    over = Outlines((square(0, 0, 4, 4), square(2, 2, 6, 6)))
    for region in (apart, over):
        ring = one_outline(region, (10, 9))
        assert (raster(Outlines((ring,)), 9, 10) == raster(region, 9, 10)).all()


def test_pixels_become_an_outline_their_holes_filled():
    mask = np.zeros((9, 10), dtype=bool)
    mask[1:6, 1:6], mask[3, 3], mask[8, 9] = True, False, True
    whole = raster(Outlines((one_outline(runs_of(mask), (10, 9)),)), 9, 10)
    mask[3, 3] = True
    assert (whole == mask).all()


def test_corners_outside_the_picture_are_brought_to_its_edge():
    ring = one_outline(Outlines((np.array([(-2, 1), (12, 1), (5, 9.5)]),)), (10, 9))
    assert ring.tolist() == [[0, 1], [10, 1], [5, 9]]


def test_a_set_with_parts_is_what_ultralytics_asks_for(tmp_path):
    held = boxes([(0, 0, 12, 9)], [1])
    readable = made([boxed("train/a b", held, "train"), boxed("x/images/b", boxes([], []), "val")], ("cat", "yes"))
    assert yolo.lost(readable) == {}
    write(yolo, readable, tmp_path)
    assert tree(tmp_path) == [
        "data.yaml", "images/train/a b.png", "images/val/x/images_/b.png",
        "labels/train/a b.txt", "labels/val/x/images_/b.txt",
    ]  # fmt: skip
    assert yaml.safe_load((tmp_path / "data.yaml").read_text()) == {
        "train": "images/train", "val": "images/val", "names": {0: "cat", 1: "yes"},
    }  # fmt: skip
    assert (tmp_path / "labels/train/a b.txt").read_text() == "1 0.25 0.25 0.5 0.5\n"
    assert (tmp_path / "labels/val/x/images_/b.txt").read_text() == ""
    again = source.read(tmp_path, "here", False)
    assert again.classes == ("cat", "yes")
    assert [(one.part, len(one.boxes)) for one in again.records] == [("train", 1), ("val", 0)]


def test_a_set_without_parts_has_a_list_of_classes(tmp_path):
    readable = made([boxed("a", boxes([(0, 0, 12, 9)], [1])), boxed("b", boxes([], []))], ("cat: big", "dog"))
    assert yolo.lost(readable) == {"names of classes (written with other signs)": 1}
    write(yolo, readable, tmp_path)
    assert tree(tmp_path) == ["classes.txt", "images/a.png", "images/b.png", "labels/a.txt", "labels/b.txt"]
    again = source.read(tmp_path, "here", False)
    assert again.classes == ("cat_ big", "dog")
    assert {one.part for one in again.records} == {""}


def test_pictures_are_told_apart_by_their_stem(tmp_path):
    held = boxes([(0, 0, 12, 9)], [1])
    readable = in_files(tmp_path / "in", [boxed("1.jpg", held), boxed("1.png", held)])
    write(yolo, readable, tmp_path / "out")
    assert tree(tmp_path / "out/labels") == ["1-2.txt", "1.txt"]


def test_what_yolo_cannot_hold_is_counted(tmp_path):
    mask = np.zeros((18, 24), dtype=bool)
    mask[:5, :5] = True
    mask[2, 2] = False
    held = boxes([(0, 0, 5, 5), (0, 0, 9, 9)], [0, 1], [runs_of(mask)] * 2, difficult=[1, 1], crowd=[0, 1])
    own = np.zeros((18, 24), np.int32)
    own[17, 23], own[0, 0], own[9, 9] = IGNORE, 1, 2
    records = [boxed("a", held, "train", 0, True), Record("b", 0, "train"), boxed("c", boxes([], []))]
    readable = made(records, ("new\nline", "dog"), masks=Held({0: own}))
    assert yolo.lost(readable) == {
        "pictures with neither boxes nor a mask (left out)": 1,
        "classes of whole pictures": 2,
        "boxes marked difficult": 2,
        "boxes marked as crowds (iscrowd)": 1,
        "pictures of no part (written as train)": 1,
        "shapes with holes (filled)": 2,
        "boxes that do not go round their shape (read back round it)": 1,
        "masks with pixels to ignore": 1,
        "mask regions outside every box": 1,
        "names of classes (written with other signs)": 1,
    }
    assert write(yolo, readable, tmp_path) == ["a", "c"]
    assert tree(tmp_path / "images") == ["train/a.png", "train/c.png"]


def test_classes_alone_are_refused():
    with pytest.raises(DataError, match="has neither boxes nor masks, which is what yolo holds"):
        yolo.check(made([Record("a", 0)]))
