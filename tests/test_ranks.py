"""Spearman's correlation of maps: scipy judges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from torchbeam.look.ranks import spearman


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=40))
def test_as_scipy_has_it_with_ties(pairs):
    first, second = np.array(pairs, float).T
    if np.ptp(first) and np.ptp(second):
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    else:
        assert spearman(first, second) == 0


def test_maps_are_compared_pixel_by_pixel():
    map_HW = np.arange(12.0).reshape(3, 4)
    assert spearman(map_HW, np.exp(map_HW)) == pytest.approx(1)
    assert spearman(map_HW, -map_HW) == pytest.approx(-1)
    assert spearman(map_HW, np.ones((3, 4))) == 0
