"""Maps of a frozen part, kept. Judge: the same network trained as a whole, its frozen part computed at every step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from judges import on_meta
from test_fold import lived
from torch import nn

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept, Roomy
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import find
from torchbeam.errors import SettingError
from torchbeam.learn import device as devices
from torchbeam.learn.checkpoint import load, save
from torchbeam.learn.doctor import Doctor
from torchbeam.learn.finetune import prepare_
from torchbeam.learn.frozen import ASSUMED, Behind, behind, joined, split
from torchbeam.learn.learner import Learner, network_in
from torchbeam.learn.loop import Epoch, learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import PLAIN
from torchbeam.network.build import build
from torchbeam.network.graph import Graph
from torchbeam.tasks.classify import Classify

torch.set_num_threads(1)
CPU = torch.device("cpu")
AS_IS = Preprocessing(8, 8, 1, (0.3,), (0.35,))
TASK = Classify(tuple("0123456789"), 0.1)
BLOCK = "(CONV 8 3x3 bias no -> BN -> RELU -> CONV 8 3x3 bias no -> BN + SKIP)"
CHAIN = f"""INPUT 8x8x1 -> CONV 8 3x3 bias no -> BN -> RELU -> one: {BLOCK} -> RELU -> POOL
-> two: [CONV 8 3x3 bias no -> BN -> RELU] -> FC 16 -> RELU -> DROPOUT 0.3 -> FC 10"""
# Branches at the top, so that the whole is a graph.
GRAPH = f"""INPUT 8x8x1 -> CONV 8 3x3 bias no -> BN -> RELU -> {BLOCK} -> RELU -> POOL
-> (CONV 8 3x3 + SKIP) -> RELU -> two: [CONV 8 3x3 bias no -> BN -> RELU] -> FC 10"""
FROZEN = {
    CHAIN: (("conv1", 0.0), ("bn1", 0.0), ("one", 0.0), ("two", 0.3)),
    GRAPH: tuple((name, 0.0) for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")),
}


@pytest.fixture(scope="module")
def parts() -> tuple[Batches, Batches]:
    data = load_data("digits")
    pixels = Fixed(data, data.volume(), Kept())
    return batches(data, pixels, "train", 128, workers=0), batches(data, pixels, "val", 512, workers=0)


def made(text: str, plan: Plan) -> nn.Module:
    torch.manual_seed(7)
    live = lived(build(parse(text)), 7)
    prepare_(live, plan)
    return live


def planned(text: str, augment: str = "none", **more) -> Plan:
    return Plan(2, 128, 0.02, rates=FROZEN[text], augment=parse_augment(augment), **more)


def objective(plan: Plan) -> Objective:
    return Objective(TASK, AS_IS, plan, PLAIN, CPU)


def finished(learner: Learner, training: Batches, validation: Batches) -> list[Epoch]:
    return [record for record in learn(learner, training, validation) if isinstance(record, Epoch)]


def on_maps(network: nn.Module, plan: Plan, parts, **more) -> tuple[Learner, Behind]:
    found = behind(network, objective(plan), parts, **more)
    assert isinstance(found, Behind), found
    return Learner(found.rest, found.objective(objective(plan)), len(parts[0]), front=found.front), found


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("text", "augment"), [(CHAIN, "none"), (CHAIN, "flip, vflip"), (GRAPH, "altflip")], ids=["plain", "flips", "graph"]
)
def test_training_on_maps_is_training_the_whole(text, augment, optimiser, parts):
    plan = planned(text, augment, optimiser=optimiser, ema=0.9)
    whole, cut = made(text, plan), made(text, plan)
    judge = Learner(whole, objective(plan), len(parts[0]))
    learner, found = on_maps(cut, plan, parts)
    assert found.precision == "fp32" and found.volume == Volume(8, 4, 4)
    for one, other in zip(finished(judge, *parts), finished(learner, *found.parts), strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=1e-5)
    state = whole.state_dict()
    assert list(cut.state_dict()) == list(state)
    for name, tensor in cut.state_dict().items():  # what the rest learnt the network knows
        torch.testing.assert_close(tensor, state[name], rtol=1e-4, atol=1e-5)
    assert not torch.equal(state["two.conv1.weight"], made(text, plan).state_dict()["two.conv1.weight"])


def test_maps_are_what_the_front_makes_of_each_picture_as_its_epoch_mirrors_it(parts):
    plan = planned(CHAIN, "flip, vflip")
    live = made(CHAIN, plan).eval()
    whole, found = objective(plan), behind(live, objective(plan), parts)
    assert isinstance(found, Behind)
    training, validation = ((next(part.epoch(0, 3)) for part in pair) for pair in zip(found.parts, parts, strict=True))
    in_order = (next(part.in_order()) for part in (found.parts[0], parts[0]))
    for (kept, own), mirrored in ((training, True), (validation, False), (in_order, False)):
        assert np.array_equal(kept.samples, own.samples) and torch.equal(kept.labels_N, own.labels_N)
        shown = found.objective(whole).shown(kept, 3)[0]
        pictures = whole.shown(own, 3)[0] if mirrored else AS_IS.normalise(own.pixels_NCHW)
        with torch.no_grad():
            torch.testing.assert_close(shown, found.front(pictures), rtol=1e-5, atol=1e-6)
    same = found.objective(whole).preprocessing.normalise(shown)
    assert torch.equal(same, shown)
    assert "of 4x4x8 in fp32" in found.told and found.told.startswith(f"{4 * 1295 + 143:,} maps")
    assert found.told.endswith("up to one")


def test_half_precision_is_close_and_half_the_size(parts):
    plan = planned(CHAIN)
    judge = Learner(made(CHAIN, plan), objective(plan), len(parts[0]))
    learner, found = on_maps(made(CHAIN, plan), plan, parts, precision="fp16")
    assert next(found.parts[0].in_order()).pixels_NCHW.dtype == torch.float16
    for one, other in zip(finished(judge, *parts), finished(learner, *found.parts), strict=True):
        assert other.loss == pytest.approx(one.loss, rel=0.01)


@pytest.mark.parametrize("stop", [4, 15])
def test_a_run_on_maps_that_was_stopped_ends_in_the_same_bits(stop, parts, tmp_path):
    plan = planned(CHAIN, "flip", ema=0.9)
    whole = made(CHAIN, plan)
    learner, found = on_maps(whole, plan, parts)
    finished(learner, *found.parts)
    first = made(CHAIN, plan)
    stopped, cut = on_maps(first, plan, parts)
    records = learn(stopped, *cut.parts)
    while stopped.step < stop:
        next(records)
    records.close()
    save(tmp_path, stopped.state())
    state, _ = load(tmp_path)
    assert network_in(state).keys() == whole.state_dict().keys()
    again = made(CHAIN, plan)
    for tensor in again.state_dict().values():
        tensor.fill_(9)  # all of it comes from the state
    again.load_state_dict(network_in(state))
    resumed, cut = on_maps(again, plan, parts)
    resumed.restore(state)
    finished(resumed, *cut.parts)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_a_run_on_maps_may_go_on_as_a_whole(parts):
    plan = planned(CHAIN)
    stopped, cut = on_maps(made(CHAIN, plan), plan, parts)
    records = learn(stopped, *cut.parts)
    while stopped.step < 13:
        next(records)
    records.close()
    state, again = stopped.state(), made(CHAIN, plan)
    resumed = Learner(again, objective(plan), len(parts[0]))
    resumed.restore(state)
    resumed.step_back()  # also to the last good moment
    assert torch.equal(again.state_dict()["one.conv1.weight"], cut.front.state_dict()["one.conv1.weight"])


def test_where_maps_cannot_be_kept_it_is_said_why(parts):
    plan = planned(CHAIN)
    live = made(CHAIN, plan)
    few = behind(live, objective(plan), parts, share=1e-9)
    assert isinstance(few, str) and "maps would take 0.0 GB" in few
    moved = behind(live, objective(planned(CHAIN, "flip, shift 0.1")), parts)
    assert moved == "the pictures are augmented by flip, shift 0.1, so that none comes twice"
    data = load_data("digits")
    cutting = replace(parts[0], pixels=Roomy(data, data.volume(), parse_augment("resizedcrop 0.5:1"), Kept()))
    assert "cuts its own pieces" in str(behind(live, objective(plan), (cutting, parts[1])))
    free = behind(lived(build(parse(CHAIN))), objective(plan), parts)
    assert free == "no part of the network in front of what is trained is frozen"
    with pytest.raises(SettingError, match="maps cannot be kept in fp8"):
        behind(live, objective(plan), parts, precision="fp8")


def test_between_full_and_half_precision_memory_decides(parts):
    plan = planned(CHAIN)
    needed = 4 * 8 * 4 * 4 * sum(len(part.samples) for part in parts)
    there = devices.memory(CPU) or ASSUMED
    found = behind(made(CHAIN, plan), objective(plan), parts, share=0.75 * needed / there)
    assert isinstance(found, Behind) and found.precision == "fp16"


def test_a_front_of_full_layers_gives_rows(parts):
    text = "INPUT 8x8x1 -> CONV 4 3x3 -> RELU -> FC 24 -> RELU -> FC 12 -> RELU -> FC 10"
    plan = Plan(2, 128, 0.02, rates=(("conv1", 0.0), ("fc1", 0.0)))
    whole, cut = made(text, plan), made(text, plan)
    judge = Learner(whole, objective(plan), len(parts[0]))
    learner, found = on_maps(cut, plan, parts)
    assert found.volume == Volume(24, 1, 1)
    finished(judge, *parts)
    finished(learner, *found.parts)
    for name, tensor in cut.state_dict().items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=1e-4, atol=1e-5)
    again = joined(found.front, found.rest)
    assert [name for name, _ in again.named_modules()] == [name for name, _ in cut.named_modules()]
    pictures = torch.randn(3, 1, 8, 8)
    assert torch.equal(again.eval()(pictures), cut.eval()(pictures))


# Where a network is cut


def frozen(text: str, *names: str) -> nn.Module:
    live = build(parse(text))
    prepare_(live, Plan(1, 8, 0.1, rates=tuple((name, 0.0) for name in names)))
    return live


@pytest.mark.parametrize(
    ("text", "names", "front"),
    [
        ("CONV 4 -> RELU -> POOL -> CONV 4 -> FC 3", ("conv1",), "conv1 relu1 pool1"),
        ("CONV 4 -> DROPOUT 0.5 -> CONV 4 -> FC 3", ("conv1", "conv2"), "conv1"),  # dropout is new at each step
        ("CONV 4 -> BN -> CONV 4 -> FC 3", ("conv1",), "conv1"),  # a norm that learns
        ("CONV 4 -> BN -> CONV 4 -> FC 3", ("conv1", "bn1"), "conv1 bn1"),
        ("CONV 4 -> CONV 4 -> FC 3", ("conv2",), None),
        ("CONV 4 -> (CONV 4 + SKIP) -> FC 3", ("conv1",), "conv1"),
        ("CONV 4 -> (CONV 4 + CONV 4) -> RELU -> FC 3", ("conv1", "conv2"), "conv1"),  # both branches or none
        ("CONV 4 -> (CONV 4 | CONV 4) -> FC 3", ("conv1", "conv2", "conv3"), "conv1 conv2 conv3 concat1 fc1-flatten"),
        ("CONV 4 -> s: AUX 0.3 [FC 3] -> CONV 4 -> FC 3", ("conv1", "s", "conv2"), "conv1 s conv2 fc1-flatten"),
        ("CONV 4 -> s: AUX 0.3 [FC 3] -> CONV 4 -> FC 3", ("conv1", "conv2"), "conv1"),  # the head learns from conv1
        ("POOL -> CONV 4 -> FC 3", (), None),
    ],
)  # fmt: skip
def test_the_front_is_as_long_as_it_can_be_and_joins_again(text, names, front):
    live = frozen(f"INPUT 8x8x3 -> {text}", *names)
    found = split(live)
    if front is None:
        assert found is None
        return
    assert found is not None
    assert " ".join(name for name, _ in found[0].named_children()) == front
    again = joined(*found)
    assert type(again) is type(live)
    assert [name for name, _ in again.named_modules()] == [name for name, _ in live.named_modules()]
    assert all(one is other for one, other in zip(again.parameters(), live.parameters(), strict=True))
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(again.eval()(x), live.eval()(x))
    assert torch.equal(found[1].eval()(found[0].eval()(x)), live(x))


def test_networks_of_the_zoo_are_cut_between_their_stages():
    for name, start in (("mobilenet-v2", "stage6"), ("resnet-18", "stage4"), ("googlenet", "inception5a")):
        live = on_meta(lambda name=name: build(parse(find(name).text)))
        tops = list(dict.fromkeys(weight.partition(".")[0] for weight, _ in live.named_parameters()))
        prepare_(live, Plan(1, 8, 0.1, rates=tuple((top, 0.0) for top in tops[: tops.index(start)])))
        found = split(live)
        assert found is not None
        assert next(iter(found[1].named_children()))[0] == start
        assert {**found[0].state_dict(), **found[1].state_dict()}.keys() == live.state_dict().keys()


def test_what_is_no_chain_and_no_graph_is_not_cut():
    assert split(nn.Conv2d(3, 3, 1).requires_grad_(False)) is None
    with pytest.raises(TypeError, match="only a chain or a graph"):
        joined(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    assert isinstance(joined(*split(frozen(GRAPH, "conv1", "bn1"))), Graph)


def test_the_doctor_does_not_ask_maps_to_lie_about_0(parts):
    plan = planned(CHAIN)
    doctor = Doctor(10, 0.02, *parts)
    live = made(CHAIN, plan)
    with torch.no_grad():
        live.get_submodule("bn1").bias.add_(50)
    found = behind(live, objective(plan), parts)
    assert isinstance(found, Behind)
    learner = Learner(found.rest, found.objective(objective(plan)), len(parts[0]), doctor, found.front)
    _, findings = learner.update([next(found.parts[0].epoch(0, 1))])
    assert "inputs" not in [finding.kind for finding in findings]
    assert doctor.told()["said"].count("inputs") == 1
