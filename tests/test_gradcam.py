"""Grad-CAM: equal to Captum's and to sums worked by hand, in the layer that a person would take."""

import io

import captum.attr
import numpy as np
import pytest
import torch
import torchvision
from data_makers import shared
from PIL import Image
from torch import nn
from torch.nn import functional as F

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.gradcam import gradcam, gradcams
from torchbeam.network.build import build
from torchbeam.network.pretrained import read_state


def values(look, name="map"):
    return torch.from_numpy(look.arrays[name].values)


def assert_equal(own, judge):
    assert own.shape == judge.shape
    assert float((own - judge).abs().max()) <= 1e-4 * float(judge.abs().max()) and judge.abs().max() > 0


def small():
    torch.manual_seed(2)
    first = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
    second = nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5)
    return nn.Sequential(*first, *second, nn.Linear(5 * 9, 3))


X = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(3))
PHOTO = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


# Equal to Captum, and to what can be worked by hand.

NETWORKS = {
    "resnet18": ("layer4.1", "layer2"),
    "squeezenet1_1": ("classifier.2", "features.12"),
    "mobilenet_v2": ("features.18.2", "features.7.conv"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_s_map_is_captum_s(name):
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, num_classes=5).eval()
    last, other = NETWORKS[name]
    likeliest = int(network(PHOTO).argmax())
    every = gradcams(network, PHOTO)
    assert every.facts["last"] == last
    for layer in (last, other):
        judge = captum.attr.LayerGradCam(network, network.get_submodule(layer)).attribute(PHOTO, target=likeliest)
        look = gradcam(network, PHOTO, layer=layer)
        assert_equal(values(look, "cells"), judge[0, 0].detach())
        assert_equal(values(every, layer), judge[0, 0].detach()) if layer in every.arrays else None
        large = captum.attr.LayerAttribution.interpolate(judge.relu(), (64, 64), "bilinear")[0, 0].detach()
        assert float((values(look) - large).abs().max()) <= 1e-4 * float(large.abs().max())
    assert torch.equal(values(gradcam(network, PHOTO), "cells"), values(gradcam(network, PHOTO, layer=last), "cells"))


class Worked(nn.Module):
    """Two maps, the picture and its negative; the score is the sum of the first less twice that of the second."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(1, 2, 1, bias=False)
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))

    def forward(self, x):
        sums = self.maps(x).sum((2, 3))
        return torch.stack((sums[:, 0] - 2 * sums[:, 1], sums[:, 1]), 1)


def test_a_map_worked_by_hand():
    picture = torch.tensor([[1.0, -2.0], [0.0, 3.0]])[None]
    look = gradcam(Worked(), picture, 0)
    assert values(look, "weights").tolist() == [1, -2]
    assert torch.equal(values(look, "cells"), 3 * picture[0])
    assert torch.equal(values(look), (3 * picture[0]).clamp_min(0))
    against = gradcam(Worked(), picture.abs(), 1)
    assert not values(against).any() and "nothing there speaks for it" in against.caption


def test_the_maps_of_all_layers_are_those_of_each_alone():
    network = small().eval()
    every = gradcams(network, X, 1)
    assert list(every.arrays) == ["0", "1", "2", "3", "4", "5"]
    for layer, measured in every.arrays.items():
        assert np.allclose(measured.values, gradcam(network, X, 1, layer).arrays["cells"].values, atol=1e-6)


# The layer.


class Functional(nn.Module):
    """As people write networks: functions between the layers, one of which is used twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(16, 3)
        self.spare, self.act = nn.Conv2d(2, 2, 1), nn.ReLU()

    def forward(self, x):
        x = self.act(self.conv1(x))
        return self.fc(F.max_pool2d(self.act(self.conv2(x)), 2).flatten(1))


def of_text(text):
    return build(parse(text))


@pytest.mark.parametrize(
    ("made", "layer"),
    [
        (small, "4"),  # before the pool: the same units, more finely placed
        (Functional, "conv2"),
        (
            lambda: nn.Sequential(
                nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
            ),
            "1",
        ),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 4), nn.Flatten()), "0"),  # the second is 1 x 1
        (lambda: of_text("INPUT 6x6x2 -> [CONV 4 -> BN -> RELU -> POOL]*1 -> FC 8 -> RELU -> FC 3"), "relu1"),
        (lambda: of_text("INPUT 6x6x2 -> CONV 4 -> ( CONV 4 -> RELU + SKIP ) -> POOL avg global -> FC 3"), "sum1"),
        (lambda: of_text("INPUT 6x6x2 -> ( CONV 4 1x1 | CONV 2 3x3 ) -> RELU -> POOL avg global -> FC 3"), "relu1"),
    ],
)
def test_the_last_map_before_pooling_is_taken_and_the_reason_is_told(made, layer):
    torch.manual_seed(0)
    look = gradcam(made().eval(), X, 1)
    assert look.facts["layer"] == layer
    assert f" in {layer}, " in look.caption and "the last map of positions before the network pools" in look.caption


def test_a_layer_that_was_asked_for_is_told_as_such():
    look = gradcam(small(), X, 1, "0")
    assert "in 0, 6 x 6 positions of 4 units: the layer asked for" in look.caption


def test_an_unknown_layer_is_told_with_the_near_names_and_how_many_there_are():
    network = torchvision.models.squeezenet1_1(num_classes=2)
    with pytest.raises(SettingError) as told:
        gradcam(network, PHOTO, 0, "features.12.squeese")
    assert "no layer 'features.12.squeese' among the 67" in str(told.value)
    assert "did you mean features.12.squeeze" in told.value.remedy and told.value.remedy.count(",") == 2


@pytest.mark.parametrize("way", [gradcam, gradcams])
def test_a_network_without_maps_is_refused(way):
    with pytest.raises(
        SettingError, match=r"the network has no map of positions that could be weighed\n.*CONV\n.*1: 8"
    ):
        way(nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.ReLU(), nn.Linear(8, 2)), X, 0)


def test_a_layer_without_a_map_and_one_that_did_not_run_are_refused():
    with pytest.raises(SettingError, match=r"8 has no map of positions that could be weighed(.|\n)*8: 3"):
        gradcam(small(), X, 0, "8")
    with pytest.raises(SettingError, match=r"spare has no map(.|\n)*a layer that did not run"):
        gradcam(Functional(), X, 0, "spare")


class Stepping(nn.Module):
    def forward(self, x):
        return (x > 0).float()


def test_a_layer_that_the_score_does_not_hang_on_is_refused():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)

        def forward(self, x):
            self.idle(x)
            return self.used(x).sum((2, 3))

    with pytest.raises(SettingError, match="no gradient comes from the score to idle"):
        gradcam(Beside(), X, 0, "idle")
    stepping = nn.Sequential(nn.Conv2d(2, 2, 3), Stepping(), nn.Flatten())
    with pytest.raises(SettingError, match="no gradient comes from the score to 0"):
        gradcam(stepping, X, 0, "0")
    look = gradcams(Beside(), X, 0)
    assert list(look.arrays) == ["used"]
    look.png()


def test_layers_that_give_no_single_tensor_are_passed_over():
    class Two(nn.Module):
        def forward(self, x):
            return x, x * 2

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.two, self.again = nn.Conv2d(2, 3, 3), Two(), Two()

        def forward(self, x):
            return self.again(self.two(self.conv(x))[1])[0].mean((2, 3))

    assert gradcam(Network(), X, 0).facts["layer"] == "conv"


# What is left alone.


@pytest.mark.parametrize("way", [gradcam, gradcams])
def test_the_network_is_left_as_it_was_also_after_an_error(way):
    network = small().train()
    network[1].eval()
    network(torch.stack((X, X))).sum().backward()
    modes = [module.training for module in network.modules()]
    kept = [tensor.clone() for tensor in network.state_dict().values()]
    gradients = [(p.grad, p.grad.clone()) for p in network.parameters()]
    first, again = way(network, X, 0), way(network, X, 0)
    assert all(np.array_equal(first.arrays[name].values, again.arrays[name].values) for name in first.arrays)
    with pytest.raises(SettingError, match="no class '9'"):
        way(network, X, "9")
    with pytest.raises(RuntimeError):
        way(network, X[:, :5], 0)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(one, other) for one, other in zip(network.state_dict().values(), kept, strict=True))
    for p, (same, numbers) in zip(network.parameters(), gradients, strict=True):
        assert p.grad is same and torch.equal(p.grad, numbers)
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.modules())


def test_frozen_networks_and_no_grad_are_no_hindrance():
    network = small().eval()
    judge = gradcam(network, X, 1)
    network.requires_grad_(False)
    with torch.no_grad():
        look = gradcam(network, X, 1)
    assert torch.equal(values(look), values(judge))


@pytest.mark.parametrize("way", [gradcam, gradcams])
def test_the_figure_can_be_drawn(way):
    picture = Image.open(io.BytesIO(way(small(), X, 0, classes=("ant", "bee", "$c$")).png()))
    assert picture.width > 400 and picture.height > 300


@pytest.mark.shared
def test_the_hound_is_found_where_it_stands():
    network = torchvision.models.mobilenet_v2()
    state = read_state(shared("weights", "mobilenet_v2_from_int8_fp16.pth"))
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    usual = Preprocessing(224, 224, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short=256)
    photo = shared("data", "imagenet-samples", "n02088094_Afghan_hound.JPEG")
    look = gradcam(network, photo, preprocessing=usual)
    assert look.facts["label"] == 160 and look.facts["layer"] == "features.18.2"
    row, column = np.unravel_index(look.arrays["map"].values.argmax(), (224, 224))
    assert row < 112 < column  # its head is above and to the right
