"""Shapes of things: which pixels they cover, their box and their area."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from PIL import Image, ImageDraw

from torchbeam.data.regions import Outlines, Runs, area, box_of, raster, signed_area
from torchbeam.data.runlengths import runs_of
from torchbeam.errors import DataError

SQUARE = np.array([[1.0, 1], [4, 1], [4, 3], [1, 3]])
# Numbers that never put a corner or an edge onto a pixel's centre.
corners = st.lists(st.tuples(st.floats(-3, 15, width=32), st.floats(-3, 12, width=32)), min_size=3, max_size=9).map(
    np.array
)


def outlines(*rings):
    return Outlines(tuple(np.array(ring, dtype=np.float64) for ring in rings))


def centres(height, width):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)


def even_odd(ring, height, width):
    """Which centres lie in a polygon, by a ray to the right from each: the definition, pixel by pixel."""
    inside = np.zeros((height, width), dtype=bool)
    for row in range(height):
        for column in range(width):
            x, y, crossed = column + 0.5, row + 0.5, 0
            for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if (y0 <= y) != (y1 <= y):
                    (x0, y0), (x1, y1) = sorted([(x0, y0), (x1, y1)], key=lambda point: point[1])
                    share = (y - y0) / (y1 - y0)
                    crossed += x0 * (1 - share) + x1 * share <= x
            inside[row, column] = crossed % 2
    return inside


def test_a_rectangle_along_the_pixels_covers_them():
    covered = raster(outlines(SQUARE), 5, 6)
    expected = np.zeros((5, 6), dtype=bool)
    expected[1:3, 1:4] = True
    assert (covered == expected).all()


def test_a_pixel_is_inside_when_its_centre_is():
    assert raster(outlines([[0.4, 0.4], [1.6, 0.4], [1.6, 0.6], [0.4, 0.6]]), 2, 3).tolist() == [
        [True, True, False],
        [False, False, False],
    ]
    assert not raster(outlines([[0.6, 0.6], [1.4, 0.6], [1.4, 1.4], [0.6, 1.4]]), 2, 3).any()


def test_shapes_side_by_side_share_no_pixel_and_leave_none_out():
    left, right = outlines([[0, 0], [2.5, 0], [3.5, 4], [0, 4]]), outlines([[2.5, 0], [6, 0], [6, 4], [3.5, 4]])
    assert (raster(left, 4, 6) ^ raster(right, 4, 6)).all()


@given(corners)
def test_a_polygon_covers_by_the_even_odd_rule(ring):
    assert (raster(Outlines((ring,)), 10, 12) == even_odd(ring, 10, 12)).all()


@pytest.mark.parametrize("seed", range(6))
def test_convex_polygons_cover_what_matplotlib_says(seed):
    chance = np.random.default_rng(seed)
    angles = np.sort(chance.uniform(0, 2 * np.pi, 8))
    ring = np.stack([20 + 15.3 * np.cos(angles), 16 + 13.7 * np.sin(angles)], axis=1)
    expected = Polygon(np.concatenate([ring, ring[:1]])).contains_points(centres(32, 40)).reshape(32, 40)
    assert (raster(Outlines((ring,)), 32, 40) == expected).all()


def test_a_large_ellipse_is_drawn_as_pillow_draws_it():
    picture = Image.new("1", (200, 150))
    points = [(100 + 80 * np.cos(t), 75 + 60 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 90, endpoint=False)]
    ImageDraw.Draw(picture).polygon(points, fill=1)
    differing = np.asarray(picture) ^ raster(outlines(points), 150, 200)
    assert differing.sum() < 0.03 * np.asarray(picture).sum()  # Pillow draws the border too


def test_several_outlines_cover_what_any_of_them_does():
    both = raster(outlines(SQUARE, SQUARE + 1), 6, 7)
    assert (both == raster(outlines(SQUARE), 6, 7) | raster(outlines(SQUARE + 1), 6, 7)).all()


def test_what_lies_outside_the_picture_is_cut():
    assert raster(outlines([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]]), 3, 4).all()
    assert not raster(outlines(SQUARE + 100), 5, 5).any()
    assert not raster(outlines(SQUARE - 100), 5, 5).any()
    assert raster(outlines(SQUARE), 0, 0).shape == (0, 0)
    assert not raster(Outlines(()), 2, 2).any()


def test_runs_go_down_the_columns():
    runs = Runs(2, 3, np.array([1, 2, 3]))
    assert raster(runs, 2, 3).tolist() == [[False, True, False], [True, False, False]]
    assert box_of(runs) == (0, 0, 2, 2)
    assert area(runs) == 2


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_box_of_runs_is_that_of_their_pixels(height, width, chance):
    mask = np.array([[chance.random() < 0.2 for _ in range(width)] for _ in range(height)])
    rows, columns = np.nonzero(mask)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else (0, 0, 0, 0)
    assert box_of(runs_of(mask)) == box
    assert area(runs_of(mask)) == mask.sum()


def test_the_box_and_area_of_outlines():
    region = outlines(SQUARE, [[10, 0], [12, 0], [12, 4.5]])
    assert box_of(region) == (1, 0, 12, 4.5)
    assert area(region) == 6 + 4.5
    assert box_of(Outlines(())) == (0, 0, 0, 0)


def test_area_is_positive_where_a_polygon_runs_clockwise_and_exact_far_out():
    assert signed_area(SQUARE) == 6
    assert signed_area(SQUARE[::-1] + 1e12) == -6


@pytest.mark.parametrize(
    "ring", [np.zeros((2, 2)), np.zeros((4, 3)), np.zeros(6), np.array([[0, 0], [1, 0], [np.nan, 1]])]
)
def test_what_is_no_polygon_is_refused(ring):
    with pytest.raises(DataError, match=r"^an outline is no polygon"):
        Outlines((ring,))


@pytest.mark.parametrize("counts", [[5], [7], [-1, 7], [2**62, 2**62, 2**62, 2**62, 6], []])
def test_runs_that_do_not_fill_their_picture_are_refused(counts):
    with pytest.raises(DataError, match=r"^run lengths do not fill their 2x3 picture"):
        Runs(3, 2, np.array(counts, dtype=np.int64))


def test_runs_of_another_picture_are_refused():
    with pytest.raises(DataError, match=r"^run lengths are those of a 2x3 picture"):
        raster(Runs(3, 2, np.array([6])), 2, 3)
