"""Backbones: their codes are torchvision's penultimate activations, their maps what torch gives at the same places."""

from dataclasses import replace

import pytest
import torch
import torchvision.models as tv
from data_makers import shared
from judges import judge
from test_pretrained import CLOSE, pictures, published, random_state
from torch import nn
from torch.nn import functional as F

from torchbeam.design.complete import complete
from torchbeam.design.notation import parse
from torchbeam.design.stages import with_head
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, ModelFileError, SettingError
from torchbeam.network.backbone import Backbone, backbone, backbone_of, sized
from torchbeam.network.build import build
from torchbeam.network.modelfile import tensors_digest
from torchbeam.network.pretrained import read_state
from torchbeam.network.taps import tapped


def near(own, other):
    return own.shape == other.shape and (own - other).abs().max() <= CLOSE * other.abs().max()


# torchvision's penultimate activations: what its last layer is given.
PENULTIMATE = {
    "mobilenet-v2": lambda net, x: net.features(x).mean((2, 3)),
    "resnet-18": lambda net, x: nn.Sequential(*list(net.children())[:-1])(x).flatten(1),
    "vgg-11": lambda net, x: net.classifier[:6](net.avgpool(net.features(x)).flatten(1)),
    "alexnet": lambda net, x: net.classifier[:6](net.avgpool(net.features(x)).flatten(1)),
    "squeezenet-1.1": lambda net, x: F.adaptive_avg_pool2d(net.features(x), 1).flatten(1),
    "googlenet": lambda net, x: googlenet(net, x),
}


def googlenet(net, x):
    with tapped(net, ["fc"], inputs=True) as taps:
        net(x)
    return taps.inputs["fc"]


@torch.no_grad()
@pytest.mark.parametrize(("name", "size"), [("mobilenet-v2", 96), ("resnet-18", 64), ("vgg-11", 33), ("alexnet", 96),
                                            ("squeezenet-1.1", 97), ("googlenet", 97)])  # fmt: skip
def test_codes_are_torchvision_s_penultimate_activations(name, size):
    theirs, state = published("torchvision", name)
    own = backbone_of(name, state, size=size)
    x = pictures(size)
    found = own.features(x, [stage.name for stage in own.stages])
    assert near(found["codes"], PENULTIMATE[name](theirs, x))
    for stage in own.stages[:-1]:
        assert found[stage.name].shape[1:] == (stage.volume.channels, stage.volume.height, stage.volume.width)
    assert found["codes"].shape[1] == own.stage("codes").volume.channels
    assert near(own.network(x), theirs(x)) and own.classes == 1000


@torch.no_grad()
def test_maps_are_what_torchvision_s_own_layers_give():
    theirs, state = published("torchvision", "resnet-18")
    own = backbone_of("resnet-18", state, size=64)
    x = pictures(64)
    found = own.features(x, ["stem", "stage1", "stage4"])
    with tapped(theirs, ["relu", "layer1", "layer4"]) as taps:
        theirs(x)
    assert list(found) == ["stem", "stage1", "stage4"]
    assert near(found["stem"], taps["relu"]) and near(found["stage1"], taps["layer1"])
    assert near(found["stage4"], taps["layer4"])


def test_nothing_behind_the_last_stage_is_computed_and_nothing_is_left_behind():
    own = backbone_of("squeezenet-1.1", published("torchvision", "squeezenet-1.1")[1], size=64)
    before = tensors_digest(own.network.state_dict())
    with tapped(own.network, ["fire3", "fire4", "conv2"]) as taps:
        first = own.features(pictures(64), ["stem", "stage1"])
        assert list(taps) == ["fire3"]
    ran = []
    handles = [child.register_forward_hook(lambda *_, name=name: ran.append(name))
               for name, child in own.network.named_children()]  # fmt: skip
    own.features(pictures(64), ["stage1", "stem"])
    assert ran == ["conv1", "relu1", "pool1", "fire2", "fire3"]
    for handle in handles:
        handle.remove()
    assert not first["stem"].requires_grad and own.features(pictures(64), []) == {}
    assert tensors_digest(own.network.state_dict()) == before == own.digest
    assert not any(module.training or module._forward_hooks for module in own.network.modules())


def test_a_head_s_hidden_layer_gives_codes_too():
    design = complete(with_head(parse(NETWORKS["lenet-5"].text), "stage1", "FC 7 -> RELU -> FC classes", 3))
    network = build(design)
    own = backbone("mine", network, design)
    assert own.stage("codes").layer == "head.relu1" and own.classes == 3 and not network.training
    x = torch.rand(2, 1, 32, 32)
    found = own.features(x, ["codes", "stage1"])
    assert torch.equal(network.head.fc2(found["codes"]), network(x))
    assert found["stage1"].shape == (2, 6, 14, 14)


def test_codes_that_are_a_map_are_flattened_in_torch_s_order():
    design = complete(parse("INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> POOL 2x2 -> FC 2"))
    network = build(design)
    own = backbone("mine", network, design)
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(own.features(x)["codes"], network[:3](x).flatten(1))


def test_weights_of_other_classes_bring_their_number_along():
    theirs = tv.squeezenet1_1(weights=None, num_classes=5)
    own = backbone_of("squeezenet-1.1", random_state(theirs), size=64)
    assert own.classes == 5 and own.network(pictures(64)).shape == (2, 5)


def test_weights_that_do_not_fit_are_told_by_their_first_key():
    state = published("torchvision", "squeezenet-1.1")[1]
    with pytest.raises(ModelFileError, match="for which the network has no place"):
        backbone_of("squeezenet-1.1", state | {"fc.weight": torch.zeros(1)})
    with pytest.raises(ModelFileError, match=r"features\.0\.weight has another shape than conv1\.weight") as caught:
        backbone_of("squeezenet-1.1", state | {"features.0.weight": torch.zeros(64, 1, 3, 3)})
    assert (caught.value.expected, caught.value.got) == ("64 x 3 x 3 x 3", "64 x 1 x 3 x 3")
    with pytest.raises(SettingError, match="no key map for lenet-5"):
        backbone_of("lenet-5", state)
    with pytest.raises(SettingError, match="no stage 'cods'") as caught:
        backbone_of("squeezenet-1.1", state, size=64).features(pictures(64), ["cods"])
    assert caught.value.remedy == "did you mean codes?"


def test_a_size_too_small_is_answered_with_the_smallest():
    state = published("torchvision", "squeezenet-1.1")[1]
    with pytest.raises(DesignError, match="the network cannot take pictures of 2x2") as caught:
        backbone_of("squeezenet-1.1", state, size=2)
    smallest = int(caught.value.expected.split()[0])
    assert backbone_of("squeezenet-1.1", state, size=smallest).network(pictures(smallest)).shape == (2, 1000)
    with pytest.raises(DesignError):
        complete(sized(parse(NETWORKS["squeezenet-1.1"].text), smallest - 1))
    with pytest.raises(SettingError, match="pictures cannot be 0 pixels wide"):
        backbone_of("squeezenet-1.1", state, size=0)


def test_a_design_that_neither_crops_nor_pads_says_what_fits():
    with pytest.raises(DesignError, match="does not fit") as caught:
        sized(parse(NETWORKS["alexnet-2012"].text), 220)
    assert "fits throughout" in caught.value.remedy or "input" in caught.value.remedy
    design = parse(NETWORKS["alexnet-2012"].text)
    assert sized(design, 227) is design and sized(design, None) is design


@torch.no_grad()
def test_another_library_s_network_gives_its_codes_and_maps_in_one_pass():
    theirs = tv.shufflenet_v2_x0_5(weights=None).eval()
    state = random_state(theirs)
    theirs.load_state_dict(state)
    own = backbone_of("torchvision/shufflenet_v2_x0_5", state, size=64)
    x = pictures(64)
    found = own.features(x, [stage.name for stage in own.stages])
    with tapped(theirs, ["conv1", "stage3", "conv5"]) as taps:
        scores = theirs(x)
    assert own.design is None and torch.equal(own.network(x), scores)
    assert torch.equal(found["codes"], taps["conv5"].mean((2, 3)))
    assert torch.equal(found["stem"], taps["conv1"]) and torch.equal(found["stage3"], taps["stage3"])
    assert torch.equal(found["stage4"], taps["conv5"]) and len(own.stages) == 6
    for stage in own.stages[:-1]:
        assert found[stage.name].shape[1:] == (stage.volume.channels, stage.volume.height, stage.volume.width)
    assert own.digest == tensors_digest(theirs.state_dict())


def test_another_library_s_weights_of_other_classes_bring_their_number_along():
    state = tv.squeezenet1_1(weights=None, num_classes=4).state_dict()
    own = backbone_of("torchvision/squeezenet1_1", state, size=64)
    assert own.classes == 4 and own.features(pictures(64))["codes"].shape == (2, 512)


@pytest.mark.shared
def test_half_precision_from_a_file_is_widened(tmp_path):
    path = shared("weights", "squeezenet1_1_deepscale_fp16.pth")
    own = backbone_of("SqueezeNet_1.1", path, size=64)
    assert isinstance(own, Backbone) and own.name == "squeezenet-1.1"
    assert all(tensor.dtype == torch.float32 for tensor in own.network.state_dict().values())
    assert own.digest == backbone_of("squeezenet-1.1", read_state(path)).digest
    with pytest.raises(AttributeError):
        own.name = "other"
    assert replace(own, name="x").digest == own.digest and judge("torchvision", "squeezenet-1.1") is not None
