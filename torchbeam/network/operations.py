"""OPERATIONS: what each torch function is among the words of the notation.

A word is taken only where its own arithmetic gives the shape that torch gave. What has no word becomes a Foreign:
local where each number is made from its own position alone.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from torchbeam.design.activations import ACTIVATIONS
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
    Pads,
    Pool,
    Shortcut,
    Size,
    Softmax,
    Up,
    Word,
)
from torchbeam.errors import DesignError
from torchbeam.network.trace import Call, Operation, Trace, Value, laid, left, ranges, resized, tensors, viewed

# What torch's functions take, in their order, and what stands where it is left out.
_POOLS = {"input": None, "kernel_size": 2, "stride": None, "padding": 0}
TAKES: dict[str, dict[str, Any]] = {
    "conv2d": {"input": 0, "weight": 0, "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    "max_pool2d": _POOLS | {"dilation": 1, "ceil_mode": False, "return_indices": False},
    "avg_pool2d": _POOLS | {"ceil_mode": False, "count_include_pad": True, "divisor_override": None},
    "lp_pool2d": {"input": None, "norm_type": 2, "kernel_size": 2, "stride": None, "ceil_mode": False},
    "adaptive_avg_pool2d": {"input": None, "output_size": 1},
    "adaptive_max_pool2d": {"input": None, "output_size": 1, "return_indices": False},
    "batch_norm": dict.fromkeys(("input", "running_mean", "running_var", "weight", "bias"))
    | {"training": False, "momentum": 0.1, "eps": 1e-5},
    "local_response_norm": {"input": None, "size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
    "interpolate": dict.fromkeys(("input", "size", "scale_factor"))
    | {"mode": "nearest", "align_corners": None, "recompute_scale_factor": None, "antialias": False},
    "leaky_relu": {"input": None, "negative_slope": 0.01, "inplace": False},
    "prelu": {"input": None, "weight": None},
    **{name: {"input": None, "alpha": 1.0, "inplace": False} for name in ("elu", "celu")},
    "hardtanh": {"input": None, "min_val": -1.0, "max_val": 1.0, "inplace": False},
    "gelu": {"input": None, "approximate": "none"},
    "softplus": {"input": None, "beta": 1, "threshold": 20},
    "pad": {"input": None, "pad": (), "mode": "constant", "value": None},
    "cat": {"tensors": (), "dim": 0},
    **{name: {"input": None, "weight": None, "bias": None} for name in ("linear", "matmul")},
}
Said = SimpleNamespace
Maker = Callable[[Said], Word | None]


def said(call: Call) -> Said | None:
    """The arguments of a call by their names; None where it has one that is not known here."""
    takes = TAKES.get(call.name, {"input": None, "inplace": False})
    if len(call.args) > len(takes) or not call.kwargs.keys() <= takes.keys():
        return None
    return Said(**takes | dict(zip(takes, call.args, strict=False)) | call.kwargs)


def _pair(value: Any) -> Size:
    both = (value, value) if isinstance(value, int) else tuple(value) * (2 if len(value) == 1 else 1)
    return (both[0], both[1])


def _even(value: Any) -> Pads:
    down, across = _pair(value)
    return ((down, down), (across, across))


# Words, by the arguments of their functions. None: something that the word does not say.


def _conv(a: Said) -> Word:
    kernel, spread = _pair(a.weight.shape[2:]), _pair(a.dilation)
    pads = _even(0 if isinstance(a.padding, str) else a.padding)
    if a.padding == "same":  # the odd pixel goes behind
        down, across = (d * (k - 1) for k, d in zip(kernel, spread, strict=True))
        pads = ((down // 2, down - down // 2), (across // 2, across - across // 2))
    return Conv(a.weight.shape[0], kernel, _pair(a.stride), pads, spread, a.groups, a.bias is not None)


def _pool(kind: Any, a: Said, count: Any = "all") -> Word:
    pads = _even(getattr(a, "padding", 0))
    size = _pair(a.kernel_size)
    return Pool(kind, "window", size, _pair(a.stride or size), pads, count if pads != _even(0) else "all")


def _adaptive(kind: Any, a: Said) -> Word:
    sizes = (a.output_size,) * 2 if isinstance(a.output_size, int | None) else tuple(a.output_size)
    down, across = (own if size is None else size for size, own in zip(sizes, a.input.shape[-2:], strict=True))
    return Pool(kind, "global") if (down, across) == (1, 1) else Pool(kind, to=(down, across))


def _up(a: Said) -> Word | None:
    factors = a.scale_factor if isinstance(a.scale_factor, tuple | list) else (a.scale_factor,)
    if a.size is not None:
        factors = [made / own for made, own in zip(_pair(a.size), a.input.shape[2:], strict=True)]
    by, *others = {float(factor) for factor in factors}
    modes: dict[str, Any] = {"nearest": "nearest", "nearest-exact": "nearest", "bilinear": "bilinear"}
    exact = not others and by.is_integer() and a.mode in modes and not a.align_corners
    return Up(int(by), modes[a.mode]) if exact else None


STANDING: dict[str, Maker] = {
    "conv2d": _conv,
    "max_pool2d": lambda a: _pool("max", a) if _pair(a.dilation) == (1, 1) else None,
    "avg_pool2d": lambda a: None if a.divisor_override else _pool("avg", a, "all" if a.count_include_pad else "valid"),
    "lp_pool2d": lambda a: _pool("l2", a) if a.norm_type == 2 else None,
    "adaptive_avg_pool2d": lambda a: _adaptive("avg", a),
    "adaptive_max_pool2d": lambda a: _adaptive("max", a),
    "batch_norm": lambda a: BatchNorm(a.eps, a.momentum) if a.weight is not None and a.bias is not None else None,
    "local_response_norm": lambda a: Lrn(a.size, a.alpha, a.beta, a.k),
    "interpolate": _up,
}
ANYWHERE: dict[str, Maker] = {
    "leaky_relu": lambda a: Activation("LEAKYRELU", float(a.negative_slope)),
    "prelu": lambda a: Activation("PRELU", ACTIVATIONS["PRELU"].default) if a.weight.numel() == 1 else None,
    "elu": lambda a: Activation("ELU", float(a.alpha)),
    "celu": lambda a: Activation("CELU", float(a.alpha)),
    "hardtanh": lambda a: {(-1, 1): Activation("HARDTANH"), (0, 6): Activation("RELU6")}.get((a.min_val, a.max_val)),
    "gelu": lambda a: Activation("GELU") if a.approximate == "none" else None,
    "atan": lambda _: Activation("ARCTAN"),
    "sin": lambda _: Activation("SINE"),
    "softplus": lambda a: Activation("SOFTPLUS") if (a.beta, a.threshold) == (1, 20) else None,
}
PLAIN = ("relu", "relu6", "sigmoid", "hardsigmoid", "tanh", "softsign", "selu", "silu", "hardswish", "mish")
ANYWHERE |= {
    name: lambda _, kind=kind: Activation(kind) for name, kind in zip(PLAIN, map(str.upper, PLAIN), strict=True)
}


def _made(make: Maker, call: Call) -> Word | None:
    """The word that the arguments say; None where there is none."""
    arguments = said(call)
    with suppress(DesignError):
        return None if arguments is None else make(arguments)


def _anywhere(make: Maker) -> Operation:
    """A word that takes its input as it lies."""

    def operation(trace: Trace, call: Call) -> None:
        word = _made(make, call)
        if word is None or len(call.live) > 1:
            return trace.foreign(call, local=True)
        return kept(trace, call, word)

    return operation


def kept(trace: Trace, call: Call, word: Word) -> None:
    """The row of a word that changes neither shape nor layout."""
    value = trace.take(call.live[0])
    trace.give(next(tensors(call.out)), trace.add(call, word, (value,), trace.volume(value.place), value.dims))


def _standing(make: Maker) -> Operation:
    """A word that takes N, C, H, W or N x features."""

    def operation(trace: Trace, call: Call) -> None:
        word = _made(make, call) if len(call.live) == 1 else None
        if word is None or not placed(trace, call, word):
            trace.foreign(call, local=call.name == "batch_norm")

    return operation


def placed(trace: Trace, call: Call, word: Word) -> bool:
    """Adds the row of a word where its arithmetic gives what torch gave."""
    (tensor,), (out, *others) = call.live, tensors(call.out)
    padded = _padded(word, trace.values[id(tensor)])
    value = trace.settle(tensor) if padded is None else trace.values[id(tensor)]
    word = padded or word
    if value is None or others or out.dim() not in (2, 4):
        return False
    before, made = trace.volume(value.place), Volume(*(*out.shape[1:], 1, 1)[:3])
    for fit in ("error", "crop", "pad"):
        with suppress(DesignError):
            if output(word, before, fit) == made:
                if fit != "error" and isinstance(word, Conv | Pool):
                    word = replace(word, fit=fit)
                row = trace.add(call, word, (value,), made, laid(made, out.dim()), "crop" if fit == "error" else fit)
                trace.give(out, row)
                return True
    return False


def _padded(word: Word, value: Value) -> Word | None:
    """The word with the padding that was put around its input before; None where it cannot be its own."""
    fillers = {"max": -inf, "avg": 0.0, "l2": 0.0}
    if value.pad is None or not isinstance(word, Conv | Pool) or (isinstance(word, Pool) and word.kernel_size is None):
        return None
    own = word.pads if isinstance(word, Conv) else word.padding
    filler = 0.0 if isinstance(word, Conv) else fillers[word.kind or "max"]
    if value.filler != filler or (isinstance(word, Pool) and own != _even(0)):
        return None
    (a, b), (c, d) = own
    (top, bottom), (left, right) = value.pad
    with suppress(DesignError):
        return replace(word, padding=((a + top, b + bottom), (c + left, d + right)))


# What only moves numbers about.


def _same(trace: Trace, call: Call) -> None:
    """Out comes what went in, whatever its type or place in memory."""
    out = next(tensors(call.out))
    same = out.shape == call.live[0].shape
    return trace.give(out, trace.values[id(call.live[0])]) if same else trace.foreign(call, local=False)


def _permuted(trace: Trace, call: Call) -> None:
    """Other orders of the same dimensions, told by the strides of the view that came."""
    tensor, out = call.live[0], next(tensors(call.out))
    value = trace.take(tensor)
    sides = dict(zip(zip(tensor.shape, tensor.stride(), strict=True), value.dims, strict=True))
    dims = [() if side[0] == 1 else sides.get(side) for side in zip(out.shape, out.stride(), strict=True)]
    known = tuple(dim for dim in dims if dim is not None)
    if len(known) < len(dims) or out is tensor:
        return trace.foreign(call, local=False)
    return trace.give(out, replace(value, dims=known))


def _viewed(trace: Trace, call: Call) -> None:
    """Another shape. Down to N x features it is a FLATTEN, but for what `build` puts before an FC by itself."""
    tensor, out = call.live[0], next(tensors(call.out))
    value = trace.take(tensor)
    if out.dim() == 2 < tensor.dim() and out.shape[0] == 1:
        value = trace.settle(tensor) or value
        dims = viewed(value.dims, out.shape)
        before = trace.volume(value.place)
        if dims == ((), sum(laid(before)[1:], ())) and not trace.frame.path.endswith("-flatten"):
            made = Volume(before.neurons, 1, 1)
            return trace.give(out, trace.add(call, Flatten(), (value,), made, laid(made, 2)))
    dims = viewed(value.dims, out.shape)
    return trace.foreign(call, local=False) if dims is None else trace.give(out, replace(value, dims=dims))


def _sliced(trace: Trace, call: Call) -> None:
    """Some of the numbers: a row for what is cut off, and a SHORTCUT where only every s-th pixel is taken."""
    tensor, outs = call.live[0], tuple(tensors(call.out))
    taken = ranges(call.args[1], tensor.shape) if call.name == "slice" else None
    if len(call.live) > 1 or (call.name == "slice" and taken is None):
        return trace.foreign(call, local=False)
    for out in outs:
        sizes = [range(size) for size in left(tensor.shape, out.shape) or ()] if taken is None else taken
        value = _cut(trace, call, sizes)
        dims = viewed(value.dims, out.shape) if value else None
        if value is None or dims is None:
            return trace.foreign(call, local=False)
        trace.give(out, replace(value, dims=dims))
    return None


def _cut(trace: Trace, call: Call, taken: list[range]) -> Value | None:
    """What is left of a tensor; None where that cannot be told."""
    value = trace.take(call.live[0])
    if not all(taken) or len(taken) != len(value.dims):
        return None
    strides, spans = {"H": 1, "W": 1}, [len(each) for each in taken]
    for at, (dim, each) in enumerate(zip(value.dims, taken, strict=True)):
        if each.step > 1 and len(each) > 1 and {piece.axis for piece in dim} != {"C"}:
            spans[at] = min(call.live[0].shape[at] - each.start, len(each) * each.step)
            strides[dim[0].axis] = each.step
    rest = resized(value.dims, spans)
    if rest is None:  # channels that changed places have several pieces until they are settled
        return _cut(trace, call, taken) if trace.settle(call.live[0]) not in (None, value) else None
    if rest[0] != trace.volume(value.place):
        value = trace.add(call, Foreign(call.name), (value,), *rest)
    if set(strides.values()) == {1}:
        return replace(value, dims=rest[1])
    word, made = Shortcut(rest[0].channels, (strides["H"], strides["W"])), resized(rest[1], [len(e) for e in taken])
    return trace.add(call, word, (value,), *made) if made and output(word, rest[0], "error") == made[0] else None


def _pad(trace: Trace, call: Call) -> None:
    """Padding waits for the window behind it; zeros in depth are a SHORTCUT."""
    tensor, out, a = call.live[0], next(tensors(call.out)), said(call)
    if a is None or not any(a.pad):
        return trace.foreign(call, local=False) if a is None else _same(trace, call)
    near, far, top, bottom, front, back = (*a.pad, 0, 0, 0, 0, 0)[:6]
    filler = float(a.value or 0.0)
    if a.mode == "constant" and tensor.dim() == 4 and min(a.pad) >= 0 and not any(a.pad[6:]):
        value = trace.settle(tensor)
        if value is not None and not front + back:
            pad = ((top, bottom), (near, far))
            return trace.give(out, replace(value, pad=pad, filler=filler, padder=trace.frame))
        even = front == (front + back) // 2 and not any(a.pad[:4]) and filler == 0
        if even and placed(trace, call, Shortcut(tensor.shape[1] + front + back)):
            return None
    return trace.foreign(call, local=a.mode != "circular")


# What takes several tensors, or sums over some dimensions.


def _cat(trace: Trace, call: Call) -> None:
    a = said(call)
    if a is None or len(call.live) != len(a.tensors):
        return trace.foreign(call, local=False)
    values = _alike([trace.take(part) for part in a.tensors], a.dim)
    values = values or _alike([trace.settle(part) or trace.take(part) for part in a.tensors], a.dim)
    volumes = [trace.volume(value.place) for value in values]
    channels = all(value.dims[a.dim] == laid(volume)[1] for value, volume in zip(values, volumes, strict=True))
    if not values or not channels or len({(volume.height, volume.width) for volume in volumes}) > 1:
        return trace.foreign(call, local=False)
    if len(values) == 1:
        return trace.give(call.out, values[0])
    made = replace(volumes[0], channels=sum(volume.channels for volume in volumes))
    dims = list(values[0].dims)
    dims[a.dim] = laid(made)[1]
    return trace.give(call.out, trace.add(call, Join("concat"), values, made, tuple(dims)))


def _alike(values: list[Value], dim: int) -> list[Value]:
    """The values, where they lie alike but for one dimension; else none."""
    return values if len({(value.dims[:dim], value.dims[dim:][1:]) for value in values}) == 1 else []


def _add(trace: Trace, call: Call) -> None:
    terms, out = tuple(tensors(call.args)), next(tensors(call.out))
    if len(call.args) == 2 and not isinstance(call.args[1], Tensor) and call.args[1] == 0:
        return _same(trace, call)  # where sum() begins
    if not (2 <= len(call.live) == len(terms) == len(call.args) and not call.kwargs):
        return trace.foreign(call, local=True)
    values = [trace.take(term) for term in terms]
    if len({value.dims for value in values}) > 1:
        values = [trace.settle(term) or trace.take(term) for term in terms]
    volumes = {trace.volume(value.place) for value in values}
    if len(volumes) > 1 or len({value.dims for value in values}) > 1 or any(t.shape != out.shape for t in terms):
        return trace.foreign(call, local=True)
    return trace.give(out, trace.add(call, Join("sum"), values, volumes.pop(), values[0].dims))


def _linear(trace: Trace, call: Call) -> None:
    tensor, out, a = call.live[0], next(tensors(call.out)), said(call)
    value = trace.take(tensor)
    volume = trace.volume(value.place)
    if len(call.live) > 1 or a is None or tensor is not a.input:
        return trace.foreign(call, local=False)
    if tensor.numel() == tensor.shape[-1] == volume.neurons and call.name == "linear":
        made = Volume(out.shape[-1], 1, 1)
        dims = ((),) * (out.dim() - 1) + (laid(made)[1],)
        return trace.give(out, trace.add(call, Fc(made.channels, a.bias is not None), (value,), made, dims))
    if value.dims[-1] != laid(volume)[1] or out.dim() != tensor.dim():
        return trace.foreign(call, local=False)
    made = replace(volume, channels=out.shape[-1])
    dims = (*value.dims[:-1], laid(made)[1])
    return trace.give(out, trace.add(call, Foreign(call.name), (value,), made, dims))


def _softmax(trace: Trace, call: Call) -> None:
    dim = _dim(call)
    value = trace.take(call.live[0])
    channels = isinstance(dim, int) and value.dims[dim] == laid(trace.volume(value.place))[1]
    is_word = channels and call.name == "softmax"
    return kept(trace, call, Softmax()) if is_word else trace.foreign(call, local=channels)


def _dim(call: Call) -> Any:
    """The dimensions that a call names; None for all."""
    second = call.args[1] if len(call.args) > 1 and not isinstance(call.args[1], bool | Tensor) else None
    return call.kwargs.get("dim", second)


def _reduced(trace: Trace, call: Call) -> None:
    """Mean or maximum over all positions is a global pool; what goes over channels alone stays local."""
    tensor, out, *_ = (call.live[0], *tensors(call.out))
    if len([*tensors((call.args, call.kwargs))]) > 1:  # the maximum of two
        return trace.foreign(call, local=True)
    dim = _dim(call)
    over = range(tensor.dim()) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    over = {dim % max(1, tensor.dim()) for dim in over}
    value = trace.take(tensor)
    gone = {piece.axis for dim in over for piece in value.dims[dim]}
    rest = resized(value.dims, [1 if dim in over else size for dim, size in enumerate(tensor.shape)])
    dims = viewed(rest[1], out.shape) if rest else None
    if rest is None or dims is None:
        return trace.foreign(call, local=False)
    volume, kinds = trace.volume(value.place), {"mean": "avg", "amax": "max"}
    if call.name in kinds and gone <= {"H", "W"} and rest[0] == Volume(volume.channels, 1, 1):
        word = Pool(kinds[call.name], "global")  # type: ignore[arg-type]
        return trace.give(out, trace.add(call, word, (value,), rest[0], dims))
    word = Foreign(call.name, local=gone <= {"C"})
    for each in tensors(call.out):
        trace.give(each, trace.add(call, word, (value,), rest[0], dims))
    return None


def _layer_norm(trace: Trace, call: Call) -> None:
    value = trace.take(call.live[0])
    channels = value.dims[-1] == laid(trace.volume(value.place))[1]
    (shape,) = call.args[1:2] or (call.kwargs["normalized_shape"],)
    trace.foreign(call, local=channels and len(shape) == 1)


def _constant(trace: Trace, call: Call) -> None:
    """New tensors that take no more than a shape or type from those they are made after."""
    for out in tensors(call.out):
        trace.give(out, None)


def _each(trace: Trace, call: Call) -> None:
    """Each number by itself, or with those of its own place."""
    trace.foreign(call, local=True)


_NAMES: dict[Operation, str] = {
    _same: "detach contiguous clone to float half double bfloat16 type type_as data positive alias requires_grad cpu "
    "cuda real dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout feature_alpha_dropout",
    _permuted: "permute transpose movedim moveaxis swapaxes swapdims t T mT H mH adjoint",
    _viewed: "view reshape flatten unflatten squeeze unsqueeze view_as reshape_as ravel atleast_2d",
    _sliced: "slice chunk split narrow select unbind tensor_split split_with_sizes unsafe_chunk unsafe_split",
    _reduced: "mean amax amin max min sum std var prod logsumexp argmax argmin",
    _constant: "size shape zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty "
    "new_full new_tensor bernoulli",
    _each: "sub rsub mul div neg pow square sqrt rsqrt reciprocal exp expm1 log log1p log2 abs sign floor ceil round "
    "clamp clip clamp_min clamp_max maximum minimum where erf cos tan atan2 hypot lerp addcmul addcdiv fmod remainder "
    "gt ge lt le eq ne logical_not logical_and logical_or masked_fill threshold rrelu hardshrink softshrink tanhshrink "
    "logsigmoid logit nan_to_num expand expand_as channel_shuffle",
    _softmax: "softmax log_softmax glu",
    _linear: "linear matmul",
    _cat: "cat",
    _add: "add",
    _pad: "pad",
    _layer_norm: "layer_norm rms_norm",
}

OPERATIONS: dict[str, Operation] = {
    **{name: _anywhere(make) for name, make in ANYWHERE.items()},
    **{name: _standing(make) for name, make in STANDING.items()},
    **{name: operation for operation, names in _NAMES.items() for name in names.split()},
    "": lambda trace, call: trace.foreign(call, local=False),
}
