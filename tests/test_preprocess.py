"""From a picture of any size to the numbers a network takes."""

import json

import numpy as np
import pytest
import torch
from data_makers import drawn, shared
from PIL import Image
from torchvision.transforms import v2

from torchbeam.data.decode import decode
from torchbeam.data.preprocess import Preprocessing, from_json, measure
from torchbeam.design.volume import Volume
from torchbeam.errors import ModelFileError

NONE, ONE = (0.0,), (1.0,)


def sizing(width: int, height: int, depth: int = 3) -> Preprocessing:
    return Preprocessing(width, height, depth, NONE * depth, ONE * depth)


# Size


@pytest.mark.parametrize(("depth", "mode"), [(1, "L"), (3, "RGB")])
def test_a_picture_of_the_right_size_keeps_its_pixels(depth, mode):
    picture = drawn(1, (24, 18), mode)
    pixels = sizing(24, 18, depth).pixels(picture)
    assert (pixels.shape, pixels.dtype) == ((depth, 18, 24), np.uint8)
    assert pixels.flags.c_contiguous
    own = np.asarray(picture).reshape(18, 24, depth)
    for channel in range(depth):
        assert np.array_equal(pixels[channel], own[:, :, channel])


def test_colour_becomes_grey_and_grey_colour_as_pillow_does_it():
    colour, grey = drawn(1), drawn(1, mode="L")
    assert np.array_equal(sizing(24, 18, 1).pixels(colour)[0], np.asarray(colour.convert("L")))
    threefold = sizing(24, 18, 3).pixels(grey)
    assert all(np.array_equal(channel, np.asarray(grey)) for channel in threefold)


@pytest.mark.parametrize(("size", "target"), [((96, 64), (24, 16)), ((20, 30), (40, 60)), ((64, 64), (10, 10))])
def test_a_picture_of_the_right_shape_is_scaled_as_pillow_does_it(size, target):
    picture = drawn(2, size)
    own = np.asarray(picture.resize(target, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(sizing(*target).pixels(picture), own)


@pytest.mark.parametrize(
    ("size", "target"), [((96, 48), (24, 24)), ((48, 96), (24, 24)), ((60, 20), (20, 10)), ((512, 256), (224, 224))]
)
def test_a_picture_of_another_shape_is_scaled_to_cover_and_its_middle_cut_out(size, target):
    picture = drawn(3, size)
    short = max(target[0] / size[0], target[1] / size[1])
    whole = (round(size[0] * short), round(size[1] * short))
    left, top = (whole[0] - target[0]) // 2, (whole[1] - target[1]) // 2
    scaled = picture.resize(whole, Image.Resampling.BILINEAR)
    own = np.asarray(scaled.crop((left, top, left + target[0], top + target[1]))).transpose(2, 0, 1)
    assert np.abs(sizing(*target).pixels(picture).astype(int) - own).max() <= 1


@pytest.mark.parametrize("size", [(500, 333), (333, 500), (100, 101), (20, 31)])
def test_torchvision_s_resize_and_centre_crop_give_nearly_the_same(size):
    picture = drawn(4, size).resize(size)
    other = v2.Compose([v2.Resize(32, antialias=True), v2.CenterCrop(32)])(picture)
    own = sizing(32, 32).pixels(picture).transpose(1, 2, 0).astype(int)
    # torchvision rounds the scaled size and the cut to whole pixels: edges may lie half a pixel elsewhere.
    assert np.abs(own - np.asarray(other)).mean() < 6


def test_the_middle_is_kept_and_what_is_lost_is_lost_on_both_sides():
    wide = Image.new("L", (300, 100), 0)
    wide.paste(255, (100, 0, 200, 100))
    assert sizing(10, 10, 1).pixels(wide)[0, :, 1:9].min() == 255
    high = wide.transpose(Image.Transpose.ROTATE_90)
    assert sizing(10, 10, 1).pixels(high)[0, 1:9].min() == 255


def test_a_mirrored_picture_gives_mirrored_pixels():
    picture = drawn(5, (150, 110))
    turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    one, other = sizing(32, 32).pixels(picture), sizing(32, 32).pixels(turned)[:, :, ::-1]
    assert np.abs(one.astype(int) - other).max() <= 1


def test_one_shade_stays_that_shade():
    for size in ((1, 1), (3, 200), (200, 3), (640, 480)):
        assert set(sizing(28, 28).pixels(Image.new("RGB", size, (7, 99, 250))).reshape(3, -1).T.flatten()) == {
            7,
            99,
            250,
        }


@pytest.mark.parametrize("side", [7, 28, 120, 224, 227])
def test_a_picture_of_every_size_can_be_brought_to_the_network_s(side):
    refused = []
    for short in range(1, 600):
        for size in ((short, short + 50), (short + 50, short)):
            try:
                assert sizing(side, side, 1).pixels(Image.new("L", size)).shape == (1, side, side)
            except ValueError as error:
                refused.append((size, str(error)))
    assert refused == []


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (29, 58), (225, 300), (3, 2)])
@pytest.mark.parametrize("target", [(1, 1), (224, 224), (7, 29), (33, 5)])
def test_extreme_shapes_can_be_brought_to_extreme_shapes(size, target):
    assert sizing(*target, 1).pixels(Image.new("L", size, 9)).tolist() == [[[9] * target[0]] * target[1]]


# In two steps, as published weights were prepared


@pytest.mark.parametrize("filter", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(500, 333), (333, 500), (256, 256), (256, 301), (100, 101), (20, 31), (900, 64)])
def test_a_short_side_and_a_middle_are_torchvision_s_bit_for_bit(size, filter):
    picture = drawn(6, size)
    resize = v2.Resize(64, v2.InterpolationMode(filter), antialias=True)
    other = v2.Compose([resize, v2.CenterCrop((48, 56))])(picture)
    own = Preprocessing(56, 48, 3, NONE * 3, ONE * 3, 0.875, 64, filter).pixels(picture)
    assert np.array_equal(own, np.asarray(other).transpose(2, 0, 1))


@pytest.mark.shared
def test_photographs_are_prepared_as_torchvision_prepares_them():
    ready = Preprocessing(224, 224, 3, NONE * 3, ONE * 3, 0.875, 256)
    other = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(224)])
    for path in sorted(shared("data", "imagenet-samples").glob("*.JPEG")):
        with Image.open(path) as picture:
            theirs = np.asarray(other(picture.convert("RGB"))).transpose(2, 0, 1)
        assert np.array_equal(ready.pixels(decode(path.read_bytes(), path.name)), theirs)
        reduced = ready.pixels(decode(path.read_bytes(), path.name, ready.least)).astype(int)
        assert np.abs(reduced - theirs).mean() < 2  # a large JPEG decoded at half its scale


def test_a_needle_is_cut_before_it_is_scaled():
    ready = Preprocessing(224, 224, 1, NONE, ONE, 0.875, 256)
    assert ready.least == (256, 256)
    for size in ((1, 3_000_000), (3_000_000, 1)):
        assert set(ready.pixels(Image.new("L", size, 9)).flatten()) == {9}


def test_what_was_kept_without_two_steps_means_one():
    kept = Preprocessing(28, 20, 1, (0.1,), (0.3,), 0.875, 32, "bicubic").to_json()
    assert kept["resize"] == "short side, then cut, bicubic"
    assert from_json(json.loads(json.dumps(kept))) == Preprocessing(28, 20, 1, (0.1,), (0.3,), 0.875, 32, "bicubic")
    del kept["short"], kept["filter"]
    assert from_json(kept) == Preprocessing(28, 20, 1, (0.1,), (0.3,), 0.875)


# Numbers


def test_normalising_is_torchvision_s():
    ready = Preprocessing(5, 4, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pixels = torch.randint(0, 256, (6, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    other = v2.functional.normalize(v2.functional.to_dtype(pixels, torch.float32, scale=True), ready.mean, ready.std)
    own = ready.normalise(pixels)
    assert own.dtype == torch.float32
    torch.testing.assert_close(own, other)


def test_mean_and_deviation_are_numpy_s_over_all_pixels_whatever_the_batches():
    pixels = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), np.uint8)
    pixels[:, 1] //= 3
    tensor = torch.from_numpy(pixels)
    scaled = pixels.astype(np.float64) / 255
    for batches in ([tensor], tensor.split(3), tensor.split(1)):
        found = measure(Volume(3, 4, 5), batches)
        assert (found.width, found.height, found.depth) == (5, 4, 3)
        assert found.mean == pytest.approx(scaled.mean((0, 2, 3)), abs=1e-6)
        assert found.std == pytest.approx(scaled.std((0, 2, 3)), abs=1e-6)


def test_measured_pictures_have_mean_0_and_deviation_1():
    tensor = torch.from_numpy(np.random.default_rng(1).integers(0, 200, (50, 1, 8, 8), np.uint8))
    ready = measure(Volume(1, 8, 8), [tensor]).normalise(tensor)
    assert ready.mean().item() == pytest.approx(0, abs=1e-4)
    assert ready.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_a_channel_of_one_shade_is_not_blown_up():
    tensor = torch.full((4, 3, 2, 2), 51, dtype=torch.uint8)
    tensor[:, 2] = torch.arange(16, dtype=torch.uint8).view(4, 2, 2)
    found = measure(Volume(3, 2, 2), [tensor])
    assert found.mean[:2] == pytest.approx((0.2, 0.2))
    assert found.std[:2] == (1.0, 1.0)
    assert torch.isfinite(found.normalise(tensor)).all()


# Kept in the model file


def test_what_is_kept_comes_back_the_same_through_json():
    ready = Preprocessing(28, 20, 1, (0.1307,), (0.3081,))
    kept = ready.to_json()
    assert from_json(json.loads(json.dumps(kept))) == ready
    assert kept["decode"] == "upright, 8 bits, alpha on white"
    assert kept["resize"] == "cover, bilinear"
    assert kept["crop"] == "centre"


@pytest.mark.parametrize("missing", ["width", "height", "depth", "mean", "std"])
def test_a_missing_value_is_refused(missing):
    kept = sizing(28, 20).to_json()
    del kept[missing]
    with pytest.raises(ModelFileError, match=r"^the model file's preprocessing is incomplete") as caught:
        from_json(kept)
    assert missing in caught.value.got


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": "wide"}, {"width": None}, {"mean": 0.5}, {"mean": ["a"]}, {"std": None}, {"mean": [0.5]},
        {"short": "all"}, {"short": 27}, {"filter": "nearest"},
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(wrong):
    with pytest.raises(ModelFileError, match="preprocessing is incomplete"):
        from_json(sizing(28, 20).to_json() | wrong)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_layout_in_memory_changes_no_number(depth):
    pixels = torch.randint(0, 256, (5, depth, 12, 17), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    own = Preprocessing(17, 12, depth, (0.4, 0.5, 0.6)[:depth], (0.2, 0.3, 0.25)[:depth])
    last = own.normalise(pixels.contiguous(memory_format=torch.channels_last))
    assert torch.equal(own.normalise(pixels), last)
    assert pixels.dtype == torch.uint8 and last.is_contiguous(memory_format=torch.channels_last)
