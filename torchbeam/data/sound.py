"""Boxes as a source states them -> boxes that can be learnt from, and what was wrong with the others."""

import numpy as np

from torchbeam.data.records import Boxes, Fault

# What rounding may do: a box this many pixels beyond the picture's edge is cut there without a word.
SLACK = 1.0


def sound(told: Boxes, size: tuple[int, int], path: str) -> tuple[Boxes, list[Fault]]:
    """The boxes that lie in a picture of `size` (width, height), cut at its edges, and the faults of the rest.

    Set aside: boxes whose edges are no numbers, inverted (right < left), empty (no width or height), or wholly
    outside. A box that reaches further out than a pixel is cut, and that is a fault too.
    """
    faults, kept = [], []
    width, height = size
    cut = np.clip(told.xyxy_N4, 0, np.array([width, height, width, height], dtype=np.float64))
    for number, (left, top, right, bottom) in enumerate(told.xyxy_N4.tolist()):
        where = f"box {number + 1} ({left:g}, {top:g}, {right:g}, {bottom:g})"
        if not np.isfinite((left, top, right, bottom)).all():
            faults.append(Fault(path, "box not a number", f"{where} has edges that are no numbers; set aside"))
        elif right < left or bottom < top:
            faults.append(Fault(path, "box inverted", f"{where} ends before it begins; set aside"))
        elif right == left or bottom == top:
            faults.append(Fault(path, "box empty", f"{where} has no area; set aside"))
        elif cut[number, 0] >= cut[number, 2] or cut[number, 1] >= cut[number, 3]:
            faults.append(Fault(path, "box outside", f"{where} lies outside its {width}x{height} picture; set aside"))
        else:
            kept.append(number)
            if np.abs(cut[number] - told.xyxy_N4[number]).max() > SLACK:
                reason = f"{where} reaches out of its {width}x{height} picture; cut at the edge"
                faults.append(Fault(path, "box reaches out", reason))
    sounded = told.take(kept)
    return Boxes(cut[kept], sounded.labels_N, sounded.regions, sounded.difficult_N, sounded.crowd_N), faults
