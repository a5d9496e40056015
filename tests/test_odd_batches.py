"""Batches that are odd, and numbers that are none: training goes on to a result, or ends with a word."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import torchbeam
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.errors import Diverged
from torchbeam.learn.doctor import Doctor
from torchbeam.learn.learner import Learner, Step
from torchbeam.learn.loop import Epoch, Lowered, Record, learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import Way
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

NET = "INPUT 8x8x1 -> CONV 8 3x3 -> BN -> RELU -> POOL -> FC 10"


@dataclass(frozen=True)
class Parts:
    train: Batches
    validation: Batches


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Pictures of 8x8 are not worth a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def parts() -> Parts:
    data = load_data("digits")
    pixels = Fixed(data, data.volume(), Kept())
    return Parts(batches(data, pixels, "train", 64, workers=0), batches(data, pixels, "val", 512, workers=0))


def few(parts: Parts, samples: np.ndarray, batch_size: int) -> Parts:
    return replace(parts, train=replace(parts.train, samples=samples, batch_size=batch_size))


def learner_of(parts: Parts, first: nn.Module | None = None, epochs: int = 3, augment: str = "none") -> Learner:
    torch.manual_seed(0)
    plan = Plan(epochs, parts.train.batch_size, 0.05, augment=parse_augment(augment))
    task = Classify(tuple("0123456789"), 0.1)
    objective = Objective(task, Preprocessing(8, 8, 1, (0.3,), (0.35,)), plan, Way(), torch.device("cpu"))
    doctor = Doctor(10, plan.lr, parts.train, parts.validation)
    network = build(parse(NET))
    return Learner(network if first is None else nn.Sequential(first, network), objective, len(parts.train), doctor)


def epochs_of(records: list[Record]) -> list[Epoch]:
    return [record for record in records if isinstance(record, Epoch)]


def are_finite(learner: Learner, records: list[Record]) -> bool:
    losses = [number for epoch in epochs_of(records) for number in (epoch.loss, epoch.validation_loss)]
    tensors = learner.network.state_dict().values()
    return all(map(math.isfinite, losses)) and all(bool(tensor.isfinite().all()) for tensor in tensors)


# Numbers that are none


def test_an_infinite_weight_once_costs_a_stretch_and_no_more(parts):
    learner, records, planted = learner_of(parts), [], False
    for record in learn(learner, parts.train, parts.validation):
        records.append(record)
        if isinstance(record, Step) and record.step == 30 and not planted:
            planted = True
            with torch.no_grad():
                learner.network.get_parameter("conv1.weight")[0, 0, 0, 0] = math.inf
    (lowered,) = [record for record in records if isinstance(record, Lowered)]
    assert (lowered.step, lowered.back, lowered.factor) == (42, 21, 0.3)
    assert not math.isfinite(lowered.loss)
    assert [epoch.epoch for epoch in epochs_of(records)] == [1, 2, 3]
    assert are_finite(learner, records)
    assert epochs_of(records)[-1].validation_score > 0.7


def test_a_gradient_that_is_no_number_once_is_undone_too(parts):
    """In the very last update, whose loss shows nothing yet."""
    learner, passed = learner_of(parts), 0

    def plant(gradient: Tensor) -> Tensor:
        nonlocal passed
        passed += 1
        return gradient * math.nan if passed == 63 else gradient

    learner.network.get_parameter("fc1.weight").register_hook(plant)
    records = list(learn(learner, parts.train, parts.validation))
    (lowered,) = [record for record in records if isinstance(record, Lowered)]
    assert (lowered.step, lowered.back) == (63, 42)
    assert math.isfinite(lowered.loss)
    assert passed == 63 + 21
    assert are_finite(learner, records) and len(epochs_of(records)) == 3


class OwnSpread(nn.Module):
    """Each picture over its own spread, which a picture of one shade does not have: 0 / 0."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        apart = x_NCHW - x_NCHW.mean((1, 2, 3), keepdim=True)
        return apart / apart.square().mean((1, 2, 3), keepdim=True).sqrt()


def constant_among(parts: Parts) -> Parts:
    """The same pictures, with one of a single shade among those that are learnt from."""

    @dataclass(frozen=True)
    class OneShade:
        pixels: Fixed
        sample: int

        def at_hand(self, samples: np.ndarray) -> bool:
            return self.pixels.at_hand(samples)

        def take(self, samples: np.ndarray, drawn: tuple[int, int] | None) -> Tensor:
            taken = self.pixels.take(samples, drawn).clone()
            taken[torch.from_numpy(samples == self.sample)] = 77
            return taken

    assert isinstance(parts.train.pixels, Fixed)
    planted = OneShade(parts.train.pixels, int(parts.train.samples[5]))
    return replace(parts, train=replace(parts.train, pixels=planted))  # type: ignore[arg-type]


def test_a_layer_that_one_constant_picture_breaks_ends_the_run_with_weights_that_are_numbers(parts):
    planted = constant_among(parts)
    learner = learner_of(planted, OwnSpread())
    records: list[Record] = []
    with pytest.raises(Diverged, match="lowered 3 times, it still blew up"):
        records.extend(learn(learner, planted.train, planted.validation))
    assert are_finite(learner, records)


# Pictures of one shade


def test_one_constant_picture_does_no_harm(parts):
    planted = constant_among(parts)
    learner = learner_of(planted, augment="shift 0.1, color 0.2, mixup 0.2")
    records = list(learn(learner, planted.train, planted.validation))
    assert are_finite(learner, records) and not any(isinstance(record, Lowered) for record in records)
    assert epochs_of(records)[-1].validation_score > 0.5


def test_pictures_that_are_all_of_one_shade_each_are_learnt_by_it(tmp_path):
    for name, shades in (("dark", range(10, 70)), ("light", range(150, 210))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for shade in shades:
            Image.new("RGB", (8, 8), (shade, shade // 2, shade)).save(tmp_path / "data" / name / f"{shade}.png")
    done = torchbeam.train(tmp_path / "data", epochs=6, lr=0.05, precision="fp32", out=tmp_path / "run", show=False)
    assert all(math.isfinite(epoch.loss + epoch.validation_loss) for epoch in done.epochs)
    assert (len(done.epochs), done.test.n) == (6, 24)
    assert done.test.accuracy > 0.9


# Batches of one class, and of one picture


def test_batches_of_one_class_only_are_learnt(parts):
    """After nothing but threes it calls everything a three: right for the share of them."""
    labels = parts.train.labels.numpy()
    threes = parts.train.samples[labels[parts.train.samples] == 3]
    alone = few(parts, threes, 32)
    learner = learner_of(alone, epochs=4, augment="mixup 0.2")
    records = list(learn(learner, alone.train, alone.validation))
    assert are_finite(learner, records)
    share = (labels[parts.validation.samples] == 3).mean()
    assert epochs_of(records)[-1].validation_score == pytest.approx(share)
    assert epochs_of(records)[-1].loss < 1.0


def test_one_picture_left_over_joins_the_batch_before_it(tmp_path):
    """A BN over single numbers could not learn from it alone. 1,295 training pictures are 2 x 647 and one."""
    net = "INPUT -> FC 16 -> BN -> RELU -> FC"
    done = torchbeam.train(
        "digits", net=net, batch_size=647, epochs=2, lr=0.05, precision="fp32", out=tmp_path / "run", show=False
    )
    events = [json.loads(line) for line in (done.out / "log.jsonl").read_text().splitlines()]
    (end,) = [event for event in events if event["event"] == "end"]
    assert end["steps"] == 4
    assert all(math.isfinite(epoch.loss) for epoch in done.epochs)
    assert done.test.n == 359


def test_batches_of_one_picture_are_learnt(parts):
    """The last but one and the last make one batch."""
    alone = few(parts, parts.train.samples[:60], 1)
    alone = replace(alone, validation=replace(alone.validation, samples=alone.validation.samples[:1]))
    learner = learner_of(alone, epochs=2)
    records = list(learn(learner, alone.train, alone.validation))
    assert [record.pictures for record in records if isinstance(record, Step)] == 2 * [*[1] * 58, 2]
    assert are_finite(learner, records)
    assert epochs_of(records)[-1].validation_score in (0.0, 1.0)
