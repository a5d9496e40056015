"""Random features: what a layer of that many filters knows before it has learnt anything, as the baseline for codes.

One layer of patches from the pictures themselves, whitened, as filters; rectified and averaged over quarters of the
picture (Coates, Lee & Ng, 'An Analysis of Single-Layer Networks', AISTATS 2011; patches as filters, without
learning, in Coates & Ng, ICML 2011).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from torchbeam.data.chance import uniform
from torchbeam.errors import SettingError

SIDE, PATCH = 32, 6  # the picture's shorter side and the patches', in pixels
PATCHES = 10_000  # that the whitening is measured on
CONTRAST, WHITENING = 10 / 255**2, 0.1  # added to a patch's variance, and to the variance of each axis
THRESHOLD = 0.25  # below which an answer is none
AT_ONCE = 64  # pictures
# What the draws here are for, beside those that data/chance.py numbers.
WHICH, DOWN, ACROSS = 202, 203, 204


def random_features(pixels_NCHW: Tensor, width: int, seed: int = 0) -> Tensor:
    """N x width, float32, of pictures given as bytes; the filters are a function of the pictures and the seed.

    A quarter of `width` filters, each averaged over the four quarters of the picture. Pictures are first reduced to a
    shorter side of 32 pixels. Raises SettingError for a width below 1.
    """
    if width < 1:
        raise SettingError(f"random features cannot be {width} numbers wide", expected="1 or more")
    small_NCHW = torch.cat([_reduced(part) for part in pixels_NCHW.split(AT_ONCE)])
    size = min(PATCH, *small_NCHW.shape[2:])
    count = -(-width // 4)
    patches_MD = _contrasted(_patches(small_NCHW, size, max(PATCHES, count), seed))
    mean_D = patches_MD.mean(0)
    white_DD = _whitening(patches_MD - mean_D)
    filters_DF = F.normalize((patches_MD[:count] - mean_D) @ white_DD).T
    return torch.cat([_answers(part, size, mean_D, white_DD, filters_DF) for part in small_NCHW.split(AT_ONCE)])[
        :, :width
    ]


def _reduced(pixels_NCHW: Tensor) -> Tensor:
    """Values 0 to 1, the shorter side at most SIDE."""
    height, width = pixels_NCHW.shape[2:]
    ratio = max(1.0, min(height, width) / SIDE)
    scaled = (round(height / ratio), round(width / ratio))
    return F.adaptive_avg_pool2d(pixels_NCHW.float() / 255, scaled)


def _patches(small_NCHW: Tensor, size: int, count: int, seed: int) -> Tensor:
    """count x (C * size * size): patches from anywhere."""
    number = np.arange(count)
    limits = (len(small_NCHW), small_NCHW.shape[2] - size + 1, small_NCHW.shape[3] - size + 1)
    drawn = [
        torch.from_numpy((uniform(seed, 0, number, draw) * limit).astype(np.int64))
        for draw, limit in zip((WHICH, DOWN, ACROSS), limits, strict=True)
    ]
    steps = torch.arange(size)
    which_M, down_MS, across_MS = drawn[0], drawn[1][:, None] + steps, drawn[2][:, None] + steps
    patches = small_NCHW.permute(0, 2, 3, 1)[which_M[:, None, None], down_MS[:, :, None], across_MS[:, None, :]]
    return patches.permute(0, 3, 1, 2).flatten(1)


def _contrasted(patches_MD: Tensor) -> Tensor:
    """Each patch less its mean, over its own contrast."""
    centred = patches_MD - patches_MD.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + CONTRAST).sqrt()


def _whitening(patches_MD: Tensor) -> Tensor:
    """D x D: ZCA."""
    values, axes = torch.linalg.eigh((patches_MD.T @ patches_MD).double() / len(patches_MD))
    return ((axes / (values.clamp_min(0) + WHITENING).sqrt()) @ axes.T).float()


def _answers(small_NCHW: Tensor, size: int, mean_D: Tensor, white_DD: Tensor, filters_DF: Tensor) -> Tensor:
    """N x 4F."""
    height, width = small_NCHW.shape[2] - size + 1, small_NCHW.shape[3] - size + 1
    windows = F.unfold(small_NCHW, size).transpose(1, 2)
    shape = windows.shape[:2]
    seen = (_contrasted(windows.flatten(0, 1)) - mean_D) @ (white_DD @ filters_DF)
    maps = (seen - THRESHOLD).clamp_min_(0).view(*shape, -1).transpose(1, 2)
    return F.adaptive_avg_pool2d(maps.unflatten(2, (height, width)), 2).flatten(1)
