"""Heads on codes: scikit-learn and hand-worked cases judge them."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from torchbeam.errors import DataError, SettingError
from torchbeam.learn import heads
from torchbeam.learn.folds import folds_of
from torchbeam.learn.heads import Head, fit_head
from torchbeam.learn.linear import KINDS

NAMES = ("ant", "bee", "cat", "dog")


def drawn(pictures: int, width: int, classes: int, apart: float = 1.0, seed: int = 0):
    """Codes around a middle for each class; some of each are nearer another's."""
    chance = np.random.default_rng(seed)
    labels = np.arange(pictures) % classes
    middles = chance.normal(size=(classes, width)) * apart / np.sqrt(width) * 3
    codes = middles[labels] + chance.normal(size=(pictures, width)) + 5
    return torch.tensor(codes, dtype=torch.float32), labels


def judge_of(head: Head):
    """scikit-learn's model of that kind and strength, on raw codes."""
    if head.kind == "softmax":
        return make_pipeline(StandardScaler(), LogisticRegression(C=head.strength, tol=1e-8, max_iter=10_000))
    model = LinearSVC(C=head.strength, dual=False, intercept_scaling=100.0, tol=1e-8, max_iter=10_000)
    return make_pipeline(StandardScaler(), model)


@pytest.mark.parametrize(("pictures", "width", "classes"), [(60, 100, 2), (60, 100, 3), (120, 20, 2), (120, 20, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_scikit_learn_on_raw_codes_decides_the_same(pictures, width, classes, kind, monkeypatch):
    monkeypatch.setattr(heads, "KINDS", (kind,))
    codes, labels = drawn(pictures, width, classes)
    head = fit_head(codes, labels, NAMES[:classes])
    assert head.kind == kind
    assert head.weight.shape == (classes, width)
    assert head.weight.dtype == head.bias.dtype == torch.float32
    judge = judge_of(head).fit(codes.double().numpy(), labels)
    unseen, _ = drawn(300, width, classes, seed=1)  # anywhere near will do
    wanted = judge.decision_function(unseen.double().numpy())
    found = head.scores(unseen).double() * head.temperature
    if classes == 2:
        assert (found[:, 1] - found[:, 0]).numpy() == pytest.approx(wanted, abs=3e-3 * np.abs(wanted).max())
        assert torch.allclose(head.weight[0], -head.weight[1])
    else:
        wanted = wanted - wanted.mean(1, keepdims=True)
        assert (found - found.mean(1, keepdim=True)).numpy() == pytest.approx(wanted, abs=3e-3 * np.abs(wanted).max())
    called = judge.predict(unseen.double().numpy())
    assert (found.argmax(1).numpy() == called).mean() > 0.99


def test_the_accuracy_is_scikit_learns_on_the_same_folds():
    codes, labels = drawn(90, 40, 3, apart=0.6)
    head = fit_head(codes, labels, NAMES[:3], folds=4, seed=3)
    of = folds_of(labels, 4, 3).of_N
    z = StandardScaler().fit_transform(codes.double().numpy())
    for tried in head.tried:
        right = np.zeros(90, bool)
        for fold in range(4):
            if tried.kind == "softmax":
                model = LogisticRegression(C=tried.strength, tol=1e-8, max_iter=10_000)
            else:
                model = LinearSVC(C=tried.strength, dual=False, intercept_scaling=100.0, tol=1e-8, max_iter=10_000)
            model.fit(z[of != fold], labels[of != fold])
            right[of == fold] = model.predict(z[of == fold]) == labels[of == fold]
        assert tried.accuracy == pytest.approx(right.mean(), abs=1.01 / 90)  # one that is a tie but for rounding
        assert tried.error == pytest.approx(np.sqrt(tried.accuracy * (1 - tried.accuracy) / 90))
    best = max(each.accuracy for each in head.tried)
    assert head.accuracy == best
    assert {each.kind for each in head.tried} == set(KINDS)


def test_of_equals_the_more_regularised_is_taken_and_softmax():
    codes, labels = drawn(60, 30, 2, apart=20)
    head = fit_head(codes, labels, NAMES[:2])
    assert {each.accuracy for each in head.tried} == {1.0}
    assert head.kind == "softmax"
    assert head.strength == min(each.strength for each in head.tried) == pytest.approx(0.01 / 30)
    assert (head.accuracy, head.error) == (1.0, 0.0)


def test_the_largest_strength_is_tried_where_the_one_before_is_best():
    codes, labels = drawn(60, 30, 2, apart=20)
    assert max(each.strength for each in fit_head(codes, labels, NAMES[:2]).tried) == pytest.approx(10 / 30)
    chance = np.random.default_rng(0)
    codes = torch.tensor(chance.normal(size=(200, 40)), dtype=torch.float32)
    codes[:, 0] *= 0.05  # all that tells the classes apart lies between much that does not
    labels = (codes[:, 0] > 0).long()
    head = fit_head(codes, labels, NAMES[:2])
    assert max(each.strength for each in head.tried) == pytest.approx(100 / 40)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_honest_on_pictures_never_seen(kind, classes, monkeypatch):
    monkeypatch.setattr(heads, "KINDS", (kind,))
    codes, labels = drawn(1200, 20, classes, apart=0.5)
    head = fit_head(codes, labels, NAMES[:classes])
    truth = np.arange(6000) % classes
    middles = np.random.default_rng(0).normal(size=(classes, 20)) * 0.5 / np.sqrt(20) * 3  # those of `drawn`
    noise = np.random.default_rng(7).normal(size=(6000, 20))
    unseen = torch.tensor(middles[truth] + noise + 5, dtype=torch.float32)
    chances = head.scores(unseen).softmax(1)
    sure, called = chances.max(1)
    right = (called.numpy() == truth).mean()
    assert sure.mean().item() == pytest.approx(right, abs=0.04)
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        own = (sure > low) & (sure <= high)
        if own.sum() > 300:
            assert sure[own].mean().item() == pytest.approx(
                (called[own].numpy() == truth[own.numpy()]).mean(), abs=0.07
            )


def test_the_temperature_makes_the_likelihood_of_pictures_held_out_highest():
    chance = np.random.default_rng(0)
    truth = torch.arange(200) % 3
    scores = torch.tensor(chance.normal(size=(200, 3)) * 4) + 3 * torch.nn.functional.one_hot(truth, 3)
    soft = (torch.nn.functional.one_hot(truth, 3).double() * 200 + 1) / 203

    def unlikely(logarithm: float) -> float:
        return -(soft * (np.exp(logarithm) * scores).log_softmax(1)).sum().item()

    judge = np.exp(minimize_scalar(unlikely, bounds=(-6, 3), method="bounded", options={"xatol": 1e-9}).x)
    assert heads._sharpness(scores, truth) == pytest.approx(judge, rel=1e-4)


def test_scores_that_are_never_wrong_are_not_made_certain():
    codes, labels = drawn(60, 30, 2, apart=20)
    chances = fit_head(codes, labels, NAMES[:2]).scores(codes).softmax(1)
    assert 0.9 < chances.max() < 0.9999


def test_class_weights_are_scikit_learns_sample_weights():
    codes, labels = drawn(90, 20, 3)
    weights = (1.0, 3.0, 0.5)
    head = fit_head(codes, labels, NAMES[:3], class_weights=weights)
    judge = judge_of(head)
    judge.fit(codes.double().numpy(), labels, **{f"{judge.steps[1][0]}__sample_weight": np.array(weights)[labels]})
    assert (head.scores(codes).argmax(1).numpy() == judge.predict(codes.double().numpy())).mean() > 0.98
    assert not torch.equal(head.weight, fit_head(codes, labels, NAMES[:3]).weight)


def test_groups_do_not_part():
    chance = np.random.default_rng(0)
    scenes = torch.tensor(chance.normal(size=(30, 50)), dtype=torch.float32)
    codes = scenes.repeat_interleave(4, 0) + 0.01 * torch.randn(120, 50, generator=torch.Generator().manual_seed(0))
    labels = chance.integers(0, 2, 30).repeat(4)  # which scenes cannot tell
    groups = [f"scene {number // 4}" for number in range(120)]
    assert fit_head(codes, labels, NAMES[:2]).accuracy == 1.0  # copies tell each other's labels
    grouped = fit_head(codes, labels, NAMES[:2], groups=groups).accuracy
    assert grouped is not None
    assert grouped < 0.85


def test_a_class_with_one_picture_is_learnt_but_not_held_out():
    codes, labels = drawn(41, 30, 2, apart=20)
    labels[40] = 2
    codes[40] += 50
    head = fit_head(codes, labels, NAMES[:3])
    assert head.accuracy == 1.0
    assert "all there is of a class" in " ".join(head.notes)
    assert head.weight[2].any()
    assert head.scores(codes)[40].softmax(0)[2] > head.scores(codes)[:40].softmax(1)[:, 2].max()


def test_one_picture_of_each_class_makes_a_head_of_the_usual_strength():
    codes, _ = drawn(3, 30, 3, apart=20)
    head = fit_head(codes, [0, 1, 2], NAMES[:3])
    assert (head.accuracy, head.error, head.tried) == (None, None, ())
    assert (head.kind, head.temperature) == ("softmax", 1.0)
    assert "nothing could be tried" in " ".join(head.notes)
    assert head.scores(codes).argmax(1).tolist() == [0, 1, 2]


def test_many_pictures_choose_by_a_part_and_say_so(monkeypatch):
    monkeypatch.setattr(heads, "LARGE", 100)
    monkeypatch.setattr(heads, "SUBSET", 60)
    codes, labels = drawn(200, 30, 3)
    head = fit_head(codes, labels, NAMES[:3])
    assert any("were chosen by 60 of 200 pictures in 3 folds" in note for note in head.notes)
    judge = judge_of(head).fit(codes.double().numpy(), labels)
    assert (head.scores(codes).argmax(1).numpy() == judge.predict(codes.double().numpy())).mean() > 0.98
    assert head.accuracy is not None
    assert head.accuracy > 0.6


def test_many_classes_try_fewer_strengths(monkeypatch):
    monkeypatch.setattr(heads, "LARGE_SCORES", 100)
    monkeypatch.setattr(heads, "MANY_CLASSES", 3)
    codes, labels = drawn(80, 30, 4)
    head = fit_head(codes, labels, NAMES)
    assert len({each.strength for each in head.tried}) == 2


def test_where_the_part_is_too_small_the_usual_is_taken(monkeypatch):
    monkeypatch.setattr(heads, "LARGE", 10)
    monkeypatch.setattr(heads, "SUBSET", 2)
    monkeypatch.setattr(heads, "LEAST", 1)
    codes, labels = drawn(40, 10, 2)
    head = fit_head(codes, labels, NAMES[:2])
    assert head.tried == ()
    assert head.accuracy is not None
    assert any("too small to try them" in note for note in head.notes)


def test_codes_that_are_all_the_same_name_the_class_most_frequent():
    head = fit_head(torch.ones(10, 5), [0] * 7 + [1] * 3, NAMES[:2])
    assert head.scores(torch.ones(1, 5)).argmax().item() == 0
    assert any("all pictures have the same codes" in note for note in head.notes)


def test_the_same_pictures_make_the_same_head():
    codes, labels = drawn(60, 30, 3)
    first, again = (fit_head(codes, labels, NAMES[:3], seed=5) for _ in range(2))
    assert torch.equal(first.weight, again.weight)
    assert first.to_json() == again.to_json()
    assert set(first.to_json()) == {"kind", "strength", "accuracy", "error", "temperature", "notes", "tried"}


def test_what_no_head_can_be_fitted_to_is_refused():
    codes, labels = drawn(20, 6, 2)
    with pytest.raises(DataError, match="the codes and labels do not belong together") as told:
        fit_head(codes, labels[:19], NAMES[:2])
    assert "codes 20 x 6 and 19 labels" in str(told.value)
    with pytest.raises(DataError, match="a head needs classes to tell apart"):
        fit_head(codes, labels * 0, NAMES[:1])
    with pytest.raises(DataError, match="some labels name no class") as told:
        fit_head(codes, labels + 1, NAMES[:2])
    assert "1 to 2" in str(told.value)
    with pytest.raises(DataError, match="2 of 4 classes have no picture to learn from") as told:
        fit_head(codes, labels, NAMES)
    assert "none of cat, dog among 20 pictures" in str(told.value)
    codes[3, 1], codes[7] = torch.nan, torch.inf
    with pytest.raises(DataError, match="the codes of 2 of 20 pictures are not finite"):
        fit_head(codes, labels, NAMES[:2])
    with pytest.raises(SettingError, match="the class weights cannot be used"):
        fit_head(codes.nan_to_num(0, 0, 0), labels, NAMES[:2], class_weights=(1.0, 0.0))
    with pytest.raises(ValueError, match="no head is a forest"):
        Head("forest", 1.0, torch.ones(2, 3), torch.ones(2), None, None, 1.0, ())
