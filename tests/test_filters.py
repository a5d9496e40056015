"""Filters: the layer's own numbers, in the order told, in colours that say what they are."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from matplotlib import colormaps
from PIL import Image
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import SettingError
from torchbeam.look.filters import before_after, filters


def network(channels=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, groups=2),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 40, 1),
        nn.Flatten(),
        nn.Linear(40, 5),
    )


def drawn(look):
    """The pixels of every tile, and every text."""
    axes = look.drawn().axes[0]
    return [np.asarray(image.get_array()) for image in axes.images], [text.get_text() for text in axes.texts]


def test_first_filters_are_colour_pictures_with_grey_for_nothing_the_longest_first():
    net = network()
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].weight[4, 0, 1, 1] = 2.0  # red in the middle
        net[0].weight[2, 2, 0, 2] = -1.0  # less blue above on the right
    look = filters(net)
    assert look.arrays["units"].values.tolist() == [4, 2, 0, 1, 3, 5]
    assert look.arrays["lengths"].values.tolist() == [0, 0, 1, 0, 2, 0]
    assert np.array_equal(look.arrays["filters"].values[0], net[0].weight[4].detach().numpy())
    assert look.arrays["channels"].values[0].tolist() == [0, 1, 2]
    tiles, texts = drawn(look)
    grey = [128, 128, 128]
    assert tiles[0].tolist() == [[grey] * 3, [grey, [255, 128, 128], grey], [grey] * 3]
    assert tiles[1].tolist() == [[grey, grey, [128, 128, 0]], [grey] * 3, [grey] * 3]
    assert len(tiles) == 6 and "4  |2|" in texts and "0  |0|" in texts
    assert any("Filters of 0, 3 x 3 x 3, the strongest first; left out: none" in text for text in texts)


def test_filters_that_read_grey_pictures_are_grey():
    look = filters(network(1))
    (first, *_), _ = drawn(look)
    assert np.ptp(first, axis=2).max() == 0 and {0, 255} & set(first.ravel().tolist())
    assert look.arrays["filters"].values.shape == (6, 1, 3, 3)


def test_deeper_ones_are_shown_by_channel_the_heaviest_first_and_what_is_left_out_is_told():
    net = torchvision.models.resnet18(num_classes=2)
    look = filters(net, "layer1.0.conv2", most=36)
    weights = net.layer1[0].conv2.weight.detach().numpy()
    lengths = np.linalg.norm(weights.reshape(64, -1), axis=1)
    units = np.argsort(-lengths)[:3]
    assert look.arrays["units"].values.tolist() == units.tolist()
    assert np.allclose(look.arrays["lengths"].values, lengths)
    for row, unit in enumerate(units):
        own = np.linalg.norm(weights[unit].reshape(64, -1), axis=1)
        channels = np.argsort(-own)[:12]
        assert look.arrays["channels"].values[row].tolist() == channels.tolist()
        assert np.array_equal(look.arrays["filters"].values[row], weights[unit, channels])
    assert "left out: 61 of 64 units, 52 of 64 channels of each. float32, weights " in look.caption
    tiles, texts = drawn(look)
    assert len(tiles) == 36 + 1 and any(text.startswith(f"unit {units[0]}, |") for text in texts)  # and the colour bar
    shown = look.arrays["filters"].values
    share = 0.5 + shown[0, 0] / (2 * np.abs(shown).max())
    assert np.array_equal(tiles[0], colormaps["RdBu_r"](share, bytes=True)[..., :3])


def test_grouped_and_depthwise_filters_tell_the_channels_that_they_read():
    net = network()
    grouped = filters(net, "3")
    assert grouped.arrays["filters"].values.shape == (8, 3, 3, 3)
    for unit, channels in zip(grouped.arrays["units"].values, grouped.arrays["channels"].values, strict=True):
        assert sorted(channels) == ([0, 1, 2] if unit < 4 else [3, 4, 5])
    depthwise = filters(net, "4")
    assert depthwise.arrays["channels"].values[:, 0].tolist() == depthwise.arrays["units"].values.tolist()
    assert len(drawn(depthwise)[0]) == 8 + 1


def test_a_1x1_convolution_is_shown_weight_by_weight():
    look = filters(network(), "5")
    assert look.arrays["filters"].values.shape == (8, 8, 1, 1)
    assert "left out: 32 of 40 units." in look.caption
    look.png()


def test_an_fc_is_shown_as_templates_of_what_it_reads():
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    look = filters(net, shape=(3, 4, 4))
    unit = int(look.arrays["units"].values[0])
    template = net[1].weight[unit].detach().view(3, 4, 4)
    assert np.array_equal(look.arrays["filters"].values[0], template.numpy())
    tiles, _ = drawn(look)
    expected = 127.5 + 127.5 * template / template.abs().max()
    assert np.abs(tiles[0].transpose(2, 0, 1) - expected.numpy()).max() <= 0.51
    model = SimpleNamespace(network=net, preprocessing=Preprocessing(4, 4, 3, (0,) * 3, (1,) * 3), classes=("a",) * 5)
    assert np.array_equal(filters(model).arrays["filters"].values, look.arrays["filters"].values)


def test_an_fc_that_reads_no_picture_is_refused():
    with pytest.raises(SettingError, match=r"the 40 numbers that 7 reads are laid out as no picture\n.*shape="):
        filters(network(), "7")
    with pytest.raises(SettingError, match="are laid out as no picture, not 3 x 4 x 4"):
        filters(network(), "7", shape=(3, 4, 4))


def test_layers_without_filters_and_unknown_ones_are_told():
    net = network()
    with pytest.raises(
        SettingError, match=r"1 is a BatchNorm2d, which has no filters to show\n.*such as 0, 3, 4, 5, 7"
    ):
        filters(net, "1")
    named = torchvision.models.resnet18(num_classes=2)
    with pytest.raises(
        SettingError, match=r"no layer 'layer9.0.conv1' among the 21 (.|\n)*did you mean layer4.0.conv1, "
    ):
        filters(named, "layer9.0.conv1")
    with pytest.raises(SettingError, match="the network has no filters"):
        filters(nn.Sequential(nn.ReLU()))
    with pytest.raises(SettingError, match="most must be at least"):
        filters(net, most=0)


# Before and after.


def test_pairs_stand_in_the_order_of_their_change():
    before, after = network(), network()
    with torch.no_grad():
        after[0].weight[3] += 1
        after[0].weight[1, 0, 0, 0] += 1
    look = before_after(before, after)
    assert look.arrays["units"].values[:2].tolist() == [3, 1]
    assert np.allclose(look.arrays["change"].values, [0, 1, 0, np.sqrt(27), 0, 0])
    assert np.array_equal(look.arrays["before"].values[0], before[0].weight[3].detach().numpy())
    assert np.array_equal(look.arrays["after"].values[0], after[0].weight[3].detach().numpy())
    share = ((after[0].weight - before[0].weight).norm() / before[0].weight.norm()).item()
    assert look.facts["change"] == pytest.approx(share, rel=1e-5)
    assert f"is {share:.3g} times as long as its weights were" in look.caption
    tiles, texts = drawn(look)
    assert len(tiles) == 12 and texts.count("3") == 2 and {"before: unit", "after: unit"} <= set(texts)
    # both of a pair by the largest weight of either: what is paler is less
    largest = max(net[0].weight[3].abs().max().item() for net in (before, after))
    expected = 127.5 + 127.5 * before[0].weight[3].detach().numpy() / largest
    assert np.abs(tiles[0].transpose(2, 0, 1) - expected).max() <= 0.51


def test_deeper_pairs_are_units_and_channels():
    before, after = network(), network()
    with torch.no_grad():
        after[3].weight[5, 2] += 1
    look = before_after(before, after, "3", most=4)
    assert (look.arrays["units"].values[0], look.arrays["channels"].values[0]) == (5, 5)  # of the second group's 3 to 5
    assert look.arrays["before"].values.shape == (4, 1, 3, 3)
    tiles, texts = drawn(look)
    assert len(tiles) == 8 + 2 and texts.count("5 · 5") == 2 and "before: unit · channel" in texts
    assert "the 4 that changed most of 24" in look.caption


def test_layers_of_other_shapes_are_refused():
    with pytest.raises(
        SettingError, match=r"the filters of 0 and 0 are of different shapes\n.*6 x 3 x 3 x 3\n.*6 x 1 x"
    ):
        before_after(network(), network(1))


def test_nothing_of_the_network_is_changed_and_figures_can_be_drawn():
    net = network().train()
    kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    looks = [filters(net), filters(net, "3"), filters(net, "4"), before_after(net, net), before_after(net, net, "5")]
    for look in looks:
        picture = Image.open(io.BytesIO(look.png()))
        assert picture.width > 100
        with np.load(io.BytesIO(look.npz())) as written:
            assert "weights" in str(written["caption"])
    looks[0].arrays["filters"].values[:] = 7  # a copy
    assert all(torch.equal(tensor, kept[name]) for name, tensor in net.state_dict().items())
    assert net.training and looks[3].facts["change"] == 0
