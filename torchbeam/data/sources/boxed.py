"""What the sources of boxes have in common: the picture's true size against what was told, and boxes made sound."""

from dataclasses import replace
from pathlib import Path

from torchbeam.data.decode import size_of
from torchbeam.data.records import Boxes, Fault
from torchbeam.data.regions import Runs
from torchbeam.data.sound import sound
from torchbeam.errors import PictureError


def sounded(root: Path, path: str, told: Boxes, size: tuple[int, int] | None) -> tuple[Boxes, list[Fault]]:
    """The boxes that can be learnt from, cut at the edges of the picture at `path` below `root`, and the faults.

    size: (width, height) as the source tells it, None where it does not; believed only where the picture cannot be
    opened, which is told of when it is read; without any size no box is kept.
    """
    true = true_size(root, path) or size
    if true is None:
        return told.take([]), []
    faults = []
    if size is not None and size != true:
        side = "; the picture lies on its side by its EXIF" if size == true[::-1] else ""
        reason = f"said to be {size[0]}x{size[1]}, the picture is {true[0]}x{true[1]}{side}"
        faults.append(Fault(path, "size differs", reason))
    regions = list(told.regions)
    for number, region in enumerate(regions):
        if isinstance(region, Runs) and (region.width, region.height) != true:
            reason = f"the shape of box {number + 1} is told for {region.width}x{region.height}; left out"
            faults.append(Fault(path, "mask size", reason))
            regions[number] = None
    kept, more = sound(replace(told, regions=tuple(regions)), true, path)
    return kept, faults + more


def true_size(root: Path, path: str) -> tuple[int, int] | None:
    """(width, height) of a picture, upright, or None where it is missing or damaged."""
    try:
        return size_of(root / path, path)
    except PictureError:
        return None
