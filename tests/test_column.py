"""All filters on one receptive field, judged by what the network computed."""

import numpy as np
import pytest
import torch
from slid_makers import LAYERS, made

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.column import column, depth_column
from torchbeam.look.slid import ran
from torchbeam.network.build import build

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_layer(name):
    layer = ran(*made(name), ["0"])["0"]
    for row, at in np.ndindex(*layer.output_KHW.shape[1:]):
        assert np.abs(depth_column(layer, row, at) - layer.output_KHW[:, row, at]).max() < 1e-5 * layer.largest


def test_one_look():
    torch.manual_seed(0)
    network = build(parse("INPUT 9x9x2 -> CONV 70 3x3 -> RELU -> CONV 6 3x3 pad 0 -> FC 3"))
    look = column(network, torch.rand(2, 9, 9), "conv2")
    values = look.arrays["column"].values
    assert values.shape == (6,) and look.facts["difference"] < 1e-5
    strongest = ran(network, torch.rand(1, 2, 9, 9), ["conv2"])["conv2"].output_KHW.shape
    assert 0 <= look.facts["row"] < strongest[1]
    assert values.max() == pytest.approx(look.arrays["network"].values.max(), rel=1e-5)
    assert look.png().startswith(b"\x89PNG")
    assert column(network, torch.rand(2, 9, 9), "conv1", 0, 0).facts["box"] == (0, 0, 2, 2)
    with pytest.raises(SettingError, match="conv2 has no column 7"):
        column(network, torch.rand(2, 9, 9), "conv2", 0, 7)
