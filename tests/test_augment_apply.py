"""A batch as an epoch shows it: what it depends on, in which order things happen, what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image

from tests.augment_makers import HEIGHT, WIDTH, noise, seen
from tests.data_makers import shared
from tests.test_augment_words import AUGMENTATIONS
from torchbeam.data import chance
from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.resizedcrop import TRIES
from torchbeam.data.augment.words import WORDS, Augmentation, parse_augment
from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import SettingError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
ALONE = [word.example for name, word in WORDS.items() if name not in ("mixup", "cutmix")]
TOGETHER = "flip, vflip, crop 3, shift 0.1, rotate 30, scale 0.2, color 0.3, hue 0.1, grayscale 0.2, cutout 5"


def shown(text: str, pictures: torch.Tensor, samples: np.ndarray, seed: int = 0, epoch: int = 0):
    return augmented(parse_augment(text), pictures, samples, seed, epoch, MEAN, STD)


def test_without_any_word_pictures_are_normalised_as_they_are_when_measured():
    pictures = noise(5)
    expected = Preprocessing(WIDTH, HEIGHT, 3, MEAN, STD).normalise(pictures)
    found = shown("none", pictures, np.arange(5))
    assert torch.equal(found.pictures_NCHW, expected)
    assert (found.boxes, found.masks_NHW, found.partner_N, found.share_N) == (None, None, None, None)


@pytest.mark.parametrize("text", ["none", *ALONE, TOGETHER, "mixup 1, cutmix 1"])
def test_the_pictures_given_are_not_changed(text):
    for pictures in (noise(5), noise(5).float() / 255, noise(5).contiguous(memory_format=torch.channels_last)):
        before = pictures.clone()
        found = shown(text, pictures, np.arange(5), 0, 1)
        assert torch.equal(pictures, before)
        assert found.pictures_NCHW.dtype == torch.float32
        assert found.pictures_NCHW.shape == pictures.shape


@pytest.mark.parametrize("text", [*ALONE, TOGETHER])
def test_bytes_and_values_are_shown_alike_however_they_lie_in_memory(text):
    pictures, samples = noise(9), np.arange(9)
    found = shown(text, pictures, samples).pictures_NCHW
    for other in (pictures.float() / 255, pictures.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(shown(text, other, samples).pictures_NCHW, found, atol=2e-5, rtol=0)


@pytest.mark.parametrize("text", [*ALONE, TOGETHER])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_sample_gets_the_same_pixels_bit_for_bit_in_every_batch(threads, text):
    count = 35
    pictures, samples = noise(count, 3, 17, 13), np.arange(count) * 13
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = shown(text, pictures, samples, 3, 5).pictures_NCHW
        for size in (1, 3, 8, 16, 17, 34):
            for start in range(0, count, size):
                own = slice(start, start + size)
                assert torch.equal(shown(text, pictures[own], samples[own], 3, 5).pictures_NCHW, whole[own])
        order = np.random.default_rng(0).permutation(count)
        assert torch.equal(shown(text, pictures[order], samples[order], 3, 5).pictures_NCHW, whole[order])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("text", ["crop 4", "shift 0.1", "rotate 10", "scale 0.1", "color 0.2", "cutout 8"])
def test_another_seed_epoch_or_sample_is_another_change(text):
    pictures, samples = noise(1).expand(8, 3, HEIGHT, WIDTH), np.arange(8)
    found = [shown(text, pictures, samples, *at).pictures_NCHW for at in ((0, 0), (1, 0), (0, 1), (1, 1))]
    assert len(torch.cat(found).flatten(1).unique(dim=0)) >= 25
    assert torch.equal(shown(text, pictures, samples, 0, 0).pictures_NCHW, found[0])


def test_no_draw_is_used_for_two_things():
    draws = {name: value for name, value in vars(chance).items() if name.isupper() and name != "GOLDEN"}
    assert len(set(draws.values())) == len(draws) >= 24
    tries = range(chance.PART_SHAPE, chance.PART_SHAPE + 2 * TRIES)
    assert not set(tries[1:]) & set(draws.values())


def test_a_square_cut_out_is_the_mean_whatever_else_happens():
    found = shown("flip, rotate 10, color 0.2, cutout 8", noise(9), np.arange(9)).pictures_NCHW
    assert ((found == 0).all(1).sum((1, 2)) >= 16).all()


def test_mixed_pictures_name_their_partners_and_shares():
    pictures, samples = noise(6), np.arange(6)
    plain = shown("flip, crop 3", pictures, samples).pictures_NCHW
    found = shown("flip, crop 3, mixup 0.5", pictures, samples)
    assert found.partner_N is not None and found.share_N is not None
    assert found.partner_N.tolist() == [1, 2, 3, 4, 5, 0]
    share = found.share_N.view(-1, 1, 1, 1)
    expected = share * plain + (1 - share) * plain[found.partner_N]
    torch.testing.assert_close(found.pictures_NCHW, expected, atol=1e-5, rtol=0)


def test_boxes_and_masks_stay_as_they_are_where_nothing_moves():
    boxes = [np.array([[1.0, 2, 9, 9]]), np.zeros((0, 4))]
    masks = torch.ones(2, HEIGHT, WIDTH, dtype=torch.int32)
    found = augmented(parse_augment("color 0.2"), noise(2), np.arange(2), 0, 0, MEAN, STD, boxes, masks)
    assert found.boxes is not None and found.masks_NHW is not None
    assert [own.xyxy_M4.tolist() for own in found.boxes] == [[[1, 2, 9, 9]], []]
    assert torch.equal(found.masks_NHW, masks)


@pytest.mark.parametrize("text", ["flip, crop 4", "shift 0.1, rotate 10"])
def test_boxes_and_masks_beside_them_change_nothing_about_the_pictures(text):
    pictures, samples = noise(4), np.arange(4)
    alone = shown(text, pictures, samples).pictures_NCHW
    boxes, masks = [np.array([[1.0, 2, 9, 9]])] * 4, torch.ones(4, HEIGHT, WIDTH, dtype=torch.int64)
    for told in ((boxes, None), (None, masks), (boxes, masks)):
        found = augmented(parse_augment(text), pictures, samples, 0, 0, MEAN, STD, *told)
        assert torch.equal(found.pictures_NCHW, alone)
        assert (found.boxes is None, found.masks_NHW is None) == (told[0] is None, told[1] is None)


@pytest.mark.parametrize("word", ["crop", "cutout"])
def test_what_is_as_large_as_the_pictures_is_refused(word):
    assert torch.isfinite(seen(f"{word} {HEIGHT - 1}", noise(2))).all()
    with pytest.raises(SettingError, match=f"the augmentation {word} 24 is too much for pictures of 40x24") as caught:
        seen(f"{word} {HEIGHT}", noise(2))
    assert caught.value.expected == "less than 24 pixels"
    assert caught.value.remedy == f"take {word} 3"


@pytest.mark.parametrize("text", ["mixup 0.2", "flip, cutmix 1"])
def test_pictures_with_boxes_or_masks_are_not_mixed(text):
    for told in (([np.zeros((0, 4))] * 2, None), (None, torch.zeros(2, HEIGHT, WIDTH))):
        with pytest.raises(SettingError, match="the augmentation mixes pictures, which have boxes or masks"):
            augmented(parse_augment(text), noise(2), np.arange(2), 0, 0, MEAN, STD, *told)


@given(AUGMENTATIONS)
@settings(max_examples=60)
def test_whatever_can_be_said_gives_finite_pictures(augmentation: Augmentation):
    try:
        found = augmented(augmentation, noise(3, 3, 9, 12), np.arange(3), 1, 2, MEAN, STD)
    except SettingError as error:
        assert "too much for pictures of 12x9" in error.what
        assert max(augmentation.crop, augmentation.cutout) >= 9
    else:
        assert torch.isfinite(found.pictures_NCHW).all()
        least, most = [(edge - mean) / std for mean, std in zip(MEAN, STD, strict=True) for edge in (0, 1)][:2]
        assert least - 1e-4 <= found.pictures_NCHW[:, 0].min() and found.pictures_NCHW[:, 0].max() <= most + 1e-4


@pytest.mark.shared
def test_photos_are_moved_on_the_whole_as_a_person_would_expect():
    """The mean picture of many turns is the picture, blurred."""
    path = min(shared("data", "bccd").rglob("*.jpg"))
    with Image.open(path) as picture:
        small = np.array(picture.convert("RGB").resize((64, 48)))
    photo = torch.from_numpy(small).permute(2, 0, 1)[None]
    found = seen("shift 0.02, rotate 3, scale 0.02, color 0.05", photo.expand(200, 3, 48, 64)).mean(0)
    assert (found - photo[0] / 255).abs().mean() < 0.03
