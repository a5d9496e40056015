import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from torchbeam.learn.rate import RangeTest, judged
from torchbeam.report.ratecurve import rate_curve, rate_curve_png


def made(explode: bool = True) -> RangeTest:
    random = np.random.default_rng(0)
    rates = [3e-4 * 1e4 ** (step / 59) for step in range(60)]
    losses = [2.4 - 1.3 / (1 + (0.012 / rate) ** 1.5) + 0.07 * random.standard_normal() for rate in rates]
    if explode:
        losses = [*losses[:47], 2.0, 2.9, 6.0, 41.0]
    return judged(rates[: len(losses)], losses, 0.05)


def test_the_curve_says_its_axes_and_the_rate_that_was_chosen():
    test = made()
    drawn = rate_curve(test)
    assert drawn.startswith("<svg")
    for words in (
        "learning-rate range test",
        "learning rate",
        "training loss",
        f"chosen: {test.chosen:.3g}",
        "smoothed",
    ):
        assert f">{words}<" in drawn


def test_the_same_test_gives_the_same_bytes():
    assert rate_curve(made()) == rate_curve(made())
    assert rate_curve_png(made()) == rate_curve_png(made())


def test_it_stands_on_white_of_its_own_so_that_it_can_be_read_on_a_dark_page():
    assert re.search(r'<g id="rate-patch_1">\s*<path [^>]*style="fill: #ffffff', rate_curve(made()))
    pixels = np.array(Image.open(BytesIO(rate_curve_png(made()))).convert("RGBA"))
    assert pixels.shape[:2] == (518, 1296)
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()


def test_the_chosen_rate_is_marked_where_it_lies():
    """The marking's column in the PNG, against the place of the rate between the outermost points of the sweep."""
    test = made(explode=False)
    pixels = np.array(Image.open(BytesIO(rate_curve_png(test))).convert("RGB")).astype(int)
    orange = (np.abs(pixels - (0xD9, 0x82, 0x2B)).sum(2) < 30).sum(0)
    blue = np.flatnonzero((np.abs(pixels - (0x2F, 0x6F, 0xB2)).sum(2) < 30).sum(0)[150:]) + 150
    share = np.log(test.chosen / test.rates[0]) / np.log(test.rates[-1] / test.rates[0])
    assert abs(orange.argmax() - (blue[0] + share * (blue[-1] - blue[0]))) < 0.02 * 1296


@pytest.mark.parametrize("losses", [[], [2.3], [2.3] * 30, [2.3, 1e30, 3e38]])
def test_a_test_that_tells_nothing_is_drawn_too(losses):
    rates = [1e-3 * 1.3**step for step in range(len(losses))]
    test = judged(rates, losses, 0.05)
    assert f"chosen: {test.chosen:.3g}" in rate_curve(test)
