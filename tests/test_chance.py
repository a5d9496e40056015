"""Chance as a function of (seed, epoch, sample, draw)."""

import numpy as np
import pytest
from scipy import stats

from torchbeam.data.chance import GOLDEN, ORDER, ROTATE, SCALE, SHIFT_X, SHIFT_Y, shuffled, splitmix64, uniform

DRAWS = (ORDER, SHIFT_X, SHIFT_Y, ROTATE, SCALE)
SAMPLES = np.arange(4000)


def test_splitmix64_gives_the_published_numbers():
    # The generator adds the golden constant to its state at each step; these are its outputs for seed 1234567.
    with np.errstate(over="ignore"):
        states = np.uint64(1234567) + np.arange(5, dtype=np.uint64) * GOLDEN
    assert splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_splitmix64_leaves_its_states_as_they_were():
    states = np.arange(3, dtype=np.uint64)
    splitmix64(states)
    assert states.tolist() == [0, 1, 2]


def test_every_draw_is_for_one_thing():
    assert len(set(DRAWS)) == len(DRAWS)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 1), (7, 0), (2**63, 300), (-1, 12)])
def test_numbers_are_uniform_between_0_and_1(seed, epoch, draw):
    numbers = uniform(seed, epoch, SAMPLES, draw)
    assert numbers.shape == SAMPLES.shape
    assert numbers.dtype == np.float64
    assert numbers.min() >= 0 and numbers.max() < 1
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3


def test_numbers_are_uniform_over_epochs_and_over_seeds_for_one_sample():
    one = np.array([5])
    over_epochs = np.concatenate([uniform(1, epoch, one, ROTATE) for epoch in range(1500)])
    over_seeds = np.concatenate([uniform(seed, 1, one, ROTATE) for seed in range(1500)])
    assert stats.kstest(over_epochs, "uniform").pvalue > 1e-3
    assert stats.kstest(over_seeds, "uniform").pvalue > 1e-3


def test_neighbouring_seeds_epochs_draws_and_samples_have_nothing_to_do_with_each_other():
    own = uniform(3, 4, SAMPLES, ROTATE)
    others = {
        "seed": uniform(4, 4, SAMPLES, ROTATE),
        "epoch": uniform(3, 5, SAMPLES, ROTATE),
        "seed and epoch": uniform(4, 3, SAMPLES, ROTATE),
        "draw": uniform(3, 4, SAMPLES, SCALE),
        "sample": uniform(3, 4, SAMPLES + 1, ROTATE),
    }
    for word, other in others.items():
        assert not np.array_equal(own, other), word
        assert stats.pearsonr(own, other).pvalue > 1e-3, word


def test_a_number_depends_on_its_sample_and_not_on_its_place():
    order = np.random.default_rng(0).permutation(SAMPLES)
    whole = uniform(3, 4, SAMPLES, ORDER)
    assert np.array_equal(uniform(3, 4, order, ORDER), whole[order])
    assert uniform(3, 4, SAMPLES[17:18], ORDER)[0] == whole[17]


def test_an_order_holds_every_sample_once_and_is_the_same_every_time():
    samples = np.array([4, 9, 2, 30, 31, 8])
    order = shuffled(5, 6, samples)
    assert sorted(order) == sorted(samples)
    assert np.array_equal(order, shuffled(5, 6, samples))
    assert samples.tolist() == [4, 9, 2, 30, 31, 8]


def test_an_order_differs_with_seed_and_epoch():
    orders = {tuple(shuffled(seed, epoch, np.arange(50)).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_an_order_does_not_depend_on_the_samples_that_are_missing():
    all_of_them = shuffled(1, 2, np.arange(100))
    even = shuffled(1, 2, np.arange(0, 100, 2))
    assert [sample for sample in all_of_them if sample % 2 == 0] == even.tolist()


def test_every_sample_is_as_often_at_every_place():
    orders = np.stack([shuffled(1, epoch, np.arange(8)) for epoch in range(2000)])
    for place in (0, 3, 7):
        assert stats.chisquare(np.bincount(orders[:, place], minlength=8)).pvalue > 1e-3


def test_no_samples_are_no_numbers():
    none = np.zeros(0, np.int64)
    assert uniform(0, 0, none, ORDER).shape == (0,)
    assert shuffled(0, 0, none).shape == (0,)
