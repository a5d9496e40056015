"""Which pictures must not be parted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from torchbeam.data.groups import Union, by_pattern, joined
from torchbeam.errors import SettingError


def named_by_first(labels) -> tuple[int, ...]:
    found = list(labels)
    return tuple(found.index(label) for label in found)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 25).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_sets_that_were_joined_are_the_components_of_the_graph(drawn):
    count, pairs = drawn
    union = Union(count)
    for one, other in pairs:
        union.join(one, other)
    ones, others = zip(*pairs, strict=True) if pairs else ((), ())
    _, labels = connected_components(
        coo_array(([1] * len(pairs), (ones, others)), shape=(count, count)), directed=False
    )
    assert tuple(union.root(member) for member in range(count)) == named_by_first(labels)


def test_a_long_chain_is_one_set():
    union = Union(50_000)
    for member in reversed(range(1, 50_000)):
        union.join(member - 1, member)
    assert {union.root(member) for member in range(0, 50_000, 1000)} == {0}


# Several ways to group


def test_whoever_shares_a_group_in_any_way_shares_it_in_the_end():
    #        0    1    2    3    4    5    6
    copies = [0, 0, 2, 3, 4, 4, 6]
    people = ("", "p", "p", "", "q", "", "")
    assert joined(copies, people) == (0, 0, 0, 3, 4, 4, 6)


def test_an_empty_name_is_a_group_of_nobody():
    assert joined(("", "", "a", "", "a")) == (0, 1, 2, 3, 2)


def test_the_same_name_in_two_ways_is_two_groups():
    assert joined(("a", "", ""), ("", "a", "")) == (0, 1, 2)
    assert joined([1, 0, 0], [2, 2, 1]) == (0, 0, 0)


def test_no_pictures_are_no_groups():
    assert joined((), ()) == ()


# A pattern


def test_the_group_is_what_the_first_bracket_matched_in_the_path():
    paths = ["a/patient12_0.png", "b/patient12_1.png", "b/patient7.png", "b/other.png"]
    assert by_pattern(paths, "patient([0-9]+)") == ("12", "12", "7", "")
    assert by_pattern(paths, "patient[0-9]+") == ("patient12", "patient12", "patient7", "")
    assert by_pattern(paths, "(?:a|b)/(patient)([0-9]+)") == ("patient", "patient", "patient", "")


def test_a_bracket_that_took_no_part_in_the_match_is_a_group_of_nobody():
    assert by_pattern(["x1", "y2"], "x([0-9])|y") == ("1", "")


def test_no_pictures_are_not_held_against_a_pattern():
    assert by_pattern([], "anything") == ()


@pytest.mark.parametrize("pattern", ["(", "[", "a{99999999999}", "(" * 5000 + ")" * 5000, "*", "(?P<1>a)"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(SettingError, match=r"^group-by cannot be ") as caught:
        by_pattern(["a.png"], pattern)
    assert caught.value.expected == "a regular expression, such as (patient[0-9]+)"
    assert caught.value.got


@pytest.mark.parametrize("pattern", ["zebra", "b*", "(b)|a", "()", "^$"])
def test_a_pattern_that_groups_nothing_is_refused(pattern):
    with pytest.raises(SettingError, match=r"^no picture's path matches --group-by ") as caught:
        by_pattern(["a.png", "c.png"], pattern)
    assert caught.value.expected == "a pattern found in paths such as a.png"
    assert caught.value.remedy == "try it on the paths in split.csv of an earlier run"
