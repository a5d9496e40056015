"""Views: one picture shown to the network in several ways, its scores the mean over them (test-time augmentation)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.design.arguments import nearest
from torchbeam.errors import SettingError


class View(NamedTuple):
    """One way of showing a picture: looked at `steps` pixels further right and further down, then mirrored left to
    right or not; the share its scores have in the mean."""

    share: float
    steps: int = 0
    mirrored: bool = False


# 'shift' is that of Jordan 2024 (arXiv 2404.00498): half of it the mirror pair, half that of two diagonal shifts.
VIEWS = {
    "none": (View(1.0),),
    "mirror": (View(0.5), View(0.5, mirrored=True)),
    "shift": (
        *(View(0.25), View(0.25, mirrored=True)),
        *(View(0.125, -1), View(0.125, -1, mirrored=True)),
        *(View(0.125, 1), View(0.125, 1, mirrored=True)),
    ),
}


@dataclass(frozen=True, slots=True)
class Views:
    """name: 'none' (the picture alone), 'mirror' (with its mirror image) or 'shift' (those two, and both again moved
    by a pixel each way). They cost 1, 2 and 6 times one pass. Raises SettingError for another name."""

    name: str = "none"

    def __post_init__(self) -> None:
        if self.name not in VIEWS:
            raise SettingError(
                f"no views {self.name}", expected=", ".join(VIEWS), remedy=nearest(self.name, list(VIEWS))
            )


ALONE = Views()


def scores(network: nn.Module, pictures_NCHW: Tensor, views: Views = ALONE) -> Tensor:
    """The network's scores N x K, float32: the mean over the views of each picture.

    What a shift brings in is the picture mirrored about its outermost pixels. Raises SettingError for pictures of
    less than 2 pixels, which cannot be shifted.
    """
    total: Tensor | None = None
    for view in VIEWS[views.name]:
        found = view.share * network(_seen(pictures_NCHW, view)).flatten(1).float()
        total = found if total is None else total + found
    if total is None:  # each of VIEWS has at least one
        raise RuntimeError("no view at all")
    return total


def _seen(x_NCHW: Tensor, view: View) -> Tensor:
    """The pictures in one view, in the order in memory that they have."""
    if view.steps:
        height, width = x_NCHW.shape[-2:]
        reach = abs(view.steps)
        if min(height, width) <= reach:
            raise SettingError(
                f"pictures of {width}x{height} pixels cannot be shifted by {reach}",
                expected=f"{reach + 1} pixels or more each way",
                remedy="take the views mirror or none",
            )
        start = reach + view.steps
        wide = F.pad(x_NCHW, (reach, reach, reach, reach), mode="reflect")
        shifted = wide[..., start : start + height, start : start + width]
        x_NCHW = torch.empty_like(x_NCHW).copy_(shifted)
    return x_NCHW.flip(3) if view.mirrored else x_NCHW
