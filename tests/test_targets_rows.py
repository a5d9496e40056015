"""What formats have in common that hold a part in one file."""

import numpy as np
import pytest
from data_makers import drawn
from target_makers import Held, boxed, made

from torchbeam.data.records import UNLABELLED, Record, boxes
from torchbeam.data.targets.rows import check_classes, check_size, halves, labelled, pixels, rows_lost
from torchbeam.errors import DataError


def paths(samples):
    return [sample.record.path for sample in samples]


def named(*parts):
    return made([Record(f"{number}{part}", 0, part) for number, part in enumerate(parts)])


def test_train_and_test_stay_and_val_joins_train():
    readable = named("test", "val", "train", "")
    assert {half: paths(own) for half, own in halves(readable).items()} == {
        "train": ["1val", "2train", "3"],
        "test": ["0test"],
    }
    assert rows_lost(readable) == {
        "pictures of val (written as train)": 1,
        "pictures of no part (written as train)": 1,
    }


def test_val_is_the_test_where_there_is_none():
    readable = named("val", "train")
    assert {half: paths(own) for half, own in halves(readable).items()} == {"train": ["1train"], "test": ["0val"]}
    assert rows_lost(readable) == {"pictures of val (written as test)": 1}


def test_without_parts_all_is_train():
    assert list(halves(named("", ""))) == ["train"]
    assert rows_lost(named("", "")) == {"pictures of no part (written as train)": 2}


def test_boxes_and_masks_are_lost_and_pictures_without_a_class_not_written():
    mask = Held({0: np.zeros((18, 24), np.int32)})
    readable = made(
        [boxed("a", boxes([(0, 0, 1, 1)], [0]), "train", 0, True), Record("b", UNLABELLED, "train")], masks=mask
    )
    assert rows_lost(readable) == {"boxes": 1, "masks": 1}
    assert paths(labelled(readable)) == ["a"]


def test_pixels_are_those_of_the_picture_in_the_mode_asked_for():
    readable = made([Record("a", 0)])
    assert (pixels(readable, readable.samples[0], "RGB") == np.asarray(drawn(0))).all()
    grey = made([Record("a", 0)], mode="L")
    assert (pixels(grey, grey.samples[0], "RGB") == np.asarray(drawn(0, mode="L"))[:, :, None]).all()


def test_another_size_is_refused():
    with pytest.raises(DataError, match="mnist holds pictures of one size, and 2 have another") as caught:
        check_size(made([Record("a", 0), Record("b", 0)]), "mnist", (28, 28))
    assert (caught.value.expected, caught.value.got) == ("28x28", "a is 24x18")
    check_size(made([Record("a", 0)]), "mnist", (24, 18))


def test_too_many_classes_are_refused():
    readable = made([Record("a", 0)], tuple(map(str, range(11))))
    with pytest.raises(DataError, match="cifar holds at most 10 classes") as caught:
        check_classes(readable, "cifar", 10)
    assert caught.value.got == "11"
    check_classes(readable, "cifar", 11)
