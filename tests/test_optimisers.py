import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from torchbeam.data.load import load_data
from torchbeam.errors import StateError
from torchbeam.learn.optimisers import RATES, optimiser_for, orthogonal, orthogonal_filters, restore, state_of
from torchbeam.learn.plan import OPTIMISERS, Plan
from torchbeam.learn.schedules import warm_up_cosine

A, B, C = 3.4445, -4.7750, 2.0315  # the author's, as torch.optim.Muon has them


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """What is computed here is too small to share out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(channels_last: bool = False) -> nn.Sequential:
    torch.manual_seed(5)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),  # depthwise
        nn.Conv2d(8, 16, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1),
        nn.Flatten(),
        nn.Linear(8 * 36, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )
    return made.to(memory_format=torch.channels_last) if channels_last else made


def plan(optimiser: str, **told: Any) -> Plan:
    return Plan(1, 8, RATES[optimiser], optimiser=optimiser, **told)


def one_step(of: nn.Module, optimiser: torch.optim.Optimizer, step: int, lr: float) -> None:
    """A step on pictures that are a function of the step, at a rate that changes."""
    generator = torch.Generator().manual_seed(step)
    pictures = torch.randn(8, 3, 6, 6, generator=generator)
    if of[0].weight.is_contiguous(memory_format=torch.channels_last):
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    of.train()
    optimiser.zero_grad()
    nn.functional.cross_entropy(of(pictures), torch.arange(8) % 5).backward()
    for group in optimiser.param_groups:
        group["lr"] = lr / step * group["share"]
    optimiser.step()


def give_gradients(live: nn.Module, judge: nn.Module, step: int) -> None:
    """The same gradients to both, whatever order they lie in."""
    generator = torch.Generator().manual_seed(step)
    for mine, theirs in zip(live.parameters(), judge.parameters(), strict=True):
        theirs.grad = torch.randn(mine.shape, generator=generator)
        mine.grad = torch.empty_like(mine).copy_(theirs.grad)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("kind", "momentum"), [("sgd", 0.9), ("sgd", 0.0), ("adamw", 0.8)])
def test_it_steps_as_torchs_own_weight_by_weight(kind, momentum, channels_last):
    live, judge = network(channels_last), network()
    mine = optimiser_for(live, plan(kind, momentum=momentum, weight_decay=0.01))
    groups = []
    for weight in judge.parameters():
        decay = 0.01 if weight.ndim > 1 else 0.0
        groups.append({"params": [weight], "weight_decay": decay * 250 if kind == "adamw" else decay})
    if kind == "sgd":
        theirs = torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, foreach=False)
    else:
        theirs = torch.optim.AdamW(groups, betas=(momentum, 0.999), foreach=False)
    for step in range(1, 6):
        give_gradients(live, judge, step)
        for group in [*mine.param_groups, *theirs.param_groups]:
            group["lr"] = 0.01 / step
        mine.step()
        theirs.step()
    for one, other in zip(live.parameters(), judge.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-7)


RATED = (("0", 0.0), ("1", 0.1), ("3", 0.1), ("4.weight", 0.5))


@pytest.mark.parametrize(("kind", "momentum"), [("sgd", 0.9), ("adamw", 0.8)])
def test_parts_with_shares_of_the_rate_step_as_torchs_own_groups_do(kind, momentum):
    live, judge = network(), network()
    told = Plan(1, 8, 0.01, optimiser=kind, momentum=momentum, weight_decay=0.01, rates=RATED)
    mine = optimiser_for(live, told)
    groups, begun = [], live.get_parameter("0.weight").detach().clone()
    for name, weight in judge.named_parameters():
        share = {"0": 0.0, "1": 0.1, "3": 0.1}.get(name.partition(".")[0], 0.5 if name == "4.weight" else 1.0)
        decay = (0.01 if weight.ndim > 1 else 0.0) * (250 if kind == "adamw" else 1)
        if share:
            groups.append({"params": [weight], "weight_decay": decay, "share": share})
    assert sorted({group["share"] for group in mine.param_groups}) == [0.1, 0.5, 1.0]
    if kind == "sgd":
        theirs = torch.optim.SGD(groups, momentum=momentum, nesterov=True, foreach=False)
    else:
        theirs = torch.optim.AdamW(groups, betas=(momentum, 0.999), foreach=False)
    for step in range(1, 6):
        give_gradients(live, judge, step)
        for group in [*mine.param_groups, *theirs.param_groups]:
            group["lr"] = 0.01 / step * group["share"]
        mine.step()
        theirs.step()
    for one, other in zip(live.parameters(), judge.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-7)
    assert torch.equal(live.get_parameter("0.weight"), begun)


def test_muons_filters_take_their_shares_too():
    live = network()
    names = {weight: name for name, weight in live.named_parameters()}
    optimiser = optimiser_for(live, plan("muon", rates=(*RATED, ("8", 0.25))))
    shares = {names[w]: (group["kind"], group["share"]) for group in optimiser.param_groups for w in group["params"]}
    assert "0.weight" not in shares
    assert shares["4.weight"] == ("filters", 0.5) and shares["6.weight"] == ("filters", 1.0)
    assert shares["8.weight"] == ("others", pytest.approx(0.05)) and shares["10.weight"] == (
        "others",
        pytest.approx(0.2),
    )
    assert shares["3.weight"] == ("others", pytest.approx(0.02))
    whole = optimiser_for(network(), plan("muon"))
    assert [(group["kind"], group["share"]) for group in whole.param_groups] == [
        *(("filters", 1.0), ("filters", 1.0), ("others", 0.02 / 0.1), ("others", 0.02 / 0.1))
    ]


def test_adamws_decay_takes_as_much_at_its_peak_as_sgds_does_at_its_own():
    """Of a weight without a gradient but for the decay: SGD's momentum settles on ten times one step."""
    weight = nn.Conv2d(1, 1, 1, bias=False)
    taken = {}
    for kind, steps in (("sgd", 400), ("adamw", 1)):
        nn.init.constant_(weight.weight, 1.0)
        optimiser = optimiser_for(weight, plan(kind))
        for group in optimiser.param_groups:
            group["lr"] = RATES[kind] * group["share"]
        for _ in range(steps):
            before = weight.weight.item()
            weight.weight.grad = torch.zeros(1, 1, 1, 1)
            optimiser.step()
        taken[kind] = 1 - weight.weight.item() / before
    assert taken["adamw"] == pytest.approx(2.5e-4, rel=1e-3)
    assert taken["sgd"] == pytest.approx(2.5e-4, rel=0.01)


def test_muon_takes_filters_and_sgd_the_rest():
    live = network()
    names = {weight: name for name, weight in live.named_parameters()}
    optimiser = optimiser_for(live, plan("muon", weight_decay=0.01))
    kinds = {(group["kind"], group["weight_decay"] > 0, group.get("pieces")) for group in optimiser.param_groups}
    assert kinds == {("filters", True, 1), ("filters", True, 2), ("others", True, None), ("others", False, None)}
    taken = {
        kind: sorted(names[w] for group in optimiser.param_groups if group["kind"] == kind for w in group["params"])
        for kind in ("filters", "others")
    }
    assert taken["filters"] == ["0.weight", "4.weight", "6.weight"]
    assert sorted(taken["filters"] + taken["others"]) == sorted(names.values())
    rates = {group["kind"]: RATES["muon"] * group["share"] for group in optimiser.param_groups}
    assert rates == {"filters": 0.1, "others": pytest.approx(0.02)}


def test_scores_made_by_a_convolution_are_left_to_sgd():
    live = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    filters, *_ = optimiser_for(live, plan("muon")).param_groups
    assert [weight.shape for weight in filters["params"]] == [(8, 3, 3, 3)]


@pytest.mark.parametrize("channels_last", [False, True])
def test_muon_steps_as_torchs_muon_and_sgd_do(channels_last):
    """Three rounds, the same momentum and decay; torch's computes in bfloat16, so values of about 1 differ by 0.02."""
    live, judge = network(channels_last), network()
    mine = optimiser_for(live, plan("muon", weight_decay=0.02))
    filters = {name: judge.get_parameter(name) for name in ("0.weight", "6.weight")}
    pieces = judge.get_parameter("4.weight")
    flat = [nn.Parameter(w.detach().flatten(1).clone()) for w in filters.values()]
    flat += [nn.Parameter(half.flatten(1).clone()) for half in pieces.detach().chunk(2)]
    decay = 0.02 * 10 * RATES["sgd"] / RATES["muon"]
    theirs = torch.optim.Muon(flat, lr=0.1, weight_decay=decay, momentum=0.9, ns_steps=3)
    names = [name for name, _ in judge.named_parameters() if name not in {*filters, "4.weight"}]
    rest = [{"params": [w], "weight_decay": 0.02 * (w.ndim > 1)} for w in map(judge.get_parameter, names)]
    others = torch.optim.SGD(rest, lr=0.03, momentum=0.9, nesterov=True, foreach=False)
    for step in range(1, 5):
        give_gradients(live, judge, step)
        gradients = [w.grad.flatten(1) for w in filters.values()]
        gradients += [half.flatten(1) for half in pieces.grad.chunk(2)]
        for weight, gradient in zip(flat, gradients, strict=True):
            weight.grad = gradient
        for group in mine.param_groups:
            group["lr"] = 0.1 if group["kind"] == "filters" else 0.03
        for each in (mine, theirs, others):
            each.step()
    got = [live.get_parameter(name).detach().flatten(1) for name in filters]
    got += [half.flatten(1) for half in live.get_parameter("4.weight").detach().chunk(2)]
    for one, other in zip(got, flat, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=4 * 0.1 * 0.02 * math.sqrt(max(1, len(one) / one.shape[1])))
        assert one.std() > 0.05  # the steps are no small part of what is compared
    for name in names:
        assert torch.allclose(live.get_parameter(name), judge.get_parameter(name), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (16, 16)])
@pytest.mark.parametrize("rounds", [3, 5])
def test_a_matrix_keeps_its_directions_and_loses_their_strengths(shape, rounds):
    """Against the singular value decomposition: the same vectors, and each value through the polynomial by itself."""
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    made = orthogonal(matrices, rounds)
    for matrix, got in zip(matrices, made, strict=True):
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        s = s / s.norm()
        for _ in range(rounds):
            s = A * s + B * s**3 + C * s**5
        assert torch.allclose(got, u @ torch.diag(s) @ vt, atol=1e-9)
        assert s.max() < 1.21
        if shape != (16, 16):  # no value so small that it falls short
            assert s.min() > 0.68
            assert (got - u @ vt).norm() < 0.33 * (u @ vt).norm()


def test_nothing_to_turn_stays_nothing_and_scale_does_not_matter():
    assert torch.equal(orthogonal(torch.zeros(1, 4, 9)), torch.zeros(1, 4, 9))
    matrices = torch.randn(2, 4, 9)
    assert torch.allclose(orthogonal(matrices), orthogonal(1000 * matrices), atol=1e-5)


def test_banks_of_one_shape_go_together_and_come_back_in_their_places():
    banks = [torch.randn(shape) for shape in ((8, 4, 3, 3), (40, 4, 1, 1), (8, 4, 3, 3))]
    together = orthogonal_filters(banks, 1)
    for bank, made in zip(banks, together, strict=True):
        rows, columns = len(bank), bank[0].numel()
        alone = orthogonal(bank.view(1, rows, columns)).view(bank.shape) * max(1, rows / columns) ** 0.5
        assert torch.allclose(made, alone, atol=1e-5)
    assert together[1].norm() == pytest.approx(2 * math.sqrt(10), rel=0.35)


@pytest.mark.parametrize("kind", OPTIMISERS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_resumed_optimiser_takes_the_same_steps_to_the_bit(kind, channels_last):
    whole = network(channels_last)
    mine = optimiser_for(whole, plan(kind))
    for step in range(1, 4):
        one_step(whole, mine, step, RATES[kind])
    kept = safetensors.torch.save(state_of(mine, whole))
    resumed = network(channels_last)
    resumed.load_state_dict({name: value.clone() for name, value in whole.state_dict().items()})
    theirs = optimiser_for(resumed, plan(kind))
    restore(theirs, resumed, safetensors.torch.load(kept))
    for step in range(4, 8):
        one_step(whole, mine, step, RATES[kind])
        one_step(resumed, theirs, step, RATES[kind])
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    left, right = state_of(mine, whole), state_of(theirs, resumed)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    ("kind", "whats"),
    [
        ("sgd", {"momentum_buffer"}),
        ("adamw", {"exp_avg", "exp_avg_sq", "step"}),
        ("muon", {"momentum_buffer", "muon_momentum"}),
    ],
)
def test_what_is_kept_goes_by_name_and_shares_nothing_with_what_goes_on(kind, whats):
    live = network(channels_last=True)
    optimiser = optimiser_for(live, plan(kind))
    one_step(live, optimiser, 1, RATES[kind])
    kept = state_of(optimiser, live)
    assert {name.partition("/")[2] for name in kept} == whats
    assert {name.partition("/")[0] for name in kept} == {name for name, _ in live.named_parameters()}
    before = {name: value.clone() for name, value in kept.items()}
    one_step(live, optimiser, 2, RATES[kind])
    assert all(torch.equal(value, before[name]) for name, value in kept.items())
    assert all(value.is_contiguous() for value in kept.values())


def test_the_zeros_it_begins_with_are_where_torch_begins():
    """One step from here equals one of torch's own, which makes what it remembers at that step."""
    live, judge = network(), network()
    mine = optimiser_for(live, plan("sgd", weight_decay=0.0))
    theirs = torch.optim.SGD(judge.parameters(), lr=0.05, momentum=0.9, nesterov=True, fused=True)
    give_gradients(live, judge, 1)
    mine.step()
    theirs.step()
    assert all(torch.equal(a, b) for a, b in zip(live.parameters(), judge.parameters(), strict=True))


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_a_first_step_that_overflows_is_skipped_and_leaves_zeros(kind):
    live = network()
    optimiser = optimiser_for(live, plan(kind))
    begun = [weight.detach().clone() for weight in live.parameters()]
    scaler = torch.amp.GradScaler("cpu")
    loss: Tensor = scaler.scale(live(torch.randn(4, 3, 6, 6)).sum())
    loss.backward()
    live.get_parameter("10.weight").grad.fill_(math.inf)
    scaler.step(optimiser)
    scaler.update()
    assert all(torch.equal(a, b) for a, b in zip(live.parameters(), begun, strict=True))
    assert all(not value.any() for value in state_of(optimiser, live).values())


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_frozen_weights_and_those_without_a_gradient_stay(kind):
    live = network()
    live[0].requires_grad_(False)
    optimiser = optimiser_for(live, plan(kind))
    assert not any(name.startswith("0.") for name in state_of(optimiser, live))
    begun = {name: weight.detach().clone() for name, weight in live.named_parameters()}
    give_gradients(live, network(), 1)
    live[0].weight.grad = live[6].weight.grad = live[10].bias.grad = None
    optimiser.step()
    still = {name for name, weight in live.named_parameters() if torch.equal(weight, begun[name])}
    assert still == {"0.weight", "6.weight", "10.bias"}


def test_anothers_state_is_refused():
    live = network()
    sgd, muon = optimiser_for(live, plan("sgd")), optimiser_for(live, plan("muon"))
    words = "what was kept of the optimiser is another's: 0.weight/momentum_buffer does not fit"
    with pytest.raises(StateError, match=words):
        restore(muon, live, state_of(sgd, live))
    kept = state_of(sgd, live) | {"0.weight/momentum_buffer": torch.zeros(8, 3, 5, 5)}
    with pytest.raises(StateError, match=words):
        restore(sgd, live, kept)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    data = load_data("digits")
    pictures = np.stack([np.asarray(data.image(at), dtype=np.float32) for at in range(1000)])
    labels = torch.tensor([record.label for record in data.records[:1000]])
    return torch.from_numpy(pictures).view(-1, 1, 8, 8) / 128 - 1, labels


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_its_own_rate_learns_the_digits(kind, digits):
    pictures, labels = digits
    torch.manual_seed(0)
    live = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    optimiser, steps = optimiser_for(live, plan(kind)), 120
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATES[kind] * warm_up_cosine((step + 0.5) / steps, 0.2) * group["share"]
        batch = (torch.arange(64) + 64 * step) % 800
        optimiser.zero_grad()
        nn.functional.cross_entropy(live(pictures[batch]), labels[batch]).backward()
        optimiser.step()
    live.eval()
    with torch.no_grad():
        assert (live(pictures[800:]).argmax(1) == labels[800:]).float().mean() > 0.9
