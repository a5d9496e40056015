"""The ledger's numbers, against published figures, torch's own counts and gradients."""

import random

import pytest
import torch
from hostile_texts import RESNET_50
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from torchbeam.design.complete import complete
from torchbeam.design.field import PIXEL
from torchbeam.design.layers import INPUT, unfold
from torchbeam.design.ledger import Seen, behind, ledger
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import DesignError, FitError
from torchbeam.network.build import build

torch.set_num_threads(1)
PROPERTY = settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

# AlexNet as the lectures list it (Krizhevsky, Sutskever & Hinton 2012, on one GPU), without its normalisation.
ALEXNET = """
INPUT 227x227x3
-> CONV 96 11x11 stride 4 pad 0 -> RELU -> POOL max 3x3 stride 2
-> CONV 256 5x5 pad 2 -> RELU -> POOL max 3x3 stride 2
-> [CONV 384 3x3 pad 1 -> RELU]*2 -> CONV 256 3x3 pad 1 -> RELU -> POOL max 3x3 stride 2
-> [FC 4096 -> RELU -> DROPOUT]*2 -> FC 1000
"""
# VGG-16 (Simonyan & Zisserman 2014).
VGG_16 = """
INPUT 224x224x3
-> [CONV 64 3x3 -> RELU]*2 -> POOL 2x2 -> [CONV 128 3x3 -> RELU]*2 -> POOL 2x2
-> [CONV 256 3x3 -> RELU]*3 -> POOL 2x2 -> [CONV 512 3x3 -> RELU]*3 -> POOL 2x2
-> [CONV 512 3x3 -> RELU]*3 -> POOL 2x2 -> [FC 4096 -> RELU -> DROPOUT]*2 -> FC 1000
"""


def book_of(text, fit=None):
    return ledger(complete(parse(text), Volume(3, 32, 32), 10, fit))


def row_of(text):
    (row,) = book_of(text).rows
    return row


def rows_called(text, word):
    return [row for row in book_of(text).rows if row.word == word]


# Published figures


def test_alexnets_first_layer_has_the_lectures_numbers():
    row = row_of("INPUT 227x227x3 -> CONV 96 11x11 stride 4 pad 0")
    assert str(row.output) == "55x55x96"
    assert row.neurons == 290_400
    assert (row.weights, row.biases, row.parameters) == (34_848, 96, 34_944)
    assert row.unshared == 105_705_600
    assert row.connections == 363
    assert row.macs == 105_415_200
    assert (row.name, row.word, row.text) == ("conv1", "CONV", "CONV 96 11x11 stride 4 pad 0")


def test_alexnets_layers_have_the_lectures_sizes_and_parameters():
    sizes = [str(row.output) for row in book_of(ALEXNET).rows if row.word in ("CONV", "POOL", "FC")]
    assert sizes[:4] == ["55x55x96", "27x27x96", "27x27x256", "13x13x256"]
    assert sizes[4:8] == ["13x13x384", "13x13x384", "13x13x256", "6x6x256"]
    assert sizes[8:] == ["1x1x4096", "1x1x4096", "1x1x1000"]
    learnt = [row.parameters for row in book_of(ALEXNET).rows if row.parameters]
    assert learnt == [34_944, 614_656, 885_120, 1_327_488, 884_992, 37_752_832, 16_781_312, 4_097_000]
    assert book_of(ALEXNET).parameters == 62_378_344


def test_alexnets_last_pool_sees_195_pixels_with_a_jump_of_32():
    row = rows_called(ALEXNET, "POOL")[-1]
    assert (row.receptive_field, row.jump) == ((195, 195), (32, 32))


def test_vgg_16_has_its_published_numbers():
    book = book_of(VGG_16)
    assert book.parameters == 138_357_544
    assert book.macs == 15_470_264_320
    last = rows_called(VGG_16, "POOL")[-1]
    assert (last.receptive_field, last.jump) == ((212, 212), (32, 32))
    # The lectures' list: 150K at the input, 3.2M twice, 800K, 1.6M twice, 400K, 800K three times, 200K, ...
    kept = [150_528, *[3_211_264] * 2, 802_816, *[1_605_632] * 2, 401_408, *[802_816] * 3, 200_704]
    kept += [*[401_408] * 3, 100_352, *[100_352] * 3, 25_088, 4_096, 4_096, 1_000]
    assert book.neurons == sum(kept)
    assert book.forward_bytes == 4 * sum(kept)


def test_the_lectures_small_conv_has_760_parameters():
    row = row_of("INPUT 32x32x3 -> CONV 10 5x5 stride 1 pad 2")
    assert str(row.output) == "32x32x10"
    assert row.parameters == 760


def test_an_fc_layer_written_as_a_conv_has_the_same_numbers():
    flat, slid = row_of("INPUT 7x7x512 -> FC 4096"), row_of("INPUT 7x7x512 -> CONV 4096 7x7 pad 0")
    for number in ("output", "neurons", "weights", "biases", "macs", "connections", "receptive_field", "unshared"):
        assert getattr(flat, number) == getattr(slid, number)
    assert flat.fully_connected == slid.fully_connected == flat.parameters


# Hand-worked totals


def test_totals_of_a_small_network_by_hand():
    book = book_of("INPUT 4x4x2 -> CONV 3 3x3 -> RELU -> POOL 2x2 -> FLATTEN -> DROPOUT -> FC 5 -> SOFTMAX")
    conv, pool, fc, softmax = 4 * 4 * 3, 2 * 2 * 3, 5, 5
    learnt = (3 * 3 * 2 * 3 + 3) + (12 * 5 + 5)
    assert [row.activation_bytes // 4 for row in book.rows] == [conv, 0, pool, 0, 0, fc, softmax]
    assert book.neurons == 4 * 4 * 2 + conv + pool + fc + softmax
    assert book.parameters == learnt
    assert book.macs == conv * 18 + 12 * 5
    assert book.forward_bytes == 4 * book.neurons
    assert book.training_bytes == 2 * 4 * book.neurons + 3 * 4 * learnt
    assert (str(book.input), str(book.output)) == ("4x4x2", "1x1x5")
    assert book.receptive_field == book.rows[-1].receptive_field


def test_what_sharing_saves_by_hand():
    row = row_of("INPUT 4x3x2 -> CONV 6 3x1 pad 0 groups 2 bias no")
    outputs, seen = 2 * 3 * 6, 3 * 1 * 1
    assert str(row.output) == "2x3x6"
    assert (row.connections, row.weights, row.biases) == (seen, seen * 6, 0)
    assert row.unshared == outputs * seen
    assert row.fully_connected == outputs * 4 * 3 * 2
    with_bias = row_of("INPUT 4x3x2 -> CONV 6 3x1 pad 0 groups 2")
    assert (with_bias.unshared, with_bias.fully_connected) == (outputs * (seen + 1), outputs * (4 * 3 * 2 + 1))


def test_words_that_learn_nothing_have_no_numbers_of_sharing():
    for text in ("POOL", "RELU", "BN", "DROPOUT", "FLATTEN", "SOFTMAX"):
        row = row_of(f"INPUT 4x4x2 -> {text}")
        assert row.unshared is None and row.fully_connected is None
        assert row.macs == 0


def test_an_unshared_layer_has_the_parameters_of_torchs_linear_over_its_windows():
    row = row_of("INPUT 5x5x2 -> CONV 3 3x3 stride 2 pad 1")
    at_one_place = nn.Linear(3 * 3 * 2, 3)
    places = F.unfold(torch.zeros(1, 2, 5, 5), 3, padding=1, stride=2).shape[-1]
    assert row.unshared == places * sum(p.numel() for p in at_one_place.parameters())
    whole = nn.Linear(5 * 5 * 2, row.neurons)
    assert row.fully_connected == sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize(
    "text",
    [
        "CONV 2 3x2 pad 0",
        "CONV 4 3x3 pad 0 groups 2",
        "POOL avg 2x3",
        "POOL l2 global",
        "FC 3",
        "BN",
        "GELU",
        "DROPOUT",
        "FLATTEN",
        "SOFTMAX",
    ],
)
def test_connections_are_the_inputs_that_one_neurons_gradient_reaches(text):
    network = build(parse(f"INPUT 6x6x4 -> {text}")).double().eval()
    picture = (torch.rand(1, 4, 6, 6, dtype=torch.float64) + 0.5).requires_grad_()
    network(picture).flatten()[0].backward()
    assert row_of(f"INPUT 6x6x4 -> {text}").connections == int((picture.grad != 0).sum())


# Any layer, against torch on pictures padded by hand

sides = st.integers(1, 4)
pairs = st.tuples(sides, sides)
edges = st.tuples(*[st.integers(0, 2)] * 4)
pictures = st.tuples(st.integers(1, 4), st.integers(1, 14), st.integers(1, 14))
fits = st.sampled_from(["error", "crop", "pad"])


def padded_to_fit(picture, kernel, stride, dilation, pads, fit, by_sums=False):
    """The picture with zeros at its edges: those said, and with fit pad one more at a time until nothing is left over.

    None where the window does not fit, and fit does not help. pads are (left, right, top, bottom). by_sums: what is
    left over is told by stepping along the length, which is quicker than asking torch.
    """
    padded = F.pad(picture, tuple(pads))
    asked = stepped if by_sums else leftover
    for axis, far in ((0, (0, 0, 0, 1)), (1, (0, 1))):
        while asked(padded.shape[axis - 2], kernel[axis], stride[axis], dilation[axis], fit):
            if fit != "pad":
                return None
            padded = F.pad(padded, far)
    return padded


def leftover(length, kernel, stride, dilation, fit):
    """Whether torch's convolution has no place on the length or, unless it crops, leaves pixels over."""
    row, window = torch.empty(1, 1, length, device="meta"), torch.empty(1, 1, kernel, device="meta")
    try:
        places = F.conv1d(row, window, stride=stride, dilation=dilation)
    except RuntimeError:
        return True
    return fit != "crop" and F.conv_transpose1d(places, window, stride=stride, dilation=dilation).shape[-1] != length


def stepped(length, kernel, stride, dilation, fit):
    """The same, by laying the window's last pixel along the length step by step."""
    last = dilation * (kernel - 1)
    if last >= length:
        return True
    while last + stride < length:
        last += stride
    return fit != "crop" and last != length - 1


def axb(pair):
    """(height, width) as the text says it."""
    return f"{pair[1]}x{pair[0]}"


def said(pads):
    return f"{pads[0]}:{pads[1]}x{pads[2]}:{pads[3]}"


@PROPERTY
@given(pictures, st.integers(1, 3), st.integers(1, 3), pairs, pairs, edges, pairs, st.booleans(), fits)
def test_a_conv_has_the_shape_parameters_and_macs_of_torchs(
    sizes, groups, share, kernel, stride, pads, dilation, bias, fit
):
    depth, height, width = sizes[0] * groups, sizes[1], sizes[2]
    text = (
        f"INPUT {width}x{height}x{depth} -> CONV {groups * share} {axb(kernel)} stride {axb(stride)} pad {said(pads)}"
        f" dilation {axb(dilation)} groups {groups} bias {'yes' if bias else 'no'} fit {fit}"
    )
    padded = padded_to_fit(torch.zeros(1, depth, height, width), kernel, stride, dilation, pads, fit)
    if padded is None:
        with pytest.raises(FitError, match=r"conv1: a .* window does not fit"):
            book_of(text)
        return
    row = row_of(text)
    judge = nn.Conv2d(depth, groups * share, kernel, stride, 0, dilation, groups, bias)
    with FlopCounterMode(display=False) as counted:
        out = judge(padded)
    assert (row.output.channels, row.output.height, row.output.width) == out.shape[1:]
    assert row.neurons == out.numel() and row.activation_bytes == out.numel() * out.element_size()
    assert row.weights == judge.weight.numel()
    assert row.biases == (judge.bias.numel() if bias else 0)
    assert 2 * row.macs == counted.get_total_flops()
    assert row.connections == judge.weight[0].numel()


@PROPERTY
@given(pictures, st.sampled_from(["max", "avg", "l2"]), pairs, pairs, edges, fits)
def test_a_pool_has_the_shape_of_torchs(sizes, kind, kernel, stride, pads, fit):
    assume(max(pads[:2]) < kernel[1] and max(pads[2:]) < kernel[0])
    depth, height, width = sizes
    padded = padded_to_fit(torch.zeros(1, depth, height, width), kernel, stride, (1, 1), pads, fit)
    text = (
        f"INPUT {width}x{height}x{depth} -> POOL {kind} {axb(kernel)} stride {axb(stride)} pad {said(pads)} fit {fit}"
    )
    if padded is None:
        with pytest.raises(FitError, match=r"pool1: a .* window does not fit"):
            book_of(text)
        return
    out = F.max_pool2d(padded, kernel, stride)
    down, across = ((out.shape[axis] - 1) * stride[axis - 2] for axis in (2, 3))
    if down - pads[2] >= height or across - pads[0] >= width:
        with pytest.raises(DesignError, match="its last window would see nothing but padding"):
            book_of(text)
        return
    row = row_of(text)
    assert (row.output.channels, row.output.height, row.output.width) == out.shape[1:]
    assert (row.parameters, row.macs, row.connections) == (0, 0, kernel[0] * kernel[1])


@PROPERTY
@given(pictures, st.integers(1, 20), st.booleans())
def test_an_fc_has_the_parameters_and_macs_of_torchs(sizes, units, bias):
    depth, height, width = sizes
    row = row_of(f"INPUT {width}x{height}x{depth} -> FC {units} bias {'yes' if bias else 'no'}")
    judge = nn.Linear(depth * height * width, units, bias)
    with FlopCounterMode(display=False) as counted:
        out = judge(torch.zeros(1, depth * height * width))
    assert row.neurons == out.numel()
    assert row.parameters == sum(p.numel() for p in judge.parameters())
    assert 2 * row.macs == counted.get_total_flops()
    assert row.connections == judge.in_features


@pytest.mark.parametrize(
    "text", [ALEXNET, VGG_16, "INPUT -> [[CONV -> BN -> RELU]*2 -> POOL]*3 -> [FC -> RELU]*2 -> FC"]
)
def test_the_totals_of_a_network_are_those_of_the_built_one(text):
    book = book_of(text)
    with torch.device("meta"):
        network = build(complete(parse(text), Volume(3, 32, 32), 10)).eval()
        picture = torch.empty(1, book.input.channels, book.input.height, book.input.width)
        with FlopCounterMode(display=False) as counted:
            out = network(picture)
    assert book.parameters == sum(p.numel() for p in network.parameters())
    assert 2 * book.macs == counted.get_total_flops()
    assert out.shape == (1, book.output.channels)


def drawn_layer(chance):
    """(the text of a CONV or POOL on a picture, its sizes, what torch is to be told)."""
    side, depth = [chance.randint(1, 40), chance.randint(1, 40)], chance.randint(1, 8)
    kernel, stride = [[chance.randint(1, 5) for _ in "hw"] for _ in "ks"]
    pads = [chance.randint(0, 4) for _ in "lrtb"]
    fit = chance.choice(["error", "crop", "crop", "pad", "pad"])
    told = {"kernel": kernel, "stride": stride, "dilation": [1, 1], "pads": pads, "fit": fit}
    text = f"{axb(kernel)} stride {axb(stride)} pad {said(pads)} fit {fit}"
    if chance.random() < 0.3:
        told["pads"] = pads = [min(pad, kernel[at < 2] - 1) for at, pad in enumerate(pads)]
        kind = chance.choice(["max", "avg", "l2"])
        return f"POOL {kind} {axb(kernel)} stride {axb(stride)} pad {said(pads)} fit {fit}", (depth, *side), told
    dilation = told["dilation"] = [chance.randint(1, 3) for _ in "hw"]
    told["bias"] = chance.random() < 0.5
    told["groups"] = groups = chance.randint(1, 4)
    text += f" dilation {axb(dilation)} bias {'yes' if told['bias'] else 'no'}"
    if chance.random() < 0.25:
        told |= {"filters": depth, "groups": depth}
        return f"CONV depthwise {text}", (depth, *side), told
    told["filters"] = filters = groups * chance.randint(1, 9)
    return f"CONV {filters} {text} groups {groups}", (depth * groups, *side), told


def test_ten_thousand_layers_have_the_shapes_and_parameters_of_torchs():
    chance = random.Random(0)
    fitted = 0
    for _ in range(10_000):
        text, sizes, told = drawn_layer(chance)
        design = f"INPUT {sizes[2]}x{sizes[1]}x{sizes[0]} -> {text}"
        picture = torch.empty(1, *sizes, device="meta")
        padded = padded_to_fit(
            picture, told["kernel"], told["stride"], told["dilation"], told["pads"], told["fit"], by_sums=True
        )
        if padded is None:
            with pytest.raises(FitError):
                book_of(design)
            continue
        if "filters" in told:
            judge = nn.Conv2d(
                sizes[0], told["filters"], told["kernel"], told["stride"], 0, told["dilation"], told["groups"],
                told["bias"], device="meta",
            )  # fmt: skip
            out, learnt = judge(padded), sum(parameter.numel() for parameter in judge.parameters())
        else:
            out, learnt = F.max_pool2d(padded, told["kernel"], told["stride"]), 0
            last = [(places - 1) * stride for places, stride in zip(out.shape[2:], told["stride"], strict=True)]
            if last[0] - told["pads"][2] >= sizes[1] or last[1] - told["pads"][0] >= sizes[2]:
                with pytest.raises(DesignError, match="see nothing but padding"):
                    book_of(design)
                continue
        row = row_of(design)
        fitted += 1
        assert (row.output.channels, row.output.height, row.output.width) == out.shape[1:], design
        assert row.parameters == learnt, design
    assert fitted > 5_000


# Branches and side heads


def test_a_sum_and_a_concat_by_hand():
    book = book_of("INPUT 6x4x3 -> ( CONV 3 1x1 -> BN + SKIP ) -> ( RELU | POOL 3x3 stride 1 pad 1 | CONV 2 1x1 )")
    conv, norm, total, relu, pool, narrow, joined = book.rows
    assert [row.name for row in book.rows] == ["conv1", "bn1", "sum1", "relu1", "pool1", "conv2", "concat1"]
    assert (total.sources, total.text, total.connections) == (("bn1", "input"), "bn1 + input", 2)
    assert (joined.sources, joined.text) == (("relu1", "pool1", "conv2"), "relu1 | pool1 | conv2")
    assert (joined.connections, str(joined.output)) == (1, "6x4x8")
    assert relu.sources == pool.sources == narrow.sources == ("sum1",)
    for row in (total, joined):
        assert (row.parameters, row.macs, row.unshared, row.fully_connected) == (0, 0, None, None)
    pixels = 6 * 4
    assert book.neurons == pixels * (3 + 3 + 3 + 3 + 0 + 3 + 2 + 8)  # RELU works in place
    assert book.parameters == (3 * 3 + 3) + 6 + (3 * 2 + 2)
    assert norm.parameters == 6 and conv.macs == pixels * 9


def test_side_heads_have_rows_and_are_absent_from_the_totals():
    trunk = "INPUT 8x8x3 -> CONV 4 3x3 -> {} RELU -> FC 5"
    plain = book_of(trunk.format(""))
    book = book_of(trunk.format("side: AUX 0.3 [CONV 2 1x1 -> FC 7] -> "))
    for total in ("parameters", "macs", "neurons", "forward_bytes", "depth", "output", "receptive_field"):
        assert getattr(book, total) == getattr(plain, total)
    assert [row.head for row in book.rows] == ["", "side", "side", "", ""]
    assert [row.name for row in book.trunk] == [row.name for row in plain.rows]
    side = (4 * 2 + 2) + (128 * 7 + 7)
    assert (book.side_parameters, plain.side_parameters) == (side, 0)
    held = 4 * (8 * 8 * 2 + 7)
    assert book.training_bytes == plain.training_bytes + 2 * held + 12 * side
    assert book.largest_batch(book.training_bytes) == 1
    assert book.largest_batch(book.training_bytes - 1) == 0


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("INPUT -> CONV 3 -> RELU -> FC 4", 2),
        ("INPUT -> ( CONV 3 -> CONV 3 + CONV 3 ) -> FC 4", 3),
        ("INPUT -> ( SKIP | CONV 3 -> CONV 3 ) -> AUX 0.3 [FC 1 -> FC 1 -> FC 1 -> FC 1] -> CONV 3", 3),
        (RESNET_50, 50),
    ],
)
def test_depth_is_the_longest_way_through_convs_and_fcs(text, depth):
    assert book_of(text).depth == depth


def test_resnet_50_has_its_published_numbers():
    """He et al. 2015, table 1: 3.8 billion multiply-adds (their stride stands on the 1x1, torchvision's on the 3x3);
    torchvision's count of parameters, and its 4.09 billion."""
    book = ledger(complete(parse(RESNET_50)))
    assert book.parameters == 25_557_032
    assert round(book.macs / 1e9, 2) == 4.09
    assert str(book.output) == "1x1x1000"
    assert sum(row.word == "SUM" for row in book.rows) == 3 + 4 + 6 + 3


def test_a_row_is_found_by_its_name_and_by_its_case_where_that_is_needed():
    book = book_of("INPUT 8x8x3 -> Conv1: CONV 4 -> CONV 5 -> Last: FC")
    assert [book.row(name).output.channels for name in ("Conv1", "conv1", "CONV1", "last")] == [4, 5, 4, 10]
    with pytest.raises(DesignError) as caught:
        book.row("las")
    assert "no layer las" in str(caught.value) and "did you mean Last?" in str(caught.value)


# Receptive fields, measured by which pixels a neuron's gradient reaches


def support(network, picture_size, place):
    """(first, last) column and row of the pixels that the neuron at `place` (row, column) of channel 0 reads."""
    picture = (torch.rand(1, 1, *picture_size, dtype=torch.float64) + 0.5).requires_grad_()
    network(picture)[0, 0, place[0], place[1]].backward()
    touched = picture.grad[0, 0] != 0
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    return (int(columns[0]), int(columns[-1])), (int(rows[0]), int(rows[-1]))


def positive(text):
    """The built network in float64 with every weight positive, so that no gradient cancels."""
    network = build(parse(text)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand_like(parameter) + 0.1)
    return network


small = st.tuples(st.integers(1, 4), st.integers(1, 4))
steps = st.one_of(
    st.builds(
        lambda kernel, stride, pad, dilation: (
            f"CONV 2 {axb(kernel)} stride {axb(stride)} pad {pad} dilation {axb(dilation)}"
        ),
        small,
        st.tuples(st.integers(1, 2), st.integers(1, 3)),
        st.sampled_from(["0", "1", "0:1", "2x0:1"]),
        st.tuples(st.integers(1, 2), st.integers(1, 2)),
    ),
    st.builds(
        lambda kind, kernel, stride: f"POOL {kind} {axb(kernel)} stride {axb(stride)}",
        st.sampled_from(["avg", "l2"]),
        st.tuples(st.integers(2, 4), st.integers(2, 4)),
        st.tuples(st.integers(1, 2), st.integers(1, 2)),
    ),
    st.sampled_from(["RELU", "BN", "DROPOUT", "LEAKYRELU"]),
)


@settings(PROPERTY, max_examples=60)
@given(st.lists(steps, min_size=1, max_size=3), st.sampled_from(["crop", "pad"]))
def test_a_neuron_in_the_middle_sees_its_receptive_field_and_its_neighbour_a_jump_further(chain, fit):
    text = f"INPUT 130x110x1 fit {fit} -> {' -> '.join(chain)}"
    book = book_of(text)
    network = positive(text).eval()
    middle = (book.output.height // 2, book.output.width // 2)
    columns, rows = support(network, (110, 130), middle)
    assert (columns[1] - columns[0] + 1, rows[1] - rows[0] + 1) == book.receptive_field
    right, below = support(network, (110, 130), (middle[0] + 1, middle[1] + 1))
    assert (right[0] - columns[0], below[0] - rows[0]) == book.rows[-1].jump


FULL = """POOL avg to 9x7 | POOL avg to 30x30 | UP 2 | UP 3 bilinear | UP 2 bilinear | SHORTCUT 6 stride 2
| CONV depthwise 3x3 | CONV 2 3x3 dilation 3 pad 3 | CONV 2 2x4 stride 2x1 pad 0:1x1:2 | POOL avg 3x3 stride 2 pad 1
| POOL l2 2x2 stride 1 | CONV 2 3x3 | CONV 2 5x1 | BN | RELU""".replace("\n", " ").split(" | ")
# Side by side, all of the same size out.
EVEN = [
    "SKIP",
    "CONV 2 3x3",
    "CONV 2 7x1",
    "CONV 2 3x3 dilation 2",
    "POOL avg 3x3 stride 1 pad 1",
    "UP 2 -> POOL avg 2x2",
]
EVEN += ["CONV 2 3x3 -> RELU -> CONV 2 1x5", "POOL avg 2x2 -> UP 2", "POOL avg 2x2 -> CONV 2 3x3 -> UP 2 bilinear"]


def field_of(text):
    """What the last layer's neurons see, across and down: the ledger's own, from its layers."""
    seen = []
    for layer in unfold(complete(parse(text))):
        seen.append(behind(layer, [Seen(PIXEL, PIXEL) if at == INPUT else seen[at] for at in layer.sources]))
    return seen[-1].across, seen[-1].down


def drawn_net(chance):
    """Branches and what follows them, of at most 400 pixels a side."""
    while True:
        sign, sides = chance.choice("|+"), chance.choices(EVEN, k=chance.randint(2, 3))
        parts = chance.choices(FULL, k=chance.randint(1, 3))
        text = f"INPUT 120x96x2 fit crop -> ( {f' {sign} '.join(sides)} ) -> {' -> '.join(parts)}"
        if max(book_of(text).output.width, book_of(text).output.height) <= 400:
            return text


@pytest.mark.parametrize("seed", range(40))
def test_neurons_of_any_network_see_the_pixels_that_their_gradients_reach(seed):
    """Chains and branches, up and down, in float64 with positive weights; away from the edges, where zeros come in."""
    text = drawn_net(random.Random(seed))
    row, (across, down) = book_of(text).rows[-1], field_of(text)
    network, picture = positive(text).eval(), torch.rand(1, 2, 96, 120, dtype=torch.float64, requires_grad=True)
    out = network(picture)
    assert out.shape[1:] == (row.output.channels, row.output.height, row.output.width)
    sizes = set()
    for step in range(-6, 7):
        place = [out.shape[2] // 2 + step, out.shape[3] // 2 + step]
        if not (0 <= place[0] < out.shape[2] and 0 <= place[1] < out.shape[3]):
            continue
        neurons = out[0, :, place[0], place[1]].sum()  # of every channel, as branches lie side by side in them
        (gradient,) = torch.autograd.grad(neurons, picture, retain_graph=True)
        touched = (gradient[0] != 0).any(0)
        for ends, field, at, length in (
            (touched.any(1).nonzero().flatten(), down, place[0], 96),
            (touched.any(0).nonzero().flatten(), across, place[1], 120),
        ):
            rounds, part = divmod(at, len(field.lo))
            lo, hi = field.lo[part] + rounds * field.shift, field.hi[part] + rounds * field.shift
            if lo >= 8 and hi < length - 8:
                assert (int(ends[0]), int(ends[-1])) == (lo, hi), text
                sizes.add(hi - lo + 1)
    assert not sizes or max(sizes) <= max(row.receptive_field)
    assert (across.size, down.size) == row.receptive_field
    assert (across.lo[0], down.lo[0]) == row.offset


def test_a_flattened_vector_is_seen_whole_through_whatever_follows_it():
    for after in ("UP 2 -> CONV 3 1x1", "SHORTCUT 900 -> CONV 3 1x1", "POOL avg to 1x1 -> CONV 3 1x1", "SOFTMAX"):
        text = f"INPUT 12x8x1 -> CONV 2 3x3 pad 0 -> FLATTEN -> {after}"
        picture = (torch.rand(1, 1, 8, 12, dtype=torch.float64) + 0.5).requires_grad_()
        positive(text)(picture).flatten()[0].backward()
        assert bool((picture.grad != 0).all()), after
        assert book_of(text).receptive_field == (12, 8), after


def test_max_pools_see_as_far_as_averages():
    chain = "INPUT 64x64x1 fit crop -> CONV 2 3x3 -> POOL {0} 3x3 stride 2 -> CONV 2 5x5 pad 0 -> POOL {0} 2x2"
    highest, average = book_of(chain.format("max")), book_of(chain.format("avg"))
    assert [row.receptive_field for row in highest.rows] == [row.receptive_field for row in average.rows]
    assert [row.jump for row in highest.rows] == [row.jump for row in average.rows]


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 12x8x1 -> CONV 2 3x3 pad 0 -> FC 4",
        "INPUT 12x8x1 -> POOL avg 2x2 -> CONV 2 3x3 pad 0 -> POOL avg global",
        "INPUT 12x8x1 -> CONV 1 2x2 stride 2 pad 0 -> FLATTEN -> FC 3 -> RELU",
        "INPUT 12x8x1 -> FC 3 -> GELU -> FC 2",
    ],
)
def test_behind_an_fc_or_a_global_pool_every_pixel_is_seen(text):
    network = positive(text)
    picture = (torch.rand(1, 1, 8, 12, dtype=torch.float64) + 0.5).requires_grad_()
    network(picture).flatten()[0].backward()
    assert bool((picture.grad != 0).all())
    assert book_of(text).receptive_field == (12, 8)


def test_a_flattened_neuron_sees_what_it_saw_before():
    text = "INPUT 12x8x1 -> CONV 2 3x3 pad 0 -> FLATTEN"
    picture = (torch.rand(1, 1, 8, 12, dtype=torch.float64) + 0.5).requires_grad_()
    positive(text)(picture)[0, 25].backward()
    assert int((picture.grad != 0).sum()) == 9
    assert book_of(text).rows[-1].receptive_field == (3, 3)
    assert book_of(f"{text} -> FC 2").receptive_field == (12, 8)


def test_strides_that_multiply_beyond_any_picture_are_refused():
    text = "INPUT 8x8x1 fit pad -> [CONV 1 3x3 stride 1000]*9"
    with pytest.raises(DesignError, match=r"conv7: the strides up to here multiply to 1e\+21 pixels"):
        book_of(text)
