"""Numbers worked out by hand, judged by what the networks computed."""

import numpy as np
import pytest
import torch
from akamaster import CifarResNet
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from slid_makers import LAYERS, made, same_state, state_of
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.arithmetic import arithmetic, equation, worked
from torchbeam.look.slid import ran, slidable
from torchbeam.network.build import build

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch pads such a window unevenly
NET = "INPUT 12x12x3 -> CONV 4 3x3 -> BN -> RELU -> POOL max 2x2 -> CONV 6 3x3 pad 0 -> RELU -> FC 5 -> RELU -> FC 3"


@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_layer_at_every_position(name):
    network, x = made(name)
    layer = ran(network, x, ["0"])["0"]
    for unit, row, column in np.ndindex(*layer.output_KHW.shape):
        found = worked(layer, unit, row, column)
        assert found.difference < 1e-6, found
        assert found.network == float(layer.output_KHW[unit, row, column])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_convolution(data):
    groups = data.draw(st.integers(1, 3))
    into, out = groups * data.draw(st.integers(1, 3)), groups * data.draw(st.integers(1, 3))
    kernel, stride, dilation = (data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(3))
    padding = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    torch.manual_seed(data.draw(st.integers(0, 9)))
    network = nn.Sequential(nn.Conv2d(into, out, kernel, stride, padding, dilation, groups, data.draw(st.booleans())))
    layer = ran(network, torch.randn(1, into, 9, 8), ["0"])["0"]
    unit, row, column = (data.draw(st.integers(0, size - 1)) for size in layer.output_KHW.shape)
    assert worked(layer, unit, row, column).difference < 1e-5


@pytest.mark.parametrize("name", ["ours", "residual"])
def test_random_numbers_of_whole_networks(name):
    torch.manual_seed(0)
    network, size = (build(parse(NET)), 12) if name == "ours" else (CifarResNet(1), 32)
    layers = ran(network, torch.randn(1, 3, size, size), slidable(network))
    chance = np.random.default_rng(0)
    for _ in range(150):
        layer = layers[chance.choice(list(layers))]
        place = [int(chance.integers(most)) for most in layer.output_KHW.shape]
        assert worked(layer, *place).difference < 1e-5


def test_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 1, 2), nn.MaxPool2d(2, 1), nn.AvgPool2d(1))
    network[0].load_state_dict({"weight": torch.tensor([[[[1.0, 2.0], [0.0, -1.0]]]]), "bias": torch.tensor([0.5])})
    x = torch.tensor([[[[3.0, 1.0, 0.0], [4.0, 5.0, 2.0], [1.0, 1.0, 1.0]]]])
    layers = ran(network, x, ["0", "1"])
    found = worked(layers["0"], 0, 0, 0)
    assert found.products[0].tolist() == [[3, 2], [0, -5]] and found.value == found.network == 0.5
    assert equation(found) == "sum of 4 products 0 + bias 0.5 = 0.5"
    largest = worked(layers["1"], 0, 0, 0)  # of 0.5, -0.5; 13.5, 8.5
    assert largest.weights[0].tolist() == [[0, 0], [1, 0]] and largest.value == largest.network == 13.5
    assert equation(largest) == "the largest of 4 is 13.5"


def test_equal_maxima_and_padding_alone():
    pool = nn.Sequential(nn.MaxPool2d(2))
    found = worked(ran(pool, torch.zeros(1, 1, 2, 2), ["0"])["0"], 0, 0, 0)
    assert found.weights[0].tolist() == [[1, 0], [0, 0]]
    conv = nn.Sequential(nn.Conv2d(1, 1, 1, padding=2))
    look = arithmetic(conv, torch.rand(1, 4, 4), "0", 0, 0, 0)
    assert look.arrays["field"].values.size == 0 and not look.arrays["inside"].values.any()
    assert look.png().startswith(b"\x89PNG")


def test_one_look(tmp_path):
    torch.manual_seed(0)
    network = build(parse(NET)).train()
    before = state_of(network)
    picture = torch.rand(3, 12, 12)
    look = arithmetic(network, picture, "conv2", 3)
    assert same_state(state_of(network), before)
    values = look.arrays["map"].values
    row, column = look.facts["row"], look.facts["column"]
    assert (row, column) == np.unravel_index(values.argmax(), values.shape)
    assert look.arrays["value"].values == pytest.approx(float(values[row, column]), rel=1e-5)
    assert look.arrays["products"].values.sum() + look.arrays["bias"].values == look.arrays["value"].values
    assert np.array_equal(look.arrays["filter"].values, network.conv2.weight[3].detach().double().numpy())
    left, top, right, bottom = look.facts["box"]
    assert look.arrays["field"].values.shape == (bottom - top, right - left, 3)
    assert "the network computed" in look.caption and "weights " in look.caption
    assert {path.suffix for path in look.save(tmp_path)} == {".png", ".npz"}
    with Image.open(tmp_path / "arithmetic.png") as drawn:
        assert drawn.width > 1000


@pytest.mark.parametrize("layer", ["conv1", "pool1", "fc1", "fc2"])
def test_every_kind_is_drawn(layer):
    look = arithmetic(build(parse(NET)), torch.rand(3, 12, 12), layer, 0)
    assert look.png().startswith(b"\x89PNG") and look.facts["difference"] < 1e-5


def test_a_network_that_cannot_be_read_is_taken_to_see_everything():
    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(x) if x.sum() > 0 else self.conv(-x)

    look = arithmetic(Choosing(), torch.rand(1, 6, 6), "conv", 0)
    assert look.facts["box"] == (0, 0, 6, 6) and "taken as the whole of it" in look.caption


def test_mistakes_are_told():
    network, picture = build(parse(NET)), torch.rand(3, 12, 12)
    with pytest.raises(SettingError, match="no layer 'conv9'"):
        arithmetic(network, picture, "conv9", 0)
    with pytest.raises(SettingError, match="conv1 has no unit 4"):
        arithmetic(network, picture, "conv1", 4)
    with pytest.raises(SettingError, match="conv1 has no row 12"):
        arithmetic(network, picture, "conv1", 0, 12, 0)
