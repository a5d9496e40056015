import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.learn import choosing
from torchbeam.learn.choosing import Chosen, choose_way
from torchbeam.learn.way import Way
from torchbeam.network.build import build

CPU = torch.device("cpu")
NET = "INPUT 16x16x3 -> CONV 8 3x3 -> BN -> RELU -> POOL -> DROPOUT 0.5 -> FC 10"
FP32, FP32_LAST, BF16, BF16_LAST = (Way(name, last, 2) for name in ("fp32", "bf16") for last in (False, True))
ONE = Way("fp32", False, 1)
ENOUGH = 10**5  # steps of a run that is long enough for choosing to pay


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def choose(
    network: nn.Module,
    cache: Path,
    steps: int = ENOUGH,
    precision: str = "auto",
    compiled: bool | None = False,
    seconds: float = 1.0,
) -> Chosen:
    return choose_way(
        network,
        Volume(3, 16, 16),
        8,
        CPU,
        steps,
        precision=precision,
        compiled=compiled,
        cache=cache,
        seconds=seconds,
    )


class Remembered:
    """A machine whose cache holds timings that were written by hand."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.network = cache, build(parse(NET))
        choose(self.network, cache, steps=1)
        (self.path,) = (cache / "ways").iterdir()
        self.first = json.loads(self.path.read_text())

    def write(self, seconds: dict[Way, float | str], steady: bool = True, at: float | None = None) -> None:
        timings = [
            {"way": way.to_json()} | ({"dropped": s} if isinstance(s, str) else dict.fromkeys(KINDS, s))
            for way, s in seconds.items()
        ]
        now = time.time() if at is None else at
        self.path.write_text(json.dumps({"timings": timings, "steady": steady, "at": now}))

    def choose(self, seconds: dict[Way, float | str], steps: int = ENOUGH, **told) -> Chosen:
        self.write(seconds)
        return choose(self.network, self.cache, steps, **told)


KINDS = ("least", "usual", "first")


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> Remembered:
    torch.set_num_threads(2)
    return Remembered(tmp_path_factory.mktemp("machine"))


def test_choosing_disturbs_nothing_and_is_remembered(tmp_path):
    torch.manual_seed(0)
    network = build(parse(NET)).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    drawn = torch.get_rng_state()
    chosen = choose(network, tmp_path, seconds=0.1)
    assert not chosen.remembered
    assert {ONE, FP32} < {timing.way for timing in chosen.timings}
    of_threads = [t.way for t in chosen.timings if t.way.threads == chosen.way.threads]
    assert [(way.precision, way.channels_last) for way in of_threads] == [
        (name, last) for name in ("fp32", "bf16") for last in (False, True)
    ]
    assert all(timing.dropped or 0 < timing.least <= timing.usual for timing in chosen.timings)
    assert chosen.step_seconds == next(t.usual for t in chosen.timings if t.way == chosen.way)
    assert not network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.get_parameter("conv1.weight").stride() == (27, 9, 3, 1)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.get_num_threads() == 2

    again = choose(network, tmp_path)
    assert again.remembered
    assert (again.way, again.reason) == (chosen.way, chosen.reason)
    assert again.to_json()["timings"] == chosen.to_json()["timings"]
    assert json.loads(json.dumps(chosen.to_json()))["reason"] == chosen.reason


@pytest.mark.parametrize(
    "other",
    [{"batch": 9}, {"volume": Volume(3, 20, 20)}, {"text": NET.replace("RELU", "TANH")}, {"threads": 1}],
    ids=str,
)
def test_another_network_batch_or_machine_is_measured_for_itself(machine, other):
    network = build(parse(other.get("text", NET).replace("16x16", "20x20" if "volume" in other else "16x16")))
    torch.set_num_threads(other.get("threads", 2))
    volume, batch = other.get("volume", Volume(3, 16, 16)), other.get("batch", 8)
    chosen = choose_way(network, volume, batch, CPU, 1, compiled=False, cache=machine.cache)
    assert not chosen.remembered


def test_graphs_that_are_joined_in_another_way_are_told_apart(tmp_path):
    texts = [f"INPUT 16x16x3 -> CONV 3 3x3 -> (SKIP {sign} CONV 3 1x1) -> CONV 4 -> FC 10" for sign in "+|"]
    one, other = (build(parse(text)) for text in [*texts[:1], texts[0].replace("(SKIP + CONV 3 1x1)", "CONV 3 1x1")])
    choose(one, tmp_path, steps=1)
    assert not choose(other, tmp_path, steps=1).remembered
    assert choose(one, tmp_path, steps=1).remembered


def test_a_short_run_is_not_held_up(tmp_path):
    chosen = choose(build(parse(NET)), tmp_path, steps=1)
    assert chosen.way == FP32
    assert [timing.way for timing in chosen.timings] == [FP32]
    assert chosen.reason.endswith(" s a step, in a run too short for choosing to pay")


def test_a_way_must_win_by_a_tenth(machine):
    timings = {FP32: 1.0, ONE: 1.9, FP32_LAST: 0.95, BF16: 0.93}
    chosen = machine.choose(timings | {BF16_LAST: 0.92})
    assert chosen.way == FP32
    assert chosen.reason == "fp32 on 2 threads: 1 s a step; nothing else was a tenth faster"
    chosen = machine.choose(timings | {BF16_LAST: 0.32})
    assert chosen.remembered
    assert chosen.way == BF16_LAST
    assert chosen.reason == "bf16, channels_last on 2 threads: 0.32 s a step, 3.1 times as fast as fp32 (1 s)"
    assert machine.choose({FP32: 1.0, ONE: 1.9, FP32_LAST: 0.5, BF16: 0.46, BF16_LAST: 0.47}).way == FP32_LAST


def test_fewer_threads_must_win_by_a_quarter_and_then_all_are_measured_on_them(machine):
    rest = {FP32_LAST: 1.0, BF16: 1.0, BF16_LAST: 1.0}
    assert machine.choose({FP32: 1.0, ONE: 0.85} | rest).way == FP32
    on_one = {Way("fp32", True, 1): 0.6, Way("bf16", False, 1): 0.3, Way("bf16", True, 1): 0.2}
    chosen = machine.choose({FP32: 1.0, ONE: 0.5} | on_one)
    assert chosen.remembered
    assert chosen.reason == (
        "bf16, channels_last on 1 thread: 0.2 s a step, 5.0 times as fast as fp32 on 2 threads (1 s)"
    )


def test_compiling_must_pay_for_itself(machine):
    timings = {FP32: 0.1, ONE: 0.2, FP32_LAST: 0.1, BF16: 0.1, BF16_LAST: 0.1}
    compiled = Way("fp32", False, 2, True)
    hour = 36_000  # steps of 0.1 s
    assert machine.choose(timings, hour // 4, compiled=None).way == FP32  # a quarter of an hour: not even tried
    machine.write(timings | {compiled: 0.05})
    text = json.loads(machine.path.read_text())
    # Compiled twice by the run: 2 * 800 s and 0.05 s a step are no tenth less than an hour, 2 * 700 s are.
    for first, way in ((800.0, FP32), (700.0, compiled)):
        text["timings"][-1]["first"] = first
        machine.path.write_text(json.dumps(text))
        assert choose(machine.network, machine.cache, hour, compiled=None).way == way
        assert choose(machine.network, machine.cache, hour, compiled=False).way == FP32
        assert choose(machine.network, machine.cache, hour, compiled=True).way == compiled


def test_compiling_that_was_told_and_failed_is_an_error(machine):
    timings = {FP32: 0.1, ONE: 0.2, FP32_LAST: 0.1, BF16: 0.1, BF16_LAST: 0.1}
    timings |= {Way("fp32", False, 2, True): "InductorError: no such instruction"}
    assert machine.choose(timings, compiled=None).way == FP32
    with pytest.raises(SettingError, match="this network cannot be compiled here") as caught:
        machine.choose(timings, compiled=True)
    assert "no such instruction" in str(caught.value)


def test_compiling_without_a_compiler_is_refused_where_it_was_told(machine, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert shutil.which("g++") is None
    with pytest.raises(SettingError, match=r"compiling a network for the CPU needs a C\+\+ compiler"):
        machine.choose({}, steps=1, compiled=True)
    assert machine.choose({FP32: 0.1, ONE: 0.2, FP32_LAST: 0.1, BF16: 0.1, BF16_LAST: 0.1}, compiled=None).way == FP32


def test_a_network_is_compiled_where_it_was_told(tmp_path):
    chosen = choose(build(parse("INPUT 16x16x3 -> FC 10")), tmp_path, steps=1, compiled=True)
    plain, compiled = chosen.timings
    assert chosen.way == compiled.way == Way("fp32", False, 2, True)
    assert compiled.first > plain.first  # the first step compiles, which takes a compiler's time


def test_a_precision_that_was_told_is_taken(machine):
    seconds = {FP32: 0.1, ONE: 0.2, FP32_LAST: 0.05, BF16: 0.5, BF16_LAST: 0.4, Way("bf16", False, 1): 0.9}
    assert machine.choose(seconds, precision="bf16").way == BF16_LAST
    assert machine.choose(seconds, precision="fp32").way == FP32_LAST
    chosen = machine.choose({}, steps=1, precision="bf16")
    assert chosen.way == BF16
    with pytest.raises(SettingError, match="no precision half") as caught:
        machine.choose({}, precision="half")
    assert "expected  auto, fp32, bf16, fp16" in str(caught.value)


def test_a_network_of_full_layers_has_no_layout(tmp_path):
    chosen = choose(build(parse("INPUT 16x16x3 -> FC 8 -> RELU -> FC 10")), tmp_path, precision="fp32", seconds=0.02)
    assert {timing.way.channels_last for timing in chosen.timings} == {False}
    if chosen.way == FP32:
        assert chosen.reason.endswith(", as told")


def test_side_heads_are_trained_too(tmp_path):
    text = "INPUT 16x16x3 -> CONV 4 3x3 -> side: AUX 0.3 [FC 10] -> RELU -> FC 10"
    chosen = choose(build(parse(text)), tmp_path, seconds=0.02)
    assert [timing.dropped for timing in chosen.timings] == [""] * 5


class Picky(nn.Module):
    """A layer that computes in one precision and one order in memory alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x_NCHW):
        if not x_NCHW.is_contiguous():
            raise ValueError("channels are not first\nas they must be")
        made = self.conv(x_NCHW)
        return made * float("nan") if made.dtype == torch.bfloat16 else made


def test_ways_that_fail_are_dropped_with_the_reason(tmp_path):
    chosen = choose(Picky(), tmp_path, seconds=0.02)
    dropped = {(t.way.precision, t.way.channels_last): t.dropped for t in chosen.timings}
    assert dropped == {
        ("fp32", False): "",
        ("fp32", True): "ValueError: channels are not first",
        ("bf16", False): "ArithmeticError: the scores are no numbers in bf16",
        ("bf16", True): "ValueError: channels are not first",
    }
    assert choose(Picky(), tmp_path).to_json()["timings"] == chosen.to_json()["timings"]


def test_what_fails_in_the_plainest_way_is_raised_as_it_is(tmp_path):
    network = build(parse("INPUT 16x16x3 -> FC 4 -> BN -> FC 10"))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        choose_way(network, Volume(3, 16, 16), 1, CPU, 100, cache=tmp_path)
    assert not (tmp_path / "ways").exists()


class Slow(nn.Module):
    """A layer that takes long, and ten times as long in bfloat16, as on a CPU that has no instructions for it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(768, 10)
        self.steps: list[tuple[str, int]] = []

    def __deepcopy__(self, memo):
        return self  # so that the test sees the calls

    def forward(self, x_NCHW):
        made = self.layer(x_NCHW.flatten(1))
        name = "bf16" if made.dtype == torch.bfloat16 else "fp32"
        self.steps.append((name, len(x_NCHW)))
        time.sleep(0.005 * len(x_NCHW) * (10 if name == "bf16" else 1))
        return made


def test_a_hopeless_way_is_given_up_before_a_whole_step(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "TASTED_FROM", 0.1)  # seconds of a step: the test is not to last
    torch.set_num_threads(1)
    network = Slow()
    chosen = choose_way(network, Volume(3, 16, 16), 32, CPU, 100, compiled=False, cache=tmp_path, seconds=0.1)
    (bf16,) = (timing for timing in chosen.timings if timing.way.precision == "bf16")
    assert " s for 4 of 32 pictures, where fp32 on 1 thread takes 0." in bf16.dropped
    assert {count for name, count in network.steps if name == "bf16"} == {4}
    assert chosen.way.precision == "fp32"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe{",
        b"[" * 100_000,
        b"[]",
        b'{"timings": 3, "steady": true, "at": 0}',
        b'{"timings": [{"way": {}}], "steady": true, "at": 0}',
        json.dumps({"timings": [{"way": FP32.to_json()}], "steady": True, "at": 0}).encode(),
        json.dumps({"timings": [{"way": FP32.to_json()} | dict.fromkeys(KINDS, -1.0)], "steady": True}).encode(),
        json.dumps({"timings": [{"way": FP32.to_json()} | dict.fromkeys(KINDS, float("nan"))]}).encode(),
    ],
    ids=range(9),
)
def test_a_damaged_memory_is_measured_anew(machine, content):
    machine.path.write_bytes(content)
    assert not choose(machine.network, machine.cache, steps=1).remembered
    assert choose(machine.network, machine.cache, steps=1).remembered


def test_a_cache_that_cannot_be_written_is_gone_without(tmp_path):
    (tmp_path / "ways").write_text("a file where the folder should be")
    network = build(parse(NET))
    assert not choose(network, tmp_path, steps=1).remembered
    assert not choose(network, tmp_path, steps=1).remembered


def test_what_was_measured_on_a_busy_machine_is_trusted_for_an_hour(machine):
    for steady, age, remembered in ((False, 60, True), (False, 3700, False), (True, 10**8, True)):
        machine.write({FP32: 0.001}, steady, time.time() - age)
        assert choose(machine.network, machine.cache, steps=1).remembered is remembered


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=4, max_size=4))
def test_what_is_chosen_is_the_plainest_or_a_tenth_faster(machine, seconds):
    timings = dict(zip((FP32, FP32_LAST, BF16, BF16_LAST), seconds, strict=True))
    chosen = machine.choose(timings | {ONE: 11.0})
    assert chosen.way == FP32 or timings[chosen.way] * 1.1 < timings[FP32]
    assert timings[chosen.way] <= min(seconds) * 1.1 + 1e-6  # nothing is passed over that is a tenth faster


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and there is none on this machine")
def test_a_gpu_is_measured_too(tmp_path):
    network = build(parse(NET))
    place = torch.device("cuda")
    chosen = choose_way(network, Volume(3, 16, 16), 64, place, ENOUGH, compiled=False, cache=tmp_path)
    assert len(chosen.timings) == 4
    assert all(timing.way.threads == 0 for timing in chosen.timings)
    assert next(network.parameters()).device.type == "cpu"
