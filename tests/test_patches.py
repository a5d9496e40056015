"""The nine patches of every unit, judged by a search through every number of every map."""

import itertools

import numpy as np
import pytest
import torch
from akamaster import CifarResNet
from hypothesis import given, settings
from hypothesis import strategies as st
from slid_makers import same_state, state_of
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.errors import DataError, SettingError
from torchbeam.look.patches import Ranking, patches
from torchbeam.look.receptive import Box
from torchbeam.network.build import build
from torchbeam.network.taps import tapped

NET = (
    "INPUT 12x10x2 -> CONV 5 3x3 -> BN -> RELU -> POOL max 2x2 -> CONV 7 3x3 stride 2 fit crop -> RELU -> FC 6 -> FC 3"
)


def network():
    torch.manual_seed(0)
    return build(parse(NET)).train()


def pictures(count, seed=1):
    return torch.randn(count, 2, 10, 12, generator=torch.Generator().manual_seed(seed))


def batches(x, samples, sizes):
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(x):
            return
        yield samples[start : start + size], x[start : start + size], "whatever"
        start += size


def searched(net, x, samples, layer, unit, sign):
    """(sample, row, column, value) x 9 by looking at every number."""
    with torch.no_grad(), tapped(net.eval(), [layer]) as taps:
        net(x)
    maps = taps[layer][:, unit].reshape(len(x), *(taps[layer].shape[2:] or (1, 1))).numpy()
    best = []
    for sample, values in zip(samples, maps, strict=True):
        places = [(-sign * float(values[at]), at) for at in np.ndindex(values.shape)]
        value, (row, column) = min(places)
        best.append((value, int(sample), row, column))
    return [(sample, row, column, -sign * value) for value, sample, row, column in sorted(best)[:9]]


def told(found):
    return [(patch.sample, patch.row, patch.column, patch.value) for patch in found]


@pytest.mark.parametrize("sizes", [(40,), (7, 1, 12), (3,)])
def test_every_unit_of_every_layer_as_a_search_finds_them(sizes):
    net, x = network(), pictures(40)
    samples = np.random.default_rng(0).permutation(1000)[:40]
    before = state_of(net)
    # Batches of other sizes round otherwise: the search is given what the pass was.
    book = patches(net, batches(x, samples, sizes))
    assert same_state(state_of(net), before)
    assert book.layers == {"conv1": 5, "conv2": 7, "fc1": 6, "fc2": 3} and book.pictures == 40 and not book.left_out
    for layer, units in book.layers.items():
        for unit in range(units):
            for sign, found in ((1, book.most(layer, unit)), (-1, book.least(layer, unit))):
                judge = searched(net, x, samples, layer, unit, sign)
                assert [each[:3] for each in told(found)] == [each[:3] for each in judge]
                assert [each[3] for each in told(found)] == pytest.approx(
                    [each[3] for each in judge], rel=1e-4, abs=1e-5
                )


def test_equal_values_go_by_sample_row_and_column():
    net = nn.Sequential(nn.Conv2d(1, 2, 1))
    nn.init.zeros_(net[0].bias)
    samples = torch.tensor([9, 4, 30, 2, 8, 1, 77, 12, 3, 5, 6])
    book = patches(net, batches(torch.zeros(11, 1, 3, 3), samples, (4,)))
    for found in (book.most("0", 0), book.least("0", 1)):
        assert told(found) == [(sample, 0, 0, 0.0) for sample in (1, 2, 3, 4, 5, 6, 8, 9, 12)]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_ranking_keeps_what_sorting_everything_would(data):
    some = st.sampled_from([0.0, -0.0, 1.5, -1.5, 3e38, -3e38, 1e-45, -1e-45, float("inf"), -float("inf"), 0.1, 7.0])
    count, units = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 3))
    values = torch.tensor(
        data.draw(st.lists(st.lists(some, min_size=units, max_size=units), min_size=count, max_size=count))
    )
    samples = torch.tensor(data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=count, max_size=count, unique=True)))
    sign = data.draw(st.sampled_from([1, -1]))
    ranking, start = Ranking(units, sign), 0
    while start < count:
        size = data.draw(st.integers(1, 12))
        part = slice(start, start + size)
        unit, rank, batch = ranking.add(values[part], samples[part])
        ranking.put(unit, rank, samples[part][batch] % 1000)
        start += size
    for unit in range(units):
        every = sorted(
            (-sign * float(value), int(sample)) for value, sample in zip(values[:, unit], samples, strict=True)
        )
        judge = [(sample, sample % 1000, -sign * value + 0.0) for value, sample in every[:9]]
        assert ranking.of(unit) == judge


def test_a_map_that_is_no_number_comes_last():
    ranking = Ranking(1)
    ranking.put(*ranking.add(torch.tensor([[1.0], [float("nan")], [-5.0]]), torch.tensor([0, 1, 2])))
    assert [sample for sample, _, _ in ranking.of(0)] == [0, 2, 1]


def test_what_is_kept_does_not_grow_with_the_data():
    ranking = Ranking(4)
    for start in range(0, 400, 20):
        values = torch.randn(20, 4)
        unit, rank, batch = ranking.add(values, torch.arange(start, start + 20))
        ranking.put(unit, rank, batch)
    assert ranking._keys_UM.shape == ranking._places_UM.shape == (4, 9)


def test_boxes_are_what_a_patch_sees_of_its_picture():
    book = patches(network(), batches(pictures(20), np.arange(20), (8,)))
    for patch in book.most("conv1", 2):
        left, top = max(0, patch.column - 1), max(0, patch.row - 1)
        assert patch.box == Box(left, top, min(12, patch.column + 2), min(10, patch.row + 2))
    assert {patch.box for patch in book.least("fc2", 0)} == {Box(0, 0, 12, 10)}


def test_a_network_from_outside_and_layers_that_give_no_map():
    torch.manual_seed(0)
    net, x = CifarResNet(1).eval(), torch.randn(12, 3, 32, 32)
    book = patches(net, [(range(12), x)], layers=["layer2.0.conv1", "linear"])
    assert told(book.most("layer2.0.conv1", 3))[0][:3] == searched(net, x, range(12), "layer2.0.conv1", 3, 1)[0][:3]

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.idle, self.mixed, self.tokens = (
                nn.Conv2d(1, 2, 1),
                nn.Linear(1, 1),
                nn.Linear(4, 3),
                nn.Linear(4, 5),
            )

        def forward(self, x):
            rows = self.conv(x).flatten(2)[..., :4]
            return self.mixed(rows.flatten(0, 1)).sum() + self.tokens(rows).sum((1, 2))

    book = patches(Cut(), [(range(3), torch.rand(3, 1, 2, 2))])
    assert book.left_out == ("idle", "mixed") and book.layers == {"conv": 2, "tokens": 5}
    assert {patch.column for patch in book.most("tokens", 4)} == {0}


def test_the_data_may_be_learnt_from_afterwards():
    kept = []

    def data():
        for start in range(0, 20, 10):
            kept.append(pictures(10, start) * 2)
            yield range(start, start + 10), kept[-1]

    net = network()
    patches(net, data())
    net(kept[0]).sum().backward()
    assert net.conv1.weight.grad is not None


def test_mistakes_are_told():
    net = network()
    with pytest.raises(SettingError, match="no patches of layer 'relu1' can be found") as caught:
        patches(net, [], layers=["relu1"])
    assert "conv1" in caught.value.expected
    with pytest.raises(DataError, match="no pictures to find patches in"):
        patches(net, [])
    with pytest.raises(DataError, match="the samples of a batch are not the numbers of its pictures"):
        patches(net, [(range(3), pictures(4))])
    with pytest.raises(DataError, match="the samples of a batch are not the numbers of its pictures"):
        patches(net, [([-1], pictures(1))])
    conv = nn.Sequential(nn.Conv2d(2, 1, 3))
    with pytest.raises(DataError, match="patches are of pictures of one size"):
        patches(conv, [([0], torch.rand(1, 2, 5, 5)), ([1], torch.rand(1, 2, 6, 5))])
    book = patches(net, batches(pictures(4), range(4), (4,)))
    assert len(book.most("conv1", 0)) == 4
    with pytest.raises(SettingError, match="no patches of layer 'conv3'"):
        book.most("conv3", 0)
    with pytest.raises(SettingError, match="no patches of unit 5 of conv1"):
        book.least("conv1", 5)
