"""Pixels and masks go where the maps take them: a whole batch at once, on the device it lies on."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from torchbeam.data.records import IGNORE


def moved(x_NCHW: Tensor, maps_N33: NDArray[np.float64], mirror: bool = False) -> Tensor:
    """Pictures where an affine map for each takes them, by one bilinear reading; floats of the same shape.

    What comes in from outside repeats the edge, or with `mirror` is the picture mirrored about its outermost pixels.
    """
    outside = "reflection" if mirror else "border"
    grid = _grid(maps_N33, x_NCHW.shape[-2], x_NCHW.shape[-1], x_NCHW.device)
    return F.grid_sample(x_NCHW, grid, mode="bilinear", padding_mode=outside, align_corners=True)


def moved_masks(masks_NHW: Tensor, maps_N33: NDArray[np.float64]) -> Tensor:
    """Masks where the maps take them, by the nearest pixel; what comes in from outside is IGNORE. Same type."""
    grid = _grid(maps_N33, masks_NHW.shape[-2], masks_NHW.shape[-1], masks_NHW.device)
    # grid_sample reads floats, exact for whole numbers up to 2**24, and 0 outside.
    raised = (masks_NHW - IGNORE).float()[:, None]
    seen = F.grid_sample(raised, grid, mode="nearest", padding_mode="zeros", align_corners=True)
    return seen[:, 0].to(masks_NHW.dtype) + IGNORE


def moved_by_whole_pixels(
    x_NCHW: Tensor, across_N: NDArray[np.bool_], down_N: NDArray[np.bool_], steps_N2: NDArray[np.int64]
) -> Tensor:
    """Pictures mirrored left to right and top to bottom where told, then looked at steps_N2 pixels further right and
    down, less than a side; what comes in is mirrored about the outermost pixels. Exact, any type.

    Every row of the result is a run of values in a row that is written down back, forth and back again, so that
    whole rows are copied, many times as fast as picking pixel by pixel.
    """
    count, channels, height, width = x_NCHW.shape
    device, back = x_NCHW.device, x_NCHW.flip(3)
    wide = torch.cat((back[..., : width - 1], x_NCHW, back[..., 1:]), dim=3).contiguous()
    y = np.abs(np.arange(height) + steps_N2[:, 1:])
    y = np.where(y >= height, 2 * (height - 1) - y, y)
    y = torch.from_numpy(np.where(down_N[:, None], height - 1 - y, y)).to(device)
    right = steps_N2[:, 0]
    # Forth begins at width - 1, back at 0 and again at twice that.
    mirrored = np.where(right < 0, 2 * (width - 1) + right, right)
    left = torch.from_numpy(np.where(across_N, mirrored, width - 1 + right)).to(device)
    row = torch.arange(count * channels, device=device).view(count, channels, 1) * height + y[:, None]
    starts = row * wide.shape[3] + left[:, None, None]
    flat = wide.view(-1)
    runs = flat.as_strided((flat.numel() - width + 1, width), (1, 1))
    return runs.index_select(0, starts.view(-1)).view(x_NCHW.shape)


def _grid(maps_N33: NDArray[np.float64], height: int, width: int, device: torch.device) -> Tensor:
    """Where each pixel of the result looks, (N, H, W, 2), in grid_sample's coordinates: -1 to 1 from the centre of
    the first pixel to that of the last."""
    back = np.linalg.inv(maps_N33)[:, :2]
    # From pixels' indices to indices: the centre of pixel i lies at i + 1/2.
    back[:, :, 2] += back[:, :, :2].sum(2) / 2 - 0.5
    half = np.maximum(np.array([width - 1, height - 1]), 1) / 2
    back /= half[None, :, None]
    back[:, :, 2] -= 1
    a = torch.from_numpy(back.astype(np.float32)).to(device)[:, :, :, None, None]
    x, y = torch.arange(width, device=device)[None], torch.arange(height, device=device)[:, None]
    grid = torch.empty((len(maps_N33), height, width, 2), device=device)
    for axis in (0, 1):
        # Plain sums, not a matrix product: the same bits whatever batch a sample is in.
        torch.add(a[:, axis, 0] * x, a[:, axis, 1] * y + a[:, axis, 2], out=grid[..., axis])
    return grid
