"""Augmentation of a whole batch beside the same draws sample by sample: `python -m bench.augment`.

256 colour pictures of 32x32 pixels, from bytes to normalised floats, on the CPU with two threads. Beside it
torchvision.transforms.v2's functions, picture by picture with the very same draws, then stacked. The largest
difference between the results is told too: where pictures are turned, torchvision leaves corners black, which moves
the mean that contrast is about. Median and best of 40, both ways in every turn.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as peer

from bench.machine import keep, machine
from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.places import crops, flips
from torchbeam.data.augment.words import Augmentation, parse_augment
from torchbeam.data.chance import BRIGHTNESS, CONTRAST, CUTOUT_X, CUTOUT_Y, ROTATE, SATURATION, uniform

TURNS, EPOCHS = 5, 8
COUNT, SIDE = 256, 32
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]
TEXTS = ("flip, crop 4", "flip, crop 4, rotate 10, color 0.2, cutout 8")


def drawn(augmentation: Augmentation, samples: np.ndarray, epoch: int) -> list[tuple]:
    """What happens to each sample, as numbers for torchvision."""
    across, _ = flips(augmentation, samples, 0, epoch)
    steps = crops(augmentation, samples, 0, epoch)
    angles = augmentation.rotate * (2 * uniform(0, epoch, samples, ROTATE) - 1)
    factors = [
        1 + augmentation.color * (2 * uniform(0, epoch, samples, draw) - 1)
        for draw in (BRIGHTNESS, CONTRAST, SATURATION)
    ]
    corners = [
        np.floor(uniform(0, epoch, samples, draw) * SIDE) - augmentation.cutout // 2 for draw in (CUTOUT_Y, CUTOUT_X)
    ]
    columns = (across, *steps.T, angles, *factors, *(corner.astype(int) for corner in corners))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def one_by_one(augmentation: Augmentation, pixels_NCHW: Tensor, draws: list[tuple]) -> Tensor:
    """torchvision's answer."""
    side, pad = augmentation.cutout, augmentation.crop
    seen = []
    for picture, draw in zip(pixels_NCHW, draws, strict=True):
        across, right, down, angle, bright, contrast, colour, top, left = draw
        picture = peer.horizontal_flip(picture) if across else picture
        picture = peer.pad(picture, [pad], padding_mode="reflect")
        picture = peer.crop(picture, down + pad, right + pad, SIDE, SIDE)
        picture = peer.to_dtype(picture, torch.float32, scale=True)
        if augmentation.rotate:
            picture = peer.rotate(picture, angle, InterpolationMode.BILINEAR)
        if augmentation.color:
            picture = peer.adjust_brightness(picture, bright)
            picture = peer.adjust_contrast(picture, contrast)
            picture = peer.adjust_saturation(picture, colour)
        picture = peer.normalize(picture, MEAN, STD)
        if side:
            y, x = max(top, 0), max(left, 0)
            picture = peer.erase(picture, y, x, top + side - y, left + side - x, torch.zeros(1))
        seen.append(picture)
    return torch.stack(seen)


def main() -> None:
    torch.set_num_threads(2)
    noise = torch.rand(COUNT, 3, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, size=(SIDE, SIDE), mode="bicubic").clamp_(0, 1)
    pixels, samples = (smooth * 255).round().to(torch.uint8), np.arange(COUNT)
    rows = {text: compared(parse_augment(text), pixels, samples) for text in TEXTS}
    for text, row in rows.items():
        print(text)
        for name in ("torchbeam", "torchvision"):
            print(f"  {name:<12} {row[f'{name}_ms']:>8.2f} ms, best {row[f'{name}_best_ms']:.2f}")
        print(f"  {row['times']:.1f} times as fast, best against best {row['times_best']:.1f}")
        print(
            f"  largest difference {row['difference']:.2g}; of half the pixels at most {row['middle_difference']:.2g}"
        )
    print(f"on {machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    keep("augment", rows)


def compared(augmentation: Augmentation, pixels_NCHW: Tensor, samples: np.ndarray) -> dict[str, float]:
    own, theirs = [], []
    difference = torch.zeros(1)
    for turn in range(TURNS + 1):
        # Each for some batches in a row, as in a run; the first turn warms up.
        epochs = range(turn * EPOCHS, (turn + 1) * EPOCHS)
        draws = [drawn(augmentation, samples, epoch) for epoch in epochs]
        mine = [timed(whole_batch, augmentation, pixels_NCHW, samples, epoch) for epoch in epochs]
        peers = [timed(one_by_one, augmentation, pixels_NCHW, draw) for draw in draws]
        if turn:
            own += [1000 * took for took, _ in mine]
            theirs += [1000 * took for took, _ in peers]
        difference = (mine[0][1] - peers[0][1]).abs()
    return {
        "torchbeam_ms": round(median(own), 3),
        "torchbeam_best_ms": round(min(own), 3),
        "torchvision_ms": round(median(theirs), 3),
        "torchvision_best_ms": round(min(theirs), 3),
        "times": round(median(theirs) / median(own), 1),
        "times_best": round(min(theirs) / min(own), 1),
        "difference": difference.max().item(),
        "middle_difference": difference.median().item(),
    }


def whole_batch(augmentation: Augmentation, pixels_NCHW: Tensor, samples: np.ndarray, epoch: int) -> Tensor:
    """Our answer."""
    return augmented(augmentation, pixels_NCHW, samples, 0, epoch, MEAN, STD).pictures_NCHW


def timed(work: Callable[..., Tensor], *given: Any) -> tuple[float, Tensor]:
    start = time.perf_counter()
    result = work(*given)
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
