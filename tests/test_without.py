"""A network without a unit, judged by one whose weights were set to zero, or whose maps were."""

import threading

import pytest
import torch
from slid_makers import same_state, state_of
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.without import without
from torchbeam.network.build import build

NET = "INPUT 8x8x2 -> CONV 4 3x3 -> BN -> RELU -> POOL max 2x2 -> (CONV 5 3x3 + CONV 5 1x1) -> FC 6 -> RELU -> FC 3"
X = torch.randn(5, 2, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv3", "fc1", "fc2"])
def test_a_filter_of_zeros_gives_the_same(layer):
    torch.manual_seed(0)
    net = build(parse(NET)).train()
    before = state_of(net)
    silent = without(net, layer, 2)
    made = silent(X)
    assert same_state(state_of(net), before)
    assert all(one is other for one, other in zip(silent.parameters(), net.parameters(), strict=True))
    net.eval()
    assert not torch.equal(net(X), made)
    with torch.no_grad():
        net.get_submodule(layer).weight[2] = 0
        net.get_submodule(layer).bias[2] = 0
    assert torch.allclose(net(X), made, atol=1e-6)


def test_pools_and_layers_that_run_twice():
    net = nn.Sequential(nn.MaxPool2d(2))
    judge = net(X).clone()
    judge[:, 1] = 0
    assert torch.equal(without(net, "0", 1)(X), judge)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)
            self.again = self.conv

        def forward(self, x):
            return self.again(self.conv(x))

    net = Twice()
    made = without(net, "conv", 0)(X)
    assert not made[:, 0].any() and made[:, 1].any()
    assert torch.allclose(made[:, 1], net.conv.weight[1, 1] * (net.conv(X)[:, 1:2].squeeze(1)) + net.conv.bias[1])


def test_weights_made_of_others_and_units_of_tokens():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 1)), nn.Flatten(2), nn.Linear(64, 4))
    made = without(net, "2", 3)(X)
    assert not made[..., 3].any() and torch.equal(made[..., :3], net(X)[..., :3])
    assert not without(net, "0", 1).get_submodule("0")(X)[:, 1].any()


def test_mistakes_are_told():
    net = build(parse(NET))
    with pytest.raises(SettingError, match="no layer 'conv9' to silence") as caught:
        without(net, "conv9", 0)
    assert caught.value.remedy.startswith("did you mean conv")
    with pytest.raises(SettingError, match="conv1 has no unit 4 to silence"):
        without(net, "conv1", 4)(X)
    net.lock = threading.Lock()
    with pytest.raises(SettingError, match="cannot be run without a unit, as its structure cannot be copied"):
        without(net, "conv1", 0)
