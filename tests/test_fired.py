"""A unit on one's own pictures, judged by whole passes written down plainly."""

import copy

import numpy as np
import pytest
import torch
from slid_makers import same_state, state_of

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError
from torchbeam.look.fired import fired_by
from torchbeam.look.patches import patches
from torchbeam.look.receptive import fields_of
from torchbeam.look.slid import ran
from torchbeam.look.subject import subject_of
from torchbeam.network.build import build

NET = "INPUT 8x8x1 -> CONV 4 3x3 -> RELU -> POOL max 2x2 -> CONV 5 3x3 -> RELU -> FC 3"
PREPROCESSING = Preprocessing(8, 8, 1, (0.5,), (0.25,))


def made(count=30):
    torch.manual_seed(0)
    network = build(parse(NET)).train()
    bytes_NCHW = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8)
    x, labels = PREPROCESSING.normalise(bytes_NCHW), torch.randint(0, 2, (count,))
    subject = subject_of(network, x[0], preprocessing=PREPROCESSING)
    data = [(np.arange(at, min(at + 8, count)), x[at : at + 8], labels[at : at + 8]) for at in range(0, count, 8)]
    return subject, bytes_NCHW, x, labels, data


@pytest.mark.parametrize(("layer", "unit"), [("conv1", 3), ("conv2", 1), ("fc1", 2), ("pool1", 0)])
def test_patches_means_and_accuracies(layer, unit):
    subject, bytes_NCHW, x, labels, data = made()
    layered = ran(subject.network, subject.x_1CHW, [layer])[layer]
    fields = fields_of(subject.network, Volume(1, 8, 8))
    before = state_of(subject.network)
    fired = fired_by(subject, layered, unit, fields, iter(data))
    assert same_state(state_of(subject.network), before)
    if layer != "pool1":
        book = patches(subject.network, data, layers=[layer])
        assert fired.most == book.most(layer, unit) and fired.least == book.least(layer, unit)
    assert fired.pictures.keys() == {patch.sample for patch in (*fired.most, *fired.least)}
    for sample, pixels in fired.pictures.items():
        assert np.array_equal(pixels[..., 0], bytes_NCHW[sample, 0].numpy())
    net = copy.deepcopy(subject.network).eval()
    with torch.no_grad():
        maps = net[: list(dict(net.named_children())).index(layer) + 1](x)[:, unit].reshape(30, -1).mean(1)
        whole = net(x).argmax(1)
        head = net[: list(dict(net.named_children())).index(layer) + 1](x)
        head[:, unit] = 0
        silent = net[list(dict(net.named_children())).index(layer) + 1 :](head).argmax(1)
    for label in range(3):
        own = labels == label
        assert fired.counts[label] == int(own.sum())
        assert fired.right[label] == int((whole == labels)[own].sum())
        assert fired.right_without[label] == int((silent == labels)[own].sum())
        if own.any():
            assert fired.means[label] == pytest.approx(float(maps[own].mean()), rel=1e-4, abs=1e-6)
    assert np.isnan(fired.means[2]) and np.isnan(fired.change[2])  # of which there are none
    assert fired.change[0] == pytest.approx((fired.right_without[0] - fired.right[0]) / fired.counts[0])


def test_mistakes_are_told():
    subject, _, x, _, _ = made(4)
    layered, fields = (
        ran(subject.network, subject.x_1CHW, ["conv1"])["conv1"],
        fields_of(subject.network, Volume(1, 8, 8)),
    )
    with pytest.raises(DataError, match="no pictures to see the unit on"):
        fired_by(subject, layered, 0, fields, [])
    with pytest.raises(DataError, match="the labels of a batch are not classes of its pictures") as caught:
        fired_by(subject, layered, 0, fields, [(range(4), x, torch.tensor([0, 1, 2, 3]))])
    assert caught.value.expected == "4 numbers from 0 to 2"
    with pytest.raises(DataError, match="the labels of a batch are not classes of its pictures"):
        fired_by(subject, layered, 0, fields, [(range(4), x, torch.tensor([0, 1]))])
