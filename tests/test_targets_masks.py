"""Folders of pictures and masks, as written and read back."""

import numpy as np
import pytest
from PIL import Image
from target_makers import Held, boxed, made, tree, write

from torchbeam.data.records import IGNORE, Record, boxes
from torchbeam.data.regions import Outlines
from torchbeam.data.sources import masks as source
from torchbeam.data.targets import masks
from torchbeam.errors import DataError

MASK = np.array([[0, 1, 2], [IGNORE, 2, 0]], dtype=np.int32)


def test_masks_lie_beside_their_pictures_part_by_part(tmp_path):
    records = [Record("a", -1, "train", masked=True), Record("x/b", -1, "test", masked=True)]
    readable = made(records, size=(3, 2), masks=Held({0: MASK, 1: MASK}))
    assert masks.lost(readable) == {}
    write(masks, readable, tmp_path)
    assert tree(tmp_path) == [
        "classes.txt", "images/test/x/b.png", "images/train/a.png", "masks/test/x/b.png", "masks/train/a.png",
    ]  # fmt: skip
    assert (tmp_path / "classes.txt").read_text() == "background\ncat\ndog\n"
    with Image.open(tmp_path / "masks/train/a.png") as image:
        assert np.asarray(image).tolist() == [[0, 1, 2], [255, 2, 0]]
    again = source.read(tmp_path, "here", False)
    assert again.classes == ("cat", "dog")
    assert [(one.path, one.part) for one in again.records] == [
        ("images/train/a.png", "train"), ("images/test/x/b.png", "test"),
    ]  # fmt: skip
    assert (again.masks.mask(0) == MASK).all() and (again.masks.mask(1) == MASK).all()


def test_shapes_of_boxes_are_painted_and_what_is_lost_counted(tmp_path):
    shape = Outlines((np.array([(0, 0), (2, 0), (2, 1), (0, 1)], dtype=np.float64),))
    records = [
        boxed("a", boxes([(0, 0, 2, 1)] * 2, [1, 1], [shape] * 2, [1, 0], [1, 0]), "train", 1),
        boxed("b", boxes([(0, 0, 2, 1)], [0]), "train"),
        boxed("c", boxes([], [])),
    ]
    readable = made(records, ("cat", "a:b"), (3, 2))
    assert masks.lost(readable) == {
        "pictures without a mask (left out)": 1,
        "classes of whole pictures": 1,
        "boxes": 3,
        "boxes marked difficult": 1,
        "boxes marked as crowds (iscrowd)": 1,
        "shapes partly under another": 1,
        "pictures of no part (written as train)": 1,
        "names of classes (written with other signs)": 1,
    }
    assert write(masks, readable, tmp_path) == ["a", "c"]
    with Image.open(tmp_path / "masks/train/a.png") as image:
        assert np.asarray(image).tolist() == [[2, 2, 0], [0, 0, 0]]
    with Image.open(tmp_path / "masks/train/c.png") as image:
        assert not np.asarray(image).any()


def test_boxes_without_shapes_and_classes_alone_are_refused():
    with pytest.raises(DataError, match="has boxes but no shapes, of which a mask could be made"):
        masks.check(made([boxed("a", boxes([(0, 0, 2, 1)], [0]))]))
    with pytest.raises(DataError, match="has neither boxes nor masks, which is what masks holds"):
        masks.check(made([Record("a", 0)]))
