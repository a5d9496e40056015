"""resizedcrop: which part of a picture comes to fill it. Drawn here alone, so that whoever decodes may cut there."""

import math

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.chance import PART_SHAPE, PART_X, PART_Y, uniform

TRIES = 10
WIDEST = 4 / 3


def crop_boxes(
    area: tuple[float, float], sizes_N2: NDArray[np.int64], samples: NDArray[np.int64], seed: int, epoch: int
) -> NDArray[np.float64]:
    """The part of each picture: left, top, right, bottom edge in its own pixels, whole numbers, shape (N, 4).

    area: Augmentation.resizedcrop, the least and the largest share. sizes_N2: width and height of each picture.
    The draws are those of torchvision's RandomResizedCrop: a share uniform in `area` and a shape log-uniform from
    3:4 to 4:3, tried up to ten times until it fits, then placed anywhere; where none fits, the middle is taken, at
    most 4:3 and at least 3:4.
    """
    sizes = np.asarray(sizes_N2, dtype=np.float64).reshape(-1, 2)
    sides = _middle(sizes)
    open_N = np.ones(len(sizes), dtype=np.bool_)
    for number in range(TRIES):
        share = area[0] + (area[1] - area[0]) * uniform(seed, epoch, samples, PART_SHAPE + 2 * number)
        reach = math.log(WIDEST) * (2 * uniform(seed, epoch, samples, PART_SHAPE + 2 * number + 1) - 1)
        pixels, shape = share * sizes.prod(1), np.exp(reach)
        tried = np.round(np.sqrt(np.stack((pixels * shape, pixels / shape), axis=1)))
        fits = open_N & (tried > 0).all(1) & (tried <= sizes).all(1)
        sides[fits] = tried[fits]
        open_N &= ~fits
        if not open_N.any():
            break
    place = np.stack((uniform(seed, epoch, samples, PART_X), uniform(seed, epoch, samples, PART_Y)), axis=1)
    room = sizes - sides
    corner = np.floor(np.where(open_N[:, None], room / 2, place * (room + 1)))
    return np.concatenate((corner, corner + sides), axis=1)


def _middle(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width and height of the largest part of allowed shape."""
    width, height = sizes[:, 0], sizes[:, 1]
    return np.stack(
        (np.minimum(width, np.round(height * WIDEST)), np.minimum(height, np.round(width * WIDEST))), axis=1
    )
