"""trace: what one watched run of a module records, judged by torch itself."""

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from torchbeam.design.layers import INPUT
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation, Conv, Fc, Foreign, Join
from torchbeam.network.operations import OPERATIONS
from torchbeam.network.read import WHOLE
from torchbeam.network.trace import Piece, Trace, guessed, laid, left, ranges, resized, tensors, viewed

torch.set_num_threads(1)
VOLUME = Volume(6, 4, 8)


class Runs(nn.Module):
    """Runs a function of itself and the picture."""

    def __init__(self, run, **children):
        super().__init__()
        self.run = run
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, x):
        return self.run(self, x)


def watch(module, volume=VOLUME, operations=OPERATIONS, whole=WHOLE):
    """The trace of a run on the meta device, and what came out."""
    module = module.to("meta").eval()
    with torch.device("meta"), torch.no_grad():
        picture = torch.empty(1, volume.channels, volume.height, volume.width)
        trace = Trace(module, picture, operations, whole)
        with trace:
            out = module(picture)
    return trace, out


def numbered(volume):
    """A picture whose numbers say where they are from."""
    return torch.arange(volume.neurons).reshape(1, volume.channels, volume.height, volume.width)


def places(dim, volume):
    """What numbers of `numbered` the dims' pieces say lie along one dimension."""
    strides = {"C": volume.height * volume.width, "H": volume.width, "W": 1}
    at = torch.zeros(1, dtype=torch.long)
    for piece in dim:
        at = (at[:, None] + torch.arange(piece.extent) * piece.step * strides[piece.axis]).flatten()
    return at


def said_by(dims, volume):
    """The tensor that dims say lies before us, number by number."""
    found = torch.zeros((), dtype=torch.long)
    for dim in dims:
        found = found[..., None] + places(dim, volume)
    return found


# How dimensions lie on a volume


def test_dims_say_where_each_number_lies():
    assert laid(VOLUME) == ((), (Piece("C", 1, 6),), (Piece("H", 1, 4),), (Piece("W", 1, 8),))
    assert laid(Volume(5, 1, 1), 2) == ((), (Piece("C", 1, 5),))
    assert torch.equal(said_by(laid(VOLUME), VOLUME), numbered(VOLUME))
    assert torch.equal(said_by(laid(VOLUME, 2), VOLUME), numbered(VOLUME).flatten(1))


@pytest.mark.parametrize("shape", [(1, 2, 3, 4, 8), (1, 6, 32), (6, 2, 2, 2, 4), (1, 192), (1, 24, 8), (3, 2, 32, 1)])
def test_views_are_those_of_torch(shape):
    dims = viewed(laid(VOLUME), shape)
    assert dims is not None
    assert torch.equal(said_by(dims, VOLUME), numbered(VOLUME).reshape(shape))
    assert viewed(dims, (1, 6, 4, 8)) == laid(VOLUME)


@pytest.mark.parametrize("shape", [(1, 4, 6, 8), (1, 191), (1, 6, 4), (1, 6, 4, 8, 2)])
def test_views_that_tear_a_piece_are_unknown(shape):
    assert viewed(laid(VOLUME), shape) is None


def test_dimensions_that_shrink_leave_a_smaller_volume():
    assert resized(laid(VOLUME), (1, 6, 2, 8)) == (Volume(6, 2, 8), laid(Volume(6, 2, 8)))
    assert resized(laid(VOLUME), (1, 1, 4, 8)) == (Volume(1, 4, 8), laid(Volume(1, 4, 8)))
    patches = viewed(laid(VOLUME), (1, 6, 2, 2, 2, 4)) or ()
    volume, dims = resized(patches, (1, 6, 2, 1, 2, 4)) or (Volume(1, 1, 1), ())
    assert volume == Volume(6, 2, 8)
    assert viewed(dims, (1, 6, 2, 8)) == laid(volume)
    assert resized(laid(VOLUME, 2), (1, 100)) is None


def test_a_tensor_from_nowhere_is_a_picture_or_tokens():
    assert guessed((1, 3, 4, 5)) == (Volume(3, 4, 5), laid(Volume(3, 4, 5)))
    assert guessed((1, 7, 5)) == (Volume(5, 7, 1), ((), (Piece("H", 1, 7),), (Piece("C", 1, 5),)))
    assert guessed(()) == (Volume(1, 1, 1), ())


INDICES = [
    (slice(None), slice(1, 5, 2)),
    (0, ..., slice(None, None, 3)),
    (..., -1),
    (slice(None), None, 2),
    (slice(None), -2, slice(-3, None)),
    0,
    ...,
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_ranges_are_what_torch_takes(index):
    picture = numbered(VOLUME)
    taken = ranges(index, picture.shape)
    assert taken is not None
    found = picture
    for dim, each in enumerate(taken):
        found = found.index_select(dim, torch.tensor(each))
    assert torch.equal(found.flatten(), picture[index].flatten())


def test_indices_of_more_than_slices_have_no_ranges():
    assert ranges([0, 1], (3, 4)) is None
    assert ranges((slice(None), torch.tensor([0])), (3, 4)) is None


def test_the_dimension_that_went_is_told_only_where_it_can_be():
    assert left((1, 3, 4, 5), (1, 3, 5)) == [1, 3, 1, 5]
    assert left((1, 3, 4, 5), (1, 3, 2, 5)) == [1, 3, 2, 5]
    assert left((1, 3, 4, 4), (1, 3, 4)) is None


def test_tensors_are_found_wherever_arguments_keep_them():
    a, b, c = torch.zeros(3).unbind()
    assert [id(each) for each in tensors(([a, 1, "x"], {"k": b, "n": None}, (c,)))] == [id(a), id(b), id(c)]


# What a run records


def test_each_layer_has_its_word_its_sources_and_what_it_gives():
    def run(self, x):
        y = self.conv(x)
        return self.fc(torch.flatten(F.relu(y) + y, 1))

    trace, out = watch(Runs(run, conv=nn.Conv2d(6, 3, 3), fc=nn.Linear(36, 5)))
    assert [(draft.op, type(draft.word), draft.sources, str(draft.output)) for draft in trace.drafts] == [
        ("conv2d", Conv, (INPUT,), "6x2x3"),
        ("relu", Activation, (0,), "6x2x3"),
        ("add", Join, (1, 0), "6x2x3"),
        ("flatten", type(trace.drafts[3].word), (2,), "1x1x36"),
        ("linear", Fc, (3,), "1x1x5"),
    ]
    assert out.shape == (1, 5)
    assert trace.take(out).place == 4
    assert trace.drafts[0].carried == {"conv.weight", "conv.bias"}


def test_rows_know_the_module_that_was_running():
    relu = nn.ReLU()
    inner = nn.Sequential(nn.Conv2d(6, 6, 1), nn.Sequential(relu))
    trace, _ = watch(Runs(lambda self, x: F.gelu(self.inner(x)), inner=inner))
    assert [draft.frame.path for draft in trace.drafts] == ["inner.0", "inner.1.0", ""]
    assert [draft.frame.calls for draft in trace.drafts] == [False, False, True]
    assert trace.drafts[1].frame.module is relu
    assert trace.frame.path == ""


MOVES = {
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(1, 3),
    "flatten": lambda x: x.flatten(2).transpose(1, 2),
    "patches": lambda x: x.reshape(1, 6, 2, 2, 4, 2).permute(0, 2, 4, 3, 5, 1),
    "shuffle": lambda x: x.view(1, 2, 3, 4, 8).transpose(1, 2).reshape(1, 6, 4, 8),
    "whole slice": lambda x: x[:, :, 0:4].unsqueeze(0),
    "contiguous": lambda x: x.movedim(1, -1).contiguous().clone(),
}


@pytest.mark.parametrize("name", MOVES)
def test_moved_numbers_lie_where_torch_moves_them(name):
    trace, out = watch(Runs(lambda _, x: MOVES[name](x)))
    value = trace.values[id(out)]
    assert trace.drafts == []
    assert value.place == INPUT
    assert torch.equal(said_by(value.dims, VOLUME), MOVES[name](numbered(VOLUME)))


def test_what_is_cut_off_is_a_row_and_lies_on_what_is_left():
    trace, out = watch(Runs(lambda _, x: x.permute(0, 2, 3, 1)[:, 1:, :, 2]))
    (draft,) = trace.drafts
    assert (draft.word, draft.output) == (Foreign("slice"), Volume(1, 3, 8))
    assert torch.equal(said_by(trace.values[id(out)].dims, draft.output), torch.arange(24).reshape(1, 3, 8))


@pytest.mark.parametrize(
    ("call", "op"),
    [
        (lambda x: torch.relu_(x * 1), "relu"),
        (lambda x: operator.iadd(x * 1, x), "add"),
        (lambda x: 1 - x, "rsub"),
        (lambda x: 2 / x, "div"),
        (lambda x: torch.concat((x, x), dim=1), "cat"),
        (lambda x: x.mean(axis=(2, 3), keepdims=True), "mean"),
        (lambda x: x[:, :3], "slice"),
    ],
)
def test_a_function_has_one_name_however_it_is_called(call, op):
    trace, out = watch(Runs(lambda _, x: call(x)))
    assert trace.drafts[trace.take(out).place].op == op


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: x.to(torch.device("cpu"), torch.float64),
        lambda x: x.to(device="cpu", dtype=torch.float16),
        lambda x: x.to(0, non_blocking=True),
        lambda x: x.to(torch.zeros(1, dtype=torch.float64)),
    ],
)
def test_moving_to_a_device_stays_where_there_are_no_numbers(move):
    trace, out = watch(Runs(lambda _, x: F.relu(move(x))))
    assert out.device.type == "meta"
    assert [(draft.op, draft.sources) for draft in trace.drafts] == [("relu", (INPUT,))]


def test_types_are_kept_where_a_device_is_named():
    assert watch(Runs(lambda _, x: x.to("cpu", torch.float16)))[1].dtype == torch.float16


def test_what_takes_no_picture_is_no_row_but_its_parameters_are_followed():
    linear = nn.Linear(6, 4)
    trace, _ = watch(Runs(lambda self, x: F.conv2d(x, (self.fc.weight * 2)[:, :, None, None]), fc=linear))
    (draft,) = trace.drafts
    assert draft.carried == {"fc.weight"}
    assert trace.sizes == {"fc.weight": 24, "fc.bias": 4}


@pytest.mark.parametrize(
    "used", [lambda out, last: out, lambda out, last: last, lambda out, last: out[:, -1] + last[-1]]
)
def test_an_operation_that_gives_several_tensors_counts_once_whichever_is_used(used):
    gru = nn.GRU(6, 5, batch_first=True)
    trace, out = watch(Runs(lambda self, x: used(*self.gru(x.flatten(2).transpose(1, 2))), gru=gru))
    waiting, needed = [trace.take(out).place], set()
    while waiting:
        place = waiting.pop()
        if place != INPUT:
            needed.add(place)
            waiting += trace.drafts[place].sources
    foreign = [trace.drafts[place].word for place in needed if isinstance(trace.drafts[place].word, Foreign)]
    assert sum(word.weights + word.biases for word in foreign) == sum(p.numel() for p in gru.parameters())
    assert sum(word.macs for word in foreign) == 32 * (6 * 15 + 5 * 15)


def test_what_an_operation_gives_in_a_shape_of_its_input_keeps_its_layout():
    attention = nn.MultiheadAttention(6, 2, batch_first=True)
    trace, out = watch(Runs(lambda self, x: self.a(*(x.flatten(2).transpose(1, 2),) * 3)[0], a=attention))
    value = trace.take(out)
    assert trace.volume(value.place) == VOLUME
    assert viewed((value.dims[0], value.dims[2], value.dims[1]), (1, 6, 4, 8)) == laid(VOLUME)


def test_padding_waits_for_its_window_and_is_a_row_where_none_comes():
    trace, out = watch(Runs(lambda _, x: F.pad(x, (1, 2, 3, 4))))
    assert trace.drafts == []
    assert trace.values[id(out)].pad == ((3, 4), (1, 2))
    assert trace.volume(trace.take(out).place) == Volume(*out.shape[1:])
    assert [draft.op for draft in trace.drafts] == ["pad"]


def test_tokens_are_settled_by_a_row_that_rearranges_them():
    trace, out = watch(Runs(lambda _, x: F.max_pool2d(x.permute(0, 2, 1, 3), 2)))
    assert [(draft.op, draft.output) for draft in trace.drafts] == [
        ("rearrange", Volume(4, 6, 8)),
        ("max_pool2d", Volume(*out.shape[1:])),
    ]


# Nothing stays behind


def stacks():
    everywhere = nn.modules.module
    hooks = (everywhere._global_forward_hooks, everywhere._global_forward_pre_hooks)
    return _get_current_function_mode_stack(), _get_current_dispatch_mode_stack(), [dict(each) for each in hooks]


@pytest.mark.parametrize("child", [nn.Conv2d(5, 3, 3), nn.Dropout(0.5), nn.MaxPool2d(9)])
def test_all_is_put_back_after_an_error_or_none(child):
    before = stacks()
    module = Runs(lambda self, x: self.child(x), child=child).to("meta").eval()
    picture = torch.empty(1, 6, 4, 8, device="meta")
    trace = Trace(module, picture, OPERATIONS, WHOLE)
    try:
        with trace:
            module(picture)
    except RuntimeError as error:
        assert trace.failure is not None
        assert trace.failure.error is error
        assert (trace.failure.frame.path, trace.failure.tensors[0] is picture) == ("child", True)
    assert trace.fault is None
    assert stacks() == before
    assert (trace.frame.path, trace._quiet, len(trace._frames)) == ("", 0, 1)


def test_an_error_of_the_watching_is_told_from_one_of_the_module():
    def broken(trace, call):
        raise KeyError(call.name)

    before = stacks()
    with pytest.raises(KeyError) as caught:
        watch(Runs(lambda _, x: x.relu()), operations={**OPERATIONS, "relu": broken})
    assert caught.value.args == ("relu",)
    assert stacks() == before


def test_an_error_that_the_module_catches_leaves_the_stack_as_it_was():
    def run(self, x):
        try:
            self.child(x)
        except RuntimeError:
            return x.relu()

    trace, _ = watch(Runs(run, child=nn.Conv2d(5, 3, 3)))
    assert [(draft.op, draft.frame.path) for draft in trace.drafts] == [("relu", "")]
