"""Linear classifiers in principal axes: scikit-learn on the raw columns is the judge."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from torchbeam.learn import linear
from torchbeam.learn.linear import fit, rotated, scores


def made(pictures: int, width: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes as rectified stages give them: sparse, of different scales, with columns that never vary."""
    chance = np.random.default_rng(seed)
    labels = np.arange(pictures) % classes
    middles = chance.normal(size=(classes, width))
    codes = np.maximum(middles[labels] + 1.5 * chance.normal(size=(pictures, width)), 0) * chance.lognormal(size=width)
    codes[:, 0], codes[:, 1] = 0.0, 0.1
    return torch.tensor(codes, dtype=torch.float32), torch.from_numpy(labels)


def judged(kind: str, strength: float, codes, labels, weights) -> np.ndarray:
    """scikit-learn's scores on the standardised codes."""
    z = StandardScaler().fit_transform(codes.double().numpy())
    if kind == "softmax":
        model = LogisticRegression(C=strength, tol=1e-10, max_iter=20_000)
    else:  # its bias has a price, which a large scaling makes next to nothing
        model = LinearSVC(C=strength, dual=False, intercept_scaling=100.0, tol=1e-10, max_iter=20_000)
    return model.fit(z, labels.numpy(), sample_weight=weights.numpy()).decision_function(z)


@pytest.mark.parametrize("kind", ["softmax", "svm"])
@pytest.mark.parametrize(("pictures", "width", "classes"), [(40, 90, 2), (40, 90, 3), (90, 30, 2), (90, 30, 3)])
@pytest.mark.parametrize("strength", [0.001, 0.1])
def test_the_scores_equal_scikit_learns_on_the_raw_columns(kind, pictures, width, classes, strength):
    codes, labels = made(pictures, width, classes)
    weights = torch.tensor([1.0, 2.5, 0.5])[labels]
    axes = rotated(codes)
    fitted = fit(axes, labels, classes, kind, [strength], weights[:, None])
    assert fitted.converged
    found = scores(axes, fitted.weight_RPK)[:, 0].numpy()
    judge = judged(kind, strength, codes, labels, weights)
    if classes > 2 and kind == "softmax":  # which do not feel a number added to all classes
        found, judge = found - found.mean(1, keepdims=True), judge - judge.mean(1, keepdims=True)
    assert found == pytest.approx(judge.reshape(found.shape), abs=2e-3 * np.abs(judge).max())
    weight, bias = axes.raw(fitted.weight_RPK[:, 0])
    raw = (codes.double() @ weight.T + bias).numpy()
    assert raw == pytest.approx(scores(axes, fitted.weight_RPK)[:, 0].numpy(), abs=1e-6)
    assert not weight[:, :2].any()  # columns that never vary tell nothing


@pytest.mark.parametrize("kind", ["softmax", "svm"])
def test_problems_beside_each_other_are_what_they_are_alone(kind):
    codes, labels = made(40, 60, 3)
    axes = rotated(codes)
    strengths = [0.001, 0.01, 0.1, 1.0]
    weights = torch.rand(40, 4, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    together = fit(axes, labels, 3, kind, strengths, weights).weight_RPK
    for at, strength in enumerate(strengths):
        alone = fit(axes, labels, 3, kind, [strength], weights[:, at : at + 1]).weight_RPK[:, 0]
        assert torch.allclose(together[:, at], alone, atol=1e-4 * float(alone.abs().max()))


def test_more_problems_than_memory_are_taken_in_turns(monkeypatch):
    codes, labels = made(30, 20, 3)
    axes, weights = rotated(codes), torch.ones(30, 5)
    whole = fit(axes, labels, 3, "softmax", [0.01] * 5, weights).weight_RPK
    monkeypatch.setattr(linear, "HELD", 200)
    assert torch.allclose(fit(axes, labels, 3, "softmax", [0.01] * 5, weights).weight_RPK, whole)


def test_a_picture_without_weight_is_not_learnt_from():
    codes, labels = made(40, 60, 2)
    weights = torch.ones(40, 1)
    weights[::4] = 0
    changed = labels.clone()
    changed[::4] = 1 - changed[::4]
    axes = rotated(codes)
    first, other = (fit(axes, each, 2, "svm", [0.1], weights).weight_RPK for each in (labels, changed))
    assert torch.equal(first, other)


def test_axes_are_orthogonal_and_keep_all_distances():
    codes, _ = made(30, 50, 3)
    axes = rotated(codes)
    z = torch.from_numpy(StandardScaler().fit_transform(codes.double().numpy()))
    z[:, 1] = 0  # a column of one number whose variance is rounding, which scikit-learn may keep
    assert torch.allclose(torch.cdist(axes.a_NR, axes.a_NR), torch.cdist(z, z), atol=1e-5)
    assert torch.allclose(axes.a_NR.T @ axes.a_NR, axes.energy_R.diag(), atol=1e-5)
    assert axes.exact
    assert axes.columns == 48


def test_where_both_sides_are_long_the_axes_are_those_of_some_pictures():
    codes, labels = made(120, 90, 2)
    axes = rotated(codes, most=40)
    assert not axes.exact
    assert axes.a_NR.shape[1] <= 40
    fitted = fit(axes, labels, 2, "softmax", [0.01], torch.ones(120, 1))
    weight, bias = axes.raw(fitted.weight_RPK[:, 0])
    called = (codes.double() @ weight.T + bias).flatten() > 0
    assert (called == labels.bool()).float().mean() > 0.95


def test_codes_that_are_all_the_same_have_no_axes_but_a_bias():
    axes = rotated(torch.full((10, 4), 0.3))
    assert axes.a_NR.shape == (10, 0)
    labels = torch.tensor([0] * 8 + [1] * 2)
    fitted = fit(axes, labels, 2, "softmax", [1.0], torch.ones(10, 1))
    assert fitted.weight_RPK.flatten().tolist() == pytest.approx([np.log(0.2 / 0.8)], abs=1e-4)
