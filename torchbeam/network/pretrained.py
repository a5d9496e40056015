"""Weights that others have published, into the same network here.

Every key of theirs is used exactly once, every shape must be equal; what does not match is refused by its first key.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from torchbeam.design.arguments import nearest
from torchbeam.design.zoo import find
from torchbeam.errors import ModelFileError, SettingError
from torchbeam.network.keys import ORIGINS, Keys

State = Mapping[str, Tensor]


def load_weights(network: nn.Module, name: str, weights: str | Path | State, origin: str | None = None) -> str:
    """Put published weights into the network of that name, built here; gives the origin whose keys they have.

    weights: a state dict, or a file of one (.safetensors, or torch's own format read as tensors only). origin:
    'torchvision', 'timm' or 'pytorch_resnet_cifar10'; None finds the one that knows most of the keys. Half-precision
    numbers are widened to the network's own. Side heads that the weights leave out stay as they are.
    Raises SettingError for a network or origin without a key map, ModelFileError where a key or shape differs; the
    network is then as it was before.
    """
    state = read_state(weights) if isinstance(weights, str | Path) else weights
    maps = key_maps(name)
    if origin is not None and origin not in maps:
        raise SettingError(
            f"no key map for {name} from {origin}", expected=" or ".join(maps), remedy=nearest(origin, list(maps))
        )
    origin = origin or _origin_of(state, maps)
    found = _translated(network, maps[origin], state)
    network.load_state_dict(found, strict=False)
    return origin


def key_maps(name: str) -> dict[str, Keys]:
    """The key maps of a network by origin: 'our layer': 'their module'. Raises SettingError where there is none."""
    known = find(name)
    maps = {origin: networks[known.name]() for origin, networks in ORIGINS.items() if known and known.name in networks}
    if not maps:
        names = [one for networks in ORIGINS.values() for one in networks]
        close = "" if known else nearest(name.lower(), names)  # a network of ours without published weights
        raise SettingError(f"no key map for {name}", expected=", ".join(names), remedy=close)
    return maps


def read_state(path: str | Path) -> State:
    """The state dict of a file, on the CPU: tensors only, nothing in it is run. Raises ModelFileError."""
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # of old formats; what cannot be read is said below
            warnings.simplefilter("ignore")
            held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelFileError(f"no weights at {path}", expected="a .safetensors or .pth file") from None
    except Exception as error:  # a damaged or foreign file makes torch raise whatever it stumbles over
        told = (str(error).splitlines() or [type(error).__name__])[0]
        if "weights only" in told.lower() or "weights_only" in told:  # torch goes on to tell how to run it all the same
            told = "objects that are not tensors, or code"
        raise ModelFileError(
            f"{path} cannot be read as weights",
            expected="a state dict of tensors, and nothing that would be run",
            got=told,
        ) from None
    inner = held.get("state_dict", held.get("model", held)) if isinstance(held, Mapping) else held
    if not (isinstance(inner, Mapping) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in inner.items())):
        raise ModelFileError(f"{path} holds no state dict", expected="tensors by name", got=type(inner).__name__)
    return inner


def _origin_of(state: State, maps: dict[str, Keys]) -> str:
    """The origin that knows most of the state's keys."""

    def known(origin: str) -> int:
        modules = set(maps[origin].values())
        return sum(key.rpartition(".")[0] in modules for key in state)

    return max(maps, key=known)


def _translated(network: nn.Module, keys: Keys, state: State) -> dict[str, Tensor]:
    """The state under our names. Raises ModelFileError at the first key that differs."""
    own = network.state_dict()
    modules = {theirs: ours for ours, theirs in keys.items()}
    places = [f"{keys.get(ours, '?')}.{held}" for ours, _, held in (key.rpartition(".") for key in own)]
    sides = {ours.split(".")[0] for ours in keys if ours.startswith("aux")}
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        module, _, held = key.rpartition(".")
        ours = f"{modules[module]}.{held}" if module in modules else ""
        if ours not in own:
            raise ModelFileError(
                f"the weights have {key}, for which the network has no place",
                expected=_like(key, places),
                remedy="take the weights of the same network, or name their origin",
            )
        found[ours] = _shaped(key, tensor, ours, own[ours])
    here = {key.split(".")[0] for key in found}
    for ours in own:
        side = ours.split(".")[0]
        optional = ours.endswith("num_batches_tracked") or (side in sides and side not in here)
        if ours not in found and not optional:
            module, _, held = ours.rpartition(".")
            raise ModelFileError(
                f"the weights lack {keys.get(module, '?')}.{held}, which {ours} is filled from",
                remedy="take the weights of the same network, or name their origin",
            )
    return found


def _shaped(key: str, tensor: Tensor, ours: str, own: Tensor) -> Tensor:
    """The tensor in our shape and type: a 1x1 convolution over one position is the same numbers as an FC."""
    if own.is_floating_point() and not tensor.is_floating_point():
        raise _not_numbers(key, str(tensor.dtype).removeprefix("torch."))
    if tensor.is_meta or tensor.is_quantized or tensor.layout != torch.strided:
        raise _not_numbers(key, "a tensor that is sparse, quantised or without data")
    if tensor.shape == own.shape or (tensor.ndim == 4 and tensor.shape == (*own.shape, 1, 1)):
        return tensor.reshape(own.shape).to(own.dtype)
    raise ModelFileError(
        f"{key} has another shape than {ours}",
        expected=" x ".join(map(str, own.shape)),
        got=" x ".join(map(str, tensor.shape)),
        remedy="build the network with the weights' number of classes and input depth",
    )


def _not_numbers(key: str, got: str) -> ModelFileError:
    return ModelFileError(f"{key} holds no plain numbers", expected="a dense tensor of floating-point numbers", got=got)


def _like(key: str, known: list[str]) -> str:
    close = nearest(key, known).removeprefix("did you mean ").removesuffix("?")
    return f"keys such as {close or known[0]}"
