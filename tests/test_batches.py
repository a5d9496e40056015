"""Batches: every sample once, in an order that is a function of (seed, epoch)."""

import hashlib
import threading

import numpy as np
import pytest
import torch
from data_makers import class_folders
from sklearn.datasets import load_digits

from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.batches import WORKERS, Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept, Roomy
from torchbeam.data.records import PARTS
from torchbeam.design.volume import Volume
from torchbeam.errors import PictureError


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def pixels(digits):
    return Fixed(digits, digits.volume(), Kept(limit=0))


class Counting:
    """Pictures that are their own number: one pixel each. What was asked for, and by whom, is noted."""

    def __init__(self, first_bad: int = 10**9) -> None:
        self.first_bad = first_bad
        self.asked: list[tuple[list[int], tuple[int, int] | None]] = []
        self.threads: set[int] = set()

    def take(self, samples, drawn=None):
        self.asked.append((samples.tolist(), drawn))
        self.threads.add(threading.get_ident())
        if samples.max() >= self.first_bad:
            raise PictureError("a picture is damaged or cut off")
        return torch.from_numpy(samples.astype(np.uint8)).view(-1, 1, 1, 1)

    def at_hand(self, samples):
        return False


def numbered(count: int, batch_size: int, workers: int = 2, pictures: Counting | None = None) -> Batches:
    """Batches of so many samples."""
    return Batches(np.arange(count), torch.arange(count) * 2, pictures or Counting(), batch_size, workers)


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


# Workers


def told(found) -> list[tuple[list[int], list[int], str]]:
    """What is in batches: samples, labels, and the pixels' digest."""
    return [
        (
            batch.samples.tolist(),
            batch.labels_N.tolist(),
            hashlib.sha256(batch.pixels_NCHW.numpy().tobytes()).hexdigest(),
        )
        for batch in found
    ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batches")
    class_folders(folder / "set", {"cat": 20, "dog": 23})
    return load_data(folder / "set", cache=folder / "cache")


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_what_is_in_a_batch_does_not_depend_on_the_workers(photos, tmp_path, workers):
    cutting = Augmentation(resizedcrop=(0.3, 1.0), flip=True)
    volume = Volume(3, 12, 10)
    for made in (lambda kept: Fixed(photos, volume, kept), lambda kept: Roomy(photos, volume, cutting, kept)):
        plain = batches(photos, made(Kept(limit=0)), "train", 4, 0)
        own = batches(photos, made(Kept(tmp_path)), "train", 4, workers)
        for epoch in range(2):
            assert told(own.epoch(7, epoch)) == told(plain.epoch(7, epoch))
        assert told(own.in_order()) == told(plain.in_order())


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("count", [40, 41, 43, 3])
def test_an_epoch_goes_on_from_any_batch(workers, count):
    whole = told(numbered(count, 4, 0).epoch(3, 5))
    for start in range(len(whole) + 2):
        pictures = Counting()
        assert told(numbered(count, 4, workers, pictures).epoch(3, 5, start)) == whole[start:]
        assert len(pictures.asked) == len(whole[start:])  # none of those before is made again


def test_pixels_are_told_the_epoch_that_they_are_drawn_for():
    pictures = Counting()
    list(numbered(8, 4, 2, pictures).epoch(3, 5))
    assert {drawn for _, drawn in pictures.asked} == {(3, 5)}
    pictures.asked.clear()
    list(numbered(8, 4, 2, pictures).in_order())
    assert [drawn for _, drawn in pictures.asked] == [None, None]


def test_without_workers_each_batch_is_made_by_the_reader_when_it_is_asked_for():
    pictures = Counting()
    for read, _ in enumerate(numbered(20, 4, 0, pictures).in_order()):
        assert len(pictures.asked) == read + 1
    assert pictures.threads == {threading.get_ident()}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_stay_a_few_batches_ahead_and_no_more(workers):
    pictures = Counting()
    for read, _ in enumerate(numbered(100, 4, workers, pictures).in_order()):
        assert len(pictures.asked) <= read + workers + 1
    assert len(pictures.asked) == 25
    assert threading.get_ident() not in pictures.threads
    assert len(pictures.threads) <= workers


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_picture_that_cannot_be_read_ends_the_epoch_at_its_batch(workers):
    read = []
    with pytest.raises(PictureError, match="a picture is damaged"):
        for batch in numbered(100, 4, workers, Counting(first_bad=22)).in_order():
            read.append(batch.samples.tolist())
    assert [first for first, *_ in read] == [0, 4, 8, 12, 16]


def test_an_epoch_that_is_left_leaves_no_work_and_no_threads():
    pictures = Counting()
    before = threading.active_count()
    found = numbered(1000, 4, 2, pictures).epoch(0, 0)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(pictures.asked) <= 4


def test_the_usual_number_of_workers_is_the_machines():
    assert batches.__defaults__ == (WORKERS,)
    assert WORKERS >= 1


# Augmented


def test_the_same_sample_is_augmented_to_the_same_pixels_bit_for_bit_whatever_the_batch_size(digits, pixels):
    change = Augmentation(shift=0.1, rotate=10.0, scale=0.1)

    def epoch(size: int, seed: int, number: int) -> torch.Tensor:
        """(N, ...) in the order of the samples."""
        found = list(batches(digits, pixels, "val", size).epoch(seed, number))
        samples = np.concatenate([batch.samples for batch in found])
        seen = [augmented(change, b.pixels_NCHW, b.samples, seed, number, (0.3,), (0.4,)).pictures_NCHW for b in found]
        return torch.cat(seen)[np.argsort(samples)]

    whole = epoch(1000, 1, 2)
    for size in (7, 32, 50, 100):
        assert torch.equal(epoch(size, 1, 2), whole)
    assert not torch.equal(epoch(1000, 2, 2), whole)
    assert not torch.equal(epoch(1000, 1, 3), whole)


def test_what_lies_in_memory_is_picked_without_threads(monkeypatch):
    class AtHand(Counting):
        def at_hand(self, samples):
            return True

    pictures = AtHand()
    assert len(list(numbered(40, 4, 2, pictures).epoch(0, 1))) == 10
    assert pictures.threads == {threading.get_ident()}
