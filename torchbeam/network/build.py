"""build: a Design as an nn.Module whose children carry the notation's names.

The built network computes what the ledger says, layer by layer.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from torchbeam.design.complete import complete
from torchbeam.design.expand import expanded
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.nets import Aux, Branches, Design, Group, Link, Net
from torchbeam.design.sizing import slides, windows
from torchbeam.design.words import (
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Foreign,
    Join,
    Lrn,
    Pool,
    Shortcut,
    Skip,
    Softmax,
    Up,
)
from torchbeam.errors import DesignError
from torchbeam.network.activations import activation
from torchbeam.network.blocks import AvgPool, L2Pool, MaxPool, Pads4, ZeroShortcut
from torchbeam.network.graph import Concat, Graph, Run, Sum, has_sides
from torchbeam.network.start import start


def build(design: Design, init: str | None = "he") -> nn.Sequential | Graph:
    """The network of a design: tensors N, C, H, W in, N x units (or N, C, H, W) out.

    A Graph where the design branches or has side heads, else an nn.Sequential. What the text left unsaid is
    completed for 32x32x3 pictures of 10 classes. init: how weights begin, 'he' or 'dirac' (see `start`); None
    where they are given others at once. Raises
    DesignError or FitError where the layers cannot follow each other, SettingError for another init.
    """
    completed = complete(design)
    layers = unfold(completed)
    builder = _Builder(layers)
    scope = _Scope()
    end = builder.net(expanded(completed), scope, _Value(0))
    network = scope.module(end)
    if init is not None:
        start(network, layers, init)
    return network


@dataclass(frozen=True, slots=True)
class _Value:
    """A place in a scope's runs, and whether its tensor is N x features rather than N, C, H, W."""

    place: int
    flat: bool = False


@dataclass
class _Scope:
    """The children of one module in the making, and how they are run."""

    children: "OrderedDict[str, nn.Module]" = field(default_factory=OrderedDict)
    runs: list[Run] = field(default_factory=list)

    def add(self, name: str, module: nn.Module, *sources: int, weight: float | None = None) -> int:
        """The place of what the module gives."""
        if hasattr(_SEQUENTIAL, name) or hasattr(_GRAPH, name):
            raise DesignError(
                f"a layer cannot be named {name}, which PyTorch's modules use themselves",
                remedy=f"choose another name, as in '{name}_1: ...'",
            )
        self.children[name] = module
        self.runs.append(Run(name, sources, weight))
        return len(self.runs)

    def module(self, end: _Value) -> nn.Sequential | Graph:
        """The finished module."""
        chain = all(run.sources == (at,) and run.weight is None for at, run in enumerate(self.runs))
        if chain and end.place == len(self.runs) and not any(map(has_sides, self.children.values())):
            return nn.Sequential(self.children)
        return Graph(self.children, tuple(self.runs), end.place)


_SEQUENTIAL = nn.Sequential()
_GRAPH = Graph({}, (), 0)


class _Builder:
    """Walks down a net and its unfolded layers together."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.layers: Iterator[Layer] = iter(layers)
        self.upcoming = next(self.layers, None)

    def next(self) -> Layer:
        layer, self.upcoming = self.upcoming, next(self.layers, None)
        if layer is None:  # the net and its layers are walked in the same order
            raise RuntimeError("the net has more layers than were unfolded")
        return layer

    def net(self, net: Net, scope: _Scope, value: _Value, depth: int = 0) -> _Value:
        for link in net:
            value = self.link(link, scope, value, depth)
        return value

    def link(self, link: Link, scope: _Scope, value: _Value, depth: int) -> _Value:
        step = link.step
        match step:
            case Skip():
                return value
            case Aux(weight=weight):
                self.named(step, scope, value, depth, float(weight))
                return value
            case Group() | Branches() if link.name:
                return self.named(step, scope, value, depth, None)
            case Group() | Branches():
                return self.bracket(step, scope, value, depth)
            case _:
                return self.layer(scope, value)

    def named(
        self, step: Group | Branches | Aux, scope: _Scope, value: _Value, depth: int, weight: float | None
    ) -> _Value:
        """A named bracket as a module of its own; none where it holds nothing but SKIP."""
        before = self.upcoming
        name = before.name.split(".")[depth] if before else ""
        inside = _Scope()
        end = self.bracket(step, inside, _Value(0, value.flat), depth + 1)
        if not inside.runs:
            return value
        return _Value(scope.add(name, inside.module(end), value.place, weight=weight), end.flat)

    def bracket(self, step: Group | Branches | Aux, scope: _Scope, value: _Value, depth: int) -> _Value:
        if isinstance(step, Aux):
            return self.net(step.net, scope, value, depth)
        if isinstance(step, Group):
            for _ in range(int(step.count)):
                value = self.net(step.net, scope, value, depth)
            return value
        ends = [self.net(net, scope, value, depth) for net in step.nets]
        return self.join(step, scope, ends)

    def join(self, step: Branches, scope: _Scope, ends: list[_Value]) -> _Value:
        layer = self.next()
        name = layer.name.rpartition(".")[2]
        flat = all(end.flat for end in ends)
        places = [
            end.place if end.flat == flat else self.unflatten(scope, f"{name}-unflatten{at}", layer, end, at - 1)
            for at, end in enumerate(ends, 1)
        ]
        return _Value(scope.add(name, Concat() if step.kind == "concat" else Sum(), *places), flat)

    def unflatten(self, scope: _Scope, name: str, layer: Layer, value: _Value, which: int = 0) -> int:
        volume = layer.inputs[which]
        shape = (volume.channels, volume.height, volume.width)
        return scope.add(name, nn.Unflatten(1, shape), value.place)

    def layer(self, scope: _Scope, value: _Value) -> _Value:
        layer = self.next()
        name, word, place, flat = layer.name.rpartition(".")[2], layer.word, value.place, value.flat
        if isinstance(word, Fc) and not flat:
            place = scope.add(f"{name}-flatten", nn.Flatten(), place)
        if isinstance(word, _SPATIAL) and flat:
            place = self.unflatten(scope, f"{name}-unflatten", layer, value)
        flat = isinstance(word, Fc | Flatten) or (flat and not isinstance(word, _SPATIAL))
        for suffix, module in _modules(layer, flat):
            place = scope.add(name + suffix, module, place)
        return _Value(place, flat)


_SPATIAL = (Conv, Pool, Lrn, Up, Shortcut)


def _modules(layer: Layer, flat: bool) -> list[tuple[str, nn.Module]]:
    """The modules of one layer, each with what it adds to the layer's name: behind a hyphen, which no text can say."""
    match layer.word:
        case Conv() as conv:
            return _conv(conv, layer)
        case Pool() as pool:
            return [("", _pool(pool, layer))]
        case Fc(bias=bias):
            return [("", nn.Linear(layer.input.neurons, layer.output.neurons, bias))]
        case Activation(kind=kind, slope=slope):
            return [("", activation(kind, slope))]
        case BatchNorm(eps=eps, momentum=momentum):
            norm = nn.BatchNorm1d if flat else nn.BatchNorm2d
            return [("", norm(layer.input.channels, eps, momentum))]
        case Lrn(size=size, alpha=alpha, beta=beta, k=k):
            return [("", nn.LocalResponseNorm(size, alpha, beta, k))]
        case Dropout(p=p):
            return [("", nn.Dropout(p))]
        case Flatten():
            return [("", nn.Flatten())]
        case Softmax():
            return [("", nn.Softmax(dim=1))]
        case Up(scale_factor=by, mode=mode):
            return [("", nn.Upsample(scale_factor=by, mode=mode))]
        case Shortcut(stride=stride):
            return [("", ZeroShortcut(stride, layer.output.channels - layer.input.channels))]
        case Skip() | Join() | Foreign():  # never reached: SKIP is no layer, joins are made where branches end
            return []


def _conv(conv: Conv, layer: Layer) -> list[tuple[str, nn.Module]]:
    kernel = conv.kernel_size or (3, 3)
    pads = _pads(conv, layer)
    left, right, top, bottom = pads
    even = left == right and top == bottom
    module = nn.Conv2d(
        layer.input.channels,
        layer.output.channels,
        kernel,
        conv.stride,
        padding=(top, left) if even else 0,
        dilation=conv.dilation,
        groups=layer.input.channels if conv.connect == "depthwise" else conv.groups,
        bias=conv.bias,
    )
    return [("", module)] if even else [("-pad", nn.ZeroPad2d(pads)), ("", module)]


def _pool(pool: Pool, layer: Layer) -> nn.Module:
    if pool.reach == "global" or pool.to is not None:
        to = pool.to or (1, 1)
        if pool.kind == "avg":
            return nn.AdaptiveAvgPool2d(to)
        if pool.kind == "max":
            return nn.AdaptiveMaxPool2d(to)
    down, across = windows(pool, layer.input)
    kernel, stride = (down.size, across.size), (down.stride, across.stride)
    pads = _pads(pool, layer)
    said: Pads4 = (across.near, across.far, down.near, down.far)
    if pads == said and across.near == across.far <= across.size // 2 and down.near == down.far <= down.size // 2:
        even = (down.near, across.near)  # torch pads this by itself, and faster
        if pool.kind == "avg":
            return nn.AvgPool2d(kernel, stride, even, count_include_pad=pool.count == "all")
        if pool.kind == "max":
            return nn.MaxPool2d(kernel, stride, even)
    if pool.kind == "l2":
        return L2Pool(kernel, stride, pads)
    if pool.kind == "avg":
        counted = said if pool.count == "all" else (0, 0, 0, 0)
        return AvgPool(kernel, stride, pads, counted)
    return MaxPool(kernel, stride, pads)


def _pads(word: Conv | Pool, layer: Layer) -> Pads4:
    """The pads as said, and what `fit pad` adds at the far edges."""
    (down, across) = windows(word, layer.input)
    (more_down, more_across) = slides(word, layer.input, layer.fit, layer.name)
    return (across.near, across.far + more_across.added, down.near, down.far + more_down.added)
