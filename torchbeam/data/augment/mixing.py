"""What is laid over normalised pictures: a square of the mean, the next picture of the batch, or a part of it.

The partner of a sample is the next one of its batch (the first one's of the last). A batch's order is itself a
function of (seed, epoch), so a run and its continuation mix the same pictures; another batch size mixes others.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betaincinv
from torch import Tensor

from torchbeam.data.augment.words import Augmentation
from torchbeam.data.chance import (
    CUTMIX,
    CUTMIX_X,
    CUTMIX_Y,
    CUTOUT_X,
    CUTOUT_Y,
    MIX_WHICH,
    MIXUP,
    uniform,
)


def cut_out(x_NCHW: Tensor, side: int, samples: NDArray[np.int64], seed: int, epoch: int) -> Tensor:
    """A square of `side` pixels becomes 0, the mean. Its middle is any pixel, so it may reach out of the picture
    (DeVries & Taylor 2017). Writes into the pictures given."""
    height, width = x_NCHW.shape[-2:]
    left = np.floor(uniform(seed, epoch, samples, CUTOUT_X) * width) - side // 2
    top = np.floor(uniform(seed, epoch, samples, CUTOUT_Y) * height) - side // 2
    return x_NCHW.masked_fill_(_inside(np.stack((left, top, left + side, top + side), axis=1), x_NCHW), 0)


def mixed(
    x_NCHW: Tensor, augmentation: Augmentation, samples: NDArray[np.int64], seed: int, epoch: int
) -> tuple[Tensor, Tensor]:
    """The pictures mixed with their partners, and the share of each that is its own, float32, shape (N,).

    mixup: own * share + partner's * (1 - share), share from Beta(alpha, alpha). cutmix: a rectangle of the partner
    of the picture's shape, its area drawn likewise, its middle any pixel; the share is that of the pixels that
    remain. With both words each sample has one or the other, as likely.
    """
    count, _, height, width = x_NCHW.shape
    by_mixup = _by_mixup(augmentation, samples, seed, epoch)
    mixup_N, boxes_N4 = np.ones(count), np.zeros((count, 4))
    if augmentation.mixup:
        mixup_N = np.where(by_mixup, _beta(augmentation.mixup, uniform(seed, epoch, samples, MIXUP)), 1)
    if augmentation.cutmix:
        drawn = cutmix_boxes(augmentation.cutmix, (width, height), samples, seed, epoch)
        boxes_N4 = np.where(by_mixup[:, None], 0, drawn)
    pasted = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(1) / (height * width)
    partner = x_NCHW.roll(-1, 0)
    share = torch.from_numpy(mixup_N.astype(np.float32)).to(x_NCHW.device)
    if augmentation.mixup:
        x_NCHW = torch.lerp(partner, x_NCHW, share.view(-1, 1, 1, 1))
    if augmentation.cutmix:
        x_NCHW = torch.where(_inside(boxes_N4, x_NCHW), partner, x_NCHW)
        share = share * torch.from_numpy((1 - pasted).astype(np.float32)).to(x_NCHW.device)
    return x_NCHW, share


def cutmix_boxes(
    alpha: float, size: tuple[int, int], samples: NDArray[np.int64], seed: int, epoch: int
) -> NDArray[np.float64]:
    """What is pasted into each picture of `size` (width, height): left, top, right, bottom in whole pixels, (N, 4)."""
    half = 0.5 * np.sqrt(1 - _beta(alpha, uniform(seed, epoch, samples, CUTMIX)))
    sides = []
    for draw, side in ((CUTMIX_X, size[0]), (CUTMIX_Y, size[1])):
        middle, reach = np.floor(uniform(seed, epoch, samples, draw) * side), np.floor(half * side)
        sides.append((np.maximum(middle - reach, 0), np.minimum(middle + reach, side)))
    (left, right), (top, bottom) = sides
    return np.stack((left, top, right, bottom), axis=1)


def _by_mixup(augmentation: Augmentation, samples: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.bool_]:
    if augmentation.mixup and augmentation.cutmix:
        return uniform(seed, epoch, samples, MIX_WHICH) < 0.5
    return np.full(len(samples), bool(augmentation.mixup))


def _beta(alpha: float, chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of Beta(alpha, alpha), by its distribution's inverse."""
    return np.asarray(betaincinv(alpha, alpha, chance))


def _inside(boxes_N4: NDArray[np.float64], x_NCHW: Tensor) -> Tensor:
    """Which pixels lie in each picture's box: bool, (N, 1, H, W)."""
    height, width = x_NCHW.shape[-2:]
    left, top, right, bottom = boxes_N4.T[:, :, None]
    x, y = np.arange(width), np.arange(height)
    across, down = ((left <= x) & (x < right), (top <= y) & (y < bottom))
    device = x_NCHW.device
    return torch.from_numpy(down).to(device)[:, None, :, None] & torch.from_numpy(across).to(device)[:, None, None]
