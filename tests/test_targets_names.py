"""Names of written files and classes."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_makers import made

from torchbeam.data.records import Record
from torchbeam.data.targets.names import Names, flat, folder_names, line_names, listed_names, name_of, safe


def sample(path, part="", form="JPEG"):
    one = made([Record(path, 0, part)]).samples[0]
    return dataclasses.replace(one, facts=dataclasses.replace(one.facts, format=form))


@pytest.mark.parametrize(
    ("path", "part", "name"),
    [
        ("cat/1.jpg", "", "cat/1.jpg"),
        ("train/cat/1.jpg", "train", "cat/1.jpg"),
        ("JPEGImages/blood 1.jpg", "val", "blood 1.jpg"),
        ("valid/images/sub/1.JPG", "val", "sub/1.JPG"),
        ("images/train2017/1.jpg", "train", "1.jpg"),
        ("train/1.jpg", "", "train/1.jpg"),  # a class of trains
        ("images", "", "images.jpg"),
        ("a/b.c/1", "", "a/b.c/1.jpg"),
        ('a/what?"<x>|y*.jpg', "", "a/what___x__y_.jpg"),
        ("a/../.hidden/x.jpg", "", "a/_/_hidden/x.jpg"),
        ("café/網.jpg", "", "café/網.jpg"),
        ("caf\udce9.jpg", "", "caf_.jpg"),
    ],
)
def test_a_picture_keeps_its_path_less_parts_and_layout(path, part, name):
    assert name_of(sample(path, part)) == name


@pytest.mark.parametrize(("form", "suffix"), [("PNG", ".png"), ("MPO", ".jpg"), ("TIFF", ".tif"), ("PPM", ".ppm")])
def test_a_file_without_a_suffix_gets_that_of_its_format(form, suffix):
    assert name_of(sample("picture", form=form)) == "picture" + suffix


def test_what_is_no_file_becomes_a_png():
    assert name_of(sample("train#00001", "train", form="")) == "train_00001.png"
    assert name_of(sample("a.jpg", form="")) == "a.png"


def test_a_name_that_is_taken_gets_a_number():
    names = Names(by_stem=False)
    wanted = ["a.jpg", "A.jpg", "a.png", "b/a.jpg", "a.jpg"]
    assert [names.free(name) for name in wanted] == ["a.jpg", "A-2.jpg", "a.png", "b/a.jpg", "a-3.jpg"]


def test_by_stem_another_suffix_does_not_make_another_name():
    names = Names(by_stem=True)
    assert [names.free(name) for name in ("a.jpg", "a.png", "a-2.gif")] == ["a.jpg", "a-2.png", "a-2-2.gif"]


def test_flat_names_have_neither_folders_nor_blanks():
    assert flat("cat/my 1.jpg") == "cat_my_1.jpg"


@given(st.text(min_size=1))
def test_a_safe_name_is_one_name_that_is_not_passed_over(name):
    told = safe(name)
    assert told and "/" not in told and not told.startswith(".") and told not in (".", "..")
    assert told.encode("utf-8") and "\0" not in told
    assert safe(told) == told


@given(st.lists(st.text(max_size=6), unique=True, max_size=8))
def test_names_of_classes_stay_unlike_each_other(classes):
    assert len({name.casefold() for name in folder_names(classes)}) == len(classes)
    for names in (line_names(classes), listed_names(classes)):
        assert len(set(names)) == len(classes)
        assert all(name and len(name.splitlines()) == 1 and name == name.strip() for name in names)
    assert not any(":" in name or "#" in name for name in listed_names(classes))


def test_plain_names_of_classes_stay_as_they_are():
    classes = ("cat", "網", "a b", "C#: sharp")
    assert line_names(classes) == classes
    assert listed_names(classes) == ("cat", "網", "a b", "C__ sharp")
    assert folder_names(("a/b", "a_b", ".", "Cat", "cat")) == ("a_b", "a_b-2", "_", "Cat", "cat-2")


def test_a_word_for_the_background_is_no_class_in_a_list_that_has_one():
    assert listed_names(("background", "cat", "Unlabeled")) == ("background-2", "cat", "Unlabeled-2")
    assert line_names(("background", "cat")) == ("background", "cat")
