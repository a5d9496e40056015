"""Which classes each part knows."""

from pathlib import Path

import pytest

from torchbeam.data.records import UNLABELLED, Record, boxes
from torchbeam.data.sources.agreed import agreed, classes_boxed
from torchbeam.errors import DataError

ROOT = Path("set")
CLASSES = ("cat", "dog", "owl")


def test_the_classes_of_boxes_by_part():
    told = [("train", [0, 1, 1]), ("train", [0]), ("val", [2]), ("test", [])]
    records = [
        Record(f"{number}.png", UNLABELLED, part, boxes([[0, 0, 1, 1]] * len(labels), labels))
        for number, (part, labels) in enumerate(told)
    ]
    records.append(Record("none.png", UNLABELLED, "", None))
    assert classes_boxed(records, CLASSES) == {"train": {"cat", "dog"}, "val": {"owl"}, "test": set(), "": set()}


def test_parts_that_know_every_class_need_no_note():
    assert agreed(ROOT, CLASSES, {"train": CLASSES, "val": CLASSES}, to_learn=True) == []
    assert agreed(ROOT, CLASSES, {"": CLASSES}, to_learn=True) == []


def test_what_parts_do_not_have_is_told():
    assert agreed(ROOT, CLASSES, {"train": {"cat", "dog"}, "val": {"dog"}}, True, listed=CLASSES) == [
        "no picture shows: owl",
        "the val part has no pictures of: cat",
    ]


def test_a_class_of_another_part_only_is_refused_unless_it_is_listed():
    parts = {"train": {"cat", "dog"}, "val": {"owl"}}
    with pytest.raises(DataError, match=r"^the val part has classes that the train part does not know") as caught:
        agreed(ROOT, CLASSES, parts, to_learn=True)
    assert caught.value.remedy == "give each of them a picture in train, or take it out"
    assert agreed(ROOT, CLASSES, parts, to_learn=True, listed=CLASSES)
    assert agreed(ROOT, CLASSES, parts, to_learn=False)


def test_pictures_of_no_part_are_learnt_from_too():
    assert agreed(ROOT, CLASSES, {"": {"owl"}, "train": {"cat", "dog"}, "val": CLASSES}, to_learn=True)


def test_something_must_be_there_to_learn_from():
    with pytest.raises(DataError, match=r"^set has pictures of test and val, and none to learn from"):
        agreed(ROOT, CLASSES, {"val": CLASSES, "test": CLASSES}, to_learn=True)
    assert agreed(ROOT, CLASSES, {"val": CLASSES}, to_learn=False) == []


def test_classes_that_are_alike_are_refused():
    with pytest.raises(DataError, match=r"^two classes differ only by capital letters"):
        agreed(ROOT, ("Cat", "cat"), {"train": {"Cat", "cat"}}, to_learn=True)
