"""sliding: a built classifier over larger pictures in one pass, its FCs turned into convolutions of the same numbers.

The arithmetic is in design/convolutional.py and design/slidingcost.py; here the weights follow, and both ways of
reading a large picture are run and compared.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.design.complete import complete
from torchbeam.design.convolutional import convolutional
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.nets import Design
from torchbeam.design.resized import at_size
from torchbeam.design.sizing import parameters
from torchbeam.design.slidingcost import SlidingCost, sliding_cost
from torchbeam.design.words import Fc
from torchbeam.errors import DesignError, SettingError
from torchbeam.network.build import build

# Of the largest score: what sums in another order may differ by, and the most that is called equal.
EQUAL = 1e-4


def fully_convolutional(
    network: nn.Module, design: Design, size: int | tuple[int, int] | None = None
) -> tuple[nn.Module, Design]:
    """The network and its design with every FC a convolution: N, C, H, W in, N, K, h, w scores out.

    network: as `build` made it of the design. size: (width, height) of the INPUT that the design given back says, in
    pixels, or one number for both; None is its own. The network is the same for every size: at its own it gives the
    original's scores with h = w = 1, on a larger picture a map of them. It shares its weights with the original, so use
    it before that learns on; side heads are left out. Raises DesignError where the design has a layer that cannot be
    turned, or the network is of another design; FitError where the size is too small.
    """
    form = convolutional(design)
    with torch.device("meta"):  # the weights are there already
        made = build(form)
    tensors = _turned(network, unfold(complete(design)), made, unfold(form))
    try:
        made.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise _other_network(str(error).splitlines()[-1].strip()) from None
    made.train(network.training)
    if size is None:
        return made, form
    width, height = (size, size) if isinstance(size, int) else size
    return made, at_size(form, width, height)


def _turned(network: nn.Module, layers: Sequence[Layer], made: nn.Module, turned: Sequence[Layer]) -> dict[str, Tensor]:
    """The network's tensors under the names of the turned layers: they learn the same numbers in the same order."""
    tensors: dict[str, Tensor] = {}
    for own, new in zip(_learning(layers), _learning(turned), strict=True):
        try:
            held = network.get_submodule(own.name).state_dict()
        except AttributeError:
            raise _other_network(f"no layer {own.name}") from None
        for key, tensor in held.items():
            if isinstance(own.word, Fc) and key == "weight":  # units x (C * H * W), in FLATTEN's order
                shape = made.get_submodule(new.name).get_parameter(key).shape
                if tensor.numel() != shape.numel():
                    raise _other_network(f"{own.name} with {tuple(tensor.shape)} weights")
                tensor = tensor.reshape(shape)
            tensors[f"{new.name}.{key}"] = tensor
    return tensors


def _learning(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if not layer.head and any(parameters(layer.word, layer.input))]


def _other_network(got: str) -> DesignError:
    return DesignError(
        "the network is not the one that its design says",
        expected="a network as torchbeam.build makes it of that design",
        got=got,
    )


@dataclass(frozen=True, slots=True)
class Slid:
    """One picture read in one pass, and crop by crop.

    seconds_once, seconds_sliding: of the process's CPU time, all threads together, the middle one of several. largest,
    mean: absolute differences between the scores of the map's places and of their crops. scale: the largest score of a
    crop, by its size.
    """

    cost: SlidingCost
    seconds_once: float
    seconds_sliding: float
    largest: float
    mean: float
    scale: float

    @property
    def equal(self) -> bool:
        """Whether map and crops give the same: no layer pads, and they differ by at most 1e-4 of the scale."""
        return not self.cost.padded and self.largest <= EQUAL * self.scale

    @property
    def reason(self) -> str:
        """Why map and crops differ, or do not."""
        padded = self.cost.padded
        if padded:
            first = padded[0] + (f" and {len(padded) - 1} more" if len(padded) > 1 else "")
            return (
                f"not equal: {first} {'pads' if len(padded) == 1 else 'pad'} its input, so at its edges a crop sees "
                "padding where the whole picture has pixels"
            )
        if self.equal:
            return "equal but for rounding: no layer pads, so a crop sees nothing that its place does not see"
        return "not equal, though no layer pads: the network does more than its design says"

    def to_json(self) -> dict[str, Any]:
        """The costs, the seconds and the differences."""
        return self.cost.to_json() | {
            "seconds_once": self.seconds_once,
            "seconds_sliding": self.seconds_sliding,
            "largest_difference": self.largest,
            "mean_difference": self.mean,
            "scale": self.scale,
            "equal": self.equal,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        """Costs, CPU time, differences and their reason."""
        costs = str(self.cost).splitlines()[:-1]
        faster = self.seconds_sliding / max(self.seconds_once, 1e-9)
        return "\n".join(
            (
                *costs,
                f"CPU time: {self.seconds_once:.3f} s in one pass, {self.seconds_sliding:.3f} s crop by crop, "
                f"{faster:.1f} times as long",
                f"scores differ by {self.largest:.2g} at most and {self.mean:.2g} on average, of {self.scale:.2g}",
                self.reason,
            )
        )


def compare(network: nn.Module, design: Design, picture_CHW: Tensor, *, repeats: int = 3, batch: int = 16) -> Slid:
    """A picture, prepared as the network's input is but larger, in one pass and crop by crop.

    The crops are those of the map's places, `batch` at a time; where the last hangs over the edge it is filled with
    zeros. repeats: how often each way is timed. The network, as `build` made it, is left in eval mode. Raises
    SettingError for a network that is not on the CPU, whose time alone is measured, or settings below 1; DesignError
    and FitError as `fully_convolutional` does.
    """
    if min(repeats, batch) < 1:
        raise SettingError("compare needs repeats and batch of 1 or more", got=f"repeats {repeats}, batch {batch}")
    if any(parameter.device.type != "cpu" for parameter in network.parameters()) or picture_CHW.device.type != "cpu":
        raise SettingError("only time on the CPU is measured", remedy="move network and picture there with .cpu()")
    channels = complete(design).input.volume
    if picture_CHW.ndim != 3 or (channels and channels.channels != picture_CHW.shape[0]):
        raise SettingError(
            "compare takes one picture of the network's depth",
            expected=f"a tensor of {channels.channels if channels else 3} x height x width",
            got=" x ".join(map(str, picture_CHW.shape)),
        )
    made, _ = fully_convolutional(network.eval(), design)
    cost = sliding_cost(design, picture_CHW.shape[2], picture_CHW.shape[1])
    with torch.inference_mode():
        once, map_KHW = _timed(lambda: made(picture_CHW[None])[0], repeats)
        sliding, crops_KHW = _timed(lambda: _slid(network, cost, picture_CHW, batch), repeats)
    difference = (map_KHW - crops_KHW).abs()
    return Slid(cost, once, sliding, difference.max().item(), difference.mean().item(), crops_KHW.abs().max().item())


def _slid(network: nn.Module, cost: SlidingCost, picture_CHW: Tensor, batch: int) -> Tensor:
    """K x h x w scores of the original on every crop."""
    (across, down), window, places = cost.jump, cost.window, cost.map
    beyond_right = (places.width - 1) * across + window.width - cost.picture.width
    beyond_below = (places.height - 1) * down + window.height - cost.picture.height
    filled_CHW = F.pad(picture_CHW, (0, max(0, beyond_right), 0, max(0, beyond_below)))
    crops_NCHW = torch.stack(
        [
            filled_CHW[:, y : y + window.height, x : x + window.width]
            for y in range(0, places.height * down, down)
            for x in range(0, places.width * across, across)
        ]
    )
    scores_NK = torch.cat([network(some_NCHW).flatten(1) for some_NCHW in crops_NCHW.split(batch)])
    return scores_NK.T.reshape(places.channels, places.height, places.width)


def _timed(work: Callable[[], Tensor], repeats: int) -> tuple[float, Tensor]:
    """Median seconds of CPU time, and what the work gives."""
    seconds: list[float] = []
    while True:
        begun = time.process_time()
        made = work()
        seconds.append(time.process_time() - begun)
        if len(seconds) == repeats:
            return median(seconds), made
