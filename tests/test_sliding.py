"""Built classifiers over larger pictures. Judges: torchvision's networks with the same numbers, their own heads on
windows of their own features, and the original slid over every place."""

import json
from collections import OrderedDict
from itertools import pairwise

import pytest
import torch
import torchvision.models as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.resized import at_size
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, FitError, SettingError
from torchbeam.network.build import build
from torchbeam.network.pretrained import key_maps
from torchbeam.network.sliding import compare, fully_convolutional

CLOSE = 1e-4  # of the largest score
MAKERS = {"vgg-11": tv.vgg11, "alexnet": tv.alexnet, "squeezenet-1.1": tv.squeezenet1_1}
MIXED = """
INPUT 24x20x3 -> CONV 8 3x3 bias no -> BN -> PRELU -> a: ( CONV 4 1x1 | CONV 4 3x3 -> POOL max 3x3 stride 1 pad 1 )
-> POOL avg 3x3 stride 2 fit pad -> FLATTEN -> DROPOUT -> [FC 6 -> BN -> RELU]*2 -> FC 5 -> SOFTMAX
"""
FREE = "INPUT 20x20x3 -> CONV 6 3x3 pad 0 -> RELU -> POOL -> CONV 8 3x3 pad 0 -> RELU -> POOL avg global -> FC 5"


def picture(width, height, seed=1):
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))


def random_numbers(network):
    """Numbers for every tensor, of He's scale, drawn once and repeated: drawing VGG's would take seconds."""
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(7))
    for tensor in network.state_dict().values():
        drawn = noise.repeat(-(-tensor.numel() // len(noise)))[: tensor.numel()].view(tensor.shape)
        if tensor.ndim > 1:
            tensor.copy_(drawn * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():
            tensor.copy_(drawn.abs().clamp(0.5, 2))
    return network.eval()


def pair(name):
    """Torchvision's network with random numbers, and ours with the same."""
    with torch.device("meta"):
        theirs, design = MAKERS[name](), parse(NETWORKS[name].text)
        ours = build(design)
    theirs = random_numbers(theirs.to_empty(device="cpu"))
    keys = {key: f"{module}.{kind}" for key, module, kind in places(ours, key_maps(name)["torchvision"])}
    state = theirs.state_dict()
    ours.load_state_dict({key: state[key_of] for key, key_of in keys.items()}, assign=True)
    return theirs, ours.eval(), design


def places(network, keys):
    for key in network.state_dict():
        layer, _, kind = key.rpartition(".")
        yield key, keys[layer], kind


def close(made, expected):
    return made.shape == expected.shape and bool((made - expected).abs().max() <= CLOSE * expected.abs().max())


@pytest.mark.parametrize("name", list(MAKERS))
def test_the_map_is_the_head_on_every_window_of_the_features(name):
    theirs, ours, design = pair(name)
    with torch.inference_mode():
        made, form = fully_convolutional(ours, design, 384)
        own = picture(224, 224)[None]
        assert close(made(own)[:, :, 0, 0], theirs(own))
        features_1CHW = theirs.features(picture(384, 384)[None])
        side = theirs.features(own).shape[-1]
        windows = features_1CHW[0].unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4)
        down, across = windows.shape[:2]
        heads_NK = theirs.classifier(
            windows.flatten(0, 1).flatten(1) if name != "squeezenet-1.1" else windows.flatten(0, 1)
        ).flatten(1)
        map_1Khw = made(picture(384, 384)[None])
    volume = ledger(form).output
    assert (volume.height, volume.width) == (down, across) == tuple(map_1Khw.shape[2:])
    assert close(map_1Khw[0].flatten(1).T, heads_NK)


@pytest.mark.parametrize(
    "text", [MIXED, FREE, "INPUT 17x13x3 -> CONV 4 3x3 -> POOL max to 4x3 -> FC 5", "INPUT 8x8x3 -> [FC 4]*2"]
)
def test_any_design_gives_its_own_scores_at_its_own_size(text):
    design = parse(text)
    torch.manual_seed(3)
    network = build(design)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    network.eval()
    made, form = fully_convolutional(network, design)
    volume = form.input.volume
    given = torch.randn(3, 3, volume.height, volume.width)
    with torch.inference_mode():
        assert close(made(given)[:, :, 0, 0], network(given))
        assert made.state_dict()["fc1.weight"].data_ptr() == network.state_dict()["fc1.weight"].data_ptr()
    assert not made.training
    assert fully_convolutional(network.train(), design)[0].training


@settings(max_examples=25, deadline=None)
@given(width=st.integers(24, 61), height=st.integers(20, 57))
def test_one_network_gives_the_map_that_the_formula_says_at_every_size(width, height):
    design = parse(MIXED)
    made, form = fully_convolutional(build(design).eval(), design)
    with torch.inference_mode():
        _, *shape = made(torch.zeros(1, 3, height, width)).shape
    volume = ledger(at_size(form, width, height)).output
    assert [volume.channels, volume.height, volume.width] == shape


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 30), made=st.integers(1, 8))
def test_fixed_windows_are_those_of_the_adaptive_pool(length, made):
    design = parse(f"INPUT {length}x{length}x1 -> POOL avg to {made}x{made} -> FC 2")
    network = build(design).eval()
    try:
        turned, _ = fully_convolutional(network, design)
    except DesignError:
        rows = [(i * length // made, -(-(i + 1) * length // made)) for i in range(made)]
        alike = len({end - start for start, end in rows}) == 1
        steps = {after[0] - before[0] for before, after in pairwise(rows)}
        assert not (alike and len(steps) <= 1 and 0 not in steps)
        return
    given = torch.randn(2, 1, length, length)
    with torch.inference_mode():
        assert torch.allclose(turned(given)[:, :, 0, 0], network(given), atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(width=st.integers(20, 37), height=st.integers(20, 37))
def test_without_padding_the_map_is_the_classifier_slid_over_the_picture(width, height):
    design = parse(FREE)
    torch.manual_seed(0)
    network = build(design).eval()
    given = picture(width, height)
    slid = compare(network, design, given, repeats=1)
    assert slid.equal
    made, _ = fully_convolutional(network, design)
    with torch.inference_mode():  # the crops cut by torch, the jump 2 worked by hand
        crops = F.unfold(given[None], 20, stride=2)[0].T.reshape(-1, 3, 20, 20)
        assert close(made(given[None])[0].flatten(1).T, network(crops))


def test_lenet_is_slid_in_one_pass_and_costs_a_fifth():
    design = parse(NETWORKS["lenet-5"].text)
    network = build(design).eval()
    slid = compare(network, design, torch.rand(1, 96, 64))
    assert slid.equal
    assert slid.cost.crops == 9 * 17
    assert slid.cost.ratio > 5
    assert slid.reason == "equal but for rounding: no layer pads, so a crop sees nothing that its place does not see"
    assert slid.seconds_sliding > slid.seconds_once > 0
    told = str(slid)
    assert told.startswith("64x96: a map of 9x17 places, 4 pixels apart, for 153 crops of 32x32\n")
    assert "CPU time: " in told
    assert "equal but for rounding" in told
    assert json.loads(json.dumps(slid.to_json()))["equal"] is True


def test_with_padding_map_and_crops_differ_and_the_reason_is_said():
    design = parse("INPUT 20x20x3 -> CONV 6 3x3 -> RELU -> POOL -> CONV 8 3x3 -> RELU -> POOL avg global -> FC 5")
    torch.manual_seed(0)
    slid = compare(build(design), design, picture(40, 33), repeats=1, batch=7)
    assert not slid.equal
    assert slid.largest > 0.01 * slid.scale
    assert 0 < slid.mean < slid.largest
    assert slid.reason == (
        "not equal: conv1 and 1 more pad its input, so at its edges a crop sees padding where the whole picture has "
        "pixels"
    )
    one = parse("INPUT 6x6x3 -> CONV 6 3x3 -> FC 5")
    assert compare(build(one), one, picture(8, 8), repeats=1).reason.startswith("not equal: conv1 pads its input")
    # At its own size there is one crop, and nothing beyond it.
    assert compare(build(one), one, picture(6, 6), repeats=1).largest < 1e-5


def test_a_network_that_does_more_than_its_design_is_never_called_equal():
    class Edged(nn.Sequential):
        def forward(self, input):
            return super().forward(input) + input.mean()

    design = parse("INPUT 6x6x3 -> CONV 2 3x3 pad 0 -> FC 5")
    network = Edged(OrderedDict(build(design).named_children()))
    slid = compare(network, design, picture(9, 9), repeats=1)
    assert not slid.equal
    assert slid.reason == "not equal, though no layer pads: the network does more than its design says"


def test_what_cannot_be_compared_is_said():
    design = parse(FREE)
    network = build(design)
    with pytest.raises(SettingError, match="compare needs repeats and batch of 1 or more"):
        compare(network, design, picture(24, 24), repeats=0)
    with pytest.raises(SettingError, match="only time on the CPU is measured"):
        compare(network.to("meta"), design, picture(24, 24))
    with pytest.raises(SettingError, match="compare takes one picture of the network's depth"):
        compare(build(design), design, torch.zeros(1, 3, 24, 24))
    with pytest.raises(SettingError, match="compare takes one picture of the network's depth"):
        compare(build(design), design, torch.zeros(1, 24, 24))
    with pytest.raises(FitError, match="does not fit"):
        compare(build(design), design, picture(24, 12))


def test_a_network_of_another_design_is_refused():
    design = parse("INPUT 8x8x3 -> CONV 4 3x3 -> FC 5")
    for other, got in (
        ("INPUT 8x8x3 -> FC 5", "no layer conv1"),
        ("INPUT 9x9x3 -> CONV 4 3x3 -> FC 5", "fc1 with (5, 324) weights"),
        ("INPUT 8x8x3 -> CONV 4 5x5 -> FC 5", "conv1.weight"),
    ):
        with pytest.raises(DesignError, match="the network is not the one that its design says") as told:
            fully_convolutional(build(parse(other)), design)
        assert got in told.value.got


def test_the_design_is_given_at_the_size_that_was_asked_for():
    design = parse("INPUT 8x8x3 -> CONV 4 3x3 -> FC 5")
    network = build(design)
    assert str(fully_convolutional(network, design, (12, 10))[1].input.volume) == "12x10x3"
    assert str(fully_convolutional(network, design, 9)[1].input.volume) == "9x9x3"
    with pytest.raises(FitError, match="does not fit"):
        fully_convolutional(network, design, 7)
