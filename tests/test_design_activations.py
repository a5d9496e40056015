"""The activations' curves against torch and its autograd, and by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from torchbeam.design.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE

torch.set_num_threads(1)

# What torch says each one is, as a function of x and its number.
TORCH = {
    "IDENTITY": lambda x, a: nn.Identity()(x),
    "STEP": lambda x, a: torch.heaviside(x.detach(), torch.ones_like(x)) + 0 * x,
    "SIGMOID": lambda x, a: nn.Sigmoid()(x),
    "HARDSIGMOID": lambda x, a: nn.Hardsigmoid()(x),
    "TANH": lambda x, a: nn.Tanh()(x),
    "HARDTANH": lambda x, a: nn.Hardtanh()(x),
    "ARCTAN": lambda x, a: x.atan(),
    "SOFTSIGN": lambda x, a: nn.Softsign()(x),
    "RELU": lambda x, a: nn.ReLU()(x),
    "RELU6": lambda x, a: nn.ReLU6()(x),
    "LEAKYRELU": lambda x, a: nn.LeakyReLU(a)(x),
    "PRELU": lambda x, a: nn.PReLU(init=a, dtype=x.dtype)(x),
    "ELU": lambda x, a: nn.ELU(a)(x),
    "CELU": lambda x, a: nn.CELU(a)(x),
    "SELU": lambda x, a: nn.SELU()(x),
    "GELU": lambda x, a: nn.GELU()(x),
    "SILU": lambda x, a: nn.SiLU()(x),
    "HARDSWISH": lambda x, a: nn.Hardswish()(x),
    "MISH": lambda x, a: nn.Mish()(x),
    "SOFTPLUS": lambda x, a: nn.Softplus()(x),
    "GAUSSIAN": lambda x, a: (-(x**2)).exp(),
    "SINE": lambda x, a: x.sin(),
    "BENTIDENTITY": lambda x, a: ((x**2 + 1).sqrt() - 1) / 2 + x,
}
KINKS = [-3.0, -1.0, 0.0, -0.0, 1.0, 3.0, 6.0]
GRID = [step / 8 + 0.01 for step in range(-96, 97)] + KINKS + [-1e4, 1e4]
CASES = [
    (name, number)
    for name, curve in ACTIVATIONS.items()
    for number in ([0.0] if curve.default is None else [curve.default, 0.3, 2.5])
]


def test_they_stand_in_the_order_of_a_cheat_sheet():
    assert " ".join(ACTIVATIONS) == (
        "IDENTITY STEP SIGMOID HARDSIGMOID TANH HARDTANH ARCTAN SOFTSIGN RELU RELU6 LEAKYRELU PRELU ELU CELU SELU GELU "
        "SILU HARDSWISH MISH SOFTPLUS GAUSSIAN SINE BENTIDENTITY"
    )


@pytest.mark.parametrize(("name", "number"), CASES)
def test_value_and_slope_are_those_of_torch_and_autograd(name, number):
    x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    y = TORCH[name](x, number)
    (slope,) = torch.autograd.grad(y.sum(), x)
    curve = ACTIVATIONS[name]
    # 1e-7: torch keeps hard sigmoid's 1/6 and celu's 1/a in single precision.
    assert [curve.f(value, number) for value in GRID] == pytest.approx(y.tolist(), rel=1e-7, abs=1e-7)
    assert [curve.df(value, number) for value in GRID] == pytest.approx(slope.tolist(), rel=1e-7, abs=1e-7)


def test_the_numbers_when_unsaid_are_torchs_own():
    defaults = {name: curve.default for name, curve in ACTIVATIONS.items() if curve.default is not None}
    assert defaults == {
        "LEAKYRELU": nn.LeakyReLU().negative_slope,
        "PRELU": nn.PReLU().weight.item(),
        "ELU": nn.ELU().alpha,
        "CELU": nn.CELU().alpha,
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_is_described_and_has_words_for_its_number_only_where_it_takes_one(name):
    curve = ACTIVATIONS[name]
    assert curve.title and curve.formula and curve.derivative
    assert curve.number.startswith("a, ") == (curve.default is not None)
    assert (" a " in f" {curve.formula} ") == (curve.default is not None)


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(x=st.floats(-1e308, 1e308))
def test_no_finite_number_is_too_large_or_too_small(name, x):
    curve = ACTIVATIONS[name]
    assert math.isfinite(curve.f(x, curve.default or 0.0))
    assert abs(curve.df(x, curve.default or 0.0)) < 2


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("SIGMOID", math.log(3), 3 / 4, 3 / 16),
        ("HARDSIGMOID", 1.5, 3 / 4, 1 / 6),
        ("SOFTSIGN", -3.0, -3 / 4, 1 / 16),
        ("ELU", -math.log(2), -1 / 2, 1 / 2),
        ("SOFTPLUS", 0.0, math.log(2), 1 / 2),
        ("SILU", math.log(3), 3 / 4 * math.log(3), 3 / 4 * (1 + math.log(3) / 4)),
        ("GELU", 1.0, 0.8413447460685429, 0.8413447460685429 + 0.24197072451914337),  # of tables of the normal curve
        ("HARDSWISH", 1.0, 2 / 3, 5 / 6),
        ("BENTIDENTITY", 0.75, 0.875, 1.3),
    ],
)
def test_by_hand(name, x, value, slope):
    assert ACTIVATIONS[name].f(x, 1.0) == pytest.approx(value, rel=1e-12)
    assert ACTIVATIONS[name].df(x, 1.0) == pytest.approx(slope, rel=1e-12)


def test_selus_formulas_name_the_numbers_it_is_drawn_with():
    below = f"{SELU_SCALE * SELU_ALPHA:.4f}"
    for text in (ACTIVATIONS["SELU"].formula, ACTIVATIONS["SELU"].derivative):
        assert f"{SELU_SCALE:.4f}" in text and below in text


def test_selu_keeps_mean_zero_and_variance_one():
    """What its two numbers were chosen for, summed over a standard normal distribution."""
    step = 1e-3
    mean = square = 0.0
    for count in range(-10_000, 10_001):
        x = count * step
        weight = math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * step
        value = ACTIVATIONS["SELU"].f(x, 0.0)
        mean, square = mean + weight * value, square + weight * value**2
    assert mean == pytest.approx(0, abs=1e-6)
    assert square == pytest.approx(1, abs=1e-6)
