"""What the tests of augmentation share: pictures, and an augmentation's answer without normalisation."""

import numpy as np
import torch
from torch import Tensor

from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.words import parse_augment

HEIGHT, WIDTH = 24, 40


def noise(count: int, channels: int = 3, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Tensor:
    """Bytes, every pixel its own."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def smooth(count: int, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Tensor:
    """Colour pictures 0 to 1 without hard edges, of which two ways of reading between pixels differ little."""
    coarse = torch.rand(count, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def seen(text: str, x_NCHW: Tensor, samples: np.ndarray | None = None, seed: int = 0, epoch: int = 0) -> Tensor:
    """The pictures as the epoch shows them, values 0 to 1."""
    channels = x_NCHW.shape[1]
    chosen = np.arange(len(x_NCHW)) if samples is None else samples
    told = augmented(parse_augment(text), x_NCHW, chosen, seed, epoch, (0.0,) * channels, (1.0,) * channels)
    return told.pictures_NCHW
