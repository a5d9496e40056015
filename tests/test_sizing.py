"""What one word makes of a volume, against torch; and the errors that name the settings that fit."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.notation import parse
from torchbeam.design.sizing import filters, joined, output, parameters, settled, slides, windows
from torchbeam.design.volume import Slide, Volume, Window
from torchbeam.design.words import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Join,
    Lrn,
    Pool,
    Shortcut,
    Skip,
    Softmax,
    Up,
)
from torchbeam.errors import DesignError, FitError

torch.set_num_threads(1)
PROPERTY = settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))
pads = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)
volumes = st.builds(Volume, st.integers(1, 6), st.integers(1, 24), st.integers(1, 24))


def sized(text, input=None):
    """The completed design's last output volume."""
    return unfold(complete(parse(text), input or Volume(3, 32, 32), 10))[-1].output


def torch_pads(padding):
    """((top, bottom), (left, right)) in the order of F.pad."""
    return (*padding[1], *padding[0])


@pytest.mark.parametrize(
    ("text", "out", "learnt"),
    [
        ("INPUT 227x227x3 -> CONV 96 11x11 stride 4 pad 0", Volume(96, 55, 55), 34_944),
        ("INPUT 32x32x3 -> CONV 10 5x5 stride 1 pad 2", Volume(10, 32, 32), 760),
        ("INPUT 5x5x3 -> CONV 2 3x3 stride 2 pad 1", Volume(2, 3, 3), 56),
        ("INPUT 224x224x64 -> POOL max 2x2 stride 2", Volume(64, 112, 112), 0),
        ("INPUT 7x7x512 -> FC 4096", Volume(4096, 1, 1), 102_764_544),
        ("INPUT 32x24x3 -> POOL avg global", Volume(3, 1, 1), 0),
        ("INPUT 32x24x3 -> FLATTEN", Volume(2304, 1, 1), 0),
        ("INPUT 32x24x3 -> BN", Volume(3, 24, 32), 6),
        ("INPUT 11x11x4 -> CONV 4 3x3 pad 0 dilation 2 groups 4 bias no", Volume(4, 7, 7), 36),
    ],
)
def test_published_and_hand_worked_sizes(text, out, learnt):
    (layer,) = unfold(complete(parse(text), Volume(1, 1, 1), 10))
    assert layer.output == out
    assert sum(parameters(layer.word, layer.input)) == learnt


@PROPERTY
@given(volumes, st.integers(1, 3), st.integers(1, 3), pairs, pairs, pads, pairs, st.booleans())
def test_a_conv_that_crops_has_the_size_and_parameters_of_torchs(
    volume, groups, share, kernel, stride, padding, dilation, bias
):
    volume = replace(volume, channels=groups * volume.channels)
    word = Conv(groups * share, kernel, stride, padding, dilation, groups, bias)
    judge = nn.Conv2d(volume.channels, groups * share, kernel, stride, 0, dilation, groups, bias, device="meta")
    padded = F.pad(torch.empty(1, volume.channels, volume.height, volume.width, device="meta"), torch_pads(padding))
    try:
        expected = judge(padded).shape
    except RuntimeError:
        with pytest.raises(FitError, match="does not fit"):
            output(word, volume, "crop")
        return
    assert output(word, volume, "crop") == Volume(*expected[1:])
    weights, biases = parameters(word, volume)
    assert weights == judge.weight.numel()
    assert biases == (judge.bias.numel() if bias else 0)


@PROPERTY
@given(volumes, pairs, pairs, pads)
def test_a_pool_that_crops_has_the_size_of_torchs(volume, kernel, stride, padding):
    assume(all(max(sides) < side for sides, side in zip(padding, kernel, strict=True)))
    word = Pool("max", "window", kernel, stride, padding)
    padded = F.pad(torch.empty(1, volume.channels, volume.height, volume.width, device="meta"), torch_pads(padding))
    try:
        expected = F.max_pool2d(padded, kernel, stride).shape
    except RuntimeError:
        with pytest.raises(FitError, match="does not fit"):
            output(word, volume, "crop")
        return
    assert output(word, volume, "crop") == Volume(*expected[1:])


@PROPERTY
@given(volumes, st.integers(1, 50), st.booleans())
def test_fc_bn_and_flatten_have_the_parameters_and_sizes_of_torchs(volume, units, bias):
    picture = torch.empty(2, volume.channels, volume.height, volume.width, device="meta")
    linear, norm = nn.Linear(volume.neurons, units, bias, device="meta"), nn.BatchNorm2d(volume.channels, device="meta")
    assert parameters(Fc(units, bias), volume) == (linear.weight.numel(), units if bias else 0)
    assert parameters(BatchNorm(), volume) == (norm.weight.numel(), norm.bias.numel())
    assert output(Fc(units, bias), volume, "error").channels == linear(picture.flatten(1)).shape[1]
    assert output(Flatten(), volume, "error") == Volume(picture.flatten(1).shape[1], 1, 1)


@pytest.mark.parametrize(
    "word",
    [*map(Activation, ACTIVATIONS), BatchNorm(), Dropout(), Softmax(), Lrn(), Skip()],
    ids=lambda word: type(word).__name__,
)
def test_what_works_on_each_number_keeps_the_volume(word):
    volume = Volume(3, 4, 5)
    assert output(word, volume, "error") == volume
    learnt = {BatchNorm(): (3, 3), Activation("PRELU"): (1, 0)}
    assert parameters(word, volume) == learnt.get(word, (0, 0))


@PROPERTY
@given(volumes, st.integers(1, 8), st.integers(1, 4), pairs, pairs)
def test_up_shortcut_and_depthwise_have_the_sizes_and_parameters_of_torchs(volume, by, more, stride, kernel):
    picture = torch.empty(1, volume.channels, volume.height, volume.width, device="meta")
    enlarged = F.interpolate(picture, scale_factor=by)
    assert output(Up(by), volume, "error") == Volume(*enlarged.shape[1:])
    taken = F.pad(picture[:, :, :: stride[0], :: stride[1]], (0, 0, 0, 0, 0, more))
    assert output(Shortcut(volume.channels + more, stride), volume, "error") == Volume(*taken.shape[1:])
    assert output(Shortcut(None, stride), volume, "error").channels == volume.channels
    word = Conv(None, kernel, stride, ((5, 0), (5, 0)), connect="depthwise")
    judge = nn.Conv2d(volume.channels, volume.channels, kernel, stride, 0, 1, volume.channels, device="meta")
    assert output(word, volume, "crop") == Volume(*judge(F.pad(picture, (5, 0, 5, 0))).shape[1:])
    assert parameters(word, volume) == (judge.weight.numel(), judge.bias.numel())
    assert filters(word, volume) == (judge.out_channels, judge.groups)


@PROPERTY
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_a_pool_to_a_size_has_torchs_windows_the_widest_of_them_told(height, width, places):
    volume, word = Volume(2, height, width), Pool("avg", to=(places, 3))
    assert output(word, volume, "error") == Volume(2, places, 3)
    row = torch.rand(1, 1, height, dtype=torch.float64, requires_grad=True)
    read = torch.autograd.functional.jacobian(lambda x: F.adaptive_avg_pool1d(x, places).flatten(), row)
    assert windows(word, volume)[0].size == int((read != 0).sum(-1).max())


def test_settled_gives_a_word_what_its_own_defaults_give_it_and_nothing_else():
    assert settled(Conv()) == Conv(None, (3, 3), padding=((1, 1), (1, 1)))
    assert settled(Conv(kernel_size=(1, 5), connect="depthwise")).pads == ((0, 0), (2, 2))
    assert settled(Pool()) == Pool("max", "window", (2, 2), (2, 2))
    assert settled(Pool("avg", kernel_size=(3, 2))).stride == (3, 2)
    assert settled(Pool(to=(7, 7))) == Pool("max", to=(7, 7))
    assert settled(Pool("avg", "global")) == Pool("avg", "global")
    assert settled(Activation("LEAKYRELU")).slope == nn.LeakyReLU().negative_slope
    assert settled(Fc()) == Fc() and settled(Activation("RELU")) == Activation("RELU")


# Joins


@pytest.mark.parametrize(
    ("kind", "volumes", "out"),
    [
        ("sum", [Volume(3, 4, 5)] * 3, Volume(3, 4, 5)),
        ("concat", [Volume(3, 4, 5), Volume(1, 4, 5), Volume(3, 4, 5)], Volume(7, 4, 5)),
    ],
)
def test_branches_come_to_the_sum_or_to_all_their_depths(kind, volumes, out):
    assert joined(Join(kind), tuple(volumes), "join") == out


@pytest.mark.parametrize(
    ("text", "what", "got", "remedy"),
    [
        (
            "INPUT 8x6x3 -> ( CONV 4 + SKIP )",
            "sum1: branches of different volumes cannot be added",
            "8x6x4 + 8x6x3",
            "end the other branch with CONV 4 1x1, or write ( | ) to join them in depth",
        ),
        (
            "INPUT 8x8x3 -> ( CONV 4 2x2 stride 2 pad 0 + SKIP )",
            "sum1: branches of different volumes cannot be added",
            "4x4x4 + 8x8x3",
            "put CONV 4 1x1 stride 2 fit crop in place of the other branch's last layer",
        ),
        (
            "INPUT 8x8x3 -> ( SKIP + SKIP + CONV 3 3x3 pad 0 )",
            "sum1: branches of different volumes cannot be added",
            "8x8x3 + 8x8x3 + 6x6x3",
            "give the branches the same strides, and pads that keep their sizes alike",
        ),
        (
            "INPUT 8x8x3 -> x: ( CONV 4 | POOL 2x2 )",
            "x.concat1: branches of different width and height cannot lie side by side in depth",
            "8x8x4 | 4x4x3",
            "give the branches the same strides",
        ),
    ],
)
def test_branches_that_do_not_match_are_refused_with_their_volumes(text, what, got, remedy):
    with pytest.raises(DesignError) as caught:
        sized(text)
    error = caught.value
    assert (what, got) == (error.what, error.got)
    assert remedy in error.remedy and "from every branch, as from the first" in error.expected


@pytest.mark.parametrize(
    ("text", "remedied"),
    [
        ("INPUT 8x6x3 -> ( CONV 4 + SKIP )", "INPUT 8x6x3 -> ( CONV 4 + SKIP -> CONV 4 1x1 )"),
        (
            "INPUT 8x8x3 -> ( CONV 4 2x2 stride 2 pad 0 + SKIP )",
            "INPUT 8x8x3 -> ( CONV 4 2x2 stride 2 pad 0 + CONV 4 1x1 stride 2 fit crop )",
        ),
    ],
)
def test_the_remedy_of_branches_that_do_not_match_mends_them(text, remedied):
    with pytest.raises(DesignError, match="cannot be added"):
        sized(text)
    assert sized(remedied).channels == 4


def test_a_shortcut_adds_channels_and_takes_none_away():
    with pytest.raises(DesignError) as caught:
        sized("INPUT 8x8x3 -> CONV 8 -> SHORTCUT 4")
    assert "shortcut1: 8 channels cannot become 4 by adding zeros" in str(caught.value)
    assert "8 or more" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "INPUT -> [UP 64]*5",
        "INPUT 40000x40000x3 -> FLATTEN",
        "INPUT -> [( SKIP | SKIP )]*29",
        "INPUT -> CONV 1 1x1 pad 1000000000",
    ],
)
def test_no_volume_grows_beyond_what_can_be_printed(text):
    with pytest.raises(DesignError, match=r"a volume of \d+x\d+x\d+ is too large") as caught:
        sized(text)
    assert "sides of at most 1,000,000,000" in str(caught.value)


def test_windows_are_down_then_across_with_their_defaults():
    volume = Volume(3, 24, 32)
    assert windows(Conv(4, (1, 7), (2, 3), ((0, 1), (2, 3)), (4, 5)), volume) == (
        Window(1, 2, 0, 1, 4),
        Window(7, 3, 2, 3, 5),
    )
    assert windows(Conv(), volume) == (Window(3, 1, 1, 1), Window(3, 1, 1, 1))
    assert windows(Pool(), volume) == (Window(2, 2), Window(2, 2))
    assert windows(Pool(kernel_size=(3, 2)), volume) == (Window(3, 3), Window(2, 2))
    assert windows(Pool("avg", "global"), volume) == (Window(24), Window(32))


def test_slides_tell_what_is_added_and_dropped_down_and_across():
    word = Conv(1, (3, 3), (3, 3), ((0, 0), (0, 0)))
    assert slides(word, Volume(1, 8, 7), "crop") == (Slide(2, dropped=2), Slide(2, dropped=1))
    assert slides(word, Volume(1, 8, 7), "pad") == (Slide(3, added=1), Slide(3, added=2))


def fit_error(text):
    with pytest.raises(FitError) as caught:
        sized(text)
    return caught.value


def test_the_error_of_a_window_that_does_not_fit_shows_the_sum_and_the_nearest_settings():
    assert str(fit_error("INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0")) == (
        "conv1: a 3x3 window does not fit 7x7x1 a whole number of times\n"
        "  got       (W - F + 2P) / S + 1 = (7 - 3 + 2*0) / 3 + 1 = 2.33, not a whole number\n"
        "  remedy    input 6 gives 2, pad 1 gives 3, input 9 gives 3, stride 2 gives 3, kernel 4 with pad 0 gives 2, "
        "fit crop gives 2, fit pad gives 3"
    )
    assert sized("INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0 fit crop") == Volume(1, 2, 2)
    assert sized("INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0 fit pad") == Volume(1, 3, 3)


def test_the_error_of_a_rectangle_speaks_of_each_axis():
    error = fit_error("INPUT 9x8x2 -> stage: [thin: CONV 1 5x3 stride 3x2 pad 0 dilation 1x2]")
    assert error.what == "stage.thin: a 5x3 window does not fit 9x8x2 a whole number of times"
    assert error.got.split("\n") == [
        "across: (W - F + 2P) / S + 1 = (9 - 5 + 2*0) / 3 + 1 = 2.33, not a whole number",
        "down: (W - F + 2P) / S + 1 = (8 - (2*(3 - 1) + 1) + 2*0) / 2 + 1 = 2.50, not a whole number",
    ]
    across, down, *_ = error.remedy.split("\n")
    assert across.startswith("across: input 8 gives 2") and down.startswith("down: ")


def test_the_error_speaks_only_of_the_axis_that_does_not_fit():
    error = fit_error("INPUT 9x8x2 -> CONV 1 3x3 stride 2 pad 0")
    assert error.got == "down: (W - F + 2P) / S + 1 = (8 - 3 + 2*0) / 2 + 1 = 3.50, not a whole number"
    assert "across" not in error.remedy


def test_a_window_larger_than_its_input_has_less_than_one_place_and_cannot_be_cropped():
    error = fit_error("INPUT 2x2x1 -> CONV 1 5x5 pad 0")
    assert "(2 - 5 + 2*0) / 1 + 1 = -2, less than one place" in error.got
    assert "input 5 gives 1" in error.remedy and "fit pad gives 1" in error.remedy
    assert "fit crop" not in error.remedy
    with pytest.raises(FitError, match="CONV: a 5x5 window does not fit 2x2x1 a whole number of times"):
        output(Conv(1, (5, 5), padding=((0, 0), (0, 0))), Volume(1, 2, 2), "crop")


def test_pads_that_would_leave_a_pool_nothing_to_see_are_not_offered():
    error = fit_error("INPUT 3x3x1 -> POOL max 2x2 stride 5")
    pads = [int(pad) for pad in re.findall(r"pad (?:\d+:)?(\d+) gives", error.remedy)]
    assert all(pad < 2 for pad in pads)


def test_an_input_that_the_groups_cannot_share_is_refused():
    with pytest.raises(DesignError) as caught:
        sized("INPUT 8x8x3 -> CONV 4 3x3 groups 2")
    assert "conv1: an input 3 deep cannot be shared among 2 groups" in str(caught.value)
    assert "an input depth divisible by 2" in str(caught.value)
    with pytest.raises(DesignError, match="CONV: an input 3 deep"):
        output(Conv(4, groups=2), Volume(3, 8, 8), "error")


def test_a_pool_whose_last_window_sees_no_pixel_is_refused():
    with pytest.raises(DesignError) as caught:
        sized("INPUT 4x4x1 -> POOL 2x2 stride 5 fit pad")
    assert "pool1: its last window would see nothing but padding" in str(caught.value)
    assert "windows of 2 with stride 5 over 4 pixels" in str(caught.value)
    assert "write fit crop, or a smaller pad or stride" in str(caught.value)


# Every remedy, taken, must give what it says. One word over a square input, so that there is one list of remedies.


def remedied(text, remedy):
    """The text with one remedy written into it: 'pad 1:2', 'input 9', 'kernel 4 with pad 0' or 'fit crop'."""
    setting, value, *beside = remedy.split()
    if setting == "input":
        return re.sub(r"^INPUT \d+x\d+", f"INPUT {value}x{value}", text)
    if setting == "kernel":
        text = re.sub(r"(\w+ \w+) \d+x\d+(?!x)", rf"\1 {value}x{value}", text)
        return remedied(text, " ".join(beside[1:]))
    if re.search(rf"\b{setting} ", text):
        return re.sub(rf"\b{setting} [\d:a-z]+", remedy, text)
    return f"{text} {remedy}"


def check_remedies(text):
    try:
        sized(text)
    except FitError as error:
        for offer in error.remedy.split(", "):
            remedy, places = offer.split(" gives ")
            taken = sized(remedied(text, remedy))
            assert (taken.height, taken.width) == (int(places), int(places)), offer


sides = st.integers(1, 5)
edges = st.integers(0, 3)


@PROPERTY
@given(st.integers(1, 20), sides, sides, edges, edges, st.integers(1, 3))
def test_every_remedy_of_a_conv_gives_what_it_says(length, size, stride, near, far, dilation):
    text = f"INPUT {length}x{length}x1 -> CONV 1 {size}x{size} stride {stride} pad {near}:{far} dilation {dilation}"
    check_remedies(text)


@PROPERTY
@given(st.integers(1, 20), sides, sides, edges, edges)
def test_every_remedy_of_a_pool_gives_what_it_says(length, size, stride, near, far):
    assume(max(near, far) < size)
    check_remedies(f"INPUT {length}x{length}x1 -> POOL max {size}x{size} stride {stride} pad {near}:{far}")


@pytest.mark.parametrize(
    "text", ["INPUT 7x7x1 -> CONV 1 3x3 stride 4", "INPUT 7x7x1 -> POOL max 3x3", "INPUT 8x8x1 -> CONV 1 5x5 stride 3"]
)
def test_every_remedy_gives_what_it_says_where_the_text_left_pad_or_stride_unsaid(text):
    check_remedies(text)
