"""What is heard of one step, against the same numbers worked out by torch alone."""

from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchbeam.design.notation import parse
from torchbeam.learn.listening import Listener, weights_of
from torchbeam.network.build import build

TEXT = "INPUT 6x6x2 -> CONV 4 3x3 -> RELU -> CONV 3 3x3 -> RELU -> FC 5"


def step(text: str = TEXT):
    """A network after one step that was listened to: (what it was, what it is, pictures, labels, what was heard)."""
    torch.manual_seed(0)
    network = build(parse(text))
    x, y = torch.randn(8, 2, 6, 6) * 2 + 1, torch.arange(8) % 5
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    listener, optimiser = Listener(), torch.optim.SGD(network.parameters(), lr=0.1)
    with listener.forward(network):
        outputs = network(x)
        loss = F.cross_entropy(outputs if isinstance(outputs, torch.Tensor) else outputs.scores, y)
    loss.backward()
    listener.backward(network, loss)
    optimiser.step()
    listener.update()
    return network, before, x, loss, listener.heard()


def test_a_step_in_numbers():
    network, before, x, loss, heard = step()
    assert heard.loss == pytest.approx(loss.item())
    assert heard.pictures == 8
    assert heard.means == pytest.approx(x.mean((0, 2, 3)).tolist(), abs=1e-6)
    with torch.no_grad():
        was = torch.func.functional_call(network, before, x)
    assert heard.spread == pytest.approx(was.numpy().std(0).mean(), rel=1e-5)
    assert heard.stds == pytest.approx(x.std((0, 2, 3), correction=0).tolist(), abs=1e-6)
    assert [weights.name for weights in heard.weights] == ["conv1", "conv2", "fc1"]
    for weights in heard.weights:
        parameter = network.get_parameter(f"{weights.name}.weight")
        assert parameter.grad is not None
        assert weights.length == pytest.approx(before[f"{weights.name}.weight"].norm().item(), rel=1e-5)
        assert weights.gradient == pytest.approx(parameter.grad.norm().item(), rel=1e-5)
        assert weights.update == pytest.approx(0.1 * parameter.grad.norm().item(), rel=1e-4)


def test_silent_units_are_those_that_give_0_for_every_picture():
    torch.manual_seed(0)
    network = build(parse(TEXT))
    with torch.no_grad():
        network.get_parameter("conv1.bias")[1:3] = -100.0
    listener, x = Listener(), torch.randn(8, 2, 6, 6)
    with listener.forward(network), torch.no_grad():
        network(x)
    first, second = listener.heard().rectifiers
    assert (first.name, first.units, first.silent) == ("relu1", 4, 2)
    given = network.get_submodule("conv2")(network.get_submodule("conv1")(x).relu()).relu()
    assert second.silent == int((given == 0).all(0).flatten(1).all(1).sum())


def test_hooks_are_gone_after_the_forward_even_where_it_fails():
    network = build(parse(TEXT))
    with pytest.raises(RuntimeError), Listener().forward(network):
        network(torch.zeros(1, 3, 6, 6))
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in network.modules())


def test_inside_brackets_and_side_heads_units_are_heard_too():
    side = "side: AUX 0.3 [CONV 2 3x3 -> RELU -> FC 5]"
    text = f"INPUT 6x6x2 -> body: [CONV 4 3x3 -> {side} -> (CONV 2 3x3 -> RELU | SKIP)] -> FC 5"
    heard = step(text)[-1]
    assert sorted(rectifier.name for rectifier in heard.rectifiers) == ["body.relu1", "body.side.relu1"]
    # The side head's loss was left out: its weights have no gradient, and are not spoken of.
    assert [weights.name for weights in heard.weights] == ["body.conv1", "body.conv2", "fc1"]


def test_what_is_frozen_is_left_out_and_gradients_are_scaled_back():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    network[0].weight.requires_grad_(False)
    assert [name for name, _ in weights_of(network)] == ["2"]
    loss = F.cross_entropy(network(torch.randn(5, 3)), torch.zeros(5, dtype=torch.int64))
    (loss * 1024).backward()
    listener = Listener()
    listener.backward(network, loss, scale=1024.0)
    (weights,) = listener.heard().weights
    true = torch.linalg.vector_norm(network[2].weight.grad) / 1024
    assert weights.gradient == pytest.approx(true.item(), rel=1e-6)
    assert weights.update == 0
    assert (listener.heard().pictures, listener.heard().means) == (0, ())


def test_nothing_is_compiled_into_a_network():
    """Of a compiled network gradients and updates are heard, by the layers' own names, and it is compiled once."""
    network = build(parse(TEXT)).train()
    compiled, times = [], []

    def backend(graph, _):
        compiled.append([node.op for node in graph.graph.nodes])
        return graph.forward

    called = cast(nn.Module, torch.compile(network, backend=backend))
    x, y = torch.randn(8, 2, 6, 6), torch.arange(8) % 5
    for looks in (True, False, True):
        listener = Listener()
        if looks:
            with listener.forward(called):
                loss = F.cross_entropy(called(x), y)
        else:
            loss = F.cross_entropy(called(x), y)
        loss.backward()
        listener.backward(called, loss)
        listener.update()
        times.append(listener.heard())
    assert len(compiled) == 1
    assert [weights.name for weights in times[0].weights] == ["conv1", "conv2", "fc1"]
    assert times[0].rectifiers == ()
    torch.compiler.reset()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and there is none on this machine")
def test_the_device_is_waited_for_only_when_numbers_are_asked_for():
    network = build(parse(TEXT)).cuda()
    x, y = torch.randn(8, 2, 6, 6, device="cuda"), (torch.arange(8) % 5).cuda()
    listener = Listener()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with listener.forward(network):
            loss = F.cross_entropy(network(x), y)
        loss.backward()
        listener.backward(network, loss)
        listener.update()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert listener.heard().weights[0].gradient > 0
