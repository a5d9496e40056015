"""A finding as such."""

import json

import pytest

from torchbeam.data.checks.finding import Finding, counted
from torchbeam.errors import DataError


def test_a_finding_is_checked_when_made():
    with pytest.raises(DataError, match="the finding leak does not hold together"):
        Finding("leak", "error", "1 picture", ("a.png", "b.png"), details=("one alone",))
    with pytest.raises(DataError, match="does not hold together"):
        Finding("leak", "terrible", "1 picture")  # pyright: ignore[reportArgumentType]


def test_json_counts_groups_where_there_are_some():
    plain = Finding("tiny", "warning", "2 pictures", ("a.png", "b.png"))
    pairs = Finding("leak", "error", "1 picture", ("a.png", "b.png"), groups=(("a.png", "b.png"),))
    assert (plain.to_json()["count"], pairs.to_json()["count"]) == (2, 1)
    assert json.loads(json.dumps(pairs.to_json()))["groups"] == [["a.png", "b.png"]]


def test_words_agree_with_their_number():
    assert counted(1, "picture is grey") == "1 picture is grey"
    assert counted(1203, "picture is grey") == "1,203 pictures are grey"
    assert counted(2, "picture has two") == "2 pictures have two"
    assert counted(3, "class", "classes") == "3 classes"
