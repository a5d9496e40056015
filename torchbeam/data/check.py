"""check: a source whose pictures were looked at -> what is wrong with it, worst first. Nothing is written."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from torchbeam.data.ahead import ahead
from torchbeam.data.checks.alike import alike
from torchbeam.data.checks.classes import classes
from torchbeam.data.checks.finding import SEVERITIES, Finding
from torchbeam.data.checks.labels import empty, faults, masks, strays
from torchbeam.data.checks.looks import looks
from torchbeam.data.facts import Facts
from torchbeam.data.records import UNLABELLED, Skipped, Source
from torchbeam.data.watch import Watch, unwatched
from torchbeam.errors import PictureError

THREADS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class MasksSeen:
    """The classes in each mask, the masks that cannot be used and those of another size than their picture, with the
    reason; by the record's number."""

    classes: Mapping[int, frozenset[int]]
    unusable: Mapping[int, str]
    wrong_size: Mapping[int, str]


def check(
    source: Source, facts: Mapping[int, Facts], skipped: Sequence[Skipped], watch: Watch = unwatched
) -> tuple[Finding, ...]:
    """What is wrong: errors first, then warnings, then notes.

    facts, skipped: as `look` gives them, by the record's number. The masks are read here.
    """
    seen = look_at_masks(source, facts, watch)
    shown = classes_shown(source, facts, seen)
    found = chain(
        looks(source, facts, skipped),
        faults(source),
        masks(source, seen.unusable, seen.wrong_size),
        alike(source, facts),
        classes(source, shown),
        empty(source, facts),
        strays(source),
    )
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def exclusions(findings: Sequence[Finding]) -> dict[str, str]:
    """The pictures better left out of training, each with the reason of the worst finding that names it."""
    reasons: dict[str, str] = {}
    for finding in findings:
        for path, reason in finding.leave_out:
            reasons.setdefault(path, reason)
    return reasons


def classes_shown(source: Source, facts: Mapping[int, Facts], seen: MasksSeen) -> dict[int, frozenset[int]]:
    """The classes that a picture's label, boxes and mask name, for those that can be read."""
    shown = {}
    for number in facts:
        record = source.records[number]
        labels = set() if record.label == UNLABELLED else {record.label}
        if record.boxes is not None:
            labels.update(record.boxes.labels_N.tolist())
        shown[number] = seen.classes.get(number, frozenset()) | labels
    return shown


def look_at_masks(source: Source, facts: Mapping[int, Facts], watch: Watch = unwatched) -> MasksSeen:
    """Every mask of a picture that can be read, read once."""
    numbers = [number for number in facts if source.records[number].masked and source.masks is not None]
    seen = MasksSeen(found := {}, unusable := {}, wrong_size := {})
    with ThreadPoolExecutor(THREADS) as pool:
        looked = ahead(pool, lambda number: _mask(source, number), numbers, 4 * THREADS)
        for number, one in zip(numbers, watch(looked, "looking at the masks", len(numbers), "masks"), strict=True):
            if isinstance(one, str):
                unusable[number] = one
                continue
            labels, (height, width) = one
            found[number] = labels
            if (width, height) != facts[number].size:
                size = "{}x{}".format(*facts[number].size)
                wrong_size[number] = f"a mask of {width}x{height} for a picture of {size}"
    return seen


def _mask(source: Source, number: int) -> tuple[frozenset[int], tuple[int, ...]] | str:
    if source.masks is None:
        return "there are no masks"
    try:
        mask = source.masks.mask(number)
    except PictureError as error:
        return error.reason
    return frozenset(value - 1 for value in np.unique(mask).tolist() if value > 0), mask.shape
