"""Planted faults, each in a run of its own on the digits, and sound runs in which nothing is said."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing, measure
from torchbeam.design.notation import parse
from torchbeam.learn.doctor import Doctor, examine, expected_loss, relation
from torchbeam.learn.evaluate import outputs_of
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.schedules import warm_up_cosine
from torchbeam.learn.signs import Finding
from torchbeam.learn.way import Way
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

CPU = torch.device("cpu")
CLASSES = tuple("0123456789")
NORMED = "INPUT 8x8x1 -> [CONV 16 3x3 bias no -> BN -> RELU -> POOL]*2 -> FC 64 -> RELU -> FC 10"
PLAIN = "INPUT 8x8x1 -> [CONV 16 3x3 -> RELU -> POOL]*2 -> FC 64 -> RELU -> FC 10"
DROPPED = "INPUT 8x8x1 -> [CONV 16 3x3 bias no -> BN -> RELU -> POOL]*2 -> FC 64 -> RELU -> DROPOUT 0.5 -> FC 10"
DEEP = "INPUT 8x8x1 -> [CONV 16 3x3 -> RELU]*4 -> POOL -> [FC 64 -> RELU]*2 -> FC 10"
SIGMOIDS = "INPUT 8x8x1 -> [CONV 8 3x3 -> SIGMOID]*8 -> FC 10"


@dataclass(frozen=True)
class Parts:
    train: Batches
    validation: Batches
    preprocessing: Preprocessing


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
    train, validation = batches(data, pixels, "train", 64, 0), batches(data, pixels, "val", 512, 0)
    return Parts(train, validation, measure(data.volume(), (batch.pixels_NCHW for batch in train.in_order())))


def shuffled(parts: Parts) -> Parts:
    """The same pictures, with the labels of others."""
    labels = parts.train.labels[torch.randperm(len(parts.train.labels), generator=torch.Generator().manual_seed(0))]
    return replace(
        parts, train=replace(parts.train, labels=labels), validation=replace(parts.validation, labels=labels)
    )


def objective_of(parts: Parts, lr: float = 0.05, augment: str = "none", epochs: int = 3) -> Objective:
    plan = Plan(epochs, 64, lr, augment=parse_augment(augment))
    return Objective(Classify(CLASSES, 0.1), parts.preprocessing, plan, Way(), CPU)


def network_of(text: str) -> nn.Module:
    torch.manual_seed(0)
    return build(parse(text))


def doctor_of(parts: Parts, objective: Objective, told: dict | None = None) -> Doctor:
    return Doctor(10, objective.plan.lr, parts.train, parts.validation, told=told)


def trained(
    network: nn.Module, parts: Parts, objective: Objective, doctor: Doctor | None, first: int = 1, last: int = 9
):
    """Epochs `first` to `last` of a plain loop; what the doctor says in them."""
    plan, said = objective.plan, []
    optimiser = torch.optim.SGD(network.parameters(), lr=plan.lr, momentum=0.9, nesterov=True)
    steps = plan.epochs * len(parts.train)
    for epoch in range(first, min(plan.epochs, last) + 1):
        network.train()
        total = 0.0
        for at, batch in enumerate(parts.train.epoch(plan.seed, epoch), 1):
            step = (epoch - 1) * len(parts.train) + at
            optimiser.param_groups[0]["lr"] = plan.lr * warm_up_cosine((step - 0.5) / steps, plan.warm_up)
            torch.manual_seed(step)
            looks = doctor is not None and doctor.due(step)
            pictures, targets = objective.shown(batch, epoch)
            with doctor.listening(network) if doctor and looks else nullcontext():
                loss = objective.loss(network, pictures, targets)
            optimiser.zero_grad()
            loss.backward()
            if doctor and looks:
                doctor.after_backward(network, loss)
            optimiser.step()
            if doctor and looks:
                said += doctor.after_update(network, epoch, step, step / steps)
            total += loss.item() * len(targets)
        if doctor:
            outputs, labels = outputs_of(network, parts.validation, objective.preprocessing, CPU)
            loss, score = objective.task.plain_loss(outputs, labels).item(), objective.task.score(outputs, labels)
            done = epoch * len(parts.train)
            said += doctor.after_epoch(epoch, done, done / steps, total / len(parts.train.samples), loss, score)
    return said


def before(network: nn.Module, parts: Parts, objective: Objective, steps: int = 2000) -> list[Finding]:
    return examine(network, objective, next(parts.train.epoch(0, 1)), 10, steps)


def kinds(said: list[Finding]) -> list[str]:
    return [finding.kind for finding in said]


def state(network: nn.Module) -> list[Tensor]:
    return [*network.state_dict().values()]


@pytest.mark.parametrize(
    ("text", "augment"), [(NORMED, "none"), (PLAIN, "none"), (DROPPED, "rotate 10, crop 1, cutout 2")]
)
def test_of_a_sound_run_nothing_is_said(text, augment, parts):
    objective, network = objective_of(parts, augment=augment), network_of(text)
    assert before(network, parts, objective) == []
    assert trained(network, parts, objective, doctor_of(parts, objective)) == []


def test_shuffled_labels_are_told_from_a_network_that_does_not_learn(parts):
    objective, wrong = objective_of(parts), shuffled(parts)
    network = network_of(NORMED)
    assert before(network, wrong, objective) == []
    said = trained(network, wrong, objective, doctor_of(wrong, objective))
    assert kinds(said) == ["shuffled-labels"]
    assert "The labels may not belong to their pictures" in said[0].text
    assert "torchbeam check DATA" in said[0].remedy
    assert (said[0].epoch, said[0].step) == (1, 21)
    slow = objective_of(parts, lr=1e-8)
    said = trained(network_of(NORMED), parts, slow, doctor_of(parts, slow))
    assert kinds(said) == ["update-ratio", "does-not-learn"]
    assert "first do what was said of update-ratio" in said[1].remedy


@pytest.mark.parametrize("text", [NORMED, PLAIN])
def test_a_rate_a_hundred_times_too_high_is_told_before_the_first_epoch_is_over(text, parts):
    objective = objective_of(parts, lr=5.0)
    said = trained(network_of(text), parts, objective, doctor_of(parts, objective), last=1)
    assert "update-ratio" in kinds(said)
    assert "rate" in kinds(said)
    told = next(finding for finding in said if finding.kind == "update-ratio")
    assert "the learning rate is far too high" in told.text
    proposed = float(told.remedy.split("--lr ")[1].rstrip("`"))
    assert 0.01 <= proposed <= 0.5  # 0.05 is right
    assert told.step in (1, 10)
    later = next(finding for finding in said if finding.kind == "rate")
    assert later.remedy == told.remedy


def test_a_rate_ten_times_too_high_that_kills_without_a_jump_is_told_once(parts):
    """The rectifiers die one after the other; the loss lies at ln 10 and nothing rises."""
    objective = objective_of(parts, lr=0.5, epochs=6)
    (found,) = trained(network_of(DEEP), parts, objective, doctor_of(parts, objective), last=2)
    assert (found.kind, found.epoch) == ("quiet-death", 2)
    assert "The loss lies flat at 2.3" in found.text
    assert "the same scores for every picture give 2.3" in found.text
    assert "in relu4, all 16 units are 0 for all 64 pictures of a batch" in found.text
    assert "`torchbeam train DATA --lr 0.05`" in found.remedy


def test_a_run_that_merely_begins_is_not_dead(parts):
    """Its last layer starts at 0, and the rate is low: the loss stands at ln 10, and all scores are alike."""
    objective, network = objective_of(parts, lr=1e-5, epochs=2), network_of(PLAIN)
    nn.init.zeros_(network.get_parameter("fc2.weight"))
    nn.init.zeros_(network.get_parameter("fc2.bias"))
    said = trained(network, parts, objective, doctor_of(parts, objective), last=1)
    assert "quiet-death" not in kinds(said)


def test_a_flat_epoch_is_looked_into_at_the_next_step_also_by_a_resumed_run(parts):
    doctor = doctor_of(parts, objective_of(parts))
    assert doctor.after_epoch(1, 21, 0.2, 2.1, 2.1, 0.15) == []
    assert not doctor.due(22)
    assert doctor.after_epoch(2, 42, 0.25, 2.31, 2.31, 0.1) == []
    assert doctor.due(43)
    assert doctor_of(parts, objective_of(parts), json.loads(json.dumps(doctor.told()))).due(43)


def zeroed(network: nn.Module, number: float = 0.0) -> nn.Module:
    for parameter in network.parameters():
        nn.init.constant_(parameter, number)
    return network


def test_weights_that_are_all_zero_are_told_before_and_in_training(parts):
    objective = objective_of(parts)
    assert kinds(before(zeroed(network_of(PLAIN)), parts, objective)) == ["all-zero"]
    assert kinds(before(zeroed(network_of(PLAIN), 0.01), parts, objective)) == ["all-zero"]
    said = trained(zeroed(network_of(PLAIN)), parts, objective, doctor_of(parts, objective))
    assert kinds(said)[0] == "all-zero"
    assert said[0].step == 1
    assert "In all 4 layers every unit starts with the same weights" in said[0].text
    assert before(zeroed(network_of("INPUT 8x8x1 -> FC 10")), parts, objective) == []  # a single layer learns from 0


def with_dead_layer(network: nn.Module) -> nn.Module:
    nn.init.constant_(network.get_parameter("conv2.bias"), -1e3)
    return network


def test_a_dead_layer_is_told_before_and_in_training(parts):
    objective = objective_of(parts)
    said = before(with_dead_layer(network_of(PLAIN)), parts, objective)
    assert kinds(said) == ["dead-relu"]
    assert "In relu2, 16 of 16 units are 0 for all 64 pictures" in said[0].text
    said = trained(with_dead_layer(network_of(PLAIN)), parts, objective, doctor_of(parts, objective))
    assert kinds(said)[0] == "dead-relu"
    assert said[0].step == 1


@pytest.mark.parametrize(
    ("mean", "std"), [((0.0,), (1 / 255,)), ((-3.0,), (1.0,)), ((0.3,), (10.0,))], ids=["bytes", "offset", "flat"]
)
def test_pictures_that_are_not_normalised_are_told(mean, std, parts):
    raw = replace(parts, preprocessing=replace(parts.preprocessing, mean=mean, std=std))
    objective = objective_of(raw)
    assert "inputs" in kinds(before(network_of(PLAIN), raw, objective))
    assert "inputs" in kinds(trained(network_of(PLAIN), raw, objective, doctor_of(raw, objective), last=1))


def test_a_gradient_that_vanishes_is_told(parts):
    assert kinds(before(network_of(SIGMOIDS), parts, objective_of(parts))) == ["vanishing"]


def test_a_network_cut_in_two_does_not_fit_even_a_few_pictures(parts):
    network = network_of("INPUT 8x8x1 -> CONV 8 3x3 -> STEP -> FC 10")
    network.get_parameter("fc1.weight").requires_grad_(False)  # and STEP passes no gradient on
    said = before(network, parts, objective_of(parts))
    assert kinds(said) == ["does-not-fit"]
    assert "In 30 steps on 16 pictures alone the loss stood still" in said[0].text


def test_the_first_loss_is_judged_against_that_of_all_heads(parts):
    network = network_of("INPUT 8x8x1 -> CONV 4 3x3 -> side: AUX 0.3 [FC 10] -> RELU -> FC 10")
    assert expected_loss(network, 10) == pytest.approx(1.3 * 2.302585, abs=1e-6)
    with torch.no_grad():
        network.get_parameter("fc1.weight").mul_(100)
    assert kinds(before(network, parts, objective_of(parts))) == ["first-loss"]


def test_a_run_keeps_its_bits(parts):
    """With dropout, batch norm and augmentation: weights, running means and the random numbers after it."""
    objective = objective_of(parts, augment="rotate 10, crop 1", epochs=2)
    alone, watched = network_of(DROPPED), network_of(DROPPED)
    trained(alone, parts, objective, None)
    drawn = torch.random.get_rng_state()
    torch.manual_seed(1)
    here = torch.random.get_rng_state()
    before(watched, parts, objective)
    assert torch.equal(torch.random.get_rng_state(), here)
    trained(watched, parts, objective, doctor_of(parts, objective))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(map(torch.equal, state(alone), state(watched)))
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in watched.modules())


def test_a_resumed_run_says_what_an_uninterrupted_one_says(parts):
    objective, wrong = objective_of(parts, lr=5.0), shuffled(parts)
    network = network_of(PLAIN)
    whole = trained(network, wrong, objective, doctor_of(wrong, objective))
    network, doctor = network_of(PLAIN), doctor_of(wrong, objective)
    first = trained(network, wrong, objective, doctor, last=1)
    resumed = doctor_of(wrong, objective, json.loads(json.dumps(doctor.told())))
    assert resumed.told() == doctor.told()
    rest = trained(network, wrong, objective, resumed, first=2)
    assert first + rest == whole
    assert first


def test_looks_become_rare(parts):
    doctor = doctor_of(parts, objective_of(parts))
    assert [step for step in range(1, 5001) if doctor.due(step)] == [1, 10, 30, 100, 300, 1000, 2000, 3000, 4000, 5000]


def test_overfitting_is_told_once_with_the_epoch_that_was_best(parts):
    doctor = doctor_of(parts, objective_of(parts))
    said = []
    for epoch, (train, validation) in enumerate(
        [(1, 1), (0.6, 0.8), (0.4, 0.9), (0.3, 1.0), (0.2, 1.1), (0.1, 1.2)], 1
    ):
        said += doctor.after_epoch(epoch, 20 * epoch, epoch / 6, train, validation, 0.8)
    assert [(finding.kind, finding.epoch) for finding in said] == [("overfit", 5)]
    assert "least in epoch 2, 0.8, and is 1.1 now" in said[0].text


def test_labels_are_related_to_what_the_pictures_look_like(parts):
    """Leave-one-out nearest neighbour on the same 1,024 digits, by hand."""
    found = relation(parts.train)
    places = torch.linspace(0, len(parts.train.samples) - 1, 1024, dtype=torch.float64).long()
    samples = parts.train.samples[places.numpy()]
    x = parts.train.pixels.take(samples, None).flatten(1).double()
    y = parts.train.labels[torch.from_numpy(samples)]
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp_min(1e-3)
    right = 0
    for at in range(len(x)):
        apart = (x - x[at]).square().sum(1)
        apart[apart == 0] = float("inf")
        right += int(y[apart.argmin()] == y[at])
    assert found.share == pytest.approx(right / 1024, abs=2e-3)
    assert found.chance == pytest.approx(0.1, abs=0.005)
    assert found.deviations > 50
    assert relation(shuffled(parts).train).deviations < 4
