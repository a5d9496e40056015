"""operations: each torch function with its arguments is the word that makes torch's own shapes, or a Foreign."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchbeam.design.layers import INPUT
from torchbeam.design.sizing import output
from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    Activation,
    BatchNorm,
    Conv,
    Fc,
    Flatten,
    Foreign,
    Join,
    Lrn,
    Pool,
    Shortcut,
    Softmax,
    Up,
)
from torchbeam.network.operations import ANYWHERE, OPERATIONS, PLAIN, STANDING, TAKES, said
from torchbeam.network.trace import Call, Trace

torch.set_num_threads(1)
VOLUME = Volume(4, 9, 12)
NONE = ((0, 0), (0, 0))
ONE = ((1, 1), (1, 1))


class Runs(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run
        self.weight = nn.Parameter(torch.ones(8, 4, 3, 3))
        self.bias = nn.Parameter(torch.ones(8))
        self.row = nn.Parameter(torch.ones(5, 4))

    def forward(self, x):
        return self.run(self, x)


def drafts_of(run, volume=VOLUME):
    """What a function of the module and the picture is; what it gives has torch's own shape."""
    module = Runs(run).eval()
    with torch.no_grad():
        judged = module(torch.rand(1, volume.channels, volume.height, volume.width))
    module = module.to("meta")
    with torch.device("meta"), torch.no_grad():
        picture = torch.empty(1, volume.channels, volume.height, volume.width)
        trace = Trace(module, picture, OPERATIONS, {})
        with trace:
            out = module(picture)
    value = trace.take(out)
    assert out.shape == judged.shape
    assert trace.volume(value.place).neurons == judged.numel()
    return trace.drafts


def word_of(run, volume=VOLUME):
    """The word of a function that is one row, whose arithmetic gives the shape that torch gave."""
    drafts = drafts_of(run, volume)
    draft, *others = [draft for draft in drafts if not draft.extra]
    assert {each.word for each in others} <= {draft.word}  # a row for each tensor that it gives
    assert drafts[0].sources[0] == INPUT
    if not isinstance(draft.word, Foreign | Join):
        assert output(draft.word, volume, draft.fit) == draft.output
    return draft.word


WINDOWS = [
    (lambda m, x: F.conv2d(x, m.weight), Conv(8, (3, 3), padding=NONE, bias=False)),
    (
        lambda m, x: F.conv2d(x, m.weight, m.bias, (2, 1), (1, 2), (1, 2)),
        Conv(8, (3, 3), (2, 1), ((1, 1), (2, 2)), (1, 2), 1, True),
    ),
    (
        lambda m, x: F.conv2d(x, m.weight[:, :2], groups=2, padding=1),
        Conv(8, (3, 3), padding=ONE, groups=2, bias=False),
    ),
    (
        lambda m, x: F.conv2d(x, m.weight[..., :2, :], padding="same"),
        Conv(8, (2, 3), padding=((0, 1), (1, 1)), bias=False),
    ),
    (lambda m, x: torch.conv2d(input=x, weight=m.weight, padding="valid"), Conv(8, (3, 3), padding=NONE, bias=False)),
    (lambda m, x: F.max_pool2d(x, 3), Pool("max", "window", (3, 3), (3, 3))),
    (lambda m, x: F.max_pool2d(x, (3, 2), stride=2, padding=1), Pool("max", "window", (3, 2), (2, 2), ONE)),
    (lambda m, x: F.max_pool2d(x, 2, ceil_mode=True), Pool("max", "window", (2, 2), (2, 2))),
    (lambda m, x: F.avg_pool2d(x, 3, 1, 1), Pool("avg", "window", (3, 3), (1, 1), ONE)),
    (lambda m, x: F.avg_pool2d(x, 3, 1, 1, False, False), Pool("avg", "window", (3, 3), (1, 1), ONE, "valid")),
    (lambda m, x: F.lp_pool2d(x, 2, 3), Pool("l2", "window", (3, 3), (3, 3))),
    (lambda m, x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 1), Pool("avg", "window", (3, 3), (1, 1), ONE)),
    (lambda m, x: F.adaptive_avg_pool2d(x, 1), Pool("avg", "global")),
    (lambda m, x: F.adaptive_avg_pool2d(x, (2, 5)), Pool("avg", to=(2, 5))),
    (lambda m, x: nn.AdaptiveMaxPool2d((3, None))(x), Pool("max", to=(3, 12))),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("run", "word"), WINDOWS)
def test_windows_are_their_words_in_torchs_own_shape(run, word):
    found = word_of(run)
    assert isinstance(found, Conv | Pool)
    assert replace(found, fit=None) == word


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size", [(2, 1), (2, 3), (3, 2), (4, 3), (5, 2)])
def test_windows_that_do_not_fit_are_cropped_or_padded_as_torch_does(size, ceil_mode):
    found = word_of(lambda m, x: F.max_pool2d(x, *size, ceil_mode=ceil_mode))
    assert isinstance(found, Pool)
    exact = all((side - size[0]) % size[1] == 0 for side in (9, 12))
    cropped, padded = (F.max_pool2d(torch.rand(1, 4, 9, 12), *size, ceil_mode=mode).shape for mode in (False, True))
    assert found.fit == (None if exact else "pad" if ceil_mode and cropped != padded else "crop")


@pytest.mark.parametrize(("name", "function"), [(name, getattr(F, name)) for name in PLAIN])
def test_plain_activations_are_called_as_torch_calls_them(name, function):
    assert word_of(lambda m, x: function(x)) == Activation(name.upper())


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (lambda m, x: F.leaky_relu(x, 0.2), Activation("LEAKYRELU", 0.2)),
        (lambda m, x: F.elu(x, alpha=0.5), Activation("ELU", 0.5)),
        (lambda m, x: F.celu(x, 2.0), Activation("CELU", 2.0)),
        (lambda m, x: F.hardtanh(x), Activation("HARDTANH")),
        (lambda m, x: F.hardtanh(x, 0.0, 6.0), Activation("RELU6")),
        (lambda m, x: F.gelu(x), Activation("GELU")),
        (lambda m, x: x.arctan(), Activation("ARCTAN")),
        (lambda m, x: x.sin(), Activation("SINE")),
        (lambda m, x: F.softplus(x), Activation("SOFTPLUS")),
        (lambda m, x: F.relu_(x), Activation("RELU")),
        (lambda m, x: F.relu(x.permute(0, 2, 3, 1), inplace=True), Activation("RELU")),
        (lambda m, x: torch.sigmoid(input=x), Activation("SIGMOID")),
    ],
)
def test_activations_have_their_arguments(run, word):
    assert word_of(run) == word


def test_one_prelu_slope_is_a_word_and_several_are_foreign():
    assert isinstance(word_of(lambda m, x: F.prelu(x, m.bias[:1])), Activation)
    assert word_of(lambda m, x: F.prelu(x, m.bias[:4])) == Foreign("prelu", biases=8)


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (lambda m, x: F.interpolate(x, scale_factor=2), Up(2)),
        (lambda m, x: F.interpolate(x, size=(27, 36), mode="bilinear"), Up(3, "bilinear")),
        (lambda m, x: F.interpolate(x, scale_factor=(2, 2), mode="nearest-exact"), Up(2)),
        (lambda m, x: F.local_response_norm(x, 5, 2e-4, k=2.0), Lrn(5, 2e-4, 0.75, 2.0)),
        (lambda m, x: torch.softmax(x, 1), Softmax()),
        (lambda m, x: F.softmax(x, dim=-3), Softmax()),
        (lambda m, x: torch.flatten(x, 1), Flatten()),
        (lambda m, x: x.reshape(1, -1), Flatten()),
        (lambda m, x: x.amax((2, 3)), Pool("max", "global")),
        (lambda m, x: x.mean((-1, -2), keepdim=True), Pool("avg", "global")),
        (lambda m, x: x[:, :, ::3, ::2], Shortcut(4, (3, 2))),
        (lambda m, x: F.pad(x, (0, 0, 0, 0, 1, 2)), Shortcut(7)),
        (lambda m, x: x + x, Join("sum")),
        (lambda m, x: torch.cat([x, x, x], -3), Join("concat")),
    ],
)
def test_what_else_has_a_word_is_that_word(run, word):
    assert word_of(run) == word


def test_batch_norm_is_a_word_where_it_learns_both():
    def normed(m, x, weight=True):
        zeros = torch.zeros(4)
        return F.batch_norm(x, zeros, zeros, m.bias[:4] if weight else None, m.bias[4:], eps=1e-3)

    drafts = drafts_of(normed)
    assert drafts[-1].word == BatchNorm(1e-3, 0.1)
    assert word_of(lambda m, x: normed(m, x, False)) == Foreign("batch_norm", biases=8)


def test_fc_takes_all_numbers_of_one_picture():
    narrow = Volume(4, 1, 1)
    assert drafts_of(lambda m, x: F.linear(x.flatten(1), m.row), narrow)[-1].word == Fc(5, bias=False)
    assert drafts_of(lambda m, x: F.linear(x.view(-1, 4), m.row, m.bias[:5]), narrow)[-1].word == Fc(5)


def test_a_linear_over_channels_alone_is_local_and_counts_every_position():
    macs = 9 * 12 * 4 * 5
    for run in (lambda m, x: F.linear(x.movedim(1, -1), m.row), lambda m, x: x.movedim(1, -1) @ m.row.T):
        (draft,) = drafts_of(run)
        assert isinstance(draft.word, Foreign)
        assert (draft.word.weights, draft.word.macs, draft.word.local) == (20, macs, True)
        assert draft.output == Volume(5, 9, 12)


FOREIGN = [
    (lambda m, x: F.max_pool2d(x, 2, dilation=2), "max_pool2d", False),
    (lambda m, x: F.max_pool2d(x, 3, return_indices=True)[0], "max_pool2d_with_indices", False),
    (lambda m, x: F.avg_pool2d(x, 3, divisor_override=2), "avg_pool2d", False),
    (lambda m, x: F.lp_pool2d(x, 3, 3), "lp_pool2d", False),
    (lambda m, x: F.gelu(x, approximate="tanh"), "gelu", True),
    (lambda m, x: F.hardtanh(x, -2, 2), "hardtanh", True),
    (lambda m, x: F.softplus(x, beta=2), "softplus", True),
    (lambda m, x: F.interpolate(x, scale_factor=(2, 3)), "interpolate", False),
    (lambda m, x: F.interpolate(x, scale_factor=2, mode="bicubic"), "interpolate", False),
    (lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), "interpolate", False),
    (lambda m, x: F.pixel_shuffle(x, 2), "pixel_shuffle", False),
    (lambda m, x: x.flip(3), "flip", False),
    (lambda m, x: torch.cumsum(x, 2), "cumsum", False),
    (lambda m, x: torch.roll(x, 1, 2), "roll", False),
    (lambda m, x: F.unfold(x, 3), "unfold", False),
    (lambda m, x: x[:, [0, 2]], "slice", False),
    (lambda m, x: torch.softmax(x, 3), "softmax", False),
    (lambda m, x: torch.log_softmax(x, 1), "log_softmax", True),
    (lambda m, x: F.glu(x, 1), "glu", True),
    (lambda m, x: x.sum((2, 3)), "sum", False),
    (lambda m, x: x.max(1)[0], "max", True),
    (lambda m, x: torch.max(x, torch.zeros(1)), "max", True),
    (lambda m, x: torch.min(x, x.new_zeros(4, 1, 1)), "min", True),
    (lambda m, x: x * 0.5, "mul", True),
    (lambda m, x: torch.add(x, x, alpha=2), "add", True),
    (lambda m, x: torch.cat([x, torch.zeros_like(x)], 1), "cat", False),
    (lambda m, x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "pad", True),
    (lambda m, x: F.pad(x, (1, 1, 1, 1), mode="circular"), "pad", False),
    (lambda m, x: F.layer_norm(x, (9, 12)), "layer_norm", False),
    (lambda m, x: F.layer_norm(x.movedim(1, -1), (4,)), "layer_norm", True),
]


@pytest.mark.parametrize(("run", "kind", "local"), FOREIGN)
def test_what_no_word_says_is_foreign_and_local_only_from_its_own_position(run, kind, local):
    assert word_of(run) == Foreign(kind, local=local)


def test_a_foreign_counts_its_parameters_and_torchs_own_multiplications():
    transposed = word_of(lambda m, x: F.conv_transpose2d(x, m.weight[:4], m.bias[:4], 2))
    assert transposed == Foreign("conv_transpose2d", 288, 8, 9 * 12 * 4 * 4 * 9, local=False)
    einsum = word_of(lambda m, x: torch.einsum("nchw,oc->nohw", x, m.row))
    assert einsum == Foreign("einsum", 20, 0, 9 * 12 * 4 * 5, local=False)


def test_what_only_moves_or_names_numbers_is_no_row():
    def run(m, x):
        x = F.dropout(x.contiguous().clone().float(), 0.5, training=False).detach()
        return x.permute(0, 2, 3, 1).unsqueeze(0).squeeze(0).movedim(-1, 1).view(1, 2, 2, 9, 12).flatten(1, 2)

    assert drafts_of(run) == []


def test_functions_of_several_tensors_keep_their_order():
    drafts = drafts_of(lambda m, x: torch.cat([x.relu(), x.sin(), x], 1))
    assert [(draft.op, draft.sources) for draft in drafts] == [
        ("relu", (INPUT,)),
        ("sin", (INPUT,)),
        ("cat", (0, 1, -1)),
    ]


def test_arguments_are_told_by_place_by_name_or_by_default():
    x = torch.zeros(1)

    def call(name, *args, **kwargs):
        return Call(name, args, kwargs, x, (x,), frozenset(), 0)

    found = said(call("avg_pool2d", x, 3, padding=1))
    assert found is not None
    assert (found.kernel_size, found.stride, found.padding, found.count_include_pad) == (3, None, 1, True)
    assert said(call("relu", x, True)) is not None
    assert said(call("relu", x, True, 1)) is None
    assert said(call("avg_pool2d", x, 3, colour="red")) is None


def test_every_table_is_of_functions_that_torch_has():
    homes = (torch, torch.Tensor, F, torch.ops.aten)
    assert {name for name in OPERATIONS if name and not any(hasattr(home, name) for home in homes)} == set()
    assert {*STANDING, *ANYWHERE} <= OPERATIONS.keys()
    assert TAKES.keys() <= OPERATIONS.keys()
