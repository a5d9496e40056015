import numpy as np
import pytest
import torch

from torchbeam.data.load import load_data
from torchbeam.design.ledger import ledger
from torchbeam.errors import SettingError
from torchbeam.jobs.runfolder import run_folder
from torchbeam.jobs.screen import Screen
from torchbeam.jobs.settings import Setting, Settings, design_for, fine_tuning, settle
from torchbeam.jobs.tuning import Tuning
from torchbeam.jobs.work import (
    Work,
    learner_for,
    name_of,
    network_of,
    objective_of,
    parts_of,
    preprocessing_of,
    task_of,
    with_maps,
)
from torchbeam.network.build import build
from torchbeam.network.norms import FixedNorm

CPU = torch.device("cpu")


def settled(**told):
    tuning = Tuning(**told.pop("tuning", {}))
    blank = dict.fromkeys(("net", "epochs", "batch_size", "lr", "seed", "size", "fit", "device"))
    return Settings(**(blank | told), tuning=tuning)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def made(data, more=None, **told):
    settings = settle(settled(**told), data) | (more or {})
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


NET = "INPUT -> CONV 4 3x3 bias no -> BN -> RELU -> POOL -> CONV 8 3x3 -> RELU -> FC"
START = fine_tuning(
    Setting({"backbone": "mine", "digest": "00"}, "flag"),
    Setting((("conv1", 0.0), ("bn1", 0.0)), "auto"),
    Setting("train", "default"),
)


def test_a_network_that_is_given_is_made_ready_and_keeps_its_weights(digits):
    settings, design, parts, objective, _ = made(digits, START, net=NET, augment="none")
    given = build(design)
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    network = network_of(settings, design, objective, parts.training, given)
    assert network is given
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert isinstance(network.get_submodule("bn1"), FixedNorm)
    asks = {name: weight.requires_grad for name, weight in network.named_parameters()}
    assert [name for name, yes in asks.items() if not yes] == ["conv1.weight", "bn1.weight", "bn1.bias"]
    again = network_of(settings, design, objective, parts.training)  # as resume makes it
    assert {name: weight.requires_grad for name, weight in again.named_parameters()} == asks
    assert isinstance(again.get_submodule("bn1"), FixedNorm)


def test_a_part_that_is_not_there_has_no_rate(digits):
    wrong = START | {"rates": Setting([["stage9", 0.0]], "flag")}
    settings, design, parts, objective, _ = made(digits, wrong, net=NET)
    with pytest.raises(SettingError, match="the network has no part stage9"):
        network_of(settings, design, objective, parts.training)


@pytest.mark.parametrize("augment", ["none", "rotate 10"])
def test_maps_are_kept_where_they_can_be_and_it_is_said(digits, augment, tmp_path, capsys):
    settings, design, parts, objective, _ = made(digits, START, net=NET, augment=augment)
    network = network_of(settings, design, objective, parts.training, build(design))
    folder = run_folder(tmp_path / "run", "run")
    work = Work(folder, settings, digits, design, ledger(design), parts, objective, network)
    assert work.inner is work and str(work.volume) == "8x8x1"
    work = with_maps(work, Screen(True))
    told = " ".join(capsys.readouterr().err.split())
    learner = learner_for(work)
    if augment == "none":
        assert "kept in memory: 1,438 maps of 4x4x4 in fp32" in told
        assert work.settings["maps"].value == "fp32" and str(work.volume) == "4x4x4"
        inner = work.inner
        assert inner.objective.maps and inner.objective.plan.rates == objective.plan.rates
        assert learner.network is inner.network and learner.front is work.behind.front
        assert work.parts.testing is inner.parts.testing
    else:
        assert "the network is computed as a whole: the pictures are augmented by rotate 10" in told
        assert work.settings["maps"].value is None and work.behind is None
        assert learner.network is network and learner.front is None
    kept = {name for name in learner.state().tensors if name.startswith("network/")}
    assert kept == {f"network/{name}" for name in network.state_dict()}


def test_a_run_is_named_for_its_data(tmp_path):
    (tmp_path / "My Photos").mkdir()
    assert name_of(tmp_path / "My Photos") == "My-Photos"
    assert name_of("mnist") == "mnist"
