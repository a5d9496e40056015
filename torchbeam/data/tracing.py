"""Pixels -> the polygons that run along their edges, and polygons joined into one."""

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.regions import Outlines, signed_area

# Points whose distances to all the points of another polygon are held at once.
_AT_ONCE = 1_000_000


def outlines_of(mask: NDArray[np.bool_]) -> Outlines:
    """The outer outline of every 4-connected piece of a mask (H, W), corners only, clockwise on the screen.

    Holes are filled: `raster` of the outlines is the mask, its holes covered. Pieces come by their first pixel.
    """
    return Outlines(tuple(ring for ring in _loops(mask) if signed_area(ring) > 0))


def holes(mask: NDArray[np.bool_]) -> int:
    """How many holes a mask (H, W) has: what outlines cannot keep. Pixels that touch at a corner are one hole."""
    return sum(signed_area(ring) < 0 for ring in _loops(mask))


def joined(region: Outlines) -> NDArray[np.float64]:
    """One polygon (M, 2) that covers what several cover: each is hung on by a bridge of no width.

    The bridge goes to the nearest corner and back, so by the even-odd rule it covers nothing. Polygons that
    overlap leave a hole where they do.
    """
    whole = region.rings[0]
    for ring in region.rings[1:]:
        here, there = _nearest(whole, ring)
        around = np.concatenate([ring[there:], ring[: there + 1]])
        whole = np.concatenate([whole[: here + 1], around, whole[here:]])
    return whole


def _nearest(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[int, int]:
    step = max(1, _AT_ONCE // len(other))
    best, at = np.inf, (0, 0)
    for start in range(0, len(one), step):
        apart = ((one[start : start + step, None] - other[None]) ** 2).sum(axis=2)
        least = int(apart.argmin())
        if apart.flat[least] < best:
            best, at = apart.flat[least], (start + least // len(other), least % len(other))
    return at


def _loops(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Every closed line between inside and outside, the inside to its right: outlines clockwise, holes the other way.

    The line is walked from corner to corner. Where two pixels touch only at a corner it turns right, back along
    the pixel it came by, which makes the pieces 4-connected.
    """
    start_V, end_V, direction = _sides(mask)
    points = np.arange((mask.shape[0] + 1) * (mask.shape[1] + 1) * 4)
    points[:] = -1
    points[start_V * 4 + direction] = np.arange(len(start_V))  # the side that leaves a corner in a direction
    right, left = points[end_V * 4 + (direction + 1) % 4], points[end_V * 4 + (direction + 3) % 4]
    following = np.where(right >= 0, right, left).tolist()
    corners = np.stack([start_V % (mask.shape[1] + 1), start_V // (mask.shape[1] + 1)], axis=1).astype(np.float64)
    walked, loops = [False] * len(following), []
    for side in range(int((direction == 0).sum())):  # every loop has a side that goes right
        loop = []
        while not walked[side]:
            walked[side] = True
            loop.append(side)
            side = following[side]
        if loop:
            loops.append(corners[loop])
    return loops


def _sides(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The straight sides between inside and outside: number of the corner each starts and ends at, and its direction.

    Corners are counted row by row, width + 1 to a row. Directions: 0 right, 1 down, 2 left, 3 up, those of the
    upper, right, lower and left edges of the pixels inside.
    """
    framed = np.pad(np.asarray(mask, dtype=np.bool_), 1)
    across = mask.shape[1] + 1
    lines = [
        (framed[1:, 1:-1] & ~framed[:-1, 1:-1], 1, across),  # inside below the line
        (framed[1:-1, :-1] & ~framed[1:-1, 1:], across, 1),  # inside to the left of it
        (framed[:-1, 1:-1] & ~framed[1:, 1:-1], 1, across),
        (framed[1:-1, 1:] & ~framed[1:-1, :-1], across, 1),
    ]
    starts, ends, directions = [], [], []
    for direction, (line, along, beside) in enumerate(lines):
        rows = line if direction % 2 == 0 else line.T
        edges = np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        which, begin = np.nonzero(edges == 1)
        end = np.nonzero(edges == -1)[1]
        first, last = which * beside + begin * along, which * beside + end * along
        starts.append(first if direction < 2 else last)
        ends.append(last if direction < 2 else first)
        directions.append(np.full(len(first), direction))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(directions)
