"""The activations' modules against the design's curves, in every precision, and the gradients of our own."""

import pytest
import torch
from torch import nn

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.network.activations import ArcTan, BentIdentity, Gaussian, Sine, Step, activation

torch.set_num_threads(1)
OWN = (Step, ArcTan, Gaussian, Sine, BentIdentity)
NUMBERED = [name for name, curve in ACTIVATIONS.items() if curve.default is not None]
# Kinks, numbers so small that differences cancel, and numbers whose squares overflow in half precision.
GRID = [-6e4, -300.0, -3.0, -1.0, -0.05, -1e-4, 0.0, 1e-4, 0.05, 1.0, 3.0, 6.0, 300.0]


def curve_of(name, values, number=None):
    curve = ACTIVATIONS[name]
    said = (curve.default or 0.0) if number is None else number
    return torch.tensor([curve.f(value, said) for value in values], dtype=torch.float64)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_module_computes_its_curve_and_its_slope(name):
    curve = ACTIVATIONS[name]
    x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    y = activation(name, None).double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    slopes = torch.tensor([curve.df(value, curve.default or 0.0) for value in GRID], dtype=torch.float64)
    torch.testing.assert_close(y.detach(), curve_of(name, GRID), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(slope, slopes, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "number"), [("LEAKYRELU", 0.0), *((name, number) for name in NUMBERED for number in (0.5, 2.0))]
)
def test_a_number_that_was_said_is_taken(name, number):
    got = activation(name, number).double()(torch.tensor(GRID, dtype=torch.float64))
    torch.testing.assert_close(got.detach(), curve_of(name, GRID, number))


def test_torch_has_its_own_module_for_all_but_ours_and_no_name_is_taken_twice():
    for name in ACTIVATIONS:
        module = activation(name, None)
        assert isinstance(module, OWN) != (getattr(nn, type(module).__name__, None) is type(module))
    assert {type(activation(name, None)) for name in ACTIVATIONS} >= set(OWN)
    assert not {own.__name__ for own in OWN} & set(dir(nn))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_precision_is_kept_and_served(name, dtype):
    x = torch.tensor(GRID, dtype=dtype, requires_grad=True)
    y = activation(name, None).to(dtype)(x)
    assert y.dtype == dtype
    few = torch.finfo(dtype).eps * 8
    torch.testing.assert_close(y.detach().double(), curve_of(name, x.tolist()), rtol=few, atol=few)
    y.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5, 4), (0, 3, 2, 2)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_shapes_are_kept_and_the_meta_device_too(name, shape):
    assert activation(name, None)(torch.zeros(shape)).shape == shape
    with torch.device("meta"):
        module, x = activation(name, None), torch.empty(shape)
    assert module(x).shape == shape and module(x).is_meta


@pytest.mark.parametrize("own", OWN)
def test_our_own_gradients_are_right_once_and_twice(own):
    x = torch.tensor([-7.5, -2.3, -0.4, 0.3, 1.6, 9.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(own(), (x,))
    if own is not Step:
        assert torch.autograd.gradgradcheck(own(), (x,))


def test_a_network_with_steps_can_be_trained_without_a_gradient_through_them():
    line = nn.Linear(3, 2)
    nn.Sequential(line, Step(), nn.Linear(2, 1))(torch.randn(4, 3)).sum().backward()
    assert line.weight.grad is not None and not line.weight.grad.any()


@pytest.mark.parametrize("own", OWN)
def test_what_is_not_a_number_stays_so(own):
    assert own()(torch.tensor([float("nan")])).isnan().all()


def test_bent_identity_bends_near_zero_in_single_precision():
    x = torch.tensor([1e-3, -1e-3], dtype=torch.float32)
    bend = BentIdentity()(x).double() - x.double()
    torch.testing.assert_close(bend, x.double() ** 2 / 4, rtol=1e-3, atol=0)


def test_prelu_alone_learns_its_one_number():
    counts = {name: sum(p.numel() for p in activation(name, None).parameters()) for name in ACTIVATIONS}
    assert {name: count for name, count in counts.items() if count} == {"PRELU": 1}
    module = activation("PRELU", 0.125)
    module(torch.tensor([[-2.0, 5.0, -4.0]])).sum().backward()
    (slope,) = module.parameters()
    assert slope.item() == 0.125 and slope.grad is not None and slope.grad.item() == -6
