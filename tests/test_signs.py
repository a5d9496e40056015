"""Each judgement on numbers by hand, on either side of its limit."""

import json
import math

import pytest
import torch
from torch.nn import functional as F

from torchbeam.learn import signs
from torchbeam.learn.listening import Heard, Rectifier, Weights
from torchbeam.learn.signs import Chance, Finding, Least, Relation


def heard(*ratios: float, gradients: tuple[float, ...] = (), length: float = 2.0) -> Heard:
    """A step whose updates are by such shares of the weights, and whose gradients likewise."""
    lengths = gradients or ratios
    weights = [
        Weights(f"conv{at}", length, gradient * length, ratio * length)
        for at, (gradient, ratio) in enumerate(zip(lengths, ratios or lengths, strict=True), 1)
    ]
    return Heard(2.3, 64, (0.0,), (1.0,), weights=tuple(weights))


def kind(finding: Finding | None) -> str:
    return "" if finding is None else finding.kind


@pytest.mark.parametrize(
    ("pictures", "mean", "std", "told"),
    [
        (64, 0.0, 1.0, ""),
        (64, 0.99, 1.0, ""),  # 0.75 + 2 / 8
        (64, -1.01, 1.0, "inputs"),
        (100, 0.3, 0.3, ""),  # pixels from 0 to 1, hardly worse than normalised ones
        (64, 0.0, 3.1, "inputs"),
        (64, 0.0, 0.2, "inputs"),
        (4, 2.0, 0.1, ""),  # four pictures may all be dark
        (0, 2.0, 0.1, ""),
    ],
)
def test_inputs(pictures, mean, std, told):
    assert kind(signs.inputs(Heard(2.3, pictures, (0.0, mean), (std, std)))) == told


def test_the_first_loss_of_ten_classes_is_2_3():
    assert signs.first_loss(2.3, math.log(10), 10) is None
    assert signs.first_loss(5.3, math.log(10), 10) is None
    found = signs.first_loss(5.31, math.log(10), 10)
    assert found is not None
    assert "The first loss is 5.31, where 10 classes and no knowledge give 2.3" in found.text
    assert kind(signs.first_loss(math.nan, math.log(10), 10)) == "first-loss"


def test_zeros():
    assert kind(signs.zeros(heard(0.0, 0.0, length=0.0))) == "all-zero"
    assert signs.zeros(heard(0.0, length=0.0)) is None
    assert signs.zeros(heard(0.1, 0.1)) is None


@pytest.mark.parametrize(("silent", "pictures", "told"), [(89, 64, ""), (90, 64, "dead-relu"), (100, 4, "")])
def test_dead(silent, pictures, told):
    step = Heard(2.3, pictures, rectifiers=(Rectifier("relu1", 8, 0), Rectifier("relu2", 100, silent)))
    found = signs.dead(step, 0.005)
    assert kind(found) == told
    if found:
        assert "In relu2, 90 of 100 units are 0 for all 64 pictures" in found.text
        assert "--lr 0.005" in found.remedy


@pytest.mark.parametrize(
    ("gradients", "step", "told"),
    [
        ((0.02, 0.1, 3.0), 1, ""),
        ((7e-5, 0.1, 1.0), 10, ""),
        ((1e-8, 1e-4, 1.0), 1, "vanishing"),
        ((1.0, 1e-9), 10, ""),  # the last layer has learnt what it can
        ((0.0, 1.0), 1, ""),
        ((0.0, 1.0), 10, "vanishing"),
        ((0.0, 0.0), 1, ""),
        ((0.0, 0.0), 10, "vanishing"),
        ((0.1, 2e3), 1, "exploding"),
        ((math.nan, 0.1), 1, "exploding"),
        ((0.1, math.inf), 1, "exploding"),
    ],
)
def test_gradients(gradients, step, told):
    assert kind(signs.gradients(heard(gradients=gradients), step)) == told


def test_gradients_of_no_layers():
    assert signs.gradients(Heard(2.3), 1) is None


@pytest.mark.parametrize(
    ("ratios", "progress", "lr", "told"),
    [
        ((1e-3, 1e-3, 0.9), 0.5, 0.05, ""),
        ((0.1, 0.3, 0.5), 0.01, 5.0, "--lr 0.2"),  # 5 * 0.01 / 0.3 = 0.17
        ((math.nan, math.inf, 0.1), 0.5, 5.0, "--lr 0.05"),
        ((1e-7, 1e-7, 1e-7), 0.5, 1e-6, "--lr 0.001"),
        ((1e-7, 1e-7, 1e-7), 0.01, 1e-6, ""),  # warming up
        ((1e-7, 1e-7, 1e-7), 0.9, 1e-6, ""),
        ((0.0, 0.0, 0.0), 0.5, 0.05, ""),  # a step that was left out, as fp16 does
    ],
)
def test_update_ratio(ratios, progress, lr, told):
    found = signs.update_ratio(signs.middle_ratio(heard(*ratios)), progress, lr)
    assert (told in found.remedy) if told and found else (found is None and not told)


def test_the_middle_of_no_layers_is_0():
    assert signs.middle_ratio(Heard(2.3)) == 0
    assert signs.better_rate(0.0, 0.05) == 0.0005


def test_rate():
    assert signs.rate(6.8, 2.3, 0.005) is None
    assert kind(signs.rate(7.0, 2.3, 0.005)) == "rate"
    found = signs.rate(math.nan, 2.3, 0.005)
    assert found is not None
    assert found.remedy == "try `torchbeam train DATA --lr 0.005`"


def test_chance_is_the_majority_and_the_entropy_of_the_shares():
    found = signs.chance((299, 99), (30, 20))
    assert (found.score, found.pictures) == (0.6, 50)
    assert found.loss == pytest.approx(-(0.6 * math.log(0.75) + 0.4 * math.log(0.25)))


@pytest.mark.parametrize(
    ("loss", "score", "told"),
    [(2.31, 0.10, True), (2.31, 0.161, False), (2.2, 0.10, False), (9.0, 0.159, True), (math.nan, 0.1, True)],
)
def test_learning_shows_in_the_score_or_in_the_loss(loss, score, told):
    """0.1 of 100 pictures has a deviation of 0.03; 0.97 of 2.303 is 2.23."""
    assert signs.learns_nothing(loss, score, Chance(0.1, math.log(10), 100)) is told


def test_labels_that_do_not_belong_are_told_by_what_looks_alike():
    by_chance = Chance(0.1, math.log(10), 100)
    # Chance's deviation is sqrt(0.1 * 0.9 / 900) = 0.01.
    assert Relation(0.15, 0.1, 900).deviations == pytest.approx(5.0)
    assert Relation(1.0, 1.0, 900).deviations == 0
    assert signs.nothing_learnt(0.1, by_chance, Relation(0.13, 0.1, 900), (), 0.05).kind == "shuffled-labels"
    found = signs.nothing_learnt(0.1, by_chance, Relation(0.15, 0.1, 900), ("rate",), 0.05)
    assert found.kind == "does-not-learn"
    assert "first do what was said of rate" in found.remedy
    assert "for 15.0% of 900, by chance for 10.0%" in found.text


@pytest.mark.parametrize(
    ("epoch", "training", "validation", "gap", "told"),
    [
        (5, 0.1, 0.51, None, "overfit"),
        (4, 0.1, 0.51, None, ""),  # two epochs after the least
        (5, 0.1, 0.49, None, ""),
        (5, 0.5, 0.51, None, ""),  # the training loss has risen as well
        (5, 0.3, 0.51, None, ""),
        (5, 0.3, 0.51, 0.11, "overfit"),
        (5, 0.1, 0.51, 0.09, ""),
    ],
)
def test_overfit(epoch, training, validation, gap, told):
    assert kind(signs.overfit(Least(2, 0.4, 0.35), epoch, training, validation, gap)) == told


def test_does_not_fit():
    assert signs.does_not_fit(16, 30, 2.30, 2.27) is None
    assert kind(signs.does_not_fit(16, 30, 2.30, 2.29)) == "does-not-fit"


def test_a_finding_as_the_log_keeps_it():
    found = signs.rate(7.0, 2.3, 0.005)
    assert found is not None
    assert json.loads(json.dumps(found.to_json())) == {
        "kind": "rate",
        "text": "The loss is 7, and began at 2.3: the learning rate is too high.",
        "remedy": "try `torchbeam train DATA --lr 0.005`",
        "epoch": 0,
        "step": 0,
    }


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [(), (0.4, 1.0, 2.5)])
def test_the_least_loss_of_the_same_scores_for_every_picture(smoothing, weights):
    """Against torch's loss at the scores that L-BFGS finds."""
    counts = (50, 30, 5)
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    weight = torch.tensor(weights, dtype=torch.float64) if weights else None
    scores = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([scores], max_iter=100, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        return F.cross_entropy(scores.expand(85, 3), labels, weight, label_smoothing=smoothing)

    def closure() -> torch.Tensor:
        search.zero_grad()
        value = loss()
        value.backward()
        return value

    search.step(closure)
    assert signs.blind_loss(counts, smoothing, weights) == pytest.approx(loss().item(), abs=1e-7)


def test_of_equal_classes_it_is_ln_k_and_an_empty_class_costs_nothing():
    assert signs.blind_loss((7,) * 10, 0.1) == pytest.approx(math.log(10))
    assert signs.blind_loss((4, 0, 4)) == pytest.approx(math.log(2))


@pytest.mark.parametrize(("loss", "flat"), [(2.3, True), (2.41, True), (2.43, False), (2.1, False), (math.nan, False)])
def test_flat(loss, flat):
    assert signs.is_flat(loss, math.log(10)) is flat


def test_lifeless():
    rectifiers = (Rectifier("relu1", 8, 2), Rectifier("relu2", 16, 16))
    dead = Heard(2.3, 64, rectifiers=rectifiers, spread=0.0)
    assert signs.lifeless(dead, 1.0) == "in relu2, all 16 units are 0 for all 64 pictures"
    one_lives = (Rectifier("relu2", 16, 15),)
    assert signs.lifeless(Heard(2.3, 64, rectifiers=one_lives, spread=0.1), 1.0) == ""
    same = Heard(2.3, 64, rectifiers=one_lives, spread=2e-4)
    assert signs.lifeless(same, 0.3) == "its scores differ by 0.0002 between 64 pictures, by 0.3 before"
    assert signs.lifeless(same, 0.1) == ""
    assert signs.lifeless(Heard(2.3, 4, rectifiers=rectifiers, spread=0.0), 1.0) == ""  # four may well be alike
    assert signs.lifeless(heard(gradients=(0.0, 0.0, 1e-9)), 0.0) == "2 of its 3 layers get no gradient"
    assert signs.lifeless(heard(gradients=(0.0, 1e-9)), 0.0) == ""
