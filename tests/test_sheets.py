"""Sheets of small pictures: their colours, and that every label is there and keeps to its room."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib import colormaps
from PIL import Image

from torchbeam.look.sheets import GAP, LABEL, TITLE, Group, Scale, Tile, scale_of, sheet

RED = np.full((4, 4, 3), (255, 0, 0), np.uint8)


def drawn(figure):
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=72)
    return np.asarray(Image.open(held).convert("RGB"))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_scale_has_the_colours_of_matplotlib_s_own_map():
    scale = scale_of(np.array([[0.0, 1.0], [2.0, 4.0]]), "pixels")
    assert (scale.low, scale.high, scale.colours, scale.cut) == (0, 4, "magma", False)
    expected = [colormaps["magma"](share, bytes=True)[:3] for share in (0.0, 0.25, 0.5, 1.0)]
    assert scale.pixels(np.array([[0, 1, 2, 4]])).tolist() == [[list(map(int, colour)) for colour in expected]]


def test_numbers_below_zero_make_it_signed_and_zero_is_its_middle():
    scale = scale_of(np.array([-1.0, 3.0]))
    assert (scale.low, scale.high, scale.colours) == (-3, 3, "RdBu_r")
    red, white, blue = scale.pixels(np.array([[3.0, 0.0, -3.0]]))[0].astype(int)
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50 and white.min() > 240


def test_outliers_are_cut_where_that_is_asked_and_nothing_is_no_error():
    values = np.arange(101.0)
    values[-1] = 1e6
    assert scale_of(values, most=0.99).high == 99 and scale_of(values, most=0.99).cut
    assert not scale_of(values).cut
    assert scale_of(np.zeros((2, 2))).high == 1 and scale_of(np.zeros(0)).high == 1
    single = np.zeros(1000)
    single[7] = 5
    assert scale_of(single, most=0.99).high == 5  # no more than 1 % is above zero


@given(arrays(np.float64, (3, 4), elements=st.floats(-1e6, 1e6)))
def test_every_number_lies_between_the_ends_of_its_scale(values):
    scale = scale_of(values)
    shares = scale.shares(values)
    assert shares.min() >= 0 and shares.max() <= 1 and scale.low < scale.high
    assert np.abs(scale.low + shares * (scale.high - scale.low) - values).max() <= 1e-9 * max(1, scale.high)


def test_over_a_picture_low_numbers_leave_it_grey_and_high_ones_colour_it():
    scale = Scale(0, 1, "magma")
    over = scale.over(np.full((1, 2, 3), (90, 120, 150), np.uint8), np.array([[0.0, 1.0]]))
    assert over[0, 0].tolist() == [120, 120, 120]
    top = np.array(colormaps["magma"](1.0, bytes=True)[:3])
    assert np.abs(over[0, 1] - (0.25 * 120 + 0.75 * top)).max() <= 0.5


def test_a_group_takes_the_room_of_its_tiles():
    group = Group("", (Tile(RED, "1"),) * 5, 2, 1.0)
    assert group.rows == 3 and group.width == pytest.approx(2 + GAP)
    assert group.height == pytest.approx(TITLE + 3 * (1 + GAP + LABEL) - GAP)
    assert Group("", (Tile(RED),), 8, 1.0).width == pytest.approx(1)


def test_every_label_and_title_is_there_and_the_tiles_are_where_they_belong():
    group = Group("layer1", (Tile(RED, "7"), Tile(RED, "12")), 2, 1.0, Scale(0, 2, "magma", "weight"))
    figure = sheet([group], title="all of it")
    assert {"all of it", "layer1", "7", "12", "0"} <= set(texts(figure))
    assert any(text.startswith("2") for text in texts(figure))
    picture = drawn(figure)
    share = (np.abs(picture.astype(int) - (255, 0, 0)).max(2) < 8).sum() / 72**2
    assert share == pytest.approx(2, rel=0.1)  # two tiles of an inch


def test_groups_stand_side_by_side_or_below_one_another():
    groups = [Group("a", (Tile(RED),), 1, 1.0), Group("b", (Tile(RED),), 1, 1.0)]
    below, beside = sheet(groups).get_size_inches(), sheet(groups, across=True).get_size_inches()
    assert below[1] > 2 > below[0] and beside[0] > 2 > beside[1]


def test_text_keeps_to_its_room_and_is_never_read_as_mathematics():
    figure = sheet([Group("$x$ " + "a" * 200, (Tile(RED, "stage4.block11.conv2.weight"),), 1, 0.7)])
    title, label = texts(figure)[-2:]
    assert len(title) < 30 and "…" in title and title.startswith("$x$")
    assert "…" in label and label.startswith("stag") and label.endswith("ight")
    drawn(figure)


def test_a_figure_is_as_wide_as_its_title_up_to_a_limit():
    widths = [
        sheet([Group("", (Tile(RED),), 1, 0.7)], title="w" * letters).get_size_inches()[0] for letters in (0, 50, 999)
    ]
    assert widths[0] < 1.1 < 3 < widths[1] < 5 < widths[2] < 10


def test_a_tile_that_is_no_square_keeps_its_shape():
    figure = sheet([Group("", (Tile(np.zeros((2, 4, 3), np.uint8)),), 1, 1.0)])
    (image,) = figure.axes[0].images
    left, right, bottom, top = image.get_extent()
    assert (right - left, bottom - top) == pytest.approx((1, 0.5))
