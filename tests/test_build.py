"""build: the network of a design, named as in the notation and computing what torch computes."""

from collections import OrderedDict

import pytest
import torch
import torchvision
from hostile_texts import RESNET_50
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import DesignError, FitError, TorchbeamError
from torchbeam.network.build import build
from torchbeam.network.graph import Graph, Outputs

torch.set_num_threads(1)
PROPERTY = settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def completed(text):
    return complete(parse(text), Volume(3, 32, 32), 10)


def network_of(text):
    return build(parse(text)).eval()


def children(network):
    return [name for name, _ in network.named_children()]


# Names


def test_children_carry_the_names_of_the_notation():
    network = network_of("INPUT 8x8x3 -> stem: CONV 4 -> RELU -> [CONV 4 -> RELU]*2 -> POOL -> FC 10")
    assert children(network) == ["stem", "relu1", "conv1", "relu2", "conv2", "relu3", "pool1", "fc1-flatten", "fc1"]
    assert network.stem.weight.shape == (4, 3, 3, 3)
    assert network.fc1.weight.shape == (10, 64)


def test_named_groups_are_networks_within_the_network():
    network = network_of("INPUT 8x8x3 -> a: [CONV 4 -> b: [BN -> RELU]] -> a_2: [CONV 5 2x2 pad 0:1 -> FC 6]")
    assert children(network) == ["a", "a_2"]
    assert children(network.a) == ["conv1", "b"]
    assert children(network.a_2) == ["conv1-pad", "conv1", "fc1-flatten", "fc1"]
    assert isinstance(network.get_submodule("a.b.bn1"), nn.BatchNorm2d)
    assert network(torch.rand(2, 3, 8, 8)).shape == (2, 6)


def test_a_repeat_of_a_named_group_is_one_network_after_another():
    network = network_of("INPUT 8x8x3 -> [s: [CONV 4 -> RELU] -> BN]*2")
    assert children(network) == ["s", "bn1", "s_2", "bn2"]


@pytest.mark.parametrize("name", ["training", "forward", "append", "T_destination", "add_module", "_modules"])
def test_a_name_that_torchs_modules_use_is_refused(name):
    for text in (f"INPUT 8x8x3 -> {name}: CONV 4", f"INPUT 8x8x3 -> {name}: [CONV 4]"):
        with pytest.raises(DesignError) as caught:
            build(parse(text))
        assert f"a layer cannot be named {name}, which PyTorch's modules use themselves" in str(caught.value)
        assert f"choose another name, as in '{name}_1: ...'" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x3 -> fc1_flatten: CONV 4 -> FC 10",
        "INPUT 8x8x3 -> FC 16 -> conv1_unflatten: RELU -> CONV 4",
        "INPUT 8x8x3 -> conv1_pad: RELU -> CONV 4 2x2 pad 0:1",
    ],
)
def test_any_name_that_torch_does_not_use_can_be_built(text):
    network = network_of(text)
    assert all(network.get_submodule(layer.name) for layer in unfold(completed(text)))


# The whole network


def test_lenet_5_computes_what_torch_computes_with_the_same_weights():
    ours = network_of(
        "INPUT 32x32x1 -> CONV 6 5x5 pad 0 -> TANH -> POOL avg 2x2 -> CONV 16 5x5 pad 0 -> TANH -> POOL avg 2x2 "
        "-> CONV 120 5x5 pad 0 -> TANH -> FC 84 -> TANH -> FC"
    )
    theirs = nn.Sequential(
        OrderedDict(
            c1=nn.Conv2d(1, 6, 5), t1=nn.Tanh(), s2=nn.AvgPool2d(2),
            c3=nn.Conv2d(6, 16, 5), t2=nn.Tanh(), s4=nn.AvgPool2d(2),
            c5=nn.Conv2d(16, 120, 5), t3=nn.Tanh(), flat=nn.Flatten(),
            f6=nn.Linear(120, 84), t4=nn.Tanh(), out=nn.Linear(84, 10),
        )
    )  # fmt: skip
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    digits = torch.rand(4, 1, 32, 32)
    assert torch.equal(ours(digits), theirs(digits))


def test_what_is_unsaid_is_completed_for_small_colour_pictures_of_ten_classes():
    network = network_of("INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC")
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert sum(p.numel() for p in network.parameters()) == (27 * 32 + 32) + (288 * 64 + 64) + (4096 * 256 + 256) + 2570


def test_weights_start_as_torch_starts_them():
    torch.manual_seed(3)
    ours = network_of("INPUT 8x8x3 -> CONV 4 3x3 pad 1 -> FC 5").state_dict()
    torch.manual_seed(3)
    conv, linear = nn.Conv2d(3, 4, 3), nn.Linear(256, 5)
    expected = [*conv.state_dict().values(), *linear.state_dict().values()]
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(ours.values(), expected, strict=True))


def test_fc_and_conv_may_follow_each_other_and_bn_and_softmax_stand_anywhere():
    network = network_of(
        "INPUT 4x4x2 -> FC 6 -> BN -> RELU -> CONV 3 1x1 -> BN -> FLATTEN -> BN -> DROPOUT -> POOL 1x1 "
        "-> FC 4 -> SOFTMAX"
    )
    kinds = [type(module) for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert kinds == [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm1d]
    out = network(torch.rand(3, 2, 4, 4))
    assert out.shape == (3, 4)
    torch.testing.assert_close(out.sum(1), torch.ones(3))


def test_softmax_is_over_the_channels_at_each_position():
    batch = torch.randn(2, 3, 4, 5)
    out = network_of("INPUT 5x4x3 -> SOFTMAX")(batch)
    torch.testing.assert_close(out, batch.exp() / batch.exp().sum(1, keepdim=True))


def test_the_settings_of_bn_dropout_and_activations_reach_the_modules():
    network = network_of("INPUT 4x4x2 -> BN eps 1e-3 momentum 0.25 -> DROPOUT 0.75 -> LEAKYRELU 0.2 -> ELU 0.5 -> ELU")
    assert (network.bn1.eps, network.bn1.momentum, network.dropout1.p) == (1e-3, 0.25, 0.75)
    assert (network.leakyrelu1.negative_slope, network.elu1.alpha, network.elu2.alpha) == (0.2, 0.5, 1.0)


def test_a_slope_of_zero_is_not_taken_for_unsaid():
    batch = torch.linspace(-3, 3, 32).reshape(1, 2, 4, 4)
    assert torch.equal(network_of("INPUT 4x4x2 -> LEAKYRELU 0")(batch), F.relu(batch))
    assert torch.equal(network_of("INPUT 4x4x2 -> ELU 0")(batch), F.elu(batch, 0.0))


@pytest.mark.parametrize(
    ("kind", "judge"),
    [
        ("max", lambda batch: batch.amax((2, 3), keepdim=True)),
        ("avg", lambda batch: batch.mean((2, 3), keepdim=True)),
        ("l2", lambda batch: torch.linalg.vector_norm(batch, dim=(2, 3), keepdim=True)),
    ],
)
def test_global_pools_look_at_the_whole_volume(kind, judge):
    batch = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(network_of(f"INPUT 5x4x3 -> POOL {kind} global")(batch), judge(batch))


def test_errors_of_the_design_come_through():
    with pytest.raises(FitError, match="conv1: a 3x3 window does not fit 7x7x1 a whole number of times"):
        build(parse("INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0"))


# Single layers on pictures padded by hand

sides = st.integers(1, 4)
pairs = st.tuples(sides, sides)
edges = st.tuples(*[st.integers(0, 2)] * 4)
pictures = st.tuples(st.integers(1, 2), st.integers(1, 10), st.integers(1, 10))
fits = st.sampled_from(["error", "crop", "pad"])


def far_pads(length, kernel, stride, dilation, fit):
    """Pixels to add at the far edge of the padded length, one at a time; None where the window fits in no way."""
    added = 0
    while leftover(length + added, kernel, stride, dilation, fit):
        if fit != "pad":
            return None
        added += 1
    return added


def leftover(length, kernel, stride, dilation, fit):
    """Whether torch's convolution has no place on the length or, unless it crops, leaves pixels over."""
    row, window = torch.empty(1, 1, length, device="meta"), torch.empty(1, 1, kernel, device="meta")
    try:
        places = F.conv1d(row, window, stride=stride, dilation=dilation)
    except RuntimeError:
        return True
    return fit != "crop" and F.conv_transpose1d(places, window, stride=stride, dilation=dilation).shape[-1] != length


def pads_to_fit(sizes, kernel, stride, dilation, pads, fit):
    """What is added (across, down) to pads (left, right, top, bottom), or None."""
    across = far_pads(sizes[2] + pads[0] + pads[1], kernel[1], stride[1], dilation[1], fit)
    down = far_pads(sizes[1] + pads[2] + pads[3], kernel[0], stride[0], dilation[0], fit)
    return None if across is None or down is None else (across, down)


def axb(pair):
    """(height, width) as the text says it."""
    return f"{pair[1]}x{pair[0]}"


def said(pads):
    return f"{pads[0]}:{pads[1]}x{pads[2]}:{pads[3]}"


@PROPERTY
@given(pictures, st.integers(1, 2), st.integers(1, 3), pairs, pairs, edges, pairs, st.booleans(), fits)
def test_a_conv_is_torchs_on_the_picture_padded_with_zeros(
    sizes, groups, share, kernel, stride, pads, dilation, bias, fit
):
    sizes = (sizes[0] * groups, *sizes[1:])
    text = (
        f"INPUT {sizes[2]}x{sizes[1]}x{sizes[0]} -> CONV {groups * share} {axb(kernel)} stride {axb(stride)} "
        f"pad {said(pads)} dilation {axb(dilation)} groups {groups} bias {'yes' if bias else 'no'} fit {fit}"
    )
    added = pads_to_fit(sizes, kernel, stride, dilation, pads, fit)
    if added is None:
        with pytest.raises(FitError, match="does not fit"):
            build(parse(text))
        return
    batch = torch.randn(2, *sizes)
    network = network_of(text)
    padded = F.pad(batch, (pads[0], pads[1] + added[0], pads[2], pads[3] + added[1]))
    assert network.conv1.weight.shape == (groups * share, sizes[0] // groups, *kernel)
    expected = F.conv2d(padded, network.conv1.weight, network.conv1.bias, stride, 0, dilation, groups)
    torch.testing.assert_close(network(batch), expected)
    row = ledger(completed(text)).rows[0]
    assert (row.output.channels, row.output.height, row.output.width) == expected.shape[1:]
    assert row.parameters == sum(p.numel() for p in network.parameters())
    assert bias == (network.conv1.bias is not None)


@PROPERTY
@given(pictures, pairs, pairs, edges, st.sampled_from(["all", "valid"]), fits)
def test_pools_pad_maxima_with_minus_infinity_and_never_count_what_fit_adds(sizes, kernel, stride, pads, count, fit):
    assume(max(pads[:2]) < kernel[1] and max(pads[2:]) < kernel[0])
    added = pads_to_fit(sizes, kernel, stride, (1, 1), pads, fit)
    assume(added is not None)
    all_pads = (pads[0], pads[1] + added[0], pads[2], pads[3] + added[1])
    batch = -torch.rand(2, *sizes) - 0.5
    text = f"INPUT {sizes[2]}x{sizes[1]}x{sizes[0]} -> POOL {{}} {axb(kernel)} stride {axb(stride)} pad {said(pads)}"
    text += f" count {count} fit {fit}"
    highest = F.max_pool2d(F.pad(batch, all_pads, value=-torch.inf), kernel, stride)
    if highest.isinf().any():
        with pytest.raises(DesignError, match="its last window would see nothing but padding"):
            build(parse(text.format("max")))
        return
    assert torch.equal(network_of(text.format("max"))(batch), highest)
    counts = F.pad(torch.ones(1, 1, *sizes[1:]), pads, value=1.0 if count == "all" else 0.0)
    counts = F.unfold(F.pad(counts, (0, added[0], 0, added[1])), kernel, stride=stride).sum(1)
    sums = (
        F.unfold(F.pad(batch, all_pads), kernel, stride=stride).reshape(2, sizes[0], kernel[0] * kernel[1], -1).sum(2)
    )
    torch.testing.assert_close(network_of(text.format("avg"))(batch), (sums / counts).reshape(highest.shape))
    squares = F.lp_pool2d(F.pad(batch, all_pads), 2.0, kernel, stride)
    torch.testing.assert_close(network_of(text.format("l2"))(batch), squares)


@PROPERTY
@given(pictures, sides, sides, st.integers(0, 2), st.sampled_from(["all", "valid"]))
def test_fit_pad_is_torchs_ceil_mode_where_the_two_agree(sizes, size, stride, pad, count):
    assume(2 * pad <= size and pad < size)
    batch = torch.randn(2, *sizes)
    text = f"INPUT {sizes[2]}x{sizes[1]}x{sizes[0]} -> POOL {{}} {size}x{size} stride {stride} pad {pad}"
    text += f" count {count} fit pad"
    try:
        highest, average = network_of(text.format("max"))(batch), network_of(text.format("avg"))(batch)
    except DesignError as error:
        assert "its last window would see nothing but padding" in str(error)
        return
    try:
        theirs = F.max_pool2d(batch, size, stride, pad, ceil_mode=True)
    except RuntimeError:  # torch finds no place for a window larger than the picture
        return
    assert torch.equal(highest, theirs)
    expected = F.avg_pool2d(batch, size, stride, pad, ceil_mode=True, count_include_pad=count == "all")
    torch.testing.assert_close(average, expected)


def test_fit_crop_is_what_torch_does_without_a_word():
    batch = torch.randn(2, 3, 8, 7)
    text = "INPUT 7x8x3 fit crop -> {} 3x3 stride 3 pad 0"
    network = network_of(text.format("CONV 4"))
    assert torch.equal(network(batch), F.conv2d(batch, network.conv1.weight, network.conv1.bias, 3))
    assert torch.equal(network_of(text.format("POOL max"))(batch), F.max_pool2d(batch, 3))
    assert torch.equal(network_of(text.format("POOL avg"))(batch), F.avg_pool2d(batch, 3))


# Any network: every layer's output is the ledger's, measured while a picture goes through

words = st.sampled_from(
    """CONV 4 | CONV | CONV 5 3x1 stride 2 | CONV 2 2x2 pad 0:1 bias no | POOL | POOL avg 3x3 stride 2 | POOL l2 2x1
    | FC 5 | FC | RELU | BN | FLATTEN | SOFTMAX | DROPOUT 0.1 | GELU | SKIP | UP | UP bilinear 3 | LRN 3 | PRELU
    | SHORTCUT 9 stride 2 | CONV depthwise | POOL avg to 3x2 | POOL to 7 | AUX 0.3 [FC 7] | u | v 3""".replace(
        "\n", " "
    ).split("|")
)
labels = st.sampled_from(["", "", "", "a: ", "b: ", "conv1: ", "stem: ", "output: "])
texts = st.recursive(
    st.tuples(labels, words).map("".join),
    lambda inner: (
        st.tuples(labels, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["", "*2"])).map(
            lambda group: f"{group[0]}[{' -> '.join(group[1])}]{group[2]}"
        )
        | st.tuples(labels, st.lists(inner, min_size=2, max_size=3), st.sampled_from("|+")).map(
            lambda group: f"{group[0]}( {f' {group[2]} '.join(group[1])} )"
        )
    ),
    max_leaves=6,
)
WHERE = "where u = a: CONV 3 -> AUX 0.5 [CONV 2 -> FC 3]; v n = ( CONV n -> RELU + CONV n 1x1 )"


@PROPERTY
@given(
    st.sampled_from(["13x11x2 fit pad", "12x16x3 fit crop"]), st.lists(texts, min_size=1, max_size=3).map(" -> ".join)
)
def test_every_layer_gives_the_volume_of_its_row_and_learns_as_much(start, net):
    try:
        design = completed(f"INPUT {start} -> {net} {WHERE}")
        book = ledger(design)
    except TorchbeamError:
        assume(False)
    network, seen = build(design), {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _module, _into, out, name=name: seen.update({name: out}))
    pictures = torch.randn(2, book.input.channels, book.input.height, book.input.width)
    out = network(pictures)
    heads = dict.fromkeys(row.head for row in book.rows if row.head)
    assert isinstance(out, Outputs) == bool(heads)
    for row in book.rows:
        assert seen[row.name].shape[0] == 2
        assert (*seen[row.name].shape[1:], 1, 1)[:3] == (row.output.channels, row.output.height, row.output.width)
        learnt = network.get_submodule(row.name).parameters()
        assert sum(p.numel() for p in learnt) == row.parameters
    if heads:
        last = {row.head: seen[row.name] for row in book.rows if row.head}
        assert {id(side) for _, side in out.sides} == {id(last[head]) for head in heads}
        assert {weight for weight, _ in out.sides} <= {0.3, 0.5}
    assert (out.scores if heads else out) is seen[book.trunk[-1].name]
    assert sum(p.numel() for p in network.parameters()) == book.parameters + book.side_parameters
    seen.clear()
    alone = network.eval()(pictures)
    assert alone is seen[book.trunk[-1].name]
    assert not [row.name for row in book.rows if row.head and row.name in seen]


# Branches, side heads and definitions


def test_a_residual_block_computes_what_torch_computes_with_the_same_weights():
    ours = network_of(
        "INPUT 8x8x4 -> block: [half 6 2 -> half 6 1 -> join] where "
        "half n s = ( unit n s -> RELU -> unit n 1 + unit n s ) -> RELU; "
        "unit n s = CONV n 3x3 stride s bias no fit crop -> BN; join = ( SKIP | SKIP -> TANH ) -> FC 3"
    )
    batch, weights = torch.randn(2, 4, 8, 8), dict(ours.named_parameters())

    def unit(x, at, stride):
        return F.batch_norm(
            F.conv2d(x, weights[f"block.conv{at}.weight"], stride=stride, padding=1),
            torch.zeros(6), torch.ones(6), weights[f"block.bn{at}.weight"], weights[f"block.bn{at}.bias"],
        )  # fmt: skip

    x = F.relu(unit(F.relu(unit(batch, 1, 2)), 2, 1) + unit(batch, 3, 2))
    x = F.relu(unit(F.relu(unit(x, 4, 1)), 5, 1) + unit(x, 6, 1))
    x = torch.cat((x, x.tanh()), 1).flatten(1)
    expected = F.linear(x, weights["block.fc1.weight"], weights["block.fc1.bias"])
    torch.testing.assert_close(ours(batch), expected)


@pytest.mark.parametrize("kind", ["|", "+"])
def test_flat_and_unflattened_branches_may_be_joined(kind):
    """An FC's N x 4 beside 1x1 pixels 4 deep."""
    network = network_of(f"INPUT 5x5x4 -> ( FC 4 {kind} POOL avg global {kind} FC 4 -> BN ) -> CONV 3 1x1")
    batch = torch.randn(2, 4, 5, 5)
    flat = F.linear(batch.flatten(1), network.fc1.weight, network.fc1.bias)
    other = F.linear(batch.flatten(1), network.fc2.weight, network.fc2.bias) / (1 + 1e-5) ** 0.5
    parts = (flat, batch.mean((2, 3)), other)
    joined = torch.cat(parts, 1) if kind == "|" else sum(parts)
    expected = F.conv2d(joined[:, :, None, None], network.conv1.weight, network.conv1.bias)
    torch.testing.assert_close(network(batch), expected)


def test_a_design_that_branches_nowhere_is_a_sequence():
    assert isinstance(network_of("INPUT 8x8x3 -> a: [CONV 4 -> SKIP -> RELU]*2 -> u where u = FC"), nn.Sequential)
    assert isinstance(network_of("INPUT 8x8x3 -> ( RELU | SKIP ) -> FC"), Graph)
    inside = network_of("INPUT 8x8x3 -> a: [( RELU | SKIP )] -> FC")
    assert isinstance(inside, nn.Sequential) and isinstance(inside.a, Graph)


@pytest.mark.parametrize("name", ["output", "end", "scores", "block", "features", "stage1"])
def test_names_that_networks_are_full_of_are_free(name):
    for text in ("{}: FC 10", "( {}: CONV 4 | SKIP )", "{}: [( CONV 4 | SKIP )]", "{}: AUX 0.3 [FC 4] -> FC 10"):
        network = network_of("INPUT 8x8x3 -> " + text.format(name))
        assert name in children(network)
        assert len(network(torch.rand(2, 3, 8, 8))) == 2


@pytest.mark.parametrize(
    ("text", "judge"),
    [
        ("UP 3", lambda x: F.interpolate(x, scale_factor=3, mode="nearest")),
        ("UP 2 bilinear", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)),
        ("LRN 3 alpha 0.1 beta 0.5 k 1.5", lambda x: F.local_response_norm(x, 3, 0.1, 0.5, 1.5)),
        ("POOL avg to 4x2", lambda x: F.adaptive_avg_pool2d(x, (2, 4))),
        ("POOL to 4x2", lambda x: F.adaptive_max_pool2d(x, (2, 4))),
        ("SHORTCUT 8 stride 2x3", lambda x: F.pad(x[:, :, ::3, ::2], (0, 0, 0, 0, 2, 3))),
        ("SHORTCUT", lambda x: x),
        ("( SKIP + SKIP )", lambda x: x + x),
    ],
)
def test_words_that_learn_nothing_compute_torchs_functions(text, judge):
    batch = torch.randn(2, 3, 7, 9)
    torch.testing.assert_close(network_of(f"INPUT 9x7x3 -> {text}")(batch), judge(batch))


def test_a_depthwise_conv_has_one_filter_for_each_channel():
    network, batch = (
        network_of("INPUT 9x7x3 -> CONV depthwise 3x5 stride 2 pad 1 bias no fit crop"),
        torch.randn(2, 3, 7, 9),
    )
    assert network.conv1.weight.shape == (3, 1, 5, 3)
    each = [F.conv2d(batch[:, at : at + 1], network.conv1.weight[at : at + 1], stride=2, padding=1) for at in range(3)]
    torch.testing.assert_close(network(batch), torch.cat(each, 1))


def test_resnet_50_has_torchvisions_parameters_one_for_one():
    theirs = torchvision.models.resnet50(weights=None)
    with torch.device("meta"):
        ours = build(complete(parse(RESNET_50)))
    sizes = sorted(tuple(p.shape) for p in ours.parameters())
    assert sizes == sorted(tuple(p.shape) for p in theirs.parameters())
    assert [p.shape for p in ours.stage1.parameters()][:3] == [(64, 64, 1, 1), (64,), (64,)]
