"""A run that is stopped and taken up again ends in the same bits as one that never was."""

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.learn.checkpoint import load, save
from torchbeam.learn.learner import Learner, Step
from torchbeam.learn.loop import learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import Way
from torchbeam.network.build import build
from torchbeam.network.modelfile import tensors_digest
from torchbeam.tasks.classify import Classify

CPU = torch.device("cpu")
AS_IS = Preprocessing(8, 8, 1, (0.3,), (0.35,))
TASK = Classify(tuple("0123456789"), 0.1)
BATCH_NORM = "INPUT 8x8x1 -> CONV 8 3x3 -> BN -> RELU -> POOL -> CONV 8 3x3 -> BN -> RELU -> FC 10"
DROPOUT = "INPUT 8x8x1 -> CONV 8 3x3 -> RELU -> POOL -> FC 32 -> RELU -> DROPOUT 0.5 -> FC 10"


@pytest.fixture(scope="module")
def parts() -> tuple[Batches, Batches]:
    data = load_data("digits")
    pixels = Fixed(data, data.volume(), Kept())
    return batches(data, pixels, "train", 128, workers=0), batches(data, pixels, "val", 512, workers=0)


def begun(text: str, plan: Plan, train: Batches, way: Way) -> Learner:
    torch.manual_seed(7)
    return Learner(build(parse(text)), Objective(TASK, AS_IS, plan, way, CPU), len(train))


def finished(learner: Learner, parts: tuple[Batches, Batches]) -> tuple[str, list[float]]:
    losses = [record.lr for record in learn(learner, *parts) if isinstance(record, Step)]
    with learner.weights():
        return tensors_digest(learner.network.state_dict()), losses


def stopped(learner: Learner, parts: tuple[Batches, Batches], step: int) -> None:
    records = learn(learner, *parts)
    while learner.step < step:
        next(records)
    records.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize(
    ("text", "more"),
    [
        (BATCH_NORM, {}),
        (DROPOUT, {"clip": 1.0}),
        (BATCH_NORM, {"augment": parse_augment("shift 0.1, mixup 0.3")}),
        (BATCH_NORM, {"ema": 0.9}),
        (DROPOUT, {"lookahead": 3, "accumulate": 2}),
    ],
    ids=["batch norm", "dropout", "mixup", "ema", "lookahead"],
)
def test_the_same_bits_after_four_stops(optimiser, text, more, parts, tmp_path):
    rate = {"sgd": 0.05, "adamw": 0.002, "muon": 0.02}[optimiser]
    plan = Plan(epochs=2, batch_size=128, lr=rate, optimiser=optimiser, **more)
    way = Way("bf16", channels_last=True) if "mixup" in str(more) else Way()
    whole, _ = finished(begun(text, plan, parts[0], way), parts)
    chance = random.Random(f"{optimiser} {more}")
    stops = sorted(chance.sample(range(1, 2 * len(parts[0])), 4))
    state = None
    for stop in stops:
        learner = begun(text, plan, parts[0], way)
        nn.init.constant_(next(learner.network.parameters()), 9.0)  # what is taken up does not lean on what was there
        if state is None:
            learner = begun(text, plan, parts[0], way)
        else:
            learner.restore(state)
        stopped(learner, parts, stop)
        save(tmp_path, learner.state())
        state, note = load(tmp_path)
        assert note == ""
        assert state.told["step"] >= stop
    learner = begun(text, plan, parts[0], way)
    assert state is not None
    learner.restore(state)
    assert finished(learner, parts)[0] == whole


def test_a_run_stopped_in_validation_goes_on_with_it(parts):
    plan = Plan(epochs=2, batch_size=128, lr=0.05, ema=0.9)
    learner = begun(BATCH_NORM, plan, parts[0], Way())
    records = learn(learner, *parts)
    for record in records:
        if not isinstance(record, Step):
            break
    records.close()  # type: ignore[attr-defined]
    state, again = learner.state(), begun(BATCH_NORM, plan, parts[0], Way())
    again.restore(state)
    assert finished(again, parts)[0] == finished(begun(BATCH_NORM, plan, parts[0], Way()), parts)[0]


def test_a_state_holds_no_memory_of_the_learner(parts, tmp_path: Path):
    """What is written down at a step stays that step's, however far the run goes on meanwhile."""
    plan = Plan(epochs=1, batch_size=128, lr=0.05)
    learner = begun(BATCH_NORM, plan, parts[0], Way())
    stopped(learner, parts, 4)
    save(tmp_path, learner.state())
    weights = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    finished(learner, parts)
    kept, _ = load(tmp_path)
    assert all(torch.equal(kept.tensors[f"network/{name}"], tensor) for name, tensor in weights.items())
