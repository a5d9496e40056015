"""Colours drawn anew: brightness, contrast, saturation, hue, and none at all. Pictures are floats 0 to 1, N, C, H, W.

The arithmetic is that of torchvision.transforms.v2 with another factor for each picture. A picture of one channel
has brightness and contrast; the others leave it as it is.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.data.augment.words import Augmentation
from torchbeam.data.chance import BRIGHTNESS, CONTRAST, GRAYSCALE, HUE, SATURATION, uniform

# Red, green and blue in grey (ITU-R BT.601), as torchvision rounds them.
GREY = (0.2989, 0.587, 0.114)


def recolours(augmentation: Augmentation) -> bool:
    """Whether colours are changed."""
    return bool(augmentation.color or augmentation.hue or augmentation.grayscale)


def recoloured(x_NCHW: Tensor, augmentation: Augmentation, samples: NDArray[np.int64], seed: int, epoch: int) -> Tensor:
    """The pictures of `samples` with this epoch's colours, still 0 to 1. May write into the pictures given."""

    def draw(purpose: int, low: float, high: float) -> Tensor:
        chance = low + (high - low) * uniform(seed, epoch, samples, purpose)
        return torch.from_numpy(chance.astype(np.float32)).to(x_NCHW.device).view(-1, 1, 1, 1)

    reach = augmentation.color
    if reach:
        x_NCHW = brightened(x_NCHW, draw(BRIGHTNESS, 1 - reach, 1 + reach))
        x_NCHW = contrasted(x_NCHW, draw(CONTRAST, 1 - reach, 1 + reach))
        x_NCHW = saturated(x_NCHW, draw(SATURATION, 1 - reach, 1 + reach))
    if augmentation.hue:
        x_NCHW = hued(x_NCHW, draw(HUE, -augmentation.hue, augmentation.hue))
    if augmentation.grayscale:
        x_NCHW = torch.where(draw(GRAYSCALE, 0, 1) < augmentation.grayscale, grey(x_NCHW), x_NCHW)
    return x_NCHW


def brightened(x_NCHW: Tensor, factor_N111: Tensor) -> Tensor:
    """Every value times the factor, at most 1. Writes into the pictures given."""
    return x_NCHW.mul_(factor_N111).clamp_(0, 1)


def contrasted(x_NCHW: Tensor, factor_N111: Tensor) -> Tensor:
    """Every value's distance from the picture's mean grey times the factor. Writes into the pictures given."""
    # The mean of the greys is the grey of the means.
    mean_N111 = grey(x_NCHW.mean((2, 3), keepdim=True))
    return x_NCHW.mul_(factor_N111).add_(mean_N111 * (1 - factor_N111)).clamp_(0, 1)


def saturated(x_NCHW: Tensor, factor_N111: Tensor) -> Tensor:
    """Every value's distance from its pixel's grey times the factor. Writes into the pictures given."""
    if x_NCHW.shape[1] == 1:
        return x_NCHW
    grey_N1HW = grey(x_NCHW)
    return x_NCHW.mul_(factor_N111).add_(grey_N1HW.mul_(1 - factor_N111)).clamp_(0, 1)


def hued(x_NCHW: Tensor, turn_N111: Tensor) -> Tensor:
    """Hues moved round the colour circle by a share of it (HSV, Smith 1978)."""
    if x_NCHW.shape[1] == 1:
        return x_NCHW
    red, green, blue = x_NCHW.unbind(1)
    most, least = x_NCHW.amax(1), x_NCHW.amin(1)
    span = most - least
    over = torch.where(span == 0, 1, span)
    sixths = torch.where(most == green, (blue - red) / over + 2, (red - green) / over + 4)
    sixths = torch.where(most == red, (green - blue) / over, sixths) + 6 * turn_N111[:, 0]
    # Each channel of a colour of that hue: its value less the span, up to where hue is far from that channel.
    away = [(sixths + offset) % 6 for offset in (5, 3, 1)]
    return torch.stack([most - span * torch.minimum(k, 4 - k).clamp_(0, 1) for k in away], dim=1)


def grey(x_NCHW: Tensor) -> Tensor:
    """The grey of every pixel, one channel."""
    if x_NCHW.shape[1] == 1:
        return x_NCHW
    red, green, blue = x_NCHW.unbind(1)
    return red.mul(GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2]).unsqueeze_(1)
