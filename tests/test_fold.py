"""Batch norms folded into the layers before them: the same scores with fewer modules, the network untouched."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from torchbeam.design.notation import parse
from torchbeam.design.zoo import find
from torchbeam.network.build import build
from torchbeam.network.fold import folded
from torchbeam.network.graph import Graph, Run
from torchbeam.network.norms import fix_norms_

torch.set_num_threads(1)
NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
# DenseNet's block (Huang et al. 2017) and its transition, at a small size.
DENSE = """INPUT 16x16x3 -> CONV 8 3x3 bias no -> [dense]*3 -> BN -> RELU -> CONV 12 1x1 bias no -> POOL avg 2x2
-> [dense]*2 -> BN -> RELU -> POOL avg global -> FC 5
where dense = ( BN -> RELU -> CONV 16 1x1 bias no -> BN -> RELU -> CONV 4 3x3 bias no | SKIP )"""


def lived(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network as after training: every batch norm with statistics, scale and shift of its own."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, NORMS):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 3)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
    return network


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in network.modules())


def check(network: nn.Module, shape: tuple[int, ...], left: int) -> nn.Module:
    """The folded network; its scores in double precision, its batch norms and its original are seen to."""
    lived(network).double().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = folded(network)
    assert not found.training and norms(found) == left
    given = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        expected = network(given)
        torch.testing.assert_close(found(given), expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())
        single = folded(copy.deepcopy(network).float())(given.float()).double()
        torch.testing.assert_close(single, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    after = network.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (lambda bias: nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=bias), nn.BatchNorm2d(6), (2, 4, 5, 7)),
        (lambda bias: nn.Conv2d(4, 6, 3, bias=bias), nn.BatchNorm2d(6, eps=0.1), (2, 4, 5, 7)),
        (lambda bias: nn.Conv1d(4, 6, 3, bias=bias), nn.BatchNorm1d(6), (2, 4, 5)),
        (lambda bias: nn.Conv3d(2, 3, 2, bias=bias), nn.BatchNorm3d(3), (2, 2, 3, 3, 3)),
        (lambda bias: nn.Linear(5, 7, bias=bias), nn.BatchNorm1d(7), (4, 5)),
    ],
)
def test_a_pair_is_folded_as_torch_folds_it(layer, norm, shape, bias):
    network = nn.Sequential(layer(bias), copy.deepcopy(norm))
    found = check(network, shape, 0)
    fuse = fuse_linear_bn_eval if isinstance(network[0], nn.Linear) else fuse_conv_bn_eval
    judge = fuse(network[0], network[1])
    torch.testing.assert_close(found[0].weight, judge.weight, rtol=1e-12, atol=0)
    torch.testing.assert_close(found[0].bias, judge.bias, rtol=1e-9, atol=1e-12)
    assert isinstance(found[1], nn.Identity)


def test_a_fixed_norm_is_folded():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    fix_norms_(lived(network))
    expected = network.eval()(torch.ones(2, 3, 4, 4))
    found = folded(network)
    assert isinstance(found[1], nn.Identity)
    torch.testing.assert_close(found(torch.ones(2, 3, 4, 4)), expected)


def test_a_norm_without_scale_and_shift_is_folded():
    check(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False)), (2, 3, 4, 4), 0)


# Batch norms that stand before their convolution, or behind a join, cannot be folded.
@pytest.mark.parametrize(
    ("name", "shape", "left"),
    [
        ("resnet-20", (2, 3, 32, 32), 0),
        ("resnet-18", (1, 3, 64, 64), 0),
        ("mobilenet-v2", (1, 3, 64, 64), 0),
        ("googlenet", (1, 3, 64, 64), 2),  # those of its side heads, which do not run
        ("resnet-v2-50", (1, 3, 64, 64), 17),
    ],
)
def test_networks_of_the_zoo_give_the_same_scores(name, shape, left):
    known = find(name)
    assert known is not None
    width = known.text.split("INPUT ")[1].split("x")[0]
    text = known.text.replace(f"INPUT {width}x{width}", f"INPUT {shape[3]}x{shape[2]}", 1)
    network = build(parse(text))
    assert norms(network) > left
    check(network, shape, left)


def test_inception_and_densenet_give_the_same_scores():
    known = find("inception-v4")
    assert known is not None
    check(build(parse(known.text.replace("INPUT 299x299", "INPUT 75x75", 1))), (1, 3, 75, 75), 0)
    # In each dense block the norm between its two layers, and no other.
    network = build(parse(DENSE))
    assert norms(network) == 12
    check(network, (2, 3, 16, 16), 7)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CONV 4 -> BN -> RELU -> FC 8 -> BN -> RELU -> FC 3", 0),
        ("CONV 4 -> ( BN + SKIP ) -> FC 3", 1),  # the layer's own answer is read too
        ("CONV 4 -> ( BN -> RELU + CONV 4 ) -> FC 3", 1),
        ("BN -> CONV 4 -> RELU -> BN -> FC 3", 2),  # nothing before, and a rectifier between
        ("CONV 4 -> BN -> BN -> FC 3", 1),
        ("CONV 4 -> POOL -> BN -> FC 3", 1),
        ("a: [CONV 4] -> b: [BN -> RELU] -> FC 3", 0),  # across the brackets
        ("a: [CONV 4 -> RELU] -> b: [BN -> RELU] -> FC 3", 1),
        ("a: (CONV 4 + CONV 4) -> BN -> FC 3", 1),
        ("a: (CONV 4 -> BN | CONV 4 -> BN) -> FC 3", 0),
        ("CONV 4 -> side: AUX 0.3 [CONV 4 -> BN -> FC 3] -> BN -> FC 3", 1),  # side heads do not run
        ("CONV 4 -> DROPOUT 0.5 -> BN -> FC 3", 0),
        ("CONV 4 stride 2 fit pad pad 0 -> BN -> FC 3", 0),
    ],
)
def test_only_what_nothing_else_reads_is_folded(text, left):
    check(build(parse(f"INPUT 8x8x3 -> {text}")), (2, 3, 8, 8), left)


def test_the_names_of_what_is_left_stay():
    network = build(parse("INPUT 8x8x3 -> a: (CONV 4 -> BN + CONV 4 -> BN) -> RELU -> FC 3"))
    found = folded(network)
    assert [name for name, _ in found.named_modules()] == [name for name, _ in network.named_modules()]
    assert set(found.state_dict()) == {"a.conv1.weight", "a.conv1.bias", "a.conv2.weight", "a.conv2.bias"} | {
        "fc1.weight",
        "fc1.bias",
    }
    assert found.fc1.weight is network.fc1.weight
    assert found.a.conv1.weight is not network.a.conv1.weight


def test_the_network_stays_as_it_was_and_in_its_mode():
    network = build(parse("INPUT 8x8x3 -> CONV 4 -> BN -> RELU -> FC 3"))
    assert network.training and network[0].training
    found = folded(network)
    assert network.training and network[1].training and isinstance(network[1], nn.BatchNorm2d)
    assert not any(module.training for module in found.modules())
    assert network.conv1.weight.requires_grad and found.conv1.weight.requires_grad


def test_a_layer_or_a_norm_that_is_run_twice_is_left():
    conv, norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
    check(nn.Sequential(conv, norm, conv, nn.ReLU()), (2, 3, 5, 5), 1)
    check(nn.Sequential(conv, norm, nn.ReLU(), nn.Conv2d(3, 3, 1), norm), (2, 3, 5, 5), 1)
    graph = Graph({"c": conv, "n": norm}, (Run("c", (0,)), Run("n", (1,)), Run("c", (2,))), 3)
    check(graph, (2, 3, 5, 5), 1)


def test_the_last_value_is_read_by_the_caller():
    conv, norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)
    check(Graph({"c": conv, "n": norm}, (Run("c", (0,)), Run("n", (1,))), 2), (2, 3, 5, 5), 0)
    check(Graph({"c": conv, "n": norm}, (Run("c", (0,)), Run("n", (1,))), 1), (2, 3, 5, 5), 1)


class Own(nn.Sequential):
    """A chain with a way of its own."""

    def forward(self, given):
        return self[1](self[0](given)) + self[0](given)


def test_what_is_not_known_is_left():
    check(Own(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)), (2, 3, 5, 5), 1)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))
    assert norms(folded(network)) == 1
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    network[0].register_forward_hook(lambda _module, _given, out: out * 2)
    check(network, (2, 3, 5, 5), 1)
    check(nn.Sequential(nn.ConvTranspose2d(3, 4, 2), nn.BatchNorm2d(4)), (2, 3, 5, 5), 1)


def test_half_precision_stays_and_layouts_stay():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    lived(network)
    expected = folded(network)
    found = folded(copy.deepcopy(network).to(torch.bfloat16).to(memory_format=torch.channels_last))
    assert found[0].weight.dtype == found[0].bias.dtype == torch.bfloat16
    assert found[0].weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found[0].weight.float(), expected[0].weight, rtol=0.02, atol=1e-3)
