"""Augmentation: each picture a little moved, turned and scaled, differently in every epoch.

Batched over tensors, yet a function of (seed, epoch, sample): the same sample gets the same change whatever
batch it is in.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from torchbeam.data.chance import ROTATE, SCALE, SHIFT_X, SHIFT_Y, uniform
from torchbeam.errors import SettingError


@dataclass(frozen=True, slots=True)
class Augment:
    """How far pictures are changed at most, each way, uniformly.

    shift: share of the side. rotate: degrees. scale: 0.1 is from 1/1.1 to 1.1 times the size. What comes in
    from outside repeats the picture's edge.
    """

    shift: float = 0.1
    rotate: float = 10.0
    scale: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.shift < 1 and 0 <= self.rotate <= 180 and 0 <= self.scale < 10):
            raise SettingError(
                f"augmentation cannot be {self}",
                expected="shift in [0, 1), rotate in [0, 180] degrees, scale in [0, 10)",
            )

    def __call__(self, x_NCHW: Tensor, samples: NDArray[np.int64], seed: int, epoch: int) -> Tensor:
        """The pictures of `samples` as this epoch shows them; floats of the same shape."""
        grid_NHW2 = self._grid(x_NCHW, samples, seed, epoch)
        return F.grid_sample(x_NCHW, grid_NHW2, padding_mode="border", align_corners=False)

    def _grid(self, x_NCHW: Tensor, samples: NDArray[np.int64], seed: int, epoch: int) -> Tensor:
        """Where each output pixel looks, in grid_sample's coordinates (-1 to 1 across and down)."""

        def draw(purpose: int, reach: float) -> Tensor:
            chance = (2 * uniform(seed, epoch, samples, purpose) - 1) * reach
            return torch.from_numpy(chance).to(x_NCHW.device, torch.float32).view(-1, 1, 1)

        height, width = x_NCHW.shape[-2:]
        angle = draw(ROTATE, math.radians(self.rotate))
        zoom = torch.exp(draw(SCALE, math.log1p(self.scale)))
        shift_x, shift_y = draw(SHIFT_X, 2 * self.shift), draw(SHIFT_Y, 2 * self.shift)
        y, x = torch.meshgrid(_centres(height, x_NCHW.device), _centres(width, x_NCHW.device), indexing="ij")
        # Turning is done in pixels, so that a picture wider than high is not sheared.
        cos, sin, ratio = angle.cos() / zoom, angle.sin() / zoom, height / width
        from_x = cos * x - sin * y * ratio + shift_x
        from_y = sin * x / ratio + cos * y + shift_y
        return torch.stack((from_x, from_y), dim=-1)


def _centres(count: int, device: torch.device) -> Tensor:
    """The centres of `count` pixels between -1 and 1."""
    return (torch.arange(count, device=device, dtype=torch.float32) * 2 + 1) / count - 1
