"""One unit run backwards: the look's numbers, judged by autograd and by the network with other weights."""

import copy

import numpy as np
import pytest
import torch
from slid_makers import same_state, state_of
from torch import nn
from torch.nn import functional as F

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.backward import backward
from torchbeam.network.build import build

NET = "INPUT 8x8x2 -> CONV 4 3x3 -> BN -> RELU -> POOL max 2x2 -> CONV 5 3x3 -> RELU -> FC 6 -> RELU -> FC 3"


def network():
    torch.manual_seed(0)
    return build(parse(NET)).train()


X = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2"])
def test_filters(layer):
    net = network()
    before = state_of(net)
    look = backward(net, X, layer, 2, label=1, rate=0.1)
    assert same_state(state_of(net), before)
    judge = copy.deepcopy(net).eval()
    loss = F.cross_entropy(judge(X[None]), torch.tensor([1]))
    loss.backward()
    module = judge.get_submodule(layer)
    slope = module.weight.grad[2].double().numpy()
    arrays = {name: measured.values for name, measured in look.arrays.items()}
    largest = np.abs(slope).max()
    assert np.allclose(arrays["filter gradient"].reshape(slope.shape), slope, atol=1e-5 * largest)
    assert np.allclose(arrays["stepped"], arrays["filter"] - 0.1 * arrays["filter gradient"], atol=1e-12)
    assert look.facts["loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert look.facts["bias gradient"] == pytest.approx(module.bias.grad[2].item(), rel=1e-4, abs=1e-7)
    with torch.no_grad():
        module.weight[2] -= 0.1 * module.weight.grad[2]
        module.bias[2] -= 0.1 * module.bias.grad[2]
        after = F.cross_entropy(judge(X[None]), torch.tensor([1])).item()
    assert look.facts["loss after"] == pytest.approx(after, rel=1e-5)
    assert arrays["window into"].shape[1:] == ((3, 3) if layer.startswith("conv") else (1, 1))
    assert look.png().startswith(b"\x89PNG")


def test_what_goes_through_a_unit_is_in_its_window():
    look = backward(network(), X, "conv2", 1, 0, 3, label="2")
    into, window = look.arrays["into"].values, look.arrays["window into"].values
    assert np.array_equal(window[:, 1:, :2], into[:, 0:2, 2:4])
    assert not window[:, 0].any() and not window[:, :, 2].any()  # in the padding


def test_a_pool_routes():
    look = backward(network(), X, "pool1", 3, label=0)
    arrives, into = look.arrays["arriving"].values, look.arrays["into"].values
    assert into[3].sum() == pytest.approx(arrives.sum()) and not np.delete(into, 3, 0).any()
    blocks = into[3].reshape(4, 2, 4, 2).transpose(0, 2, 1, 3).reshape(4, 4, 4)
    assert np.count_nonzero(blocks, axis=2).max() == 1 and np.allclose(blocks.sum(2), arrives)
    assert "filter" not in look.arrays and look.facts["loss after"] is None
    assert look.png().startswith(b"\x89PNG")


def test_without_a_label_it_is_the_likeliest_class():
    net = network().eval()
    look = backward(net, X, "conv1", 0)
    assert look.facts["class"] == str(int(net(X[None]).argmax()))
    assert look.facts["loss after"] < look.facts["loss"]


def test_weights_that_are_made_of_others_are_run_backwards_without_a_step_on():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 3)), nn.Flatten(), nn.Linear(108, 2))
    look = backward(net, X, "0", 1)
    assert look.facts["loss after"] is None and look.arrays["filter gradient"].values.any()
    assert look.png().startswith(b"\x89PNG")


def test_mistakes_are_told():
    with pytest.raises(SettingError, match="a step cannot have a rate of 0"):
        backward(network(), X, "conv1", 0, rate=0)
    with pytest.raises(SettingError, match="no class '7'"):
        backward(network(), X, "conv1", 0, label=7)
    with pytest.raises(SettingError, match="conv1 has no unit 4"):
        backward(network(), X, "conv1", 4)
