import copy
from collections.abc import Iterator

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from torchbeam.errors import StateError
from torchbeam.learn.average import Average, average_for
from torchbeam.learn.plan import Plan


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """What is computed here is too small to share out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(channels_last: bool = False) -> nn.Sequential:
    torch.manual_seed(3)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    )
    return made.to(memory_format=torch.channels_last) if channels_last else made


def averaged(of: nn.Module, **told: float) -> Average:
    made = average_for(of, Plan(1, 8, 0.1, **told))
    assert made is not None
    return made


def one_step(of: nn.Module, step: int) -> None:
    """A step of plain descent on pictures that are a function of the step."""
    generator = torch.Generator().manual_seed(step)
    of.train()
    of.zero_grad()
    nn.functional.cross_entropy(of(torch.randn(8, 3, 6, 6, generator=generator)), torch.arange(8) % 5).backward()
    with torch.no_grad():
        for weight in of.parameters():
            weight -= 0.1 * weight.grad


def held(of: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_plan_that_asks_for_none_has_none():
    assert average_for(network(), Plan(1, 8, 0.1)) is None


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_moving_average_equals_torchs_own(channels_last):
    """With a decay below the first step's 2/11 the warm-up never binds, and torch's average is the same sum."""
    live = network(channels_last)
    mine = averaged(live, ema=0.15)
    theirs = AveragedModel(live, multi_avg_fn=get_ema_multi_avg_fn(0.15), use_buffers=True)
    theirs.update_parameters(live)  # its first call copies
    for step in range(1, 6):
        one_step(live, step)
        mine.update(live, step)
        theirs.update_parameters(live)
    judged = theirs.module.state_dict()
    assert {"0.weight", "1.running_mean", "1.running_var", "4.bias"} < mine.kept.keys()
    assert "1.num_batches_tracked" not in mine.kept
    for name, value in mine.kept.items():
        assert torch.allclose(value, judged[name], rtol=1e-6, atol=1e-7), name


def test_its_decay_warms_up_as_it_does_in_tensorflow():
    live = nn.Linear(1, 1, bias=False)
    nn.init.constant_(live.weight, 5.0)
    mine, hand = averaged(live, ema=0.3), 5.0
    for step, value in enumerate((1.0, 2.0, 4.0, 8.0), start=1):
        nn.init.constant_(live.weight, value)
        mine.update(live, step)
        keep = (2 / 11, 3 / 12, 0.3, 0.3)[step - 1]  # 4/13 is above 0.3
        hand = keep * hand + (1 - keep) * value
        assert mine.kept["weight"].item() == pytest.approx(hand, rel=1e-6)


def test_a_short_run_forgets_the_weights_it_began_with():
    live = nn.Linear(1, 1, bias=False)
    nn.init.constant_(live.weight, 100.0)
    mine = averaged(live, ema=0.9999)
    nn.init.constant_(live.weight, 1.0)
    for step in range(1, 31):
        mine.update(live, step)
    assert mine.kept["weight"].item() == pytest.approx(1.0, abs=1e-5)


def test_lookahead_by_hand():
    """Fast weights go one up at each update; every second one, slow and fast meet half-way."""
    live = nn.Linear(1, 1, bias=False)
    nn.init.constant_(live.weight, 0.0)
    mine = averaged(live, lookahead=2)
    fast, slow = [], []
    for step in range(1, 6):
        nn.init.constant_(live.weight, live.weight.item() + 1)
        mine.update(live, step)
        fast.append(live.weight.item())
        slow.append(mine.kept["weight"].item())
    assert fast == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert slow == [0.0, 1.0, 1.0, 2.0, 2.0]


def test_lookahead_leaves_running_statistics_and_frozen_weights_alone():
    live = network()
    live[4].requires_grad_(False)
    mine = averaged(live, lookahead=1)
    assert set(mine.kept) == {"0.weight", "1.weight", "1.bias"}
    begun = held(live)
    live.train()
    live(torch.randn(8, 3, 6, 6))
    statistics = live.get_buffer("1.running_mean").clone()
    mine.update(live, 1)
    assert torch.equal(live.get_buffer("1.running_mean"), statistics)
    assert not torch.equal(begun["1.running_mean"], statistics)


@pytest.mark.parametrize("told", [{"ema": 0.9}, {"lookahead": 2}])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_network_holds_the_average_for_a_while_and_its_own_weights_afterwards(told, channels_last):
    live = network(channels_last)
    mine = averaged(live, **told)
    for step in (1, 2, 3):
        one_step(live, step)
        mine.update(live, step)
    own, places = held(live), [weight.data_ptr() for weight in live.parameters()]
    pictures = torch.randn(4, 3, 6, 6)
    judge = copy.deepcopy(live).eval()
    judge.load_state_dict(mine.kept, strict=False)
    with pytest.raises(ZeroDivisionError), mine.weights_in(live):
        live.eval()
        assert torch.equal(live(pictures), judge(pictures))
        assert not torch.equal(live.get_parameter("0.weight"), own["0.weight"])
        assert [weight.data_ptr() for weight in live.parameters()] == places
        _ = 1 / 0
    assert same(held(live), own)
    assert all(weight.requires_grad for weight in live.parameters())


@pytest.mark.parametrize("told", [{"ema": 0.99}, {"lookahead": 3}])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_resumed_average_has_the_same_bits(told, channels_last):
    whole = network(channels_last)
    mine = averaged(whole, **told)
    for step in range(1, 5):
        one_step(whole, step)
        mine.update(whole, step)
    bytes_kept = safetensors.torch.save(mine.tensors())
    weights = held(whole)
    resumed = network(channels_last)
    resumed.load_state_dict(weights)
    theirs = averaged(resumed, **told)
    theirs.restore(safetensors.torch.load(bytes_kept))
    for step in range(5, 9):
        for live, average in ((whole, mine), (resumed, theirs)):
            one_step(live, step)
            average.update(live, step)
    assert same(held(whole), held(resumed))
    assert same(mine.tensors(), theirs.tensors())


def test_what_is_kept_shares_nothing_with_what_goes_on():
    live = network(channels_last=True)
    mine = averaged(live, ema=0.5)
    kept = mine.tensors()
    before = {name: value.clone() for name, value in kept.items()}
    one_step(live, 1)
    mine.update(live, 1)
    assert same(kept, before)
    assert all(value.is_contiguous() for value in kept.values())


def test_another_networks_average_is_refused():
    kept = averaged(network(), ema=0.5).tensors()
    with pytest.raises(StateError, match=r"the averaged weights are another network's: 4\.bias does not fit"):
        averaged(nn.Sequential(*list(network())[:4]), ema=0.5).restore(kept)
    kept["4.bias"] = torch.zeros(6)
    with pytest.raises(StateError, match=r"the averaged weights are another network's: 4\.bias does not fit"):
        averaged(network(), ema=0.5).restore(kept)
