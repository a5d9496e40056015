"""The part that comes to fill a picture, beside torchvision's RandomResizedCrop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from torchvision.transforms import RandomResizedCrop

from torchbeam.data.augment.resizedcrop import crop_boxes

SIDES = some.integers(1, 3000)


def theirs(count: int, size: tuple[int, int], area: tuple[float, float]) -> np.ndarray:
    """Left, top, width and height of torchvision's draws."""
    picture = torch.empty(1, size[1], size[0])
    with torch.random.fork_rng():
        torch.manual_seed(1)
        drawn = [RandomResizedCrop.get_params(picture, list(area), [3 / 4, 4 / 3]) for _ in range(count)]
    return np.array([(left, top, width, height) for top, left, height, width in drawn])


@pytest.mark.parametrize("size", [(224, 224), (640, 200), (37, 300)])
@pytest.mark.parametrize("area", [(0.08, 1.0), (0.5, 0.9)])
def test_parts_are_drawn_as_torchvision_draws_them(size, area):
    count = 3000
    boxes = crop_boxes(area, np.tile([size], (count, 1)), np.arange(count), 0, 0)
    ours = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
    other = theirs(count, size, area)
    features = (lambda x: x[:, 0], lambda x: x[:, 1], lambda x: x[:, 2] * x[:, 3], lambda x: x[:, 2] / x[:, 3])
    for feature in features:
        assert stats.ks_2samp(feature(ours), feature(other)).pvalue > 1e-4


@given(some.lists(some.tuples(SIDES, SIDES), min_size=1, max_size=20), some.floats(0.01, 1), some.integers(0, 99))
def test_parts_lie_in_their_pictures_at_whole_pixels(sizes, least, epoch):
    sizes_N2 = np.array(sizes)
    boxes = crop_boxes((least, 1.0), sizes_N2, np.arange(len(sizes)), 7, epoch)
    assert np.array_equal(boxes, np.floor(boxes))
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= sizes_N2).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_a_part_depends_on_its_own_size_and_sample_alone():
    sizes, samples = np.array([[60, 40], [500, 20], [33, 90]]), np.array([4, 8, 15])
    whole = crop_boxes((0.1, 1.0), sizes, samples, 2, 3)
    for place in range(3):
        own = slice(place, place + 1)
        assert np.array_equal(crop_boxes((0.1, 1.0), sizes[own], samples[own], 2, 3)[0], whole[place])
    assert not np.array_equal(crop_boxes((0.1, 1.0), sizes, samples, 2, 4), whole)
    assert not np.array_equal(crop_boxes((0.1, 1.0), sizes, samples, 3, 3), whole)


@pytest.mark.parametrize(
    ("size", "box"), [((1000, 10), (493, 0, 506, 10)), ((10, 1000), (0, 493, 10, 506)), ((100, 100), (0, 0, 100, 100))]
)
def test_where_no_part_fits_the_middle_is_taken(size, box):
    # A share of 1 fits a square only where the shape is exactly 1; the middle of at most 4:3 is torchvision's way out.
    boxes = crop_boxes((1.0, 1.0), np.tile([size], (50, 1)), np.arange(50), 0, 0)
    assert (boxes == np.array(box)).all(1).mean() > 0.9
