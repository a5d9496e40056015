"""A batch of stored bytes -> what the network sees of it in this epoch, with its boxes and masks, on the device.

The order is fixed: pixels are moved (as bytes where no pixel falls between others), recoloured as values 0 to 1,
normalised, and then squares cut out (0 is the mean) and pictures mixed. So a batch is read once from bytes and
normalised once, and colours know where black and white are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.data.augment.boxes import MovedBoxes, moved_boxes
from torchbeam.data.augment.colour import recoloured, recolours
from torchbeam.data.augment.mixing import cut_out, mixed
from torchbeam.data.augment.places import crops, flips, maps, moves_between, moves_by_whole_pixels
from torchbeam.data.augment.resample import moved, moved_by_whole_pixels, moved_masks
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.preprocess import normalised
from torchbeam.errors import SettingError


@dataclass(frozen=True, slots=True, eq=False)
class Augmented:
    """pictures_NCHW: float32, normalised. boxes, masks_NHW: moved with them, None where none were given.

    share_N: float32, how much of each picture is its own, the rest being the next one's, partner_N (int64); None
    where nothing is mixed. The loss is then share * loss(label) + (1 - share) * loss(label of the partner).
    """

    pictures_NCHW: Tensor
    boxes: tuple[MovedBoxes, ...] | None = None
    masks_NHW: Tensor | None = None
    partner_N: Tensor | None = None
    share_N: Tensor | None = None


def augmented(
    augmentation: Augmentation,
    pixels_NCHW: Tensor,
    samples: NDArray[np.int64],
    seed: int,
    epoch: int,
    mean: Sequence[float],
    std: Sequence[float],
    boxes: Sequence[NDArray[np.float64]] | None = None,
    masks_NHW: Tensor | None = None,
) -> Augmented:
    """The pictures of `samples` as this epoch shows them, (value - mean) / std of each channel.

    pixels_NCHW: bytes 0 to 255, or floats 0 to 1. boxes: one array (Ni, 4) a picture, left, top, right and bottom
    edge in pixels. masks_NHW: whole numbers, IGNORE (-1) comes in from outside.
    What happens to a sample depends on (seed, epoch, sample) alone; only its partner in mixing is a matter of its
    batch. Raises SettingError where a crop or a square is too large for the pictures, or where pictures with boxes
    or masks would be mixed.
    """
    size = (pixels_NCHW.shape[-1], pixels_NCHW.shape[-2])
    told = boxes is not None or masks_NHW is not None
    _check(augmentation, size, told)
    chosen = (samples, seed, epoch)
    by = maps(augmentation, size, *chosen) if told or moves_between(augmentation) else None
    white = 255.0 if pixels_NCHW.dtype == torch.uint8 else 1.0
    x_NCHW = _moved(pixels_NCHW, augmentation, by, *chosen)
    if recolours(augmentation):
        x_NCHW, white = recoloured(x_NCHW.float() / white, augmentation, *chosen), 1.0
    x_NCHW = normalised(x_NCHW, mean, std, white)
    if augmentation.cutout:
        x_NCHW = cut_out(x_NCHW, augmentation.cutout, *chosen)
    partner_N = share_N = None
    if augmentation.mixes:
        x_NCHW, share_N = mixed(x_NCHW, augmentation, *chosen)
        partner_N = torch.arange(len(samples), device=x_NCHW.device).roll(-1)
    if by is None or not told:
        return Augmented(x_NCHW, None, None, partner_N, share_N)
    moved_all = None if boxes is None else tuple(moved_boxes(*pair, size) for pair in zip(boxes, by, strict=True))
    masks_NHW = None if masks_NHW is None else moved_masks(masks_NHW, by)
    return Augmented(x_NCHW, moved_all, masks_NHW)


def _moved(
    pixels_NCHW: Tensor,
    augmentation: Augmentation,
    maps_N33: NDArray[np.float64] | None,
    samples: NDArray[np.int64],
    seed: int,
    epoch: int,
) -> Tensor:
    """The pictures where they come to lie: as they were given, or floats where pixels fall between pixels."""
    x_NCHW = pixels_NCHW
    if moves_by_whole_pixels(augmentation):
        across, down = flips(augmentation, samples, seed, epoch)
        steps = crops(augmentation, samples, seed, epoch)
        x_NCHW = moved_by_whole_pixels(x_NCHW, across, down, steps)
    if maps_N33 is not None and moves_between(augmentation):
        x_NCHW = moved(x_NCHW.float(), maps_N33, mirror=augmentation.crop > 0)
    return x_NCHW


def _check(augmentation: Augmentation, size: tuple[int, int], told: bool) -> None:
    for word, pixels in (("crop", augmentation.crop), ("cutout", augmentation.cutout)):
        if pixels >= min(size):
            raise SettingError(
                f"the augmentation {word} {pixels} is too much for pictures of {size[0]}x{size[1]}",
                expected=f"less than {min(size)} pixels",
                remedy=f"take {word} {max(1, min(size) // 8)}",
            )
    if told and augmentation.mixes:
        raise SettingError(
            "the augmentation mixes pictures, which have boxes or masks",
            got=str(augmentation),
            remedy="leave mixup and cutmix out: they mix the labels of whole pictures",
        )
