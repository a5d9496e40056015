"""Colours, beside torchvision.transforms.v2 with the same numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats
from torchvision.transforms.v2 import functional as peer

from tests.augment_makers import noise, seen
from torchbeam.data.augment import colour
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.chance import BRIGHTNESS, CONTRAST, GRAYSCALE, HUE, SATURATION, uniform

ALIKE = 1 / 255 / 2  # no byte would differ
FACTORS = some.lists(some.floats(0, 2, width=32), min_size=4, max_size=4)


def values(count: int = 4, channels: int = 3) -> torch.Tensor:
    """Among them pure colours, greys, black and white."""
    pictures = noise(count, channels).float() / 255
    pictures[:, :, :2] = (pictures[:, :, :2] > 0.5).float()
    pictures[:, :, 2] = pictures[:, :1, 2]
    return pictures


def shaped(numbers: list[float]) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (colour.brightened, peer.adjust_brightness),
        (colour.contrasted, peer.adjust_contrast),
        (colour.saturated, peer.adjust_saturation),
    ],
)
@settings(max_examples=30)
@given(factors=FACTORS)
def test_light_is_changed_as_torchvision_changes_it(ours, theirs, channels, factors):
    found = ours(values(4, channels), shaped(factors))
    for picture, factor, own in zip(values(4, channels), factors, found, strict=True):
        assert (own - theirs(picture, factor)).abs().max() < ALIKE


@settings(max_examples=20)
@given(some.lists(some.floats(-0.5, 0.5, width=32), min_size=4, max_size=4))
def test_hues_turn_as_torchvision_turns_them(turns):
    found = colour.hued(values(), shaped(turns))
    for picture, turn, own in zip(values(), turns, found, strict=True):
        assert (own - peer.adjust_hue(picture, turn)).abs().max() < ALIKE


def test_grey_is_torchvision_s():
    for picture, own in zip(values(), colour.grey(values()), strict=True):
        assert (own - peer.rgb_to_grayscale(picture, 1)).abs().max() < ALIKE


def test_all_words_together_are_torchvision_s_one_after_the_other():
    pictures, samples = noise(30), np.arange(30) * 7
    found = seen("color 0.4, hue 0.1, grayscale 0.3", pictures, samples, 5, 6)

    def draw(purpose: int, low: float, high: float) -> list[float]:
        return (low + (high - low) * uniform(5, 6, samples, purpose)).tolist()

    draws = zip(
        draw(BRIGHTNESS, 0.6, 1.4),
        draw(CONTRAST, 0.6, 1.4),
        draw(SATURATION, 0.6, 1.4),
        draw(HUE, -0.1, 0.1),
        draw(GRAYSCALE, 0, 1),
        strict=True,
    )
    for picture, own, (bright, contrast, colourful, turn, grey) in zip(pictures, found, draws, strict=True):
        theirs = peer.adjust_brightness(picture / 255, bright)
        theirs = peer.adjust_saturation(peer.adjust_contrast(theirs, contrast), colourful)
        theirs = peer.adjust_hue(theirs, turn)
        theirs = peer.rgb_to_grayscale(theirs, 3) if grey < 0.3 else theirs
        assert (own - theirs).abs().max() < ALIKE


def test_draws_are_uniform_each_for_itself():
    flat = torch.full((2000, 1, 1, 1), 0.5)
    factors = seen("color 0.3", flat).flatten().double().numpy() / 0.5
    assert stats.kstest(factors, "uniform", args=(0.7, 0.6)).pvalue > 1e-3  # contrast leaves a flat picture
    chances = [uniform(0, 0, np.arange(2000), draw) for draw in (BRIGHTNESS, CONTRAST, SATURATION, HUE, GRAYSCALE)]
    found = np.corrcoef(chances) - np.eye(5)
    assert np.abs(found).max() < 0.1


def test_as_many_pictures_lose_their_colour_as_told():
    shown = seen("grayscale 0.2", noise(2000, 3, 2, 2))
    lost = (shown[:, 0] == shown[:, 1]).all((1, 2)) & (shown[:, 0] == shown[:, 2]).all((1, 2))
    assert stats.binomtest(int(lost.sum()), 2000, 0.2).pvalue > 1e-3
    assert torch.equal(shown[~lost], noise(2000, 3, 2, 2)[~lost].float() / 255)


def test_grey_pictures_keep_one_channel_and_only_their_light_changes():
    pictures = noise(5, 1)
    assert torch.equal(seen("hue 0.3, grayscale 1", pictures), pictures.float() / 255)
    assert seen("color 0.3", pictures).shape == pictures.shape


def test_only_the_words_of_colour_recolour():
    assert all(colour.recolours(parse_augment(text)) for text in ("color 0.1", "hue 0.1", "grayscale 0.1"))
    assert not colour.recolours(parse_augment("flip, cutout 8, mixup 1"))
