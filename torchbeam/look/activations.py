"""activations: what every layer makes of a picture, and which units never answer to any.

A layer that rectifies is found as it computes, so those that modules share and those that are plain functions count.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.arguments import listed, short
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation
from torchbeam.errors import DesignError, SettingError
from torchbeam.look.look import Look, Measured
from torchbeam.look.overlay import STYLE
from torchbeam.look.sheets import Group, Tile, scale_of, sheet
from torchbeam.look.subject import DIGITS, Given, Modelled, looking, subject_of
from torchbeam.network.modelfile import tensors_digest
from torchbeam.network.read import read
from torchbeam.network.taps import Taps, tapped

LAYERS_SHOWN, LAYERS_WANTED = 24, 8  # in one figure: at most; fewer would tell too little of a deep network
ROW = 12  # tiles beside one another where several layers are shown
RED = "#c0392b"


def activations(
    network: nn.Module | Modelled,
    picture: Given,
    layer: str | Sequence[str] | None = None,
    *,
    most: int = 64,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """The maps that layers give for a picture, of each layer the strongest units first: by the largest size of any of
    their neurons.

    layer: a name, several, or None for the network from end to end: its blocks where it has many layers, and of these
    at most 24, evenly spread. most: units kept of each layer; the figure shows a row of each where layers are several.
    Arrays: under each layer's name its maps (unit, row, column), and 'NAME.units', their numbers. A vector's numbers
    are maps of one place. Raises SettingError for a layer that is not there, did not run, or gives no maps.
    """
    at_least_one("most", most)
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    with torch.no_grad():
        outputs = _outputs(subject.network, subject.x_1CHW, layer)
    arrays: dict[str, Measured] = {}
    for name, output in outputs.items():
        maps_CHW = output[0].float().cpu().reshape(output.shape[1], *output.shape[2:] or (1, 1))
        strongest = maps_CHW.abs().amax((1, 2)).argsort(descending=True, stable=True)[:most]
        arrays[name] = Measured(maps_CHW[strongest].numpy(), ("unit", "row", "column"), "activation")
        arrays[f"{name}.units"] = Measured(strongest.numpy(), ("unit",), "number of the unit")

    def drawn() -> Figure:
        row, side = (8, 0.95) if len(outputs) == 1 else (ROW, 0.7)
        shown = most if len(outputs) == 1 else min(most, ROW)
        groups = [_group(name, output, arrays, shown, row, side) for name, output in outputs.items()]
        return sheet([Group("the picture", (Tile(subject.shown_HWC),), 1, 1.5), *groups])

    caption = (
        f"Activations for the picture of {listed(list(outputs))}: of each layer the strongest units first, by their "
        f"largest neuron, on one scale. float32, {subject.of}"
    )
    return Look("activations", arrays, caption, drawn, facts={"layers": list(outputs)})


def dead_units(network: nn.Module | Modelled, batches: Iterable[Tensor | Sequence[Tensor]], *, least: int = 1) -> Look:
    """Of every rectifier (ReLU, ReLU6) the units that give nothing above zero, at no position of any picture.

    batches: normalised pictures, N, C, H, W each, or rows that begin with them, as data loaders give them; gone through
    once. least: pictures that there must be. Arrays: 'share' by layer, and under each layer's name whether each unit
    is dead. Raises SettingError where no pictures come or nothing rectifies.
    """
    module = bare(network)
    device = next((weight.device for weight in module.parameters()), torch.device("cpu"))
    alive: list[Tensor] = []
    pictures, volume = 0, Volume(1, 1, 1)
    with looking(module), torch.no_grad():
        for batch in batches:
            x_NCHW = batch if isinstance(batch, Tensor) else batch[0]
            with _Answers() as answers:
                module(x_NCHW.to(device))
            pictures, volume = pictures + len(x_NCHW), Volume(*x_NCHW.shape[1:])
            alive = _joined(alive, answers.alive) if pictures > len(x_NCHW) else answers.alive
    if pictures < max(least, 1):
        raise SettingError(f"{pictures:,} pictures came to look for dead units", expected=f"at least {max(least, 1):,}")
    if not alive:
        raise SettingError("nothing rectifies in this network", expected="a RELU or a RELU6 that runs")
    names = _rectifier_names(module, volume, len(alive))
    dead = {name: ~one.cpu().numpy() for name, one in zip(names, alive, strict=True)}
    shares = np.array([one.mean() for one in dead.values()])
    arrays = {"share": Measured(shares, ("layer",), "share of the units that are dead")}
    arrays |= {name: Measured(one, ("unit",), "whether it is dead") for name, one in dead.items()}
    total, count = sum(int(one.sum()) for one in dead.values()), sum(one.size for one in dead.values())
    caption = (
        f"Dead units: {total:,} of {count:,} give nothing above zero for any of {pictures:,} pictures, "
        f"in {len(dead):,} rectifiers. float32, weights {tensors_digest(module.state_dict())[:DIGITS]}"
    )
    facts = {"pictures": pictures, "layers": {name: [int(one.sum()), int(one.size)] for name, one in dead.items()}}
    return Look("dead-units", arrays, caption, lambda: _bars(dead, pictures), facts=facts)


# Layers, and what they give.


def bare(network: nn.Module | Modelled) -> nn.Module:
    """The module of a network or a model."""
    return network if isinstance(network, nn.Module) else network.network


def at_least_one(name: str, value: int) -> None:
    """Raises SettingError for a setting that has to be a whole number from 1 on, and is not."""
    if value < 1:
        raise SettingError(f"{name} must be at least 1", got=str(value))


def unknown(layer: str, names: Sequence[str]) -> SettingError:
    """The error of a layer that is not among those names: how many there are, and which are near."""
    close = get_close_matches(layer[:60], names, n=3, cutoff=0.4)
    return SettingError(
        f"no layer {short(layer)!r} among the {len(names):,} that could be looked into",
        expected=listed(names),
        remedy=f"did you mean {', '.join(close)}?" if close else "",
    )


def run(network: nn.Module, x_NCHW: Tensor) -> tuple[Tensor, Taps]:
    """The scores, and what every layer gave, in the order in which they ended, blocks after what is in them; those that
    give no single tensor are left out."""
    kinds = {name: type(module) for name, module in network.named_modules() if name}
    while True:
        try:
            with tapped(network, list(kinds)) as taps:
                return network(x_NCHW), taps
        except SettingError as error:
            refused = next(
                (kind for name, kind in kinds.items() if error.what == f"{name} gives no single tensor"), None
            )
            if refused is None:
                raise
            kinds = {name: kind for name, kind in kinds.items() if kind is not refused}


def distinct(outputs: Mapping[str, Tensor]) -> list[str]:
    """The layers that give something of their own. A block that gives what its last layer does is left out, and so is
    dropout; a layer used several times, seen as it ran last, gives way to the block that it ended."""
    kept: dict[str, Tensor] = {}
    last = torch.empty(0)
    for name, output in outputs.items():
        if _same(last, output):
            continue
        inside = [each for each in kept if each.startswith(f"{name}.")]
        for again in [each for each in inside if _same(kept[each], output)]:
            del kept[again]
        kept[name] = last = output
    return list(kept)


def few(outputs: Mapping[str, Tensor], most: int = LAYERS_SHOWN) -> list[str]:
    """At most so many of the distinct layers: blocks alone where these are enough to tell of a network, evenly spread
    where neither is."""
    for depth in sorted({name.count(".") for name in outputs}, reverse=True):
        outer = distinct({name: output for name, output in outputs.items() if name.count(".") <= depth})
        if LAYERS_WANTED <= len(outer) <= most:
            return outer
    names = distinct(outputs)
    return names if len(names) <= most else [names[round(at * (len(names) - 1) / (most - 1))] for at in range(most)]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _outputs(network: nn.Module, x_1CHW: Tensor, layer: str | Sequence[str] | None) -> dict[str, Tensor]:
    with looking(network):
        if layer is None:
            _, taps = run(network, x_1CHW)
            outputs = {name: output for name, output in taps.items() if output.ndim in (2, 4) and output.numel()}
            return {name: outputs[name] for name in few(outputs)}
        asked = [layer] if isinstance(layer, str) else list(layer)
        names = [name for name, _ in network.named_modules() if name]
        for name in asked:
            if name not in names:
                raise unknown(name, names)
        with tapped(network, asked) as taps:
            network(x_1CHW)
    for name in asked:
        if name not in taps:
            raise SettingError(f"{name} did not run for this picture", remedy="take a layer that the scores come from")
        if taps[name].ndim not in (2, 4):
            shape = " x ".join(map(str, taps[name].shape))
            raise SettingError(
                f"{name} gives no maps that could be drawn", expected="N x C x H x W, or N x C", got=shape
            )
    return {name: taps[name] for name in asked}


# Rectifiers.


def rectified(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Tensor, float, bool] | None:
    """Whether a torch function is a rectifier: then its input, its ceiling (6 for ReLU6, else infinite), and whether it
    writes in place."""
    name = getattr(func, "__name__", "")
    x = args[0] if args else kwargs.get("input")
    in_place = name.endswith("_") or bool(kwargs.get("inplace"))
    if not isinstance(x, Tensor):
        return None
    if name in ("relu", "relu_"):
        return x, float("inf"), in_place
    if name in ("relu6", "relu6_"):
        return x, 6.0, in_place
    if name in ("hardtanh", "hardtanh_"):  # what nn.ReLU6 calls
        low = args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)
        high = args[2] if len(args) > 2 else kwargs.get("max_val", 1.0)
        return (x, float(high), in_place) if low == 0 else None
    return None


class _Answers(TorchFunctionMode):
    """Keeps, of every rectifier in the order in which they run, which units gave something above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = rectified(func, args, kwargs or {})
        out = func(*args, **(kwargs or {}))
        if found and out.ndim:
            units = 1 if out.ndim in (2, 4) else out.ndim - 1  # tokens have theirs last
            self.alive.append((out > 0).transpose(0, units).reshape(out.shape[units], -1).any(1))
        return out


def _joined(alive: list[Tensor], more: list[Tensor]) -> list[Tensor]:
    if [len(one) for one in alive] != [len(one) for one in more]:
        raise SettingError("not every batch runs the same rectifiers", expected="a network that does the same for each")
    return [one | other for one, other in zip(alive, more, strict=True)]


def _rectifier_names(network: nn.Module, volume: Volume, count: int) -> list[str]:
    """The names of the rectifiers in the order in which they run, as `describe` has them; numbers where the network
    cannot be read."""
    try:
        layers = read(network, volume).layers
    except (DesignError, SettingError):
        layers = ()
    kinds = ("RELU", "RELU6")
    names = [layer.name for layer in layers if isinstance(layer.word, Activation) and layer.word.kind in kinds]
    return names if len(names) == count else [f"rectifier {number}" for number in range(1, count + 1)]


# Drawing.


def _group(name: str, output: Tensor, arrays: Mapping[str, Measured], most: int, row: int, side: float) -> Group:
    maps, units = arrays[name].values[:most], arrays[f"{name}.units"].values[:most]
    scale = scale_of(maps, "")
    _, count, *place = output.shape
    of = f"{len(units):,} of {count:,} units" if len(units) < count else f"{count:,} units"
    size = f" of {place[1]} x {place[0]}" if place else ""
    tiles = [Tile(scale.pixels(map_HW), str(unit)) for map_HW, unit in zip(maps, units, strict=True)]
    return Group(f"{name}: {of}{size}", tuple(tiles), row, side, scale)


def _bars(dead: Mapping[str, Any], pictures: int) -> Figure:
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 1.1 + 0.24 * len(dead)), layout="constrained", facecolor="white")
        axes = figure.subplots()
        shares = [100 * float(one.mean()) for one in dead.values()]
        axes.barh(range(len(dead)), shares, color=RED, height=0.7)
        for at, (share, one) in enumerate(zip(shares, dead.values(), strict=True)):
            axes.text(share + 0.8, at, f"{int(one.sum()):,} of {one.size:,}", va="center", fontsize=8)
        axes.set_yticks(range(len(dead)), list(dead))
        axes.set(xlim=(0, 115), ylim=(len(dead) - 0.5, -0.5), xlabel=f"dead units, %, over {pictures:,} pictures")
        axes.set_xticks(range(0, 101, 20))
    return figure
