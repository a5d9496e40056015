"""How weights begin: a signal that reaches the end of a deep network, and a class that is not dead from the start."""

import math

import pytest
import torch
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.network.build import build

torch.set_num_threads(1)
DEEP = "INPUT 16x16x8 -> [CONV 64 3x3 -> {}]*20"


def strengths(text: str) -> list[float]:
    """The root mean square behind every activation, for noise of strength 1."""
    torch.manual_seed(0)
    found: list[float] = []
    network = build(parse(text))
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.GELU | nn.SELU | nn.Tanh):
            module.register_forward_hook(lambda _module, _given, out: found.append(out.square().mean().sqrt().item()))
    network(torch.randn(8, 8, 16, 16))
    return found


@pytest.mark.parametrize("activation", ["RELU", "GELU", "SELU"])
def test_a_signal_reaches_the_end_of_twenty_layers_without_batch_norm(activation):
    found = strengths(DEEP.format(activation) + " -> FC 10")
    assert found[-1] > 0.005 * found[0]
    assert max(found) < 20


def test_torchs_own_start_would_lose_it():
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(8 if at == 0 else 64, 64, 3, padding=1), nn.ReLU()) for at in range(20)]
    signal = torch.randn(8, 8, 16, 16)
    with torch.no_grad():
        first = layers[0](signal)
        last = nn.Sequential(*layers)(signal)
    # The bias is all that is left: between pictures nothing differs any more.
    assert last.std(0).mean() < 1e-4 * first.std(0).mean()


def test_a_layer_before_a_rectifier_has_hes_variance_through_bn_and_pool_alike():
    torch.manual_seed(0)
    network = build(
        parse("INPUT 8x8x16 -> CONV 256 3x3 -> BN -> POOL -> RELU -> ( CONV 256 3x3 + SKIP ) -> RELU -> FC 9")
    )
    for name, fan_in in (("conv1", 16 * 9), ("conv2", 256 * 9)):
        layer = network.get_submodule(name)
        assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.05)
        assert not layer.bias.any()


def test_scores_and_what_stands_before_other_activations_start_as_torch_starts_them():
    torch.manual_seed(0)
    network = build(parse("INPUT 8x8x16 -> CONV 256 3x3 -> TANH -> CONV 256 3x3 -> CONV 64 1x1 -> RELU -> FC 500"))
    for name, fan_in in (("conv1", 16 * 9), ("conv2", 256 * 9), ("fc1", 64 * 64)):
        layer = network.get_submodule(name)
        assert layer.weight.abs().max().item() <= 1 / math.sqrt(fan_in)
        assert layer.weight.var().item() == pytest.approx(1 / (3 * fan_in), rel=0.05)
        assert layer.bias.any()


def test_scores_behind_a_rectifier_start_above_zero_so_that_every_class_can_learn():
    torch.manual_seed(0)
    network = build(parse("INPUT 8x8x3 -> CONV 64 3x3 -> RELU -> CONV 10 1x1 -> RELU -> POOL avg global"))
    scores = network(torch.randn(32, 3, 8, 8)).flatten(1)
    assert (scores > 0).all()
    assert scores.mean().item() == pytest.approx(0.5, abs=0.2)


def test_a_side_head_has_scores_of_its_own():
    torch.manual_seed(0)
    network = build(parse("INPUT 8x8x4 -> CONV 64 3x3 -> side: AUX 0.3 [FC 100] -> RELU -> FC 10"))
    head = network.get_submodule("side.fc1")
    assert head.weight.var().item() == pytest.approx(1 / (3 * 4096), rel=0.05)
    assert network.get_submodule("conv1").weight.var().item() == pytest.approx(2 / 36, rel=0.1)


def test_weights_may_start_on_the_meta_device():
    with torch.device("meta"):
        network = build(parse("INPUT 8x8x3 -> CONV 4 -> RELU -> CONV 10 1x1 -> RELU"))
    assert all(parameter.is_meta for parameter in network.parameters())


PASSING = """INPUT 8x8x4 -> CONV 4 3x3 -> RELU -> CONV 9 3x3 -> BN -> RELU -> CONV 6 3x3 -> TANH -> CONV 6 1x1 -> RELU
-> CONV 6 3x3 groups 2 -> RELU -> CONV 8 3x3 -> RELU -> CONV 3 3x3"""


def test_layers_may_start_by_passing_on_what_they_are_given():
    networks = {}
    for how in ("he", "dirac"):
        torch.manual_seed(0)
        networks[how] = build(parse(PASSING), how).state_dict()
    he, dirac = networks["he"], networks["dirac"]
    passing = {"conv2.weight": 4, "conv3.weight": 6, "conv6.weight": 6}
    for name, weights in he.items():
        if not weights.ndim:  # a batch norm's count
            continue
        count = passing.get(name, 0)
        assert torch.equal(dirac[name][count:], weights[count:])
        if count:
            judge = nn.init.dirac_(torch.empty_like(weights))[:count]
            assert torch.equal(dirac[name][:count], judge)
    pictures = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(
        nn.functional.conv2d(pictures, dirac["conv2.weight"], padding=1)[:, :4], pictures, rtol=0, atol=0
    )


def test_he_is_how_weights_start_and_passing_on_draws_the_same_numbers():
    states = []
    for how in ((), ("he",), ("dirac",)):
        torch.manual_seed(3)
        network = build(parse(PASSING), *how)
        states.append((torch.get_rng_state(), network.conv1.weight, network.conv2.weight))
    assert torch.equal(states[0][2], states[1][2]) and not torch.equal(states[0][2], states[2][2])
    for state in states[1:]:
        assert torch.equal(state[0], states[0][0]) and torch.equal(state[1], states[0][1])


def test_passing_on_may_start_on_the_meta_device():
    with torch.device("meta"):
        assert build(parse(PASSING), "dirac").conv2.weight.is_meta


def test_another_start_is_refused():
    with pytest.raises(SettingError, match="weights cannot start as dirak") as caught:
        build(parse(PASSING), "dirak")
    assert caught.value.expected == "he or dirac"
