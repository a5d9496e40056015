"""A folder of class folders, with or without folders of parts."""

import os
from collections import Counter

import pytest
from data_makers import class_folders, drawn, run_python, shared

from torchbeam.data.sources.folder import alike, here, is_picture, look_alikes, natural, pictures_below, read
from torchbeam.errors import DataError

REMEDY = "put the pictures of each class into a folder of that class's name: DIR/cat/1.jpg, DIR/dog/1.jpg"


def found(root, to_learn=True):
    """(part, class) -> how many pictures."""
    source = read(root, str(root), to_learn)
    return Counter((record.part, source.classes[record.label]) for record in source.records)


# What is found


def test_a_folder_of_class_folders_has_no_parts(tmp_path):
    class_folders(tmp_path, {"dog": 3, "cat": 2})
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root) == ("folder", "here", tmp_path)
    assert source.classes == ("cat", "dog")
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("cat/0.png", 0, ""),
        ("cat/1.png", 0, ""),
        ("dog/0.png", 1, ""),
        ("dog/1.png", 1, ""),
        ("dog/2.png", 1, ""),
    ]
    assert source.notes == ()
    assert source.pictures.image(2).tobytes() == drawn(0).tobytes()


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("training", "validation", "testing"),
        ("Train", "valid", "TEST"),
    ],
)
def test_parts_are_told_by_the_names_of_their_folders(tmp_path, names):
    counts = {f"{part}/{name}": 1 + at for at, part in enumerate(names) for name in ("cat", "dog")}
    class_folders(tmp_path, counts)
    assert found(tmp_path) == {
        (part, name): 1 + at for at, part in enumerate(("train", "val", "test")) for name in ("cat", "dog")
    }


@pytest.mark.parametrize("other", ["val", "test"])
def test_two_parts_are_two_parts(tmp_path, other):
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, f"{other}/a": 1, f"{other}/b": 1})
    assert {part for part, _ in found(tmp_path)} == {"train", other}


def test_classes_are_in_natural_order_and_so_are_their_pictures(tmp_path):
    class_folders(tmp_path, dict.fromkeys(("10", "2", "1", "class 10", "class 9"), 12))
    source = read(tmp_path, "here")
    assert source.classes == ("1", "2", "10", "class 9", "class 10")
    own = [record.path for record in source.records if record.label == 0]
    assert own == [f"1/{number}.png" for number in range(12)]


def test_natural_order_counts_digits_inside_words():
    assert sorted(["b", "a10b2", "a2b10", "a2b9", "a"], key=natural) == ["a", "a2b9", "a2b10", "a10b2", "b"]
    assert sorted(["10", "9", "x"], key=natural) == ["9", "10", "x"]


def test_the_order_of_classes_that_count_alike_is_the_same_in_every_run(tmp_path):
    class_folders(tmp_path, dict.fromkeys(("1", "01", "001", "0001", "00001"), 1))
    script = """
import os, sys
from pathlib import Path
from torchbeam.data.sources.folder import read
print(read(Path(sys.argv[1]), "here").classes)
"""
    seeded = [("env", f"PYTHONHASHSEED={seed}") for seed in range(3)]
    assert len({run_python("-c", script, tmp_path, before=before) for before in seeded}) == 1


def test_nested_pictures_belong_to_the_class_folder_above_them(tmp_path):
    class_folders(tmp_path, {"cat": 1, "cat/home/2020": 2, "cat/wild": 1, "dog/only/below": 3})
    source = read(tmp_path, "here")
    assert found(tmp_path) == {("", "cat"): 4, ("", "dog"): 3}
    assert "cat/home/2020/0.png" in {record.path for record in source.records}


def test_every_suffix_of_a_picture_counts_whatever_its_case(tmp_path):
    for name in ("a.png", "b.JPG", "c.jpeg", "d.Webp", "e.tif", "f.TIFF", "g.bmp", "h.gif", "i.ppm", "j.pgm", "k.jpe"):
        (tmp_path / name).touch()
        assert is_picture(tmp_path / name), name
    for name in ("a.txt", "b.csv", "c", "d.png.txt", ".png", "._e.png", ".hidden.jpg", "Thumbs.db"):
        (tmp_path / name).touch()
        assert not is_picture(tmp_path / name), name
    assert len(pictures_below(tmp_path)) == 11


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    class_folders(tmp_path, {"cat": 2, "dog": 2, ".thumbnails": 3, "cat/.cache": 3})
    drawn(0).save(tmp_path / "cat" / "._0.png")
    (tmp_path / ".DS_Store").touch()
    assert found(tmp_path) == {("", "cat"): 2, ("", "dog"): 2}


def test_a_folder_by_the_name_of_a_picture_is_a_folder(tmp_path):
    class_folders(tmp_path, {"cat/album.jpg": 2, "dog": 1})
    assert not is_picture(tmp_path / "cat" / "album.jpg")
    assert found(tmp_path) == {("", "cat"): 2, ("", "dog"): 1}


def test_a_link_that_leads_back_up_brings_no_picture_twice(tmp_path):
    class_folders(tmp_path, {"cat": 2, "dog": 2})
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    assert found(tmp_path) == {("", "cat"): 2, ("", "dog"): 2}


def test_a_link_to_a_folder_elsewhere_is_a_class(tmp_path):
    class_folders(tmp_path, {"kept/cat": 2, "here/dog": 2})
    (tmp_path / "here" / "cat").symlink_to(tmp_path / "kept" / "cat")
    (tmp_path / "here" / "dog" / "gone.png").symlink_to(tmp_path / "nothing")
    assert found(tmp_path / "here") == {("", "cat"): 2, ("", "dog"): 2}


def test_names_of_every_kind_are_names(tmp_path):
    names = ["a, b", 'say "cat"', "new\nline", "網", " ", "a;b", os.fsdecode(b"caf\xe9")]
    class_folders(tmp_path, dict.fromkeys(names, 1))
    assert set(read(tmp_path, "here").classes) == set(names)


def test_names_at_their_limits_are_read(tmp_path):
    longest, odd = "x" * 251 + ".png", os.fsdecode(b"a\nb\xe9.png")
    class_folders(tmp_path, {"cat": 1, "dog": 1, "x.png/inner.jpg": 1})
    for name in (longest, odd):
        drawn(7).save(tmp_path / "cat" / "held.png")
        (tmp_path / "cat" / "held.png").rename(tmp_path / "cat" / name)
    source = read(tmp_path, "here")
    assert source.classes == ("cat", "dog", "x.png")
    assert {record.path for record in source.records if record.label == 0} == {
        "cat/0.png",
        f"cat/{longest}",
        f"cat/{odd}",
    }
    assert all(source.pictures.image(at).size == (24, 18) for at in range(len(source.records)))


def test_a_pipe_is_never_opened(tmp_path):
    class_folders(tmp_path, {"cat": 1, "dog": 1})
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    os.mkfifo(tmp_path / "loose.jpg")
    assert found(tmp_path) == {("", "cat"): 1, ("", "dog"): 1}


def test_links_that_lead_nowhere_or_to_themselves_are_passed_over(tmp_path):
    class_folders(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "cat" / "dead.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "cat" / "loop.jpg").symlink_to(tmp_path / "cat" / "loop.jpg")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert found(tmp_path) == {("", "cat"): 1, ("", "dog"): 1}


def test_links_between_two_folders_end(tmp_path):
    class_folders(tmp_path, {"kept/cat": 1, "kept/more": 2, "here/dog": 1})
    for at in range(2):  # two ways at every step, which taken each time would never end
        (tmp_path / "kept" / "cat" / f"to{at}").symlink_to(tmp_path / "kept" / "more")
        (tmp_path / "kept" / "more" / f"back{at}").symlink_to(tmp_path / "kept" / "cat")
    (tmp_path / "here" / "cat").symlink_to(tmp_path / "kept" / "cat")
    assert found(tmp_path / "here") == {("", "cat"): 3, ("", "dog"): 1}


def test_here_asks_for_a_picture_in_some_folder(tmp_path):
    assert not here(tmp_path)
    assert not here(tmp_path / "nothing")
    drawn(1).save(tmp_path / "loose.png")
    class_folders(tmp_path, {"a": 0})
    assert not here(tmp_path)
    class_folders(tmp_path, {"a/b": 1})
    assert here(tmp_path)


# What is a part and what a class


def test_train_with_pictures_directly_inside_is_a_class(tmp_path):
    class_folders(tmp_path, {"train": 3, "plane": 2, "car": 2})
    assert found(tmp_path) == {("", "car"): 2, ("", "plane"): 2, ("", "train"): 3}


def test_train_with_pictures_and_folders_inside_is_a_class(tmp_path):
    class_folders(tmp_path, {"train": 3, "train/steam": 2, "plane": 2})
    assert found(tmp_path) == {("", "plane"): 2, ("", "train"): 5}


def test_an_empty_folder_by_the_name_of_a_part_is_no_part(tmp_path):
    class_folders(tmp_path, {"cat": 2, "dog": 2, "test": 0})
    source = read(tmp_path, "here")
    assert source.classes == ("cat", "dog")
    assert source.notes == ("left out, no pictures inside: test",)


def test_test_without_class_folders_is_a_class(tmp_path):
    class_folders(tmp_path, {"test": 3, "other": 2})
    assert found(tmp_path) == {("", "test"): 3, ("", "other"): 2}


def test_parts_inside_a_class_are_no_parts(tmp_path):
    class_folders(tmp_path, {"cat/train": 2, "cat/test": 1, "dog/train": 1})
    assert found(tmp_path) == {("", "cat"): 3, ("", "dog"): 1}


def test_folders_beside_the_parts_are_left_out_and_noted(tmp_path):
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1, "extra/a": 4, "docs": 0})
    source = read(tmp_path, "here")
    assert {part for part, _ in found(tmp_path)} == {"train", "test"}
    assert source.notes == ("left out, beside the parts: docs, extra",)


# What is noted


def test_an_empty_class_folder_is_left_out_and_noted(tmp_path):
    class_folders(tmp_path, {"cat": 2, "dog": 2, "cow": 0, "horse": 0})
    (tmp_path / "cow" / "notes.txt").write_text("none yet")
    source = read(tmp_path, "here")
    assert source.classes == ("cat", "dog")
    assert source.notes == ("left out, no pictures inside: cow, horse",)


def test_an_empty_class_folder_of_a_part_is_noted_with_its_part(tmp_path):
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, "train/c": 0, "test/a": 1, "test/b": 1})
    assert read(tmp_path, "here").notes == ("left out in train, no pictures inside: c",)


def test_a_class_that_the_test_misses_is_noted(tmp_path):
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, "train/c": 2, "test/a": 1, "val/b": 1, "val/c": 1})
    source = read(tmp_path, "here")
    assert source.classes == ("a", "b", "c")
    assert set(source.notes) == {
        "the test folder has no pictures of: b, c",
        "the val folder has no pictures of: a",
    }


def test_labels_go_by_name_where_a_part_misses_a_class_in_the_middle(tmp_path):
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, "train/c": 2, "val/a": 1, "val/c": 1})
    source = read(tmp_path, "here")
    val = {record.path: source.classes[record.label] for record in source.records if record.part == "val"}
    assert val == {"val/a/0.png": "a", "val/c/0.png": "c"}
    assert source.notes == ("the val folder has no pictures of: b",)


# Names that are alike

ONLY = "differ only by capital letters, spaces or the coding of their letters"
NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("one", "other"), [("Cat", "cat"), ("cat", "cat "), ("big  cat", "big cat"), (NFC, NFD), ("STRASSE", "straße")]
)
def test_two_classes_that_are_alike_are_refused(tmp_path, one, other):
    class_folders(tmp_path, {one: 2, other: 2, "dog": 1})
    with pytest.raises(DataError, match=f"^two classes {ONLY}") as caught:
        read(tmp_path, "here")
    assert set(caught.value.got.split(" and ")) in ({repr(one), repr(other)}, {ascii(one), ascii(other)})
    assert caught.value.remedy == "merge them, or rename one if they are two things"


def test_the_difference_between_alike_names_can_be_seen(tmp_path):
    class_folders(tmp_path, {NFC: 1, NFD: 1})
    with pytest.raises(DataError) as caught:
        read(tmp_path, "here")
    assert caught.value.got == "'cafe\\u0301' and 'caf\\xe9'"


def test_classes_that_are_alike_are_noted_where_nothing_is_learnt(tmp_path):
    class_folders(tmp_path, {"Cat": 2, "cat": 2})
    assert read(tmp_path, "here", to_learn=False).notes == (f"two classes {ONLY}: 'Cat' and 'cat'",)


def test_an_unknown_class_that_is_alike_to_a_known_one_gets_the_hint(tmp_path):
    class_folders(tmp_path, {"train/Cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    with pytest.raises(DataError, match=r"^the val folder has classes that the train folder does not know") as caught:
        read(tmp_path, "here")
    assert caught.value.remedy == f"give them one name: 'Cat' and 'cat' {ONLY}"


def test_an_empty_folder_that_is_alike_does_no_harm(tmp_path):
    class_folders(tmp_path, {"Cat": 0, "cat": 2, "dog": 2})
    assert read(tmp_path, "here").classes == ("cat", "dog")


def test_names_are_alike_without_case_blanks_and_coding():
    assert alike(" Big\t CAFE\u0301 ") == alike("big café") == "big café"
    assert look_alikes(["a", "B", "A", "c", "b"]) == [["a", "A"], ["B", "b"]]
    assert look_alikes(["a", "b", "\udce9"]) == []


# What is refused


def test_two_folders_for_one_part_are_refused(tmp_path):
    class_folders(tmp_path, {"train/a": 1, "train/b": 1, "val/a": 1, "validation/b": 1})
    with pytest.raises(DataError, match="has two folders for the val part") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "val and validation"


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_only_another_part_knows_is_refused(tmp_path, part):
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, f"{part}/a": 1, f"{part}/z": 1, f"{part}/y": 1})
    with pytest.raises(
        DataError, match=f"^the {part} folder has classes that the train folder does not know"
    ) as caught:
        read(tmp_path, "here")
    assert caught.value.expected == "a, b"
    assert caught.value.got == "y, z"
    assert caught.value.remedy == "give each of them a folder in train, or take it out"


def test_one_class_is_refused(tmp_path):
    class_folders(tmp_path, {"cat": 3})
    with pytest.raises(DataError, match=r"^only one class found in ") as caught:
        read(tmp_path, "here")
    assert caught.value.expected == "at least two classes to tell apart"
    assert caught.value.got == "cat"
    assert caught.value.remedy == REMEDY


def test_one_class_will_do_where_nothing_is_learnt(tmp_path):
    class_folders(tmp_path, {"cat": 3})
    assert found(tmp_path, to_learn=False) == {("", "cat"): 3}


def test_a_test_folder_alone_will_do_where_nothing_is_learnt(tmp_path):
    class_folders(tmp_path, {"test/a": 3, "test/b": 1, "val/c": 1})
    assert found(tmp_path, to_learn=False) == {("test", "a"): 3, ("test", "b"): 1, ("val", "c"): 1}


def test_parts_without_one_to_learn_from_are_refused(tmp_path):
    class_folders(tmp_path, {"val/a": 2, "val/b": 2, "test/a": 1, "test/b": 1})
    with pytest.raises(DataError, match="has a test and a val folder but none to learn from") as caught:
        read(tmp_path, "here")
    assert caught.value.expected == "a folder named train beside them"


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^no classes found in ") as caught:
        read(tmp_path, "here")
    assert caught.value.expected == "one folder of pictures per class"
    assert caught.value.got == "no folder that holds a picture"
    assert caught.value.remedy == REMEDY


def test_folders_without_pictures_are_refused(tmp_path):
    class_folders(tmp_path, {"a": 0, "b": 0})
    (tmp_path / "a" / "table.csv").touch()
    with pytest.raises(DataError, match=r"^no classes found in ") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "no folder that holds a picture"


def test_loose_pictures_are_refused_with_the_remedy(tmp_path):
    for number in range(3):
        drawn(number).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match=r"^no classes found in ") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "3 pictures that lie loose"
    assert caught.value.remedy == REMEDY


# Real folders


@pytest.mark.shared
def test_ants_and_bees_are_found_in_their_parts():
    root = shared("data", "hymenoptera", "hymenoptera_data")
    assert here(root)
    source = read(root, str(root))
    assert source.classes == ("ants", "bees")
    counts = Counter((record.part, source.classes[record.label]) for record in source.records)
    assert counts == {("train", "ants"): 124, ("train", "bees"): 121, ("val", "ants"): 70, ("val", "bees"): 83}
