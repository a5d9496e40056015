"""Amounts of memory as people write and read them."""

import pytest

from torchbeam.errors import SettingError
from torchbeam.jobs.amounts import bytes_of, human_bytes, human_count


@pytest.mark.parametrize(
    ("written", "bytes"),
    [
        ("8GB", 8_000_000_000),
        ("8 gb", 8_000_000_000),
        ("16GiB", 17_179_869_184),
        ("16gi", 17_179_869_184),
        ("512MB", 512_000_000),
        ("512 MiB ", 536_870_912),
        ("1.5k", 1_500),
        ("2 kbytes", 2_000),
        ("1 byte", 1),
        ("1TB", 10**12),
        ("1tib", 2**40),
        ("80000000000", 80_000_000_000),
        (123_456, 123_456),
    ],
)
def test_an_amount_is_read_as_bytes(written, bytes):
    assert bytes_of(written) == bytes


@pytest.mark.parametrize(
    "written",
    [
        "",
        "GB",
        "8XB",
        "8 G B",
        "-8GB",
        "0",
        "0GB",
        "0.4",
        "8Gytes",
        "8ib",
        "1e9",
        "8,5GB",
        "nan",
        "8GB 8GB",
        -1,
        0,
        True,
    ],
)
def test_what_is_no_amount_is_refused(written):
    with pytest.raises(SettingError) as caught:
        bytes_of(written)
    assert f"{str(written)!r} is not an amount of memory" in str(caught.value)
    assert "as in 8GB, 16GiB or 512MB" in str(caught.value)


def test_what_is_refused_is_shown_no_longer_than_a_line():
    with pytest.raises(SettingError) as caught:
        bytes_of("9" * 1000)
    assert len(str(caught.value).split("\n")[0]) < 80


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1_000, "1 k"), (61_706, "61.7 k"), (999_499, "999 k"),
        (999_500, "1 M"), (61_100_840, "61.1 M"), (138_357_544, "138 M"),
        (15_470_264_320, "15.5 G"), (7 * 10**12, "7 T"), (10**15, "1 P"),
    ],
)  # fmt: skip
def test_a_count_is_told_in_three_figures(count, text):
    assert human_count(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 byte"), (999, "999 bytes"), (1_000, "1 kB"), (99_949, "99.9 kB"), (99_951, "100 kB"),
        (999_499, "999 kB"), (999_500, "1 MB"), (60_900_000, "60.9 MB"), (5 * 10**15, "5 PB"), (7 * 10**18, "7 EB"),
        (10**22, "10,000 EB"),
    ],
)  # fmt: skip
def test_bytes_are_told_in_three_figures(count, text):
    assert human_bytes(count) == text


@pytest.mark.parametrize("count", [1, 12, 345, 6_789, 98_765, 432_109, 8_765_432, 10**9 + 1, 3 * 10**13])
def test_what_is_told_is_read_back_within_its_three_figures(count):
    assert bytes_of(human_bytes(count).replace("bytes", "").replace("byte", "")) == pytest.approx(count, rel=0.005)
