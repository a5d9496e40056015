"""What taps keep, judged by hand and by autograd; what they leave alone."""

import pytest
import torch
from torch import nn

from torchbeam.errors import SettingError
from torchbeam.network.taps import tapped


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(2 * 2 * 2, 3)
    )


def hooks(module):
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in module.modules())


X = torch.linspace(-1, 1, 32).view(2, 1, 4, 4)


def test_outputs_are_those_of_the_layers_run_by_hand_also_where_the_next_one_writes_in_place():
    net = network().eval()
    with tapped(net, ["1", "2", "4", ""]) as taps:
        assert list(taps) == []
        scores = net(X)
    first = net[1](net[0](X))
    assert torch.equal(taps["1"], first) and (first < 0).any()
    assert torch.equal(taps["2"], first.relu())
    assert torch.equal(taps["4"], scores) and torch.equal(taps[""], scores)
    assert len(taps) == 4 and "0" not in taps


def test_the_last_forward_is_what_is_kept():
    net = network().eval()
    with tapped(net, ["0"]) as taps:
        net(X)
        first = taps["0"]
        net(2 * X)
        assert torch.equal(taps["0"], net[0](2 * X)) and not torch.equal(taps["0"], first)
        with pytest.raises(RuntimeError):
            net(X[:, :, :1])
        assert "0" not in taps  # a forward that failed before it


def test_a_layer_that_runs_twice_is_kept_as_it_ran_last_and_one_that_does_not_is_missing():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.add, self.idle = nn.Linear(1, 1), nn.Linear(1, 1)

        def forward(self, x):
            return self.add(self.add(x))

    net = Twice()
    with tapped(net, ["add", "idle"]) as taps:
        given = net(torch.ones(1, 1))
    assert torch.equal(taps["add"], given) and taps.get("idle") is None


def test_gradients_are_autograd_s_own():
    net = network().eval()
    with tapped(net, ["0", "3"], gradients=True) as taps:
        net(X)[:, 1].sum().backward()
    middle = net[0](X).detach().requires_grad_()
    net[1:](middle.clone())[:, 1].sum().backward()
    assert torch.equal(taps.gradients["0"], middle.grad)
    assert torch.equal(taps.gradients["3"], net[4].weight[1].expand(2, -1))


def test_a_frozen_network_has_gradients_at_its_taps_and_learns_none():
    net = network().eval().requires_grad_(False)
    with tapped(net, ["0", "3"], gradients=True) as taps:
        net(X)[:, 1].sum().backward()
    assert taps.gradients["0"].shape == (2, 2, 2, 2) and taps.gradients["0"].abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_loss_of_what_was_tapped_reaches_the_picture():
    net = network().eval()
    x = X.clone().requires_grad_()
    with tapped(net, ["0"]) as taps:
        net(x)
        taps["0"].sum().backward()
    other = X.clone().requires_grad_()
    net[0](other).sum().backward()
    assert torch.equal(x.grad, other.grad)


def test_inputs_are_what_came_to_a_layer():
    net = network().eval()
    with tapped(net, ["2", "4"], inputs=True) as taps:
        net(X)
    assert torch.equal(taps.inputs["2"], net[1](net[0](X)))
    assert torch.equal(taps.inputs["4"], taps["2"].flatten(1))


def test_scores_mode_weights_and_statistics_stay_bit_by_bit():
    for training in (True, False):
        plain, heard = network().train(training), network().train(training)
        expected = plain(X)
        with tapped(heard, ["0", "1", "2", "3", "4"], gradients=True, inputs=True):
            assert torch.equal(heard(X), expected)
        assert [each.training for each in heard.modules()] == [training] * 6
        for own, other in zip(heard.state_dict().values(), plain.state_dict().values(), strict=True):
            assert torch.equal(own, other)


def test_hooks_are_gone_afterwards_also_after_an_error_and_others_stay():
    net = network()
    net[0].register_forward_hook(lambda *_: None)
    with tapped(net, ["0", "4"], inputs=True):
        assert hooks(net) == 6
        net(X)
    assert hooks(net) == 1
    with pytest.raises(ZeroDivisionError), tapped(net, ["0"]):
        raise ZeroDivisionError
    assert hooks(net) == 1


def test_an_unknown_name_is_answered_with_the_nearest_before_anything_is_hooked():
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(1, 1, 1))
    with pytest.raises(SettingError, match="no layer 'convl' to tap") as caught, tapped(net, ["conv1", "convl"]):
        pass
    assert caught.value.remedy == "did you mean conv1?"
    assert hooks(net) == 0


def test_what_gives_or_takes_no_tensor_is_told():
    lstm = nn.Sequential(nn.LSTM(2, 2))
    with pytest.raises(SettingError, match="0 gives no single tensor"), tapped(lstm, ["0"]):
        lstm(torch.zeros(1, 2))

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(1, 1)

        def forward(self, x):
            return self.inner(input=x)

    net = Named()
    with pytest.raises(SettingError, match="inner takes no tensor to keep"), tapped(net, ["inner"], inputs=True):
        net(torch.zeros(1, 1))
    assert hooks(net) + hooks(lstm) == 0


def test_gradients_without_a_graph_and_compiled_networks_are_refused():
    net = network()
    refused = pytest.raises(SettingError, match="no gradients come to taps under torch")
    with refused, torch.no_grad(), tapped(net, ["0"], gradients=True):
        net(X)
    with pytest.raises(SettingError, match="a compiled network cannot be tapped"), tapped(torch.compile(net), ["0"]):
        pass
    assert hooks(net) == 0
