"""build: a Design as an nn.Module whose children carry the notation's names.

The built network computes what the ledger says, layer by layer. Weights start as PyTorch starts them.
"""

from collections.abc import Callable
from typing import cast

from torch import nn

from torchbeam.design.complete import ASSUMED_CLASSES, ASSUMED_INPUT, complete
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.sizing import slides, windows
from torchbeam.design.words import (
    Activation,
    BatchNorm,
    Conv,
    Design,
    Dropout,
    Fc,
    Flatten,
    Pool,
    Softmax,
)
from torchbeam.errors import DesignError
from torchbeam.network.blocks import AvgPool, L2Pool, MaxPool, Pads4

_ACTIVATIONS: dict[str, Callable[[float], nn.Module]] = {
    "RELU": lambda _: nn.ReLU(),
    "LEAKYRELU": lambda slope: nn.LeakyReLU(slope),
    "ELU": lambda alpha: nn.ELU(alpha),
    "GELU": lambda _: nn.GELU(),
    "SILU": lambda _: nn.SiLU(),
    "TANH": lambda _: nn.Tanh(),
    "SIGMOID": lambda _: nn.Sigmoid(),
    "IDENTITY": lambda _: nn.Identity(),
}


def build(design: Design) -> nn.Sequential:
    """The network of a design: tensors N, C, H, W in, N x units (or N, C, H, W) out.

    What the text left unsaid is completed for 32x32x3 pictures of 10 classes. Raises DesignError or
    FitError where the layers cannot follow each other.
    """
    completed = complete(design, ASSUMED_INPUT, ASSUMED_CLASSES)
    network = nn.Sequential()
    flat = False
    for layer in unfold(completed):
        *scopes, name = layer.name.split(".")
        place = network
        for scope in scopes:
            place = _scope(place, scope)
        if isinstance(layer.word, Fc) and not flat:
            _add(place, f"{name}-flatten", nn.Flatten())
        if isinstance(layer.word, Conv | Pool) and flat:
            volume = layer.input
            shape = (volume.channels, volume.height, volume.width)
            _add(place, f"{name}-unflatten", nn.Unflatten(1, shape))
        flat = isinstance(layer.word, Fc | Flatten) or (flat and not isinstance(layer.word, Conv | Pool))
        for suffix, module in _modules(layer, flat):
            _add(place, name + suffix, module)
    return network


def _scope(parent: nn.Sequential, name: str) -> nn.Sequential:
    if name not in parent._modules:
        _add(parent, name, nn.Sequential())
    return cast(nn.Sequential, parent.get_submodule(name))


def _add(parent: nn.Sequential, name: str, module: nn.Module) -> None:
    if hasattr(parent, name):
        raise DesignError(
            f"a layer cannot be named {name}, which PyTorch's modules use themselves",
            remedy=f"choose another name, as in '{name}_1: ...'",
        )
    parent.add_module(name, module)


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
            return [("", _ACTIVATIONS[kind](slope or 0.0))]
        case BatchNorm(eps=eps, momentum=momentum):
            norm = nn.BatchNorm1d if flat else nn.BatchNorm2d
            return [("", norm(layer.input.channels, eps, momentum))]
        case Dropout(p=p):
            return [("", nn.Dropout(p))]
        case Flatten():
            return [("", nn.Flatten())]
        case Softmax():
            return [("", nn.Softmax(dim=1))]


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
        groups=conv.groups,
        bias=conv.bias,
    )
    return [("", module)] if even else [("-pad", nn.ZeroPad2d(pads)), ("", module)]


def _pool(pool: Pool, layer: Layer) -> nn.Module:
    if pool.reach == "global":
        if pool.kind == "avg":
            return nn.AdaptiveAvgPool2d(1)
        if pool.kind == "max":
            return nn.AdaptiveMaxPool2d(1)
    down, across = windows(pool, layer.input)
    kernel, stride = (down.size, across.size), (down.stride, across.stride)
    pads = _pads(pool, layer)
    said: Pads4 = (across.near, across.far, down.near, down.far)
    if pool.kind == "l2":
        return L2Pool(kernel, stride, pads)
    if pool.kind == "avg":
        counted = said if pool.count == "all" else (0, 0, 0, 0)
        return AvgPool(kernel, stride, pads, counted) if any(pads) else nn.AvgPool2d(kernel, stride)
    return MaxPool(kernel, stride, pads) if any(pads) else nn.MaxPool2d(kernel, stride)


def _pads(word: Conv | Pool, layer: Layer) -> Pads4:
    """The pads as said, and what `fit pad` adds at the far edges."""
    (down, across) = windows(word, layer.input)
    (more_down, more_across) = slides(word, layer.input, layer.fit, layer.name)
    return (across.near, across.far + more_across.added, down.near, down.far + more_down.added)
