"""read: any module as the layers that the ledger counts, from one run on shapes alone.

The run is that of a copy on the meta device, which has shapes and no numbers: no weight is copied or allocated, and
the module itself is neither run nor touched.
"""

import copy
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from torchbeam.design.arguments import VOCABULARY, listed
from torchbeam.design.complete import complete
from torchbeam.design.layers import INPUT, Layer, unfold
from torchbeam.design.nets import Design, Link
from torchbeam.design.sizing import parameters
from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    Activation,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Foreign,
    Input,
    Join,
    Pool,
    Shortcut,
    Word,
    spelling,
)
from torchbeam.errors import DesignError, SettingError
from torchbeam.network.activations import ArcTan, BentIdentity, Gaussian, Sine, Step
from torchbeam.network.blocks import AvgPool, L2Pool, MaxPool, ZeroShortcut
from torchbeam.network.graph import Concat, Sum
from torchbeam.network.operations import OPERATIONS, kept, placed
from torchbeam.network.trace import Call, Draft, Failure, Operation, Trace, Value, tensors

WAY_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Reading:
    """What a module is made of, in the design room's own terms.

    layers: in order of execution, for `ledger_of`. design: the same as notation where the module is a plain chain of
    words that the notation has, else None; built, it has the module's parameters, shape by shape. notes: what could
    not be read exactly, a sentence each.
    """

    layers: tuple[Layer, ...]
    design: Design | None
    notes: tuple[str, ...]


def read(module: nn.Module, input: Volume) -> Reading:
    """The layers of a module that takes pictures N, C, H, W of that volume, as it runs in evaluation.

    Raises SettingError for what is no module that can be run so, DesignError where it does not run at that size or
    where its way depends on the pictures' numbers.
    """
    twin, notes = _twin(_unwrapped(module))
    dtype = next((p.dtype for p in twin.parameters() if p.is_floating_point()), torch.float32)
    with torch.device("meta"), torch.no_grad():
        picture = torch.empty(1, input.channels, input.height, input.width, dtype=dtype)
        trace = Trace(twin, picture, OPERATIONS, WHOLE)
        try:
            with trace:
                out = twin(picture)
        except Exception as error:
            if error is trace.fault:
                raise
            raise _error(trace, error) from error
    ends = [trace.take(tensor).place for tensor in tensors(out) if id(tensor) in trace.values]
    ends = [place for place in dict.fromkeys(ends) if place != INPUT]
    if not ends:
        raise DesignError(
            f"{type(twin).__name__} has no layers between its input and its output",
            expected="an output that torch's functions make from the input",
        )
    drafts, layers = _layers(trace, ends)
    if len(ends) > 1:
        notes.append(f"the module gives {len(ends)} tensors: the ledger's output is that of its last row")
    notes += [*_unused(trace, drafts), *_shared(trace, drafts, layers), *_inexact(layers)]
    repeated = any(times > 1 for times in Counter(name for draft in drafts for name in draft.carried).values())
    return Reading(layers, None if repeated else _design(layers, input), tuple(notes))


# Modules that are one layer each: our own, and DROPOUT, whose function is left out.


def _pooled(kind: Literal["max", "avg", "l2"]) -> Operation:
    def operation(trace: Trace, call: Call) -> None:
        block: Any = trace.frame.module
        left, right, top, bottom = block.pads
        count = "all"
        if kind == "avg" and any(block.counted):  # what lies beyond was added to make it fit
            left, right, top, bottom = block.counted
        elif kind == "avg" and any(block.pads):
            count = "valid"
        word = Pool(kind, "window", block.kernel_size, block.stride, ((top, bottom), (left, right)), count)
        if not placed(trace, call, word):
            trace.foreign(call, local=False)

    return operation


def _shortcut(trace: Trace, call: Call) -> None:
    block: Any = trace.frame.module
    placed(trace, call, Shortcut(call.live[0].shape[1] + block.channels, block.stride))


def _activated(trace: Trace, call: Call) -> None:
    kept(trace, call, Activation(type(trace.frame.module).__name__.upper()))


def _dropped(trace: Trace, call: Call) -> None:
    """Outside training it does nothing; the module is a row all the same."""
    module: Any = trace.frame.module
    return kept(trace, call, Dropout(module.p)) if module.p < 1 else OPERATIONS["dropout"](trace, call)


WHOLE: dict[type[nn.Module], Operation] = {
    nn.Dropout: _dropped,
    **dict.fromkeys((Step, ArcTan, Gaussian, Sine, BentIdentity), _activated),
    MaxPool: _pooled("max"),
    AvgPool: _pooled("avg"),
    L2Pool: _pooled("l2"),
    ZeroShortcut: _shortcut,
    Sum: OPERATIONS["add"],
    Concat: lambda trace, call: OPERATIONS["cat"](trace, replace(call, name="cat", args=(call.args, 1))),
}


# The copy that is run.

_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _unwrapped(module: nn.Module) -> nn.Module:
    """The module within torch's own wrappers, of which none changes what it computes."""
    if not isinstance(module, nn.Module):
        raise SettingError(f"{type(module).__name__} is no module", expected="a torch.nn.Module")
    while type(module).__name__ in _WRAPPERS:
        module = getattr(module, _WRAPPERS[type(module).__name__])
    for path, each in module.named_modules():
        what = f"{path or 'the module'} ({type(each).__name__})"
        if isinstance(each, torch.jit.ScriptModule):
            raise SettingError(f"{what} is compiled by TorchScript", remedy="read the module it was scripted from")
        if any(is_lazy(parameter) for parameter in each.parameters(recurse=False)):
            raise SettingError(f"{what} has no shapes yet", remedy="run it once on a picture, then read it")
    return module


def _twin(module: nn.Module) -> tuple[nn.Module, list[str]]:
    """A copy of the module with shapes and no numbers, in evaluation; and what it lacks, in words.

    Only hooks of torch's own are kept, as weight normalisation's: others watch, or keep what they saw.
    """
    memo: dict[int, Any] = {}
    dropped = 0
    for each in module.modules():
        for tensor in (*each.parameters(recurse=False), *each.buffers(recurse=False)):
            memo[id(tensor)] = _shapes(tensor)
        for kind in _HOOKS:
            hooks = each.__dict__.get(kind)
            kept = {
                at: hook for at, hook in (hooks or {}).items() if type(hook).__module__.startswith("torch.nn.utils")
            }
            if hooks is not None:
                memo[id(hooks)] = OrderedDict(kept)
            dropped += len(hooks or ()) - len(kept)
    try:
        with _NoNumbers(memo):
            twin = copy.deepcopy(module, memo).eval()
    except Exception as error:
        raise DesignError(
            f"{type(module).__name__} cannot be read, as its structure cannot be copied",
            got=_first_line(error),
            remedy="take what cannot be copied (locks, open files, generators) out of the module",
        ) from error
    hooks = "hook" if dropped == 1 else "hooks"
    return twin, [f"{dropped} {hooks} of the module not run"] if dropped else []


def _shapes(tensor: Tensor) -> Tensor:
    """The tensor on the meta device; a parameter stays one."""
    bare = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return nn.Parameter(bare, requires_grad=False) if isinstance(tensor, nn.Parameter) else bare


class _NoNumbers(TorchFunctionMode):
    """While it is on, deep copies of tensors come without their numbers, wherever in the module they are kept."""

    def __init__(self, memo: dict[int, Any]) -> None:
        super().__init__()
        self.memo = memo

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__:
            return self.memo.setdefault(id(args[0]), _shapes(args[0]))
        return func(*args, **(kwargs or {}))


# From what was seen to layers.


def _layers(trace: Trace, ends: list[int]) -> tuple[list[Draft], tuple[Layer, ...]]:
    """What any of the places `ends` was made from, as it was seen and as layers; the first end comes last where the
    others can do without it."""
    needed = _behind(trace, ends)
    if not any(ends[0] in trace.drafts[place].sources for place in needed):
        needed = [*(place for place in needed if place != ends[0]), ends[0]]
    index = {place: at for at, place in enumerate([INPUT, *needed], INPUT)}
    drafts = [trace.drafts[place] for place in needed]
    given: set[str] = set()
    layers = tuple(
        Layer(
            _numbered(_name(draft, trace.drafts), given),
            _kinded(draft),
            tuple(index[source] for source in draft.sources),
            tuple(trace.volume(source) for source in draft.sources),
            draft.output,
            draft.fit,
        )
        for draft in drafts
    )
    return drafts, layers


def _behind(trace: Trace, ends: list[int]) -> list[int]:
    needed, waiting = set[int](), list(ends)
    while waiting:
        place = waiting.pop()
        if place != INPUT and place not in needed:
            needed.add(place)
            waiting += trace.drafts[place].sources
    return sorted(needed)


def _name(draft: Draft, drafts: list[Draft]) -> str:
    """A row goes by its module's path, where it is all that this call of it did, or all of it that learns."""
    frame = draft.frame
    own = [drafts[place] for place in frame.drafts if not drafts[place].extra]
    learns = [each for each in own if each.carried]
    if frame.path and not frame.calls and not draft.extra and (own == [draft] or learns == [draft]):
        return frame.path
    return f"{frame.path}.{draft.op}" if frame.path else draft.op


def _numbered(name: str, given: set[str]) -> str:
    """The name, numbered from its second use on; the ledger finds rows by name, whatever its case."""
    names = (name if number == 1 else f"{name}_{number}" for number in count(1))
    found = next(each for each in names if each.lower() not in given)
    given.add(found.lower())
    return found


def _kinded(draft: Draft) -> Word | Join | Foreign:
    """The draft's word; a Foreign that is all its module does goes by the module's class."""
    frame = draft.frame
    if isinstance(draft.word, Foreign) and frame.path and not frame.calls and len(frame.drafts) == 1:
        return replace(draft.word, kind=type(frame.module).__name__)
    return draft.word


# What is told beside the layers.


def _unused(trace: Trace, drafts: list[Draft]) -> list[str]:
    used = {name for draft in drafts for name in draft.carried}
    unused = {name: size for name, size in trace.sizes.items() if name not in used}
    if not unused:
        return []
    parts = list(dict.fromkeys(name.partition(".")[0] for name in unused))
    return [f"{sum(unused.values()):,} parameters are never used in evaluation: in {listed(parts)}"]


def _shared(trace: Trace, drafts: list[Draft], layers: tuple[Layer, ...]) -> list[str]:
    """Weights that the rows count more than once, or that are made of fewer numbers than they count."""
    notes: list[str] = []
    rows: dict[frozenset[str], list[Layer]] = {}
    for draft, layer in zip(drafts, layers, strict=True):
        if draft.carried:
            rows.setdefault(draft.carried, []).append(layer)
        learnt = sum(trace.sizes[name] for name in draft.carried)
        counted = 0 if isinstance(layer.word, Foreign) else sum(parameters(layer.word, layer.input))
        if learnt < counted:
            notes.append(f"{layer.name} counts {counted:,} parameters, made of {learnt:,} that are learnt")
    for counted, word in (("each time", True), ("once", False)):
        again = [used[0].name for used in rows.values() if len(used) > 1 and isinstance(used[0].word, Foreign) != word]
        if again:
            notes.append(f"used several times, its parameters counted {counted}: {listed(again)}")
    return notes


def _inexact(layers: tuple[Layer, ...]) -> list[str]:
    wide, shifted = Counter[str](), Counter[str]()
    for layer in layers:
        if isinstance(layer.word, Foreign) and not layer.word.local:
            wide[layer.word.kind] += 1
        elif isinstance(layer.word, Foreign) and not _beside(layer):
            shifted[layer.word.kind] += 1
    taken = "what its neurons see is taken as all that came in"
    moved = "how far it moves what its neurons see is not counted"
    return [
        f"{times} {'operations' if times > 1 else 'operation'} of kind {kind}: {what}"
        for counts, what in ((wide, taken), (shifted, moved))
        for kind, times in counts.items()
    ]


def _beside(layer: Layer) -> bool:
    """Whether a layer gives as many positions as came in, or spreads one over all."""
    came = {(volume.height, volume.width) for volume in layer.inputs} | {(1, 1)}
    return (layer.output.height, layer.output.width) in came


# Where it does not run.

# The functions that hand a tensor's numbers to Python.
_NUMBERS = frozenset(
    ("item", "bool", "int", "float", "complex", "index", "tolist", "numpy", "array", "nonzero", "unique", "equal")
)


def _error(trace: Trace, error: Exception) -> DesignError:
    failure = trace.failure if trace.failure and trace.failure.error is error else Failure(error, trace.frame, "", ())
    where = f"{failure.frame.path or 'the module'} ({type(failure.frame.module).__name__})"
    live = next((tensor for tensor in failure.tensors if id(tensor) in trace.values), None)
    way = "" if live is None else _way(trace, trace.values[id(live)])
    if failure.op in _NUMBERS:
        return DesignError(
            f"{where}: what is computed depends on the numbers of the picture, by {failure.op}()",
            got=way,
            expected="a forward pass that shapes alone decide",
            remedy="it cannot be read without running it",
        )
    told = _mismatch(failure, where, live, trace) if live is not None else None
    came = f" on {_size(trace, live)}" if live is not None else ""
    small = any(sign in str(error) for sign in ("too small", "greater than actual"))
    remedy = f"pictures larger than {trace.input.width}x{trace.input.height}" if small else ""
    what, expected, remedy = told or (f"{where} cannot run{came}", "", remedy)
    return DesignError(what, expected=expected, got="\n".join(filter(None, (way, _first_line(error)))), remedy=remedy)


def _mismatch(failure: Failure, where: str, live: Tensor, trace: Trace) -> tuple[str, str, str] | None:
    """What is wrong, what was expected and the remedy, where a layer's weights do not take what came."""
    weight = next((tensor for tensor in failure.tensors[1:] if tensor.dim() in (2, 4)), None)
    if weight is None or live is not failure.tensors[0]:
        return None
    came, takes = live.shape[-1], weight.shape[1]
    if failure.op == "linear" and live.numel() == takes:
        return f"{where} takes {takes:,} numbers in one row, and {_size(trace, live)} came", "", "put Flatten before it"
    if failure.op == "linear" and came != takes:
        what = f"{where} takes {takes:,} numbers, and {came:,} came"
        return what, f"in_features={came} for pictures of {trace.input}", f"Linear({came}, {weight.shape[0]})"
    deep = takes * getattr(failure.frame.module, "groups", 1)
    if failure.op == "conv2d" and live.dim() == 4 and live.shape[1] != deep:
        what = f"{where} takes an input {deep} deep, and {_size(trace, live)} came"
        return what, f"in_channels={live.shape[1]}", f"Conv2d({live.shape[1]}, {weight.shape[0]}, ...)"
    return None


def _size(trace: Trace, tensor: Tensor) -> str:
    value = trace.values[id(tensor)]
    volume = trace.volume(value.place)
    shape = tuple(tensor.shape)
    return str(volume) if shape == (1, volume.channels, volume.height, volume.width) else "x".join(map(str, shape))


def _way(trace: Trace, value: Value) -> str:
    """The layers up to there that changed the volume, first sources only."""
    steps: list[str] = []
    place = value.place
    while place != INPUT:
        draft = trace.drafts[place]
        place = draft.sources[0]
        if draft.output != trace.volume(place):
            steps.insert(0, f"{_name(draft, trace.drafts)} {draft.output}")
    steps.insert(0, f"input {trace.input}")
    shown = steps if len(steps) <= WAY_SHOWN else [steps[0], "...", *steps[2 - WAY_SHOWN :]]
    return "after " + " -> ".join(shown)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:300]


# The same as notation.


def _design(layers: tuple[Layer, ...], input: Volume) -> Design | None:
    """The chain as a design; None where it branches, or has what the notation has no word for."""
    if any(layer.sources != (at - 1,) for at, layer in enumerate(layers)):
        return None
    chain = [
        layer
        for layer, behind in zip(layers, [*layers[1:], None], strict=True)
        if not (isinstance(layer.word, Flatten) and behind and isinstance(behind.word, Fc))  # FC does this by itself
    ]
    words = [layer.word for layer in chain if not isinstance(layer.word, Foreign | Join)]
    if len(words) < len(chain):
        return None
    names = _names([layer.name for layer in chain], words)
    design = Design(Input(input), tuple(Link(_short(word), name) for word, name in zip(words, names, strict=True)))
    try:
        again = unfold(complete(design))
    except DesignError:
        return None
    return design if [layer.output for layer in again] == [layer.output for layer in chain] else None


def _names(names: list[str], words: list[Word]) -> list[str]:
    """The names that can be said, '' for those that a layer without one is given anyhow."""
    counts = Counter[str]()
    said: list[str] = []
    for name, word in zip(names, words, strict=True):
        stem = spelling(word).lower()
        plain = name.isidentifier() and name.isascii() and name.upper() not in VOCABULARY
        keeps = plain and name != f"{stem}{counts[stem] + 1}" and not hasattr(nn.Sequential, name)
        counts[stem] += not keeps
        said.append(name if keeps else "")
    return said


def _short(word: Word) -> Word:
    """The word without what its own rules would give it."""
    if isinstance(word, Conv) and all(size % 2 for size in word.kernel_size or ()):
        bare = replace(word, padding=None)
        return bare if bare.pads == word.padding else word
    if isinstance(word, Pool) and word.stride == word.kernel_size:
        return replace(word, stride=None)
    return word
