"""Learning rates as plain functions of progress."""

import math


def warm_up_cosine(progress: float, warm_up: float) -> float:
    """The share of the peak rate at `progress` in [0, 1]: up a line for `warm_up`, then down half a cosine to 0.

    Sources: Goyal et al. 2017 (warm-up), Loshchilov & Hutter 2017 (cosine).
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))
