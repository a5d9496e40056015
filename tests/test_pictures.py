"""A source's pictures, as files and as one array."""

import hashlib

import numpy as np
import pytest
from data_makers import class_folders, drawn, encoded
from PIL import Image

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


def test_a_file_may_come_reduced_and_its_facts_are_of_the_whole(tmp_path):
    picture = drawn(1, (800, 600))
    (tmp_path / "a.jpg").write_bytes(encoded(picture, "JPEG"))
    files = Files(tmp_path, ("a.jpg",))
    assert files.image(0).size == (800, 600)
    assert files.image(0, (150, 150)).size == (200, 150)
    assert (files.facts(0).size, files.facts(0).format) == ((800, 600), "JPEG")


@pytest.mark.parametrize("shape", [(3, 20, 30), (3, 20, 30, 3)])
def test_the_facts_of_a_picture_of_an_array_are_those_of_a_lossless_file(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels[1]).save(tmp_path / "a.png")
    found, stored = Array(pixels).facts(1), Files(tmp_path, ("a.png",)).facts(0)
    assert (found.size, found.grey, found.dhash, found.thumb) == (stored.size, stored.grey, stored.dhash, stored.thumb)
    assert found.digest == hashlib.sha256(Array(pixels).content(1)).hexdigest()


def test_no_facts_are_told_of_a_damaged_file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(drawn(0, (400, 300)), "JPEG")[:-2])
    with pytest.raises(PictureError, match=r"^a\.jpg is damaged or cut off"):
        Files(tmp_path, ("a.jpg",)).facts(0)
