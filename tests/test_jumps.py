import json
import math

import pytest
import torch
from torch import nn

from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.design.notation import parse
from torchbeam.learn.jumps import LOWERED, MOST, Watch
from torchbeam.network.build import build

PLAIN = "INPUT 8x8x1 -> CONV 8 3x3 -> RELU -> POOL -> FC 32 -> RELU -> FC 10"
NORMED = "INPUT 8x8x1 -> CONV 8 3x3 bias no -> BN -> RELU -> POOL -> FC 10"


def verdicts(means: list[float], pictures: int = 1000) -> list[bool]:
    watch = Watch()
    return [watch.blown(mean, pictures) for mean in means]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_a_blow_up_of_however_few_pictures(loss):
    assert Watch().blown(loss, 1)


def test_a_loss_half_as_high_again_as_at_the_beginning_is_a_blow_up():
    assert verdicts([2.4, 2.0, 1.5, 3.5, 3.7]) == [False, False, False, False, True]
    assert verdicts([2.4, 7.0, 7.3], pictures=50) == [False, False, True]  # few pictures: three times as high
    assert verdicts([0.1, 0.05, 0.9, 1.9, 2.1]) == [False, False, False, False, True]  # small losses may stray


def test_going_back_to_naming_every_class_alike_is_a_blow_up_where_much_was_learnt():
    chance = math.log(10)
    assert verdicts([2.8, 1.9, 1.3, chance]) == [False, False, False, True]
    assert verdicts([2.8, 1.9, 1.5, chance]) == [False] * 4
    assert verdicts([2.8, 1.9, 1.3, chance], pictures=100) == [False] * 4


def test_a_few_pictures_tell_nothing():
    watch = Watch()
    watch.seen(0.01, 1)
    assert not watch.blown(40.0, 31) and watch == Watch()
    watch.seen(2.3, 64)
    assert watch.first == 2.3 and watch.blown(40.0, 32)


def test_the_first_batch_lets_the_first_stretch_be_judged():
    watch = Watch()
    watch.seen(2.5, 64)
    assert watch.blown(8.0, 1000) and watch == Watch(2.5, 2.5)  # a blow-up is not taken as seen


def test_its_numbers_come_back_exactly():
    watch = Watch()
    assert Watch.from_json(json.loads(json.dumps(watch.to_json()))) == watch
    for mean in (2.302585092994046, 0.1 + 0.2, 1 / 3):
        watch.blown(mean)
    assert Watch.from_json(json.loads(json.dumps(watch.to_json()))) == watch


@pytest.fixture(scope="module")
def train() -> Batches:
    data = load_data("digits")
    return batches(data, Fixed(data, data.volume(), Kept()), "train", 64, workers=0)


def blown_at(train: Batches, text: str, rate: float, batch_size: int, steps: int) -> tuple[int | None, float]:
    """(the step at which a real run by torch's SGD was said to blow up, its last mean loss), seen each 20 steps."""
    torch.manual_seed(0)
    network, watch = build(parse(text)), Watch()
    optimiser = torch.optim.SGD(network.parameters(), rate, 0.9, nesterov=True)
    given = Batches(train.samples, train.labels, train.pixels, batch_size, 0)
    total, pictures, step, mean = 0.0, 0, 0, math.nan
    for batch in (batch for epoch in (1, 2, 3) for batch in given.epoch(0, epoch)):
        loss = nn.functional.cross_entropy(network((batch.pixels_NCHW.float() / 255 - 0.3) / 0.35), batch.labels_N)
        if step == 0:
            watch.seen(loss.item(), len(batch.samples))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step, total, pictures = step + 1, total + loss.item() * len(batch.samples), pictures + len(batch.samples)
        if step % 20 == 0:
            mean = total / pictures
            if watch.blown(mean, pictures):
                return step, mean
            total, pictures = 0.0, 0
        if step == steps:
            break
    return None, mean


@pytest.mark.parametrize(("text", "rate"), [(PLAIN, 5.0), (PLAIN, 50.0), (NORMED, 50.0)])
def test_a_run_at_a_hundred_times_its_rate_is_caught_at_once(train, text, rate):
    step, _ = blown_at(train, text, rate, 64, 60)
    assert step == 20


@pytest.mark.parametrize(
    ("text", "rate", "batch_size"), [(PLAIN, 0.05, 64), (NORMED, 0.2, 64), (PLAIN, 0.002, 1), (NORMED, 0.01, 4)]
)
def test_a_run_that_goes_well_is_left_alone(train, text, rate, batch_size):
    step, mean = blown_at(train, text, rate, batch_size, 300)
    assert step is None and mean < 1.5


def test_three_lowerings_reach_a_rate_forty_times_lower():
    assert 1 / 40 < LOWERED**MOST < 1 / 35
