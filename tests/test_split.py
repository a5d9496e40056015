"""Which sample is for learning, for choosing and for the final test."""

import csv
from collections import Counter
from collections.abc import Sequence
from io import StringIO

import numpy as np
import pytest
from data_makers import fingerprints
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from torchbeam.data.records import PARTS, UNLABELLED, Record
from torchbeam.data.split import Rows, Split, as_named, read_csv, split, to_csv
from torchbeam.errors import DataError
from torchbeam.files import write_whole


def records(counts: dict[str, int]) -> list[Record]:
    """{'train/0': 5}: so many records of part train and label 0; '/0' names no part."""
    made = []
    for name, count in counts.items():
        part, label = name.split("/")
        made += [Record(f"{name}/{number}.png", int(label), part) for number in range(count)]
    return made


def copies(digests: Sequence[str]) -> list[int]:
    """Groups of nothing but the pictures of one digest, each named by its first."""
    return [digests.index(digest) for digest in digests]


def cut(own: list[Record], digests: Sequence[str], earlier: Rows | None = None) -> Split:
    """The split where nothing but copies stays together."""
    return split(own, digests, copies(digests), earlier)


def rows_of(own: list[Record], digests: Sequence[str], parts: Sequence[str]) -> Rows:
    """What read_csv gives of such a split, put together by hand."""
    by_row = {(record.path, digest): part for record, digest, part in zip(own, digests, parts, strict=True)}
    by_digest = {}
    for part in reversed(PARTS):
        by_digest |= {digest: part for (_, digest), own_part in by_row.items() if own_part == part}
    return Rows(by_row, by_digest)


def counted(own: list[Record], parts) -> Counter:
    """(part, label) -> how many."""
    return Counter((part, record.label) for record, part in zip(own, parts, strict=True))


# The rule


def test_without_parts_a_fifth_is_the_test_and_a_tenth_of_the_rest_validation():
    own = records({"/0": 50, "/1": 100, "/2": 25})
    done = cut(own, fingerprints(len(own)))
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
    done = cut(own, fingerprints(len(own)))
    assert done.parts == tuple(record.part for record in own)
    assert done.origins == {part: f"the source's {part} part" for part in ("train", "val", "test")}


@pytest.mark.parametrize("other", ["val", "test"])
def test_the_second_of_two_parts_is_the_test_and_a_tenth_of_train_validation(other):
    own = records({"train/0": 40, "train/1": 20, f"{other}/0": 7, f"{other}/1": 5})
    done = cut(own, fingerprints(len(own)))
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
    assert cut(named, fingerprints(70)).parts == cut(unnamed, fingerprints(70)).parts


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_three_pictures_of_a_class_are_one_of_each_part_at_least(count):
    own = records({"/0": count, "/1": 30})
    done = cut(own, fingerprints(len(own)))
    assert {part for (part, label) in counted(own, done.parts) if label == 0} == {"train", "val", "test"}


@pytest.mark.parametrize("count", [1, 2])
def test_of_fewer_pictures_one_at_least_is_learnt_from(count):
    own = records({"/0": count, "/1": 30})
    assert counted(own, cut(own, fingerprints(len(own))).parts)["train", 0] >= 1


def test_indices_are_the_records_of_a_part_in_their_order():
    own = records({"/0": 20, "/1": 20})
    done = cut(own, fingerprints(40))
    whole = [done.indices(part) for part in ("train", "val", "test")]
    assert all(indices == sorted(indices) for indices in whole)
    assert sorted(whole[0] + whole[1] + whole[2]) == list(range(40))
    assert all(done.parts[index] == "test" for index in done.indices("test"))


# What it depends on


def test_the_split_is_by_content_whatever_the_order_and_names_of_the_files():
    own, digests = records({"/0": 30, "/1": 17}), fingerprints(47)
    before = dict(zip(digests, cut(own, digests).parts, strict=True))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(47)
        moved = [Record(f"renamed/{seed}/{place}", own[index].label) for place, index in enumerate(order)]
        shuffled = [digests[index] for index in order]
        assert dict(zip(shuffled, cut(moved, shuffled).parts, strict=True)) == before


def test_another_class_changes_nothing_in_the_first():
    alone, both = records({"/0": 30, "/1": 9}), records({"/0": 30, "/1": 9, "/2": 11})
    digests = fingerprints(50)
    assert cut(both, digests).parts[:39] == cut(alone, digests[:39]).parts


def test_the_part_of_a_picture_has_nothing_to_do_with_its_place_in_the_source():
    own = records({"/0": 2000})
    places = np.array(cut(own, fingerprints(2000)).indices("test"))
    assert abs(places.mean() - 999.5) < 4 * 577 / np.sqrt(len(places))  # 577: the deviation of a place


def test_identical_pictures_of_a_class_never_part():
    own = records({"/0": 60, "/1": 60})
    digests = [digest for digest in fingerprints(40) for _ in range(3)]
    parts = cut(own, digests).parts
    for start in range(0, 120, 3):
        assert len(set(parts[start : start + 3])) == 1
    assert counted(own, parts)["test", 0] == 12  # four groups of three: still a fifth


def test_identical_pictures_of_different_classes_never_part():
    own = records({"/0": 40, "/1": 40, "/2": 40})
    digests = [*fingerprints(40), *fingerprints(20), *fingerprints(20, first=100), *fingerprints(40)]
    part_of = {}
    for digest, part in zip(digests, cut(own, digests).parts, strict=True):
        part_of.setdefault(digest, set()).add(part)
    assert [parts for parts in part_of.values() if len(parts) > 1] == []


def test_a_class_of_one_picture_many_times_over_is_learnt_from():
    own = records({"/0": 9, "/1": 20})
    digests = fingerprints(1) * 9 + fingerprints(20, first=1)
    assert counted(own, cut(own, digests).parts)["train", 0] == 9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=4), st.integers(0, 10**6))
def test_every_split_holds_its_promises(sizes, first):
    own = records({f"/{label}": size for label, size in enumerate(sizes)})
    digests = fingerprints(len(own), first)
    if max(sizes) < 3:
        return
    found = counted(own, cut(own, digests).parts)
    for label, size in enumerate(sizes):
        shares = [found[part, label] for part in ("train", "val", "test")]
        assert sum(shares) == size
        assert shares[0] >= min(size, 1)
        if size >= 3:
            assert min(shares) >= 1
            assert abs(shares[2] - size / 5) < 1
            assert abs(shares[1] - (size - shares[2]) / 10) < 1


# Groups


def test_the_shares_are_exact_where_small_groups_can_fill_them():
    own = records({"/0": 100})
    groups = [0] * 30 + [1] * 5 + list(range(2, 67))
    done = split(own, fingerprints(100), groups)
    assert counted(own, done.parts) == {("test", 0): 20, ("val", 0): 8, ("train", 0): 72}
    assert set(done.parts[:30]) == {"train"}  # larger than any share
    assert len(set(done.parts[30:35])) == 1


def test_three_groups_of_a_class_are_one_of_each_part_at_least_whatever_their_sizes():
    for sizes in [(50, 1, 1), (1, 50, 1), (1, 1, 50), (5, 5, 5), (2, 9, 30), (1, 1, 1), (40, 40, 1)]:
        own = records({"/0": sum(sizes)})
        groups = [number for number, size in enumerate(sizes) for _ in range(size)]
        done = split(own, fingerprints(len(own)), groups)
        assert set(done.parts) == set(PARTS), sizes
        assert len({*zip(groups, done.parts, strict=True)}) == 3, sizes
        largest = sizes.index(max(sizes))
        assert done.parts[groups.index(largest)] == "train" or len(set(sizes)) == 1, sizes


def test_two_groups_of_three_pictures_are_learnt_from_and_tested_on():
    own = records({"/0": 3, "/1": 30})
    done = split(own, fingerprints(33), [0, 0, 1, *range(3, 33)])
    assert done.parts[:3] == ("train", "train", "test")


def test_a_group_of_several_classes_is_counted_in_each():
    own = records({"/0": 20, "/1": 20})
    groups = [*range(20), *range(20)]  # each picture with one of the other class
    done = split(own, fingerprints(40), groups)
    assert done.parts[:20] == done.parts[20:]
    assert counted(own, done.parts) == {
        (part, label): count for part, count in (("test", 4), ("val", 2), ("train", 14)) for label in (0, 1)
    }


def test_what_the_source_names_stays_though_a_group_is_in_two_parts():
    own = records({"train/0": 10, "test/0": 5})
    done = split(own, fingerprints(15), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4])
    assert done.parts[10:] == ("test",) * 5
    assert Counter(done.parts) == {"train": 9, "val": 1, "test": 5}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=3, max_size=60), st.integers(0, 10**6))
def test_groups_of_any_kind_never_part_and_every_class_is_learnt_from(kinds, first):
    own = [Record(f"{number}.png", label) for number, (label, _) in enumerate(kinds)]
    groups = [group for _, group in kinds]
    try:
        done = split(own, fingerprints(len(own), first), groups)
    except DataError as error:  # where no three groups can be told apart
        assert "nothing is left for the" in str(error)
        sizes = Counter({*zip(groups, (label for label, _ in kinds), strict=True)})
        pure = [label for (group, label) in sizes if sum(own == group for own, _ in sizes) == 1]
        assert max(Counter(pure).values(), default=0) < 3
        return
    assert len({*zip(groups, done.parts, strict=True)}) == len(set(groups))
    found = counted(own, done.parts)
    for label, count in Counter(label for label, _ in kinds).items():
        assert found["train", label] >= 1
        assert found["train", label] + found["val", label] + found["test", label] == count


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 20), min_size=3, max_size=8), min_size=1, max_size=3),
    st.integers(0, 10**6),
    st.randoms(use_true_random=False),
)
def test_groups_of_one_class_each_fill_the_shares_and_the_order_of_records_changes_nothing(sizes, first, random):
    own, groups = [], []
    for label, in_class in enumerate(sizes):
        for number, size in enumerate(in_class):
            own += [Record(f"{label}/{number}/{copy}", label) for copy in range(size)]
            groups += [100 * label + number] * size
    digests = fingerprints(len(own), first)
    done = split(own, digests, groups)
    found = counted(own, done.parts)
    for label, in_class in enumerate(sizes):
        test, val = found["test", label], found["val", label]
        # The share, or where that is less than any group, the smallest that there is.
        parts = [done.parts[groups.index(100 * label + number)] for number in range(len(in_class))]
        left = [size for size, part in zip(in_class, parts, strict=True) if part != "test"]
        assert 1 <= test <= max(round(sum(in_class) / 5), min(in_class))
        assert 1 <= val <= max(round(sum(left) / 10), min(left))
    order = list(range(len(own)))
    random.shuffle(order)
    # Groups have other numbers then, too: those of their first record.
    names = {group: order.index(next(at for at in order if groups[at] == group)) for group in set(groups)}
    again = split([own[at] for at in order], [digests[at] for at in order], [names[groups[at]] for at in order])
    assert again.parts == tuple(done.parts[at] for at in order)


# An earlier split


def test_a_split_with_itself_as_the_earlier_one_is_the_same():
    own, digests = records({"/0": 30, "/1": 17}), fingerprints(47)
    first = cut(own, digests)
    again = cut(own, digests, rows_of(own, digests, first.parts))
    assert again.parts == first.parts
    assert set(again.origins.values()) == {"as the earlier split has it"}
    assert list(again.origins) == ["train", "val", "test"]


def test_no_row_of_an_earlier_split_moves_and_new_pictures_fill_the_shares():
    own, digests = records({"/0": 100}), fingerprints(100)
    earlier = rows_of(own[:40], digests[:40], ["test"] * 5 + ["val"] * 1 + ["train"] * 34)
    done = cut(own, digests, earlier)
    assert done.parts[:40] == ("test",) * 5 + ("val",) + ("train",) * 34
    assert Counter(done.parts) == {"test": 20, "val": 8, "train": 72}
    assert set(done.origins.values()) == {"as the earlier split has it; new pictures fill the shares"}


def test_a_share_that_an_earlier_split_overfilled_is_left_so():
    own, digests = records({"/0": 50}), fingerprints(50)
    done = cut(own, digests, rows_of(own[:40], digests[:40], ["test"] * 20 + ["val"] * 15 + ["train"] * 5))
    assert done.parts[:40] == ("test",) * 20 + ("val",) * 15 + ("train",) * 5
    assert set(done.parts[40:]) == {"train"}


def test_a_picture_that_was_renamed_stays_where_it_was():
    own, digests = records({"/0": 30}), fingerprints(30)
    first = cut(own, digests)
    moved = [Record(f"elsewhere/{number}", 0) for number in range(30)]
    assert cut(moved, digests, rows_of(own, digests, first.parts)).parts == first.parts


def test_a_file_of_new_content_under_an_old_name_is_a_new_picture():
    own, digests = records({"/0": 30}), fingerprints(30)
    earlier = rows_of(own, digests, ["test"] * 6 + ["val"] * 2 + ["train"] * 22)
    done = cut(own, [*fingerprints(1, first=100), *digests[1:]], earlier)
    assert done.parts[1:] == ("test",) * 5 + ("val",) * 2 + ("train",) * 22
    assert done.parts[0] == "test"  # which lacks one now


@pytest.mark.parametrize("part", ["", "train"])
def test_a_new_picture_goes_where_its_group_is(part):
    own, digests = records({f"{part}/0": 40}), fingerprints(40)
    earlier = rows_of(own[:30], digests[:30], ["test"] * 6 + ["val"] * 3 + ["train"] * 21)
    groups = [*range(30), *[0] * 3, *[6] * 3, *[9] * 4]
    done = split(own, digests, groups, earlier)
    assert done.parts[30:] == ("test",) * 3 + ("val",) * 3 + ("train",) * 4


def test_a_new_picture_between_two_parts_goes_to_the_first_of_them_whatever_the_order():
    own, digests = records({"/0": 31}), fingerprints(31)
    earlier = rows_of(own[:30], digests[:30], ["test"] * 6 + ["val"] * 3 + ["train"] * 21)
    for others in ([0, 9], [0, 6], [6, 9]):  # the new one resembles both, and so they came together
        groups = [min(others) if number in (*others, 30) else number for number in range(31)]
        expected = "train" if 9 in others else "val"
        assert split(own, digests, groups, earlier).parts[30] == expected
        assert split(own[::-1], digests[::-1], groups[::-1], earlier).parts[0] == expected


def test_new_pictures_in_parts_that_the_source_names_stay_there():
    own, digests = records({"train/0": 20, "test/0": 5}), fingerprints(25)
    first = split(own, digests, list(range(25)))
    new = records({"train/0": 22, "test/0": 7})
    digests_now = [*digests[:20], *fingerprints(2, 50), *digests[20:], *fingerprints(2, 60)]
    done = split(new, digests_now, list(range(29)), rows_of(own, digests, first.parts))
    assert done.parts[22:] == ("test",) * 7
    assert (*done.parts[:20], *done.parts[22:27]) == first.parts
    assert set(done.parts[20:22]) == {"train"}  # two of twenty-two are for validation already


def test_a_new_class_has_a_share_of_its_own():
    own, digests = records({"/0": 30, "/1": 30}), fingerprints(60)
    first = cut(own[:30], digests[:30])
    done = cut(own, digests, rows_of(own[:30], digests[:30], first.parts))
    assert done.parts[:30] == first.parts
    assert done.parts[30:] == cut(own[30:], digests[30:]).parts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.sampled_from(PARTS)), min_size=3, max_size=40),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=40),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_whatever_the_earlier_split_and_the_additions_nothing_old_moves(old, new, named, random):
    part = "train" if named else ""
    own = [Record(f"old/{number}", label, part) for number, (label, _, _) in enumerate(old)]
    own += [Record(f"new/{number}", label, part) for number, (label, _) in enumerate(new)]
    groups = [group for _, group, _ in old] + [group for _, group in new]
    digests = fingerprints(len(own))
    earlier = rows_of(own[: len(old)], digests[: len(old)], [part for _, _, part in old])
    try:
        done = split(own, digests, groups, earlier)
    except DataError:
        assume(False)
    assert done.parts[: len(old)] == tuple(part for _, _, part in old)
    places: dict[int, set[str]] = {}
    for _, group, part in old:
        places.setdefault(group, set()).add(part)
    for group, part in zip(groups[len(old) :], done.parts[len(old) :], strict=True):
        assert part in places.setdefault(group, {part})
    # Again, with the first one's own result, and in another order.
    assert split(own, digests, groups, rows_of(own, digests, done.parts)).parts == done.parts
    order = list(range(len(own)))
    random.shuffle(order)
    names = {group: order.index(next(at for at in order if groups[at] == group)) for group in set(groups)}
    again = split(
        [own[at] for at in order], [digests[at] for at in order], [names[groups[at]] for at in order], earlier
    )
    assert again.parts == tuple(done.parts[at] for at in order)


# What is refused


@pytest.mark.parametrize("counts", [{"/0": 1, "/1": 1}, {"/0": 2, "/1": 2}, {"train/0": 1, "test/0": 3}, {}])
def test_nothing_left_for_a_part_is_refused(counts):
    own = records(counts)
    with pytest.raises(DataError, match=r"^nothing is left for the (train|val|test) part") as caught:
        cut(own, fingerprints(len(own)))
    assert caught.value.expected == (
        "at least three pictures of some class that are not copies of one another nor of one group"
    )
    assert caught.value.got == f"{len(own)} pictures"
    assert caught.value.remedy == "add pictures, or take a --group-by that makes more and smaller groups"


def test_nothing_to_learn_from_is_refused():
    own = records({"val/0": 5, "test/0": 5})
    with pytest.raises(DataError, match=r"^nothing is left for the train part"):
        cut(own, fingerprints(10))


def test_one_group_of_everything_is_refused():
    with pytest.raises(DataError, match=r"^nothing is left for the val part"):
        split(records({"/0": 20, "/1": 20}), fingerprints(40), [0] * 40)


def test_a_class_without_a_picture_to_learn_from_is_refused():
    own = records({"train/0": 20, "test/0": 5, "test/1": 3})
    with pytest.raises(DataError, match=r"^a class would have nothing left to learn from") as caught:
        cut(own, fingerprints(28))
    assert caught.value.got == "all of its pictures are in the other parts: test/1/0.png, test/1/1.png, test/1/2.png"
    assert caught.value.remedy == "add pictures of the class, or take it out"


# As the source names them


def test_as_named_keeps_what_the_source_says():
    own = records({"test/0": 2, "val/1": 1})
    done = as_named(own)
    assert done.parts == ("test", "test", "val")
    assert done.origins == {"test": "the source's test part", "val": "the source's val part"}
    assert as_named(records({"/0": 2})).parts == ("", "")
    assert as_named(records({"/0": 2})).origins == {"": "all pictures"}


@pytest.mark.parametrize("counts", [{"val/0": 3}, {"train/0": 2, "val/0": 3}])
def test_as_named_takes_val_for_the_test_where_there_is_no_other(counts):
    done = as_named(records(counts))
    assert done.parts[-3:] == ("test",) * 3
    assert done.origins["test"] == "the source's val part"
    assert "val" not in done.origins


# The file


def test_the_split_is_written_a_line_for_each_record():
    own = [Record("cat/0.png", 0), Record("dog/0.png", 1), Record("whole.png", UNLABELLED)]
    text = to_csv(own, ["aa", "bb", "cc"], ("cat", "dog"), ("", "p1", ""), ("train", "test", "val"))
    assert text == (
        "path,sha256,class,group,part\ncat/0.png,aa,cat,,train\ndog/0.png,bb,dog,p1,test\nwhole.png,cc,,,val\n"
    )


NAMES = ["a, b", 'say "cat"', "new\nline", "carriage\rreturn", "both\r\n", "'", " ", "網", "=1+1", "a;b", "\\"]
NAMES += ["not UTF-8 \udcff", "\ufeff", "\u2028", "\x85", '"', '"""', ",", "\r"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_read_back_with_every_name(name, tmp_path):
    own = [Record(f"{name}/{name}.png", 0), Record("dog/0.png", 1)]
    text = to_csv(own, ["aa", "bb"], (name, "dog"), ("", name), ("train", "val"))
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert rows == [
        {"path": f"{name}/{name}.png", "sha256": "aa", "class": name, "group": "", "part": "train"},
        {"path": "dog/0.png", "sha256": "bb", "class": "dog", "group": name, "part": "val"},
    ]
    write_whole(tmp_path / "split.csv", text)
    found = read_csv(tmp_path)
    assert found == read_csv(tmp_path / "split.csv")
    assert found.by_row == {(f"{name}/{name}.png", "aa"): "train", ("dog/0.png", "bb"): "val"}
    assert found.by_digest == {"aa": "train", "bb": "val"}


LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0") | st.sampled_from("\r\n,\";'\ufeff")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(LETTERS, max_size=8), st.sampled_from(PARTS)), min_size=1, max_size=6, unique=True))
def test_any_names_survive_the_file(tmp_path_factory, rows):
    own = [Record(f"{number} {name}", 0) for number, (name, _) in enumerate(rows)]
    digests, parts = fingerprints(len(own)), [part for _, part in rows]
    file = tmp_path_factory.mktemp("split") / "split.csv"
    write_whole(file, to_csv(own, digests, [rows[0][0]], [name for name, _ in rows], parts))
    assert read_csv(file) == rows_of(own, digests, parts)


def test_of_copies_in_two_parts_the_file_gives_a_third_one_to_the_first(tmp_path):
    for parts in (("test", "train"), ("train", "test"), ("test", "val", "train")):
        own = [Record(f"{number}", 0) for number in range(len(parts))]
        (tmp_path / "split.csv").write_text(to_csv(own, ["aa"] * len(parts), ["a"], [""] * len(parts), parts))
        found = read_csv(tmp_path)
        assert [found.part(record.path, "aa") for record in own] == list(parts)
        assert found.part("elsewhere", "aa") == "train"
        assert found.part("0", "bb") == ""


def test_a_file_that_an_editor_marked_is_read(tmp_path):
    text = "\ufeffpath,sha256,class,group,part\r\na.png,aa,cat,,test\r\n"
    (tmp_path / "split.csv").write_bytes(text.encode())
    assert read_csv(tmp_path).by_row == {("a.png", "aa"): "test"}


def test_an_empty_split_is_none_of_our_business(tmp_path):
    (tmp_path / "split.csv").write_text("path,sha256,class,group,part\n")
    assert read_csv(tmp_path) == Rows({}, {})


@pytest.mark.parametrize("place", ["nothing", "x" * 300, "nul\0"])
def test_a_split_that_is_not_there_is_refused(place, tmp_path):
    with pytest.raises(DataError, match=r"^cannot read the split in ") as caught:
        read_csv(tmp_path / place)
    assert caught.value.expected == "the split.csv of a run, or the run's folder"
    assert caught.value.got


@pytest.mark.parametrize("text", ['path,sha256,class,group,part\n"a', 'path,sha256,class,group,part\n"a"b,c,d,e,f\n'])
def test_a_split_with_open_quotes_is_refused(text, tmp_path):
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError, match=r"^cannot read the split in "):
        read_csv(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"path,part\na,train\n", b"\x89PNG\r\n\0", "path,sha256".encode("utf-16")]
)
def test_a_file_that_is_no_split_is_refused(content, tmp_path):
    (tmp_path / "split.csv").write_bytes(content)
    with pytest.raises(DataError, match="is not a split that torchbeam wrote") as caught:
        read_csv(tmp_path)
    assert caught.value.expected == "a first line of path,sha256,class,group,part"
    assert caught.value.got


@pytest.mark.parametrize("row", ["a,aa,cat,,valid", "a,aa,cat,,", "a,aa,train", "", "a,aa,cat,,train,more"])
def test_a_row_without_a_part_is_refused_by_its_line(row, tmp_path):
    (tmp_path / "split.csv").write_text(
        f'path,sha256,class,group,part\n"new\nline",aa,cat,,test\n{row}\nb,bb,cat,,val\n'
    )
    with pytest.raises(DataError, match=r"^line 4 of .*split.csv names no part") as caught:
        read_csv(tmp_path)
    assert caught.value.expected == "path, sha256, class, group, part, the part being train or val or test"
    assert caught.value.got == (row or "an empty line")


def test_records_and_digests_that_do_not_match_are_our_own_fault():
    with pytest.raises(ValueError, match="zip"):
        to_csv([Record("a", 0)], [], ("a",), ("",), ("train",))
