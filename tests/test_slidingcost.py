"""What one pass costs beside sliding. Judge: torch's own counter on the networks that are built."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from torchbeam.design.convolutional import convolutional
from torchbeam.design.notation import parse
from torchbeam.design.slidingcost import sliding_cost
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import FitError
from torchbeam.network.build import build


def counted(design, width, height):
    """Multiply-accumulates of one picture, as torch counts them; and the shape of what comes out."""
    with torch.device("meta"):
        network = build(design).eval()
        with FlopCounterMode(display=False) as counter:
            out = network(torch.empty(1, 3, height, width))
    return counter.get_total_flops() // 2, tuple(out.shape)


@pytest.mark.parametrize(
    ("name", "places", "jump", "least"), [("vgg-11", 6, 32, 10), ("alexnet", 6, 32, 6), ("squeezenet-1.1", 11, 16, 39)]
)
def test_the_costs_are_those_torch_counts(name, places, jump, least):
    design = parse(NETWORKS[name].text)
    cost = sliding_cost(design, 384, 384)
    once, shape = counted(convolutional(design), 384, 384)
    crop, _ = counted(design, 224, 224)
    assert shape == (1, 1000, places, places) == (1, cost.map.channels, cost.map.height, cost.map.width)
    assert (cost.crops, cost.jump) == (places**2, (jump, jump))
    assert (384 - 224) // jump + 1 == places  # crops of 224 that stand wholly inside
    assert (cost.macs_once, cost.macs_sliding) == (once, crop * places**2)
    assert cost.ratio == cost.macs_sliding / cost.macs_once > least


def test_what_is_told():
    padded = sliding_cost(parse("INPUT 8x8x1 -> CONV 2 3x3 -> POOL max 3x2 stride 1x2 pad 1x0 -> FC 3"), 10, 12)
    assert padded.padded == ("conv1", "pool1")
    assert str(padded) == (
        "10x12: a map of 3x3 places, 1 pixels across and 2 down apart, for 9 crops of 8x8\n"
        "multiply-accumulates: 3,888 in one pass, 12,096 crop by crop, 3.1 times as many\n"
        "2 layers pad: places and crops do not give the same"
    )
    told = padded.to_json()
    assert (told["map"], told["crops"], told["window"], told["picture"]) == ([3, 3], 9, [8, 8], [10, 12])
    assert json.loads(json.dumps(told)) == told
    free = sliding_cost(parse("INPUT 8x8x1 -> CONV 2 3x3 pad 0 -> FC 3"), 8, 8)
    assert (free.padded, free.crops, free.ratio) == ((), 1, 1.0)
    assert "no layer pads: each place gives what its crop gives" in str(free)
    assert "1 layer pads" in str(sliding_cost(parse("INPUT 8x8x1 -> CONV 2 3x3 -> FC 3"), 8, 8))


def test_a_network_without_work_costs_as_much_either_way():
    assert sliding_cost(parse("INPUT 4x4x3 -> POOL avg global"), 8, 8).ratio == 1.0


def test_a_picture_smaller_than_the_window_does_not_fit():
    with pytest.raises(FitError, match="a 8x8 window does not fit"):
        sliding_cost(parse("INPUT 8x8x1 -> FC 3"), 7, 9)
