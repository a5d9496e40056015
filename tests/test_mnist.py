"""MNIST's idx files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from data_makers import shared

from torchbeam.data.load import find as find_source
from torchbeam.data.sources.mnist import find, read, read_idx
from torchbeam.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
LABELS = np.array([3, 0, 1, 2, 1, 0], np.uint8)


def idx(array: np.ndarray) -> bytes:
    """By the format's description: 00 00 08, the number of axes, each of them in four bytes, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_set(root: Path, stem: str = "train", images=IMAGES, labels=LABELS, dash: str = "-", packed=False) -> None:
    for name, content in ((f"images{dash}idx3", idx(images)), (f"labels{dash}idx1", idx(labels))):
        path = root / f"{stem}-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)


# What is read


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_read_gzipped_or_not(tmp_path, packed):
    write_set(tmp_path, packed=packed)
    images, labels = find(tmp_path)["train"]
    assert np.array_equal(read_idx(images), IMAGES)
    assert np.array_equal(read_idx(labels), LABELS)


def test_gzip_is_told_by_the_bytes_and_not_by_the_name(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "b.gz").write_bytes(idx(IMAGES))
    assert np.array_equal(read_idx(tmp_path / "a"), IMAGES)
    assert np.array_equal(read_idx(tmp_path / "b.gz"), IMAGES)


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2), (1, 1, 1, 2)])
def test_any_number_of_axes_is_read(tmp_path, shape):
    (tmp_path / "a").write_bytes(idx(np.ones(shape, np.uint8)))
    assert read_idx(tmp_path / "a").shape == shape


@pytest.mark.parametrize("dash", ["-", "."])
@pytest.mark.parametrize("stem", ["t10k", "test"])
def test_train_and_test_are_found_by_both_spellings_of_their_names(tmp_path, stem, dash):
    write_set(tmp_path, "train", dash=dash)
    write_set(tmp_path, stem, IMAGES[:2], LABELS[:2], dash=dash, packed=True)
    assert set(find(tmp_path)) == {"train", "test"}
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root) == ("mnist", "here", tmp_path)
    assert [record.part for record in source.records] == ["train"] * 6 + ["test"] * 2
    assert [record.label for record in source.records] == [*LABELS, *LABELS[:2]]
    assert source.records[5].path == "train#00005"
    assert source.records[7].path == f"{stem}#00001"
    assert source.classes == ("0", "1", "2", "3")
    for index, pixels in enumerate([*IMAGES, *IMAGES[:2]]):
        assert np.array_equal(np.asarray(source.pictures.image(index)), pixels)


def test_a_folder_without_pairs_is_no_mnist(tmp_path):
    assert find(tmp_path) == {}
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert find(tmp_path) == {}


def test_the_format_is_told_by_the_names_of_the_files(tmp_path):
    write_set(tmp_path)
    assert find_source(tmp_path).kind == "mnist"


def test_files_are_closed_after_reading(tmp_path):
    write_set(tmp_path)
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir())) if open_files.exists() else 0
    for _ in range(5):
        read(tmp_path, "here")  # a file left open would be a ResourceWarning, an error here
    assert (len(list(open_files.iterdir())) if open_files.exists() else 0) == before


# What is refused


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"\0\0", "00 00"),
        (b"\0\0\x0d\x01\0\0\0\x01....", "00 00 0d 01"),
        (b"\x89PNG\r\n\x1a\n", "89 50 4e 47"),
        (gzip.compress(b"text", mtime=0), "74 65 78 74"),
    ],
    ids=["empty", "short", "real numbers", "a picture", "a packed text"],
)
def test_another_beginning_is_refused(tmp_path, content, got):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match="is not an idx file of unsigned bytes") as caught:
        read_idx(tmp_path / "a")
    assert caught.value.expected == "the bytes 00 00 08 and a number of axes, at most 4, at its beginning"
    assert caught.value.got == got


@pytest.mark.parametrize("change", [-1, -20, 1, 7])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_off_or_too_long_is_refused(tmp_path, change, packed):
    whole = idx(IMAGES)
    content = whole[:change] if change < 0 else whole + bytes(change)
    (tmp_path / "a").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match="is cut off or too long") as caught:
        read_idx(tmp_path / "a")
    assert caught.value.expected == "120 bytes of data for shape (6, 5, 4)"
    assert caught.value.got == str(120 + change)
    assert caught.value.remedy == "get the file again"


@pytest.mark.parametrize("length", [4, 7, 15])
def test_a_file_cut_off_in_its_header_is_refused(tmp_path, length):
    (tmp_path / "a").write_bytes(idx(IMAGES)[:length])
    with pytest.raises(DataError, match="is cut off or too long"):
        read_idx(tmp_path / "a")


def test_a_header_that_claims_the_whole_memory_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\0\x08\x03" + b"\xff" * 12 + b"....")
    with pytest.raises(DataError, match="is cut off or too long"):
        read_idx(tmp_path / "a")


def test_more_axes_than_an_array_can_have_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\0\x08\x64" + struct.pack(">I", 1) * 100 + b".")
    with pytest.raises(DataError):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("damage", ["cut", "changed", "check sum", "tail"])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    packed = bytearray(gzip.compress(idx(IMAGES), mtime=0))
    match damage:
        case "cut":
            del packed[len(packed) // 2 :]
        case "changed":
            packed[10] = 0xFF  # a block type that does not exist
        case "check sum":
            packed[-8] ^= 0xFF
        case "tail":
            packed += b"something else"
    (tmp_path / "a.gz").write_bytes(bytes(packed))
    with pytest.raises(DataError, match=r"^cannot read ") as caught:
        read_idx(tmp_path / "a.gz")
    assert caught.value.got
    assert caught.value.remedy == "get the file again"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read "):
        read_idx(tmp_path / "a.gz")


def test_images_and_labels_of_different_numbers_are_refused(tmp_path):
    write_set(tmp_path, labels=LABELS[:5])
    with pytest.raises(
        DataError, match="train-images-idx3-ubyte and train-labels-idx1-ubyte do not belong together"
    ) as c:
        read(tmp_path, "here")
    assert c.value.expected == "images of shape (N, height, width) and N labels"
    assert c.value.got == "shapes (6, 5, 4) and (5,)"


@pytest.mark.parametrize(("images", "labels"), [(LABELS, LABELS), (IMAGES, IMAGES), (IMAGES[None], LABELS[:1])])
def test_files_that_hold_something_else_are_refused(tmp_path, images, labels):
    write_set(tmp_path, images=images, labels=labels)
    with pytest.raises(DataError, match="do not belong together"):
        read(tmp_path, "here")


def test_parts_of_different_sizes_are_refused(tmp_path):
    write_set(tmp_path)
    write_set(tmp_path, "t10k", IMAGES[:, :3], LABELS)
    with pytest.raises(DataError, match="hold pictures of different sizes") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "train 4x5, test 4x3"


# The real sets


@pytest.mark.shared
def test_mnist_has_the_published_number_of_each_digit():
    source = read(shared("data", "mnist"), "mnist")
    assert source.classes == tuple("0123456789")
    assert source.pictures.image(0).size == (28, 28)
    published = {
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    }
    for part, counts in published.items():
        labels = [record.label for record in source.records if record.part == part]
        assert np.bincount(labels).tolist() == counts


@pytest.mark.shared
def test_fashion_mnist_has_as_many_of_each_kind():
    source = read(shared("data", "fashion-mnist"), "fashion")
    for part, count in (("train", 6000), ("test", 1000)):
        labels = [record.label for record in source.records if record.part == part]
        assert np.bincount(labels).tolist() == [count] * 10
