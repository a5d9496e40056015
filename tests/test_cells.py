"""Numbers in cells, and pictures from normalised tensors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.look.cells import draw_cells, draw_map, draw_picture, number, sheet, shown
from torchbeam.look.receptive import Box


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.00"),
        (-0.5, "−0.50"),
        (0.0834, "0.083"),
        (12.34, "12.3"),
        (-345.6, "−346"),
        (1234.0, "1e3"),
        (0.00012, "1e-4"),
        (-np.inf, "−∞"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@given(st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-90))
def test_numbers_keep_their_size(value):
    text = number(value).replace("−", "-")
    assert len(text) <= 6 and float(text) == pytest.approx(value, rel=0.5, abs=1e-300)


def test_pictures_come_back_as_the_bytes_they_were():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    x = (torch.from_numpy(pixels) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    assert np.array_equal(shown(x, mean, std), pixels.transpose(1, 2, 0))
    grey = shown(x[:1].numpy(), mean[:1], std[:1])
    assert np.array_equal(grey, np.repeat(pixels[0][..., None], 3, 2))


def test_cells_have_their_numbers_and_padding_is_hatched():
    with sheet(3, 3) as figure:
        axes = figure.subplots()
        inside = np.array([[True, False]])
        draw_cells(axes, np.array([[1.5, 0.0]]), "a title", inside=inside, chosen=np.array([[True, False]]))
    assert [text.get_text() for text in axes.texts] == ["1.50", "0"]
    assert axes.get_title(loc="left") == "a title"
    assert [patch.get_hatch() for patch in axes.patches] == [None, "////"]
    with sheet(3, 3) as figure:
        axes = figure.subplots()
        draw_cells(axes, np.zeros((11, 11)))
    assert not axes.texts  # no room for them


def test_a_map_has_its_scale_and_a_box_its_pixels():
    with sheet(5, 3) as figure:
        first, second = figure.subplots(1, 2)
        draw_map(first, np.arange(6.0).reshape(2, 3), place=(1, 2))
        draw_picture(second, np.zeros((4, 4, 3), dtype=np.uint8), Box(1, 0, 3, 2))
    assert len(figure.axes) == 3
    assert first.patches[0].get_bbox().bounds == (1.5, 0.5, 1, 1)
    assert second.patches[0].get_bbox().bounds == (0.5, -0.5, 2, 2)
