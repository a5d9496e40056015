"""A place -> its source: which folder is read, which format is seen, what is refused."""

import zipfile

import pytest
from data_makers import class_folders, drawn, shared

from torchbeam.data.find import FORMATS, NAMED, find
from torchbeam.data.load import load_data
from torchbeam.data.records import PARTS
from torchbeam.errors import DataError

# Which folder is read


@pytest.mark.parametrize("beside", [[], ["LICENSE"], ["README.md", "licence.txt"], ["COPYING"], [".DS_Store"]])
def test_a_folder_that_only_wraps_another_is_entered(tmp_path, beside):
    class_folders(tmp_path / "outer" / "inner", {"cat": 1, "dog": 1})
    for name in beside:
        (tmp_path / "outer" / name).touch()
    assert find(tmp_path).root == tmp_path / "outer" / "inner"


def test_a_folder_with_pictures_or_other_files_is_not_entered(tmp_path):
    class_folders(tmp_path / "outer" / "inner", {"cat": 1, "dog": 1})
    drawn(0).save(tmp_path / "outer" / "loose.png")
    with pytest.raises(DataError, match="only one class found in "):
        find(tmp_path / "outer")


def test_wrapped_parts_are_found(tmp_path):
    class_folders(tmp_path / "outer" / "inner", {"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1})
    source = find(tmp_path)
    assert source.root == tmp_path / "outer" / "inner"
    assert {record.part for record in source.records} == {"train", "test"}


def test_a_train_folder_alone_is_a_wrapper(tmp_path):
    class_folders(tmp_path, {"train/a": 10, "train/b": 10})
    data = load_data(tmp_path)
    assert data.classes == ("a", "b")
    assert [sum(data.counts(part)) for part in PARTS] == [14, 2, 4]


def test_a_test_folder_alone_is_no_wrapper(tmp_path):
    class_folders(tmp_path, {"test/a": 10, "test/b": 10})
    with pytest.raises(DataError, match="has a test folder but none to learn from"):
        find(tmp_path)


def test_one_class_folder_is_no_wrapper(tmp_path):
    class_folders(tmp_path, {"cat": 3})
    with pytest.raises(DataError, match=r"^only one class found in ") as caught:
        find(tmp_path)
    assert caught.value.got == "cat"


def test_endless_empty_folders_are_refused(tmp_path):
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    with pytest.raises(DataError, match="no classes found in "):
        find(tmp_path)


# Places


def test_a_place_that_is_not_there_is_refused():
    with pytest.raises(DataError, match=r"^no data at nowhere/at/all") as caught:
        load_data("nowhere/at/all")
    assert caught.value.expected.startswith("a folder, a .zip, .tar, .csv or .json file, or one of the names digits")
    assert (caught.value.got, caught.value.remedy) == ("nothing there", "check the path")


def test_a_name_nearly_right_is_answered_with_the_nearest():
    with pytest.raises(DataError, match=r"^no data at digit\n") as caught:
        load_data("digit")
    assert caught.value.remedy == "did you mean digits?"


@pytest.mark.parametrize(
    ("place", "near"),
    [
        ("hymenopter", "hymenoptera"),
        ("../set/hymenopter", "../set/hymenoptera"),
        ("hymenopter/train", "hymenoptera/train"),
        ("hymenopter/tran", "hymenoptera"),
        ("hymenoptera/trian", "hymenoptera/train"),
        ("HYMENOPTERA", "hymenoptera"),
        ("moth", "moths.zip"),
        ("moths.txt", "moths.zip"),
        ("minst", "mnist"),
        ("../set/minst", "mnist"),
    ],
)
def test_a_path_nearly_right_is_answered_with_what_lies_beside_it(tmp_path, monkeypatch, place, near):
    class_folders(tmp_path / "set" / "hymenoptera", {"train/ants": 1, "train/bees": 1})
    for name in ("moths.zip", "moths.txt", ".hymenopter"):
        (tmp_path / "set" / name).touch()
    monkeypatch.chdir(tmp_path / "set")
    with pytest.raises(DataError, match=r"^no data at ") as caught:
        find(place)
    assert caught.value.remedy == f"did you mean {near}?"


def test_a_file_of_another_kind_is_no_place(tmp_path):
    (tmp_path / "a.docx").touch()
    with pytest.raises(DataError, match=r"^no data at ") as caught:
        find(tmp_path / "a.docx")
    assert caught.value.got == "a file of another kind"


@pytest.mark.parametrize("place", ["n" * 300, "~nobody-of-this-name/pictures", "a\0b"])
def test_a_place_that_cannot_be_is_refused_like_one_that_is_not_there(place):
    with pytest.raises(DataError, match=r"^no data at ") as caught:
        load_data(place)
    assert caught.value.remedy == "check the path"


def test_home_is_understood(tmp_path, monkeypatch):
    class_folders(tmp_path / "set", {"cat": 2, "dog": 2})
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find("~/set").root == tmp_path / "set"


# Formats


@pytest.mark.parametrize(
    "place, kind, pictures",
    [
        (("mnist",), "mnist", 70_000),
        (("hymenoptera",), "folder", 398),
        (("bccd",), "voc", 364),
        (("membrane",), "masks", 30),
        (("imagenet-samples",), "csv", 50),
        (("imagenet-samples", "labels.csv"), "csv", 50),
    ],
)
def test_real_data_is_told_apart_by_what_lies_there(place, kind, pictures):
    source = find(shared("data", *place), to_learn=False)
    assert (source.kind, len(source.records)) == (kind, pictures)


@pytest.mark.parametrize("name", NAMED)
def test_sets_that_need_no_file_come_by_name(name):
    source = find(name)
    assert source.kind == name and source.root is None and len(source.classes) > 1


def test_class_folders_are_no_other_format(tmp_path):
    class_folders(tmp_path, {"images": 3, "labels": 3, "masks": 3})
    assert [form.name for form in FORMATS if form.here(tmp_path)] == []
    assert find(tmp_path).classes == ("images", "labels", "masks")


def test_an_archive_is_unpacked_into_the_cache_and_read(tmp_path):
    class_folders(tmp_path / "set", {"cat": 3, "dog": 2})
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for path in sorted((tmp_path / "set").rglob("*.png")):
            packed.write(path, path.relative_to(tmp_path))
    source = find(tmp_path / "set.zip", cache=tmp_path / "cache")
    assert source.classes == ("cat", "dog") and len(source.records) == 5
    assert source.root is not None and source.root.is_relative_to(tmp_path / "cache")


def test_a_known_set_without_a_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(DataError) as caught:
        find("stl10", cache=tmp_path)
    assert "stl10" in str(caught.value) and str(tmp_path) in caught.value.remedy
