"""Backbone: a trained network as what lies before a new head: its weights, and its stages by name."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.nets import Design
from torchbeam.design.notation import parse
from torchbeam.design.stages import CODES, Stage, find_stage, stages
from torchbeam.design.volume import Volume
from torchbeam.design.words import Conv, Fc
from torchbeam.design.zoo import find
from torchbeam.errors import DesignError, SettingError
from torchbeam.network.build import build
from torchbeam.network.foreign import ForeignNetwork, as_codes, as_map, fill, foreign, is_foreign
from torchbeam.network.graph import Graph
from torchbeam.network.modelfile import tensors_digest
from torchbeam.network.pretrained import State, key_maps, load_weights, read_state
from torchbeam.network.taps import tapped


@dataclass(frozen=True, slots=True)
class Backbone:
    """A trained network, whole: in evaluation, fp32, with its own head.

    design: None for a network of another library; `stages` are then those of `foreign`. classes: how many scores its
    head gives. digest: SHA-256 of its tensors under its own names.
    """

    name: str
    network: nn.Module
    design: Design | None
    stages: tuple[Stage, ...]
    classes: int
    digest: str

    def stage(self, name: str) -> Stage:
        """The stage of that name. Raises SettingError with the nearest."""
        return find_stage(self.stages, name)

    def features(self, x_NCHW: Tensor, names: Sequence[str] = (CODES,)) -> dict[str, Tensor]:
        """What comes out at the stages of those names: maps N, C, H, W, and codes N x D, in one forward pass.

        x_NCHW: normalised pictures, on the network's device. Nothing behind the last of the stages is computed where
        the network is one of ours. No gradients are kept. Raises SettingError for an unknown stage.
        """
        asked = {name: self.stage(name) for name in names}
        with torch.no_grad():
            return self._of_design(x_NCHW, asked) if self.design else self._of_foreign(x_NCHW, asked)

    def _of_design(self, x_NCHW: Tensor, asked: dict[str, Stage]) -> dict[str, Tensor]:
        order = [stage.name for stage in self.stages]
        last = max(asked.values(), key=lambda stage: order.index(stage.name), default=None)
        if last is None:
            return {}
        layers = sorted({stage.layer for stage in asked.values()})
        front = _front(self.network, last.layer.split(".")[0])
        with tapped(front, layers) as taps:
            front(x_NCHW)
        return {
            name: _codes(taps[stage.layer], stage) if stage.name == CODES else taps[stage.layer]
            for name, stage in asked.items()
        }

    def _of_foreign(self, x_NCHW: Tensor, asked: dict[str, Stage]) -> dict[str, Tensor]:
        maps = {name: stage for name, stage in asked.items() if stage.name != CODES}
        end = self.stage(CODES).layer
        with (
            tapped(self.network, [stage.layer for stage in maps.values()]) as outputs,
            tapped(self.network, [end], inputs=True) as taps,
        ):
            self.network(x_NCHW)
        codes = as_codes(taps.inputs[end], self.network.get_submodule(end))
        return {
            name: as_map(outputs[stage.layer], stage.volume.channels) if name in maps else codes
            for name, stage in asked.items()
        }


def backbone_of(name: str, weights: State | str | Path, size: int | None = None) -> Backbone:
    """The network of that name with those weights: of the zoo, or another library's as in 'torchvision/resnet50'.

    weights: a state dict, or a file of one. The head has as many classes as they have. size: the side of square
    pictures, None for the network's own. Raises SettingError for an unknown network, ModelFileError where the weights
    are not its own, at their first key; DesignError where it cannot take pictures of that size, with the smallest that
    it can.
    """
    state = read_state(weights) if isinstance(weights, str | Path) else weights
    if size is not None and size < 1:
        raise SettingError(f"pictures cannot be {size} pixels wide", expected="1 or more")
    if is_foreign(name):
        return filled(foreign(name, size), state)
    maps = key_maps(name)
    known = find(name)
    if known is None:  # key_maps has refused it
        raise RuntimeError(f"{name} has keys and is not in the zoo")
    design = sized(parse(known.text), size)
    end = [layer.name for layer in unfold(complete(design)) if not layer.head and isinstance(layer.word, Conv | Fc)][-1]
    told = [state[f"{keys[end]}.weight"] for keys in maps.values() if f"{keys[end]}.weight" in state]
    design = complete(design, classes=len(told[0]) if told and told[0].dim() else None)
    with torch.device("meta"):
        network = build(design, init=None)
    network = network.to_empty(device="cpu").eval()
    for tensor in network.state_dict().values():
        tensor.zero_()  # what the weights may leave out: side heads, and how many batches were seen
    load_weights(network, name, state)
    return backbone(known.name, network, design)


def backbone(name: str, network: nn.Module, design: Design) -> Backbone:
    """A network that was built from a design and trained, as a backbone; it is put into evaluation."""
    complete_design = complete(design)
    classes = [layer for layer in unfold(complete_design) if not layer.head][-1].output.channels
    digest = tensors_digest(network.state_dict())
    return Backbone(name, network.eval(), complete_design, stages(complete_design), classes, digest)


def sized(design: Design, size: int | None) -> Design:
    """The design for square pictures of another size, None for its own; its INPUT says a volume.

    Raises DesignError where its layers cannot follow each other at that size, with the smallest at which they can; of
    a design that neither crops nor pads the error is that of the layer, with what fits.
    """
    start = complete(design).input.volume
    if size is None or start is None or (start.height, start.width) == (size, size):
        return design
    made = _at(design, start.channels, size)
    try:
        complete(made)
    except DesignError as error:
        largest = max(start.height, start.width)
        if design.input.fit == "error" or size >= largest:
            raise
        refused, works = size, largest
        while works - refused > 1:
            middle = (refused + works) // 2
            refused, works = (refused, middle) if _works(_at(design, start.channels, middle)) else (middle, works)
        raise DesignError(
            f"the network cannot take pictures of {size}x{size}",
            expected=f"{works} pixels or more",
            got=error.what,
        ) from None
    return made


def _at(design: Design, channels: int, size: int) -> Design:
    return replace(design, input=replace(design.input, volume=Volume(channels, size, size)))


def _works(design: Design) -> bool:
    try:
        complete(design)
    except DesignError:
        return False
    return True


def filled(found: ForeignNetwork, weights: State | str | Path) -> Backbone:
    """Another library's network with weights of its own; made anew where they have other classes. Raises
    ModelFileError."""
    state = read_state(weights) if isinstance(weights, str | Path) else weights
    head = state.get(f"{found.classifier}.weight")
    if head is not None and head.dim() and len(head) != found.classes:
        found = foreign(found.name, found.input.height, len(head))
    fill(found.network, state)
    digest = tensors_digest(found.network.state_dict())
    return Backbone(found.name, found.network, None, found.stages, found.classes, digest)


def _front(network: nn.Module, child: str) -> nn.Module:
    """The network up to one of its children, the same modules."""
    if isinstance(network, Graph):
        end = next(at for at, run in enumerate(network.runs, 1) if run.name == child)
        runs = network.runs[:end]
        front = Graph({run.name: network.get_submodule(run.name) for run in runs}, runs, end)
    else:
        children = list(network.named_children())
        end = next(at for at, (name, _) in enumerate(children, 1) if name == child)
        front = nn.Sequential(OrderedDict(children[:end]))
    front.training = network.training  # of this module alone: its children keep their own
    return front


def _codes(output: Tensor, stage: Stage) -> Tensor:
    """Codes of what comes out at their cut: a map of as many channels is averaged, all else flattened."""
    averaged = output.dim() == 4 and output.shape[1] == stage.volume.channels
    return output.mean((2, 3)) if averaged else output.flatten(1)
