import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.learn.objective import Objective
from torchbeam.learn.optimisers import RATES
from torchbeam.learn.plan import Plan
from torchbeam.learn.rate import RANGES, judged, range_test
from torchbeam.learn.way import PLAIN
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

CPU = torch.device("cpu")
AS_IS = Preprocessing(8, 8, 1, (0.3,), (0.35,))
PLAN = Plan(epochs=1, batch_size=64, lr=0.05, weight_decay=0.0)
SMALL = "INPUT 8x8x1 -> CONV 8 3x3 bias no -> BN -> RELU -> POOL -> DROPOUT 0.2 -> FC 10"
PLAIN_NET = "INPUT 8x8x1 -> CONV 8 3x3 -> RELU -> POOL -> FC 10"


@pytest.fixture(scope="module")
def train() -> Batches:
    data = load_data("digits")
    return batches(data, Fixed(data, data.volume(), Kept()), "train", 64, workers=0)


def objective_for(plan: Plan) -> Objective:
    return Objective(Classify(tuple("0123456789")), AS_IS, plan, PLAIN, CPU)


def net(text: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(parse(text))


def swept(train: Batches, text: str = PLAIN_NET, plan: Plan = PLAN):
    return range_test(net(text), objective_for(plan), train, plan, RATES[plan.optimiser])


def test_the_network_its_buffers_and_the_random_numbers_stay_as_they_were(train):
    network = net(SMALL).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.get_rng_state()
    range_test(network, objective_for(PLAN), train, PLAN, 0.05)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not network.training and all(weight.grad is None for weight in network.parameters())


def test_it_is_a_function_of_seed_network_and_data(train):
    first = swept(train, SMALL)
    torch.rand(5)
    assert swept(train, SMALL) == first
    assert swept(train, SMALL, replace(PLAN, lr=0.7)) == first  # the plan's own rate plays no part
    assert swept(train, SMALL, replace(PLAN, seed=1)).losses != first.losses


def test_the_sweep_equals_torchs_own_sgd_at_the_same_rates(train):
    found = swept(train)
    network = net(PLAIN_NET)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, 0.9, nesterov=True)
    given = [batch for epoch in (1, 2) for batch in train.epoch(0, epoch)]
    assert len(given) > found.steps - 1 > len(train)  # the sweep goes into a second epoch
    low, high = RANGES["sgd"]
    for step, (batch, loss) in enumerate(zip(given, found.losses, strict=False)):
        rate = low * (high / low) ** (step / 29)
        assert math.isclose(found.rates[step], rate)
        optimiser.param_groups[0]["lr"] = rate
        own = nn.functional.cross_entropy(network((batch.pixels_NCHW.float() / 255 - 0.3) / 0.35), batch.labels_N)
        assert math.isclose(own.item(), loss, rel_tol=1e-3)
        optimiser.zero_grad()
        own.backward()
        optimiser.step()


def test_accumulated_batches_count_as_one_and_the_norm_is_clipped(train):
    by_two = replace(train, batch_size=32)
    one = swept(replace(train, samples=train.samples[:640]))
    two = swept(replace(by_two, samples=train.samples[:640]), plan=replace(PLAN, batch_size=32, accumulate=2))
    assert np.allclose(one.losses[:20], two.losses[:20], rtol=1e-3)
    clipped = swept(train, plan=replace(PLAN, clip=1e-5))
    assert clipped.losses[0] == swept(train).losses[0]
    assert "tells nothing" in clipped.reason  # steps of a hundredth of their length learn nothing in 30


@pytest.mark.parametrize(("epochs", "steps"), [(1, 30), (38, 40), (1000, 100)])
def test_it_takes_a_twentieth_of_the_run_within_bounds(train, epochs, steps):
    found = swept(train, plan=replace(PLAN, epochs=epochs, clip=1e-6))  # clipped, so that nothing explodes
    assert found.steps == steps == len(found.rates) == len(found.losses) == len(found.smoothed)
    assert np.allclose((found.rates[0], found.rates[-1]), RANGES["sgd"])


def trained(train: Batches, plan: Plan, rate: float) -> float:
    """Accuracy on the training part after four epochs at a falling rate, by torch's own optimisers."""
    network, task = net(PLAIN_NET), objective_for(plan)
    made = {"sgd": lambda p: torch.optim.SGD(p, rate, 0.9, nesterov=True), "adamw": torch.optim.AdamW}
    optimiser = made[plan.optimiser](network.parameters())
    for epoch in range(1, 5):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 if epoch < 4 else 0.3)
        for batch in train.epoch(0, epoch):
            optimiser.zero_grad()
            task.loss(network, *task.shown(batch, epoch)).backward()
            optimiser.step()
    right = [
        (network(task.shown(batch, 1)[0]).flatten(1).argmax(1) == batch.labels_N).sum().item()
        for batch in train.in_order()
    ]
    return sum(right) / len(train.samples)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_the_chosen_rate_is_among_the_best_of_a_grid(train, optimiser):
    plan = replace(PLAN, optimiser=optimiser)
    chosen = swept(train, plan=plan).chosen
    accuracy = {factor: trained(train, plan, chosen * factor) for factor in (0.03, 0.2, 1, 5)}
    assert accuracy[1] > max(accuracy.values()) - 0.02
    assert accuracy[1] > accuracy[0.03] + 0.02


def test_muon_is_tested_too(train):
    found = swept(train, SMALL, replace(PLAN, optimiser="muon"))
    assert found.rates[0] == RANGES["muon"][0] and found.rates[0] < found.chosen < found.rates[-1]


def test_the_reason_has_the_numbers_and_all_of_it_is_json(train):
    found = swept(train)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["chosen"] == found.chosen and told["steps"] == found.steps
    assert told["rates"] == list(found.rates) and told["losses"] == list(found.losses)
    lowest = min(range(found.steps), key=lambda step: found.smoothed[step])
    assert f"lowest at {found.rates[lowest]:.2g}: {found.chosen:g}" in found.reason


def test_a_curve_by_hand():
    """The loss falls in a straight line to step 20 and explodes: its lowest point is there or, smoothed, just before.

    That rate and the usual one meet at the root of their product; a usual one above it has no say.
    """
    rates = [1e-3 * 1.3**step for step in range(30)]
    losses = [2.3 - 0.08 * step for step in range(21)] + [2.5, 4.0, 9.0, 1e9]
    found = judged(rates[: len(losses)], losses, 0.05)
    best = rates[found.smoothed.index(min(found.smoothed))]
    assert rates[17] < best < rates[21]
    assert math.isclose(found.chosen, math.sqrt(best * 0.05), rel_tol=0.02)
    wild = judged(rates[: len(losses)], losses, 50.0)
    assert math.isclose(wild.chosen, best, rel_tol=0.05) and "for the usual 50 is above it" in wild.reason


def test_where_nothing_is_learnt_the_rate_is_what_it_is_without_a_test():
    rates = [1e-3 * 1.3**step for step in range(30)]
    noisy = [2.3 + 0.3 * (-1) ** step for step in range(30)]
    for losses in ([2.3] * 30, noisy, [2.3 + 0.1 * step for step in range(30)]):
        found = judged(rates, losses, 0.07)
        assert found.chosen == 0.07 and "so the test tells nothing: 0.07, as without one" in found.reason
    early = judged(rates[:9], [2.3] * 8 + [60.0], 0.07)
    assert early.chosen == 0.00082 and "a tenth of where it was over" in early.reason  # 1e-3 * 1.3**8 / 10


def test_a_network_whose_loss_is_no_number_has_no_curve(train):
    network = net(PLAIN_NET)
    with torch.no_grad():
        network.get_parameter("fc1.weight").fill_(float("nan"))
    found = range_test(network, objective_for(PLAN), train, PLAN, 0.05)
    assert (
        found.chosen == 0.05
        and found.steps == 0
        and "no number before any update, which tells nothing: 0.05" in found.reason
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and there is none on this machine")
def test_it_runs_on_a_gpu_in_half_precision(train):
    cuda = torch.device("cuda")
    task = Classify(tuple("0123456789"))
    random = torch.cuda.get_rng_state()
    for precision in ("fp32", "bf16", "fp16"):
        objective = Objective(task, AS_IS, PLAN, replace(PLAIN, precision=precision), cuda)
        found = range_test(net(SMALL).to(cuda), objective, train, PLAN, 0.05)
        assert found.rates[0] < found.chosen < found.rates[-1]
    assert torch.equal(torch.cuda.get_rng_state(), random)
