"""How far each part of a network may move. Judges: stages told by hand, torch's own arithmetic of what stays."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from judges import on_meta
from test_fold import lived
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.design.zoo import find
from torchbeam.errors import SettingError
from torchbeam.learn.finetune import FALL, check_rates, prepare_, rates_for, stages_of
from torchbeam.learn.optimisers import optimiser_for
from torchbeam.learn.plan import Plan
from torchbeam.network.build import build
from torchbeam.network.norms import FixedNorm

TEXT = """INPUT 8x8x1 -> CONV 4 3x3 bias no -> BN -> RELU -> one: [CONV 4 3x3 bias no -> BN -> RELU] -> POOL
-> two: [CONV 8 3x3 bias no -> BN -> RELU] -> FC 5"""


def named(name: str) -> nn.Module:
    return on_meta(lambda: build(parse(find(name).text)))


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet-18", "conv1 bn1 / stage1 / stage2 / stage3 / stage4 / fc1"),
        ("mobilenet-v2", "conv1 bn1 stage1 / stage2 / stage3 / stage4 stage5 / stage6 stage7 conv2 bn2 / fc1"),
        ("squeezenet-1.1", "conv1 / fire2 fire3 / fire4 fire5 / fire6 fire7 fire8 fire9 / conv2"),
        ("alexnet", "conv1 / conv2 / conv3 conv4 conv5 / fc1 fc2 / fc3"),
        ("lenet-5", None),
    ],
)
def test_a_stage_is_what_works_at_one_size(name, stages):
    found = stages_of(named(name))
    if stages is None:
        assert len(found) >= 3 and all(found)
    else:
        assert " / ".join(" ".join(stage) for stage in found) == stages


def test_side_heads_are_in_no_stage():
    found = [name for stage in stages_of(named("googlenet")) for name in stage]
    assert "inception4a" in found and not {"aux1", "aux2"} & set(found)


def test_rates_fall_from_the_head_to_the_input_and_end_at_the_start():
    stages = (("conv1", "bn1"), ("stage1",), ("stage2", "conv2"), ("fc1",))
    assert rates_for(stages, fall=0.5) == (
        ("conv1", 0.125), ("bn1", 0.125), ("stage1", 0.25), ("stage2", 0.5), ("conv2", 0.5), ("fc1", 1.0),
    )  # fmt: skip
    assert rates_for(stages, "conv2", 0.1, 2.0) == (
        ("conv1", 0.0), ("bn1", 0.0), ("stage1", 0.0), ("stage2", 0.0), ("conv2", 0.2), ("fc1", 2.0),
    )  # fmt: skip
    assert dict(rates_for(["a", "b", "c"]))["a"] == pytest.approx(1 / 2.6**2)
    assert FALL**3 < 0.1 < FALL**2  # the textbooks' tenth lies between
    assert rates_for(stages, "fc1") == (*((name, 0.0) for stage in stages[:-1] for name in stage), ("fc1", 1.0))


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=3), min_size=1, max_size=6), st.floats(0.01, 1), st.data())
def test_no_part_moves_faster_than_the_one_behind_it(shape, fall, data):
    stages = [[f"s{at}l{number}" for number in range(len(stage))] for at, stage in enumerate(shape)]
    start = data.draw(st.sampled_from([None, *(name for stage in stages for name in stage)]))
    rates = rates_for(stages, start, fall)
    shares = [share for _, share in rates]
    assert shares == sorted(shares) and shares[-1] == 1
    assert [name for name, _ in rates] == [name for stage in stages for name in stage]
    Plan(1, 1, 0.1, rates=rates)


def test_what_cannot_be_a_rate_is_refused():
    with pytest.raises(SettingError, match="no part stage9 to train from") as caught:
        rates_for(("stage1", "stage2"), "stage9")
    assert "did you mean stage" in str(caught.value)
    for fall, head in ((0.0, 1.0), (1.5, 1.0), (0.5, 0.0)):
        with pytest.raises(SettingError, match=r"rates cannot fall to \S+ from stage to stage, from"):
            rates_for(("stage1", "stage2"), None, fall, head)


def test_a_part_that_is_not_there_is_refused():
    live = build(parse(TEXT))
    check_rates(live, (("one", 0.1), ("two.conv1", 0.5), ("fc1.bias", 2.0)))
    for part in ("on", "three", "relu1"):
        with pytest.raises(SettingError, match=f"the network has no part {part} to give a rate to"):
            check_rates(live, ((part, 0.1),))


def test_what_is_frozen_stays_to_the_bit_and_the_rest_moves():
    torch.manual_seed(0)
    live = lived(build(parse(TEXT)))
    plan = Plan(1, 8, 0.05, weight_decay=0.1, rates=rates_for(stages_of(live), "two"))
    assert [name for name, share in plan.rates if share == 0] == ["conv1", "bn1", "one"]
    prepare_(live, plan)
    prepare_(live, plan)
    before = copy.deepcopy(live.state_dict())
    fixed = [name for name, module in live.named_modules() if isinstance(module, FixedNorm)]
    assert fixed == ["bn1", "one.bn1"]
    optimiser = optimiser_for(live.train(), plan)
    for _ in range(3):
        optimiser.zero_grad()
        live(torch.randn(8, 1, 8, 8)).logsumexp(1).sum().backward()
        for group in optimiser.param_groups:
            group["lr"] = 0.05 * group["share"]
        optimiser.step()
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith(("conv1", "bn1", "one"))


def test_fixed_norms_are_all_of_them_and_a_plain_plan_changes_nothing():
    live = build(parse(TEXT))
    prepare_(live, Plan(1, 8, 0.05))
    assert not any(isinstance(module, FixedNorm) for module in live.modules())
    assert all(weight.requires_grad for weight in live.parameters())
    prepare_(live, Plan(1, 8, 0.05, norms="fixed"))
    assert sum(isinstance(module, FixedNorm) for module in live.modules()) == 3
    assert all(weight.requires_grad for weight in live.parameters())


def test_a_network_that_is_frozen_whole_is_refused():
    live = build(parse(TEXT))
    with pytest.raises(SettingError, match="every part of the network is frozen"):
        prepare_(live, Plan(1, 8, 0.05, rates=tuple((name, 0.0) for stage in stages_of(live) for name in stage)))
