"""fold: batch norms taken into the layers before them, for a network that only has to answer.

In evaluation a batch norm is a scale and a shift of each channel, which the convolution or full layer before it does as
well with other weights (Jacob et al. 2018, section 3.2): one pass over the activations less for each.
"""

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torchbeam.network.graph import Graph
from torchbeam.network.norms import FixedNorm

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | FixedNorm
# What gives back its input in evaluation.
TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@torch.no_grad()
def folded(network: nn.Module) -> nn.Module:
    """A copy of a network in eval mode that gives the same scores within rounding, at less cost.

    Folded is every batch norm that reads a convolution or full layer which nothing else reads; an nn.Identity keeps
    its name. nn.Sequential and Graph are looked into, however nested; any other module stays as it is. The network
    itself is not touched. What did not change the copy shares with it: use the copy before the network learns on.
    """
    shared: dict[int, Any] = {id(tensor): tensor for tensor in [*network.parameters(), *network.buffers()]}
    copied = copy.deepcopy(network, shared).eval()
    reading = _Reading()
    end = reading.value(copied, (reading.made_by(None),), None)
    for pair in reading.pairs(end):
        _fold(pair.layer, pair.norm)
        pair.holder.add_module(pair.name, nn.Identity().eval())
    return copied


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A batch norm, the module that holds it under a name, the layer before it and the place of that one's value."""

    layer: Layer
    norm: Norm
    holder: nn.Module
    name: str
    value: int


class _Reading:
    """Follows values through a network: which module made each, and how many read it."""

    def __init__(self) -> None:
        self.makers: list[nn.Module | None] = []
        self.readers: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()  # by the module's identity: one may be run twice
        self.found: list[_Pair] = []

    def made_by(self, module: nn.Module | None) -> int:
        """The place of a new value."""
        self.makers.append(module)
        return len(self.makers) - 1

    def value(self, module: nn.Module, sources: tuple[int, ...], held: tuple[nn.Module, str] | None) -> int:
        """The place of what a module gives for these values. held: the module that holds it, and its name there."""
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            for name, child in module._modules.items():  # named_children leaves out the second of two that are one
                if child is not None:
                    sources = (self.value(child, sources, (module, name)),)
            return sources[0]
        if type(module) is Graph:
            return self.graph(module, sources[0])
        if type(module) in TRANSPARENT:
            return sources[0]
        self.readers.update(sources)
        self.calls[id(module)] += 1
        before = self.makers[sources[0]]
        if held and isinstance(before, Layer) and isinstance(module, Norm) and _fit(before, module):
            self.found.append(_Pair(before, module, *held, sources[0]))
        return self.made_by(module)

    def graph(self, graph: Graph, source: int) -> int:
        """The place of what a graph gives; its side heads do not run in evaluation."""
        places = {0: source}
        for at, run in enumerate(graph.runs, 1):
            if run.weight is None:
                child = graph.get_submodule(run.name)
                places[at] = self.value(child, tuple(places[place] for place in run.sources), (graph, run.name))
        return places[graph._output]

    def pairs(self, end: int) -> list[_Pair]:
        """Those that may be folded. end: the place of what the network gives."""
        self.readers[end] += 1
        return [
            pair
            for pair in self.found
            if self.readers[pair.value] == self.calls[id(pair.layer)] == self.calls[id(pair.norm)] == 1
        ]


def _fit(layer: Layer, norm: Norm) -> bool:
    """Whether both are exactly what they seem, and the norm has running statistics of the layer's channels."""
    plain = type(layer) in Layer.__args__ and type(norm) in Norm.__args__
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in (layer, norm))
    return plain and not hooked and norm.running_mean is not None and norm.num_features == layer.weight.shape[0]


def _fold(layer: Layer, norm: Norm) -> None:
    """The layer's weights and bias, in place, such that it gives what the norm made of it."""
    kind = layer.weight.dtype
    wide = torch.promote_types(kind, torch.float32)
    if norm.running_mean is None or norm.running_var is None:  # seen to by _fit
        raise TypeError("a batch norm without running statistics")
    scale = torch.rsqrt(norm.running_var.to(wide) + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean.to(wide) if layer.bias is None else layer.bias - norm.running_mean.to(wide)
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias
    by_filter = scale.view(-1, *[1] * (layer.weight.ndim - 1))
    layer.weight = nn.Parameter((layer.weight * by_filter).to(kind))
    layer.bias = nn.Parameter(bias.to(kind))
