"""CIFAR's binary files, as written, byte by byte and read back."""

import numpy as np
import pytest
from data_makers import drawn
from target_makers import made, tree, write

from torchbeam.data.records import Record
from torchbeam.data.sources import cifar as source
from torchbeam.data.targets import cifar
from torchbeam.errors import DataError

SIZE = (32, 32)


def pixels(number, mode="RGB"):
    return np.asarray(drawn(number, mode=mode).resize(SIZE))


def test_a_row_is_the_label_and_the_planes_red_green_blue(tmp_path):
    readable = made([Record("a", 1, "train"), Record("b", 0, "test")], size=SIZE)
    assert cifar.lost(readable) == {}
    write(cifar, readable, tmp_path)
    assert tree(tmp_path) == ["batches.meta.txt", "data_batch_5.bin", "test_batch.bin"]
    row = np.frombuffer((tmp_path / "data_batch_5.bin").read_bytes(), np.uint8)
    picture = pixels(0)
    assert len(row) == 3073
    assert (row[0], row[1], row[2], row[1 + 32], row[1 + 1024]) == (
        1, picture[0, 0, 0], picture[0, 1, 0], picture[1, 0, 0], picture[0, 0, 1],
    )  # fmt: skip
    assert (tmp_path / "batches.meta.txt").read_text() == "cat\ndog\n"


def test_ten_classes_are_five_batches_and_read_back_the_same(tmp_path):
    records = [Record(str(number), number % 10, "train" if number < 12 else "test") for number in range(15)]
    readable = made(records, tuple("abcdefghij"), SIZE)
    write(cifar, readable, tmp_path)
    assert [(tmp_path / f"data_batch_{n}.bin").stat().st_size // 3073 for n in range(1, 6)] == [2, 2, 3, 2, 3]
    again = source.read(tmp_path, "here")
    assert again.classes == tuple("abcdefghij")
    assert [(one.label, one.part) for one in again.records] == [(one.label, one.part) for one in records]
    for number in range(15):
        assert (np.asarray(again.pictures.image(number)) == pixels(number)).all()


def test_more_classes_are_cifar_100(tmp_path):
    readable = made([Record("a", 10, "train"), Record("b", 0, "val")], tuple(map(str, range(11))), SIZE, "L")
    assert cifar.lost(readable) == {"pictures of val (written as test)": 1}
    write(cifar, readable, tmp_path)
    assert tree(tmp_path) == ["coarse_label_names.txt", "fine_label_names.txt", "test.bin", "train.bin"]
    assert (tmp_path / "train.bin").read_bytes()[:2] == bytes([0, 10])
    again = source.read(tmp_path, "here")
    assert [(one.label, one.part) for one in again.records] == [(10, "train"), (0, "test")]
    grey = np.asarray(again.pictures.image(0))
    assert (grey == pixels(0, "L")[:, :, None]).all()


def test_names_of_classes_that_are_no_line_are_changed_and_counted(tmp_path):
    readable = made([Record("a", 0, "train"), Record("b", 1, "train")], ("new\nline", "b"), SIZE)
    assert cifar.lost(readable) == {"names of classes (written with other signs)": 1}
    write(cifar, readable, tmp_path)
    assert (tmp_path / "batches.meta.txt").read_text() == "new_line\nb\n"


def test_other_sizes_and_too_many_classes_are_refused():
    with pytest.raises(DataError, match="cifar holds pictures of one size, and 1 have another"):
        cifar.check(made([Record("a", 0)]))
    with pytest.raises(DataError, match="cifar holds at most 100 classes"):
        cifar.check(made([Record("a", 0)], tuple(map(str, range(101))), SIZE))
