"""One table, as written and read back."""

import csv as tables

import numpy as np
from target_makers import Held, boxed, in_files, made, tree, write

from torchbeam.data.records import IGNORE, UNLABELLED, Record, boxes
from torchbeam.data.regions import Outlines
from torchbeam.data.sources import csv as source
from torchbeam.data.targets import csv


def rows(root):
    with open(root / "pictures.csv", newline="", encoding="utf-8") as file:
        return list(tables.reader(file))


def test_pictures_with_a_class_have_a_row_each(tmp_path):
    readable = in_files(tmp_path / "in", [Record("train/cat/1.jpg", 0, "train"), Record("x, y.png", 1, "test")])
    assert csv.lost(readable) == {}
    write(csv, readable, tmp_path / "out")
    assert rows(tmp_path / "out") == [
        ["path", "label", "part"],
        ["images/train/cat/1.jpg", "cat", "train"],
        ["images/test/x, y.png", "dog", "test"],
    ]
    assert (tmp_path / "out/images/train/cat/1.jpg").read_bytes() == (tmp_path / "in/train/cat/1.jpg").read_bytes()
    again = source.read(tmp_path / "out", "here", False)
    assert [(one.label, one.part, one.boxes) for one in again.records] == [(0, "train", None), (1, "test", None)]


def test_classes_out_of_natural_order_are_numbered(tmp_path):
    classes = ("dog", "cat", "none of", 'say "x", y')
    readable = made([Record("a", 1), Record("b", 0), Record("c", 3)], classes)
    assert csv.lost(readable) == {"classes that no row names": 1}
    write(csv, readable, tmp_path)
    assert rows(tmp_path)[:2] == [["path", "label", "class_index"], ["images/a.png", "cat", "1"]]
    again = source.read(tmp_path, "here", False)
    assert again.classes == ("dog", "cat", 'say "x", y')
    assert [one.label for one in again.records] == [1, 0, 2]


def test_boxes_have_a_row_each_to_the_last_digit(tmp_path):
    held = boxes([(0.1, 1 / 3, 23.7, 18), (0, 0, 1, 1)], [1, 0])
    readable = made([boxed("a", held), boxed("b", boxes([], []))])
    assert csv.lost(readable) == {}
    write(csv, readable, tmp_path)
    assert rows(tmp_path) == [
        ["path", "label", "x1", "y1", "x2", "y2"],
        ["images/a.png", "dog", "0.1", "0.3333333333333333", "23.7", "18.0"],
        ["images/a.png", "cat", "0.0", "0.0", "1.0", "1.0"],
        ["images/b.png", "", "", "", "", ""],
    ]
    again = source.read(tmp_path, "here", False)
    assert (again.records[0].boxes.xyxy_N4 == held.xyxy_N4).all()
    assert again.records[0].boxes.labels_N.tolist() == [1, 0]
    assert len(again.records[1].boxes) == 0


def test_masks_go_by_the_places_of_the_classes_in_the_table(tmp_path):
    """Of z, cat and dog only cat and dog have rows, so cat is 1; what is z is to be ignored."""
    mask = np.array([[0, 1, 2], [3, IGNORE, 3]], dtype=np.int32)
    readable = made(
        [boxed("a", boxes([(0, 0, 2, 1), (0, 1, 1, 2)], [2, 1]), masked=True), boxed("b", boxes([], []))],
        ("z", "dog", "cat"), (3, 2), masks=Held({0: mask}),
    )  # fmt: skip
    assert csv.lost(readable) == {"classes that no row names": 1}
    write(csv, readable, tmp_path)
    again = source.read(tmp_path, "here", False)
    assert again.classes == ("dog", "cat")
    assert again.masks.mask(0).tolist() == [[0, -1, 1], [2, -1, 2]]
    assert (again.masks.mask(1) == 0).all()  # no boxes: an empty mask


def test_masks_alone_have_a_list_of_classes(tmp_path):
    mask = np.array([[0, 1, 2], [2, IGNORE, 0]], dtype=np.int32)
    readable = made([Record("a", UNLABELLED, masked=True)], size=(3, 2), masks=Held({0: mask}))
    assert csv.lost(readable) == {}
    write(csv, readable, tmp_path)
    assert tree(tmp_path) == ["classes.txt", "images/a.png", "masks/a.png", "pictures.csv"]
    assert rows(tmp_path) == [["path", "mask"], ["images/a.png", "masks/a.png"]]
    again = source.read(tmp_path, "here", False)
    assert again.classes == ("cat", "dog")
    assert (again.masks.mask(0) == mask).all()


def test_what_the_table_cannot_hold_is_counted(tmp_path):
    ring = np.array([(0, 0), (4, 0), (4, 4)], dtype=np.float64)
    held = boxes([(0, 0, 4, 4)] * 2, [0, 0], [Outlines((ring,)), None], [1, 0], [0, 1])
    readable = made([boxed("a", held, "train", 0), Record("b", 1)], ("new\nline", "dog"))
    assert csv.lost(readable) == {
        "classes of whole pictures that have boxes": 1,
        "shapes of boxes": 1,
        "boxes marked difficult": 1,
        "boxes marked as crowds (iscrowd)": 1,
        "pictures of no part (written as train)": 1,
        "names of classes (written with other signs)": 1,
    }


def test_pictures_without_a_class_are_left_out_where_every_row_has_one(tmp_path):
    readable = made([Record("a", 0), Record("b", UNLABELLED), Record("c", 1)])
    assert csv.lost(readable) == {"pictures without a class (left out)": 1}
    assert write(csv, readable, tmp_path) == ["a", "c"]
    assert len(source.read(tmp_path, "here", False).records) == 2
