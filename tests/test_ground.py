import numpy as np
import pytest
import torch

import torchbeam
from torchbeam.data.pixels import Kept
from torchbeam.jobs.backbone import load_backbone
from torchbeam.jobs.ground import advice_for, ground_of
from torchbeam.jobs.screen import Screen

QUIET = Screen(False)


@pytest.fixture(scope="module")
def ground(run, tmp_path_factory):
    data = torchbeam.load_data("digits")
    loaded = load_backbone(str(run))
    kept = Kept(tmp_path_factory.mktemp("cache"))
    return ground_of(data, loaded.backbone, loaded.preprocessing, torch.device("cpu"), kept, 1, 0, QUIET)


def test_codes_are_what_the_network_has_under_its_head(ground):
    samples = ground.samples("test")[:20]
    codes = ground.codes(samples, ["codes"], QUIET).vectors["codes"]
    pictures = ground.preprocessing.normalise(ground.pixels.take(samples))
    network = ground.backbone.network.eval()
    layers = list(network.children())
    with torch.no_grad():
        before = torch.nn.Sequential(*layers[:-1])(pictures)
    assert torch.allclose(codes, before, atol=1e-4 * before.abs().max())


def test_parts_are_those_of_the_split(ground):
    assert len(ground.samples("train", "val")) + len(ground.samples("test")) == len(ground.data.records)
    assert np.array_equal(ground.labels(np.array([0, 1])), [record.label for record in ground.data.records[:2]])


def test_the_adviser_knows_a_network_that_was_trained_on_these_very_pictures(ground):
    advice = advice_for(ground, QUIET)
    assert advice.near and advice.little == (advice.per_class < 200)
    assert advice.probed <= 1000 + 4 * len(ground.data.classes)
    assert advice.places[-1].accuracy > 0.95 > advice.random.accuracy - 0.04
