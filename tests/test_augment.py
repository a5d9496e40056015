"""Augmentation is a change of place, size and angle, drawn for (seed, epoch, sample)."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from torchbeam.data.augment import Augment
from torchbeam.data.chance import ROTATE, uniform
from torchbeam.errors import SettingError

STILL = {"shift": 0.0, "rotate": 0.0, "scale": 0.0}
HEIGHT, WIDTH = 24, 40


def noise(count: int, channels: int = 3, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed))


def ramps(count: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """Pictures whose two channels tell where a pixel lies, in pixels right of and below the centre, (N, 2, H, W)."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    return torch.stack((x, y)).expand(count, 2, height, width)


def movements(change: Augment, samples: np.ndarray, seed: int = 0, epoch: int = 0, height=HEIGHT, width=WIDTH):
    """How each picture is looked at, fitted to what comes out: matrices (N, 2, 2) and offsets (N, 2), in pixels.

    Bilinear reading of a ramp is exact wherever all four neighbours lie inside, so only those pixels are fitted.
    """
    seen = change(ramps(len(samples), height, width), samples, seed, epoch).double().numpy()
    where = ramps(1, height, width)[0].double().numpy()
    matrices, offsets = [], []
    for looked in seen:
        inside = (np.abs(looked[0]) < (width - 1) / 2 - 0.01) & (np.abs(looked[1]) < (height - 1) / 2 - 0.01)
        places = np.stack((where[0][inside], where[1][inside], np.ones(inside.sum())), axis=1)
        fit, *_ = np.linalg.lstsq(places, looked[:, inside].T, rcond=None)
        assert np.abs(places @ fit - looked[:, inside].T).max() < 1e-3  # nothing but a linear map
        matrices.append(fit[:2].T)
        offsets.append(fit[2])
    return np.array(matrices), np.array(offsets)


def thetas(matrices: np.ndarray, offsets: np.ndarray) -> torch.Tensor:
    """The same movements in affine_grid's coordinates, -1 to 1 across and down."""
    half = np.array([WIDTH / 2, HEIGHT / 2])
    linear = matrices * half[None, None, :] / half[None, :, None]
    return torch.from_numpy(np.concatenate((linear, (offsets / half)[:, :, None]), axis=2)).float()


# What is done to a picture


def test_without_any_change_pictures_stay_as_they_are():
    pictures = noise(5)
    torch.testing.assert_close(Augment(**STILL)(pictures, np.arange(5), 0, 0), pictures, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "limits", [STILL | {"shift": 0.2}, STILL | {"rotate": 60.0}, STILL | {"scale": 0.5}, {"rotate": 30.0, "scale": 0.3}]
)
def test_pictures_are_read_at_torch_s_affine_grid(limits):
    change, samples = Augment(**limits), np.arange(12)
    pictures = noise(12)
    grid = F.affine_grid(thetas(*movements(change, samples)), list(pictures.shape), align_corners=False)
    expected = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(change(pictures, samples, 0, 0), expected, atol=5e-3, rtol=0)


def test_a_shift_moves_by_at_most_its_share_of_each_side_and_does_nothing_else():
    matrices, offsets = movements(Augment(**STILL | {"shift": 0.1}), np.arange(400))
    assert np.abs(matrices - np.eye(2)).max() < 1e-4
    for axis, side in ((0, WIDTH), (1, HEIGHT)):
        assert np.abs(offsets[:, axis]).max() <= 0.1 * side + 1e-3
        assert stats.kstest(offsets[:, axis] / side, "uniform", args=(-0.1, 0.2)).pvalue > 1e-3
    assert stats.pearsonr(offsets[:, 0], offsets[:, 1]).pvalue > 1e-3


def test_a_turn_is_about_the_centre_and_without_shear_also_where_pictures_are_wide():
    matrices, offsets = movements(Augment(**STILL | {"rotate": 40.0}), np.arange(400))
    assert np.abs(offsets).max() < 1e-3
    assert np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(2)).max() < 1e-3
    assert np.abs(np.linalg.det(matrices) - 1).max() < 1e-3
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert np.abs(angles).max() <= 40.01
    assert stats.kstest(angles, "uniform", args=(-40, 80)).pvalue > 1e-3


def test_a_scale_is_the_same_across_and_down_and_as_often_larger_as_smaller():
    matrices, offsets = movements(Augment(**STILL | {"scale": 0.25}), np.arange(400))
    assert np.abs(offsets).max() < 1e-3
    zooms = 1 / matrices[:, 0, 0]  # looking at less makes the picture larger
    assert np.abs(matrices - np.eye(2) / zooms[:, None, None]).max() < 1e-4
    assert zooms.min() >= 1 / 1.25 - 1e-4
    assert zooms.max() <= 1.25 + 1e-4
    reach = math.log(1.25)
    assert stats.kstest(np.log(zooms), "uniform", args=(-reach, 2 * reach)).pvalue > 1e-3


def test_place_angle_and_size_have_nothing_to_do_with_each_other():
    matrices, offsets = movements(Augment(0.1, 20.0, 0.2), np.arange(400))
    angles = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    zooms = np.linalg.det(matrices)
    for one, other in ((angles, zooms), (angles, offsets[:, 0]), (zooms, offsets[:, 1])):
        assert stats.pearsonr(one, other).pvalue > 1e-3


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 30), (30, 16)])
def test_a_quarter_turn_is_numpy_s_also_where_pictures_are_not_square(height, width):
    # Of a million samples, the two whose angle comes nearest to 90 degrees, left and right.
    chance = uniform(0, 0, np.arange(1_000_000), ROTATE)
    samples = np.array([chance.argmax(), chance.argmin()])
    assert chance.max() > 1 - 1e-5 and chance.min() < 1e-5
    pictures = noise(1, 1, height, width).expand(2, 1, height, width)
    seen = Augment(**STILL | {"rotate": 90.0})(pictures, samples, 0, 0)
    short, top, left = min(height, width), (height - min(height, width)) // 2, (width - min(height, width)) // 2
    middle = (..., slice(top, top + short), slice(left, left + short))
    own, turned = pictures[0, 0][middle].numpy(), seen[:, 0][middle].numpy()
    found = [[times for times in (1, 3) if np.abs(np.rot90(own, times) - one).max() < 5e-3] for one in turned]
    assert sorted(found) == [[1], [3]]


def test_what_comes_in_from_outside_repeats_the_edge():
    pictures = torch.zeros(20, 1, HEIGHT, WIDTH)
    pictures[:, :, :, : WIDTH // 2] = 1
    seen = Augment(**STILL | {"shift": 0.4})(pictures, np.arange(20), 0, 0)
    assert set(seen[:, :, :, 0].unique().tolist()) == {1.0}
    assert set(seen[:, :, :, -1].unique().tolist()) == {0.0}


def test_one_shade_stays_one_shade_and_no_shade_is_invented():
    change = Augment(0.3, 45.0, 0.5)
    flat = torch.full((6, 3, HEIGHT, WIDTH), 0.3)
    torch.testing.assert_close(change(flat, np.arange(6), 0, 0), flat)
    pictures = noise(6) * 2 - 1
    seen = change(pictures, np.arange(6), 0, 0)
    assert pictures.min() <= seen.min() and seen.max() <= pictures.max()


def test_the_pictures_given_are_not_changed():
    pictures = noise(3)
    before = pictures.clone()
    seen = Augment()(pictures, np.arange(3), 0, 0)
    assert torch.equal(pictures, before)
    assert (seen.shape, seen.dtype) == (pictures.shape, pictures.dtype)
    assert not torch.equal(seen, pictures)


# What it depends on


@pytest.mark.parametrize("threads", [1, 2])
def test_a_sample_gets_the_same_pixels_bit_for_bit_in_every_batch(threads):
    change, count = Augment(), 70
    pictures, samples = noise(count, 1, 9, 7), np.arange(count) * 13
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = change(pictures, samples, 3, 5)
        for size in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 69):
            for start in range(0, count, size):
                chosen = slice(start, start + size)
                assert torch.equal(change(pictures[chosen], samples[chosen], 3, 5), whole[chosen]), (size, start)
        order = np.random.default_rng(0).permutation(count)
        assert torch.equal(change(pictures[order], samples[order], 3, 5), whole[order])
    finally:
        torch.set_num_threads(before)


def test_another_seed_epoch_or_sample_is_another_change():
    change, pictures = Augment(), noise(1).expand(8, 3, HEIGHT, WIDTH)
    samples = np.arange(8)
    seen = [change(pictures, samples, *at) for at in ((0, 0), (1, 0), (0, 1), (1, 1))]
    everything = torch.cat(seen).flatten(1)
    assert len(everything.unique(dim=0)) == 32
    assert torch.equal(change(pictures, samples, 0, 0), seen[0])


# What is refused


@pytest.mark.parametrize(
    "limits",
    [{"shift": -0.1}, {"shift": 1.0}, {"rotate": -1.0}, {"rotate": 181.0}, {"scale": -0.1}, {"scale": 10.0}]
    + [{name: float("nan")} for name in ("shift", "rotate", "scale")]
    + [{"rotate": float("inf")}],
)
def test_limits_beyond_reason_are_refused(limits):
    with pytest.raises(SettingError, match=r"^augmentation cannot be Augment") as caught:
        Augment(**limits)
    assert caught.value.expected == "shift in [0, 1), rotate in [0, 180] degrees, scale in [0, 10)"


def test_the_widest_limits_are_taken():
    seen = Augment(0.99, 180.0, 9.9)(noise(9), np.arange(9), 0, 0)
    assert torch.isfinite(seen).all()
