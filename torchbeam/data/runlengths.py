"""Masks as run lengths, and COCO's two ways to write them: a list of counts, and a string of them.

Source: pycocotools, `rleToString` and `rleFrString` in common/maskApi.c (Dollar & Lin).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.regions import Runs
from torchbeam.errors import DataError


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    """The run lengths of a mask (H, W)."""
    height, width = mask.shape
    column_by_column = np.asarray(mask, dtype=np.int8).T.reshape(-1)
    changes = np.flatnonzero(np.diff(column_by_column, prepend=0))
    return Runs(height, width, np.diff(changes, prepend=0, append=height * width).astype(np.int64))


def runs_by_value(values: NDArray[np.int32]) -> dict[int, Runs]:
    """The run lengths of every value in an array (H, W), each as of the mask of that value, all in one pass."""
    height, width = values.shape
    column_by_column = values.T.reshape(-1)
    begin = np.concatenate([[0], np.flatnonzero(np.diff(column_by_column)) + 1])[: len(column_by_column)]
    end = np.append(begin[1:], len(column_by_column)) if len(begin) else begin
    own = column_by_column[begin]
    found = {}
    for value in np.unique(own).tolist():
        changes = np.stack([begin[own == value], end[own == value]], axis=1).reshape(-1)
        if changes[-1] == height * width:
            changes = changes[:-1]
        found[value] = Runs(height, width, np.diff(changes, prepend=0, append=height * width).astype(np.int64))
    return found


def runs_from_coco(told: Mapping[str, object]) -> Runs:
    """The run lengths in a COCO segmentation {'size': [height, width], 'counts': a list or a string}.

    Raises DataError where they cannot be read, or do not fill their picture.
    """
    size, counts = told.get("size"), told.get("counts")
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(_is_count(side) for side in size)):
        raise DataError("run lengths without their picture's size", expected="[height, width]", got=repr(size)[:80])
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    if isinstance(counts, str):
        counts = _unpacked(counts)
    if not (isinstance(counts, list | tuple) and all(_is_count(count) for count in counts)):
        raise DataError(
            "run lengths that cannot be read",
            expected="'counts', a list of whole numbers or COCO's string of them",
            got=repr(counts)[:80],
        )
    return Runs(int(size[0]), int(size[1]), np.array(counts, dtype=np.int64))


def runs_to_coco(runs: Runs) -> dict[str, object]:
    """Run lengths as COCO writes them, as a list of counts."""
    return {"size": [runs.height, runs.width], "counts": runs.counts.tolist()}


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**31


def _unpacked(text: str) -> list[int]:
    """The counts in COCO's string.

    Each letter, less 48, holds five bits, the lowest first, and whether more follow; the last letter's highest bit
    is the sign. From the fourth count on, what is written is the difference to the count before the last.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise DataError("run lengths with a letter that means none", got=f"{letter!r} in {text[:40]!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError("run lengths that break off in the middle of a count", got=repr(text[-40:]))
    return counts
