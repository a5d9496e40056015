"""A source's pictures, as files and as one array."""

import numpy as np
import pytest
from data_makers import class_folders, drawn, encoded

from torchbeam.data.pictures import Array, Files
from torchbeam.errors import PictureError


def test_files_are_read_and_decoded_in_the_order_of_their_paths(tmp_path):
    class_folders(tmp_path, {"a": 2, "b": 1})
    files = Files(tmp_path, ("b/0.png", "a/0.png", "a/1.png"))
    for index, number in enumerate((2, 0, 1)):
        assert files.content(index) == encoded(drawn(number))
        assert files.image(index).tobytes() == drawn(number).tobytes()


def test_a_damaged_file_is_named_by_its_place_in_the_source(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(encoded(drawn(0))[:-40])
    files = Files(tmp_path, ("a/0.png",))
    assert files.content(0) == encoded(drawn(0))[:-40]
    with pytest.raises(PictureError, match=r"^a/0\.png is damaged or cut off"):
        files.image(0)


def test_a_file_that_is_gone_cannot_be_read(tmp_path):
    files = Files(tmp_path, ("a/0.png",))
    with pytest.raises(PictureError, match=r"^cannot read "):
        files.content(0)
    with pytest.raises(PictureError, match=r"^cannot read ") as caught:
        files.image(0)
    assert str(tmp_path / "a" / "0.png") in str(caught.value)


@pytest.mark.parametrize(("shape", "mode"), [((4, 5, 7), "L"), ((4, 5, 7, 3), "RGB")])
def test_an_array_holds_a_picture_a_row(shape, mode):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pictures = Array(pixels)
    for index in range(4):
        seen = pictures.image(index)
        assert (seen.mode, seen.size) == (mode, (7, 5))
        assert np.array_equal(np.asarray(seen), pixels[index])
        assert pictures.content(index) == pixels[index].tobytes()


def test_a_picture_of_an_array_is_told_apart_by_its_pixels_alone():
    pixels = np.zeros((3, 2, 2), np.uint8)
    pixels[2, 1, 1] = 1
    pictures = Array(pixels)
    assert pictures.content(0) == pictures.content(1) != pictures.content(2)


def test_an_array_of_empty_pictures_is_refused_when_one_is_asked_for():
    with pytest.raises(PictureError, match="has no pixels"):
        Array(np.zeros((3, 0, 4), np.uint8)).image(0)
