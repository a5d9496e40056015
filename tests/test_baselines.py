"""What pixels are replaced by: hand-worked, and scipy's Gaussian."""

import numpy as np
import pytest
import torch
from look_makers import small
from scipy.ndimage import gaussian_filter1d

from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import SettingError
from torchbeam.look.baselines import BASELINES, BLUR, baseline, blurred
from torchbeam.look.subject import subject_of

PREPARED = Preprocessing(20, 14, 3, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
PICTURE = np.random.default_rng(0).integers(0, 256, (14, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def subject():
    return subject_of(small(), PICTURE, preprocessing=PREPARED)


def test_grey_is_the_mean_of_the_training_pictures(subject):
    expected = PREPARED.normalise(torch.full((1, 3, 14, 20), 255.0) * torch.tensor(PREPARED.mean).view(1, 3, 1, 1))
    torch.testing.assert_close(baseline(subject, "grey"), expected, atol=1e-6, rtol=0)


def test_mean_is_this_pictures_own_colour(subject):
    found = baseline(subject, "mean")
    assert found.shape == subject.x_1CHW.shape
    for channel in range(3):
        colour = (PICTURE[..., channel] / 255 - PREPARED.mean[channel]) / PREPARED.std[channel]
        assert found[0, channel].numpy() == pytest.approx(colour.mean(), abs=1e-5)


def test_noise_is_bytes_by_chance_of_its_seed(subject):
    found = baseline(subject, "noise", 3)
    assert torch.equal(found, baseline(subject, "noise", 3)) and not torch.equal(found, baseline(subject, "noise", 4))
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (PREPARED.mean, PREPARED.std))
    bytes_1CHW = (found * std + mean) * 255
    torch.testing.assert_close(bytes_1CHW, bytes_1CHW.round(), atol=1e-3, rtol=0)
    assert bytes_1CHW.min() >= -1e-3 and bytes_1CHW.max() <= 255.001 and bytes_1CHW.std() > 60


@pytest.mark.parametrize("sigma", [0.0, 0.4, 1.0, 2.5, 9.0])
def test_blur_is_a_gaussian_along_each_side(sigma):
    x_NCHW = torch.randn(2, 3, 7, 12, generator=torch.Generator().manual_seed(0))
    found = blurred(x_NCHW, sigma)
    expected = x_NCHW.numpy().astype(float)
    if sigma:
        for axis in (2, 3):
            reach = int(np.ceil(3 * sigma))
            expected = gaussian_filter1d(expected, sigma, axis, mode="nearest", radius=reach)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_the_blur_is_a_share_of_the_longer_side(subject):
    torch.testing.assert_close(baseline(subject, "blur"), blurred(subject.x_1CHW, BLUR * 20))


def test_no_baseline_is_the_picture_itself_or_changes_it(subject):
    before = subject.x_1CHW.clone()
    for name in BASELINES:
        found = baseline(subject, name)
        assert found.shape == before.shape and not torch.equal(found, before)
        found.add_(1)
    assert torch.equal(subject.x_1CHW, before)


def test_another_name_is_refused(subject):
    with pytest.raises(SettingError, match="no baseline 'gray'") as told:
        baseline(subject, "gray")
    assert "grey, mean, blur, noise" in str(told.value) and "grey?" in told.value.remedy
