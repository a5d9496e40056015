"""A picture made for a unit: what it raises, and that it is one's own picture again by its seed."""

import pytest
import torch
from slid_makers import same_state, state_of
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.look.optimised import TOGETHER, _Waves, optimised
from torchbeam.look.subject import subject_of
from torchbeam.network.build import build

NET = "INPUT 16x12x3 -> CONV 4 3x3 -> BN -> RELU -> POOL max 2x2 -> CONV 5 3x3 -> RELU -> FC 3"
PREPROCESSING = Preprocessing(16, 12, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def subject():
    torch.manual_seed(0)
    return subject_of(build(parse(NET)).train(), torch.randn(3, 12, 16), preprocessing=PREPROCESSING)


@pytest.mark.parametrize(("layer", "unit"), [("conv1", 1), ("pool1", 1), ("conv2", 4), ("fc1", 0)])
def test_the_unit_gives_more_for_it_than_for_noise_and_for_random_pictures(layer, unit):
    seen = subject()
    before = state_of(seen.network)
    made = optimised(seen, layer, unit, steps=24)
    assert same_state(state_of(seen.network), before) and seen.network.training
    with torch.no_grad():
        part = seen.network.eval()[: list(dict(seen.network.named_children())).index(layer) + 1]
        random = (torch.rand(20, 3, 12, 16) - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / 0.25
        value = part(made.x_CHW[None])[0, unit].mean()
        others = part(random)[:, unit].flatten(1).mean(1) if layer != "fc1" else part(random)[:, unit]
    assert made.after == pytest.approx(float(value), rel=1e-5)
    assert made.after > made.before and made.after > float(others.max())


def test_pixels_are_between_black_and_white_and_the_seed_tells_the_picture():
    seen = subject()
    one, again, other = (optimised(seen, "conv2", 0, steps=8, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.x_CHW, again.x_CHW) and not torch.equal(one.x_CHW, other.x_CHW)
    pixels = one.x_CHW * torch.tensor(seen.std).view(3, 1, 1) + torch.tensor(seen.mean).view(3, 1, 1)
    assert 0 <= pixels.min() < pixels.max() <= 1 + 1e-6


def test_noise_has_the_colours_of_photographs():
    seen = subject_of(nn.Sequential(nn.Conv2d(3, 1, 1)), torch.zeros(3, 64, 64), preprocessing=PREPROCESSING)
    waves = _Waves(seen)
    spectrum = torch.randn(waves.shape, generator=torch.Generator().manual_seed(0))
    spectrum[:, :, 0, 0] = 0
    waves.scale.fill_(0.1)  # all waves alike: as many independent pixels as there are
    picture = waves.picture(spectrum)[0].flatten(1)
    assert torch.corrcoef(picture)[0, 1:].tolist() == pytest.approx([TOGETHER, TOGETHER], abs=0.02)


def test_odd_sizes_one_colour_and_frozen_networks():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True)).requires_grad_(False)
    seen = subject_of(net, torch.rand(1, 9, 7))
    with torch.no_grad():
        made = optimised(seen, "0", 1, steps=5)
    assert made.x_CHW.shape == (1, 9, 7) and made.after > made.before


def test_a_dead_unit_has_no_way_uphill():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.MaxPool2d(2))
    nn.init.constant_(net[0].bias, -100.0)
    made = optimised(subject_of(net, torch.rand(1, 8, 8)), "2", 0, steps=3)
    assert made.before == made.after == 0


def test_mistakes_are_told():
    seen = subject()
    with pytest.raises(SettingError, match="a picture cannot be made in 0 steps"):
        optimised(seen, "conv1", 0, steps=0)
    with pytest.raises(SettingError, match="conv1 has no unit 4"):
        optimised(seen, "conv1", 4)
