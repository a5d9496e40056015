"""The exact shape of one thing in a picture: as outlines, or as runs of pixels; and the pixels it covers.

Coordinates are pixels of the upright picture, x to the right, y down; 0 is the left (upper) edge of the first
pixel, so that pixel (row, column) covers x in [column, column + 1) and y in [row, row + 1), and its centre is at
(column + 0.5, row + 0.5).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchbeam.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """One or more closed polygons, each an array (M, 2) of x, y, M at least 3; together they cover the thing."""

    rings: tuple[NDArray[np.float64], ...]

    def __post_init__(self) -> None:
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
                raise DataError(
                    "an outline is no polygon",
                    expected="three points or more, each of two finite numbers",
                    got=f"numbers of shape {ring.shape}" + ("" if np.isfinite(ring).all() else ", not all finite"),
                )


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """COCO's run lengths: pixels column by column, first how many are outside, then inside, and so on."""

    height: int
    width: int
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        total = sum(self.counts.tolist())  # Python's integers: hostile counts must not wrap round to a match
        if self.counts.min(initial=0) < 0 or total != self.height * self.width or min(self.height, self.width) < 0:
            raise DataError(
                f"run lengths do not fill their {self.width}x{self.height} picture",
                expected=f"counts, none negative, that add up to {self.height * self.width:,}",
                got=f"{total:,}",
            )


Region = Outlines | Runs


def raster(region: Region, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels of a region, shape (height, width): those whose centre it covers.

    A polygon covers by the even-odd rule, outlines by the union of their polygons. Raises DataError where run
    lengths are those of a picture of another size.
    """
    if isinstance(region, Runs):
        if (region.height, region.width) != (height, width):
            raise DataError(
                f"run lengths are those of a {region.width}x{region.height} picture", got=f"one of {width}x{height}"
            )
        inside = np.arange(len(region.counts)) % 2 == 1
        return np.repeat(inside, region.counts).reshape(width, height).T
    pixels = np.zeros((height, width), dtype=np.bool_)
    for ring in region.rings:
        _fill(pixels, ring)
    return pixels


def _fill(pixels: NDArray[np.bool_], ring: NDArray[np.float64]) -> None:
    """Sets the pixels whose centre a polygon covers: each row is scanned for where the polygon's edges cross it."""
    height, width = pixels.shape
    columns = np.clip(np.ceil(ring[:, 0] - 0.5), 0, width).astype(np.int64)
    first, last = int(columns.min()), int(columns.max())
    ends = np.roll(ring, -1, axis=0)
    # Each edge from its upper to its lower end, so that one walked up and down again crosses at the same places.
    downward = (ring[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(downward, ring, ends), np.where(downward, ends, ring)
    # The rows whose centre line an edge crosses; half open, so that a corner on a centre line counts once.
    begin = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    end = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64)
    if first == last or begin.min() == end.max():
        return
    count = end - begin
    edge = np.repeat(np.arange(len(ring)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + begin[edge]
    share = (row + 0.5 - upper[edge, 1]) / (lower[edge, 1] - upper[edge, 1])
    crossed = upper[edge, 0] * (1 - share) + lower[edge, 0] * share
    column = np.clip(np.ceil(crossed - 0.5), first, last).astype(np.int64) - first
    top, across = int(begin.min()), last - first + 1
    down = int(end.max()) - top
    crossings = np.bincount((row - top) * across + column, minlength=down * across).reshape(down, across)
    pixels[top : top + down, first:last] |= np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def box_of(region: Region) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge of a region in pixels; zeros where it covers nothing."""
    if isinstance(region, Outlines):
        if not region.rings:
            return (0.0, 0.0, 0.0, 0.0)
        points = np.concatenate(region.rings)
        left, top, right, bottom = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
        return left, top, right, bottom
    ends = np.cumsum(region.counts)
    begin, end = (ends - region.counts)[1::2], ends[1::2]
    begin, end = begin[end > begin], end[end > begin] - 1
    if not len(begin):
        return (0.0, 0.0, 0.0, 0.0)
    height = region.height
    turned = (begin // height != end // height).any()  # a run that goes on in the next column has both extremes
    top = 0 if turned else int((begin % height).min())
    bottom = height if turned else int((end % height).max()) + 1
    return float(begin.min() // height), float(top), float(end.max() // height + 1), float(bottom)


def area(region: Region) -> float:
    """Pixels a region covers; of outlines, the sum of their polygons' areas (Gauss's formula)."""
    if isinstance(region, Runs):
        return float(region.counts[1::2].sum())
    return float(sum(abs(signed_area(ring)) for ring in region.rings))


def signed_area(ring: NDArray[np.float64]) -> float:
    """The area of a polygon, positive where it runs clockwise as seen on the screen."""
    x, y = (ring - ring[0]).T  # from a corner of its own: fewer digits are lost far from the origin
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
