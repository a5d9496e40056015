"""Where pictures come to lie: all geometric words of an augmentation as one affine map for each sample.

Coordinates are pixels of the picture, x to the right, y down, 0 at its left (upper) edge. A map takes a point of
the picture as it was to where it comes to lie: (x', y', 1) = map @ (x, y, 1).
"""

import math

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.augment.resizedcrop import crop_boxes
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.chance import CROP_X, CROP_Y, FLIP, ROTATE, SCALE, SHIFT_X, SHIFT_Y, VFLIP, uniform

Draws = NDArray[np.int64]


def moves_by_whole_pixels(augmentation: Augmentation) -> bool:
    """Whether pictures are mirrored and cropped and nothing else, so that every pixel stays exactly what it was."""
    whole = (augmentation.flip, augmentation.altflip, augmentation.vflip, augmentation.crop)
    return any(whole) and not moves_between(augmentation)


def moves_between(augmentation: Augmentation) -> bool:
    """Whether pixels come to lie between pixels, so that pictures must be read anew between them."""
    between = (augmentation.resizedcrop, augmentation.shift, augmentation.rotate, augmentation.scale)
    return any(between)


def flips(augmentation: Augmentation, samples: Draws, seed: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Which samples are mirrored left to right, and which top to bottom: bool, shape (N,) each."""
    none = np.zeros(len(samples), dtype=np.bool_)
    across = uniform(seed, epoch, samples, FLIP) < 0.5 if augmentation.flip else none
    if augmentation.altflip:  # which epochs are a picture's own is drawn once, as if in epoch 0
        across = (uniform(seed, 0, samples, FLIP) < 0.5) ^ (epoch % 2 == 1)
    down = uniform(seed, epoch, samples, VFLIP) < 0.5 if augmentation.vflip else none
    return across, down


def crops(augmentation: Augmentation, samples: Draws, seed: int, epoch: int) -> NDArray[np.int64]:
    """By how many pixels each sample is looked at further right and further down, -crop to crop, shape (N, 2)."""
    most = augmentation.crop
    if not most:
        return np.zeros((len(samples), 2), dtype=np.int64)
    chance = [uniform(seed, epoch, samples, draw) for draw in (CROP_X, CROP_Y)]
    return np.floor(np.stack(chance, axis=1) * (2 * most + 1)).astype(np.int64) - most


def maps(
    augmentation: Augmentation, size: tuple[int, int], samples: Draws, seed: int, epoch: int
) -> NDArray[np.float64]:
    """The map of each sample, shape (N, 3, 3). size: (width, height) of the pictures, before and after."""
    width, height = size
    found = np.tile(np.eye(3), (len(samples), 1, 1))
    if augmentation.resizedcrop is not None:
        sizes = np.tile(np.array([size]), (len(samples), 1))
        found = part_maps(crop_boxes(augmentation.resizedcrop, sizes, samples, seed, epoch), size)
    across, down = flips(augmentation, samples, seed, epoch)
    sign = np.where(np.stack((across, down), axis=1), -1.0, 1.0)
    mirrored = _scaled(sign, (1 - sign) / 2 * size - crops(augmentation, samples, seed, epoch))
    found = mirrored @ found
    if augmentation.shift or augmentation.rotate or augmentation.scale:
        found = _turned(augmentation, (width, height), samples, seed, epoch) @ found
    return found


def part_maps(boxes_N4: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """The maps that make a part of each picture (left, top, right, bottom) fill one of `size`, shape (N, 3, 3)."""
    scale = np.array(size) / (boxes_N4[:, 2:] - boxes_N4[:, :2])
    return _scaled(scale, -boxes_N4[:, :2] * scale)


def _scaled(scale_N2: NDArray[np.float64], offset_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """x' = scale x + offset, along each side."""
    found = np.zeros((len(scale_N2), 3, 3))
    found[:, [0, 1], [0, 1]] = scale_N2
    found[:, :2, 2] = offset_N2
    found[:, 2, 2] = 1
    return found


def _turned(augmentation: Augmentation, size: tuple[int, int], samples: Draws, seed: int, epoch: int) -> NDArray:
    """Shifted, then turned and scaled about the middle."""

    def draw(purpose: int, reach: float) -> NDArray[np.float64]:
        return (2 * uniform(seed, epoch, samples, purpose) - 1) * reach if reach else np.zeros(len(samples))

    angle, zoom = draw(ROTATE, math.radians(augmentation.rotate)), np.exp(draw(SCALE, math.log1p(augmentation.scale)))
    shift = np.stack((draw(SHIFT_X, augmentation.shift), draw(SHIFT_Y, augmentation.shift)), axis=1) * size
    middle = np.array(size) / 2
    found = np.zeros((len(samples), 3, 3))
    found[:, 0, 0] = found[:, 1, 1] = zoom * np.cos(angle)
    found[:, 0, 1] = zoom * np.sin(angle)
    found[:, 1, 0] = -found[:, 0, 1]
    found[:, 2, 2] = 1
    # In the picture as it was, its new middle lies `shift` away from the old one.
    found[:, :2, 2] = middle - (found[:, :2, :2] @ (middle + shift)[:, :, None])[:, :, 0]
    return found
