"""Pixels and masks at their new places: exact where no pixel falls between others."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as peer

from tests.augment_makers import HEIGHT, WIDTH, noise, seen
from torchbeam.data.augment.places import crops, flips, maps
from torchbeam.data.augment.resample import moved, moved_by_whole_pixels, moved_masks
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.records import IGNORE

WHOLE = ["flip", "altflip", "vflip", "crop 4", "flip, crop 1", "flip, vflip, crop 9", "crop 23"]


def by_torchvision(pictures: torch.Tensor, across, down, steps, pad: int) -> torch.Tensor:
    out = []
    for picture, x, y, (right, low) in zip(pictures, across, down, steps.tolist(), strict=True):
        picture = peer.horizontal_flip(picture) if x else picture
        picture = peer.vertical_flip(picture) if y else picture
        picture = peer.pad(picture, [pad], padding_mode="reflect")
        out.append(peer.crop(picture, low + pad, right + pad, *pictures.shape[2:]))
    return torch.stack(out)


@pytest.mark.parametrize("text", WHOLE)
@pytest.mark.parametrize("channels", [1, 3])
def test_flips_and_crops_are_torchvision_s_pixel_for_pixel(text, channels):
    pictures, samples, told = noise(40, channels), np.arange(40), parse_augment(text)
    across, down = flips(told, samples, 1, 2)
    steps = crops(told, samples, 1, 2)
    expected = by_torchvision(pictures, across, down, steps, told.crop)
    assert torch.equal(moved_by_whole_pixels(pictures, across, down, steps), expected)
    values = pictures.float() / 255
    assert torch.equal(moved_by_whole_pixels(values, across, down, steps), expected.float() / 255)
    last = pictures.contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved_by_whole_pixels(last, across, down, steps), expected)
    assert torch.equal((seen(text, pictures, samples, 1, 2) * 255).round().to(torch.uint8), expected)


@pytest.mark.parametrize("text", WHOLE)
def test_the_two_ways_of_moving_by_whole_pixels_agree(text):
    pictures, samples, told = noise(40).float(), np.arange(40), parse_augment(text)
    exact = moved_by_whole_pixels(pictures, *flips(told, samples, 1, 2), crops(told, samples, 1, 2))
    by = maps(told, (WIDTH, HEIGHT), samples, 1, 2)
    torch.testing.assert_close(moved(pictures, by, mirror=True), exact, atol=0.01, rtol=0)


def random_maps(count: int, seed: int = 0) -> np.ndarray:
    found = np.tile(np.eye(3), (count, 1, 1))
    chance = np.random.default_rng(seed)
    found[:, :2, :2] += chance.uniform(-0.4, 0.4, (count, 2, 2))
    found[:, :2, 2] += chance.uniform(-9, 9, (count, 2))
    return found


def thetas(maps_N33: np.ndarray) -> torch.Tensor:
    """The maps as affine_grid wants them: from the new picture to the old, -1 to 1 from edge to edge."""
    to_ends = np.array([[2 / WIDTH, 0, -1], [0, 2 / HEIGHT, -1], [0, 0, 1]])
    return torch.from_numpy((to_ends @ np.linalg.inv(maps_N33) @ np.linalg.inv(to_ends))[:, :2]).float()


def test_pictures_are_read_at_torch_s_affine_grid():
    pictures, by = noise(12).float() / 255, random_maps(12)
    grid = F.affine_grid(thetas(by), list(pictures.shape), align_corners=False)
    expected = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(moved(pictures, by), expected, atol=1e-4, rtol=0)


def test_masks_are_read_at_the_nearest_pixel_of_torch_s_affine_grid():
    masks = noise(12, 1)[:, 0].int() % 5 - 1
    by = random_maps(12)
    grid = F.affine_grid(thetas(by).double(), [12, 1, HEIGHT, WIDTH], align_corners=False)
    expected = F.grid_sample(masks[:, None].double() + 1, grid, mode="nearest", align_corners=False)[:, 0].int() - 1
    ours = moved_masks(masks, by)
    assert ours.dtype == masks.dtype
    assert (ours == expected).float().mean() > 0.9999  # but for pixels that lie halfway


def test_masks_move_by_whole_pixels_exactly_and_bring_in_nothing_known():
    told, samples = parse_augment("flip, vflip, crop 5"), np.arange(30)
    masks = torch.from_numpy(np.random.default_rng(0).integers(0, 2**24 - 2, (30, HEIGHT, WIDTH)))
    across, down = flips(told, samples, 0, 0)
    steps = crops(told, samples, 0, 0)
    ours = moved_masks(masks, maps(told, (WIDTH, HEIGHT), samples, 0, 0))
    for number in range(30):
        one = masks[number].numpy()
        one = one[:, ::-1] if across[number] else one
        one = one[::-1] if down[number] else one
        right, low = steps[number] + 5
        expected = np.pad(one, 5, constant_values=IGNORE)[low : low + HEIGHT, right : right + WIDTH]
        assert np.array_equal(ours[number].numpy(), expected)


def test_what_comes_in_from_outside_repeats_the_edge_and_with_crop_mirrors_it():
    pictures = torch.zeros(20, 1, HEIGHT, WIDTH)
    pictures[:, :, :, : WIDTH // 2] = 1
    shifted = seen("shift 0.4", pictures)
    torch.testing.assert_close(shifted[..., 0], torch.ones(20, 1, HEIGHT))
    torch.testing.assert_close(shifted[..., -1], torch.zeros(20, 1, HEIGHT))
    pictures[:] = 0
    pictures[..., 1] = 1  # one column beside the left edge
    by = np.tile(np.array([[1.0, 0, 2], [0, 1, 0], [0, 0, 1]]), (20, 1, 1))
    mirrored = moved(pictures, by, mirror=True)
    assert [round(value) for value in mirrored[0, 0, 0, :5].tolist()] == [0, 1, 0, 1, 0]


def test_one_shade_stays_one_shade_and_no_shade_is_invented():
    text = "crop 3, shift 0.3, rotate 45, scale 0.5"
    flat = torch.full((6, 3, HEIGHT, WIDTH), 0.3)
    torch.testing.assert_close(seen(text, flat), flat)
    pictures = noise(6)
    shown = seen(text, pictures)
    assert pictures.min() / 255 <= shown.min() and shown.max() <= pictures.max() / 255 + 1e-6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_pictures_are_moved_too(height, width):
    assert torch.isfinite(seen("flip, vflip, shift 0.3, rotate 30, scale 0.5", noise(9, 3, height, width))).all()
    shown = seen("flip", noise(9, 1, height, 1)) * 255
    assert torch.equal(shown.round().to(torch.uint8), noise(9, 1, height, 1))
