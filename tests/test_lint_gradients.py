"""The rules for activations that do harm, against the curves and against torch's gradients."""

import pytest
import torch
from lint_fixes import completed, findings, told

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.design.lint.gradients import ONE_SIDED
from torchbeam.network.build import build

torch.set_num_threads(1)

GRID = [x / 8 for x in range(-80, 81)]


def test_the_one_sided_activations_are_those_whose_curve_is_never_below_zero():
    never = {
        name
        for name, curve in ACTIVATIONS.items()
        if min(curve.f(x, 1.0 if curve.default is None else curve.default) for x in GRID) >= 0
    }
    assert never == {*ONE_SIDED, "STEP"}


@pytest.mark.parametrize("end", ["", " -> SOFTMAX", " -> DROPOUT 0.5", " -> IDENTITY -> SOFTMAX", " -> FLATTEN"])
def test_scores_that_cannot_be_negative_are_told_of(end):
    (finding,) = findings(f"INPUT 4x4x1 -> FC 9 -> TANH -> FC 10 -> RELU{end}")
    assert (finding.layer, finding.rule, finding.cost) == ("relu1", "activation-at-the-end", "")
    assert finding.message == "RELU at the end: none of the 10 scores can be negative"
    assert finding.fix == "leave out RELU"
    assert findings(f"INPUT 4x4x1 -> FC 9 -> TANH -> FC 10{end}") == []


def test_none_of_such_scores_is_negative_in_torch():
    network = build(completed("INPUT 4x4x1 -> FC 10 -> SOFTPLUS"))
    assert network(torch.randn(50, 1, 4, 4) * 9).min() >= 0


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 4x4x1 -> FC 10 -> TANH",
        "INPUT 4x4x1 -> FC 10 -> LEAKYRELU",
        "INPUT 4x4x1 -> FC 1 -> SIGMOID",  # one probability
        "INPUT 4x4x1 -> CONV 8 3x3 -> RELU",  # no scores: a volume for something else
        "INPUT 4x4x1 -> CONV 8 3x3 -> RELU -> POOL avg global",
        "INPUT 4x4x1 -> SOFTMAX",
    ],
)
def test_other_ends_are_no_fault(text):
    assert told(text, "activation-at-the-end") == []


def test_a_softmax_over_places_makes_scores_of_a_volume():
    assert [f.layer for f in told("INPUT 4x4x1 -> CONV 8 3x3 -> RELU -> SOFTMAX", "activation-at-the-end")] == ["relu1"]


STEPS = "INPUT 4x4x1 -> CONV 2 3x3 -> BN -> {} -> FC 5 -> TANH -> FC 3"


def test_a_step_is_told_with_the_parameters_that_never_learn():
    (finding,) = told(STEPS.format("STEP"), "dead-step")
    assert (finding.layer, finding.fix, finding.cost) == ("step1", "write RELU or SIGMOID in its place", "")
    assert finding.message == "its slope is 0 everywhere: the 24 parameters below it never learn"
    assert unlearnt(STEPS.format("STEP")) == 20 + 4
    for kind in ("RELU", "SIGMOID"):
        assert told(STEPS.format(kind), "dead-step") == []
        assert unlearnt(STEPS.format(kind)) == 0


def unlearnt(text):
    """The parameters of the layers that torch's backward leaves without any gradient."""
    torch.manual_seed(0)
    network = build(completed(text))
    out = network(torch.randn(8, *completed_volume(text)))
    out.square().sum().backward()
    dead = [p for p in network.parameters() if p.grad is None or not p.grad.any()]
    return sum(p.numel() for p in dead)


def completed_volume(text):
    volume = completed(text).input.volume
    return volume.channels, volume.height, volume.width


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("INPUT 4x4x1 -> STEP -> FC 3", []),  # nothing below it
        ("INPUT 4x4x1 -> CONV 2 3x3 -> ( STEP + SKIP ) -> FC 3", []),  # the gradient goes around it
        ("INPUT 4x4x1 -> CONV 2 3x3 -> ( FC 4 -> STEP | FC 4 ) -> FC 3", [132]),
        ("INPUT 4x4x1 -> FC 4 -> STEP -> FC 4 -> STEP -> FC 3", [68, 88]),
    ],
)
def test_only_what_no_gradient_reaches_is_counted(text, counts):
    said = [f"its slope is 0 everywhere: the {count} parameters below it never learn" for count in counts]
    assert [finding.message for finding in told(text, "dead-step")] == said
    assert unlearnt(text) == max(counts, default=0)


def test_what_a_side_head_trains_is_not_dead():
    assert told("INPUT 4x4x1 -> FC 4 -> AUX 0.3 [FC 2] -> STEP -> FC 3", "dead-step") == []
