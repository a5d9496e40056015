"""Activations: the layers' own numbers, the strongest units first; and the units that answer to nothing."""

import io

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F

from torchbeam.errors import SettingError
from torchbeam.look.activations import activations, dead_units, distinct, few, run


def network():
    torch.manual_seed(2)
    first = nn.Conv2d(2, 14, 3, padding=1), nn.BatchNorm2d(14), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    return nn.Sequential(*first, nn.Flatten(), nn.Dropout(0.5), nn.Linear(14 * 9, 8), nn.ReLU(), nn.Linear(8, 3))


X = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(3))


def texts(look):
    return [text.get_text() for text in look.drawn().axes[0].texts]


def test_maps_are_those_of_the_layers_run_by_hand_the_strongest_first():
    net = network().eval()
    look = activations(net, X, "1", most=5)
    maps = net[1](net[0](X[None]))[0].detach()
    peaks = maps.abs().amax((1, 2))
    units = torch.from_numpy(look.arrays["1.units"].values)
    assert units.tolist() == peaks.argsort(descending=True)[:5].tolist()
    assert np.array_equal(look.arrays["1"].values, maps[units].numpy())
    assert look.arrays["1"].axes == ("unit", "row", "column")
    assert {"1: 5 of 14 units of 6 x 6", *map(str, units.tolist())} <= set(texts(look))


def test_without_a_name_every_layer_is_there_that_gives_something_of_its_own():
    net = network()
    look = activations(net, X)
    assert look.facts["layers"] == ["0", "1", "2", "3", "4", "6", "7", "8"]  # dropout gives what came
    assert look.arrays["8"].values.shape == (3, 1, 1) and look.arrays["0"].values.shape == (14, 6, 6)
    scores = net.eval()(X[None])[0].detach()
    order = look.arrays["8.units"].values
    assert np.array_equal(look.arrays["8"].values.ravel(), scores.numpy()[order])
    said = texts(look)
    assert "0: 12 of 14 units of 6 x 6" in said and "8: 3 units" in said and "the picture" in said
    several = activations(net, X, ["8", "0"])
    assert several.facts["layers"] == ["8", "0"] and "8, 0: of each layer" in several.caption


def test_of_many_layers_the_blocks_are_shown_or_some_of_them_evenly_spread():
    net = torchvision.models.mobilenet_v2(num_classes=3).eval()
    with torch.no_grad():
        scores, taps = run(net, torch.randn(1, 3, 64, 64))
    assert scores.shape == (1, 3)
    shown = few(taps)
    assert shown[:2] == ["features.0", "features.1"] and shown[18:] == ["features.18", "classifier.0", "classifier.1"]
    every = distinct(taps)
    assert "features.18.2" in every and "features.18" not in every and "features" not in every
    assert "features.3" in every  # adds what came to what its branch gives
    deep = {f"layer{number}": torch.full((1, 2, 2, 2), float(number)) for number in range(100)}
    assert len(few(deep)) == 24 and few(deep)[0] == "layer0" and few(deep)[-1] == "layer99"


def test_a_layer_used_again_gives_way_to_the_block_that_it_ended():
    net = torchvision.models.resnet18(num_classes=3).eval()
    with torch.no_grad():
        _, taps = run(net, torch.randn(1, 3, 64, 64))
    names = distinct(taps)
    assert "layer4.1" in names and "layer4.1.relu" not in names and "layer4" not in names
    assert names.index("layer4.1") > names.index("layer4.1.bn2")


def test_layers_that_are_unknown_idle_or_without_maps_are_told():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.idle, self.tokens = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3), nn.Flatten(2)

        def forward(self, x):
            return self.tokens(self.conv(x)).mean(2)

    with pytest.raises(SettingError, match=r"no layer 'conf' among the 3 that(.|\n)*did you mean conv"):
        activations(Odd(), X, "conf")
    with pytest.raises(SettingError, match="idle did not run for this picture"):
        activations(Odd(), X, ["conv", "idle"])
    with pytest.raises(SettingError, match=r"tokens gives no maps that could be drawn\n.*\n.*1 x 3 x 16"):
        activations(Odd(), X, "tokens")
    with pytest.raises(SettingError, match="most must be at least 1"):
        activations(Odd(), X, most=0)
    assert activations(Odd(), X).facts["layers"] == ["conv"]


def test_attention_which_gives_no_single_tensor_is_passed_over():
    net = torchvision.models.VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=3)
    assert activations(net, torch.randn(3, 16, 16)).facts["layers"][0] == "conv_proj"


# Dead units.


class Rectifying(nn.Module):
    """Three rectifiers, two of them one module; the last, of a vector, is a function in place."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.again = nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1, 1))
            self.conv.bias.copy_(torch.tensor([0.0, 0.0, -1.0]))
            self.again.weight.copy_(torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]).view(2, 3, 1, 1))
            self.again.bias.zero_()

    def forward(self, x):
        x = self.act(self.again(self.act(self.conv(x))))
        return F.relu_(x.mean((2, 3)) - torch.tensor([0.0, 1.0]))


def test_dead_units_worked_by_hand():
    # The first has only what is above zero, which the second batch's negative picture brings to life in unit 1.
    batches = [torch.rand(2, 1, 2, 2) + 0.1, -torch.rand(1, 1, 2, 2) - 0.1]
    look = dead_units(Rectifying(), iter(batches))
    assert list(look.facts["layers"]) == ["act", "act_2", "relu"] and look.facts["pictures"] == 3
    dead = [look.arrays[name].values.tolist() for name in ("act", "act_2", "relu")]
    assert dead == [[False, False, True], [False, True], [False, True]]
    assert look.arrays["share"].values.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 2])
    assert "3 of 7 give nothing above zero for any of 3 pictures, in 3 rectifiers" in look.caption
    only = dead_units(Rectifying(), batches[:1])
    assert only.arrays["act"].values.tolist() == [False, True, True]


def test_dead_units_are_those_that_a_plain_count_finds_whatever_the_batches():
    net = network().eval()
    x = torch.randn(40, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        net[6].bias[:3] = -100
        maps = net[:3](x)
        vectors = net[:8](x)
    look = dead_units(net, ((part, torch.zeros(len(part))) for part in x.split(16)))
    assert look.arrays["2"].values.tolist() == (maps.amax((0, 2, 3)) <= 0).tolist()
    assert look.arrays["7"].values.tolist() == (vectors.amax(0) <= 0).tolist()
    assert look.arrays["7"].values[:3].all() and look.facts["layers"]["7"] == [int(look.arrays["7"].values.sum()), 8]
    labels = [text.get_text() for text in look.drawn().axes[0].texts]
    assert labels == [f"{dead} of {units}" for dead, units in look.facts["layers"].values()]


def test_rectifiers_are_numbered_where_the_network_cannot_be_read():
    class Choosing(nn.Module):
        def forward(self, x):
            return F.relu(x).flatten(1) if float(x.sum()) < 1e9 else x.flatten(1)

    assert list(dead_units(Choosing(), [X[None]]).facts["layers"]) == ["rectifier 1"]


def test_what_cannot_be_counted_is_told():
    with pytest.raises(SettingError, match="0 pictures came to look for dead units"):
        dead_units(network(), [])
    with pytest.raises(SettingError, match=r"1 pictures came to look for dead units\n.*at least 8"):
        dead_units(network(), [X[None]], least=8)
    with pytest.raises(SettingError, match="nothing rectifies in this network"):
        dead_units(nn.Sequential(nn.Flatten(), nn.Tanh()), [X[None]])

    class Changing(nn.Module):
        def forward(self, x):
            return (F.relu(x) if len(x) > 1 else x).flatten(1)

    with pytest.raises(SettingError, match="not every batch runs the same rectifiers"):
        dead_units(Changing(), [X[None], torch.stack((X, X))])


# What is left alone.


@pytest.mark.parametrize("way", [activations, lambda net, x: dead_units(net, [x if x.ndim == 4 else x[None]])])
def test_the_network_is_left_as_it_was_also_after_an_error(way):
    net = network().train()
    net[1].eval()
    modes = [module.training for module in net.modules()]
    kept = [tensor.clone() for tensor in net.state_dict().values()]
    way(net, X).png()
    with pytest.raises(RuntimeError):
        way(net, X[:, :4])
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(one, other) for one, other in zip(net.state_dict().values(), kept, strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())


def test_the_figure_of_one_layer_and_of_all_can_be_drawn():
    net = network()
    for look in (activations(net, X), activations(net, X, "0")):
        picture = Image.open(io.BytesIO(look.png()))
        assert picture.width > 500 and picture.height > 300
        with np.load(io.BytesIO(look.npz())) as written:
            assert written["0.axes"].tolist() == ["unit", "row", "column"]
