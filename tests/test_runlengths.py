"""Run lengths, and COCO's two ways to write them; pycocotools is the judge where it is installed."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from torchbeam.data.regions import raster
from torchbeam.data.runlengths import runs_by_value, runs_from_coco, runs_of, runs_to_coco
from torchbeam.errors import DataError

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


@given(masks)
def test_runs_come_back_as_the_mask(mask):
    assert (raster(runs_of(mask), *mask.shape) == mask).all()


def test_runs_begin_with_what_is_outside():
    assert runs_of(np.array([[True, False], [True, True]])).counts.tolist() == [0, 2, 1, 1]
    assert runs_of(np.zeros((2, 3), dtype=bool)).counts.tolist() == [6]


@given(masks)
def test_runs_survive_coco_s_list(mask):
    runs = runs_of(mask)
    again = runs_from_coco(runs_to_coco(runs))
    assert (again.height, again.width) == mask.shape
    assert (again.counts == runs.counts).all()


@given(masks)
def test_pycocotools_strings_are_read(mask):
    judge = pytest.importorskip("pycocotools.mask")
    packed = judge.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert (runs_from_coco(packed).counts == runs_of(mask).counts).all()
    text = {"size": packed["size"], "counts": packed["counts"].decode()}
    assert (raster(runs_from_coco(text), *mask.shape) == mask).all()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
@given(masks)
def test_pycocotools_reads_the_lists_that_are_written(mask):
    judge = pytest.importorskip("pycocotools.mask")
    told = runs_to_coco(runs_of(mask))
    assert (judge.decode(judge.frPyObjects(told, *mask.shape)).astype(bool) == mask).all()


def test_a_string_worked_by_hand():
    # 6 is '6', 1 is '1', 40 = 8 + 32 is 'X1' (8 and that more follows, then 1), 3 is 2 more than 1: '2'.
    assert runs_from_coco({"size": [5, 10], "counts": "61X12"}).counts.tolist() == [6, 1, 40, 3]
    # 20 has the bit of the sign set, so a 0 follows: 'd0'. The last is 15 less than 20: -15 is 17 of 32, 'A'.
    assert runs_from_coco({"size": [7, 10], "counts": "5d0X1A"}).counts.tolist() == [5, 20, 40, 5]


@given(arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 4)))
def test_runs_of_every_value_at_once_are_those_of_each(values):
    found = runs_by_value(values)
    assert sorted(found) == np.unique(values).tolist()
    for value, runs in found.items():
        assert (runs.counts == runs_of(values == value).counts).all()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"counts": [6]}, "run lengths without their picture's size"),
        ({"size": [2, 3.5], "counts": [6]}, "run lengths without their picture's size"),
        ({"size": [2, 3], "counts": 6}, "run lengths that cannot be read"),
        ({"size": [2, 3], "counts": [6.5]}, "run lengths that cannot be read"),
        ({"size": [2, 3], "counts": [True]}, "run lengths that cannot be read"),
        ({"size": [2, 3], "counts": "é"}, "run lengths with a letter that means none"),
        ({"size": [2, 3], "counts": "oooooooooooo"}, "run lengths with a letter that means none"),
        ({"size": [2, 3], "counts": "6o"}, "run lengths that break off in the middle of a count"),
        ({"size": [2, 3], "counts": "5"}, "run lengths do not fill their 3x2 picture"),
        ({"size": [2, 3], "counts": b"5"}, "run lengths do not fill their 3x2 picture"),
    ],
)
def test_what_cannot_be_read_is_refused(told, words):
    with pytest.raises(DataError, match=f"^{words}"):
        runs_from_coco(told)


@given(st.text(max_size=30))
def test_no_string_crashes_the_reader(text):
    with contextlib.suppress(DataError):
        runs_from_coco({"size": [3, 3], "counts": text})
