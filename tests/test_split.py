"""Which sample is for learning, for choosing and for the final test."""

import csv
from collections import Counter
from io import StringIO

import numpy as np
import pytest
from data_makers import fingerprints
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbeam.data.records import Record
from torchbeam.data.split import as_named, split, to_csv
from torchbeam.errors import DataError


def records(counts: dict[str, int]) -> list[Record]:
    """{'train/0': 5}: so many records of part train and label 0; '/0' names no part."""
    made = []
    for name, count in counts.items():
        part, label = name.split("/")
        made += [Record(f"{name}/{number}.png", int(label), part) for number in range(count)]
    return made


def counted(own: list[Record], parts) -> Counter:
    """(part, label) -> how many."""
    return Counter((part, record.label) for record, part in zip(own, parts, strict=True))


# The rule


def test_without_parts_a_fifth_is_the_test_and_a_tenth_of_the_rest_validation():
    own = records({"/0": 50, "/1": 100, "/2": 25})
    done = split(own, fingerprints(len(own)))
    # By hand: 50 -> 10 test, 4 of 40; 100 -> 20 test, 8 of 80; 25 -> 5 test, 2 of 20.
    assert counted(own, done.parts) == {
        ("train", 0): 36,
        ("val", 0): 4,
        ("test", 0): 10,
        ("train", 1): 72,
        ("val", 1): 8,
        ("test", 1): 20,
        ("train", 2): 18,
        ("val", 2): 2,
        ("test", 2): 5,
    }
    assert list(done.origins) == ["train", "val", "test"]
    assert done.origins["test"] == "a stratified fifth of all, ordered by content"
    assert done.origins["val"] == "a stratified tenth of what is left for training, ordered by content"
    assert done.origins["train"] == "what is left of all"


def test_three_parts_stay_as_named():
    own = records({"train/0": 5, "val/0": 7, "test/0": 2, "train/1": 3, "val/1": 1, "test/1": 4})
    done = split(own, fingerprints(len(own)))
    assert done.parts == tuple(record.part for record in own)
    assert done.origins == {part: f"the source's {part} part" for part in ("train", "val", "test")}


@pytest.mark.parametrize("other", ["val", "test"])
def test_the_second_of_two_parts_is_the_test_and_a_tenth_of_train_validation(other):
    own = records({"train/0": 40, "train/1": 20, f"{other}/0": 7, f"{other}/1": 5})
    done = split(own, fingerprints(len(own)))
    assert counted(own, done.parts) == {
        ("train", 0): 36,
        ("val", 0): 4,
        ("train", 1): 18,
        ("val", 1): 2,
        ("test", 0): 7,
        ("test", 1): 5,
    }
    assert all(part == "test" for record, part in zip(own, done.parts, strict=True) if record.part == other)
    assert done.origins["test"] == f"the source's {other} part"
    assert done.origins["train"] == "the source's train part"
    assert done.origins["val"] == "a stratified tenth of what is left for training, ordered by content"


def test_train_alone_is_cut_like_a_source_without_parts():
    named, unnamed = records({"train/0": 50, "train/1": 20}), records({"/0": 50, "/1": 20})
    assert split(named, fingerprints(70)).parts == split(unnamed, fingerprints(70)).parts


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_three_pictures_of_a_class_are_one_of_each_part_at_least(count):
    own = records({"/0": count, "/1": 30})
    done = split(own, fingerprints(len(own)))
    assert {part for (part, label) in counted(own, done.parts) if label == 0} == {"train", "val", "test"}


@pytest.mark.parametrize("count", [1, 2])
def test_of_fewer_pictures_one_at_least_is_learnt_from(count):
    own = records({"/0": count, "/1": 30})
    assert counted(own, split(own, fingerprints(len(own))).parts)["train", 0] >= 1


def test_indices_are_the_records_of_a_part_in_their_order():
    own = records({"/0": 20, "/1": 20})
    done = split(own, fingerprints(40))
    whole = [done.indices(part) for part in ("train", "val", "test")]
    assert all(indices == sorted(indices) for indices in whole)
    assert sorted(whole[0] + whole[1] + whole[2]) == list(range(40))
    assert all(done.parts[index] == "test" for index in done.indices("test"))


# What it depends on


def test_the_split_is_by_content_whatever_the_order_and_names_of_the_files():
    own, digests = records({"/0": 30, "/1": 17}), fingerprints(47)
    before = dict(zip(digests, split(own, digests).parts, strict=True))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(47)
        moved = [Record(f"renamed/{seed}/{place}", own[index].label) for place, index in enumerate(order)]
        shuffled = [digests[index] for index in order]
        assert dict(zip(shuffled, split(moved, shuffled).parts, strict=True)) == before


def test_another_class_changes_nothing_in_the_first():
    alone, both = records({"/0": 30, "/1": 9}), records({"/0": 30, "/1": 9, "/2": 11})
    digests = fingerprints(50)
    assert split(both, digests).parts[:39] == split(alone, digests[:39]).parts


def test_the_part_of_a_picture_has_nothing_to_do_with_its_place_in_the_source():
    own = records({"/0": 2000})
    places = np.array(split(own, fingerprints(2000)).indices("test"))
    assert abs(places.mean() - 999.5) < 4 * 577 / np.sqrt(len(places))  # 577: the deviation of a place


def test_identical_pictures_of_a_class_never_part():
    own = records({"/0": 60, "/1": 60})
    digests = [digest for digest in fingerprints(40) for _ in range(3)]
    parts = split(own, digests).parts
    for start in range(0, 120, 3):
        assert len(set(parts[start : start + 3])) == 1
    assert counted(own, parts)["test", 0] == 12  # four groups of three: still a fifth


def test_identical_pictures_of_different_classes_never_part():
    own = records({"/0": 40, "/1": 40, "/2": 40})
    digests = [*fingerprints(40), *fingerprints(20), *fingerprints(20, first=100), *fingerprints(40)]
    part_of = {}
    for digest, part in zip(digests, split(own, digests).parts, strict=True):
        part_of.setdefault(digest, set()).add(part)
    assert [parts for parts in part_of.values() if len(parts) > 1] == []


def test_a_class_of_one_picture_many_times_over_is_learnt_from():
    own = records({"/0": 9, "/1": 20})
    digests = fingerprints(1) * 9 + fingerprints(20, first=1)
    assert counted(own, split(own, digests).parts)["train", 0] == 9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=4), st.integers(0, 10**6))
def test_every_split_holds_its_promises(sizes, first):
    own = records({f"/{label}": size for label, size in enumerate(sizes)})
    digests = fingerprints(len(own), first)
    if max(sizes) < 3:
        return
    found = counted(own, split(own, digests).parts)
    for label, size in enumerate(sizes):
        shares = [found[part, label] for part in ("train", "val", "test")]
        assert sum(shares) == size
        assert shares[0] >= min(size, 1)
        if size >= 3:
            assert min(shares) >= 1
            assert abs(shares[2] - size / 5) < 1
            assert abs(shares[1] - (size - shares[2]) / 10) < 1


# What is refused


@pytest.mark.parametrize("counts", [{"/0": 1, "/1": 1}, {"/0": 2, "/1": 2}, {"train/0": 1, "test/0": 3}, {}])
def test_nothing_left_for_a_part_is_refused(counts):
    own = records(counts)
    with pytest.raises(DataError, match=r"^nothing is left for the (train|val|test) part") as caught:
        split(own, fingerprints(len(own)))
    assert caught.value.expected == "at least three pictures of some class"
    assert caught.value.got == f"{len(own)} pictures"
    assert caught.value.remedy == "add pictures"


def test_nothing_to_learn_from_is_refused():
    own = records({"val/0": 5, "test/0": 5})
    with pytest.raises(DataError, match=r"^nothing is left for the train part"):
        split(own, fingerprints(10))


# As the source names them


def test_as_named_keeps_what_the_source_says():
    own = records({"test/0": 2, "val/1": 1})
    done = as_named(own)
    assert done.parts == ("test", "test", "val")
    assert done.origins == {"test": "the source's test part", "val": "the source's val part"}
    assert as_named(records({"/0": 2})).parts == ("", "")
    assert as_named(records({"/0": 2})).origins == {"": "all pictures"}


# The file


def test_the_split_is_written_a_line_for_each_record():
    own = [Record("cat/0.png", 0), Record("dog/0.png", 1)]
    assert to_csv(own, ["aa", "bb"], ("cat", "dog"), ("train", "test")) == (
        "path,sha256,class,group,part\ncat/0.png,aa,cat,,train\ndog/0.png,bb,dog,,test\n"
    )


@pytest.mark.parametrize(
    "name", ["a, b", 'say "cat"', "new\nline", "carriage\rreturn", "both\r\n", "'", " ", "網", "=1+1", "a;b", "\\"]
)
def test_the_file_is_read_back_with_every_name(name):
    own = [Record(f"{name}/{name}.png", 0), Record("dog/0.png", 1)]
    text = to_csv(own, ["aa", "bb"], (name, "dog"), ("train", "val"))
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert rows == [
        {"path": f"{name}/{name}.png", "sha256": "aa", "class": name, "group": "", "part": "train"},
        {"path": "dog/0.png", "sha256": "bb", "class": "dog", "group": "", "part": "val"},
    ]


def test_records_and_digests_that_do_not_match_are_our_own_fault():
    with pytest.raises(ValueError, match="zip"):
        to_csv([Record("a", 0)], [], ("a",), ("train",))
