"""gradcam: where in the picture the units of a layer speak for a class.

Selvaraju et al. 2017: each map of a layer counts as much as the class's score rises with it, on the mean over its
positions; what of their sum is above zero is laid over the picture. Gradients come from torch.autograd.grad, which
leaves those of the weights alone.
"""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.arguments import short
from torchbeam.errors import SettingError
from torchbeam.look.activations import distinct, few, run, unknown
from torchbeam.look.look import Look, Measured
from torchbeam.look.overlay import Panel, row
from torchbeam.look.sheets import Group, Tile, scale_of, sheet
from torchbeam.look.subject import Given, Modelled, Subject, looking, subject_of
from torchbeam.network.taps import tapped


def gradcam(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    layer: str | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """Grad-CAM of one layer: where its maps speak for a class.

    label: the class, by name or number; None for the likeliest. layer: a name; None for the last map of positions
    before the network pools or flattens it, which the caption tells. Arrays: 'cells' at the layer's own positions,
    both signs; 'map' as large as the picture, bilinear, without what speaks against; 'weights' of the units.

    Raises SettingError for an unknown class or layer, a layer without a map of positions, a network that has none, and
    where no gradient comes to it.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number = subject.label(label)
    outputs, score = _outputs(subject, number, layer)
    name = _last(subject.network, outputs) if layer is None else layer
    weights_C, cells_HW = _cells(outputs, [name], score)[name]
    map_HW = _over(cells_HW, subject)
    high, wide = cells_HW.shape
    why = "the layer asked for" if layer else "the last map of positions before the network pools or flattens it"
    for_it = "" if map_HW.any() else "; nothing there speaks for it"
    caption = (
        f"Grad-CAM (Selvaraju et al. 2017) of {subject.classes[number]!r}, score {score.item():.4g}, in "
        f"{name}, {wide} x {high} positions of {len(weights_C):,} units: {why}{for_it}. float32, {subject.of}"
    )
    arrays = {
        "map": Measured(map_HW.numpy(), ("row", "column"), "score"),
        "cells": Measured(cells_HW.numpy(), ("row", "column"), "score"),
        "weights": Measured(weights_C.numpy(), ("unit",), "score per activation"),
    }
    facts = {"label": number, "class": subject.classes[number], "layer": name, "reason": why}

    def drawn() -> Figure:
        title = f"Grad-CAM: {short(subject.classes[number])}"
        own = Panel(f"{short(name)}, {wide} x {high}", map_RC=cells_HW.clamp_min(0).numpy(), signed=False)
        over = Panel(title, subject.shown_HWC, map_HW.numpy(), signed=False, unit="score, for it")
        return row(Panel("the picture", subject.shown_HWC), own, over)

    return Look("gradcam", arrays, caption, drawn, facts=facts)


def gradcams(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """Grad-CAM of every layer that gives a map of positions, from one forward and one backward.

    Arrays: under each layer's name its cells, both signs, in the order of the layers; as `gradcam`'s 'cells'. The
    figure shows blocks, at most 24, evenly spread, where layers are many, each in colours of its own scale.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number = subject.label(label)
    outputs, score = _outputs(subject, number, None)
    shown = few(outputs)
    every = {*distinct(outputs), *shown}
    found = _cells(outputs, [name for name in outputs if name in every], score)
    arrays = {name: Measured(cells.numpy(), ("row", "column"), "score") for name, (_, cells) in found.items()}
    shown = [name for name in shown if name in found]
    last = _last(subject.network, outputs)
    caption = (
        f"Grad-CAM (Selvaraju et al. 2017) of {subject.classes[number]!r} in {len(found):,} layers, {len(shown):,} of "
        f"them drawn, each by its own scale; the last before pooling or flattening is {last}. float32, {subject.of}"
    )

    def drawn() -> Figure:
        tiles = [Tile(subject.shown_HWC, "the picture")]
        for name in shown:
            map_HW = _over(found[name][1], subject).numpy()
            high, wide = found[name][1].shape
            tiles.append(Tile(scale_of(map_HW).over(subject.shown_HWC, map_HW), f"{name}  {wide} x {high}"))
        return sheet([Group(f"Grad-CAM by layer: {subject.classes[number]}", tuple(tiles), 5, 1.6)])

    return Look("gradcams", arrays, caption, drawn, facts={"label": number, "layers": list(found), "last": last})


def _outputs(subject: Subject, number: int, layer: str | None) -> tuple[dict[str, Tensor], Tensor]:
    """What layers gave that have maps of positions, and the score of that number, both in autograd's graph."""
    network = subject.network
    names = [name for name, _ in network.named_modules() if name]
    if layer is not None and layer not in names:
        raise unknown(layer, names)
    with looking(network), torch.enable_grad():
        x_1CHW = subject.x_1CHW.clone().requires_grad_().clone()  # so that frozen layers are in the graph too
        if layer is None:
            scores_1K, taps = run(network, x_1CHW)
        else:
            with tapped(network, [layer]) as taps:
                scores_1K = network(x_1CHW)
        score = scores_1K.flatten(1)[0, number]
    found = {name: output for name, output in taps.items() if output.ndim == 4 and output[0, 0].numel() > 1}
    if not found:
        gave = {name: " x ".join(map(str, output.shape[1:])) or "a number" for name, output in taps.items()}
        raise SettingError(
            f"{layer or 'the network'} has no map of positions that could be weighed",
            expected="a layer with channels, rows and columns, such as a CONV",
            got="; ".join(f"{name}: {shape}" for name, shape in list(gave.items())[:6]) or "a layer that did not run",
        )
    return found, score


def _cells(outputs: Mapping[str, Tensor], names: Sequence[str], score: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """By layer: the weights of its units, and the weighed sum of their maps. Those behind which the score does not lie
    are missing; raises SettingError where that leaves none."""
    asked = [name for name in names if outputs[name].requires_grad and score.requires_grad]
    given = torch.autograd.grad(score, [outputs[name] for name in asked], allow_unused=True) if asked else ()
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, gradient_1CHW in zip(asked, given, strict=True):
        if gradient_1CHW is not None:
            weights_C = gradient_1CHW[0].mean((1, 2))
            cells_HW = torch.einsum("c,chw->hw", weights_C, outputs[name][0].detach())
            found[name] = weights_C.float().cpu(), cells_HW.float().cpu()
    if not found:
        raise SettingError(
            f"no gradient comes from the score to {names[0] if len(names) == 1 else 'any layer'}",
            expected="a layer that the score is computed from, by differentiable functions",
        )
    return found


def _last(network: nn.Module, outputs: Mapping[str, Tensor]) -> str:
    """The last layer with a map of positions, before pooling: a pooled map has the same units, less finely placed."""
    names = distinct(outputs)
    unpooled = list(names)
    while unpooled and "Pool" in type(network.get_submodule(unpooled[-1])).__name__:
        unpooled.pop()
    return (unpooled or names)[-1]


def _over(cells_HW: Tensor, subject: Subject) -> Tensor:
    """What of the cells is above zero, as large as the picture."""
    size = subject.shown_HWC.shape[:2]
    return F.interpolate(cells_HW.clamp_min(0)[None, None], size, mode="bilinear", align_corners=False)[0, 0]
