"""without: a network with one unit of one layer silenced, beside the network itself, which stays as it is."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.errors import SettingError


def without(network: nn.Module, layer: str, unit: int) -> nn.Module:
    """The network with what one unit of a layer gives set to zero, wherever the layer runs; in evaluation.

    It has the network's own weights and statistics, not copies: it costs no memory, and is to be run, not trained.
    Behind a batch norm the unit then gives the norm's constant. Raises SettingError for a layer that is not there, for
    a network whose structure cannot be copied, and out of the forward for a unit that is not there.
    """
    names = [name for name, _ in network.named_modules() if name]
    if layer not in names:
        raise SettingError(
            f"no layer {short(layer)!r} to silence", expected=listed(names), remedy=nearest(layer, names)
        )
    memo: dict[int, Any] = {}
    for module in network.modules():
        held = [*module.parameters(recurse=False), *module.buffers(recurse=False), *vars(module).values()]
        memo |= {id(tensor): tensor for tensor in held if isinstance(tensor, Tensor)}
    try:
        twin = copy.deepcopy(network, memo).eval()
    except Exception as error:  # whatever a module keeps that cannot be copied raises what it likes
        raise SettingError(
            f"{type(network).__name__} cannot be run without a unit, as its structure cannot be copied",
            got=f"{type(error).__name__}: {error}"[:200],
            remedy="take what cannot be copied (locks, open files, generators) out of it",
        ) from error
    target = twin.get_submodule(layer)
    forward = target.forward
    dim = -1 if isinstance(target, nn.Linear) else 1

    def silenced(*given: Any, **named: Any) -> Tensor:
        made = forward(*given, **named)
        if not 0 <= unit < made.shape[dim]:
            raise SettingError(f"{layer} has no unit {unit} to silence", expected=f"0 to {made.shape[dim] - 1}")
        kept = torch.arange(made.shape[dim], device=made.device) != unit
        return made * kept if dim == -1 else made * kept.view(-1, *[1] * (made.dim() - 2))

    target.__dict__["forward"] = silenced
    return twin
