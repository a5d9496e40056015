from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.errors import Diverged
from torchbeam.learn.learner import Learner, Step
from torchbeam.learn.loop import Epoch, learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import PLAIN
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

CPU = torch.device("cpu")
AS_IS = Preprocessing(8, 8, 1, (0.3,), (0.35,))


@pytest.fixture(scope="module")
def parts() -> tuple[Batches, Batches]:
    data = load_data("digits")
    pixels = Fixed(data, data.volume(), Kept())
    return batches(data, pixels, "train", 256), batches(data, pixels, "val", 512)


def run(parts, plan: Plan, text: str = "INPUT 8x8x1 -> CONV 8 3x3 -> RELU -> POOL -> FC 10", seed: int = 0):
    torch.manual_seed(seed)
    network = build(parse(text))
    return network, list(learn(learner_of(network, plan, parts[0]), *parts))


def learner_of(network: nn.Module, plan: Plan, train: Batches, device: torch.device = CPU) -> Learner:
    task = Classify(tuple("0123456789"))
    return Learner(network, Objective(task, AS_IS, plan, PLAIN, device), len(train))


def test_one_step_equals_torchs_own_update_by_hand(parts):
    """Three steps of plain SGD against the update rule written out: Nesterov, decay on weights alone."""
    train = parts[0]
    plan = Plan(epochs=1, batch_size=256, lr=0.2, weight_decay=0.01, momentum=0.9, warm_up=0.5)
    network, _ = run(parts, plan, "INPUT 8x8x1 -> FC 10")
    torch.manual_seed(0)
    hand = build(parse("INPUT 8x8x1 -> FC 10"))
    weight, bias = hand.get_parameter("fc1.weight"), hand.get_parameter("fc1.bias")
    speed = {id(weight): torch.zeros_like(weight), id(bias): torch.zeros_like(bias)}
    steps = len(train)
    for step, batch in enumerate(train.epoch(0, 1)):
        progress = (step + 0.5) / steps
        rate = 0.2 * (progress / 0.5 if progress < 0.5 else 0.5 * (1 + np.cos(np.pi * (progress - 0.5) / 0.5)))
        x = (batch.pixels_NCHW.float() / 255 - 0.3) / 0.35
        loss = nn.functional.cross_entropy(hand(x), batch.labels_N)
        gradients = torch.autograd.grad(loss, [weight, bias])
        with torch.no_grad():
            for parameter, gradient, decay in zip([weight, bias], gradients, [0.01, 0.0], strict=True):
                gradient = gradient + decay * parameter
                speed[id(parameter)] = 0.9 * speed[id(parameter)] + gradient
                parameter -= rate * (gradient + 0.9 * speed[id(parameter)])
    assert steps == 6
    assert torch.allclose(network.get_parameter("fc1.weight"), weight, atol=1e-6)
    assert torch.allclose(network.get_parameter("fc1.bias"), bias, atol=1e-6)


def test_it_yields_a_step_each_update_and_an_epoch_each_round(parts):
    _, records = run(parts, Plan(epochs=2, batch_size=256, lr=0.05))
    steps = [record for record in records if isinstance(record, Step)]
    epochs = [record for record in records if isinstance(record, Epoch)]
    assert [step.step for step in steps] == list(range(1, 13))
    assert steps[0].steps == 12
    assert sum(step.pictures for step in steps) == 2 * 1295
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert epochs[1].loss < epochs[0].loss


def test_the_same_seed_gives_the_same_bits_and_another_does_not(parts):
    plan = Plan(epochs=1, batch_size=256, lr=0.05)
    first, again = run(parts, plan)[0].state_dict(), run(parts, plan)[0].state_dict()
    other = run(parts, Plan(epochs=1, batch_size=256, lr=0.05, seed=1))[0].state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_it_learns_the_digits(parts):
    _, records = run(parts, Plan(epochs=15, batch_size=256, lr=0.2))
    assert records[-1].validation_score > 0.9


def test_a_rate_far_too_high_is_told_with_the_step(parts):
    with pytest.raises(Diverged, match=r"the loss became \S+ by step \d+.*lowered 3 times") as caught:
        run(parts, Plan(epochs=30, batch_size=256, lr=9e5))
    assert "leave --lr out, and a rate is measured" in str(caught.value)


def test_a_last_batch_of_one_does_not_stop_batch_norm(parts):
    train = Batches(parts[0].samples[:17], parts[0].labels, parts[0].pixels, 16)
    network = build(parse("INPUT 8x8x1 -> FC 4 -> BN -> RELU -> FC 10"))
    learner = learner_of(network, Plan(epochs=1, batch_size=16, lr=0.01), train)
    records = list(learn(learner, train, parts[1]))
    assert [record.pictures for record in records if isinstance(record, Step)] == [17]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and there is none on this machine")
def test_it_learns_on_a_gpu(parts):
    network = build(parse("INPUT 8x8x1 -> CONV 8 3x3 -> RELU -> POOL -> FC 10"))
    learner = learner_of(network, Plan(epochs=15, batch_size=256, lr=0.2), parts[0], torch.device("cuda"))
    records = list(learn(learner, *parts))
    assert records[-1].validation_score > 0.9


def test_side_heads_pull_with_their_weight(parts):
    """One step of plain SGD on the scores' loss and 0.3 of the side head's, by torch's own gradients."""
    text = "INPUT 8x8x1 -> CONV 4 3x3 -> side: AUX 0.3 [FC 10] -> RELU -> FC 10"
    one = (replace(parts[0], samples=parts[0].samples[:256]), parts[1])
    plan = Plan(epochs=1, batch_size=256, lr=0.1, weight_decay=0.0, momentum=0.0, warm_up=0.5)
    network, _ = run(one, plan, text)
    torch.manual_seed(0)
    hand = build(parse(text))
    (batch,) = one[0].epoch(0, 1)
    x = (batch.pixels_NCHW.float() / 255 - 0.3) / 0.35
    conv, side, out = hand.get_submodule("conv1"), hand.get_submodule("side"), hand.get_submodule("fc1")
    maps = conv(x)
    loss = nn.functional.cross_entropy(out(maps.relu().flatten(1)), batch.labels_N)
    loss = loss + 0.3 * nn.functional.cross_entropy(side(maps), batch.labels_N)
    loss.backward()
    rate = 0.1 * 0.5 * (1 + np.cos(0.0))  # the middle of the only step: the end of the warm-up
    for name, parameter in network.named_parameters():
        begun = hand.get_parameter(name)
        assert torch.allclose(parameter, begun - rate * begun.grad, atol=1e-6), name
