"""How looks are drawn: what a figure holds is read back from it."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from torchbeam.errors import SettingError
from torchbeam.look.overlay import COVER, Panel, row

PICTURE = np.full((6, 8, 3), 100, np.uint8)
MAP = np.array([[-2.0, 0.0, 1.0], [0.5, np.nan, 2.0]])


def shades(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_panels_stand_in_a_row_with_their_titles_and_bars():
    figure = row(Panel("one", PICTURE), Panel("two", PICTURE, MAP), Panel("three", None, MAP, unit="lost"))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["one", "two", "three", ""]  # the last is the colour bar
    assert [len(axes.images) for axes in figure.axes[:3]] == [1, 2, 1]
    assert figure.axes[3].get_ylabel() == "lost"
    assert shades(figure).std() > 5


def test_a_map_lies_over_all_of_the_picture_or_where_it_is_told():
    figure = row(Panel("", PICTURE, MAP), Panel("", PICTURE, MAP, (2, 1, 8, 5)), Panel("", None, MAP))
    extents = [axes.images[-1].get_extent() for axes in figure.axes]
    assert extents == [[-0.5, 7.5, 5.5, -0.5], [1.5, 7.5, 4.5, 0.5], [-0.5, 2.5, 1.5, -0.5]]
    assert figure.axes[1].get_xlim() == (-0.5, 7.5) and figure.axes[1].get_ylim() == (5.5, -0.5)


def test_the_strongest_covers_most_and_no_number_nothing():
    figure = row(Panel("", PICTURE, MAP), Panel("", PICTURE, np.abs(MAP), signed=False))
    signed, unsigned = (axes.images[-1].get_alpha() for axes in figure.axes)
    np.testing.assert_allclose(signed, COVER * np.array([[1, 0, 0.5], [0.25, 0, 1]]))
    np.testing.assert_allclose(unsigned, COVER * np.array([[1, 0, 0.5], [0.25, 0, 1]]))


@pytest.mark.parametrize(
    ("values", "signed", "strongest", "limits"),
    [
        (MAP, True, None, (-2, 2)),
        (MAP, True, 5.0, (-5, 5)),
        (MAP, False, None, (-2, 2)),
        (np.abs(MAP), False, 4.0, (0, 4)),
        (np.zeros((2, 2)), True, None, (-1, 1)),
        (np.full((2, 2), 3.0), False, None, (3, 4)),
        (np.full((2, 2), np.nan), True, None, (-1, 1)),
    ],
)
def test_limits_by_hand(values, signed, strongest, limits):
    panel = Panel("", None, values, signed=signed, strongest=strongest)
    assert panel.limits == limits
    assert row(panel).axes[0].images[0].get_clim() == limits


def test_red_speaks_for_and_blue_against():
    figure = row(Panel("", None, np.array([[3.0, -3.0]])))
    image = figure.axes[0].images[0]
    (red, _, _, _), (_, _, blue, _) = image.cmap(image.norm(3.0)), image.cmap(image.norm(-3.0))
    assert red > 0.35 and image.cmap(image.norm(3.0))[2] < 0.2
    assert blue > 0.35 and image.cmap(image.norm(-3.0))[0] < 0.2


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(SettingError, match="a panel without a picture and without a map"):
        Panel("nothing")
    with pytest.raises(SettingError, match="the map to draw is none") as told:
        Panel("", PICTURE, np.zeros(4))
    assert told.value.got == "4"
