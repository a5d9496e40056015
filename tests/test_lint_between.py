"""The rules for two layers with weights and no nonlinearity between: that one does what both do is shown in torch."""

import pytest
import torch
from lint_fixes import change, completed, findings, told

from torchbeam.design.arguments import write_word
from torchbeam.design.lint.between import _is_linear
from torchbeam.design.notation import parse
from torchbeam.design.words import Foreign
from torchbeam.network.build import build

torch.set_num_threads(1)
RULES = ("linear-linear", "missing-nonlinearity")


def linear(text):
    return [finding for finding in findings(text) if finding.rule in RULES]


def network(text):
    """Built, with running means and variances that are not 0 and 1, as after training."""
    torch.manual_seed(0)
    built = build(completed(text)).double()
    for _ in range(3):
        built(torch.randn(8, *shape(text), dtype=torch.double) * 3 + 1)
    return built.eval()


def shape(text):
    volume = completed(text).input.volume
    return volume.channels, volume.height, volume.width


def difference(before, after):
    """By how much the two layers of `before` differ, place by place, from the one of `after`, whose weights are
    read off them: from the gradient of one neuron in the middle."""
    both, one = network(before), network(after)
    picture = torch.zeros(1, *shape(before), dtype=torch.double, requires_grad=True)
    out = both(picture).reshape(1, -1, *one(picture).shape[2:])
    (layer,) = [module for module in one.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    at = tuple(side // 2 for side in out.shape[2:])
    rows = [torch.autograd.grad(out[0, c, *at], picture, retain_graph=True)[0][0] for c in range(out.shape[1])]
    with torch.no_grad():
        if isinstance(layer, torch.nn.Linear):
            layer.weight.copy_(torch.stack(rows).flatten(1))
        else:
            for c, row in enumerate(rows):
                layer.weight[c] = window(row, layer, at, c)
        layer.bias.copy_(out[0, :, *at])
        pictures = torch.randn(2, *shape(before), dtype=torch.double)
        return (both(pictures).reshape(2, -1, *out.shape[2:]) - one(pictures)).abs()


def window(row, layer, at, c):
    """The gradient under the window of output channel c, its own group of channels."""
    channels = layer.weight.shape[1]
    first = c // (layer.out_channels // layer.groups) * channels
    top, left = (place * s - p for place, s, p in zip(at, layer.stride, layer.padding, strict=True))
    high, wide = layer.kernel_size
    assert min(top, left) >= 0
    return row[first : first + channels, top : top + high, left : left + wide]


START = "INPUT 21x21x4 -> "


@pytest.mark.parametrize(
    ("both", "one"),
    [
        ("CONV 6 3x3 pad 0 -> CONV 5 3x3 pad 0", "CONV 5 5x5 pad 0"),
        ("CONV 6 3x3 pad 1 -> CONV 3 1x1", "CONV 3 3x3 pad 1"),
        ("CONV 6 3x3 stride 2 pad 1 -> CONV 5 5x1 stride 2x1 pad 0", "CONV 5 11x3 stride 4x2 pad 1"),
        ("CONV 6 3x3 pad 0 dilation 2 -> CONV 5 2x2 pad 0", "CONV 5 6x6 pad 0"),
        ("CONV 6 3x3 pad 0 groups 2 bias no -> CONV 4 3x3 pad 0 groups 2", "CONV 4 5x5 pad 0 groups 2"),
        ("CONV 8 3x3 pad 0 groups 4 -> CONV 6 3x3 pad 0 groups 2", "CONV 6 5x5 pad 0 groups 2"),
        ("CONV 6 3x3 pad 0 -> BN -> CONV 5 3x3 pad 0 bias no", "CONV 5 5x5 pad 0"),
        ("CONV 6 4x4 pad 0 -> POOL avg 2x2 -> CONV 5 3x3 pad 0", "CONV 5 9x9 stride 2 pad 0"),
        ("CONV 6 3x3 stride 4 pad 0 fit crop -> CONV 5 2x2 pad 0", "CONV 5 7x7 stride 4 pad 0 fit crop"),
        ("CONV 6 3x3 -> FC 7", "FC 7"),
        ("CONV 6 3x3 -> DROPOUT -> FC 7 bias no", "FC 7"),
        ("CONV 6 3x3 -> BN -> POOL avg global -> FLATTEN -> FC 5", "FC 5"),
        ("FC 30 -> FC 7", "FC 7"),
        ("FC 30 -> BN -> DROPOUT -> IDENTITY -> FC 7", "FC 7"),
    ],
)
def test_one_layer_does_what_both_do(both, one):
    (finding,) = linear(START + both)
    assert f"both do what one {one} does" in finding.message.replace(" once trained", "")
    assert "borders" not in finding.message
    assert float(difference(START + both, START + one).max()) < 1e-9
    cost = change(START + both, START + one)
    saves = cost.startswith("-") and "parameters" in cost  # which come first
    assert finding.cost == (f"in place of both: {cost}" if saves else "")
    name = finding.layer
    assert finding.fix == f"write RELU in front of {name}" + (f", or {one} in place of both" if saves else "")


@pytest.mark.parametrize(
    ("both", "one", "border"),
    [
        ("CONV 6 3x3 -> CONV 5 3x3", "CONV 5 5x5 pad 2", 1),
        ("CONV 6 3x3 -> POOL avg 3x3 stride 1 pad 1 -> CONV 5 1x1", "CONV 5 5x5 pad 2", 1),
    ],
)
def test_or_does_so_but_at_the_borders(both, one, border):
    (finding,) = linear(START + both)
    assert f"both do what one {one} does, but at the borders" in finding.message
    apart = difference(START + both, START + one)
    inner = apart[:, :, border:-border, border:-border]
    assert float(inner.max()) < 1e-9 < float(apart.max())


@pytest.mark.parametrize(
    ("text", "rule", "layer", "message"),
    [
        (
            "INPUT 8x8x4 -> CONV 6 3x3 -> CONV 5 1x1",
            "linear-linear",
            "conv2",
            "nothing between conv1 and it: both do what one CONV 5 3x3 pad 1 does",
        ),
        (
            "INPUT 8x8x4 -> CONV 6 3x3 -> BN -> POOL avg 2x2 -> BN -> FC 5",
            "missing-nonlinearity",
            "fc1",
            "only BN, POOL avg between conv1 and it: both do what one FC 5 does once trained",
        ),
        (
            "INPUT 8x8x4 -> ( CONV 6 3x3 + CONV 6 1x1 ) -> CONV 5 3x3",
            "missing-nonlinearity",
            "conv3",
            "only linear joins between conv2 and it: together they are linear",
        ),
        (
            "INPUT 8x8x4 -> CONV 4 3x3 -> ( CONV 6 3x3 | BN -> SHORTCUT 5 ) -> UP 2 -> CONV 20 3x3 -> RELU",
            "missing-nonlinearity",
            "conv3",
            "only linear joins between conv2 and it: together they are linear",
        ),
    ],
)
def test_what_stands_between_is_named_and_a_relu_mends_it(text, rule, layer, message):
    finding = linear(text)[-1]
    assert (finding.rule, finding.layer, finding.message) == (rule, layer, message)
    head, last = text.rsplit(" -> CONV" if "conv" in layer else " -> FC", 1)
    mended = f"{head} -> RELU -> {'CONV' if 'conv' in layer else 'FC'}{last}"
    assert [f for f in linear(mended) if f.layer == layer] == []
    assert finding.fix.startswith(f"write RELU in front of {layer}")


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x4 -> CONV 6 3x3 -> RELU -> CONV 5 1x1",
        "INPUT 8x8x4 -> CONV 6 3x3 -> BN -> TANH -> DROPOUT -> CONV 5 1x1",
        "INPUT 8x8x4 -> CONV 6 3x3 -> POOL max 2x2 -> CONV 5 1x1",
        "INPUT 8x8x4 -> CONV 6 3x3 -> POOL l2 2x2 -> CONV 5 1x1",
        "INPUT 8x8x4 -> CONV 6 3x3 -> LRN 3 -> CONV 5 1x1",
        "INPUT 8x8x4 -> CONV 6 3x3 -> SOFTMAX -> CONV 5 1x1",
        "INPUT 8x8x4 -> ( CONV 6 3x3 + CONV 6 1x1 -> RELU ) -> CONV 5 1x1",
        "INPUT 8x8x4 -> ( CONV 6 3x3 | CONV 6 1x1 ) -> RELU -> CONV 5 1x1",
        "INPUT 8x8x4 -> BN -> CONV 6 3x3",
    ],
)
def test_a_nonlinearity_between_is_enough(text):
    assert linear(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x4 -> CONV depthwise 3x3 bias no -> BN -> CONV 8 1x1",
        "INPUT 8x8x4 -> CONV 4 3x3 groups 4 -> CONV 8 1x1",
        "INPUT 8x8x4 -> CONV 8 1x1 -> CONV depthwise 3x3",
        "INPUT 8x8x9 -> CONV 4 1x1 -> BN -> CONV 9 3x3",  # low rank
        "INPUT 8x8x9 -> FC 4 -> FC 9",
        "INPUT 8x8x4 -> CONV 4 5x1 -> CONV 4 1x5",
        "INPUT 8x8x4 -> CONV 4 1x3 -> BN -> CONV 4 3x1",
        # MobileNetV2's block, and the next one on its sum
        "INPUT 8x8x4 -> [( CONV 24 1x1 bias no -> BN -> RELU6 -> CONV depthwise 3x3 bias no -> BN -> RELU6 "
        "-> CONV 4 1x1 bias no -> BN + SKIP )]*3 -> CONV 24 1x1",
    ],
)
def test_a_layer_taken_apart_on_purpose_is_no_fault(text):
    assert linear(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x4 -> CONV depthwise 3x3 -> CONV 8 3x3",  # not depthwise and 1x1
        "INPUT 8x8x4 -> CONV 4 1x1 -> CONV 9 3x3",  # as deep as its input
        "INPUT 8x8x4 -> CONV 4 5x1 -> CONV 4 5x1",
        "INPUT 8x8x1 -> CONV 6 3x3 -> CONV 4 1x1",  # one channel is not depthwise
        "INPUT 2x2x1 -> FC 4 -> FC 9",
    ],
)
def test_what_only_looks_like_it_is(text):
    assert len(linear(text)) == 1


def test_layers_that_others_read_as_well_are_not_merged():
    (finding,) = linear("INPUT 8x8x4 -> CONV 6 3x3 -> ( CONV 5 1x1 -> RELU | RELU )")
    assert finding.message == "nothing between conv1 and it: together they are linear"
    assert finding.fix == "write RELU in front of conv2" and finding.cost == ""


def test_a_volume_made_of_a_vector_and_windows_far_too_wide_are_not_merged():
    for text in (
        "INPUT 4x4x4 -> FC 6 -> CONV 5 1x1",
        "INPUT 300x300x1 -> CONV 2 61x61 -> CONV 2 41x41",
        "INPUT 8x8x4 -> CONV 6 3x3 -> UP 2 -> CONV 5 3x3",
        "INPUT 8x8x4 -> CONV 6 3x3 -> POOL avg to 3x3 -> CONV 5 3x3",
    ):
        (finding,) = linear(text)
        assert finding.message.endswith("together they are linear")


def test_of_a_long_row_each_is_told_of_once_with_the_one_before():
    found = told("INPUT 8x8x4 -> [CONV 6 3x3]*30 -> RELU -> FC", "linear-linear")
    assert [f.layer for f in found] == [f"conv{at}" for at in range(2, 31)]


LINEAR = ("BN", "DROPOUT 0.5", "FLATTEN", "SHORTCUT 4 stride 2", "UP 2", "UP 2 bilinear", "POOL avg 2x2", "IDENTITY")
OTHERS = ("RELU", "POOL max 2x2", "POOL l2 2x2", "LRN 3", "SOFTMAX", "TANH", "LEAKYRELU 0.1", "STEP")


@pytest.mark.parametrize("word", (*LINEAR, *OTHERS))
def test_a_word_is_linear_where_torchs_is(word):
    text = f"INPUT 4x4x3 -> {word}"
    built = network(text)
    one, two = torch.randn(2, 1, *shape(text), dtype=torch.double) * 2
    zero = built(torch.zeros_like(one))
    is_linear = torch.allclose(built(one + two) - zero, built(one) + built(two) - 2 * zero)
    step = parse(text).net[0].step
    assert _is_linear(step) == is_linear, write_word(step)


def test_what_comes_from_outside_is_not_taken_for_linear():
    assert not _is_linear(Foreign("Attention"))
