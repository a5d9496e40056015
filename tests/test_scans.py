"""Scans and the end of a JPEG are found where the standard says they are."""

import numpy as np
import pytest
from data_makers import drawn, encoded
from hostile_pictures import exif, many_scans, raw_exif
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from torchbeam.data.scans import scans

PICTURE = drawn(1, (48, 32))
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8))
JPEGS = {
    "plain": encoded(PICTURE, "JPEG"),
    "noise": encoded(NOISE, "JPEG", subsampling=0),
    "restarts": encoded(NOISE, "JPEG", restart_marker_blocks=1),
    "progressive": encoded(NOISE, "JPEG", progressive=True),
    "a thumbnail": encoded(PICTURE, "JPEG", exif=raw_exif() + encoded(PICTURE, "JPEG")),
}


@pytest.mark.parametrize(("name", "count"), [("plain", 1), ("noise", 1), ("restarts", 1), ("a thumbnail", 1)])
def test_a_picture_of_one_scan(name, count):
    assert scans(JPEGS[name], 3) == count


def test_a_progressive_picture_has_as_many_scans_as_libjpeg_writes():
    assert scans(JPEGS["progressive"], 3) == 10  # jcparam.c, jpeg_simple_progression: 10 for three layers, 6 for one
    grey = encoded(PICTURE.convert("L"), "JPEG", progressive=True)
    assert scans(grey, 1) == 6
    assert scans(many_scans(16, 16, 50), 1) == 5 + 50


def test_a_first_scan_without_every_layer_means_that_others_follow():
    plain = encoded(PICTURE.convert("L"), "JPEG")
    assert (scans(plain, 1), scans(plain, 3)) == (1, 2)


@pytest.mark.parametrize("name", JPEGS)
def test_what_lies_behind_the_end_does_not_count(name):
    whole = JPEGS[name]
    for behind in (bytes(99), whole, whole[: len(whole) // 2], b"\xff\xda\xff\xd9\xff\xda"):
        assert scans(whole + behind, 3) == scans(whole, 3)


@given(st.sampled_from(sorted(JPEGS)), st.data())
def test_without_its_end_a_picture_has_none_wherever_it_is_cut(name, data):
    whole = JPEGS[name]
    assert scans(whole[: data.draw(st.integers(0, len(whole) - 1))], 3) is None


def test_an_end_inside_another_segment_is_none():
    whole = encoded(PICTURE, "JPEG", comment=b"\xff\xd9\xff\xda", exif=exif(1))
    assert scans(whole, 3) == 1
    assert scans(whole[:-2], 3) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_through(noise):
    found = scans(b"\xff\xd8" + noise, 3)
    assert found is None or found >= 1
