"""Batches: every sample once, in an order that is a function of (seed, epoch)."""

import numpy as np
import pytest
import torch
from data_makers import class_folders, drawn
from PIL import Image
from sklearn.datasets import load_digits

from torchbeam.data.augment import Augment
from torchbeam.data.batches import Batches, Decoded, Lazy, batches, sized
from torchbeam.data.load import load_data
from torchbeam.data.preprocess import Preprocessing
from torchbeam.data.records import PARTS
from torchbeam.design.volume import Volume


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def pixels(digits):
    return sized(digits, digits.volume())


@pytest.fixture
def photos(tmp_path):
    """Colour pictures of several sizes, two of them damaged."""
    class_folders(tmp_path, {"cat": 9, "dog": 9})
    for number, size in enumerate([(30, 20), (20, 30), (64, 48), (17, 17)]):
        drawn(100 + number, size).save(tmp_path / "cat" / f"odd {number}.png")
    (tmp_path / "cat" / "0.png").write_bytes(b"damaged")
    (tmp_path / "dog" / "4.png").write_bytes(b"damaged")
    return load_data(tmp_path)


class Counting:
    """Pictures that are their own number: one pixel each."""

    def take(self, samples):
        return torch.from_numpy(samples.astype(np.uint8)).view(-1, 1, 1, 1)


def numbered(count: int, batch_size: int) -> Batches:
    """Batches of so many samples."""
    return Batches(np.arange(count), torch.arange(count) * 2, Counting(), batch_size)  # type: ignore[arg-type]


def sizes(found) -> list[int]:
    return [len(batch.samples) for batch in found]


# Order


def test_every_epoch_holds_every_sample_once(digits, pixels):
    own = batches(digits, pixels, "train", 100)
    for epoch in range(3):
        seen = np.concatenate([batch.samples for batch in own.epoch(7, epoch)])
        assert sorted(seen) == digits.split.indices("train")


def test_parts_have_no_sample_in_common_and_leave_none_out(digits, pixels):
    seen = [batch.samples for part in PARTS for batch in batches(digits, pixels, part, 64).in_order()]
    assert sorted(np.concatenate(seen)) == list(range(1797))


def test_in_order_is_the_records_order(digits, pixels):
    own = batches(digits, pixels, "test", 64)
    assert np.concatenate([batch.samples for batch in own.in_order()]).tolist() == digits.split.indices("test")


def test_an_order_depends_on_seed_and_epoch_and_on_nothing_else(digits, pixels):
    def order(seed, epoch, size):
        return tuple(np.concatenate([b.samples for b in batches(digits, pixels, "val", size).epoch(seed, epoch)]))

    assert order(1, 2, 10) == order(1, 2, 10) == order(1, 2, 33) == order(1, 2, 1000)
    assert len({order(1, 2, 10), order(2, 2, 10), order(1, 3, 10), order(2, 1, 10)}) == 4


def test_pixels_and_labels_belong_to_their_samples(digits, pixels):
    own = load_digits()
    for batch in batches(digits, pixels, "test", 50).epoch(0, 0):
        assert batch.pixels_NCHW.dtype == torch.uint8
        assert batch.labels_N.dtype == torch.int64
        assert batch.labels_N.tolist() == own.target[batch.samples].tolist()
        expected = own.images[batch.samples][:, None] / 16
        assert np.abs(batch.pixels_NCHW.numpy() / 255 - expected).max() <= 0.5 / 255


# Sizes


@pytest.mark.parametrize(
    ("count", "batch_size", "expected"),
    [(12, 4, [4, 4, 4]), (14, 4, [4, 4, 4, 2]), (15, 4, [4, 4, 4, 3]), (3, 4, [3]), (4, 4, [4]), (2, 64, [2])],
)
def test_the_last_batch_may_be_smaller(count, batch_size, expected):
    own = numbered(count, batch_size)
    assert sizes(own.epoch(0, 0)) == sizes(own.in_order()) == expected
    assert len(own) == len(expected)


@pytest.mark.parametrize(
    ("count", "batch_size", "expected"), [(13, 4, [4, 4, 5]), (5, 4, [5]), (65, 64, [65]), (7, 3, [3, 4])]
)
def test_one_sample_left_over_joins_the_batch_before_it(count, batch_size, expected):
    own = numbered(count, batch_size)
    assert sizes(own.epoch(0, 0)) == sizes(own.in_order()) == expected
    assert len(own) == len(expected)
    seen = torch.cat([batch.labels_N for batch in own.epoch(0, 0)])
    assert sorted(seen.tolist()) == [2 * number for number in range(count)]


def test_one_sample_alone_is_one_batch():
    assert sizes(numbered(1, 4).epoch(0, 0)) == [1]


def test_no_samples_are_no_batches():
    assert sizes(numbered(0, 4).epoch(0, 0)) == []
    assert len(numbered(0, 4)) == 0


# Pixels


def test_each_sample_is_its_own_picture_also_past_those_set_aside(photos):
    assert len(photos.skipped) == 2
    volume = photos.volume()
    for kept in (sized(photos, volume), Lazy(photos, Preprocessing(volume.width, volume.height, 3, (), ()))):
        taken = kept.take(np.arange(len(photos.records)))
        assert taken.shape == (20, 3, volume.height, volume.width)
        for record, own in zip(photos.records, taken.numpy(), strict=True):
            picture = Image.open(photos.root / record.path)
            if picture.size == (volume.width, volume.height):
                assert np.array_equal(own.transpose(1, 2, 0), np.asarray(picture))
            middle = np.asarray(picture)[picture.height // 2, picture.width // 2].astype(int)
            patch = own[
                :, volume.height // 2 - 2 : volume.height // 2 + 2, volume.width // 2 - 2 : volume.width // 2 + 2
            ]
            distance = np.abs(patch.transpose(1, 2, 0).reshape(-1, 3) - middle).sum(1).min()
            assert distance <= 60, record.path


def test_pictures_that_fit_into_memory_are_kept_and_others_decoded_each_time_with_the_same_pixels(photos):
    volume = Volume(3, 16, 20)
    needed = 3 * 16 * 20 * len(photos.records)
    kept, lazy = sized(photos, volume, needed), sized(photos, volume, needed - 1)
    assert isinstance(kept, Decoded)
    assert isinstance(lazy, Lazy)
    samples = np.array([3, 0, 19, 3])
    assert torch.equal(kept.take(samples), lazy.take(samples))
    assert torch.equal(kept.take(samples)[0], kept.take(samples)[3])


def test_pictures_are_brought_to_the_asked_depth(photos, digits):
    assert sized(photos, Volume(1, 16, 16)).take(np.arange(2)).shape == (2, 1, 16, 16)
    threefold = sized(digits, Volume(3, 8, 8)).take(np.arange(2))
    assert threefold.shape == (2, 3, 8, 8)
    assert torch.equal(threefold[:, 0], threefold[:, 2])


def test_more_pictures_than_are_decoded_at_a_time_are_all_decoded(digits, pixels):
    assert len(digits.records) > 256
    lazy = sized(digits, digits.volume(), memory=0)
    chosen = np.array([0, 255, 256, 257, 511, 512, 1796])
    assert torch.equal(lazy.take(chosen), pixels.take(chosen))


def test_the_same_sample_is_augmented_to_the_same_pixels_bit_for_bit_whatever_the_batch_size(digits, pixels):
    change = Augment()

    def epoch(size: int, seed: int, number: int) -> torch.Tensor:
        """(N, ...) in the order of the samples."""
        own = batches(digits, pixels, "val", size)
        found = list(own.epoch(seed, number))
        samples = np.concatenate([batch.samples for batch in found])
        seen = [change(batch.pixels_NCHW.float(), batch.samples, seed, number) for batch in found]
        return torch.cat(seen)[np.argsort(samples)]

    whole = epoch(1000, 1, 2)
    for size in (7, 32, 50, 100):
        assert torch.equal(epoch(size, 1, 2), whole)
    assert not torch.equal(epoch(1000, 2, 2), whole)
    assert not torch.equal(epoch(1000, 1, 3), whole)
