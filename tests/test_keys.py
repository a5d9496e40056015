"""Key maps: every module that holds numbers, ours and theirs, exactly once.

Judges: the state dicts of torchvision's, timm's and akamaster's networks.
"""

import pytest
import torch
from judges import JUDGES, PAIRS, judge, on_meta

from torchbeam.design.notation import parse
from torchbeam.design.zoo import NETWORKS
from torchbeam.network.build import build
from torchbeam.network.keys import ORIGINS

torch.set_num_threads(1)


def shapes(network):
    """The shapes of what each module holds, by its name and what it is called there."""
    held = {}
    for key, tensor in network.state_dict().items():
        module, _, what = key.rpartition(".")
        held.setdefault(module, {})[what] = tuple(tensor.shape)
    return held


def test_there_is_a_map_for_every_judge_and_a_judge_for_every_map():
    assert {origin: list(networks) for origin, networks in ORIGINS.items()} == {
        origin: list(networks) for origin, networks in JUDGES.items()
    }


@pytest.mark.parametrize(("origin", "name"), PAIRS)
def test_a_map_covers_every_module_of_both_once_with_equal_shapes(origin, name):
    keys = ORIGINS[origin][name]()
    ours = shapes(on_meta(lambda: build(parse(NETWORKS[name].text))))
    theirs = shapes(judge(origin, name))
    assert set(keys) == set(ours)
    assert len(set(keys.values())) == len(keys) and set(keys.values()) == set(theirs)
    for own, other in keys.items():
        squeezed = {what: shape[:2] if shape[2:] == (1, 1) else shape for what, shape in theirs[other].items()}
        assert ours[own] in (theirs[other], squeezed), (own, other)


# Modules whose place the order of neither state dict would tell, read off the papers' drawings and the judges' code.
@pytest.mark.parametrize(
    ("origin", "name", "ours", "theirs"),
    [
        ("torchvision", "vgg-16", "conv13", "features.28"),
        ("torchvision", "alexnet", "fc1", "classifier.1"),
        ("torchvision", "googlenet", "inception4e.bn6", "inception4e.branch4.1.bn"),
        ("torchvision", "googlenet", "aux2.conv1", "aux2.conv.conv"),
        ("torchvision", "resnet-18", "stage2.conv3", "layer2.0.downsample.0"),
        ("torchvision", "resnet-50", "stage1.bn4", "layer1.0.downsample.1"),
        ("torchvision", "resnet-152", "stage3.conv109", "layer3.35.conv3"),
        ("torchvision", "squeezenet-1.1", "conv2", "classifier.1"),
        ("torchvision", "mobilenet-v2", "stage7.conv3", "features.17.conv.2"),
        ("timm", "inception-v4", "stem.conv11", "features.5.conv.conv"),
        ("timm", "inception-v4", "stage3.conv10", "features.19.branch3.1.conv"),
        ("timm", "resnet-v2-50", "stage1.conv4", "stages.0.blocks.0.downsample.conv"),
        ("timm", "resnet-v2-50", "bn1", "norm"),
        ("pytorch_resnet_cifar10", "resnet-20", "stage3.conv6", "module.layer3.2.conv2"),
    ],
)
def test_a_module_worked_out_by_hand(origin, name, ours, theirs):
    assert ORIGINS[origin][name]()[ours] == theirs
