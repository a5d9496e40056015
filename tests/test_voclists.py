"""VOC's lists of parts."""

import pytest

from torchbeam.data.records import Fault
from torchbeam.data.sources.voclists import parts_listed

STEMS = ("a", "b", "c", "d", "sub/e")


def listed(tmp_path, folder="Main", **lists):
    place = tmp_path / "ImageSets" / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, text in lists.items():
        (place / f"{name}.txt").write_text(text)
    return parts_listed(tmp_path, STEMS)


def test_a_name_a_line(tmp_path):
    parts, faults = listed(tmp_path, train="a\nb\n", val="c\n", test="d\n", aeroplane_train="a 1\nb -1\nc 1\n")
    assert parts == {"a": "train", "b": "train", "c": "val", "d": "test"}
    assert faults == []


@pytest.mark.parametrize("line", ["a", "a 1", "a  -1", "a.jpg", "JPEGImages/a.PNG", "data/JPEGImages/a.jpg", " a \r"])
def test_what_tools_add_to_names_is_cut_off(tmp_path, line):
    assert listed(tmp_path, train=f"{line}\nsub/e\n")[0] == {"a": "train", "sub/e": "train"}


def test_both_lists_at_once_stand_in_for_what_is_missing(tmp_path):
    assert listed(tmp_path, trainval="a\nb\n", test="c\n")[0] == {"a": "train", "b": "train", "c": "test"}
    assert listed(tmp_path, train="a\n")[0] == {"a": "train", "b": "val", "c": "test"}
    assert listed(tmp_path, val="b\n", trainval="a\nb\nd\n")[0] == {"a": "train", "b": "val", "c": "test"}


def test_nothing_is_taken_from_both_lists_where_train_and_val_are_there(tmp_path):
    assert listed(tmp_path, train="a\n", val="b\n", trainval="a\nb\nc\n")[0] == {"a": "train", "b": "val"}


def test_masks_alone_have_their_lists_elsewhere(tmp_path):
    assert listed(tmp_path, "Segmentation", train="a\n", val="b\n")[0] == {"a": "train", "b": "val"}
    assert listed(tmp_path, "Main", test="a\n")[0] == {"a": "test"}


def test_no_lists_no_parts(tmp_path):
    assert parts_listed(tmp_path, STEMS) == ({}, [])


def test_what_is_wrong_with_lists_is_told(tmp_path):
    parts, faults = listed(tmp_path, train="a\nz\n", test="a\n")
    assert parts == {"a": "test"}
    assert faults == [
        Fault("z", "annotation missing", "train.txt lists it, and nothing of its name is annotated"),
        Fault("a", "in two parts", "in the lists of train and test; taken for test"),
    ]
