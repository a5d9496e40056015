"""Layers run backwards by hand, judged by autograd; the line also by numpy's convolution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slid_makers import LAYERS, made, same_state, state_of
from torch import nn
from torch.nn import functional as F

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.slid import as_maps, ran, slidable
from torchbeam.look.slopes import (
    around,
    arriving,
    filter_gradient,
    flipped,
    input_gradient,
    line_gradient,
    met,
    routed,
    spread_out,
    stepped,
)
from torchbeam.network.build import build

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")
FOLDING = ("conv, reflecting", "conv, replicating", "conv, round")


def judged(network, x, name="0"):
    """(the layer, what arrives at it, and autograd's gradients of its input, weight and bias)."""
    layer = ran(network, x, [name])[name]
    module = network.get_submodule(name).double()
    given = x.double().requires_grad_()
    made = module(given)
    arrives = torch.randn(made.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    slopes = torch.autograd.grad(made, (given, *module.parameters()), arrives)
    last = isinstance(module, nn.Linear)
    return layer, as_maps(arrives, last=last)[0].numpy(), as_maps(slopes[0], last=last)[0].numpy(), slopes[1:]


def close(own, other, rel=1e-5):
    assert own.shape == other.shape
    assert np.abs(own - other).max() <= rel * (np.abs(other).max() or 1)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in FOLDING])
def test_input_and_filter_gradients_are_autograd_s(name):
    layer, arrives, slope, weights = judged(*made(name))
    close(input_gradient(layer, arrives), slope)
    close(sum(input_gradient(layer, arrives, unit) for unit in range(layer.units)), slope)
    if layer.weight is None:
        return
    for unit in range(layer.units):
        by_hand, bias = filter_gradient(layer, arrives, unit)
        close(by_hand, weights[0][unit].reshape(by_hand.shape).numpy())
        assert len(weights) == 1 or bias == pytest.approx(float(weights[1][unit]), rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_convolution(data):
    groups = data.draw(st.integers(1, 2))
    into, out = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 2))
    kernel, stride, dilation = (data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(3))
    padding = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    torch.manual_seed(data.draw(st.integers(0, 9)))
    network = nn.Sequential(nn.Conv2d(into, out, kernel, stride, padding, dilation, groups))
    layer, arrives, slope, weights = judged(network, torch.randn(1, into, 8, 9))
    close(input_gradient(layer, arrives), slope)
    unit = data.draw(st.integers(0, out - 1))
    close(filter_gradient(layer, arrives, unit)[0], weights[0][unit].numpy())
    # One pixel: what arrives around it, times the flipped filter.
    through = input_gradient(layer, arrives, unit)
    row, column = data.draw(st.integers(0, 7)), data.draw(st.integers(0, 8))
    numbers, inside = around(layer, arrives, unit, row, column)
    for at, channel in enumerate(layer.channels(unit)):
        back = np.flip(layer.weight[unit, at].double().numpy())
        assert (numbers * back).sum() == pytest.approx(through[channel, row, column], abs=1e-9)
    assert not numbers[~inside].any()


def test_the_flipped_filter_and_the_numbers_spread_by_the_stride():
    network = nn.Sequential(nn.Conv2d(2, 3, 2, bias=False))
    layer = ran(network, torch.rand(1, 2, 3, 3), ["0"])["0"]
    assert torch.equal(flipped(layer), network[0].weight.detach().double().transpose(0, 1).flip(2, 3))
    assert spread_out(np.array([[[1.0, 2.0]]]), (2, 3)).tolist() == [[[1, 0, 0, 2]]]


def test_what_a_weight_meets_is_the_window_s_number_at_every_position():
    network, x = made("conv, strides and pads")
    layer = ran(network, x, ["0"])["0"]
    meets = met(layer, 1, 2, 0)
    for row, column in np.ndindex(*meets.shape[1:]):
        window, _ = layer.window(layer.channels(1), row, column)
        assert np.array_equal(meets[:, row, column], window[:, 2, 0])


def test_a_maximum_sends_everything_to_the_first_largest():
    x = torch.tensor([[[[1.0, 5.0, 5.0], [5.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]])
    network = nn.Sequential(nn.MaxPool2d(2, 1))
    layer = ran(network, x, ["0"])["0"]
    arrives = np.array([[[1.0, 10.0], [100.0, 1000.0]]])
    assert routed(layer, arrives, 0).tolist() == [[0, 11, 0], [100, 1000, 0], [0, 0, 0]]


def test_a_norm_of_nothing_sends_nothing_back():
    network = nn.Sequential(nn.LPPool2d(2, 2))
    layer = ran(network, torch.zeros(1, 1, 2, 2), ["0"])["0"]
    assert not routed(layer, np.ones((1, 1, 1)), 0).any()


@given(st.data())
def test_a_line_is_autograd_s(data):
    numbers = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=4)
    filter, stride, padding = data.draw(numbers), data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3))
    length = data.draw(st.integers(max(1, len(filter) - 2 * padding), 12))
    x = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = F.conv1d(x, torch.tensor(filter, dtype=torch.float64)[None, None], stride=stride, padding=padding)
    arrives = torch.arange(1.0, y.numel() + 1, dtype=torch.float64).view_as(y)
    (slope,) = torch.autograd.grad(y, x, arrives)
    assert (
        line_gradient(arrives.flatten().tolist(), filter, length, stride, padding).tolist() == slope.flatten().tolist()
    )


def test_a_line_by_hand_is_a_full_convolution():
    assert line_gradient([1, 10, 100], [2, 3, 5], 5).tolist() == [2, 23, 235, 350, 500]
    assert np.convolve([1, 10, 100], [2, 3, 5]).tolist() == [2, 23, 235, 350, 500]


def test_what_arrives_in_a_network_and_one_step_of_its_optimiser():
    torch.manual_seed(0)
    network = build(
        parse("INPUT 8x8x2 -> CONV 3 3x3 -> BN -> RELU -> POOL max 2x2 -> CONV 4 3x3 -> RELU -> FC 3")
    ).eval()
    x = torch.randn(1, 2, 8, 8)
    before = state_of(network)
    arrives, loss = arriving(network, x, 2, "conv2")
    assert same_state(state_of(network), before)
    layer = ran(network, x, ["conv2"])["conv2"]
    judge = F.cross_entropy(network(x), torch.tensor([2]))
    assert loss == pytest.approx(judge.item(), rel=1e-6)
    judge.backward()
    old = network.conv2.weight.detach().clone()
    torch.optim.SGD(network.parameters(), lr=0.3).step()
    for unit in range(4):
        slope, bias = filter_gradient(layer, arrives, unit)
        close(slope, before_grad := network.conv2.weight.grad[unit].double().numpy())
        assert bias == pytest.approx(float(network.conv2.bias.grad[unit]), rel=1e-4, abs=1e-7)
        close(stepped(old[unit].double().numpy(), slope, 0.3), network.conv2.weight[unit].detach().double().numpy())
        assert before_grad.shape == slope.shape


def test_a_frozen_network_and_one_with_gradients_of_its_own():
    network = build(parse("INPUT 6x6x1 -> CONV 2 3x3 -> FC 3")).requires_grad_(False)
    x = torch.randn(1, 1, 6, 6)
    frozen, _ = arriving(network, x, 0, "conv1")
    network.requires_grad_()
    network.conv1.weight.grad = torch.ones_like(network.conv1.weight)
    with torch.no_grad():
        free, _ = arriving(network, x, 0, "conv1")
    assert np.array_equal(frozen, free) and frozen.any()
    assert torch.equal(network.conv1.weight.grad, torch.ones_like(network.conv1.weight))


def test_every_layer_of_a_network_sends_back_what_autograd_does():
    torch.manual_seed(0)
    network = build(
        parse("INPUT 9x9x1 -> CONV 3 3x3 -> TANH -> POOL avg 3x3 -> CONV depthwise 3x3 -> FC 4 -> TANH -> FC 3")
    )
    network.double().eval()
    x = torch.randn(1, 1, 9, 9, dtype=torch.float64)
    for name in slidable(network):
        arrives, _ = arriving(network, x, 1, name)
        layer = ran(network, x, [name])[name]
        own = input_gradient(layer, arrives)
        # What comes out of a layer's input is what arrives at the layer before it, through the functions between.
        given = torch.from_numpy(layer.input_CHW).double()[None].requires_grad_()
        module = network.get_submodule(name)
        made = module(given.flatten(1) if isinstance(module, nn.Linear) else given)
        (slope,) = torch.autograd.grad(made, given, torch.from_numpy(arrives)[None].reshape(made.shape))
        close(own, slope[0].numpy())


def test_mistakes_are_told():
    network, x = made("conv, reflecting")
    layer = ran(network, x, ["0"])["0"]
    with pytest.raises(SettingError, match=r"0 pads with pixels \(reflect\), whose gradients fold back"):
        input_gradient(layer, np.zeros(layer.output_KHW.shape))
    pool = ran(*made("max"), ["0"])["0"]
    with pytest.raises(SettingError, match="0 has no filter to flip"):
        flipped(pool)
    with pytest.raises(SettingError, match=r"^0 has no filter\n"):
        filter_gradient(pool, pool.output_KHW.astype(np.float64), 0)
    with pytest.raises(SettingError, match="0 is no pool"):
        routed(layer, layer.output_KHW.astype(np.float64), 0)

    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.apart = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x):
            return self.used(x.flatten(1)) + self.apart(x.flatten(1)).detach()

    with pytest.raises(SettingError, match="no gradient comes from the scores to apart"):
        arriving(Apart(), torch.rand(1, 1, 2, 2), 0, "apart")
