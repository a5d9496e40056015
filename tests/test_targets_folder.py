"""Class folders, as written; torchvision's ImageFolder is the judge."""

import numpy as np
import pytest
from data_makers import drawn
from target_makers import Held, boxed, in_files, made, tree, write
from torchvision.datasets import ImageFolder

from torchbeam.data.records import UNLABELLED, Record, boxes
from torchbeam.data.sources import folder as source
from torchbeam.data.targets import folder
from torchbeam.errors import DataError


def test_pictures_lie_in_folders_of_their_class(tmp_path):
    readable = in_files(tmp_path / "in", [Record("x/1.jpg", 0), Record("y/1.jpg", 1), Record("2.png", 1)])
    assert folder.lost(readable) == {}
    assert write(folder, readable, tmp_path / "out") == ["x/1.jpg", "y/1.jpg", "2.png"]
    assert tree(tmp_path / "out") == ["cat/x/1.jpg", "dog/2.png", "dog/y/1.jpg"]
    assert (tmp_path / "out/cat/x/1.jpg").read_bytes() == (tmp_path / "in/x/1.jpg").read_bytes()
    judge = ImageFolder(str(tmp_path / "out"))
    assert judge.classes == ["cat", "dog"]
    assert [label for _, label in judge.samples] == [0, 1, 1]


def test_parts_are_folders_above_the_classes(tmp_path):
    records = [
        Record(f"{part}/{name}/1.png", label, part)
        for part in ("train", "val", "test")
        for label, name in enumerate(("cat", "dog"))
    ]
    readable = in_files(tmp_path / "in", records)
    write(folder, readable, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(tmp_path / "in")  # the class's own folder is not doubled
    again = source.read(tmp_path / "out", "here")
    assert {(record.path, record.label, record.part) for record in again.records} == {
        (record.path, record.label, record.part) for record in records
    }


def test_names_that_are_taken_get_numbers_and_pixels_become_png(tmp_path):
    readable = made([Record("a#1", 0), Record("a_1.png", 0), Record("a#1", 1)])
    write(folder, readable, tmp_path)
    assert tree(tmp_path) == ["cat/a_1-2.png", "cat/a_1.png", "dog/a_1.png"]
    assert np.asarray(ImageFolder(str(tmp_path))[0][0]).tobytes() == drawn(1).tobytes()


def test_what_folders_cannot_hold_is_counted(tmp_path):
    records = [
        boxed("a", boxes([(0, 0, 1, 1)] * 3, [0, 1, 1]), "train", 1, True),
        Record("b", UNLABELLED, "train"),
        Record("c", 2, ""),
    ]
    readable = made(records, ("z/1", "y", "x", "w"), masks=Held({0: np.zeros((18, 24), np.int32)}))
    assert folder.lost(readable) == {
        "pictures without a class": 1,
        "boxes": 3,
        "masks": 1,
        "pictures of no part (written as train)": 1,
        "classes out of natural order (read back in it)": 2,
        "classes without a picture": 1,
        "names of classes (written with other signs)": 1,
    }
    assert write(folder, readable, tmp_path) == ["a", "c"]
    assert tree(tmp_path) == ["train/x/c.png", "train/y/a.png"]


def test_boxes_alone_are_refused(tmp_path):
    with pytest.raises(DataError, match="has no classes of whole pictures, which is what folder holds"):
        write(folder, made([boxed("a", boxes([], []))]), tmp_path)
