"""Filters that whiten patches: beside NumPy's eigenvectors, and by what the layer then answers."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.network.build import build
from torchbeam.network.whiten import whiten_

torch.set_num_threads(1)


def photos(side: int = 16) -> torch.Tensor:
    """Pieces of the two photographs that come with scikit-learn, normalised."""
    pieces = []
    for photo in load_sample_images().images:
        whole = torch.from_numpy(photo.copy()).permute(2, 0, 1).float()
        tiles = whole.unfold(1, side, side).unfold(2, side, side)
        pieces.append(tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, side, side))
    pictures = torch.cat(pieces)[::5]
    return (pictures - pictures.mean((0, 2, 3), keepdim=True)) / pictures.std((0, 2, 3), keepdim=True)


PHOTOS = photos()


def patches_of(pictures: torch.Tensor, height: int, width: int) -> np.ndarray:
    """Every patch as a row, by NumPy."""
    windows = np.lib.stride_tricks.sliding_window_view(pictures.double().numpy(), (height, width), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, pictures.shape[1] * height * width)


def answers(conv: nn.Conv2d, pictures: torch.Tensor) -> np.ndarray:
    """The filters' answers at every place, one row each."""
    with torch.no_grad():
        found = nn.functional.conv2d(pictures.double(), conv.weight.double(), conv.bias.double())
    return found.transpose(0, 1).reshape(conv.out_channels, -1).numpy()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (3, 3), (2, 4)])
def test_the_answers_over_patches_are_white(height, width):
    size = 3 * height * width
    conv = nn.Conv2d(3, 2 * size, (height, width))
    whiten_(conv, PHOTOS, eps=1e-9)
    found = answers(conv, PHOTOS)
    covariance = np.cov(found)
    eye = np.eye(size)
    assert np.abs(covariance - np.block([[eye, -eye], [-eye, eye]])).max() < 0.01
    assert np.abs(found.mean(1)).max() < 0.01


def test_filters_are_numpys_eigenvectors_over_their_spread_and_then_their_negatives():
    conv = nn.Conv2d(3, 24, 2)
    given = whiten_(nn.Sequential(nn.Identity(), conv), PHOTOS, eps=5e-4)
    assert given is conv.weight and given.requires_grad
    values, vectors = np.linalg.eigh(np.cov(patches_of(PHOTOS, 2, 2).T, bias=True))
    filters = conv.weight.detach().double().numpy().reshape(24, 12)
    for number, (value, vector) in enumerate(zip(values[::-1], vectors.T[::-1], strict=True)):
        own = filters[number] * np.sqrt(value + 5e-4)
        assert abs(own @ vector) == pytest.approx(1, abs=1e-5)
        assert own[np.abs(own).argmax()] > 0
        assert np.array_equal(filters[12 + number], -filters[number])


def test_eps_keeps_what_hardly_differs_quiet():
    pictures = PHOTOS.mean(1, keepdim=True).expand(-1, 3, -1, -1)  # grey: two directions in three are empty
    conv = nn.Conv2d(3, 6, 1)
    whiten_(conv, pictures, eps=0.01)
    assert torch.isfinite(conv.weight).all()
    assert np.var(answers(conv, pictures), axis=1) == pytest.approx([1, 0, 0, 1, 0, 0], abs=0.02)
    assert conv.weight.flatten(1).norm(dim=1)[1:3].tolist() == pytest.approx([10, 10], rel=0.01)


@pytest.mark.parametrize("filters", [1, 5, 6, 40])
def test_fewer_filters_have_the_largest_and_more_leave_the_rest(filters):
    whole, conv = nn.Conv2d(3, 24, 2), nn.Conv2d(3, filters, 2)
    before = conv.weight.detach().clone(), conv.bias.detach().clone()
    whiten_(whole, PHOTOS)
    whiten_(conv, PHOTOS)
    positive = min(12, (filters + 1) // 2)
    negative = min(12, filters - positive)
    for own, full, was in ((conv.weight, whole.weight, before[0]), (conv.bias, whole.bias, before[1])):
        expected = torch.cat((full[:positive], full[12 : 12 + negative], was[positive + negative :]))
        assert torch.equal(own, expected)


def test_the_first_layer_of_a_network_is_the_one():
    torch.manual_seed(0)
    network = build(
        parse("INPUT 16x16x3 -> CONV 24 2x2 pad 0:1 bias no -> ( CONV 24 3x3 -> BN + SKIP ) -> RELU -> FC 4")
    )
    before = network.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    given = whiten_(network, PHOTOS)
    assert given is network.conv1.weight
    changed = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["conv1.weight"]
    given.requires_grad_(False)
    network(PHOTOS[:4]).sum().backward()
    assert network.conv1.weight.grad is None and network.conv2.weight.grad is not None


def test_patches_lie_as_the_filters_do_where_they_are_dilated():
    conv = nn.Conv2d(3, 12, 2, dilation=2)
    whiten_(conv, PHOTOS, eps=1e-9)
    with torch.no_grad():
        found = conv(PHOTOS).transpose(0, 1).reshape(12, -1).numpy()
    assert np.abs(np.cov(found)[:6, :6] - np.eye(6)).max() < 0.01


def test_what_cannot_be_whitened_is_refused():
    with pytest.raises(SettingError, match="the network has no convolution to whiten"):
        whiten_(nn.Linear(3, 4), PHOTOS)
    with pytest.raises(SettingError, match="a first convolution in 3 groups cannot be whitened"):
        whiten_(nn.Conv2d(3, 6, 3, groups=3), PHOTOS)
    for conv, pictures in ((nn.Conv2d(1, 6, 3), PHOTOS), (nn.Conv2d(3, 6, 3), PHOTOS[:0])):
        with pytest.raises(SettingError, match="the pictures cannot whiten the first convolution"):
            whiten_(conv, pictures)
    with pytest.raises(SettingError, match="the pictures cannot whiten the first convolution") as caught:
        whiten_(nn.Conv2d(3, 6, (17, 2)), PHOTOS[:9])
    assert caught.value.expected == "pictures of 3 channels and 2x17 pixels or more"
    assert caught.value.got == "9 of 3 channels and 16x16 pixels"
