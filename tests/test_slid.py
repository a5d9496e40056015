"""Windows and what stands in them, and mistakes about layers, units and positions."""

import numpy as np
import pytest
import torch
from slid_makers import LAYERS, made, same_state, state_of
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.slid import as_maps, ran, slidable, weighing
from torchbeam.network.build import build

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch pads such a window unevenly


@pytest.mark.parametrize("name", LAYERS)
def test_what_a_layer_took_and_gave_is_what_torch_gives(name):
    network, x = made(name)
    layer = ran(network, x, ["0"])["0"]
    given, taken = network(x).detach(), x
    if isinstance(network[0], nn.Linear):  # units last, as torch has them
        assert np.array_equal(layer.output_KHW.reshape(layer.units, -1).T, given.reshape(-1, layer.units).numpy())
        assert np.array_equal(layer.input_CHW.reshape(6, -1).T, taken.reshape(-1, 6).numpy())
    else:
        assert np.array_equal(layer.output_KHW, given[0].numpy())
        assert np.array_equal(layer.input_CHW, taken[0].numpy())
    assert layer.largest == float(given.abs().max())


def test_a_window_at_the_corner_shows_its_padding():
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    conv = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))
    window, inside = ran(conv, x, ["0"])["0"].window(range(1), 0, 2)
    assert window[0].tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]
    assert inside.tolist() == [[False] * 3, [True, True, False], [True, True, False]]
    pool = nn.Sequential(nn.MaxPool2d(2, 2, 1))
    window, inside = ran(pool, x, ["0"])["0"].window(range(1), 0, 0)
    assert window[0].tolist() == [[-np.inf, -np.inf], [-np.inf, 1]] and inside.sum() == 1
    mirror = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"))
    window, inside = ran(mirror, x, ["0"])["0"].window(range(1), 0, 0)
    assert window[0].tolist() == [[5, 4, 5], [2, 1, 2], [5, 4, 5]] and inside.sum() == 4


def test_padding_by_a_layer_of_its_own_is_the_convolution_s():
    network = build(parse("INPUT 8x8x1 -> CONV 2 4x4 stride 2 pad 0:2"))
    x = torch.rand(1, 1, 8, 8) + 1
    layer = ran(network, x, ["conv1"])["conv1"]
    _, inside = layer.window(range(1), 3, 3)
    assert (
        layer.input_CHW.shape == (1, 8, 8) and inside.tolist() == [[True, True, False, False]] * 2 + [[False] * 4] * 2
    )


def test_the_strongest_position_is_the_default_and_each_axis_by_itself():
    network, x = made("conv")
    layer = ran(network, x, ["0"])["0"]
    values = layer.output_KHW[2]
    assert layer.position(2, None, None) == tuple(np.unravel_index(values.argmax(), values.shape))
    assert layer.position(2, 3, None) == (3, values[3].argmax())
    assert layer.position(2, None, 4) == (values[:, 4].argmax(), 4)
    assert layer.position(2, 1, 5) == (1, 5)


def test_the_network_is_left_as_it_was():
    network = build(parse("INPUT 8x8x1 -> CONV 2 3x3 -> BN -> RELU -> POOL max 2x2 -> FC 3")).train()
    before = state_of(network)
    ran(network, torch.rand(1, 1, 8, 8), slidable(network))
    assert same_state(state_of(network), before) and network.training


def test_names_of_layers():
    network = build(parse("INPUT 8x8x1 -> CONV 2 3x3 -> BN -> RELU -> POOL max 2x2 -> FC 3"))
    assert slidable(network) == ["conv1", "pool1", "fc1"]
    assert weighing(network) == ["conv1", "fc1"]


def test_units_come_second_whatever_a_layer_gives():
    assert as_maps(torch.zeros(2, 5), last=False).shape == (2, 5, 1, 1)
    assert as_maps(torch.zeros(2, 7, 5), last=True).shape == (2, 5, 7, 1)
    assert as_maps(torch.zeros(2, 3, 4, 5), last=True).shape == (2, 5, 3, 4)
    assert as_maps(torch.zeros(2, 5, 3, 4), last=False).shape == (2, 5, 3, 4)


def test_mistakes_are_told():
    network = build(parse("INPUT 8x8x1 -> CONV 2 3x3 -> RELU -> FC 3"))
    x = torch.rand(1, 1, 8, 8)
    with pytest.raises(SettingError, match="no layer 'conv2'") as caught:
        ran(network, x, ["conv2"])
    assert caught.value.remedy == "did you mean conv1?" and "fc1" in caught.value.expected
    with pytest.raises(SettingError, match="relu1 is a ReLU, which has no window to show") as caught:
        ran(network, x, ["relu1"])
    assert "conv1" in caught.value.expected
    layer = ran(network, x, ["conv1"])["conv1"]
    with pytest.raises(SettingError, match="conv1 has no unit 2") as caught:
        layer.position(2, None, None)
    assert caught.value.expected == "2 units, numbered 0 to 1"
    with pytest.raises(SettingError, match="conv1 has no row 8"):
        layer.position(0, 8, None)
    with pytest.raises(SettingError, match="conv1 has no column -1"):
        layer.position(0, None, -1)


def test_layers_that_compute_otherwise_or_do_not_run_or_not_for_one_picture():
    class Scaled(nn.Conv2d):
        def forward(self, input):
            return 2 * super().forward(input)

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.idle, self.scaled, self.many = nn.Conv2d(1, 1, 1), Scaled(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.many(self.scaled(x).expand(2, -1, -1, -1))

    x = torch.rand(1, 1, 4, 4)
    with pytest.raises(SettingError, match="scaled is a Scaled, which has no window to show"):
        ran(Odd(), x, ["scaled"])
    with pytest.raises(SettingError, match="idle does not run in evaluation"):
        ran(Odd(), x, ["idle"])
    with pytest.raises(SettingError, match="many does not give one map for one picture"):
        ran(Odd(), x, ["many"])
