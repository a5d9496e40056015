"""The whole sheet of one unit: the look's numbers are those of its parts, and it is drawn for every kind of layer."""

import numpy as np
import pytest
import torch
from slid_makers import same_state, state_of

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.neuron import neuron
from torchbeam.look.optimised import optimised
from torchbeam.look.subject import subject_of
from torchbeam.network.build import build

NET = "INPUT 8x8x1 -> CONV 4 3x3 -> RELU -> POOL max 2x2 -> CONV 12 3x3 -> RELU -> CONV 5 1x1 -> FC 9 -> RELU -> FC 3"
PREPROCESSING = Preprocessing(8, 8, 1, (0.5,), (0.25,))


def network():
    torch.manual_seed(0)
    return build(parse(NET)).train()


def data(count=20):
    chance = torch.Generator().manual_seed(2)
    for at in range(0, count, 8):
        size = min(8, count - at)
        x = torch.rand(size, 1, 8, 8, generator=chance)
        yield np.arange(at, at + size), (x - 0.5) / 0.25, torch.randint(0, 3, (size,), generator=chance)


PICTURE = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)


def test_one_look():
    net = network()
    before = state_of(net)
    look = neuron(net, PICTURE, "conv2", 7, data=data(), steps=6, seed=5, preprocessing=PREPROCESSING)
    assert same_state(state_of(net), before)
    arrays = {name: measured.values for name, measured in look.arrays.items()}
    subject = subject_of(net, PICTURE, preprocessing=PREPROCESSING)
    made = optimised(subject, "conv2", 7, steps=6, seed=5)
    assert (look.facts["made before"], look.facts["made after"]) == (made.before, made.after)
    assert arrays["made"].shape == (8, 8, 3) and arrays["filter"].shape == (4, 3, 3)
    place = np.unravel_index(arrays["map"].argmax(), arrays["map"].shape)
    assert (look.facts["row"], look.facts["column"]) == place
    assert arrays["samples most"].shape == arrays["values least"].shape == (9,)
    assert (np.diff(arrays["values most"]) <= 0).all() and (np.diff(arrays["values least"]) >= 0).all()
    assert arrays["counts"].sum() == 20
    assert "20 pictures of one's own" in look.caption and "seed 5" in look.caption
    assert look.png().startswith(b"\x89PNG")


@pytest.mark.parametrize(("layer", "unit"), [("conv1", 0), ("conv3", 2), ("pool1", 1), ("fc1", 3), ("fc2", 2)])
def test_every_kind_of_layer_is_drawn(layer, unit):
    look = neuron(network(), PICTURE, layer, unit, data=data(9), steps=2, preprocessing=PREPROCESSING)
    assert look.png().startswith(b"\x89PNG")
    assert ("filter" in look.arrays) == (layer != "pool1")


def test_without_data_and_without_a_made_picture():
    look = neuron(network(), PICTURE, "conv1", 1, steps=0, preprocessing=PREPROCESSING)
    assert look.arrays.keys() == {"map", "filter"} and "made before" not in look.facts
    assert look.png().startswith(b"\x89PNG")


def test_mistakes_are_told():
    with pytest.raises(SettingError, match="no layer 'conv7'"):
        neuron(network(), PICTURE, "conv7", 0, preprocessing=PREPROCESSING)
    with pytest.raises(SettingError, match="conv1 has no unit 4"):
        neuron(network(), PICTURE, "conv1", 4, preprocessing=PREPROCESSING)
