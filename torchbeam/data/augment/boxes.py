"""Boxes go where their pictures go."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A box of which less than this share of its area stays in the picture is dropped, as is one thinner than a pixel.
VISIBLE = 0.2
THINNEST = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class MovedBoxes:
    """The boxes of one picture that are still in it: xyxy_M4 in pixels, and which of those given they are, kept_M."""

    xyxy_M4: NDArray[np.float64]
    kept_M: NDArray[np.int64]


def moved_boxes(
    xyxy_N4: NDArray[np.float64], map_33: NDArray[np.float64], size: tuple[int, int], visible: float = VISIBLE
) -> MovedBoxes:
    """The upright boxes around where an affine map takes the corners of boxes, cut at the edges of a picture of
    `size` (width, height).

    Dropped: those of which less than `visible` of the area is left after cutting, or less than a pixel each way. A
    box around the corners is larger than the thing where pictures are turned; nothing more is known of it.
    """
    given = np.asarray(xyxy_N4, dtype=np.float64).reshape(-1, 4)
    corners_N42 = given[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] @ map_33[:2, :2].T + map_33[:2, 2]
    whole = np.concatenate((corners_N42.min(1), corners_N42.max(1)), axis=1)
    cut = np.clip(whole, 0, np.tile(np.asarray(size, dtype=np.float64), 2))
    sides, area = cut[:, 2:] - cut[:, :2], (whole[:, 2:] - whole[:, :2]).prod(1)
    kept = np.flatnonzero((sides >= THINNEST).all(1) & (sides.prod(1) >= visible * area))
    return MovedBoxes(cut[kept], kept)
