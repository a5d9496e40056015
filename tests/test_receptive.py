"""Receptive fields, judged by where autograd finds a gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.look.receptive import Box, fields_of
from torchbeam.network.build import build
from torchbeam.network.taps import tapped


def positive(network):
    """Positive weights and pictures: no gradient is zero but where there is no way for it."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.uniform_(0.1, 1.0)
    return network.double().eval()


def measured(network, input, layer, row, column):
    """The smallest box of pixels with a gradient."""
    torch.manual_seed(1)
    x = torch.rand(1, input.channels, input.height, input.width, dtype=torch.float64).requires_grad_()
    with tapped(network, [layer]) as taps:
        network(x)
    made = taps[layer]
    neuron = made[0] if made.dim() < 4 else made[0, :, row, column]
    (slope,) = torch.autograd.grad(neuron.sum(), x)
    rows, columns = torch.nonzero(slope.abs().sum((0, 1)), as_tuple=True)
    return Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)


def compared(network, input):
    fields = fields_of(network, input)
    modules = dict(network.named_modules())
    for layer in [layer for layer in fields.layers if layer.name in modules]:
        height, width = layer.output.height, layer.output.width
        for row, column in {(0, 0), (height - 1, width - 1), (height // 2, width // 3), (0, width - 1)}:
            yield layer, fields.box(layer.name, row, column), measured(network, input, layer.name, row, column)


TEXTS = {
    "strides, paddings and what is dropped": "INPUT 30x23x2 fit crop -> CONV 3 3x3 stride 2 pad 0 -> CONV 3 3x3 pad 1"
    " -> POOL avg 3x2 stride 2 -> CONV 2 5x3 pad 2x1 -> FC 4",
    "dilation at the edges": "INPUT 19x17x1 -> CONV 2 3x3 pad 2 dilation 2 -> CONV 2 3x3 pad 3 dilation 3"
    " -> CONV 2 3x3 pad 1",
    "branches": "INPUT 16x16x1 -> (CONV 2 1x1 + CONV 2 5x5) -> (CONV 1 3x3 | POOL avg 3x3 stride 1 pad 1 | SKIP)"
    " -> CONV 2 3x3 stride 2 fit crop -> FC 3",
    "adaptive pools and enlarging": "INPUT 17x13x1 -> CONV 2 3x3 -> POOL avg to 5x4 -> UP 2 -> CONV 1 3x3"
    " -> UP 3 bilinear -> CONV 1 1x1",
    "uneven padding": "INPUT 16x15x1 fit pad -> CONV 2 4x4 stride 3 pad 0:1 -> CONV 2 2x2 stride 2 pad 1:0",
    "grouped and cut by a shortcut": "INPUT 12x12x4 -> CONV 4 3x3 groups 2 -> SHORTCUT 6 stride 2 -> CONV depthwise 3x3"
    " -> POOL avg global -> FC 2",
}


@pytest.mark.parametrize("name", TEXTS)
def test_boxes_are_the_smallest_that_hold_every_gradient(name):
    design = parse(TEXTS[name])
    found = list(compared(positive(build(design)), design.input.volume))
    assert len(found) >= 8
    for layer, box, smallest in found:
        assert box == smallest, layer.name


def test_a_maximum_and_zero_weights_only_take_away():
    design = parse("INPUT 20x20x1 -> CONV 2 3x3 -> POOL max 2x2 -> RELU -> CONV 2 3x3 -> POOL max 5x5 -> FC 3")
    network = positive(build(design))
    with torch.no_grad():
        network.conv2.weight[:, :, 0] = 0
    for layer, box, smallest in compared(network, design.input.volume):
        assert box.left <= smallest.left <= smallest.right <= box.right, layer.name
        assert box.top <= smallest.top <= smallest.bottom <= box.bottom, layer.name


def test_a_module_from_outside():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, 1, 1)
            self.bn, self.linear = nn.BatchNorm2d(2), nn.Linear(2, 3)

        def forward(self, x):
            x = F.avg_pool2d(x, 2)
            x = F.relu(self.bn(self.conv1(x)) + x[:, :, ::2, ::2])
            return self.linear(self.conv2(x).mean((2, 3)))

    found = list(compared(positive(Residual()), Volume(2, 20, 18)))
    assert {"conv1", "conv2", "linear"} <= {layer.name for layer, _, _ in found}
    for layer, box, smallest in found:
        assert box == smallest, layer.name


def test_a_neuron_that_sees_only_padding_sees_nothing():
    fields = fields_of(nn.Sequential(nn.Conv2d(1, 1, 1, padding=2)), Volume(1, 4, 4))
    assert fields.box("0", 0, 3) == Box(0, 0, 0, 0) and fields.box("0", 0, 3).width == 0
    assert str(fields.box("0", 2, 3)) == "columns 1 to 1, rows 0 to 0"


def test_a_layer_that_runs_twice_is_its_last_run():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(self.conv(x))

    fields = fields_of(Twice(), Volume(1, 9, 9))
    assert fields.box("conv", 0, 0) == Box(0, 0, 5, 5)


def test_what_cannot_be_read_says_so_and_wrong_names_and_places_are_told():
    class Choosing(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    fields = fields_of(Choosing(), Volume(1, 4, 6))
    assert "depends on the numbers" in fields.note and fields.whole == Box(0, 0, 6, 4) and not fields.knows("conv1")
    fields = fields_of(build(parse("INPUT 8x8x1 -> CONV 2 3x3 -> FC 2")), Volume(1, 8, 8))
    with pytest.raises(SettingError, match="no layer 'conv2' was read") as caught:
        fields.box("conv2", 0, 0)
    assert caught.value.remedy == "did you mean conv1?"
    with pytest.raises(SettingError, match="conv1 has no row 8") as caught:
        fields.box("conv1", 8, 0)
    assert caught.value.expected == "0 to 7: its map is 8 wide and 8 high"
    with pytest.raises(SettingError, match="conv1 has no column -1"):
        fields.box("conv1", 0, -1)
