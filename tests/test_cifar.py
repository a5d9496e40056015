"""CIFAR-10's and CIFAR-100's binary files, packed here by hand from their description."""

import pickle

import numpy as np
import pytest

from torchbeam.data.sources.cifar import here, read
from torchbeam.errors import DataError

TEN = ("airplane", "automobile", "bird")
# Pixel (row, column) of channel c, all different from their neighbours in every direction.
PICTURES = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)


def packed(picture: np.ndarray) -> bytes:
    """Byte by byte: all of red row by row, then all of green, then all of blue."""
    return bytes(int(picture[row, column, c]) for c in range(3) for row in range(32) for column in range(32))


def ten(root, batches=(1, 2, 3, 4, 5), test=True, names=TEN):
    """CIFAR-10 with a picture in each batch and two in the test."""
    for number in batches:
        (root / f"data_batch_{number}.bin").write_bytes(bytes([number % 3]) + packed(PICTURES[number]))
    if test:
        rows = [bytes([label]) + packed(PICTURES[at]) for at, label in ((6, 2), (7, 0))]
        (root / "test_batch.bin").write_bytes(b"".join(rows))
    (root / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    (root / "readme.html").write_text("<html>")
    return root


def hundred(root):
    (root / "train.bin").write_bytes(bytes([4, 1]) + packed(PICTURES[0]) + bytes([0, 2]) + packed(PICTURES[1]))
    (root / "test.bin").write_bytes(bytes([1, 0]) + packed(PICTURES[2]))
    (root / "fine_label_names.txt").write_text("apple\naquarium_fish\nbaby\n")
    (root / "coarse_label_names.txt").write_text("aquatic_mammals\nfish\n")
    return root


# What is read


def test_cifar_10_is_read_pixel_by_pixel(tmp_path):
    source = read(ten(tmp_path), "here")
    assert (source.kind, source.place, source.root, source.classes) == ("cifar-10", "here", tmp_path, TEN)
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("data_batch_1#00000", 1, "train"),
        ("data_batch_2#00000", 2, "train"),
        ("data_batch_3#00000", 0, "train"),
        ("data_batch_4#00000", 1, "train"),
        ("data_batch_5#00000", 2, "train"),
        ("test_batch#00000", 2, "test"),
        ("test_batch#00001", 0, "test"),
    ]
    assert source.notes == ()
    for index, picture in enumerate([1, 2, 3, 4, 5, 6, 7]):
        image = source.pictures.image(index)
        assert (image.mode, image.size) == ("RGB", (32, 32))
        assert image.getpixel((31, 2)) == tuple(PICTURES[picture][2, 31].tolist())
        assert np.array_equal(np.asarray(image), PICTURES[picture])


def test_cifar_100_goes_by_its_fine_labels(tmp_path):
    source = read(hundred(tmp_path), "here")
    assert source.kind == "cifar-100"
    assert source.classes == ("apple", "aquarium_fish", "baby")
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("train#00000", 1, "train"),
        ("train#00001", 2, "train"),
        ("test#00000", 0, "test"),
    ]
    assert source.notes == ("the fine labels are read, the coarse ones passed over",)
    assert np.array_equal(np.asarray(source.pictures.image(2)), PICTURES[2])


def test_ten_batches_are_in_the_order_of_their_numbers(tmp_path):
    source = read(ten(tmp_path, batches=(2, 1)), "here")
    (tmp_path / "data_batch_10.bin").write_bytes(b"\0" + packed(PICTURES[0]))
    stems = [record.path.split("#")[0] for record in read(tmp_path, "here").records]
    assert stems == ["data_batch_1", "data_batch_2", "data_batch_10", "test_batch", "test_batch"]
    missing = "CIFAR-10 has five batches to learn from; not there: data_batch_3.bin, data_batch_4.bin, data_batch_5.bin"
    assert source.notes == (missing,)


def test_the_test_alone_will_do_where_nothing_is_learnt(tmp_path):
    source = read(ten(tmp_path, batches=()), "here", to_learn=False)
    assert {record.part for record in source.records} == {"test"}


@pytest.mark.parametrize("made", [ten, hundred])
def test_here_knows_both(tmp_path, made):
    assert not here(tmp_path)
    assert here(made(tmp_path))


def test_here_is_not_taken_in_by_other_names(tmp_path):
    assert not here(tmp_path / "nothing")
    (tmp_path / "train.bin").write_bytes(b"")
    (tmp_path / "train_X.bin").write_bytes(b"")
    (tmp_path / "data_batch_1.bin").mkdir()
    assert not here(tmp_path)


# What is refused


@pytest.mark.parametrize(
    ("names", "version"),
    [(("data_batch_1", "batches.meta", "test_batch"), "cifar-10"), (("train", "test", "meta"), "cifar-100")],
)
def test_the_python_version_is_refused_unread(tmp_path, names, version):
    for name in names:
        (tmp_path / name).write_bytes(pickle.dumps({b"data": [1]}))
    assert here(tmp_path)
    with pytest.raises(DataError, match="does not hold CIFAR's binary version") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "the python version, whose files are programs to be run"
    assert f"{version}-binary.tar.gz" in caught.value.remedy


def test_folders_named_as_the_python_version_are_not_it(tmp_path):
    for name in ("train", "test", "meta"):
        (tmp_path / name).mkdir()
    assert not here(tmp_path)


@pytest.mark.parametrize("change", [-1, 1, 3072, -3073])
def test_a_file_of_a_wrong_size_is_refused(tmp_path, change):
    path = ten(tmp_path) / "data_batch_3.bin"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    with pytest.raises(DataError, match=r"data_batch_3.bin is cut off or too long") as caught:
        read(tmp_path, "here")
    assert caught.value.expected == "3,073 bytes for each picture (1 for its label, 3,072 for its pixels)"
    assert caught.value.got.startswith(f"{3073 + change:,} bytes")


@pytest.mark.parametrize(("made", "name", "at"), [(ten, "test_batch.bin", 0), (hundred, "train.bin", 1)])
def test_a_label_beyond_the_names_is_refused(tmp_path, made, name, at):
    path = made(tmp_path) / name
    content = bytearray(path.read_bytes())
    content[at] = 3
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"has a label that .* does not name") as caught:
        read(tmp_path, "here")
    assert caught.value.expected == "0 to 2, for 3 classes"
    assert caught.value.got == "3 for picture 0"


def test_the_test_alone_is_refused_to_learn_from(tmp_path):
    with pytest.raises(DataError, match="has CIFAR's test file but none to learn from") as caught:
        read(ten(tmp_path, batches=()), "here")
    assert caught.value.expected == "data_batch_1.bin to data_batch_5.bin beside it"


def test_missing_names_are_refused(tmp_path):
    (ten(tmp_path) / "batches.meta.txt").unlink()
    assert here(tmp_path)
    with pytest.raises(DataError, match=r"batches.meta.txt"):
        read(tmp_path, "here")
