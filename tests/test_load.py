"""load_data: from a place to pictures, all of them looked at, split, the bad ones set aside."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_makers import class_folders, drawn, encoded, run_bound, shared
from PIL import Image
from sklearn.datasets import load_digits

from torchbeam.data.load import LARGEST_SIDE, load_data
from torchbeam.data.records import PARTS
from torchbeam.data.split import to_csv
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError
from torchbeam.files import write_whole


def damaged(number: int) -> bytes:
    return encoded(drawn(number))[:-60]


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture
def cats_and_dogs(tmp_path):
    return class_folders(tmp_path / "set", {"cat": 10, "dog": 20})


# What comes of it


def test_digits_are_all_read_and_split(digits):
    assert (digits.kind, digits.place, digits.root) == ("digits", "digits", None)
    assert len(digits.records) == len(digits.digests) == len(digits.sizes) == 1797
    assert digits.numbers == tuple(range(1797))
    assert digits.skipped == ()
    assert digits.grey
    assert digits.volume() == Volume(1, 8, 8)
    published = np.bincount(load_digits().target).tolist()  # 178, 182, 177, ...
    assert [sum(counts) for counts in zip(*(digits.counts(part) for part in PARTS), strict=True)] == published
    assert digits.counts("test") == tuple(round(count / 5) for count in published)


def test_a_folder_is_read_with_its_classes_sizes_and_content(cats_and_dogs):
    data = load_data(cats_and_dogs)
    assert (data.kind, data.place, data.root) == ("folder", str(cats_and_dogs), cats_and_dogs)
    assert data.classes == ("cat", "dog")
    assert [record.label for record in data.records] == [0] * 10 + [1] * 20
    assert set(data.sizes) == {(24, 18)}
    assert data.volume() == Volume(3, 18, 24)
    assert not data.grey
    assert [data.counts(part) for part in PARTS] == [(7, 14), (1, 2), (2, 4)]


def test_digests_are_sha_256_of_the_files(cats_and_dogs):
    data = load_data(cats_and_dogs)
    for record, digest in zip(data.records, data.digests, strict=True):
        assert hashlib.sha256((cats_and_dogs / record.path).read_bytes()).hexdigest() == digest


def test_the_split_is_the_same_wherever_the_folder_lies_and_whatever_its_files_are_called(cats_and_dogs, tmp_path):
    before = load_data(cats_and_dogs)
    other = tmp_path / "moved"
    for at, path in enumerate(sorted(cats_and_dogs.rglob("*.png"), reverse=True)):
        (other / path.parent.name).mkdir(parents=True, exist_ok=True)
        (other / path.parent.name / f"renamed {at}.png").write_bytes(path.read_bytes())
    after = load_data(other)
    assert [record.path for record in after.records] != [record.path for record in before.records]
    assert dict(zip(after.digests, after.split.parts, strict=True)) == dict(
        zip(before.digests, before.split.parts, strict=True)
    )
    assert after.digest(after.split) == before.digest(before.split)


def test_the_digest_of_the_data_tells_parts_classes_and_content_apart(cats_and_dogs):
    data = load_data(cats_and_dogs)
    own = data.digest(data.split)
    other = "val" if data.split.parts[0] == "test" else "test"
    moved = replace(data.split, parts=(other, *data.split.parts[1:]))
    named = replace(data, classes=("cat", "wolf"))
    changed = replace(data, digests=("0" * 64, *data.digests[1:]))
    assert len({own, data.digest(moved), named.digest(data.split), changed.digest(data.split)}) == 4


def test_a_class_whose_name_is_not_utf_8_has_a_digest_and_a_split_that_can_be_written(tmp_path):
    class_folders(tmp_path / "set", {os.fsdecode(b"caf\xe9"): 5, "tea": 5})
    data = load_data(tmp_path / "set")
    assert len(data.digest(data.split)) == 64
    write_whole(tmp_path / "split.csv", to_csv(data.records, data.digests, data.classes, data.groups, data.split.parts))


def test_grey_is_grey_only_where_every_picture_is(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            drawn(number + 10 * len(name), mode="L").save(tmp_path / name / f"{name}{number}.png")
    assert load_data(tmp_path).grey
    assert load_data(tmp_path).volume() == Volume(1, 18, 24)
    drawn(99).save(tmp_path / "dog" / "colour.png")
    assert not load_data(tmp_path).grey


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(30, 20)] * 3, None),
        ([(100, 50), (60, 61), (40, 300)], 48),  # smaller sides 40, 50, 60: half of them reach 50
        ([(100, 50), (60, 61)], 56),  # 50 and 60: half of them reach 60
        ([(5, 9), (6, 7)], 8),
        ([(4000, 3000), (3000, 4000)], LARGEST_SIDE),
    ],
)
def test_the_input_is_the_pictures_own_size_or_a_square_that_suits_half_of_them(digits, sizes, side):
    assert LARGEST_SIDE >= 56
    expected = Volume(1, side, side) if side else Volume(1, 20, 30)
    assert replace(digits, sizes=tuple(sizes)).volume() == expected


def test_a_picture_on_its_side_counts_by_its_upright_size(tmp_path):
    tags = Image.Exif()
    tags[274] = 6
    class_folders(tmp_path, {"cat": 5, "dog": 5})
    for path in tmp_path.rglob("*.png"):
        Image.open(path).save(path, exif=tags)
    assert load_data(tmp_path).volume() == Volume(3, 24, 18)


# Pictures that cannot be read


def test_bad_pictures_are_set_aside_with_the_reason_and_the_rest_is_used(cats_and_dogs):
    (cats_and_dogs / "cat" / "0.png").write_bytes(damaged(0))
    (cats_and_dogs / "cat" / "text.png").write_text("no picture")
    (cats_and_dogs / "dog" / "empty.png").touch()
    data = load_data(cats_and_dogs)
    reasons = {bad.path: bad.reason for bad in data.skipped}
    assert set(reasons) == {"cat/0.png", "cat/text.png", "dog/empty.png"}
    assert reasons["cat/0.png"].startswith("cat/0.png is damaged or cut off (")
    assert reasons["cat/text.png"] == "cat/text.png is not a picture (text)"
    assert reasons["dog/empty.png"] == "dog/empty.png is not a picture (an empty file)"
    assert Counter(record.label for record in data.records) == {0: 9, 1: 20}
    assert len(data.split.parts) == len(data.digests) == len(data.numbers) == 29


def test_numbers_lead_from_records_to_their_own_pictures_past_the_gaps(cats_and_dogs):
    for name in ("cat/0.png", "cat/4.png", "dog/0.png", "dog/19.png"):
        (cats_and_dogs / name).write_bytes(b"gone")
    data = load_data(cats_and_dogs)
    assert len(data.records) == 26
    for record, number in zip(data.records, data.numbers, strict=True):
        own = Image.open(cats_and_dogs / record.path)
        assert data.pictures.image(number).tobytes() == own.tobytes(), record.path


def test_a_class_of_which_nothing_can_be_read_is_refused(cats_and_dogs):
    for path in (cats_and_dogs / "cat").iterdir():
        path.write_bytes(b"\0\1\2")
    with pytest.raises(DataError, match=r"^no picture to learn from can be read of: cat") as caught:
        load_data(cats_and_dogs)
    assert caught.value.got.splitlines() == [
        f"cat/{number}.png is not a picture (bytes that begin with 00 01 02)" for number in range(3)
    ]
    assert caught.value.remedy == "mend the pictures, or take the class out"


def test_a_class_that_can_be_read_in_the_test_only_is_refused(tmp_path):
    class_folders(tmp_path, {"train/a": 5, "train/b": 1, "test/a": 2, "test/b": 2})
    (tmp_path / "train" / "b" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match="no picture to learn from can be read of: b"):
        load_data(tmp_path)


def test_a_place_of_which_nothing_can_be_read_is_refused_also_where_nothing_is_learnt(tmp_path):
    class_folders(tmp_path / "set", {"cat": 2})
    for path in (tmp_path / "set" / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"^no picture at .* can be read") as caught:
        load_data(tmp_path / "set", to_learn=False)
    assert caught.value.got.startswith("cat/0.png is not a picture (an empty file)")
    assert caught.value.remedy == "mend the pictures"


def test_too_few_pictures_for_every_part_are_refused(tmp_path):
    class_folders(tmp_path, {"cat": 1, "dog": 1})
    with pytest.raises(DataError, match=r"^nothing is left for the (val|test) part"):
        load_data(tmp_path)


# Parts


def test_train_and_val_folders_become_train_validation_and_test(tmp_path):
    class_folders(tmp_path, {"train/a": 20, "train/b": 30, "val/a": 4, "val/b": 3})
    data = load_data(tmp_path)
    assert [data.counts(part) for part in PARTS] == [(18, 27), (2, 3), (4, 3)]
    assert data.split.origins["test"] == "the source's val part"


@pytest.mark.parametrize("beside", ["docs", "test", "val/a"])
def test_a_train_folder_without_pictures_in_another_part_is_split_as_if_it_had_no_name(tmp_path, beside):
    class_folders(tmp_path, {"train/a": 20, "train/b": 10, beside: 0})
    data = load_data(tmp_path)
    assert [data.counts(part) for part in PARTS] == [(14, 7), (2, 1), (4, 2)]


def test_where_nothing_is_learnt_the_parts_are_as_named(tmp_path):
    class_folders(tmp_path, {"test/a": 2, "test/b": 1})
    data = load_data(tmp_path, to_learn=False)
    assert data.split.parts == ("test",) * 3
    assert data.counts("test") == (2, 1)


def test_where_nothing_is_learnt_one_class_without_parts_will_do(tmp_path):
    class_folders(tmp_path / "set", {"cat": 2})
    data = load_data(tmp_path / "set", to_learn=False)
    assert (data.classes, data.split.parts) == (("cat",), ("", ""))


def test_notes_of_the_source_are_kept(tmp_path):
    class_folders(tmp_path, {"cat": 5, "dog": 5, "cow": 0})
    assert load_data(tmp_path).notes == ("left out, no pictures inside: cow",)


# Places


READER = """
import json, sys
from torchbeam.data.load import load_data
from torchbeam.errors import TorchbeamError

told = []
for place in sys.argv[1:]:
    try:
        data = load_data(place)
        told.append([len(data.records), [bad.reason for bad in data.skipped]])
    except TorchbeamError as error:
        told.append([type(error).__name__, error.what, error.got])
    except Exception as error:
        told.append([type(error).__name__, str(error)])
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told_by_a_bound_reader(tmp_path_factory):
    """What load_data says where a picture, a class folder, the place, or the folder above it may not be read."""
    root = tmp_path_factory.mktemp("closed")
    names = ("picture", "class", "place", "above")
    for name in names:
        class_folders(root / name / "set", {"cat": 5, "dog": 5})
    shut = {"picture": "set/cat/0.png", "class": "set/cat", "place": "set", "above": "."}
    for name in names:
        (root / name / shut[name]).chmod(0)
    try:
        told = json.loads(run_bound(root, "-c", READER, *(root / name / "set" for name in names)))
    finally:
        for name in names:
            (root / name / shut[name]).chmod(0o755)
    return root, dict(zip(names, told, strict=True))


def test_a_picture_that_may_not_be_read_is_set_aside(told_by_a_bound_reader):
    root, told = told_by_a_bound_reader
    assert told["picture"] == [9, [f"cannot read {root / 'picture/set/cat/0.png'} (Permission denied)"]]


@pytest.mark.parametrize(("name", "inner"), [("class", "set/cat"), ("place", "set")])
def test_a_folder_that_may_not_be_read_is_refused(told_by_a_bound_reader, name, inner):
    root, told = told_by_a_bound_reader
    assert told[name] == ["DataError", f"cannot read {root / name / inner}", "Permission denied"]


def test_a_place_below_a_folder_that_may_not_be_entered_is_refused(told_by_a_bound_reader):
    _, told = told_by_a_bound_reader
    assert told["above"][0] == "DataError"


@pytest.mark.shared
def test_real_photos_are_read_and_the_second_folder_is_the_test():
    data = load_data(shared("data", "hymenoptera"))
    assert data.classes == ("ants", "bees")
    assert len(data.records) + len(data.skipped) == 398
    assert data.counts("test") == (70, 83)
    assert sum(data.counts("train")) + sum(data.counts("val")) >= 244
    assert isinstance(data.root, Path) and data.root.name == "hymenoptera_data"


def test_pictures_that_are_in_two_parts_or_two_classes_are_told(tmp_path):
    class_folders(tmp_path, {"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2})
    again = (tmp_path / "train" / "a" / "0.png").read_bytes()
    (tmp_path / "test" / "a" / "copy.png").write_bytes(again)
    (tmp_path / "train" / "b" / "copy.png").write_bytes(again)
    notes = " ".join(load_data(tmp_path).notes)
    assert "1 pictures are in train and again in test: its figure is too good" in notes
    assert "1 pictures are in two classes at once" in notes


def test_a_class_of_nothing_but_a_copy_of_anothers_picture_is_still_learnt_from(tmp_path):
    class_folders(tmp_path, {"a": 15, "b": 15, "c": 0})
    smallest = min((tmp_path / "a").iterdir(), key=lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
    (tmp_path / "c" / "copy.png").write_bytes(smallest.read_bytes())
    data = load_data(tmp_path)
    assert data.counts("train")[2] == 1 and "1 pictures are in two classes at once" in data.notes[-1]


# What is told to it: lists, groups, an earlier split


def test_near_copies_stay_in_one_part_and_that_is_told(tmp_path):
    class_folders(tmp_path, {"a": 20, "b": 20}, suffix=".png")
    for number in range(6):
        with Image.open(tmp_path / "a" / f"{number}.png") as picture:
            picture.resize((96, 72)).save(tmp_path / "a" / f"{number}-large.png")
            picture.resize((96, 72)).save(tmp_path / "a" / f"{number}-saved.jpg", quality=70)
    data = load_data(tmp_path)
    part_of = dict(zip((record.path for record in data.records), data.split.parts, strict=True))
    for number in range(6):
        assert part_of[f"a/{number}-large.png"] == part_of[f"a/{number}-saved.jpg"]
    assert any("near copies of others; they stay in one part with them" in note for note in data.notes)
    assert sum(group.startswith("copies-") for group in data.groups) >= 12


def test_groups_of_a_pattern_never_part_and_have_its_names(tmp_path):
    class_folders(tmp_path, {f"{name}/patient{number}": 4 for name in "ab" for number in range(9)})
    data = load_data(tmp_path, group_by=r"(patient\d+)")
    parts: dict[str, set[str]] = {}
    for group, part in zip(data.groups, data.split.parts, strict=True):
        parts.setdefault(group, set()).add(part)
    assert set(parts) == {f"patient{number}" for number in range(9)}
    assert all(len(own) == 1 for own in parts.values()) and set.union(*parts.values()) == set(PARTS)
    assert "72 pictures in 9 groups stay together" in data.notes[-1]


def test_no_row_of_an_earlier_split_moves_and_new_pictures_fill_the_shares(tmp_path):
    root = class_folders(tmp_path / "set", {"a": 20, "b": 20})
    first = load_data(root)
    text = to_csv(first.records, first.digests, first.classes, first.groups, first.split.parts)
    write_whole(tmp_path / "split.csv", text)
    class_folders(root, {"a/new": 30, "b/new": 10}, first=1000)
    second = load_data(root, split_from=tmp_path / "split.csv")
    old = dict(zip(first.digests, first.split.parts, strict=True))
    new = dict(zip(second.digests, second.split.parts, strict=True))
    assert {digest: new[digest] for digest in old} == old
    assert second.counts("test") == (10, 6)
    assert second.split.origins["test"] == "as the earlier split has it; new pictures fill the shares"


def test_what_a_list_excludes_is_left_out_and_counted(tmp_path):
    class_folders(tmp_path, {"a": 10, "b": 10})
    data = load_data(tmp_path, exclude={"a/3.png": "blurred", "b/0.png": "a copy"})
    assert len(data.records) == 18 and "2 pictures are left out by the exclude list" in data.notes
    assert not {"a/3.png", "b/0.png"} & {record.path for record in data.records}


def test_a_list_of_other_pictures_is_refused(tmp_path):
    class_folders(tmp_path, {"a": 10, "b": 10})
    with pytest.raises(DataError, match="1 of the paths to exclude are not in ") as caught:
        load_data(tmp_path, exclude={"a/99.png": "blurred"})
    assert caught.value.got == "a/99.png"


def test_pictures_without_a_class_of_their_own_are_not_for_train():
    with pytest.raises(DataError, match="364 of 364 pictures have no class of their own") as caught:
        load_data(shared("data", "bccd"))
    assert "voc with boxes" in caught.value.got


def test_faults_of_the_source_are_told_by_kind():
    notes = load_data(shared("data", "bccd"), to_learn=False).notes
    assert any(note.startswith("box empty, 2 times; first JPEGImages/BloodImage_00338.jpg") for note in notes)


# The peers' commonest mistake: classes numbered anew for each part


def test_classes_are_matched_by_name_where_validation_lacks_one(tmp_path):
    class_folders(tmp_path, {"train/a": 9, "train/b": 9, "train/c": 9, "val/a": 3, "val/c": 3})
    data = load_data(tmp_path)
    assert data.classes == ("a", "b", "c")
    assert {(r.path.split("/")[1], data.classes[r.label]) for r in data.records} == {(n, n) for n in "abc"}
    assert data.counts("test") == (3, 0, 3)
    assert any(note == "the val folder has no pictures of: b" for note in data.notes)


def test_folder_10_comes_after_folder_2(tmp_path):
    class_folders(tmp_path, {str(number): 4 for number in range(1, 12)})
    assert load_data(tmp_path).classes == tuple(str(number) for number in range(1, 12))


def test_folders_that_differ_only_by_case_are_refused(tmp_path):
    class_folders(tmp_path, {"Cat": 4, "cat": 4, "dog": 4})
    with pytest.raises(DataError, match="differ only"):
        load_data(tmp_path)


def test_a_folder_by_the_name_of_a_set_is_told(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_data("digits").notes == ("a folder digits lies here too; to read it write ./digits",)
