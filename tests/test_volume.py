"""Volumes and windows, against torch's own sizes and the lectures' worked cases."""

import subprocess
import sys
from fractions import Fraction
from itertools import count

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from torchbeam.design.volume import Slide, Volume, Window, nearest_fits
from torchbeam.errors import DesignError

torch.set_num_threads(1)
PROPERTY = settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

windows = st.builds(
    Window,
    size=st.integers(1, 7),
    stride=st.integers(1, 5),
    near=st.integers(0, 4),
    far=st.integers(0, 4),
    dilation=st.integers(1, 3),
)
lengths = st.integers(1, 40)


def torch_places(window: Window, padded: int) -> int:
    """How many places torch's convolution finds on `padded` pixels; 0 where it refuses."""
    row = torch.empty(1, 1, padded, device="meta")
    kernel = torch.empty(1, 1, window.size, device="meta")
    try:
        return F.conv1d(row, kernel, stride=window.stride, dilation=window.dilation).shape[-1]
    except RuntimeError:
        return 0


def torch_fits(window: Window, padded: int) -> int:
    """The places when nothing is left over: the transposed convolution then gives every pixel back. Else 0."""
    places = torch_places(window, padded)
    if places < 1:
        return 0
    row, kernel = torch.empty(1, 1, places, device="meta"), torch.empty(1, 1, window.size, device="meta")
    back = F.conv_transpose1d(row, kernel, stride=window.stride, dilation=window.dilation).shape[-1]
    return places if back == padded else 0


def reached(window: Window, length: int) -> torch.Tensor:
    """Which real pixels any place of the window reads, by the gradient of a convolution of ones."""
    row = torch.ones(1, 1, length, requires_grad=True)
    padded = F.pad(row, (window.near, window.far))
    F.conv1d(padded, torch.ones(1, 1, window.size), stride=window.stride, dilation=window.dilation).sum().backward()
    return row.grad[0, 0] != 0


def test_a_volume_reads_width_by_height_by_depth_and_counts_its_numbers():
    volume = Volume(channels=3, height=24, width=32)
    assert str(volume) == "32x24x3"
    assert volume.neurons == torch.empty(3, 24, 32).numel()


@pytest.mark.parametrize(("sides", "text"), [((0, 24, 32), "32x24x0"), ((3, 0, 5), "5x0x3"), ((3, 5, -1), "-1x5x3")])
def test_a_volume_without_an_inside_is_refused(sides, text):
    with pytest.raises(DesignError, match=f"a volume cannot be {text}") as caught:
        Volume(*sides)
    assert "width, height and depth of at least 1" in str(caught.value)


@pytest.mark.parametrize(
    ("length", "window", "places"),
    [
        (7, Window(3), 5),
        (7, Window(3, 2), 3),
        (7, Window(3, 3), Fraction(7, 3)),
        (7, Window(3, 1, 1, 1), 7),
        (227, Window(11, 4), 55),
        (32, Window(5, 1, 2, 2), 32),
        (5, Window(3, 2, 1, 1), 3),
        (10, Window(3, 2), Fraction(9, 2)),
        (7, Window(3, 1, dilation=2), 3),
        (2, Window(3), 0),
    ],
)
def test_the_lectures_worked_cases(length, window, places):
    assert window.places(length) == places
    assert window.fits(length) == (places == int(places) and places >= 1)


@pytest.mark.parametrize(
    ("window", "length", "text"),
    [
        (Window(3, 3), 7, "(7 - 3 + 2*0) / 3 + 1 = 2.33"),
        (Window(11, 4), 227, "(227 - 11 + 2*0) / 4 + 1 = 55"),
        (Window(3, 2, 0, 1), 8, "(8 - 3 + 0 + 1) / 2 + 1 = 4"),
        (Window(3, 1, 2, 2, dilation=2), 7, "(7 - (2*(3 - 1) + 1) + 2*2) / 1 + 1 = 7"),
        (Window(5), 3, "(3 - 5 + 2*0) / 1 + 1 = -1"),
    ],
)
def test_the_sum_is_written_with_its_numbers(window, length, text):
    assert window.sum(length) == text


@PROPERTY
@given(windows, lengths)
def test_a_window_fits_when_torch_leaves_nothing_over(window, length):
    places = torch_fits(window, length + window.near + window.far)
    assert window.fits(length) == bool(places)
    if places:
        assert window.places(length) == places
        assert {window.slide(length, fit) for fit in ("error", "crop", "pad")} == {Slide(places)}


@PROPERTY
@given(windows, lengths)
def test_what_does_not_fit_is_an_error_unless_a_fit_is_said(window, length):
    assume(not torch_fits(window, length + window.near + window.far))
    assert window.slide(length, "error") is None


@PROPERTY
@given(windows, lengths)
def test_crop_is_what_torch_does_and_counts_the_real_pixels_left_at_the_edge(window, length):
    slide = window.slide(length, "crop")
    places = torch_places(window, length + window.near + window.far)
    if not places:
        assert slide is None
        return
    assert slide is not None
    assert (slide.count, slide.added) == (places, 0)
    if torch_fits(window, length + window.near + window.far):
        assert slide.dropped == 0
        return
    solid = Window(window.extent, window.stride, window.near, window.far)
    if solid.size >= solid.stride:  # no gaps between its places, so what is unseen lies at the far edge
        unseen = (~reached(solid, length)).flip(0).int()
        assert slide.dropped == int(unseen.cumprod(0).sum())


@PROPERTY
@given(windows, lengths)
def test_pad_adds_the_fewest_pixels_at_the_far_edge_that_fit(window, length):
    slide = window.slide(length, "pad")
    assert slide is not None
    padded = length + window.near + window.far
    added, places = next(
        (more, torch_fits(window, padded + more)) for more in count() if torch_fits(window, padded + more)
    )
    assert slide == Slide(places, added=added)


@PROPERTY
@given(st.integers(1, 7), st.integers(1, 5), lengths)
def test_pad_gives_the_places_of_torchs_ceil_mode_where_its_last_window_starts_inside(size, stride, length):
    window = Window(size, stride)
    slide = window.slide(length, "pad")
    assert slide is not None
    assume(length >= size and (slide.count - 1) * stride < length)
    assert slide.count == F.max_pool1d(torch.empty(1, 1, length, device="meta"), size, stride, ceil_mode=True).shape[-1]


@PROPERTY
@given(windows, lengths)
def test_every_nearest_setting_really_fits_by_torchs_sizes(window, length):
    assume(not window.fits(length))
    answers = nearest_fits(window, length)
    assert answers
    for setting, places in answers:
        kind, value = setting.split()
        size, stride, near, far, at = window.size, window.stride, window.near, window.far, length
        match kind:
            case "pad":
                near, far = int(value.split(":")[0]), int(value.split(":")[-1])
            case "input":
                at = int(value)
            case "stride":
                stride = int(value)
            case "kernel":
                size = int(value)
        assert min(size, stride, at, places) >= 1
        assert torch_fits(Window(size, stride, dilation=window.dilation), at + near + far) == places, setting


@PROPERTY
@given(windows, lengths)
def test_no_input_nearer_than_those_named_fits(window, length):
    assume(not window.fits(length))
    named = [int(setting.split()[1]) for setting, _ in nearest_fits(window, length) if setting.startswith("input")]
    assert named
    nearest = min(abs(size - length) for size in named)
    closer = range(max(1, length - nearest + 1), length + nearest)
    assert not [size for size in closer if torch_fits(window, size + window.near + window.far)]


def test_the_nearest_settings_of_a_three_by_three_window_with_stride_three_on_seven_pixels():
    assert nearest_fits(Window(3, 3), 7) == [
        ("input 6", 2),
        ("pad 1", 3),
        ("input 9", 3),
        ("stride 2", 3),
        ("kernel 4", 2),
    ]


def test_huge_windows_are_answered_and_do_not_hang():
    code = (
        "from torchbeam.design.volume import Window, nearest_fits\n"
        "print(nearest_fits(Window(3, 10**9, 1, 1), 32), nearest_fits(Window(999_999_999), 32))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=8, check=True)
    assert "input 1000000001" in done.stdout and "input 999999999" in done.stdout


def test_a_sum_that_is_not_whole_does_not_read_as_a_whole_number():
    written = Window(3, 10_000, 1, 1).sum(32).split("= ")[1]
    assert Fraction(written).denominator != 1
