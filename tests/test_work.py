import numpy as np
import pytest
import torch

from torchbeam.data.load import load_data
from torchbeam.design.ledger import ledger
from torchbeam.jobs.screen import Screen
from torchbeam.jobs.settings import Settings, design_for, settle
from torchbeam.jobs.tuning import Tuning
from torchbeam.jobs.work import name_of, network_of, objective_of, parts_of, preprocessing_of, task_of

CPU = torch.device("cpu")


def settled(**told):
    tuning = Tuning(**told.pop("tuning", {}))
    blank = dict.fromkeys(("net", "epochs", "batch_size", "lr", "seed", "size", "fit", "device"))
    return Settings(**(blank | told), tuning=tuning)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def made(data, **told):
    settings = settle(settled(**told), data)
    design, _ = design_for(settings, data)
    book = ledger(design)
    parts = parts_of(settings, data, book)
    task, note = task_of(settings, data)
    objective = objective_of(settings, task, parts, preprocessing_of(book, parts, Screen(False)), CPU)
    return settings, design, parts, objective, note


def test_the_parts_are_those_of_the_split(digits):
    _, _, parts, _, note = made(digits)
    assert [len(part.samples) for part in (parts.training, parts.validation, parts.testing)] == [1295, 143, 359]
    assert parts.cutting is None
    assert note == ""


def test_what_is_done_where_pictures_are_cut_is_not_done_twice(digits):
    _, _, parts, objective, _ = made(digits, augment="flip, resizedcrop 0.5:1, color 0.2")
    assert parts.cutting is not None and parts.cutting.flip
    assert str(objective.plan.augment) == "color 0.2"


def test_a_network_begins_by_its_seed_alone(digits):
    settings, design, parts, objective, _ = made(digits, net="INPUT -> CONV 4 3x3 -> RELU -> FC", seed=3)
    first = network_of(settings, design, objective, parts.training).state_dict()
    torch.rand(5)
    again = network_of(settings, design, objective, parts.training).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_whitened_first_layer_answers_patches_without_correlation_and_stays(digits):
    net = "INPUT -> CONV 8 2x2 pad 0 bias no -> RELU -> FC"
    settings, design, parts, objective, _ = made(digits, net=net, tuning={"whiten": True})
    network = network_of(settings, design, objective, parts.training)
    first = network.get_parameter("conv1.weight")
    assert not first.requires_grad
    pixels = torch.cat([batch.pixels_NCHW for batch in parts.training.in_order()])
    with torch.no_grad():
        answers = network.get_submodule("conv1")(objective.preprocessing.normalise(pixels))
    flat = answers[:, :4].permute(1, 0, 2, 3).flatten(1).double().numpy()  # four filters, and their negatives
    assert np.allclose(np.cov(flat), np.eye(4), atol=0.1)


def test_a_run_is_named_for_its_data(tmp_path):
    (tmp_path / "My Photos").mkdir()
    assert name_of(tmp_path / "My Photos") == "My-Photos"
    assert name_of("mnist") == "mnist"
