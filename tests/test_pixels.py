"""The pictures of a data set at a network's input size: from memory, from the decoded cache, or decoded."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_makers import class_folders, drawn, encoded
from PIL import Image
from torch.nn import functional as F

from torchbeam.data import store as storing
from torchbeam.data.augment.places import flips
from torchbeam.data.augment.resizedcrop import crop_boxes
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import ROOM, Fixed, Kept, Roomy, bytes_held
from torchbeam.data.preprocess import Preprocessing
from torchbeam.data.store import Store
from torchbeam.design.volume import Volume
from torchbeam.errors import PictureError

try:
    import resource
except ImportError:  # Windows
    resource = None

VOLUME = Volume(3, 16, 20)
CUTTING = Augmentation(resizedcrop=(0.3, 1.0), flip=True, vflip=True)
DRAWN = (7, 3)
SIZES = [(30, 20), (20, 30), (64, 48), (17, 17), (9, 40), (200, 90), (150, 300), (23, 19), (46, 38), (5, 4)]


def photos_at(root: Path, cache: Path) -> Data:
    """Pictures of several sizes and formats."""
    class_folders(root, {"cat": 6, "dog": 6})
    for number, size in enumerate(SIZES):
        drawn(100 + number, size).save(root / "cat" / f"a {number}.png")
        drawn(200 + number, size).save(root / "dog" / f"b {number}.jpg", quality=95)
    drawn(300, (40, 40), "L").save(root / "cat" / "grey.png")
    return load_data(root, cache=cache)


@pytest.fixture(scope="module")
def kept_photos(tmp_path_factory) -> Data:
    """Pictures that no test changes."""
    folder = tmp_path_factory.mktemp("photos")
    return photos_at(folder / "set", folder / "cache")


@pytest.fixture
def photos(tmp_path) -> Data:
    return photos_at(tmp_path / "set", tmp_path / "cache")


@pytest.fixture
def kept(tmp_path) -> Kept:
    return Kept(tmp_path / "decoded here")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data("digits")


def every(data: Data) -> np.ndarray:
    return np.arange(len(data.records))


def opened(data: Data, sample: int) -> Image.Image:
    """The picture as Pillow alone gives it."""
    assert data.root is not None
    return Image.open(data.root / data.records[sample].path)


def without_files(data: Data) -> None:
    """What is needed from now on must be somewhere else."""
    assert data.root is not None
    shutil.rmtree(data.root)


# Fixed


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shown", [1.0, 0.875])
def test_fixed_gives_what_preprocessing_makes_of_the_picture(kept_photos, kept, channels, shown):
    volume = Volume(channels, 16, 20)
    taken = Fixed(kept_photos, volume, kept, shown).take(every(kept_photos))
    assert taken.shape == (len(kept_photos.records), channels, 16, 20)
    assert taken.dtype == torch.uint8
    sizing = Preprocessing(20, 16, channels, (), (), shown)
    for sample, own in enumerate(taken.numpy()):
        picture = opened(kept_photos, sample)
        whole = sizing.pixels(picture)
        if picture.format == "PNG":
            assert np.array_equal(own, whole), kept_photos.records[sample].path
        else:  # a large one comes at a half or a quarter of its scale
            assert np.array_equal(own, sizing.pixels(kept_photos.image(sample, sizing.least)))
            assert np.abs(own.astype(int) - whole).mean() < 6


def test_fixed_gives_the_same_from_memory_from_the_cache_and_from_the_files(kept_photos, kept):
    needed = VOLUME.neurons * len(kept_photos.records)
    samples = np.array([3, 0, 19, 3, 25])
    expected = Fixed(kept_photos, VOLUME, Kept(limit=0)).take(samples)
    for memory in (needed, needed - 1, 0):
        for limit in (None, 0):
            pixels = Fixed(kept_photos, VOLUME, Kept(kept.cache, limit), memory=memory)
            assert (pixels.held is None) == (memory < needed)
            assert (pixels.shelf.store is None) == (limit == 0)
            for _ in range(2):
                assert torch.equal(pixels.take(samples), expected)
            assert torch.equal(pixels.take(samples, DRAWN), expected)  # nothing is drawn


def test_what_is_held_in_memory_is_told_beforehand(kept_photos):
    needed = 960 * len(kept_photos.records)
    assert bytes_held(kept_photos, VOLUME) == bytes_held(kept_photos, VOLUME, needed) == needed
    assert bytes_held(kept_photos, VOLUME, needed - 1) == 0


@pytest.mark.parametrize("memory", [0, 10**9])
def test_fixed_decodes_a_picture_once(photos, kept, memory):
    first = Fixed(photos, VOLUME, kept, memory=memory)
    expected = first.take(every(photos))
    without_files(photos)
    assert torch.equal(first.take(every(photos)), expected)
    assert torch.equal(Fixed(photos, VOLUME, kept, memory=memory).take(every(photos)), expected)


def test_without_a_cache_only_memory_saves_decoding(photos, tmp_path):
    held, not_held = (Fixed(photos, VOLUME, Kept(tmp_path / "no", 0), memory=memory) for memory in (10**9, 0))
    expected = held.take(every(photos))
    assert torch.equal(not_held.take(every(photos)), expected)
    without_files(photos)
    assert torch.equal(held.take(every(photos)), expected)
    with pytest.raises(PictureError):
        not_held.take(np.array([0]))
    assert not (tmp_path / "no").exists()


def test_another_size_or_share_is_another_store(kept_photos, kept):
    stores = [
        Fixed(kept_photos, VOLUME, kept).shelf.store,
        Fixed(kept_photos, Volume(1, 16, 20), kept).shelf.store,
        Fixed(kept_photos, Volume(3, 20, 16), kept).shelf.store,
        Fixed(kept_photos, VOLUME, kept, 0.875).shelf.store,
        Roomy(kept_photos, VOLUME, CUTTING, kept).shelf.store,
        Roomy(kept_photos, Volume(1, 16, 20), CUTTING, kept).shelf.store,
    ]
    assert len({store.folder for store in stores if store is not None}) == 6


def test_the_same_pictures_elsewhere_are_known_by_their_content(photos, kept, tmp_path):
    expected = Fixed(photos, VOLUME, kept).take(every(photos))
    assert photos.root is not None
    shutil.copytree(photos.root, tmp_path / "copy")
    copy = load_data(tmp_path / "copy", cache=tmp_path / "cache")
    shutil.rmtree(tmp_path / "copy")
    assert torch.equal(Fixed(copy, VOLUME, kept).take(every(copy)), expected)


def test_an_array_needs_no_cache(digits, kept):
    pixels = Fixed(digits, Volume(3, 8, 8), kept, memory=0)
    assert pixels.shelf.store is None
    chosen = np.array([0, 255, 256, 1796])
    taken = pixels.take(chosen)
    assert torch.equal(taken, Fixed(digits, Volume(3, 8, 8), kept).take(chosen))
    assert torch.equal(taken[:, 0], taken[:, 2])
    assert np.array_equal(taken[1, 0].numpy(), np.asarray(digits.image(255)))


# Roomy


def wholes(pixels: Roomy, data: Data) -> list[np.ndarray]:
    """What is kept of each picture, filled by taking all."""
    pixels.take(every(data))
    assert pixels.shelf.store is not None
    held = [pixels.shelf.store.get(digest) for digest in data.digests]
    assert all(whole is not None for whole in held)
    return [whole for whole in held if whole is not None]


def test_what_is_kept_is_never_larger_than_the_picture_and_enough_for_every_crop(kept_photos, kept):
    pixels = Roomy(kept_photos, VOLUME, CUTTING, kept)
    assert pixels.least == (23, 19)  # 20 and 16 times 8/7, rounded up
    for sample, whole in enumerate(wholes(pixels, kept_photos)):
        height, width, channels = whole.shape
        assert channels == 3
        own_width, own_height = kept_photos.sizes[sample]
        assert (width, height) <= (own_width, own_height) and height <= own_height
        ratio = min(own_width / 23, own_height / 19)
        if ratio <= 1:
            assert (width, height) == (own_width, own_height)
            if kept_photos.records[sample].path.endswith(".png"):
                assert np.array_equal(whole, np.asarray(opened(kept_photos, sample).convert("RGB")))
        else:  # it just covers 23x19
            assert width >= 23 and height >= 19 and (width == 23 or height == 19)
            assert abs(width / own_width - height / own_height) < 0.02
            if kept_photos.records[sample].path.endswith(".png"):
                picture = opened(kept_photos, sample).convert("RGB")
                by_pillow = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)).astype(int)
                assert np.abs(whole - by_pillow).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("cutting", ["resizedcrop 0.3:1, flip, vflip", "resizedcrop 0.05:0.2", "resizedcrop 1:1"])
def test_crops_are_what_pillow_and_torch_make_of_the_same_part(kept_photos, kept, channels, cutting):
    low, high = (float(end) for end in cutting.split(",")[0].split()[1].split(":"))
    told = Augmentation(resizedcrop=(low, high), flip="flip" in cutting, vflip="vflip" in cutting)
    pixels = Roomy(kept_photos, Volume(channels, 16, 20), told, kept)
    held = wholes(pixels, kept_photos)
    samples = every(kept_photos)
    taken = pixels.take(samples, DRAWN)
    assert taken.shape == (len(samples), channels, 16, 20)
    sizes = np.array([(whole.shape[1], whole.shape[0]) for whole in held])
    across, down = flips(told, samples, *DRAWN)
    assert across.any() == down.any() == ("flip" in cutting)
    for sample, box in enumerate(crop_boxes((low, high), sizes, samples, *DRAWN)):
        left, top, right, bottom = box.astype(int)
        part = held[sample][top:bottom, left:right].copy()
        picture = Image.fromarray(part[:, :, 0] if channels == 1 else part)
        by_pillow = np.asarray(picture.resize((20, 16), Image.Resampling.BILINEAR)).reshape(16, 20, channels)
        by_torch = F.interpolate(
            torch.from_numpy(part).permute(2, 0, 1)[None].float(), (16, 20), mode="bilinear", antialias=True
        )[0].permute(1, 2, 0)
        own = taken[sample].permute(1, 2, 0).numpy().astype(int)
        own = own[:, ::-1] if across[sample] else own
        own = own[::-1] if down[sample] else own
        assert np.abs(own - by_pillow).max() <= 1
        assert np.abs(own - by_torch.numpy()).max() <= 1.01


def test_a_sample_is_cut_the_same_way_whatever_the_batch_and_the_way_it_came(kept_photos, kept):
    samples = every(kept_photos)
    whole = Roomy(kept_photos, VOLUME, CUTTING, Kept(kept.cache, 0)).take(samples, DRAWN)
    pixels = Roomy(kept_photos, VOLUME, CUTTING, kept)
    for _ in range(2):
        for start in range(0, len(samples), 7):
            assert torch.equal(pixels.take(samples[start : start + 7], DRAWN), whole[start : start + 7])
    assert torch.equal(pixels.take(samples[::-1], DRAWN), whole.flip(0))
    assert not torch.equal(pixels.take(samples, (7, 4)), whole)
    assert not torch.equal(pixels.take(samples, (8, 3)), whole)


def test_the_middle_is_the_one_that_is_evaluated(kept_photos, kept):
    """Where nothing is drawn, the parts are those of Fixed with the same share shown, but for rounded edges."""
    pixels = Roomy(kept_photos, VOLUME, CUTTING, kept)
    middle = pixels.take(every(kept_photos)).numpy().astype(int)
    fixed = Fixed(kept_photos, VOLUME, kept, 1 / ROOM).take(every(kept_photos)).numpy().astype(int)
    for sample, size in enumerate(kept_photos.sizes):
        if min(size) >= 20:
            assert np.abs(middle[sample] - fixed[sample]).mean() < 12, kept_photos.records[sample].path


def test_one_pixel_pictures_can_be_cut(tmp_path, kept):
    for name, size in (("a", (1, 1)), ("b", (1, 50)), ("c", (50, 1)), ("a", (2, 3))):
        for number in range(3):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (number, *size)).save(tmp_path / "set" / name / f"{size[1]} {number}.png")
    data = load_data(tmp_path / "set", cache=tmp_path / "cache")
    pixels = Roomy(data, VOLUME, CUTTING, kept)
    for epoch in range(3):
        taken = pixels.take(every(data), (0, epoch))
        assert all(torch.equal(own, own[:, :1, :1].expand(-1, 16, 20)) for own in taken)


def test_roomy_decodes_a_picture_once(photos, kept):
    first = Roomy(photos, VOLUME, CUTTING, kept)
    expected = first.take(every(photos), DRAWN)
    without_files(photos)
    assert torch.equal(first.take(every(photos), DRAWN), expected)
    assert first.take(every(photos), (1, 2)).shape == expected.shape
    assert torch.equal(Roomy(photos, VOLUME, CUTTING, kept).take(every(photos), DRAWN), expected)


def test_the_room_asked_for_is_about_what_is_taken(kept_photos, kept):
    pixels = Roomy(kept_photos, VOLUME, CUTTING, kept)
    taken = sum(whole.size for whole in wholes(pixels, kept_photos))
    assert Roomy(kept_photos, VOLUME, CUTTING, Kept(kept.cache.with_name("new"), taken // 2)).shelf.store is None  # type: ignore[union-attr]
    assert Roomy(kept_photos, VOLUME, CUTTING, Kept(kept.cache.with_name("new"), 4 * taken)).shelf.store is not None  # type: ignore[union-attr]


# The cache


def test_a_damaged_cache_is_decoded_anew(photos, kept):
    expected = Fixed(photos, VOLUME, kept).take(every(photos))
    (file,) = Path(kept.cache or "").glob("decoded/*/pixels")
    content = bytearray(file.read_bytes())
    for at in range(0, len(content), 5000):
        content[at] ^= 255
    file.write_bytes(content[:-3])
    assert torch.equal(Fixed(photos, VOLUME, kept).take(every(photos)), expected)
    without_files(photos)
    assert torch.equal(Fixed(photos, VOLUME, kept).take(every(photos)), expected)


def test_a_file_that_was_changed_after_it_was_looked_at_is_not_kept(photos, kept):
    assert photos.root is not None
    before = Fixed(photos, VOLUME, Kept(limit=0)).take(every(photos))
    file = photos.root / photos.records[0].path
    content = file.read_bytes()
    file.write_bytes(encoded(drawn(999)))
    changed = Fixed(photos, VOLUME, kept).take(every(photos))
    assert not torch.equal(changed[0], before[0])
    file.write_bytes(content)
    assert torch.equal(Fixed(photos, VOLUME, kept).take(every(photos)), before)


def test_where_the_cache_cannot_be_written_every_epoch_decodes(photos, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for pixels in (
        Fixed(photos, VOLUME, Kept(tmp_path / "file"), memory=0),
        Roomy(photos, VOLUME, CUTTING, Kept(tmp_path / "file")),
    ):
        assert pixels.shelf.store is None
        assert torch.equal(pixels.take(every(photos), DRAWN), pixels.take(every(photos), DRAWN))


def test_what_does_not_fit_into_the_limit_is_not_kept_at_all(kept_photos, kept):
    needed = VOLUME.neurons * len(set(kept_photos.digests))
    assert Fixed(kept_photos, VOLUME, Kept(kept.cache, needed)).shelf.store is None  # the index takes some bytes, too
    assert Fixed(kept_photos, VOLUME, Kept(kept.cache, needed + 200_000)).shelf.store is not None


def test_what_is_kept_already_needs_no_room(photos, kept):
    expected = Fixed(photos, VOLUME, kept).take(every(photos))
    full = Fixed(photos, VOLUME, Kept(kept.cache, 1))
    assert full.shelf.store is not None
    without_files(photos)
    assert torch.equal(full.take(every(photos)), expected)


def test_stores_used_long_ago_make_way(kept_photos, kept, monkeypatch):
    monkeypatch.setattr(storing, "IDLE", -1)
    old = Fixed(kept_photos, Volume(3, 100, 100), kept)
    expected = old.take(every(kept_photos))
    assert isinstance(old.shelf.store, Store)
    assert Fixed(kept_photos, VOLUME, Kept(kept.cache, 500_000)).shelf.store is not None
    assert not old.shelf.store.folder.exists()
    assert torch.equal(old.take(every(kept_photos)), expected)


@pytest.mark.skipif(resource is None, reason="this system sets no such limit")
def test_where_the_disk_takes_no_more_the_run_goes_on_without_it(photos, kept):
    for made in (lambda kept: Fixed(photos, VOLUME, kept, memory=0), lambda kept: Roomy(photos, VOLUME, CUTTING, kept)):
        expected = made(Kept(limit=0)).take(every(photos), DRAWN)
        pixels = made(kept)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # a file cannot grow beyond
        try:
            for _ in range(2):
                taken = [pixels.take(part, DRAWN) for part in np.array_split(every(photos), 8)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert torch.equal(torch.cat(taken), expected)
        assert pixels.shelf.store is not None
        assert 0 <= len(pixels.shelf.store.rows) < len(set(photos.digests))
        assert torch.equal(made(kept).take(every(photos), DRAWN), expected)


def test_pictures_set_aside_leave_no_gap(tmp_path, kept):
    class_folders(tmp_path / "set", {"cat": 9, "dog": 9})
    for name in ("cat/0.png", "dog/4.png"):
        (tmp_path / "set" / name).write_bytes(b"damaged")
    data = load_data(tmp_path / "set", cache=tmp_path / "cache")
    assert len(data.skipped) == 2
    volume = replace(data.volume(), channels=3)
    taken = Fixed(data, volume, kept).take(every(data))
    for sample, own in enumerate(taken.numpy()):
        assert np.array_equal(own.transpose(1, 2, 0), np.asarray(opened(data, sample)))


def test_photos_that_memory_holds_are_written_down_only_where_decoding_is_dear(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for name in ("a", "b"):
        for number in range(3):
            class_folder = tmp_path / "set" / name
            class_folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels ^ np.uint8(number + 10 * (name == "b"))).save(class_folder / f"{number}.png")
    data = load_data(tmp_path / "set", to_learn=False, cache=tmp_path)
    # 10,800 pixels take about 236 microseconds to decode. Kept for 104x78 they are 31 kB, for 16x20 1 kB.
    near = Roomy(data, Volume(3, 78, 104), CUTTING, Kept(tmp_path / "cache"))
    far = Roomy(data, Volume(3, 16, 20), CUTTING, Kept(tmp_path / "cache"))
    assert near.shelf.store is None and near.shelf.block is not None
    assert far.shelf.store is not None and far.shelf.block is not None
    unheld = Roomy(data, Volume(3, 78, 104), CUTTING, Kept(tmp_path / "cache"), memory=0)
    assert unheld.shelf.store is not None and unheld.shelf.block is None
