"""The words of the notation: each with an example that survives the round trip and counts as torch counts."""

from dataclasses import fields
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    ACTIVATIONS,
    WORDS,
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Fc,
    Foreign,
    Input,
    Join,
    Lrn,
    Pool,
    Shortcut,
    Skip,
    Up,
    Word,
    arguments,
    sharing,
    spelling,
)
from torchbeam.errors import DesignError, Mistake
from torchbeam.network.build import build

torch.set_num_threads(1)

# One example of every word, and of every activation with its number where it takes one.
EXAMPLES = {
    **{name: word.EXAMPLE for name, word in WORDS.items()},
    **{name: name if curve.default is None else f"{name} 0.3" for name, curve in ACTIVATIONS.items()},
}


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


# What torch itself makes of each example on 23x23x3, written by hand.
TORCH = {
    "CONV 96 11x11 stride 4 pad 0": lambda: nn.Conv2d(3, 96, 11, 4),
    "POOL max 3x3 stride 2": lambda: nn.MaxPool2d(3, 2),
    "FC 256": lambda: nn.Sequential(nn.Flatten(), nn.Linear(23 * 23 * 3, 256)),
    "BN eps 1e-5 momentum 0.1": lambda: nn.BatchNorm2d(3, 1e-5, 0.1),
    "LRN 5 alpha 1e-4 beta 0.75 k 2": lambda: nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0),
    "DROPOUT 0.5": lambda: nn.Dropout(0.5),
    "FLATTEN": nn.Flatten,
    "SOFTMAX": lambda: nn.Softmax(dim=1),
    "UP 2": lambda: nn.Upsample(scale_factor=2),
    "SKIP": nn.Identity,
    "SHORTCUT 32 stride 2": lambda: Of(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 14, 15))),
    "IDENTITY": nn.Identity,
    "STEP": lambda: Of(lambda x: torch.heaviside(x, torch.ones(()))),
    "SIGMOID": nn.Sigmoid,
    "HARDSIGMOID": nn.Hardsigmoid,
    "TANH": nn.Tanh,
    "HARDTANH": nn.Hardtanh,
    "ARCTAN": lambda: Of(torch.arctan),
    "SOFTSIGN": nn.Softsign,
    "RELU": nn.ReLU,
    "RELU6": nn.ReLU6,
    "LEAKYRELU 0.3": lambda: nn.LeakyReLU(0.3),
    "PRELU 0.3": lambda: nn.PReLU(init=0.3),
    "ELU 0.3": lambda: nn.ELU(0.3),
    "CELU 0.3": lambda: nn.CELU(0.3),
    "SELU": nn.SELU,
    "GELU": nn.GELU,
    "SILU": nn.SiLU,
    "HARDSWISH": nn.Hardswish,
    "MISH": nn.Mish,
    "SOFTPLUS": nn.Softplus,
    "GAUSSIAN": lambda: Of(lambda x: torch.exp(-x.square())),
    "SINE": lambda: Of(torch.sin),
    "BENTIDENTITY": lambda: Of(lambda x: (torch.sqrt(x.square() + 1) - 1) / 2 + x),
}


def text_of(name):
    """A network of one example; SKIP is no layer, so one that changes nothing outside of training stands behind it."""
    return f"INPUT 23x23x3 -> {EXAMPLES[name]}" + (" -> DROPOUT" if name == "SKIP" else "")


def learnt(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_every_word_is_in_the_vocabulary_and_has_an_example_torch_can_judge():
    assert {Activation, *WORDS.values()} == set(get_args(Word))
    assert set(EXAMPLES.values()) == set(TORCH)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_begins_with_its_word_and_survives_the_round_trip(name):
    design = parse(f"INPUT 23x23x3 -> {EXAMPLES[name]}")
    word = design.net[0].step
    assert EXAMPLES[name].split()[0] == spelling(word) == name
    assert parse(write(design)) == design
    completed = complete(design, Volume(1, 5, 5), 7)
    assert parse(write(completed)) == completed


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_shape_and_parameters_of_an_example_equal_torchs(name):
    design = complete(parse(text_of(name)), Volume(1, 5, 5), 7)
    book, built, judge = ledger(design), build(design).eval(), TORCH[EXAMPLES[name]]().eval()
    picture = 8 * torch.rand(2, 3, 23, 23) - 4
    expected = judge(picture)
    assert book.parameters == learnt(built) == learnt(judge)
    assert built(picture).shape == expected.shape
    assert book.output.neurons == expected[0].numel()
    assert (book.output.channels, book.output.height, book.output.width) == (*expected[0].shape, 1, 1)[:3]
    if not isinstance(design.net[0].step, Conv | Fc):  # their weights differ
        torch.testing.assert_close(built(picture), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, curve in ACTIVATIONS.items() if curve.default is not None])
def test_an_activation_without_its_number_has_torchs_own(name):
    design = complete(parse(f"INPUT 4x4x2 -> {name}"), Volume(1, 5, 5), 7)
    picture = torch.randn(1, 2, 4, 4)
    judge = {"LEAKYRELU": nn.LeakyReLU, "PRELU": nn.PReLU, "ELU": nn.ELU, "CELU": nn.CELU}[name]()
    assert torch.equal(build(design)(picture), judge(picture))


def test_the_defaults_of_bn_dropout_and_up_are_torchs_and_those_of_lrn_the_papers():
    norm, drop = nn.BatchNorm2d(1), nn.Dropout()
    assert (BatchNorm().eps, BatchNorm().momentum, Dropout().p) == (norm.eps, norm.momentum, drop.p)
    assert Up().mode == nn.Upsample(scale_factor=Up().scale_factor).mode
    lrn = nn.LocalResponseNorm(5)
    assert (Lrn().size, Lrn().alpha, Lrn().beta, Lrn().k) == (lrn.size, lrn.alpha, lrn.beta, 2.0)


def test_joins_and_what_comes_from_outside_have_a_spelling_though_no_text_says_them():
    assert [spelling(word) for word in (Join("concat"), Join("sum"), Foreign("Swish"), Activation("ELU"), Skip())] == [
        "CONCAT", "SUM", "Swish", "ELU", "SKIP",
    ]  # fmt: skip


def test_input_has_an_example_that_survives_the_round_trip():
    design = parse(f"{Input.EXAMPLE} -> FC 10")
    assert design.input == Input(Volume(3, 227, 227), "crop")
    assert parse(write(design)) == design
    assert unfold(design)[0].input.neurons == torch.empty(3, 227, 227).numel()


@pytest.mark.parametrize("word", [Input, *WORDS.values()])
def test_every_field_of_a_word_is_spelt_by_one_argument(word):
    spelt = arguments(word())
    assert sorted(argument.field for argument in spelt) == sorted(field.name for field in fields(word))
    keywords = [argument.keyword for argument in spelt if argument.keyword]
    assert len(keywords) == len(set(keywords))


@pytest.mark.parametrize("word", [Input(), *(word() for word in WORDS.values()), Activation("RELU")])
def test_words_are_frozen(word):
    assert type(word).__dataclass_params__.frozen
    assert word in {word}


def test_pads_left_unsaid_keep_the_size_at_stride_one_as_torchs_same_does():
    for kernel, dilation in [((3, 3), (1, 1)), ((1, 7), (1, 1)), ((5, 3), (2, 3))]:
        (top, bottom), (left, right) = Conv(1, kernel, dilation=dilation).pads
        assert (top, left) == (bottom, right)
        same = nn.Conv2d(1, 1, kernel, padding=(top, left), dilation=dilation)
        assert same(torch.zeros(1, 1, 20, 20)).shape == (1, 1, 20, 20)
    assert Conv().pads == ((1, 1), (1, 1))
    assert Conv(padding=((0, 1), (2, 3))).pads == ((0, 1), (2, 3))


@pytest.mark.parametrize(
    ("make", "what", "expected"),
    [
        (lambda: Conv(0), "CONV cannot have filters 0", "1 or more"),
        (lambda: Conv(4, (3, 0)), "CONV cannot have kernel 0", "1 or more"),
        (lambda: Conv(4, (3, 3), stride=(0, 1)), "CONV cannot have stride 0", "1 or more"),
        (lambda: Conv(4, (3, 3), dilation=(1, 0)), "CONV cannot have dilation 0", "1 or more"),
        (lambda: Conv(4, groups=0), "CONV cannot have groups 0", "1 or more"),
        (lambda: Conv(10, groups=3), "10 filters cannot be shared among 3 groups", "filters divisible by 3"),
        (
            lambda: Conv(4, (3, 4)),
            "CONV with an even window of 4 pixels has no middle to pad around",
            "the pad said, as in 'pad 0' or 'pad 0:1'",
        ),
        (lambda: Pool(kernel_size=(0, 2)), "POOL cannot have kernel 0", "1 or more"),
        (lambda: Pool(stride=(2, 0)), "POOL cannot have stride 0", "1 or more"),
        (
            lambda: Pool("avg", "global", (2, 2)),
            "POOL global looks at the whole volume at once",
            "no size, stride or pad beside 'global'",
        ),
        (lambda: Pool("avg", "global", stride=(2, 2)), "POOL global looks at the whole volume", "no size, stride"),
        (
            lambda: Pool("avg", "global", padding=((0, 1), (0, 0))),
            "POOL global looks at the whole volume",
            "stride or pad",
        ),
        (
            lambda: Pool(kernel_size=(3, 3), padding=((0, 3), (0, 0))),
            "POOL with pad 3 has windows of 3 that see nothing but padding",
            "a pad of at most 2",
        ),
        (
            lambda: Pool(padding=((0, 0), (2, 0))),
            "POOL with pad 2 has windows of 2 that see nothing but padding",
            "a pad of at most 1",
        ),
        (lambda: Fc(0), "FC cannot have units 0", "1 or more"),
        (lambda: Activation("RELUX"), "no activation RELUX", "RELU, RELU6, LEAKYRELU"),
        (lambda: Activation("RELU", 0.5), "RELU takes no number", "0.5"),
        (
            lambda: BatchNorm(eps=0.0),
            "BN cannot have eps 0 and momentum 0.1",
            "eps above 0, momentum in [0, 1]",
        ),
        (lambda: BatchNorm(momentum=1.5), "BN cannot have eps 1e-05 and momentum 1.5", "momentum in [0, 1]"),
        (lambda: BatchNorm(momentum=float("nan")), "BN cannot have eps 1e-05 and momentum nan", "[0, 1]"),
        (lambda: Dropout(1.0), "DROPOUT cannot drop a share of 1", "a share in [0, 1)"),
        (lambda: Dropout(-0.25), "DROPOUT cannot drop a share of -0.25", "a share in [0, 1)"),
        (lambda: Conv(4, connect="depthwise"), "CONV depthwise has as many filters and groups", "neither filters nor"),
        (
            lambda: Conv(groups=2, connect="depthwise"),
            "CONV depthwise has as many filters",
            "groups beside 'depthwise'",
        ),
        (lambda: Conv(connect="sparse"), "CONV cannot have connections sparse", "full or depthwise"),
        (lambda: Conv(4, (3, 10**9), dilation=(1, 2)), "CONV's window covers 1,999,999,999 pixels", "1,000,000,000"),
        (lambda: Pool(to=(7, 0)), "POOL cannot have to 0", "1 or more"),
        (lambda: Pool(to=(7, 1001)), "POOL cannot make 1001 places", "at most 1,000"),
        (
            lambda: Pool(to=(7, 7), kernel_size=(2, 2)),
            "POOL to a size chooses its own windows",
            "no size, stride or pad beside 'to'",
        ),
        (lambda: Pool(to=(7, 7), stride=(2, 2)), "POOL to a size chooses its own windows", "no size, stride or pad"),
        (lambda: Pool("avg", "global", to=(1, 1)), "POOL global looks at the whole volume", "beside 'global'"),
        (lambda: Pool("l2", to=(7, 7)), "POOL l2 cannot pool to a size", "max or avg"),
        (lambda: Lrn(0), "LRN cannot have size 0", "1 or more"),
        (lambda: Lrn(alpha=-1.0), "LRN cannot have alpha -1, beta 0.75 and k 2", "finite numbers of 0 or more"),
        (lambda: Lrn(k=float("nan")), "LRN cannot have alpha 0.0001, beta 0.75 and k nan", "finite numbers"),
        (lambda: Up(0), "UP cannot have factor 0", "1 or more"),
        (lambda: Up(65), "UP cannot enlarge 65 times", "at most 64"),
        (lambda: Up(2, "cubic"), "UP cannot have mode cubic", "nearest or bilinear"),
        (lambda: Shortcut(0), "SHORTCUT cannot have channels 0", "1 or more"),
        (lambda: Shortcut(4, (1, 0)), "SHORTCUT cannot have stride 0", "1 or more"),
    ],
)
def test_a_word_that_cannot_be_says_why(make, what, expected):
    with pytest.raises(DesignError) as caught:
        make()
    assert what in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv(4, (3, 3), padding=((-1, 0), (0, 0))),
        lambda: Pool(kernel_size=(3, 3), padding=((0, 0), (0, -1))),
        lambda: Activation("ELU", float("nan")),
        lambda: Activation("LEAKYRELU", float("-inf")),
        lambda: BatchNorm(eps=float("inf")),
    ],
)
def test_a_number_that_no_text_can_say_is_refused(make):
    with pytest.raises(DesignError, match=r"cannot have (pad -1|a slope of|eps inf)"):
        make()


@pytest.mark.parametrize("text", ["LEAKYRELU 1e999", "ELU -1e999", "BN eps 1e999"])
def test_an_infinite_number_is_refused(text):
    with pytest.raises(Mistake, match="is not a number here"):
        parse(f"INPUT -> {text}")


def test_a_choice_that_is_none_is_refused_when_made_by_hand():
    for make in (lambda: Input(fit="foo"), lambda: Conv(4, fit="foo"), lambda: Pool(fit="foo")):
        with pytest.raises(DesignError, match="cannot have fit foo"):
            make()
    with pytest.raises(DesignError, match="cannot have kind median"):
        Pool("median")


@pytest.mark.parametrize(
    ("depth", "groups", "told"),
    [
        (6, 4, "4 or 8 filters, or groups 3 or 6"),
        (32, 5, "30 or 35 filters, or groups 4 or 8"),
        (3, 2, "2 or 4 filters, or groups 1 or 3"),
        (3, 64, "64 filters, or groups 3"),
        (999_999_937, 500_000_000, "500000000 or 1000000000 filters, or groups 1"),
    ],
)
def test_the_nearest_groups_and_depths_can_be_shared(depth, groups, told):
    assert sharing(depth, groups, "filters") == told
    depths, _, numbers = told.partition(" filters, or groups ")
    assert all(int(other) % groups == 0 for other in depths.split(" or "))
    assert all(depth % int(other) == 0 for other in numbers.split(" or "))


def test_an_error_of_groups_names_what_can_be_shared():
    with pytest.raises(Mistake) as caught:
        parse("INPUT -> CONV 6 groups 4")
    assert "remedy    4 or 8 filters, or groups 3 or 6" in str(caught.value)
