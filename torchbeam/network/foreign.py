"""foreign: the classifiers of torchvision and timm by name, their classifier and stages found from their structure.

'torchvision/efficientnet_b0', 'torchvision/resnet50.IMAGENET1K_V1', 'timm/resnet18', 'timm/resnet18.a1_in1k'. Both
libraries are imported here, by name, when one of their networks is asked for: torchvision takes seconds, and timm is
an extra.
"""

import copy
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.ledger import ledger_of
from torchbeam.design.stages import CODES, Stage, named_stages
from torchbeam.design.volume import Volume
from torchbeam.design.words import Conv, Fc, Pool
from torchbeam.errors import DesignError, ModelFileError, SettingError
from torchbeam.network.published import IMAGENET_MEAN, IMAGENET_STD, Published
from torchbeam.network.read import read
from torchbeam.network.taps import tapped

LIBRARIES = ("torchvision", "timm")


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A network of another library, in evaluation, without its published weights, and what its structure tells.

    published: of the library's own meta; its url is '' where it tells none. classifier: the last FC or CONV in order of
    execution, a submodule's name. stages: as `design.stages` has them, `layer` the submodule whose output is meant; of
    'codes' it is the classifier, and its input is meant. Volumes are for pictures of `input`.
    """

    name: str
    network: nn.Module
    published: Published
    input: Volume
    classifier: str
    stages: tuple[Stage, ...]
    classes: int


def is_foreign(name: str) -> bool:
    """Whether a name is that of another library's network: its library, a slash, and what it is called there."""
    return name.partition("/")[0].lower() in LIBRARIES and "/" in name


def foreign(name: str, size: int | None = None, classes: int | None = None) -> ForeignNetwork:
    """The network of that name, its numbers random. size: of square pictures, None for that of its published weights.
    classes: None for as many as those have.

    Raises SettingError for an unknown name or a package that is missing, DesignError where it does not run at that
    size (with the smallest that it runs at) or has no classifier that can be found.
    """
    library, _, model = name.partition("/")
    make = {"torchvision": _of_torchvision, "timm": _of_timm}[library.lower()]
    network, meta = make(model, classes)
    network.requires_grad_(True).eval()
    own = Volume(3, meta.size, meta.size)
    volume = own if size is None else Volume(3, size, size)
    try:
        layers = read(network, volume).layers
    except DesignError as error:
        raise _too_small(network, name, volume, own, error) from None
    at, classifier = _classifier(network, name, layers)
    maps, codes = _tried(network, volume, _places(network, layers[: at + 1]), classifier)
    known = named_stages(maps, Stage(CODES, classifier, Volume(codes, 1, 1)))
    book = ledger_of(layers, volume)
    published = Published(
        name,
        meta.url,
        meta.top1,
        book.parameters,
        book.macs,
        meta.size,
        meta.resize,
        meta.mean,
        meta.std,
        meta.interpolation,
        meta.classes,
        meta.licence,
    )
    return ForeignNetwork(name, network, published, volume, classifier, known, layers[at].output.channels)


def address_of(file: str) -> str:
    """Where torchvision publishes the weights in the file of that name. Raises SettingError where it does not."""
    models: Any = import_module("torchvision.models")
    for model in models.list_models(module=models):
        for weights in models.get_model_weights(model):
            if weights.url.endswith(f"/{file}"):
                return weights.url
    raise SettingError(
        f"this torchvision publishes no {short(file)}", remedy="name a file of weights with --weights FILE"
    )


def without_classifier(network: nn.Module, classifier: str) -> nn.Module:
    """A copy of the network that gives its codes: an nn.Identity stands where its classifier was."""
    copied = copy.deepcopy(network)
    parent, _, child = classifier.rpartition(".")
    setattr(copied.get_submodule(parent), child, nn.Identity())
    return copied


def fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a state dict into the network it belongs to; numbers of other precisions are turned into the network's.
    Raises ModelFileError at the first key or shape that differs; the network is then as it was."""
    own = network.state_dict()
    for key, tensor in state.items():
        if key not in own:
            raise ModelFileError(
                f"the weights have {key}, for which the network has no place",
                expected=listed(list(own)),
                remedy=nearest(key, list(own)) or "take the weights of the same network",
            )
        if tensor.shape != own[key].shape:
            raise ModelFileError(
                f"{key} has another shape than the network's",
                expected=" x ".join(map(str, own[key].shape)),
                got=" x ".join(map(str, tensor.shape)),
            )
        dense = tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized)
        if not dense or tensor.is_floating_point() != own[key].is_floating_point():
            raise ModelFileError(f"{key} holds no plain numbers", expected="a dense tensor")
    for key in own:
        if key not in state and not key.endswith("num_batches_tracked"):
            raise ModelFileError(f"the weights lack {key}", remedy="take the weights of the same network")
    network.load_state_dict(dict(state), strict=False)


# The libraries.


def _of_torchvision(model: str, classes: int | None) -> tuple[nn.Module, Published]:
    models: Any = import_module("torchvision.models")
    plain, _, tag = model.partition(".")
    _check_known("torchvision", plain, models.list_models(module=models))
    sets = models.get_model_weights(plain)
    if tag and tag not in sets.__members__:
        raise SettingError(
            f"torchvision has no weights {tag} for {plain}",
            expected=listed(list(sets.__members__)),
            remedy=nearest(tag, list(sets.__members__)),
        )
    chosen = sets[tag] if tag else sets.DEFAULT
    meta, prepared = chosen.meta, chosen.transforms()
    own = len(meta["categories"])
    with warnings.catch_warnings():  # of how two of them are initialised, which the weights replace
        warnings.simplefilter("ignore")
        network: nn.Module = models.get_model(plain, weights=None, num_classes=classes or own)
    if hasattr(network, "transform_input"):
        # What torchvision sets with any weights of these: they were trained on pictures from -1 to 1.
        network.transform_input = True  # pyright: ignore[reportArgumentType]
    top1 = meta["_metrics"].get("ImageNet-1K", {}).get("acc@1")
    return network, Published(
        model,
        chosen.url,
        None if top1 is None else round(top1 / 100, 5),
        0,
        0,
        prepared.crop_size[0],
        prepared.resize_size[0],
        tuple(prepared.mean),
        tuple(prepared.std),
        prepared.interpolation.value,
        own,
        meta.get("license", "BSD-3-Clause"),
    )


def _of_timm(model: str, classes: int | None) -> tuple[nn.Module, Published]:
    timm: Any = _timm()
    _check_known("timm", model.partition(".")[0], timm.list_models())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            network: nn.Module = timm.create_model(
                model, pretrained=False, **({} if classes is None else {"num_classes": classes})
            )
        except RuntimeError as error:  # a tag that the model does not have
            raise SettingError(f"timm has no network {model}", got=str(error)) from None
    told: dict[str, Any] = dict(network.pretrained_cfg)  # type: ignore[call-overload]
    size = told["input_size"][1]
    drawn = told.get("interpolation")
    return network, Published(
        model,
        told.get("url") or "",
        None,
        0,
        0,
        size,
        math.floor(size / told.get("crop_pct", 0.875)),
        tuple(told.get("mean", IMAGENET_MEAN)),
        tuple(told.get("std", IMAGENET_STD)),
        drawn if drawn in ("bicubic", "lanczos") else "bilinear",
        told.get("num_classes", 1000),
        told.get("license") or "",
    )


def _timm() -> Any:
    try:
        return import_module("timm")
    except ImportError as error:
        raise SettingError(
            "timm's networks need the package timm", got=str(error), remedy="pip install torchbeam[timm]"
        ) from None


def _check_known(library: str, model: str, known: list[str]) -> None:
    if model not in known:
        close = nearest(model.lower(), known)
        raise SettingError(
            f"{library} has no network {short(model)}",
            expected=f"one of its {len(known):,} classifiers, as in {library}/resnet18",
            remedy=close,
        )


# What the structure tells.


def _classifier(network: nn.Module, name: str, layers: tuple[Layer, ...]) -> tuple[int, str]:
    """The place among the layers of the last FC or CONV, and the submodule it is."""
    modules = dict(network.named_modules())
    at = max((at for at, layer in enumerate(layers) if isinstance(layer.word, Fc | Conv)), default=-1)
    if at < 0 or not isinstance(modules.get(layers[at].name), nn.Linear | nn.Conv2d):
        raise DesignError(
            f"the classifier of {name} cannot be found",
            expected="a Linear or Conv2d that runs last",
            got=layers[at].name if at >= 0 else "neither",
        )
    return at, layers[at].name


def _places(network: nn.Module, layers: tuple[Layer, ...]) -> list[str]:
    """The submodules in front of the last layer behind which a single value is live, in order of execution: of several
    that end there the outermost. As in a design brackets are not looked into, but for nn.Sequential and lists."""
    modules = dict(network.named_modules())
    ends: dict[str, int] = {}
    within = [_within(layer.name, modules) for layer in layers]
    for at, names in enumerate(within):
        ends |= dict.fromkeys(names, at)
    last = [-1] * (len(layers) + 1)  # who reads a layer last; the input's is at INPUT, the end of the list
    for at, layer in enumerate(layers):
        for source in layer.sources:
            last[source] = at
    found: list[str] = []
    reach, seen = last[INPUT], False
    for at, layer in enumerate(layers[:-1]):
        seen = seen or isinstance(layer.word, Conv | Pool)
        module = next((name for name in within[at] if ends[name] == at), None)
        if module and seen and reach <= at and _in_plain_brackets(module, modules):
            found.append(module)
        reach = max(reach, last[at])
    return found


def _within(name: str, modules: dict[str, nn.Module]) -> list[str]:
    """The submodules that a layer ran in, outermost first; a row's second use of a name is numbered."""
    return [path for path in _paths(name if name in modules else re.sub(r"_[0-9]+$", "", name)) if path in modules]


def _in_plain_brackets(name: str, modules: dict[str, nn.Module]) -> bool:
    return all(type(modules[path]) in (nn.Sequential, nn.ModuleList, nn.ModuleDict) for path in _paths(name)[:-1])


def _paths(name: str) -> list[str]:
    """'a', 'a.b' and 'a.b.c' of 'a.b.c'."""
    parts = name.split(".")
    return [".".join(parts[:size]) for size in range(1, len(parts) + 1)]


def _tried(
    network: nn.Module, volume: Volume, places: list[str], classifier: str
) -> tuple[list[tuple[str, Volume]], int]:
    """The places that give a map, with its volume, and how many codes come to the classifier, by a run on one black
    picture."""
    picture = torch.zeros(1, volume.channels, volume.height, volume.width)
    given: dict[str, Tensor] = {}
    with torch.no_grad():
        for names in (places, *([name] for name in places)):
            try:
                with tapped(network, names) as taps:
                    network(picture)
            except SettingError:  # one of them gives more than a tensor: each is tried alone
                continue
            given |= taps
            if names is places:
                break
        with tapped(network, [classifier], inputs=True) as taps:
            network(picture)
    codes = as_codes(taps.inputs[classifier], network.get_submodule(classifier))
    maps = [(name, _volume(given[name])) for name in places if name in given]
    return [(name, made) for name, made in maps if made], codes.shape[1]


def _volume(output: Tensor) -> Volume | None:
    """The volume of a map, None where it is none. Square pictures make square maps: that tells N, C, H, W from a
    network that keeps its channels last."""
    if output.dim() != 4:
        return None
    _, first, second, third = output.shape
    if second == third:
        return Volume(first, second, third)
    return Volume(third, first, second) if first == second else None


def as_map(output: Tensor, channels: int) -> Tensor:
    """A map as N, C, H, W, also from a network that keeps its channels last."""
    last = output.dim() == 4 and output.shape[1] != channels and output.shape[3] == channels
    return output.permute(0, 3, 1, 2) if last else output


def as_codes(given: Tensor, classifier: nn.Module) -> Tensor:
    """What a classifier takes, N x numbers: a map that a CONV slides over is averaged over its positions."""
    return given.mean((2, 3)) if isinstance(classifier, nn.Conv2d) else given.flatten(1)


def _too_small(network: nn.Module, name: str, volume: Volume, own: Volume, error: DesignError) -> DesignError:
    """The error with the smallest size that the network runs at, where its own is larger."""
    refused, runs = volume.height, own.height
    if volume.height >= own.height or not _runs(network, own):
        return error
    while runs - refused > 1:
        middle = (refused + runs) // 2
        refused, runs = (refused, middle) if _runs(network, Volume(3, middle, middle)) else (middle, runs)
    return DesignError(
        f"{name} does not run on pictures of {volume.width}x{volume.height}",
        expected=f"{runs} pixels or more",
        got=f"{error.what}{'; ' if error.got else ''}{error.got}",
    )


def _runs(network: nn.Module, volume: Volume) -> bool:
    try:
        read(network, volume)
    except DesignError:
        return False
    return True
