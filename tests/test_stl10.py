"""STL-10's binary files, packed here by hand from their description."""

import subprocess
import sys

import numpy as np
import pytest

from torchbeam.data.sources.stl10 import Arrays, here, read
from torchbeam.errors import DataError

NAMES = ("airplane", "bird", "car")
PICTURES = np.random.default_rng(1).integers(0, 256, (5, 96, 96, 3), np.uint8)


def packed(picture: np.ndarray) -> bytes:
    """Byte by byte: all of red column by column, then all of green, then all of blue."""
    return bytes(int(picture[row, column, c]) for c in range(3) for column in range(96) for row in range(96))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "train_X.bin").write_bytes(b"".join(packed(PICTURES[at]) for at in (0, 1, 2)))
    (tmp_path / "train_y.bin").write_bytes(bytes([1, 3, 2]))
    (tmp_path / "test_X.bin").write_bytes(b"".join(packed(PICTURES[at]) for at in (3, 4)))
    (tmp_path / "test_y.bin").write_bytes(bytes([3, 1]))
    (tmp_path / "class_names.txt").write_text("\n".join(NAMES))
    return tmp_path


def test_stl10_is_read_pixel_by_pixel(root):
    assert here(root)
    source = read(root, "here")
    assert (source.kind, source.place, source.root, source.classes) == ("stl10", "here", root, NAMES)
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("train#00000", 0, "train"),
        ("train#00001", 2, "train"),
        ("train#00002", 1, "train"),
        ("test#00000", 2, "test"),
        ("test#00001", 0, "test"),
    ]
    assert source.notes == ()
    for index, picture in enumerate(PICTURES):
        image = source.pictures.image(index)
        assert (image.mode, image.size) == ("RGB", (96, 96))
        assert image.getpixel((90, 5)) == tuple(picture[5, 90].tolist())
        assert np.array_equal(np.asarray(image), picture)
        assert source.pictures.content(index) == picture.tobytes()


def test_what_has_no_labels_is_passed_over_and_noted(root):
    (root / "unlabeled_X.bin").write_bytes(packed(PICTURES[0]))
    (root / "fold_indices.txt").write_text("0 1 2\n")
    source = read(root, "here")
    assert len(source.records) == 5
    assert source.notes == ("passed over: unlabeled_X.bin and fold_indices.txt",)


def test_pictures_are_read_from_the_file_as_they_are_asked_for(tmp_path):
    """A file of 3 GB is opened by a process that may take 2 GB of memory for its own."""
    count = 3 * 2**30 // 27648
    with (tmp_path / "train_X.bin").open("wb") as file:
        file.truncate(count * 27648)  # holes take no room on the disk
    (tmp_path / "train_y.bin").write_bytes(bytes([1, 2]) * (count // 2) + bytes([1]) * (count % 2))
    (tmp_path / "class_names.txt").write_text("a\nb\n")
    script = """
import resource, sys
from pathlib import Path
from torchbeam.data.sources.stl10 import read
resource.setrlimit(resource.RLIMIT_DATA, (2 * 2**30, 2 * 2**30))
source = read(Path(sys.argv[1]), "here")
print(len(source.records), source.pictures.image(len(source.records) - 1).size)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == f"{count} (96, 96)\n", done.stderr


def test_several_arrays_are_one(root):
    pictures = Arrays((PICTURES[:2], PICTURES[2:2], PICTURES[2:]))
    assert [pictures.content(index) for index in range(5)] == [picture.tobytes() for picture in PICTURES]
    with pytest.raises(IndexError):
        pictures.content(5)


def test_here_asks_for_pictures(tmp_path):
    assert not here(tmp_path)
    assert not here(tmp_path / "nothing")
    (tmp_path / "train_y.bin").write_bytes(b"\1")
    assert not here(tmp_path)


def test_the_test_alone_will_do_only_where_nothing_is_learnt(root):
    (root / "train_X.bin").unlink()
    assert {record.part for record in read(root, "here", to_learn=False).records} == {"test"}
    with pytest.raises(DataError, match="has STL-10's test files but none to learn from") as caught:
        read(root, "here")
    assert caught.value.expected == "train_X.bin and train_y.bin beside them"


def test_pictures_without_labels_are_refused(root):
    (root / "test_y.bin").unlink()
    assert here(root)
    with pytest.raises(DataError, match=r"test_X.bin has no labels beside it") as caught:
        read(root, "here")
    assert caught.value.expected == "test_y.bin"


@pytest.mark.parametrize("content", [b"", b"\0" * 27647, b"\0" * 27649])
def test_pictures_of_a_wrong_size_are_refused(root, content):
    (root / "test_X.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"test_X.bin is cut off or too long") as caught:
        read(root, "here")
    assert caught.value.expected == "27,648 bytes for each picture"
    assert caught.value.got.startswith(f"{len(content):,} bytes")


@pytest.mark.parametrize("labels", [b"", b"\1", b"\1\2\3"])
def test_labels_that_do_not_match_their_pictures_are_refused(root, labels):
    (root / "test_y.bin").write_bytes(labels)
    with pytest.raises(DataError, match=r"test_y.bin does not go with its pictures") as caught:
        read(root, "here")
    assert (caught.value.expected, caught.value.got) == ("2 labels, a byte each", f"{len(labels)} bytes")


@pytest.mark.parametrize("wrong", [0, 4, 255])
def test_a_label_that_no_name_goes_with_is_refused(root, wrong):
    (root / "train_y.bin").write_bytes(bytes([1, wrong, 2]))
    with pytest.raises(DataError, match=r"has a label that class_names.txt does not name") as caught:
        read(root, "here")
    assert (caught.value.expected, caught.value.got) == ("1 to 3", f"{wrong} for picture 1")


def test_missing_names_are_refused(root):
    (root / "class_names.txt").unlink()
    with pytest.raises(DataError, match=r"class_names.txt"):
        read(root, "here")
