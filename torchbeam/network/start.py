"""start: the weights a network begins with.

PyTorch's own start halves a signal's strength, and more, at every rectifier: a deep network without batch norm then
hears nothing of its input. So a layer in front of a rectifier starts as He et al. 2015 derive, in front of SELU as
Klambauer et al. 2017; every other layer, and the one that gives the scores, starts as PyTorch starts it. Layers may
also start by passing on what they are given (Zagoruyko & Komodakis 2017; Jordan 2024, arXiv 2404.00498).
"""

from collections.abc import Sequence

import torch
from torch import nn

from torchbeam.design.layers import Layer
from torchbeam.design.words import Activation, Conv, Fc
from torchbeam.errors import SettingError

STARTS = ("he", "dirac")
RECTIFIERS = {"RELU", "RELU6", "LEAKYRELU", "PRELU", "ELU", "CELU", "GELU", "SILU", "MISH", "HARDSWISH"}
# Where a rectifier follows the scores themselves (NIN), a class whose score starts below zero would never learn:
# its scores start small and this far above.
ALIVE = 0.5


def start(network: nn.Module, layers: Sequence[Layer], how: str = "he") -> None:
    """Give every CONV and FC of a network, built from these layers, the weights it begins with, in place.

    how: 'he', or 'dirac', where in every 3x3 CONV after the first CONV as many filters as there are channels, each
    but passes on its own channel, and the rest begin as with 'he'; grouped layers and those that give scores have
    none. Both draw the same random numbers. Raises SettingError for another.
    """
    if how not in STARTS:
        raise SettingError(f"weights cannot start as {how}", expected=" or ".join(STARTS))
    readers = _readers(layers)
    first = next((place for place, layer in enumerate(layers) if isinstance(layer.word, Conv)), 0)
    for place, layer in enumerate(layers):
        if not isinstance(layer.word, Conv | Fc):
            continue
        module = network.get_submodule(layer.name)
        if not isinstance(module, nn.Conv2d | nn.Linear):  # what a layer of these words is built as
            raise TypeError(f"{layer.name} is a {type(module).__name__}")
        activation, ends = _next(layers, readers, place)
        if ends and activation in RECTIFIERS:
            _keep_alive(module)
        elif not ends and activation in RECTIFIERS | {"SELU"}:
            gain = "linear" if activation == "SELU" else "relu"
            nn.init.kaiming_normal_(module.weight, nonlinearity=gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if how == "dirac" and isinstance(module, nn.Conv2d) and place != first and not ends:
            _pass_on(module)


def _pass_on(module: nn.Conv2d) -> None:
    """The first filters of a 3x3 layer give back the channels they are given."""
    if module.kernel_size == (3, 3) and module.groups == 1:
        nn.init.dirac_(module.weight.data[: module.in_channels])


def _keep_alive(module: nn.Conv2d | nn.Linear) -> None:
    with torch.no_grad():
        module.weight.mul_(0.1)
    if module.bias is not None:
        nn.init.constant_(module.bias, ALIVE)


def _readers(layers: Sequence[Layer]) -> list[list[int]]:
    """For each layer the places of those that read it, side heads left out unless it is in one itself."""
    readers: list[list[int]] = [[] for _ in layers]
    for place, layer in enumerate(layers):
        for source in layer.sources:
            if source >= 0 and layer.head == layers[source].head:
                readers[source].append(place)
    return readers


def _next(layers: Sequence[Layer], readers: list[list[int]], place: int) -> tuple[str, bool]:
    """(the first activation behind a layer, '' where a CONV or FC comes before it; whether none comes at all)."""
    activation = ""
    first = True
    while readers[place]:
        place = readers[place][0]
        word = layers[place].word
        if isinstance(word, Conv | Fc):
            return activation, False
        if first and isinstance(word, Activation) and word.kind != "IDENTITY":
            activation, first = word.kind, False
    return activation, True
