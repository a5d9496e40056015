import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.promise import Promise, Rehearsal, evaluation_seconds, human_seconds, promised, rehearse
from torchbeam.learn.way import PLAIN, Way
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

CPU = torch.device("cpu")
NET = "INPUT 8x8x1 -> CONV 4 3x3 -> BN -> RELU -> POOL -> DROPOUT 0.5 -> FC 10"


@pytest.fixture(scope="module")
def parts() -> tuple[Batches, Batches]:
    data = load_data("digits")
    pixels = Fixed(data, data.volume(), Kept())
    return batches(data, pixels, "train", 128), batches(data, pixels, "val", 512)


def objective(way: Way = PLAIN, **changed) -> Objective:
    plan = Plan(**({"epochs": 2, "batch_size": 128, "lr": 0.05, "augment": parse_augment("rotate 5")} | changed))
    task = Classify(tuple("0123456789"), 0.1)
    return Objective(task, Preprocessing(8, 8, 1, (0.3,), (0.35,)), plan, way, CPU)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.00412, "4.1 ms"),
        (0.0431, "43 ms"),
        (0.0996, "0.1 s"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (48.3, "48 s"),
        (59.6, "1 min"),
        (130.2, "2 min 10 s"),
        (3599.7, "1 h"),
        (3900, "1 h 5 min"),
        (86399, "1 d"),
        (90 * 3600, "3 d 18 h"),
    ],
)
def test_seconds_as_people_say_them(seconds, words):
    assert human_seconds(seconds) == words


@given(st.floats(0.1, 1e8))
def test_what_is_said_is_near_what_is_meant(seconds):
    units = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
    said = re.findall(r"([0-9.]+) (ms|min|s|h|d)\b", human_seconds(seconds))
    assert 1 <= len(said) <= 2
    assert sum(float(count) * units[unit] for count, unit in said) == pytest.approx(seconds, rel=0.06)


def test_a_promise_is_a_sum_done_by_hand():
    promise = promised(0.1, 120, 10, 1.0, beforehand=4.0, afterwards=2.0, memory=1_320_000_000)
    assert promise.epoch_seconds == pytest.approx(13.0)
    assert promise.seconds == pytest.approx(136.0)
    assert str(promise) == "about 2 min 16 s: 10 epochs of 13 s with validation; peak memory 1.3 GB"
    assert json.loads(json.dumps(promise.to_json()))["epochs"] == 10


def test_a_run_that_ends_by_the_clock_is_promised_its_time():
    promise = promised(0.1, 120, 1_000_000, 1.0, limit=300.0)
    assert str(promise) == "5 min, as told: epochs of 13 s with validation"


def test_one_epoch_and_little_memory():
    assert str(Promise(1, 0.5, 0.5, 860_400_000)) == "about 0.5 s: 1 epoch, with validation; peak memory 860 MB"


@pytest.mark.parametrize(
    "objective",
    [
        objective(),
        objective(Way("bf16", True, 1), optimiser="adamw", clip=1.0),
        objective(optimiser="muon", augment=parse_augment("none")),
    ],
    ids=["fp32", "bf16", "muon"],
)
def test_a_rehearsal_changes_nothing(parts, objective):
    torch.manual_seed(0)
    network = build(parse(NET))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    drawn, threads = torch.get_rng_state(), torch.get_num_threads()
    made = rehearse(network, objective, *parts)
    assert made.step_seconds > 0
    assert made.evaluation_seconds > 0
    assert made.memory is None or made.memory > 10_000_000  # no process with torch is smaller
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.get_num_threads() == threads


def test_a_step_that_is_known_is_added_to_the_making_of_its_batch(parts):
    network = build(parse(NET))
    made = rehearse(network, objective(Way(compiled=True)), *parts, step_seconds=5.0)
    assert made.step_seconds > 5.0
    with pytest.raises(ValueError, match="a compiled network is not rehearsed"):
        rehearse(network, objective(Way(compiled=True)), *parts)


def test_validation_that_holds_nothing_takes_no_time(parts):
    none = Batches(parts[1].samples[:0], parts[1].labels, parts[1].pixels, 512)
    assert evaluation_seconds(build(parse(NET)), none, objective()) == 0


def test_one_batch_alone_is_rehearsed_too(parts):
    one = Batches(parts[0].samples[:50], parts[0].labels, parts[0].pixels, 64)
    made = rehearse(build(parse(NET)), objective(), one, parts[1])
    assert isinstance(made, Rehearsal)
    assert made.step_seconds > 0
