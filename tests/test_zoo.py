"""The named networks: their published figures, and finding them by name."""

import pytest
import torch
from torch import nn

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS, find
from torchbeam.network.build import build

torch.set_num_threads(1)


def completed(network):
    return complete(parse(network.text), Volume(3, 32, 32), 10)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_named_network_has_its_published_parameters_in_the_ledger_and_when_built(network):
    design = completed(network)
    assert ledger(design).parameters == network.parameters
    assert sum(p.numel() for p in build(design).parameters()) == network.parameters
    assert parse(write(design)) == design


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_named_network_names_its_paper_and_year(network):
    assert network.paper and network.introduced and 1980 <= network.year <= 2030
    assert NETWORKS[network.name] is network


def test_lenet_5_has_the_papers_sizes_and_the_parameters_of_torchs_layers():
    network = NETWORKS["lenet-5"]
    book = ledger(completed(network))
    sizes = [str(row.output) for row in book.rows if row.word in ("CONV", "POOL", "FC")]
    assert sizes == ["28x28x6", "14x14x6", "10x10x16", "5x5x16", "1x1x120", "1x1x84", "1x1x10"]
    judges = [nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Conv2d(16, 120, 5), nn.Linear(120, 84), nn.Linear(84, 10)]
    counts = [sum(p.numel() for p in judge.parameters()) for judge in judges]
    assert [row.parameters for row in book.rows if row.parameters] == counts
    assert sum(counts) == network.parameters == 61_706
    assert network.year == 1998


@pytest.mark.parametrize("name", ["lenet-5", "LeNet-5", "LENET5", "lenet_5", "Le-Net_5"])
def test_names_ignore_case_hyphens_and_underscores(name):
    assert find(name) is NETWORKS["lenet-5"]


@pytest.mark.parametrize("name", ["", "lenet", "lenet-55", "nothing"])
def test_an_unknown_name_finds_nothing(name):
    assert find(name) is None


def test_no_two_networks_answer_to_the_same_name():
    assert len({name.lower().replace("-", "").replace("_", "") for name in NETWORKS}) == len(NETWORKS)
