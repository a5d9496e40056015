"""Probes: scikit-learn's ridge classifier on the same folds is the judge."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from torchbeam.errors import DataError
from torchbeam.learn import probes
from torchbeam.learn.folds import folds_of
from torchbeam.learn.probes import Probe, probe


def drawn(pictures: int, width: int, classes: int, seed: int = 0):
    chance = np.random.default_rng(seed)
    labels = np.arange(pictures) % classes
    middles = chance.normal(size=(classes, width)) * 2 / np.sqrt(width)
    codes = (middles[labels] + chance.normal(size=(pictures, width)) + 1) * chance.lognormal(size=width)
    return torch.tensor(codes, dtype=torch.float32), labels


def judged(codes, labels, ridge: float, of: np.ndarray) -> np.ndarray:
    """Which are named right held out, by scikit-learn."""
    z = StandardScaler().fit_transform(codes.double().numpy())
    right = np.zeros(len(labels), bool)
    for fold in range(of.max() + 1):
        model = RidgeClassifier(alpha=ridge).fit(z[of != fold], labels[of != fold])
        right[of == fold] = model.predict(z[of == fold]) == labels[of == fold]
    return right


@pytest.mark.parametrize(("pictures", "width", "classes"), [(60, 100, 2), (60, 100, 3), (120, 20, 2), (120, 20, 4)])
def test_every_answer_is_scikit_learns_on_the_same_folds(pictures, width, classes):
    codes, labels = drawn(pictures, width, classes)
    found = probe(codes, labels, folds=4, seed=1)
    of = folds_of(labels, 4, 1).of_N
    assert np.array_equal(found.correct, judged(codes, labels, found.strength, of))
    assert found.accuracy == found.correct.mean()
    assert found.held.all()
    every = {times * width: judged(codes, labels, times * width, of).mean() for times in probes.RIDGES}
    assert found.accuracy == max(every.values())
    assert found.strength == max(ridge for ridge, share in every.items() if share == found.accuracy)


@pytest.mark.parametrize(("width", "classes"), [(300, 2), (300, 3), (25, 2), (25, 3)])
def test_of_many_pictures_a_part_chooses_the_ridge(monkeypatch, width, classes):
    monkeypatch.setattr(probes, "SUBSET", 60)
    codes, labels = drawn(150, width, classes)
    found = probe(codes, labels, folds=3)
    right = judged(codes, labels, found.strength, folds_of(labels, 3, 0).of_N)
    assert np.array_equal(found.correct, right)


def test_probes_of_the_same_labels_are_paired():
    codes, labels = drawn(80, 40, 2)
    first, other = probe(codes, labels, seed=2), probe(codes[:, :10], labels, seed=2)
    again = probe(codes.clone(), labels, seed=2)
    assert np.array_equal(first.correct, again.correct)
    assert np.array_equal(first.held, other.held)


def test_the_only_picture_of_a_class_does_not_count():
    codes, labels = drawn(31, 40, 2)
    labels[30] = 7  # and a number that others have none of does no harm
    found = probe(codes, labels)
    assert not found.held[30]
    assert not found.correct[30]
    assert found.accuracy == found.correct.sum() / 30


def test_columns_that_never_vary_change_nothing():
    codes, labels = drawn(50, 20, 2)
    wider = torch.cat([codes, torch.full((50, 5), 0.1)], 1)
    assert np.array_equal(probe(codes, labels).correct, probe(wider, labels).correct)
    assert probe(codes, labels).strength == probe(wider, labels).strength


def test_groups_do_not_part():
    chance = np.random.default_rng(0)
    codes = torch.tensor(chance.normal(size=(30, 50)), dtype=torch.float32).repeat_interleave(4, 0)
    labels = chance.integers(0, 2, 30).repeat(4)  # which scenes cannot tell
    assert probe(codes, labels).accuracy == 1.0  # copies tell each other's labels
    assert probe(codes, labels, groups=[f"scene {number // 4}" for number in range(120)]).accuracy < 0.85


def test_what_cannot_be_probed_is_refused():
    with pytest.raises(DataError, match="there are too few pictures for a probe") as told:
        probe(torch.ones(3, 2), [0, 1, 2])
    assert "3 of 3 classes" in str(told.value)
    with pytest.raises(DataError, match="are not finite"):
        probe(torch.full((4, 2), torch.nan), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="a probe has one answer for each picture"):
        Probe(np.ones(3, bool), np.ones(2, bool), 0.5, 1.0)
