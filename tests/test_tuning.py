import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from torchbeam.errors import SettingError
from torchbeam.jobs.tuning import DEFAULTS, NAMES, Tuning, check_tuning, seconds_of, weights_of


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"class_weights": "all"}, "class weights cannot be all"),
        ({"init": "zero"}, "init cannot be zero"),
        ({"views": "ten"}, "views cannot be ten"),
        ({"precision": "fp8"}, "precision cannot be fp8"),
        ({"label_smoothing": 1.5}, "label smoothing cannot be 1.5"),
        ({"time": "soon"}, "time cannot be soon"),
        ({"state_every": "0"}, "time cannot be 0"),
    ],
)
def test_what_cannot_be_is_refused_in_words(told, words):
    with pytest.raises(SettingError, match=words):
        Tuning(**told)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"optimiser": "adam"}, "no optimiser adam"),
        ({"schedule": "steps"}, "no schedule steps"),
        ({"clip": -1.0}, "clip cannot be -1"),
        ({"ema": 1.0}, "ema cannot be 1"),
        ({"ema": 0.9, "lookahead": 5}, "a run averages its weights in one way"),
        ({"accumulate": 0}, "accumulate cannot be 0"),
        ({"time": "0.5s"}, "time cannot be 0.5 s"),
    ],
)
def test_what_no_plan_can_have_is_refused_in_words(told, words):
    with pytest.raises(SettingError, match=words):
        check_tuning(Tuning(**told))


def test_every_flag_has_a_default():
    assert set(NAMES) == set(DEFAULTS)
    check_tuning(Tuning())


def test_times_are_read_as_people_write_them():
    assert [seconds_of(told) for told in ("90", "90s", "1.5 m", "2h", "1D")] == [90, 90, 90, 7200, 86400]


def test_classes_that_are_alike_weigh_alike():
    assert weights_of("auto", [100, 120, 250]) == ((), "")
    assert weights_of("none", [1, 1000]) == ((), "")


def test_skewed_classes_weigh_by_the_root_of_their_rarity_and_are_told():
    weights, note = weights_of("auto", [400, 100])
    assert weights[1] == pytest.approx(2 * weights[0])  # a quarter of the pictures, the root of four times the weight
    assert "the largest class has 4 times the pictures of the smallest" in note


def test_balanced_weights_are_scikit_learns():
    labels = [0] * 70 + [1] * 20 + [2] * 10
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=labels)
    assert weights_of("balanced", [70, 20, 10])[0] == pytest.approx(tuple(expected), rel=1e-5)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12), st.sampled_from(["root", "balanced"]))
def test_the_mean_weight_of_a_picture_is_one(counts, how):
    if sum(counts) == 0:
        counts[0] = 1
    weights, _ = weights_of(how, counts)
    mean = sum(w * n for w, n in zip(weights, counts, strict=True)) / sum(counts)
    assert mean == pytest.approx(1, abs=1e-4)
