"""Test-time augmentation: which pictures the network sees, and how its scores are averaged."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchbeam.errors import SettingError
from torchbeam.learn.views import ALONE, VIEWS, Views, scores

torch.set_num_threads(1)
GENERATOR = torch.Generator().manual_seed(0)
PICTURES = torch.randn(5, 3, 6, 8, generator=GENERATOR)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 6, 4)).eval()


# As in airbench94 (Keller Jordan), with sizes that need not be 32.
def infer_mirror(inputs, net):
    return 0.5 * net(inputs) + 0.5 * net(inputs.flip(-1))


def infer_mirror_translate(inputs, net):
    height, width = inputs.shape[-2:]
    logits = infer_mirror(inputs, net)
    padded = F.pad(inputs, (1,) * 4, "reflect")
    translated = [padded[:, :, 0:height, 0:width], padded[:, :, 2 : height + 2, 2 : width + 2]]
    logits_translated = torch.stack([infer_mirror(each, net) for each in translated]).mean(0)
    return 0.5 * logits + 0.5 * logits_translated


def test_one_view_is_the_networks_own_answer_bit_for_bit(network):
    with torch.no_grad():
        assert torch.equal(scores(network, PICTURES), network(PICTURES))
    assert Views() == ALONE == Views("none")


@pytest.mark.parametrize(("name", "judge"), [("mirror", infer_mirror), ("shift", infer_mirror_translate)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_views_are_those_of_the_speed_runs(network, name, judge, layout):
    pictures = PICTURES.contiguous(memory_format=layout)
    with torch.no_grad():
        found = scores(network, pictures, Views(name))
        torch.testing.assert_close(found, judge(PICTURES, network))
    assert torch.equal(pictures, PICTURES)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shares_come_to_one_and_every_view_lies_in_memory_as_it_was_given(name, layout):
    seen = []

    def network(pictures):
        seen.append(pictures)
        return pictures.mean((2, 3)) * 0 + 1

    found = scores(network, PICTURES.contiguous(memory_format=layout), Views(name))
    assert torch.equal(found, torch.ones(5, 3))
    assert len(seen) == len(VIEWS[name]) == {"none": 1, "mirror": 2, "shift": 6}[name]
    assert all(each.is_contiguous(memory_format=layout) for each in seen)
    assert len({each.numpy().tobytes() for each in seen}) == len(seen)


def test_a_mirror_image_has_the_same_scores(network):
    with torch.no_grad():
        torch.testing.assert_close(
            scores(network, PICTURES.flip(3), Views("mirror")), scores(network, PICTURES, Views("mirror"))
        )


def test_scores_are_flat_and_float32_whatever_the_network_gives():
    found = scores(lambda pictures: pictures[:, :, :1, :1].bfloat16(), PICTURES, Views("mirror"))
    assert found.shape == (5, 3) and found.dtype == torch.float32


def test_unknown_views_and_pictures_too_small_are_refused():
    with pytest.raises(SettingError, match="no views miror") as caught:
        Views("miror")
    assert caught.value.expected == "none, mirror, shift"
    assert caught.value.remedy == "did you mean mirror?"
    with pytest.raises(SettingError, match="pictures of 8x1 pixels cannot be shifted by 1") as caught:
        scores(nn.Flatten(), PICTURES[:, :, :1], Views("shift"))
    assert caught.value.expected == "2 pixels or more each way"
