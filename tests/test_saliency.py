"""Gradient maps: equal to Captum's, to sums worked by hand, and to what each paper says of its own."""

import copy
import io

import captum.attr
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import SettingError
from torchbeam.look.saliency import guided_backprop, integrated_gradients, saliency, smoothgrad

WAYS = [saliency, smoothgrad, guided_backprop, integrated_gradients]


def started(network):
    """Random weights under which scores neither vanish nor explode."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def resnet():
    return torchvision.models.resnet18(num_classes=5)


def vgg():
    head = nn.Linear(512 * 4, 32), nn.ReLU(inplace=True), nn.Linear(32, 5)
    return nn.Sequential(make_layers(cfgs["A"], batch_norm=False), nn.AdaptiveAvgPool2d(2), nn.Flatten(), *head)


def squeezenet():
    return torchvision.models.squeezenet1_1(num_classes=5)


@pytest.fixture(scope="module", params=[resnet, vgg, squeezenet], ids=lambda made: made.__name__)
def network(request):
    torch.manual_seed(0)
    return started(request.param())


@pytest.fixture(scope="module")
def x():
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def small():
    torch.manual_seed(2)
    parts = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(0.5)
    return nn.Sequential(*parts, nn.Linear(4 * 4 * 4, 3))


X = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(3))


def values(look, name="map"):
    return torch.from_numpy(look.arrays[name].values)


def assert_equal(own, judge):
    assert own.shape == judge.shape
    assert float((own - judge).abs().max()) <= 1e-4 * float(judge.abs().max()) and judge.abs().max() > 0


# Equal to Captum.


def test_saliency_is_captum_s(network, x):
    likeliest = int(network(x).argmax())
    judge = captum.attr.Saliency(network).attribute(x.clone().requires_grad_(), target=likeliest)[0]
    look = saliency(network, x)
    assert_equal(values(look, "gradient").abs(), judge)
    assert_equal(values(look), judge.amax(0))


def test_integrated_gradients_are_captum_s(network, x):
    method = captum.attr.IntegratedGradients(network)
    judge = method.attribute(x, baselines=torch.zeros_like(x), target=2, n_steps=10)[0].float()
    look = integrated_gradients(network, x, 2, steps=10, baseline="mean", batch=4)
    assert_equal(values(look, "attribution"), judge)
    assert_equal(values(look), judge.sum(0))


def test_guided_backpropagation_is_captum_s_where_captum_can(x):
    torch.manual_seed(0)
    network = started(vgg())
    apart = copy.deepcopy(network)
    for module in apart.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    with pytest.warns(UserWarning, match="backward hooks"):
        judge = captum.attr.GuidedBackprop(apart).attribute(x.clone().requires_grad_(), target=1)[0]
    assert_equal(values(guided_backprop(network, x, 1), "gradient"), judge.detach())


def test_smoothgrad_is_the_mean_of_captum_s_gradients_under_the_same_noise():
    network = small().eval()
    chance = torch.Generator().manual_seed(5)
    noise = torch.cat([torch.randn(1, 2, 6, 6, generator=chance) for _ in range(7)])
    noisy = (X + 0.2 * (X.max() - X.min()) * noise).requires_grad_()
    judge = captum.attr.Saliency(network).attribute(noisy, target=1, abs=False).mean(0)
    look = smoothgrad(network, X, 1, samples=7, noise=0.2, seed=5, batch=3)
    assert_equal(values(look, "gradient"), judge)
    assert_equal(values(look), judge.abs().amax(0))


# Worked by hand.


class Weighed(nn.Module):
    """Two scores: 3a - b + 2 of a picture's two channels, each summed, and its opposite."""

    def forward(self, x):
        sums = x.sum((2, 3))
        score = 3 * sums[:, 0] - sums[:, 1] + 2
        return torch.stack((score, -score), 1)


def test_of_a_weighed_sum_every_way_gives_the_weights():
    picture = torch.tensor([1.0, 2.0, 0.5, 4.0, 1.0, 0.0, 3.0, 1.0]).view(2, 2, 2)
    assert values(saliency(Weighed(), picture, 0), "gradient").amax((1, 2)).tolist() == [3, -1]
    assert torch.equal(values(saliency(Weighed(), picture, 1)), torch.full((2, 2), 3.0))
    smooth = values(smoothgrad(Weighed(), picture, 0, samples=3), "gradient")
    assert torch.allclose(smooth, torch.tensor([3.0, -1.0]).view(2, 1, 1).expand(2, 2, 2))
    look = integrated_gradients(Weighed(), picture, 0, baseline=torch.ones(2, 2, 2), steps=3)
    expected = (picture - 1) * torch.tensor([3.0, -1.0]).view(2, 1, 1)
    assert torch.allclose(values(look, "attribution"), expected, atol=1e-6)
    assert look.facts["gap"] == pytest.approx(0, abs=1e-5)
    assert look.facts["score"] - look.facts["before"] == pytest.approx(float(expected.sum()))


class Rectified(nn.Module):
    """relu(a) - relu(b), each of one channel, by a function of the caller's choosing."""

    def __init__(self, rectify):
        super().__init__()
        self.rectify = rectify

    def forward(self, x):
        halves = self.rectify(x + 0)
        return (halves[:, :1] - halves[:, 1:]).flatten(1)


FUNCTIONS = {
    "F.relu": F.relu,
    "in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "its own result": lambda x: (x.relu_(), x)[1],  # what comes back is not looked at
    "a view in place": lambda x: (x[:, :2].relu_(), x)[1],
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, 0, 6),
    "module": nn.ReLU(inplace=True),
    "module of 6": nn.ReLU6(),
    "used twice": lambda x: F.relu(F.relu(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_rectifier_of_any_kind_lets_back_what_is_above_zero_where_its_input_was(name):
    network = Rectified(FUNCTIONS[name])
    given = {a: torch.tensor([a, 2.0]).view(2, 1, 1) for a in (3.0, -3.0)}
    plain = {a: values(saliency(network, x, 0), "gradient").flatten().tolist() for a, x in given.items()}
    guided = {a: values(guided_backprop(network, x, 0), "gradient").flatten().tolist() for a, x in given.items()}
    assert plain == {3.0: [1, -1], -3.0: [0, -1]}
    assert guided == {3.0: [1, 0], -3.0: [0, 0]}  # what speaks against the score is not let back


def test_a_rectifier_that_ends_at_6_lets_nothing_back_above():
    look = guided_backprop(Rectified(nn.ReLU6()), torch.tensor([7.0, 1.0]).view(2, 1, 1), 0)
    assert not values(look).any()


def test_other_activations_are_left_as_they_are_and_named():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.SiLU(), nn.Flatten(), nn.LazyLinear(2)
    )
    network(X[None])
    assert "through 1 rectifiers; not guided: silu" in guided_backprop(network, X, 0).caption


def test_the_completeness_gap_is_told_and_more_steps_make_it_smaller():
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, 2))
    looks = [integrated_gradients(network, X, 0, baseline="mean", steps=steps) for steps in (1, 32)]
    gaps = [abs(look.facts["gap"]) for look in looks]
    assert gaps[1] < 1e-4 < gaps[0]
    total = float(values(looks[0]).double().sum())
    with torch.no_grad():
        difference = float(network(X[None])[0, 0] - network(torch.zeros(1, 2, 6, 6))[0, 0])
    assert looks[0].facts["gap"] == pytest.approx(total - difference, abs=1e-5)
    assert f"Completeness gap {looks[0].facts['gap']:+.2g}" in looks[0].caption and "1 steps" in looks[0].caption


def test_black_and_white_are_those_of_the_normalisation():
    grey = np.arange(36, dtype=np.uint8).reshape(6, 6) * 7
    from_bytes = Preprocessing(6, 6, 1, (0.5,), (0.25,))
    for name, shade in (("black", 0.0), ("white", 1.0)):
        look = integrated_gradients(Summed(), grey, 0, baseline=name, steps=2, preprocessing=from_bytes)
        expected = (grey / 255 - shade) / 0.25
        assert np.abs(look.arrays["map"].values - expected).max() < 1e-5


class Summed(nn.Module):
    """One score: the sum of all that is there."""

    def forward(self, x):
        return x.flatten(1).sum(1, keepdim=True)


# Seeds and batches.


def test_the_same_seed_gives_the_same_bits_whatever_else_was_drawn_and_another_seed_others():
    network = small()
    first = values(smoothgrad(network, X, 0, samples=5, seed=1))
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    assert torch.equal(first, values(smoothgrad(network, X, 0, samples=5, seed=1)))
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(first, values(smoothgrad(network, X, 0, samples=5, seed=2)))


@pytest.mark.parametrize("way", [smoothgrad, integrated_gradients])
def test_the_batch_changes_no_number_beyond_rounding(way):
    network = small()
    one, many = (values(way(network, X, 0, batch=batch)) for batch in (1, 16))
    assert torch.allclose(one, many, atol=1e-5)


# What is left alone, and what is told.


def state(network):
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in network.modules()]
    tensors = [tensor.clone() for tensor in (*network.parameters(), *network.buffers())]
    return hooks, [m.training for m in network.modules()], tensors, [p.grad for p in network.parameters()]


def assert_same(before, after):
    assert before[:2] == after[:2]
    assert all(torch.equal(one, other) for one, other in zip(before[2], after[2], strict=True))
    assert all(one is other for one, other in zip(before[3], after[3], strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_the_network_is_left_as_it_was_also_after_an_error(way):
    network = small().train()
    network[3].eval()
    network(torch.stack((X, X))).sum().backward()
    kept = [p.grad.clone() for p in network.parameters()]
    before = state(network)
    first, again = way(network, X, 0), way(network, X, 0)
    assert torch.equal(values(first), values(again))  # no dropout, no statistics
    with pytest.raises(SettingError, match="no class 'seven'"):
        way(network, X, "seven")
    with pytest.raises(RuntimeError):
        way(network, torch.zeros(2, 2, 2), 0)
    assert_same(before, state(network))
    assert all(torch.equal(p.grad, grad) for p, grad in zip(network.parameters(), kept, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_frozen_networks_and_no_grad_are_no_hindrance_and_the_likeliest_class_is_taken(way):
    network = small().eval()
    likeliest = int(network(X[None]).argmax())
    judge = way(network, X, likeliest)
    network.requires_grad_(False)
    with torch.no_grad():
        look = way(network, X, classes=("a", "b", "c"))
    assert torch.equal(values(look), values(judge))
    assert look.facts["class"] == "abc"[likeliest] and f"'{'abc'[likeliest]}'" in look.caption
    assert "float32, weights " in look.caption and ", picture " in look.caption


@pytest.mark.parametrize("way", WAYS)
def test_a_network_without_gradients_is_told(way):
    class Steps(nn.Module):
        def forward(self, x):
            F.relu(x)
            return (x > 0).float().flatten(1)

    with pytest.raises(SettingError, match="no gradient comes back from the scores"):
        way(Steps(), X, 0)


def test_settings_out_of_range_are_told():
    network = small()
    with pytest.raises(SettingError, match=r"samples must be at least 1\n.*0"):
        smoothgrad(network, X, samples=0)
    with pytest.raises(SettingError, match="steps must be at least"):
        integrated_gradients(network, X, steps=0)
    with pytest.raises(SettingError, match="batch must be at least"):
        integrated_gradients(network, X, batch=0)
    with pytest.raises(SettingError, match="noise must be above 0"):
        smoothgrad(network, X, noise=0.0)
    with pytest.raises(SettingError, match="no baseline 'blak'"):
        integrated_gradients(network, X, baseline="blak")
    with pytest.raises(SettingError, match=r"the baseline is not of the picture's shape\n.*2 x 6 x 6\n.*2 x 3 x 6"):
        integrated_gradients(network, X, baseline=torch.zeros(2, 3, 6))
    with pytest.raises(SettingError, match=r"nothing rectifies that could be guided\n.*ReLU or ReLU6\n.*tanh"):
        guided_backprop(nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(72, 2)), X)


@pytest.mark.parametrize("way", WAYS)
def test_the_figure_can_be_drawn_also_where_nothing_counts(way):
    look = way(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(72, 2)), torch.zeros(2, 6, 6) - 1, 0)
    picture = Image.open(io.BytesIO(look.png()))
    assert picture.width > picture.height > 300
    with np.load(io.BytesIO(look.npz())) as kept:
        assert kept["map.axes"].tolist() == ["row", "column"] and kept["map"].shape == (6, 6)
