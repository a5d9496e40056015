"""STL-10's binary files, as written, read as torchvision reads them."""

import numpy as np
import pytest
from data_makers import drawn
from target_makers import made, tree, write

from torchbeam.data.records import UNLABELLED, Record
from torchbeam.data.sources import stl10 as source
from torchbeam.data.targets import stl10
from torchbeam.errors import DataError

SIZE = (96, 96)


def as_torchvision(path):
    """As its STL10.__loadfile does: (N, 3, rows, columns)."""
    return np.transpose(np.fromfile(path, np.uint8).reshape(-1, 3, 96, 96), (0, 1, 3, 2))


def test_planes_are_written_column_by_column_and_labels_from_1(tmp_path):
    records = [Record("a", 1, "train"), Record("b", 0, "test"), Record("c", UNLABELLED)]
    readable = made(records, size=SIZE)
    assert stl10.lost(readable) == {"pictures of no part (written as train)": 1}
    assert write(stl10, readable, tmp_path) == ["a", "b", "c"]
    assert tree(tmp_path) == [
        "class_names.txt", "test_X.bin", "test_y.bin", "train_X.bin", "train_y.bin", "unlabeled_X.bin",
    ]  # fmt: skip
    for number, name in enumerate(("train", "test", "unlabeled")):
        expected = np.asarray(drawn(number).resize(SIZE)).transpose(2, 0, 1)
        assert (as_torchvision(tmp_path / f"{name}_X.bin")[0] == expected).all()
    assert (tmp_path / "train_y.bin").read_bytes() == b"\2"
    assert (tmp_path / "class_names.txt").read_text() == "cat\ndog\n"
    again = source.read(tmp_path, "here")
    assert [(one.label, one.part) for one in again.records] == [(1, "train"), (0, "test")]


def test_pictures_without_a_class_and_of_another_size_are_counted():
    readable = made([Record("a", UNLABELLED)])
    assert stl10.lost(readable)["pictures without a class, of another size"] == 1


def test_other_sizes_and_too_many_classes_are_refused():
    with pytest.raises(DataError, match="stl10 holds pictures of one size, and 1 have another"):
        stl10.check(made([Record("a", 0)]))
    with pytest.raises(DataError, match="stl10 holds at most 255 classes"):
        stl10.check(made([Record("a", 0)], tuple(map(str, range(256))), SIZE))
