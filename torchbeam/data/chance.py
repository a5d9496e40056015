"""Chance without state: every random number is a function of (seed, epoch, sample, draw).

So the order of an epoch and the augmentation of a sample do not depend on batches, workers or what came
before, and a resumed run draws what an uninterrupted one would have drawn. The mixing function is
SplitMix64's (Steele, Lea & Flood, 'Fast Splittable Pseudorandom Number Generators', OOPSLA 2014).
"""

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# What a draw is for: one number each, never used twice.
ORDER, SHIFT_X, SHIFT_Y, ROTATE, SCALE = range(5)
FLIP, VFLIP, CROP_X, CROP_Y, PART_X, PART_Y = range(5, 11)
BRIGHTNESS, CONTRAST, SATURATION, HUE, GRAYSCALE = range(11, 16)
CUTOUT_X, CUTOUT_Y, MIX_WHICH, MIXUP, CUTMIX, CUTMIX_X, CUTMIX_Y = range(16, 23)
PART_SHAPE = 64  # and the 19 after it: area and shape at each of ten tries


def splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output for each state, before the state moves on."""
    with np.errstate(over="ignore"):
        z = state + GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(seed: int, epoch: int, samples: NDArray[np.int64], draw: int) -> NDArray[np.float64]:
    """One number in [0, 1) for each sample, shape (len(samples),)."""
    key = np.zeros(1, np.uint64)
    for part in (seed % 2**64, epoch, draw):
        key = splitmix64(key ^ np.uint64(part))
    mixed = splitmix64(splitmix64(key ^ samples.astype(np.uint64)))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shuffled(seed: int, epoch: int, samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """The samples in the order of this epoch."""
    return samples[np.argsort(uniform(seed, epoch, samples, ORDER), kind="stable")]
