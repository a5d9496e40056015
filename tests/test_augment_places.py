"""Where pictures come to lie: measured on pictures that tell where each pixel came from, and set beside torchvision."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from torchvision.transforms.v2 import functional as peer

from tests.augment_makers import HEIGHT, WIDTH, noise, seen, smooth
from torchbeam.data.augment.places import crops, flips, maps, moves_between, moves_by_whole_pixels, part_maps
from torchbeam.data.augment.resizedcrop import crop_boxes
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.chance import ROTATE, SCALE, SHIFT_X, SHIFT_Y, uniform

MANY = np.arange(400)


def ramps(count: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """Pictures whose two channels tell where a pixel lies, in pixels right of and below the centre, (N, 2, H, W)."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    return torch.stack((x, y)).expand(count, 2, height, width)


def movements(text: str, samples: np.ndarray = MANY, height: int = HEIGHT, width: int = WIDTH):
    """How each picture is looked at, fitted to what comes out: matrices (N, 2, 2) and offsets (N, 2), in pixels.

    Bilinear reading of a ramp is exact wherever all four neighbours lie inside, so only those pixels are fitted.
    """
    looked_at = seen(text, ramps(len(samples), height, width), samples).double().numpy()
    where = ramps(1, height, width)[0].double().numpy()
    matrices, offsets = [], []
    for looked in looked_at:
        inside = (np.abs(looked[0]) < (width - 1) / 2 - 0.01) & (np.abs(looked[1]) < (height - 1) / 2 - 0.01)
        places = np.stack((where[0][inside], where[1][inside], np.ones(inside.sum())), axis=1)
        fit, *_ = np.linalg.lstsq(places, looked[:, inside].T, rcond=None)
        assert np.abs(places @ fit - looked[:, inside].T).max() < 1e-3  # nothing but a linear map
        matrices.append(fit[:2].T)
        offsets.append(fit[2])
    return np.array(matrices), np.array(offsets)


def test_a_shift_moves_by_at_most_its_share_of_each_side_and_does_nothing_else():
    matrices, offsets = movements("shift 0.1")
    assert np.abs(matrices - np.eye(2)).max() < 1e-4
    for axis, side in ((0, WIDTH), (1, HEIGHT)):
        assert np.abs(offsets[:, axis]).max() <= 0.1 * side + 1e-3
        assert stats.kstest(offsets[:, axis] / side, "uniform", args=(-0.1, 0.2)).pvalue > 1e-3
    assert stats.pearsonr(offsets[:, 0], offsets[:, 1]).pvalue > 1e-3


def test_a_turn_is_about_the_centre_and_without_shear_also_where_pictures_are_wide():
    matrices, offsets = movements("rotate 40")
    assert np.abs(offsets).max() < 1e-3
    assert np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(2)).max() < 1e-3
    assert np.abs(np.linalg.det(matrices) - 1).max() < 1e-3
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert np.abs(angles).max() <= 40.01
    assert stats.kstest(angles, "uniform", args=(-40, 80)).pvalue > 1e-3


def test_a_scale_is_the_same_across_and_down_and_as_often_larger_as_smaller():
    matrices, offsets = movements("scale 0.25")
    assert np.abs(offsets).max() < 1e-3
    zooms = 1 / matrices[:, 0, 0]  # looking at less makes the picture larger
    assert np.abs(matrices - np.eye(2) / zooms[:, None, None]).max() < 1e-4
    assert zooms.min() >= 1 / 1.25 - 1e-4
    assert zooms.max() <= 1.25 + 1e-4
    reach = math.log(1.25)
    assert stats.kstest(np.log(zooms), "uniform", args=(-reach, 2 * reach)).pvalue > 1e-3


def test_place_angle_and_size_have_nothing_to_do_with_each_other():
    matrices, offsets = movements("shift 0.1, rotate 20, scale 0.2")
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
    turned_both = seen("rotate 90", pictures, samples)
    short, top, left = min(height, width), (height - min(height, width)) // 2, (width - min(height, width)) // 2
    middle = (..., slice(top, top + short), slice(left, left + short))
    own, turned = pictures[0, 0][middle].numpy() / 255, turned_both[:, 0][middle].numpy()
    found = [[times for times in (1, 3) if np.abs(np.rot90(own, times) - one).max() < 5e-3] for one in turned]
    assert sorted(found) == [[1], [3]]


def test_a_turn_a_shift_and_a_scale_are_torchvision_s_affine_with_the_same_numbers():
    samples, pictures = np.arange(12), smooth(12)
    ours = seen("shift 0.1, rotate 30, scale 0.3", pictures, samples)

    def draw(purpose: int, reach: float) -> np.ndarray:
        return reach * (2 * uniform(0, 0, samples, purpose) - 1)

    angles, zooms = draw(ROTATE, 30), np.exp(draw(SCALE, math.log(1.3)))
    looks = np.stack((draw(SHIFT_X, 0.1 * WIDTH), draw(SHIFT_Y, 0.1 * HEIGHT)), axis=1)
    for number, picture in enumerate(pictures):
        # torchvision moves after turning, we before: the same move, turned.
        turn = math.radians(angles[number])
        across, down = -zooms[number] * looks[number]
        move = [
            math.cos(turn) * across + math.sin(turn) * down,
            -math.sin(turn) * across + math.cos(turn) * down,
        ]
        theirs, filled = (
            peer.affine(
                picture,
                angle=-angles[number],
                translate=move,
                scale=zooms[number],
                shear=[0.0, 0.0],
                interpolation=peer.InterpolationMode.BILINEAR,
                fill=[fill],
            )
            for fill in (0.0, 1.0)
        )
        inside = (theirs - filled).abs().amax(0) < 1e-4  # the rest is theirs to fill
        assert inside.float().mean() > 0.4
        assert (ours[number] - theirs).abs().amax(0)[inside].max() < 2e-4


def test_half_of_the_pictures_are_mirrored_each_way_independently():
    across, down = flips(parse_augment("flip, vflip"), np.arange(4000), 0, 0)
    for chosen in (across, down, across & down):
        share = 0.25 if chosen is not across and chosen is not down else 0.5
        assert stats.binomtest(int(chosen.sum()), 4000, share).pvalue > 1e-3
    none = flips(parse_augment("crop 4"), np.arange(40), 0, 0)
    assert not none[0].any() and not none[1].any()


@pytest.mark.parametrize("seed", [0, 7])
def test_pictures_that_take_turns_are_seen_once_each_way_in_any_two_epochs(seed):
    told, samples = parse_augment("altflip"), np.arange(4000)
    by_epoch = [flips(told, samples, seed, epoch) for epoch in range(1, 6)]
    assert not any(down.any() for _, down in by_epoch)
    first, *others = [across for across, _ in by_epoch]
    assert stats.binomtest(int(first.sum()), 4000, 0.5).pvalue > 1e-3
    for number, across in enumerate(others):
        assert np.array_equal(across, first if number % 2 else ~first)
    assert not np.array_equal(flips(told, samples, seed + 1, 1)[0], first)
    # Which turn is a picture's own is drawn for it alone, whatever batch it is in.
    assert np.array_equal(flips(told, samples[::-7], seed, 1)[0], first[::-7])


@pytest.mark.parametrize("more", ["", ", vflip", ", crop 3", ", shift 0.1, rotate 20"])
def test_a_picture_that_takes_turns_is_what_torch_flips(more):
    pictures, samples = noise(30), np.arange(30)
    across = flips(parse_augment("altflip"), samples, 0, 3)[0]
    assert across.any() and not across.all()
    if more:  # as if those pictures had come mirrored
        turned = torch.where(torch.from_numpy(across)[:, None, None, None], pictures.flip(3), pictures)
        expected = seen(more[2:], turned, samples, 0, 3)
    else:
        expected = torch.stack([p.flip(2) if x else p for p, x in zip(pictures / 255, across, strict=True)])
    found = seen(f"altflip{more}", pictures, samples, 0, 3)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    both = [seen("altflip", pictures, samples, 0, epoch) for epoch in (3, 4)]
    assert torch.equal(both[0], both[1].flip(3))


def test_crops_move_by_every_whole_step_as_often():
    steps = crops(parse_augment("crop 3"), np.arange(7000), 0, 0)
    for axis in (0, 1):
        counts = np.bincount(steps[:, axis] + 3, minlength=7)
        assert len(counts) == 7
        assert stats.chisquare(counts).pvalue > 1e-3
    assert stats.pearsonr(steps[:, 0], steps[:, 1]).pvalue > 1e-3


@given(some.sampled_from(["flip", "vflip", "crop 3", "flip, vflip, crop 2, shift 0.1, rotate 30, scale 0.2"]))
def test_a_sample_s_map_is_the_same_in_every_batch(text):
    augmentation, samples = parse_augment(text), np.array([5, 900, 2, 77])
    whole = maps(augmentation, (20, 14), samples, 3, 4)
    for place, sample in enumerate(samples):
        assert np.array_equal(maps(augmentation, (20, 14), np.array([sample]), 3, 4)[0], whole[place])


def test_a_part_is_taken_to_the_whole_picture():
    parts = np.array([[2.0, 3.0, 12.0, 8.0], [0.0, 0.0, 40.0, 24.0]])
    found = part_maps(parts, (40, 24))
    corners = found @ np.array([[2, 3, 1], [12, 8, 1], [7, 5.5, 1]]).T
    assert np.allclose(corners[0].T, [[0, 0, 1], [40, 24, 1], [20, 12, 1]])
    assert np.allclose(found[1], np.eye(3))


def test_a_resized_crop_is_torchvision_s_of_the_same_box():
    pictures, samples = smooth(16), np.arange(16)
    ours = seen("resizedcrop 0.2:0.8", pictures, samples)
    boxes = crop_boxes((0.2, 0.8), np.tile([[WIDTH, HEIGHT]], (16, 1)), samples, 0, 0)
    for picture, box, own in zip(pictures, boxes.astype(int).tolist(), ours, strict=True):
        left, top, right, bottom = box
        theirs = peer.resized_crop(picture, top, left, bottom - top, right - left, [HEIGHT, WIDTH], antialias=False)
        # At the edges of the part we see the pixels beside it, torchvision repeats the last one.
        off = 1 + math.ceil(max(WIDTH / (right - left), HEIGHT / (bottom - top)) / 2)
        middle = (..., slice(off, HEIGHT - off), slice(off, WIDTH - off))
        assert (own[middle] - theirs[middle]).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("text", "whole", "between"),
    [
        ("none", False, False),
        ("color 0.2, cutout 8", False, False),
        ("flip", True, False),
        ("altflip", True, False),
        ("vflip, crop 4, mixup 1", True, False),
        ("flip, shift 0.1", False, True),
        ("resizedcrop 0.5:1", False, True),
        ("rotate 10", False, True),
        ("scale 0.1", False, True),
    ],
)
def test_pictures_are_only_read_between_pixels_where_they_must_be(text, whole, between):
    augmentation = parse_augment(text)
    assert moves_by_whole_pixels(augmentation) == whole
    assert moves_between(augmentation) == between
