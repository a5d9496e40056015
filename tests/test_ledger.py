"""The ledger's numbers, against published figures, torch's own counts and gradients."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
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


def padded_to_fit(picture, kernel, stride, dilation, pads, fit):
    """The picture with zeros at its edges: those said, and with fit pad one more at a time until nothing is left over.

    None where the window does not fit, and fit does not help. pads are (left, right, top, bottom).
    """
    padded = F.pad(picture, pads)
    for axis, far in ((0, (0, 0, 0, 1)), (1, (0, 1))):
        while leftover(padded.shape[axis - 2], kernel[axis], stride[axis], dilation[axis], fit):
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
