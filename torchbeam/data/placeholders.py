"""Pictures that only say that there is none: what a download left in place of a photograph ("image not found")."""

from collections.abc import Sequence

import numpy as np

from torchbeam.data.facts import Facts

# Among photographs, nearly all of them JPEG, one with a palette of few colours, nearly all of it one of them.
PHOTOGRAPHS = 0.95
FLAT, SHADES = 0.75, 8
REASON = "a drawing of nearly one colour among photographs: what a download left, it seems"


def placeholders(facts: Sequence[Facts]) -> list[int]:
    """The indices of what seems to be no photograph in a set of photographs."""
    photographs = sum(one.format == "JPEG" for one in facts)
    if photographs < PHOTOGRAPHS * len(facts):
        return []
    return [index for index, one in enumerate(facts) if one.mode in ("P", "1") and _flat(one)]


def _flat(facts: Facts) -> bool:
    cells = np.frombuffer(facts.thumb, np.uint8).reshape(64, 3).astype(np.int64)
    near = np.abs(cells - np.median(cells, axis=0)).max(axis=1) <= SHADES
    return bool(near.mean() >= FLAT)
