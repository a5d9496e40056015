"""baselines: what a pixel is replaced by where it is to say nothing."""

import math

import numpy as np
import torch
from torch import Tensor

from torchbeam.design.arguments import nearest, short
from torchbeam.errors import SettingError
from torchbeam.look.subject import Subject

BASELINES = ("grey", "mean", "blur", "noise")
# The blur's standard deviation as a share of the longer side: 11 pixels of 224, near the 10 of Fong and Vedaldi 2017.
BLUR = 0.05


def baseline(subject: Subject, name: str = "grey", seed: int = 0) -> Tensor:
    """A picture 1, C, H, W without what the subject's picture shows, normalised as it is, on its device.

    grey: the mean colour of the training pictures, which normalising makes 0. mean: of this picture. blur: this
    picture, blurred. noise: bytes by chance, the same for the same seed. Raises SettingError for another name.
    """
    x_1CHW = subject.x_1CHW
    if name == "grey":
        return torch.zeros_like(x_1CHW)
    if name == "mean":
        return x_1CHW.mean((2, 3), keepdim=True).expand_as(x_1CHW).clone()
    if name == "blur":
        return blurred(x_1CHW, BLUR * max(x_1CHW.shape[2:]))
    if name == "noise":
        _, channels, height, width = x_1CHW.shape
        bytes_HWC = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
        return subject.normalised(bytes_HWC)
    raise SettingError(
        f"no baseline {short(name)!r}", expected=", ".join(BASELINES), remedy=nearest(name, list(BASELINES))
    )


def blurred(x_NCHW: Tensor, sigma: float) -> Tensor:
    """Pictures blurred by a Gaussian of that standard deviation in pixels, cut at 3 of them; beyond its edge a picture
    goes on as the pixel at the edge."""
    down, across = (_smoothing(side, sigma).to(x_NCHW) for side in x_NCHW.shape[2:])
    return down @ x_NCHW @ across.T


def _smoothing(side: int, sigma: float) -> Tensor:
    """The matrix that blurs a line of pixels: what each takes of each, every row adding up to 1."""
    reach = math.ceil(3 * sigma)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * np.square(offsets / sigma)) if sigma > 0 else np.ones(1)
    taken = np.clip(np.arange(side)[:, None] + offsets, 0, side - 1)
    matrix = np.zeros((side, side))
    np.add.at(matrix, (np.arange(side)[:, None], taken), weights / weights.sum())
    return torch.from_numpy(matrix)
