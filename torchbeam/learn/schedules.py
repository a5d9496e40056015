"""Learning rates as plain functions of progress: the share of the peak rate at a share of the run."""

import math
from collections.abc import Callable


def warm_up_cosine(progress: float, warm_up: float) -> float:
    """The share of the peak rate at `progress` in [0, 1]: up a line for `warm_up`, then down half a cosine to 0.

    Sources: Goyal et al. 2017 (warm-up), Loshchilov & Hutter 2017 (cosine).
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def warm_up_line(progress: float, warm_up: float) -> float:
    """Up a line for `warm_up`, then down a line to 0 (Smith 2018's one cycle without its last part)."""
    if progress < warm_up:
        return progress / warm_up
    return (1 - progress) / (1 - warm_up)


def warm_up_constant(progress: float, warm_up: float) -> float:
    """Up a line for `warm_up`, then the peak rate to the end."""
    return min(1.0, progress / warm_up)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "cosine": warm_up_cosine,
    "line": warm_up_line,
    "constant": warm_up_constant,
}
