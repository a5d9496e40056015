"""The named networks: their published figures, what they compute, and finding them by name.

Judges: torchvision's, timm's and akamaster's networks of the same name, torch's own count of what a built network
does, figures published with the papers, and layers written by hand.
"""

import functools
import json
from dataclasses import replace

import pytest
import torch
import torchvision.models as tv
from judges import JUDGES, judge, on_meta
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS, find
from torchbeam.errors import FitError
from torchbeam.jobs.zoo import zoo
from torchbeam.network.blocks import MaxPool
from torchbeam.network.build import build
from torchbeam.network.graph import Outputs

torch.set_num_threads(1)

every = pytest.mark.parametrize("name", list(NETWORKS))


def drawn(name, size=None, classes=None):
    """The completed design, its INPUT of size x size where one is given."""
    design = parse(NETWORKS[name].text)
    if size is not None:
        width, height = size if isinstance(size, tuple) else (size, size)
        volume = Volume(design.input.volume.channels, height, width)
        design = replace(design, input=replace(design.input, volume=volume))
    return complete(design, classes=classes)


@functools.cache
def book(name):
    return ledger(drawn(name))


@functools.cache
def meta(name):
    return on_meta(lambda: build(drawn(name))).eval()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def pictures(name, n=1, size=None, device="meta"):
    volume = drawn(name, size).input.volume
    return torch.zeros(n, volume.channels, volume.height, volume.width, device=device)


# More of the same as a shorter network of their family: what takes long is done with the shorter.
LONGER = [
    "vgg-13", "vgg-16", "vgg-19", "resnet-34", "resnet-101", "resnet-152", "resnet-44", "resnet-56", "resnet-110",
    "resnet-v2-101", "resnet-v2-152",
]  # fmt: skip
SHORTER = [name for name in NETWORKS if name not in LONGER]


# Parameters

TORCHVISION = dict.fromkeys(JUDGES["torchvision"], "torchvision")
TIMM = dict.fromkeys(JUDGES["timm"], "timm")
CIFAR = dict.fromkeys(JUDGES["pytorch_resnet_cifar10"], "pytorch_resnet_cifar10")
THEIRS = TORCHVISION | TIMM | CIFAR


@functools.cache
def theirs(name):
    return judge(THEIRS[name], name)


@every
def test_the_ledger_and_the_built_network_have_the_published_parameters(name):
    assert book(name).parameters == NETWORKS[name].parameters
    assert count(meta(name)) == book(name).parameters + book(name).side_parameters


@pytest.mark.parametrize("name", list(THEIRS))
def test_the_same_network_elsewhere_has_as_many_parameters(name):
    assert count(theirs(name)) == book(name).parameters + book(name).side_parameters


def test_googlenets_side_heads_have_torchvisions_parameters_beside_the_totals():
    heads = theirs("googlenet").aux1, theirs("googlenet").aux2
    assert sum(map(count, heads)) == book("googlenet").side_parameters == 6_379_984
    assert count(on_meta(lambda: tv.googlenet(aux_logits=False, init_weights=False))) == book("googlenet").parameters


# torchvision's documentation ('num_params' of each weights' page), timm's results table, and the papers' sums.
WRITTEN = {
    "vgg-11": 132_863_336,
    "vgg-13": 133_047_848,
    "vgg-16": 138_357_544,
    "vgg-19": 143_667_240,
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    "resnet-101": 44_549_160,
    "resnet-152": 60_192_808,
    "alexnet": 61_100_840,
    "googlenet": 6_624_904,
    "squeezenet-1.0": 1_248_424,
    "squeezenet-1.1": 1_235_496,
    "mobilenet-v2": 3_504_872,
    "inception-v4": 42_679_816,  # timm
    "resnet-v2-50": 25_549_352,  # timm
    "alexnet-2012": 60_965_224,  # Caffe's bvlc_alexnet, the paper's two towers
    "zfnet": 62_357_608,
    "zfnet-wide": 107_627_624,
    "resnet-20": 269_722,  # akamaster/pytorch_resnet_cifar10 prints 0.27M, ... 1.7M
    "lenet-5": 61_706,
}


@pytest.mark.parametrize(("name", "parameters"), WRITTEN.items(), ids=list(WRITTEN))
def test_the_published_number_of_parameters(name, parameters):
    assert book(name).parameters == parameters


def conv(*arguments, **more):
    return nn.Conv2d(*arguments, **more)


def zf(third, fourth, fifth):
    return [
        conv(3, 96, 7), conv(96, 256, 5), conv(256, third, 3), conv(third, fourth, 3), conv(fourth, fifth, 3),
        nn.Linear(fifth * 6 * 6, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000),
    ]  # fmt: skip


def inception(depth, a, b, c, d, e, p):
    """The six convolutions of one module of GoogLeNet, its table's columns in order."""
    return [conv(depth, a, 1), conv(depth, b, 1), conv(b, c, 3), conv(depth, d, 1), conv(d, e, 5), conv(depth, p, 1)]


# (depth in, the columns #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj) of the paper's table 1.
GOOGLENET_TABLE = [
    (192, 64, 96, 128, 16, 32, 32),
    (256, 128, 128, 192, 32, 96, 64),
    (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64),
    (512, 128, 128, 256, 24, 64, 64),
    (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128),
    (832, 256, 160, 320, 32, 128, 128),
    (832, 384, 192, 384, 48, 128, 128),
]
BY_HAND = {
    "lenet-5": lambda: [conv(1, 6, 5), conv(6, 16, 5), conv(16, 120, 5), nn.Linear(120, 84), nn.Linear(84, 10)],
    "alexnet-2012": lambda: [
        conv(3, 96, 11), conv(96, 256, 5, groups=2), conv(256, 384, 3), conv(384, 384, 3, groups=2),
        conv(384, 256, 3, groups=2), nn.Linear(256 * 6 * 6, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000),
    ],
    "zfnet": lambda: zf(384, 384, 256),
    "zfnet-wide": lambda: zf(512, 1024, 512),
    "nin-cifar": lambda: [
        conv(3, 192, 5), conv(192, 160, 1), conv(160, 96, 1),
        conv(96, 192, 5), conv(192, 192, 1), conv(192, 192, 1),
        conv(192, 192, 3), conv(192, 192, 1), conv(192, 10, 1),
    ],
    "nin-imagenet": lambda: [
        conv(3, 96, 11), conv(96, 96, 1), conv(96, 96, 1),
        conv(96, 256, 5), conv(256, 256, 1), conv(256, 256, 1),
        conv(256, 384, 3), conv(384, 384, 1), conv(384, 384, 1),
        conv(384, 1024, 3), conv(1024, 1024, 1), conv(1024, 1000, 1),
    ],
    "googlenet-paper": lambda: [
        conv(3, 64, 7), conv(64, 64, 1), conv(64, 192, 3),
        *(layer for row in GOOGLENET_TABLE for layer in inception(*row)),
        nn.Linear(1024, 1000),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", list(BY_HAND))
def test_layer_by_layer_the_parameters_of_layers_written_by_hand(name):
    counts = [count(layer) for layer in on_meta(BY_HAND[name])]
    assert [row.parameters for row in book(name).trunk if row.parameters] == counts


def test_the_side_heads_of_the_papers_googlenet_are_counted_beside_it():
    head = [(conv(depth, 128, 1), nn.Linear(128 * 4 * 4, 1024), nn.Linear(1024, 1000)) for depth in (512, 528)]
    counts = [count(layer) for layers in head for layer in layers]
    assert [row.parameters for row in book("googlenet-paper").rows if row.head and row.parameters] == counts


def test_every_network_is_judged_by_something_from_outside():
    assert set(THEIRS) | set(BY_HAND) == set(NETWORKS)


# Work, depth, and what a neuron sees


def layers_deep(scores):
    """The most convolutions and fully connected layers on one way back from the scores, through torch's own graph."""
    deep = {}
    waiting = [(scores.grad_fn, False)]
    while waiting:
        node, ready = waiting.pop()
        before = [one for one, _ in node.next_functions if one is not None]
        if ready:
            learns = "Convolution" in node.name() or "Addmm" in node.name()
            deep[node] = learns + max((deep[one] for one in before), default=0)
        elif node not in deep:
            waiting += [(node, True), *((one, False) for one in before)]
    return deep[scores.grad_fn]


# As the papers count their layers; NiN's and SqueezeNet's as drawn, a fire module two deep. MobileNetV2: a first layer,
# a bottleneck of 2, 16 of 3, a last convolution and the classifier. Inception-v4: 9 in the stem, modules of 3, 5 and 4.
DEPTHS = {
    "lenet-5": 5, "alexnet-2012": 8, "zfnet": 8, "zfnet-wide": 8, "nin-cifar": 9, "nin-imagenet": 12, "alexnet": 8,
    "vgg-11": 11, "vgg-13": 13, "vgg-16": 16, "vgg-19": 19, "googlenet-paper": 22, "googlenet": 22,
    "resnet-18": 18, "resnet-34": 34, "resnet-50": 50, "resnet-101": 101, "resnet-152": 152,
    "resnet-20": 20, "resnet-32": 32, "resnet-44": 44, "resnet-56": 56, "resnet-110": 110,
    "resnet-v2-50": 50, "resnet-v2-101": 101, "resnet-v2-152": 152,
    "inception-v4": 9 + 4 * 3 + 3 + 7 * 5 + 4 + 3 * 4 + 1,
    "squeezenet-1.0": 18, "squeezenet-1.1": 18, "mobilenet-v2": 1 + 2 + 16 * 3 + 1 + 1,
}  # fmt: skip


@every
def test_multiply_accumulates_and_depth_are_those_torch_counts(name):
    with FlopCounterMode(display=False) as counter:
        scores = meta(name)(pictures(name))
    assert book(name).macs * 2 == counter.get_total_flops()
    assert book(name).depth == layers_deep(scores) == DEPTHS[name]


@pytest.mark.parametrize("name", list(THEIRS))
def test_the_same_network_elsewhere_does_as_much_work(name):
    with FlopCounterMode(display=False) as counter:
        theirs(name)(pictures(name))
    assert counter.get_total_flops() == 2 * book(name).macs


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet-50", 3.8e9), ("resnet-101", 7.6e9), ("resnet-152", 11.3e9)],  # He et al. 2015, table 1
)
def test_bottlenecks_with_the_papers_stride_do_the_papers_work_and_see_as_far(name, published):
    """The paper strides on a bottleneck's first 1x1, torchvision and the zoo on its 3x3."""
    text = NETWORKS[name].text.replace("unit n 1x1 1 -> RELU -> unit n 3x3 s", "unit n 1x1 s -> RELU -> unit n 3x3 1")
    moved = ledger(complete(parse(text)))
    assert moved.macs == pytest.approx(published, rel=0.02)
    assert book(name).macs > 1.015 * moved.macs
    assert moved.parameters == book(name).parameters


# github.com/google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md: alexnet_v2/pool5, vgg_a, vgg_16; the table of
# Araujo, Norris & Sim, 'Computing Receptive Fields', Distill 2019: resnet_v1 (the paper's stride) and inception_v4.
@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("alexnet-2012", 195), ("alexnet", 195), ("vgg-11", 150), ("vgg-16", 212), ("inception-v4", 2071),
    ],
)  # fmt: skip
def test_the_published_receptive_field_before_the_classifier(name, sees):
    assert book(name).field_before_classifier == (sees, sees)


@pytest.mark.parametrize(
    ("name", "moved", "here"), [("resnet-50", 483, 427), ("resnet-101", 1027, 971), ("resnet-152", 1507, 1451)]
)
def test_with_the_papers_stride_a_resnet_sees_as_far_as_published(name, moved, here):
    text = NETWORKS[name].text.replace("unit n 1x1 1 -> RELU -> unit n 3x3 s", "unit n 1x1 s -> RELU -> unit n 3x3 1")
    assert ledger(complete(parse(text))).field_before_classifier == (moved, moved)
    assert book(name).field_before_classifier == (here, here)


class Averages(nn.Module):
    """The mean of each window where a pool takes the largest: every pixel a neuron sees has a say."""

    def __init__(self, pool):
        super().__init__()
        padding = pool.pads if isinstance(pool, MaxPool) else (pool.padding[1],) * 2 + (pool.padding[0],) * 2
        self.kernel, self.stride, self.pads = pool.kernel_size, pool.stride, padding

    def forward(self, x):
        return F.avg_pool2d(F.pad(x, self.pads), self.kernel, self.stride)


def linear(network):
    """The network with positive weights, norms that change nothing and averages for pools, in float64."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.MaxPool2d | MaxPool):
                setattr(module, name, Averages(child))
            elif isinstance(child, nn.BatchNorm2d | nn.LocalResponseNorm | nn.ReLU | nn.ReLU6 | nn.Tanh):
                setattr(module, name, nn.Identity())
    network = network.to_empty(device="cpu").double().eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


@pytest.mark.parametrize("axis", ["across", "down"])
@pytest.mark.parametrize(
    ("name", "long", "short"),
    [
        ("lenet-5", 64, 32),
        ("nin-cifar", 96, 8),
        ("resnet-20", 256, 8),
        ("squeezenet-1.1", 480, 31),
        ("resnet-18", 992, 32),
        ("googlenet", 992, 32),
        ("googlenet-paper", 1600, 96),
        ("mobilenet-v2", 1120, 32),
    ],
)
def test_before_the_classifier_a_neuron_sees_as_far_as_gradients_reach(name, long, short, axis):
    size = (long, short) if axis == "across" else (short, long)
    network = linear(on_meta(lambda: build(drawn(name, size))))
    kept = {}
    heads = [row.name for row in book(name).trunk if row.word == "FC" or row.text == "POOL avg global"]
    before = next(row for row in book(name).trunk if row.name == heads[0]).sources[0]
    network.get_submodule(before).register_forward_hook(lambda *each: kept.update(seen=each[2]))
    x = torch.ones(1, book(name).input.channels, size[1], size[0], dtype=torch.float64, requires_grad=True)
    network(x)
    seen = kept["seen"][0].sum(0)
    (gradient,) = torch.autograd.grad(seen[seen.shape[0] // 2, seen.shape[1] // 2], x)
    touched = gradient[0].sum((0, 1 if axis == "across" else 2)).nonzero().flatten()
    first, last = int(touched[0]), int(touched[-1])
    assert first > 0 and last < long - 1, "the picture is too small to hold what a neuron sees"
    assert last - first + 1 == book(name).field_before_classifier[axis == "down"]


# Hand-worked cases


def test_lenet_5_has_the_papers_sizes():
    sizes = [str(row.output) for row in book("lenet-5").rows if row.word in ("CONV", "POOL", "FC")]
    assert sizes == ["28x28x6", "14x14x6", "10x10x16", "5x5x16", "1x1x120", "1x1x84", "1x1x10"]


def test_alexnets_first_layer_is_the_one_of_the_lecture_notes():
    """CS231n, convolutional networks, 'Use of parameter sharing'."""
    first = book("alexnet-2012").row("conv1")
    assert str(book("alexnet-2012").input) == "227x227x3"
    assert str(first.output) == "55x55x96" and first.neurons == 55 * 55 * 96 == 290_400
    assert first.parameters == 96 * (11 * 11 * 3) + 96 == 34_944
    assert first.unshared == 290_400 * (11 * 11 * 3 + 1) == 105_705_600


def test_vgg_16_holds_the_activations_of_the_lecture_notes():
    """CS231n's rows for VGGNet; they say 24M in all, and add up to 15.2M."""
    rows = [
        224 * 224 * 3, *[224 * 224 * 64] * 2, 112 * 112 * 64, *[112 * 112 * 128] * 2, 56 * 56 * 128,
        *[56 * 56 * 256] * 3, 28 * 28 * 256, *[28 * 28 * 512] * 3, 14 * 14 * 512, *[14 * 14 * 512] * 3, 7 * 7 * 512,
        4096, 4096, 1000,
    ]  # fmt: skip
    assert book("vgg-16").neurons == sum(rows) == 15_237_608
    made = [pictures("vgg-16").numel()]
    vgg = on_meta(tv.vgg16).eval()
    for module in vgg.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.Linear):
            module.register_forward_hook(lambda *each: made.append(each[2].numel()))
    vgg(pictures("vgg-16"))
    assert made == rows


# The text


@every
def test_a_named_network_names_its_paper_and_year(name):
    network = NETWORKS[name]
    assert network.name == name and network.introduced and network.published
    assert "'" in network.paper and 1980 <= network.year <= 2030


def test_the_networks_stand_in_the_order_of_their_years():
    years = [network.year for network in NETWORKS.values()]
    assert years == sorted(years) and years[0] == 1998


@every
def test_a_named_network_is_written_back_with_its_definitions(name):
    design = parse(NETWORKS[name].text)
    assert parse(write(design)) == design
    completed = drawn(name)
    assert [define.name for define in completed.where] == [define.name for define in design.where]
    assert parse(write(completed)) == completed
    assert complete(completed) == completed
    assert len(write(completed)) < 1.5 * len(NETWORKS[name].text)  # repeats and definitions have not been written out


# The layers that give the scores, side heads included.
HEADS = {
    "fc1": "googlenet resnet-18 resnet-34 resnet-50 resnet-101 resnet-152 resnet-20 resnet-32 resnet-44 resnet-56 "
    "resnet-110 resnet-v2-50 resnet-v2-101 resnet-v2-152 inception-v4 mobilenet-v2 googlenet-paper",
    "fc2": "lenet-5",
    "fc3": "alexnet alexnet-2012 zfnet zfnet-wide vgg-11 vgg-13 vgg-16 vgg-19",
    "conv2": "squeezenet-1.0 squeezenet-1.1",
    "conv9": "nin-cifar",
    "conv12": "nin-imagenet",
}


@every
def test_other_classes_change_the_heads_and_nothing_else(name):
    seven = on_meta(lambda: build(drawn(name, classes=7))).eval()
    ours, theirs = meta(name).state_dict(), seven.state_dict()
    assert list(ours) == list(theirs)
    changed = {key.rpartition(".")[0] for key in ours if ours[key].shape != theirs[key].shape}
    heads = {head for head, names in HEADS.items() if name in names.split()}
    assert changed == heads | ({"aux1.fc2", "aux2.fc2"} if name.startswith("googlenet") else set())
    assert seven(pictures(name)).shape == (1, 7)
    assert ledger(drawn(name, classes=7)).output == Volume(7, 1, 1)


# Running and training


def filled(network):
    """The network on the CPU with weights of He's scale, from one stretch of noise: large layers cost little."""
    network = network.to_empty(device="cpu")
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(1))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            size = module.weight.numel()
            numbers = noise[:size].clone() if size <= len(noise) else noise.repeat(-(-size // len(noise)))[:size]
            inputs = module.weight[0].numel()
            module.weight.data = numbers.view_as(module.weight).mul_((2 / inputs) ** 0.5)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.01)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return network


def loss_of(network, x, labels):
    """The loss of a training step, side heads with their weights, and how many of these there are."""
    given = network(x)
    scores, sides = given if isinstance(given, Outputs) else (given, ())
    assert scores.ndim == 2 and all(side.shape == scores.shape and weight == 0.3 for weight, side in sides)
    loss = F.cross_entropy(scores, labels) + sum(weight * F.cross_entropy(side, labels) for weight, side in sides)
    return loss, len(sides)


@pytest.mark.parametrize("name", SHORTER)
def test_at_its_own_size_a_training_step_reaches_every_parameter(name):
    """Shapes and gradients without their numbers."""
    network = on_meta(lambda: build(drawn(name))).train()
    loss, sides = loss_of(network, pictures(name, n=2), torch.zeros(2, dtype=torch.long, device="meta"))
    loss.backward()
    assert sides == (2 if name.startswith("googlenet") else 0)
    assert all(parameter.grad.shape == parameter.shape for parameter in network.parameters())


# Where the full size is slow, one at which the same layers do less.
STEPS_AT = {
    "alexnet-2012": 67, "zfnet": 64, "zfnet-wide": 64, "nin-imagenet": 64, "alexnet": 64,
    "vgg-11": 32, "vgg-13": 32, "vgg-16": 32, "vgg-19": 32, "googlenet-paper": 96, "googlenet": 32,
    "resnet-18": 64, "resnet-34": 32, "resnet-50": 64, "resnet-101": 32, "resnet-152": 32,
    "resnet-v2-50": 64, "resnet-v2-101": 32, "resnet-v2-152": 32, "inception-v4": 96,
    "squeezenet-1.0": 64, "squeezenet-1.1": 64, "mobilenet-v2": 64,
}  # fmt: skip


@every
def test_a_training_step_gives_finite_gradients_everywhere(name):
    design = drawn(name, STEPS_AT.get(name), classes=10)
    if name in ("alexnet", "zfnet-wide", "vgg-11", "vgg-13", "vgg-16", "vgg-19"):  # alexnet-2012 and zfnet stay whole
        design = parse(write(design).replace("FC 4096", "FC 64"))
    network = filled(on_meta(lambda: build(design))).train()
    like = pictures(name, 2, STEPS_AT.get(name), device="cpu")
    x = torch.rand(like.shape, generator=torch.Generator().manual_seed(2))
    loss, _ = loss_of(network, x, torch.tensor([3, 1]))
    loss.backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), key


# Other sizes

# What stands in the way at 32, 64 and 96 pixels; nothing where a network is not named.
FIRST = "conv1: a 11x11 window does not fit {0}x{0}x3 a whole number of times"
REFUSED = {
    "alexnet-2012": {size: FIRST.format(size) for size in (32, 64, 96)},
    "zfnet": {32: "pool3: a 3x3 window does not fit 1x1x256 a whole number of times"},
    "zfnet-wide": {32: "pool3: a 3x3 window does not fit 1x1x512 a whole number of times"},
    "alexnet": {32: "pool3: a 3x3 window does not fit 1x1x256 a whole number of times"},
    "googlenet-paper": {
        32: "aux1.pool1: a 5x5 window does not fit 2x2x512 a whole number of times",
        64: "aux1.pool1: a 5x5 window does not fit 4x4x512 a whole number of times",
    },
    "inception-v4": {
        32: "reduce1.conv1: a 3x3 window does not fit 1x1x384 a whole number of times",
        64: "reduce2.conv2: a 3x3 window does not fit 2x2x192 a whole number of times",
    },
}


@pytest.mark.parametrize("size", [32, 64, 96])
@every
def test_at_other_sizes_a_network_runs_or_says_what_does_not_fit(name, size):
    why = REFUSED.get(name, {}).get(size)
    if why is None:
        design = drawn(name, size)
        assert ledger(design).output == book(name).output
        if name not in LONGER:
            network = on_meta(lambda: build(design)).eval()
            assert network(pictures(name, 3, size)).shape == (3, book(name).output.channels)
        return
    with pytest.raises(FitError) as caught:
        drawn(name, size)
    told = str(caught.value)
    assert told.startswith(why)
    assert "not a whole number" in told or "less than one place" in told
    assert f"after INPUT {size}x{size}x3 -> " in told or why.startswith("conv1")


@pytest.mark.parametrize("size", [32, 64, 96])
@pytest.mark.parametrize("name", [name for name in TORCHVISION if name not in LONGER])
def test_what_runs_at_another_size_runs_in_torchvision_too(name, size):
    x = torch.zeros(1, 3, size, size, device="meta")
    if REFUSED.get(name, {}).get(size):
        with pytest.raises(RuntimeError, match="Output size is too small"):
            theirs(name)(x)
    else:
        assert theirs(name)(x).shape == (1, 1000)


# The list


def test_the_list_has_a_line_for_every_network_with_its_numbers():
    listed = json.loads(json.dumps(zoo().to_json()))
    assert [entry["name"] for entry in listed] == list(NETWORKS)
    vgg = next(entry for entry in listed if entry["name"] == "vgg-16")
    assert {key: vgg[key] for key in list(vgg)[:8]} == {
        "name": "vgg-16",
        "year": 2014,
        "input": "224x224x3",
        "parameters": 138_357_544,
        "side_parameters": 0,
        "macs": 15_470_264_320,
        "depth": 16,
        "receptive_field": [212, 212],
    }
    assert vgg["text"].startswith("INPUT 224x224x3") and "Simonyan" in vgg["paper"]
    assert "3x3" in vgg["introduced"] and "25.6 % top-1" in vgg["published"]


def test_the_list_is_printed_as_a_table():
    head, *lines = str(zoo()).split("\n")
    assert head.split() == ["name", "year", "input", "parameters", "MACs", "depth", "sees", "introduced"]
    squeezed = next(line for line in lines if line.startswith("googlenet "))
    assert squeezed.split()[:8] == ["googlenet", "2014", "224x224x3", "6,624,904", "1.5", "G", "22", "379"]
    assert len(lines) == len(NETWORKS) + 2 and "describe NAME" in lines[-1]
    for word in ("input", "parameters", "MACs", "depth", "sees"):
        end = head.index(word) + len(word)
        assert all(line[end - 1] != " " and line[end] == " " for line in lines[:-2])


@pytest.mark.parametrize("name", ["lenet-5", "LeNet-5", "LENET5", "lenet_5", "Le-Net_5"])
def test_names_ignore_case_hyphens_and_underscores(name):
    assert find(name) is NETWORKS["lenet-5"]


@pytest.mark.parametrize("name", ["", "lenet", "lenet-55", "nothing"])
def test_an_unknown_name_finds_nothing(name):
    assert find(name) is None


def test_no_two_networks_answer_to_the_same_name():
    assert len({name.lower().replace("-", "").replace("_", "") for name in NETWORKS}) == len(NETWORKS)
