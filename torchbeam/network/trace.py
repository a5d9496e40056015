"""Trace: one run of a module on shapes alone, watched from outside, as layers in the order in which they ran.

Every torch function that is called is seen with its tensors. Of each tensor made from the input is kept which layer
made it, and how its dimensions lie on that layer's channels, height and width; so views and permutations need no row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from torch import Tensor, device, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from torchbeam.design.layers import INPUT
from torchbeam.design.sizing import parameters
from torchbeam.design.volume import Fit, Volume
from torchbeam.design.words import Foreign, Join, Pads, Word


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of places along one axis of a volume, 'C', 'H' or 'W': `extent` of them, `step` apart."""

    axis: str
    step: int
    extent: int


# How a tensor's dimensions lie on a volume, pieces of it from the outermost to the innermost for each dimension.
# The batch is of one picture, so that a dimension of 1 has no piece.
Dims = tuple[tuple[Piece, ...], ...]


def laid(volume: Volume, dimensions: int = 4) -> Dims:
    """N, C, H, W; or N x features for a volume of one place."""
    sides = zip("CHW", (volume.channels, volume.height, volume.width), strict=True)
    whole = [(Piece(axis, 1, extent),) if extent > 1 else () for axis, extent in sides]
    return ((), *whole) if dimensions == 4 else ((), sum(whole, ()))


def viewed(dims: Dims, shape: Sequence[int]) -> Dims | None:
    """The same numbers in the same order under another shape; None where a dimension would hold part of a piece
    that does not divide."""
    waiting = [piece for dim in dims for piece in dim]
    found: list[tuple[Piece, ...]] = []
    for size in shape:
        taken: list[Piece] = []
        while size > 1:
            if not waiting:
                return None
            piece = waiting.pop(0)
            if piece.extent > size and piece.extent % size == 0:
                rest = piece.extent // size
                waiting.insert(0, Piece(piece.axis, piece.step, rest))
                piece = Piece(piece.axis, piece.step * rest, size)
            if size % piece.extent:
                return None
            size //= piece.extent
            taken.append(piece)
        found.append(_fused(taken))
    return None if waiting else tuple(found)


def _fused(pieces: list[Piece]) -> tuple[Piece, ...]:
    made: list[Piece] = []
    for piece in pieces:
        last = made[-1] if made else None
        if last and last.axis == piece.axis and last.step == piece.step * piece.extent:
            made[-1] = Piece(piece.axis, piece.step, last.extent * piece.extent)
        else:
            made.append(piece)
    return tuple(made)


def resized(dims: Dims, sizes: Sequence[int]) -> tuple[Volume, Dims] | None:
    """The volume that is left, and the dims upon it, where dimensions shrink to `sizes`; None where one shrinks that
    is made of several pieces."""
    kept: list[tuple[Piece, ...]] = []
    for dim, size in zip(dims, sizes, strict=True):
        if size == prod(piece.extent for piece in dim):
            kept.append(dim)
        elif size == 1:
            kept.append(())
        elif len(dim) == 1:
            kept.append((replace(dim[0], extent=size),))
        else:
            return None
    steps: dict[Piece, int] = {}
    extents = dict.fromkeys("CHW", 1)
    for piece in sorted({piece for dim in kept for piece in dim}, key=lambda piece: piece.step):
        steps[piece] = extents[piece.axis]
        extents[piece.axis] *= piece.extent
    renewed = tuple(_fused([replace(piece, step=steps[piece]) for piece in dim]) for dim in kept)
    return Volume(extents["C"], extents["H"], extents["W"]), renewed


def guessed(shape: Sequence[int]) -> tuple[Volume, Dims]:
    """The volume of a tensor whose way here is unknown: N, C, H, W where it can be that, else tokens x channels."""
    if len(shape) == 4 and shape[0] == 1:
        volume = Volume(*(max(1, size) for size in shape[1:]))
        return volume, laid(volume)
    channels = max(1, shape[-1]) if len(shape) > 1 else 1
    volume = Volume(channels, max(1, prod(shape) // channels), 1)
    dims = viewed((laid(volume)[2], laid(volume)[1]), shape)
    return volume, dims or ((),) * len(shape)


def ranges(index: Any, shape: Sequence[int]) -> list[range] | None:
    """What an index leaves of each dimension; None where it is made of more than slices and numbers."""
    parts = [part for part in (index if isinstance(index, tuple) else (index,)) if part is not None]
    if not all(isinstance(part, int | slice) or part is Ellipsis for part in parts):
        return None
    at = next((at for at, part in enumerate(parts) if part is Ellipsis), len(parts))
    rest = len(shape) - sum(part is not Ellipsis for part in parts)
    full = [*parts[:at], *[slice(None)] * rest, *parts[at + 1 :]]
    return [
        range(size)[part] if isinstance(part, slice) else range(size)[part : part + 1 or None]
        for part, size in zip(full, shape, strict=True)
    ]


def left(before: Sequence[int], after: Sequence[int]) -> list[int] | None:
    """The sizes after one dimension shrank, or went; None where it cannot be told which."""
    if len(before) == len(after):
        return list(after)
    gone = [at for at in range(len(before)) if [*before[:at], *before[at + 1 :]] == list(after)]
    return [1 if at == gone[0] else size for at, size in enumerate(before)] if len(gone) == 1 else None


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that comes from the input: the place of the layer that made it and its dims upon that layer's volume.

    pad: zeros, or `filler`, that `padder` put around it and that are still to be taken in by the window behind it.
    """

    place: int
    dims: Dims
    pad: Pads | None = None
    filler: float = 0.0
    padder: "Frame | None" = None


@dataclass
class Frame:
    """A call of a module that is running, or has run: the places of the rows made right in it, and whether it called
    modules that made some."""

    path: str
    module: nn.Module
    drafts: list[int] = field(default_factory=list)
    calls: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A layer without its name. extra: it only carries parameters beside its neighbour's."""

    frame: Frame
    op: str
    word: Word | Join | Foreign
    sources: tuple[int, ...]
    output: Volume
    fit: Fit = "crop"
    carried: frozenset[str] = frozenset()
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One torch function, or one module taken whole, that has run: what it took and what it gave.

    live: the tensors it took that come from the input. carried: the names of the parameters it took, themselves or in
    tensors made of nothing else.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    live: tuple[Tensor, ...]
    carried: frozenset[str]
    macs: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Where an error came from: the module's path and class, the function if it was one, and the tensors it took."""

    error: Exception
    frame: Frame
    op: str
    tensors: tuple[Tensor, ...]


Operation = Callable[["Trace", Call], None]


class Trace(TorchFunctionMode):
    """Watches `module`, which is a copy of its own on the meta device, while it runs on `picture` (1, C, H, W).

    operations: what becomes of each torch function, by name, '' for those unnamed. whole: the same for modules that
    are taken as one layer, by class.
    """

    def __init__(
        self,
        module: nn.Module,
        picture: Tensor,
        operations: Mapping[str, Operation],
        whole: Mapping[type[nn.Module], Operation],
    ) -> None:
        super().__init__()
        self.operations, self.whole = operations, whole
        self.input = Volume(*picture.shape[1:])
        self.values: dict[int, Value] = {id(picture): Value(INPUT, laid(self.input))}
        self.sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
        self.constants = {id(parameter): frozenset((name,)) for name, parameter in module.named_parameters()}
        self.drafts: list[Draft] = []
        self.counted: set[str] = set()
        self.failure: Failure | None = None
        self.fault: Exception | None = None  # an error of the watching, not of the module
        self._flops = FlopCounterMode(display=False)
        self._frames = [Frame("", module)]
        self._quiet = 0
        self._spare = 0  # MACs on parameters alone, until a row takes them
        self._kept: list[Any] = [picture]  # so that no other tensor gets the id of one that is known
        for path, each in module.named_modules():
            self._watch(path, each)

    def __enter__(self) -> "Trace":
        self._flops.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._flops.__exit__(*error)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {_KEYWORDS.get(name, name): value for name, value in (kwargs or {}).items()}
        name, before = _name(func), self._flops.get_total_flops()
        if name == "to":  # what type, but no other device
            args = tuple(arg for arg in args if not isinstance(arg, str | device) and type(arg) is not int)
            kwargs.pop("device", None)
        try:
            out = args[0].detach() if name in _MOVES else func(*args, **kwargs)
        except Exception as error:
            self.failure = Failure(error, self._frames[-1], name, tuple(tensors((args, kwargs))))
            raise
        if not self._quiet:
            macs = (self._flops.get_total_flops() - before) // 2
            self._saw(self.operations.get(name, self.operations[""]), name, args, kwargs, out, macs)
        return out

    def _saw(self, operation: Operation, name: str, args: Any, kwargs: Any, out: Any, macs: int) -> None:
        took, gave = tuple(tensors((args, kwargs))), tuple(tensors(out))
        if not gave and name != "setitem":
            return
        self._kept += (took, gave)
        live = tuple(tensor for tensor in took if id(tensor) in self.values)
        if name in _LIKE and not any(took[0] is tensor for tensor in live):
            live = ()
        carried = frozenset[str]().union(*(self.constants.get(id(tensor), ()) for tensor in took))
        if live:
            try:
                operation(self, Call(name, args, kwargs, out, live, carried, macs))
            except Exception as error:
                self.fault = error
                raise
        else:
            self.constants |= {id(tensor): carried for tensor in gave}
            self._spare += macs

    def _watch(self, path: str, module: nn.Module) -> None:
        forward, whole = module.forward, self.whole.get(type(module))

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self._inside(Frame(path, module), tuple(tensors((args, kwargs))), bool(whole)):
                before = self._flops.get_total_flops()
                out = forward(*args, **kwargs)
            if whole and not self._quiet:
                with self._inside(Frame(path, module), (), False):
                    macs = (self._flops.get_total_flops() - before) // 2
                    self._saw(whole, type(module).__name__, args, kwargs, out, macs)
            return out

        module.__dict__["forward"] = watched

    @contextmanager
    def _inside(self, frame: Frame, took: tuple[Tensor, ...], quiet: bool) -> Iterator[None]:
        self._frames.append(frame)
        self._quiet += quiet
        try:
            yield
        except Exception as error:
            if self.failure is None or self.failure.error is not error:
                self.failure = Failure(error, frame, "", took)
            raise
        finally:
            self._quiet -= quiet
            self._frames.pop()
            self._frames[-1].calls |= frame.calls or bool(frame.drafts)

    @property
    def frame(self) -> Frame:
        """The call that is running."""
        return self._frames[-1]

    def volume(self, place: int) -> Volume:
        """What the layer at that place gives."""
        return self.input if place == INPUT else self.drafts[place].output

    def give(self, tensor: Tensor, value: Value | None) -> None:
        """Says where a tensor comes from; None: from nothing but constants."""
        if value is None:
            self.values.pop(id(tensor), None)
        else:
            self.values[id(tensor)] = value

    def take(self, tensor: Tensor) -> Value:
        """Where a tensor comes from, with padding that no window took in as a layer of its own."""
        value = self.values[id(tensor)]
        if value.pad is None:
            return value
        (top, bottom), (left, right) = value.pad
        before = self.volume(value.place)
        padded = Volume(before.channels, before.height + top + bottom, before.width + left + right)
        word = Foreign("pad")
        self._draft(Draft(value.padder or self.frame, "pad", word, (value.place,), padded))
        self.give(tensor, Value(len(self.drafts) - 1, laid(padded)))
        return self.values[id(tensor)]

    def settle(self, tensor: Tensor) -> Value | None:
        """As `take`, lying as N, C, H, W or N x features, by a row that rearranges it if need be; None where it cannot.

        Channels that only changed places among themselves keep what their numbers see.
        """
        value = self.take(tensor)
        volume = self.volume(value.place)
        if value.dims == laid(volume) or (value.dims == laid(volume, 2) and volume.height == volume.width == 1):
            return value
        if tensor.dim() != 4 or tensor.shape[0] != 1:
            return None
        made = Volume(*(max(1, size) for size in tensor.shape[1:]))
        local = made == volume and value.dims[2:] == laid(volume)[2:]
        word = Foreign("shuffle" if local else "rearrange", local=local)
        self._draft(Draft(self.frame, word.kind, word, (value.place,), made))
        self.give(tensor, Value(len(self.drafts) - 1, laid(made)))
        return self.values[id(tensor)]

    def add(
        self,
        call: Call,
        word: Word | Join | Foreign,
        sources: Sequence[Value],
        made: Volume,
        dims: Dims,
        fit: Fit = "crop",
    ) -> Value:
        """A new row for what `call` did. A Foreign is given the parameters not yet counted and the MACs."""
        fresh = call.carried - self.counted
        places = tuple(value.place for value in sources)
        if isinstance(word, Foreign):
            biases = sum(self.sizes[name] for name in fresh if "bias" in name.rpartition(".")[2])
            weights = sum(self.sizes[name] for name in fresh) - biases
            word = replace(word, weights=weights, biases=biases, macs=call.macs + self._spare)
            self._spare = 0
        else:
            # What makes the weights beside themselves, as weight normalisation's lengths do.
            surplus = sum(self.sizes[name] for name in fresh) - sum(parameters(word, self.volume(places[0])))
            if surplus > 0:
                before = self.volume(places[0])
                self._draft(Draft(self.frame, "weights", Foreign("weights", surplus), places[:1], before, extra=True))
                places = (len(self.drafts) - 1, *places[1:])
        self.counted |= call.carried
        self._draft(Draft(self.frame, call.name, word, places, made, fit, call.carried))
        return Value(len(self.drafts) - 1, dims)

    def foreign(self, call: Call, *, local: bool) -> None:
        """A row for what has no word. What keeps a shape keeps its layout; a local one needs to."""
        values = {id(tensor): self.take(tensor) for tensor in call.live}
        counts, row = call.carried or call.macs, None
        for out in list(tensors(call.out)) or [call.args[0]]:  # setitem gives nothing and changes what it took
            like = next((tensor for tensor in call.live if tensor.shape == out.shape), None)
            if like is not None:
                first = values[id(like)]
                made, dims = self.volume(first.place), first.dims
            else:
                first = max(values.values(), key=lambda value: self.volume(value.place).neurons)
                made, dims = guessed(out.shape)
                local = local and out.dim() in (2, 4) and all(map(self._upright, call.live))
            others = [value for value in values.values() if value is not first]
            row = self.add(call, Foreign(call.name, local=local), [row] if row else [first, *others], made, dims)
            self.give(out, row)
            if counts:  # once, in the first row, and the others come behind it
                call = replace(call, carried=frozenset(), macs=0)
            else:
                row = None

    def _upright(self, tensor: Tensor) -> bool:
        value = self.values[id(tensor)]
        return value.dims == laid(self.volume(value.place), 2 if tensor.dim() == 2 else 4)

    def _draft(self, draft: Draft) -> None:
        draft.frame.drafts.append(len(self.drafts))
        self.drafts.append(draft)


def tensors(things: Any) -> Iterator[Tensor]:
    """The tensors among arguments or results, in order."""
    if isinstance(things, Tensor):
        yield things
    elif isinstance(things, tuple | list):
        for thing in things:
            yield from tensors(thing)
    elif isinstance(things, dict):
        yield from tensors(list(things.values()))
    elif hasattr(things, "__dataclass_fields__"):
        yield from tensors([getattr(things, name, None) for name in things.__dataclass_fields__])


# What is made after the shape or type of a second tensor comes from the first alone.
_LIKE = frozenset(("to", "type_as", "view_as", "reshape_as", "expand_as"))

# Moving to another device: all is on the meta device here, and stays there.
_MOVES = frozenset(("cpu", "cuda"))

_ALIASES = {
    "iadd": "add", "radd": "add", "isub": "sub", "imul": "mul", "rmul": "mul", "subtract": "sub", "multiply": "mul",
    "truediv": "div", "itruediv": "div", "rtruediv": "div", "rdiv": "div", "true_divide": "div", "divide": "div",
    "rpow": "pow", "ipow": "pow", "rmatmul": "matmul", "concat": "cat", "concatenate": "cat", "getitem": "slice",
    "arctan": "atan",
}  # fmt: skip
# numpy's names for torch's arguments
_KEYWORDS = {"axis": "dim", "keepdims": "keepdim"}


def _name(func: Any) -> str:
    """What a torch function is called, the same as an operator, a method, a function or in place."""
    name = func.__name__
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    name = name.strip("_")
    return _ALIASES.get(name, name)
