"""How pictures and masks get onto the disk."""

import os

import numpy as np
import pytest
from data_makers import drawn
from PIL import Image
from target_makers import in_files, made

from torchbeam.data.colours import palette
from torchbeam.data.records import IGNORE, Record
from torchbeam.data.targets import put as put_file
from torchbeam.data.targets.put import growing, linked, put, put_mask, put_picture
from torchbeam.errors import OutOfRoom, OutputError, PictureError


def test_a_file_is_copied_byte_for_byte(tmp_path):
    readable = in_files(tmp_path / "in", [Record("a/1.jpg", 0)])
    put_picture(readable, readable.samples[0], tmp_path / "out" / "1.jpg", link=False)
    assert (tmp_path / "out" / "1.jpg").read_bytes() == (tmp_path / "in" / "a" / "1.jpg").read_bytes()
    assert (tmp_path / "out" / "1.jpg").stat().st_nlink == 1


def test_a_file_is_linked_where_that_can_be(tmp_path):
    readable = in_files(tmp_path / "in", [Record("1.jpg", 0)])
    put_picture(readable, readable.samples[0], tmp_path / "out" / "1.jpg", link=True)
    assert os.path.samefile(tmp_path / "out" / "1.jpg", tmp_path / "in" / "1.jpg")


def test_a_symbolic_link_is_followed(tmp_path):
    readable = in_files(tmp_path / "in", [Record("1.jpg", 0)])
    (tmp_path / "in" / "1.jpg").rename(tmp_path / "real.jpg")
    (tmp_path / "in" / "1.jpg").symlink_to(tmp_path / "real.jpg")
    for link in (True, False):
        put_picture(readable, readable.samples[0], tmp_path / f"{link}.jpg", link)
        assert not (tmp_path / f"{link}.jpg").is_symlink()
        assert (tmp_path / f"{link}.jpg").read_bytes() == (tmp_path / "real.jpg").read_bytes()


def test_what_cannot_be_linked_is_copied(tmp_path):
    (tmp_path / "folder").mkdir()
    assert not linked(tmp_path / "folder", tmp_path / "new")
    assert not linked(tmp_path / "missing", tmp_path / "new")


def test_a_file_that_is_gone_by_now_is_told_as_such(tmp_path):
    readable = in_files(tmp_path / "in", [Record("1.jpg", 0)])
    (tmp_path / "in" / "1.jpg").unlink()
    for link in (True, False):
        with pytest.raises(PictureError, match=r"cannot read .*1\.jpg"):
            put_picture(readable, readable.samples[0], tmp_path / "out" / "1.jpg", link)


def test_pixels_become_a_png(tmp_path):
    for mode in ("RGB", "L"):
        readable = made([Record("a#1", 0)], mode=mode)
        put_picture(readable, readable.samples[0], tmp_path / f"{mode}.png", link=True)
        with Image.open(tmp_path / f"{mode}.png") as image:
            assert (image.format, image.mode, image.tobytes()) == ("PNG", mode, drawn(0, mode=mode).tobytes())


MASK = np.array([[0, 1, 2], [IGNORE, 3, 254]], dtype=np.int32)


def test_a_mask_of_few_classes_has_a_byte_a_pixel(tmp_path):
    put_mask(tmp_path / "m.png", MASK, 254)
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [[0, 1, 2], [255, 3, 254]]


def test_a_palette_changes_what_is_seen_and_not_the_values(tmp_path):
    put_mask(tmp_path / "m.png", MASK, 254, palette())
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        assert np.asarray(image).tolist() == [[0, 1, 2], [255, 3, 254]]
        assert image.convert("RGB").getpixel((1, 0)) == (128, 0, 0)


def test_a_mask_of_many_classes_has_16_bits(tmp_path):
    put_mask(tmp_path / "m.png", np.where(MASK == 254, 300, MASK).astype(np.int32), 300, palette())
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "I;16"
        assert np.asarray(image).tolist() == [[0, 1, 2], [65535, 3, 300]]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        put(tmp_path / "file" / "below.txt", "text")
    with pytest.raises(OutputError, match="cannot write"), growing(tmp_path / "file" / "below"):
        pass
    readable = in_files(tmp_path / "in", [Record("1.jpg", 0)])
    with pytest.raises(OutputError, match="cannot write"):
        put_picture(readable, readable.samples[0], tmp_path / "file" / "1.jpg", link=False)


def test_a_full_disk_is_told(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OutOfRoom, match="the disk is full"):
        put_file.put(tmp_path / "full", b"x")
    with pytest.raises(OutOfRoom, match="the disk is full"), growing(tmp_path / "full") as file:
        file.write(b"x" * 100_000)
