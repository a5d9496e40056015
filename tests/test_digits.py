"""The digits that ship inside scikit-learn."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from torchbeam.data.sources import digits
from torchbeam.errors import DataError


def test_records_are_scikit_learn_s_digits_in_their_order():
    source, own = digits.read(), load_digits()
    assert (source.kind, source.place, source.root) == ("digits", "digits", None)
    assert source.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert [record.label for record in source.records] == own.target.tolist()
    assert {record.part for record in source.records} == {""}
    assert source.records[0].path == "digits#0000"
    assert len({record.path for record in source.records}) == len(own.target) == 1797


def test_pixels_are_the_shades_0_to_16_brought_to_0_to_255():
    source, own = digits.read(), load_digits()
    for number in range(0, 1797, 13):
        seen = source.pictures.image(number)
        assert (seen.mode, seen.size) == ("L", (8, 8))
        assert np.abs(np.asarray(seen) / 255 - own.images[number] / 16).max() <= 0.5 / 255
    brightest = np.unravel_index(np.argmax(own.images), own.images.shape)
    assert np.asarray(source.pictures.image(int(brightest[0])))[brightest[1:]] == 255


def test_different_digits_have_different_content():
    source, own = digits.read(), load_digits()
    contents = {source.pictures.content(number) for number in range(1797)}
    assert len(contents) == len({image.tobytes() for image in own.images})


def test_a_scikit_learn_without_them_is_told(monkeypatch, tmp_path):
    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sklearn")
    with pytest.raises(DataError, match="the digits that ship with scikit-learn are not there"):
        digits.read()
