import base64
import re
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.learn.loop import Epoch
from torchbeam.network.build import build
from torchbeam.report.figures import curves, first_filters, shade


def picture_in(element: str) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", element)
    assert data is not None
    return np.array(Image.open(BytesIO(base64.b64decode(data[1]))))


def built(text):
    design = complete(parse(text), Volume(3, 8, 8), 2)
    return build(design), ledger(design)


def test_filters_are_the_weights_from_black_to_white():
    network, book = built("INPUT 8x8x3 -> BN -> CONV 5 3x3 -> RELU -> FC 2")
    layer, shown = first_filters(network, book)
    assert layer == "conv1: CONV 5 3x3 pad 1" and len(shown) == 5
    weights = network.get_parameter("conv1.weight").detach()[2]
    expected = (weights - weights.min()) / (weights.max() - weights.min()) * 255
    assert np.abs(picture_in(shown[2]) - expected.permute(1, 2, 0).numpy()).max() <= 0.5


def test_a_first_fc_is_shown_as_templates_of_the_inputs_shape():
    network, book = built("INPUT 6x4x1 -> FLATTEN -> FC 3")
    layer, shown = first_filters(network, book)
    assert layer == "fc1: FC 3" and len(shown) == 3
    assert picture_in(shown[0]).shape == (4, 6)
    brightest = np.unravel_index(picture_in(shown[1]).argmax(), (4, 6))
    assert int(torch.argmax(network.get_parameter("fc1.weight")[1])) == brightest[0] * 6 + brightest[1]


def test_a_constant_filter_is_no_trouble():
    assert picture_in(first_filters(*built("INPUT 4x4x1 -> CONV 1 1x1 -> FC 2"))[1][0]).shape == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 4x4x1 -> RELU",
        "INPUT 4x4x1 -> POOL -> FC 2",
        "INPUT 9x9x1 -> SHORTCUT stride 2 -> FC 2",
        "INPUT 4x4x1 -> ( RELU | TANH ) -> FC 2",
        "INPUT 4x4x1 -> AUX 0.3 [FC 2] -> UP 2 -> FC 2",
    ],
)
def test_weights_that_see_no_pixels_are_not_shown_as_if_they_did(text):
    assert first_filters(*built(text)) == ("", [])


def test_curves_mark_the_epoch_that_was_kept_and_are_the_same_each_time():
    epochs = [Epoch(n, 3, 1 / n, 1 / n, 0.9 + n / 100, 0.1, 1.0, 10.0) for n in (1, 2, 3)]
    drawn = curves(epochs, best_epoch=2)
    assert drawn.startswith("<svg") and "kept: epoch 2, 92.00 %" in drawn
    assert drawn == curves(epochs, best_epoch=2)
    assert curves(epochs[:1], best_epoch=1).startswith("<svg")


def test_ink_can_be_read_on_every_shade():
    for share in np.linspace(0, 1, 21):
        found = re.match(r"background:rgb\((\d+),(\d+),(\d+)\);color:(\S+)", shade(share, (47, 111, 178)))
        assert found is not None
        light = 0.299 * int(found[1]) + 0.587 * int(found[2]) + 0.114 * int(found[3])
        assert abs(light - (255 if found[4] == "#fff" else 35)) > 80
