"""ranks: whether two maps put pixels into the same order."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's correlation of two arrays of one shape, -1 to 1: Pearson's of their ranks, equal numbers sharing the
    mean of theirs. 0 where one of them is all the same number, which orders nothing."""
    one, other = (rankdata(np.asarray(each).ravel()) for each in (first, second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
