"""Folds: judged by scikit-learn's counts, and by what must hold of any."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from torchbeam.errors import DataError, SettingError
from torchbeam.learn.folds import folds_of, of_part, stratified

LABELS = st.lists(st.integers(0, 3), min_size=4, max_size=60).map(lambda told: np.array(told, np.int64))


def counts(labels: np.ndarray, of: np.ndarray, folds: int) -> np.ndarray:
    """Pictures of each class in each fold."""
    return np.array(
        [[int(((of == fold) & (labels == label)).sum()) for label in np.unique(labels)] for fold in range(folds)]
    )


@given(st.lists(st.integers(5, 20), min_size=2, max_size=4), st.integers(2, 5), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_every_class_is_dealt_out_as_scikit_learn_does(sizes, folds, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = labels[np.random.default_rng(seed).permutation(len(labels))]
    made = folds_of(labels, folds, seed)
    assert made.count == folds
    assert made.held.all()
    assert made.notes == ()
    theirs = np.zeros(len(labels), np.int64)
    for fold, (_, held) in enumerate(StratifiedKFold(folds).split(labels, labels)):
        theirs[held] = fold
    for label in range(len(sizes)):
        own, judge = (sorted(counts(labels, of, folds)[:, label].tolist()) for of in (made.of_N, theirs))
        assert own == judge
    sizes_of_folds = np.bincount(made.of_N, minlength=folds)
    assert np.ptp(sizes_of_folds) <= 1


@given(LABELS, st.integers(2, 5), st.data())
@settings(max_examples=100, deadline=None)
def test_groups_never_part_and_every_class_is_learnt_from_in_every_fold(labels, folds, data):
    groups = data.draw(st.lists(st.sampled_from(["", "", "a", "b", "c"]), min_size=len(labels), max_size=len(labels)))
    made = folds_of(labels, folds, 0, groups)
    assert made.count <= folds
    for name in set(groups) - {""}:
        assert len({fold for fold, own in zip(made.of_N.tolist(), groups, strict=True) if own == name}) == 1
    for fold in range(made.count):
        assert set(labels[made.of_N != fold].tolist()) == set(labels.tolist())


def test_the_same_seed_gives_the_same_folds_and_another_gives_others():
    labels = np.arange(60) % 3
    first, again, other = (folds_of(labels, 5, seed).of_N for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_of_three_leaves_three_folds():
    made = folds_of(np.array([0] * 20 + [1] * 3), 5, 0)
    assert made.count == 3
    assert made.notes == ("3 folds instead of 5, as the smallest class has no more pictures to hold out",)
    assert counts(np.array([0] * 20 + [1] * 3), made.of_N, 3)[:, 1].tolist() == [1, 1, 1]


def test_the_only_picture_of_a_class_is_always_learnt_from():
    made = folds_of(np.array([0] * 10 + [1] * 10 + [2]), 5, 0)
    assert made.count == 5
    assert made.of_N[20] == -1
    assert made.held.sum() == 20
    assert made.notes == ("1 pictures that are all there is of a class are learnt from in every fold, never held out",)


def test_a_class_that_is_one_group_is_always_learnt_from():
    made = folds_of(np.array([0] * 6 + [1] * 6 + [2] * 4), 3, 0, [""] * 12 + ["burst"] * 4)
    assert made.of_N[12:].tolist() == [-1] * 4


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2], [0] * 9 + [1]])
def test_too_few_pictures_have_no_folds(labels):
    made = folds_of(np.array(labels), 5, 0)
    assert made.count == 0
    assert not made.held.any()
    assert made.notes == ("the classes have too few pictures for cross-validation",)


def test_a_part_has_each_classs_share_and_no_fewer_than_the_least():
    labels = np.array([0] * 900 + [1] * 95 + [2] * 3)
    part = stratified(labels, 100, 4, 0)
    assert np.bincount(labels[part]).tolist() == [90, 10, 3]
    assert (np.diff(part) > 0).all()
    assert np.array_equal(part, stratified(labels, 100, 4, 0))
    assert not np.array_equal(part, stratified(labels, 100, 4, 1))


def test_groups_of_a_part_go_with_its_pictures():
    assert of_part(["a", "b", "c"], np.array([0, 2])) == ["a", "c"]
    assert of_part(None, np.array([0])) is None


def test_what_cannot_be_is_refused():
    with pytest.raises(SettingError, match="cross-validation cannot have 1 folds"):
        folds_of(np.array([0, 1]), 1, 0)
    with pytest.raises(DataError, match="3 groups for 2 labels"):
        folds_of(np.array([0, 1]), 2, 0, ["", "", ""])
