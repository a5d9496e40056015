"""MNIST's idx files, as written; torchvision reads them."""

import gzip

import numpy as np
import pytest
from data_makers import drawn, shared
from target_makers import made, told, tree, write
from torchvision.datasets.mnist import read_image_file, read_label_file

from torchbeam.data.records import UNLABELLED, Record
from torchbeam.data.sources import mnist as source
from torchbeam.data.targets import mnist
from torchbeam.errors import DataError


def test_torchvision_reads_what_was_written(tmp_path):
    records = [
        Record("a", 1, "train"),
        Record("b", 0, "test"),
        Record("c", 0, "train"),
        Record("d", UNLABELLED, "train"),
    ]
    readable = made(records, ("0", "1"), mode="L")
    assert mnist.lost(readable) == {"pictures without a class": 1}
    assert write(mnist, readable, tmp_path) == ["a", "c", "b"]
    assert tree(tmp_path) == [
        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    ]  # fmt: skip
    images = read_image_file(str(tmp_path / "train-images-idx3-ubyte")).numpy()
    assert (images == np.stack([np.asarray(drawn(number, mode="L")) for number in (0, 2)])).all()
    assert read_label_file(str(tmp_path / "train-labels-idx1-ubyte")).tolist() == [1, 0]
    assert read_label_file(str(tmp_path / "t10k-labels-idx1-ubyte")).tolist() == [0]


def test_the_bytes_are_those_of_the_published_files(tmp_path):
    """MNIST's first 100 test pictures, read and written, are the beginning of the published files."""
    root = shared("data", "mnist")
    found = source.read(root, "mnist", False)
    first = next(number for number, record in enumerate(found.records) if record.part == "test")
    whole = told(type(found)(
        found.kind, found.place, None, found.classes, found.records[first : first + 100],
        type(found.pictures)(found.pictures.pixels[first : first + 100]),
    ))  # fmt: skip
    assert mnist.lost(whole) == {}
    write(mnist, whole, tmp_path)
    for name, start in (("images-idx3", 16), ("labels-idx1", 8)):
        (published,) = root.glob(f"t10k-{name}-ubyte*")
        content = (gzip.open if published.suffix == ".gz" else open)(published, "rb").read()
        written = (tmp_path / f"t10k-{name}-ubyte").read_bytes()
        assert written[start:] == content[start : len(written)]
        assert written[:4] == content[:4] and written[8:start] == content[8:start]


def test_names_of_classes_become_numbers(tmp_path):
    readable = made([Record("a", 1, "train")], ("0", "dog", "2"), mode="L")
    assert mnist.lost(readable) == {
        "names of classes (written as numbers)": 1,
        "classes without a picture": 2,
    }


def test_colour_is_refused(tmp_path):
    with pytest.raises(DataError, match="mnist holds grey pictures only, and 2 have colour") as caught:
        mnist.check(made([Record("a", 0), Record("b", 1)]))
    assert caught.value.got == "a, b"


def test_257_classes_and_no_classes_are_refused():
    with pytest.raises(DataError, match="mnist holds at most 256 classes"):
        mnist.check(made([Record("a", 0)], tuple(map(str, range(257))), mode="L"))
    with pytest.raises(DataError, match="has no classes of whole pictures, which is what mnist holds"):
        mnist.check(made([Record("a", UNLABELLED)], mode="L"))
