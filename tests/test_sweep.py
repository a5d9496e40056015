"""The moving picture of a sliding window."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.sweep import LAST_FRAMES, steps, sweep
from torchbeam.network.build import build

NET = "INPUT 12x10x3 -> CONV 4 3x3 -> RELU -> POOL max 2x2 -> CONV 6 3x3 pad 0 -> FC 3"


def test_frames_go_from_the_first_position_to_the_last():
    torch.manual_seed(0)
    network = build(parse(NET))
    look = sweep(network, torch.rand(3, 10, 12), "conv2", 2, frames=6)
    assert len(look.frames) == 6 + LAST_FRAMES
    assert look.arrays["boxes"].values[0].tolist() == [0, 0, 7, 7]
    assert look.arrays["boxes"].values[-1].tolist() == [5, 3, 12, 10]
    assert look.arrays["map"].values.shape == (3, 4) and look.facts["positions"] == 12
    first, last = (np.asarray(look.frames[at].convert("RGB")).astype(int) for at in (0, -1))
    assert np.abs(first - last).sum() > 0
    assert look.png().startswith(b"\x89PNG")
    content = look.gif()
    with Image.open(io.BytesIO(content)) as moving:
        assert moving.n_frames >= 6
    assert len(content) < 100_000


def test_pools_and_fc_layers_are_swept_too():
    network = build(parse(NET))
    assert len(sweep(network, torch.rand(3, 10, 12), "pool1", 0).frames) == 24 + LAST_FRAMES
    assert len(sweep(network, torch.rand(3, 10, 12), "fc1", 1).frames) == 1 + LAST_FRAMES


def test_steps_are_even():
    assert steps(10, 4) == [0, 3, 6, 9]
    assert steps(3, 24) == [0, 1, 2]
    assert steps(1, 2) == [0]


def test_mistakes_are_told():
    network = build(parse(NET))
    with pytest.raises(SettingError, match="a sweep cannot have 1 frames"):
        sweep(network, torch.rand(3, 10, 12), "conv1", 0, frames=1)
    with pytest.raises(SettingError, match="conv1 has no unit 9"):
        sweep(network, torch.rand(3, 10, 12), "conv1", 9)
