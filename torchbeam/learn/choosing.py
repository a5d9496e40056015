"""Choosing by measuring: the way in which this machine trains this network fastest.

Training steps of a copy, on random pictures, are timed in turn for every way there is (A B C, A B C, ...), so that
what else the machine does falls on all alike. A way is taken over a plainer one where it wins by a tenth. What was
measured is remembered in the cache, so that the same machine makes the same choice again.
"""

import contextlib
import copy
import hashlib
import json
import math
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from torchbeam.data.cachefolder import cache_folder
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError, TorchbeamError
from torchbeam.files import write_whole
from torchbeam.learn.way import PRECISIONS, Way, from_json
from torchbeam.network.graph import Graph, Outputs

SECONDS = 3.0  # that choosing takes where steps are short
SHARE = 0.02  # of the run that choosing takes at most, beyond two steps of each way
SHORT = 5.0  # seconds of a run in which there is nothing to win
LONG = 20 * 60.0  # seconds of a run from which on compiling is tried
WIN = 1.1  # how many times as fast a way is that is taken over a plainer one
SURE_ROUNDS, MOST_ROUNDS = 3, 15
HOPELESS = 2.0  # times the best: not timed again
# Where a step takes long, a way is first tried on an eighth of the pictures: without instructions of its own for
# bfloat16 a CPU may take ten times as long for it.
TASTED_FROM, TASTED = 0.5, 8
# Fewer threads wait less for each other. In small steps that pays on any machine; in larger ones only where other
# programs hold some of the cores, which may pass.
WIN_OF_FEWER, SMALL_STEP = 1.25, 0.1
# What was measured while a machine was busy is not trusted for long: the second-best step may take as many times the
# best, and what differs more is measured anew after so many seconds.
STEADY, TRUSTED = 1.3, 3600.0


@dataclass(frozen=True, slots=True)
class Timing:
    """A way that was tried: seconds a step, the least and the usual (the median), and of the first step, in which a
    compiled network is compiled; or why it was dropped."""

    way: Way
    least: float = math.inf
    usual: float = math.inf
    first: float = math.inf
    dropped: str = ""

    def to_json(self) -> dict[str, Any]:
        """As config.json and the cache keep it."""
        times = {"least": self.least, "usual": self.usual, "first": self.first}
        return {"way": self.way.to_json()} | ({"dropped": self.dropped} if self.dropped else times)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The way to take. timings: of every way tried, the plainest first. reason: one sentence. seconds: what choosing
    took. remembered: whether all timings are from the cache."""

    way: Way
    reason: str
    timings: tuple[Timing, ...]
    seconds: float
    remembered: bool

    @property
    def step_seconds(self) -> float:
        """The usual seconds of a training step in the way chosen, without those of making its batch."""
        return next(each.usual for each in self.timings if each.way == self.way)

    def to_json(self) -> dict[str, Any]:
        """As it stands in config.json beside the way."""
        return {
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "remembered": self.remembered,
            "timings": [each.to_json() for each in self.timings],
        }


def choose_way(
    network: nn.Module,
    volume: Volume,
    batch_size: int,
    device: torch.device,
    expected_steps: int,
    *,
    precision: str = "auto",
    compiled: bool | None = None,
    cache: str | Path | None = None,
    seconds: float = SECONDS,
) -> Chosen:
    """The fastest way to train `network` on batches of that many pictures of `volume`, measured or remembered.

    precision: 'auto' for what is fastest of fp32 and what half precision the device has; else the one told.
    compiled: None for where it pays within expected_steps. seconds: that measuring may take; it always takes two
    steps of each way, and at most 2 % of the run where that is more. cache: its folder; None for the usual one.

    Neither the network nor random numbers nor the number of threads are changed. Raises SettingError for a precision
    that is none and where compiling was told and cannot be done, and whatever the network raises when it is trained
    in the plainest way.
    """
    begun = time.perf_counter()
    asked = _asked(network, device, expected_steps, precision, compiled)
    path = cache_folder(cache) / "ways" / f"{_digest(network, volume, batch_size, device)}.json"
    timings = _remembered(path)
    with _undisturbed(device):
        trial: _Trial | None = None
        while isinstance(answer := _settled(asked, timings), _Untimed):
            if trial is None:
                trial = _Trial(network, volume, batch_size, device, asked, seconds)
                timings |= trial.timed(asked.ways[:1])  # how long the run is tells how long choosing may take
            else:
                timings |= trial.timed(answer.ways)
    if trial is not None:
        gave_way = answer[0].threads < asked.ways[0].threads and timings[answer[0]].least > SMALL_STEP
        _remember(path, timings, trial.steady and not gave_way)
    plainest_first = sorted(timings.values(), key=lambda each: _plainness(each.way))
    return Chosen(*answer, tuple(plainest_first), time.perf_counter() - begun, trial is None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """ways: those that may be taken, on all threads and not compiled, the plainest first."""

    ways: tuple[Way, ...]
    compiled: bool | None
    steps: int


def _asked(network: nn.Module, device: torch.device, steps: int, precision: str, compiled: bool | None) -> _Asked:
    if precision not in ("auto", *PRECISIONS):
        raise SettingError(f"no precision {precision}", expected="auto, " + ", ".join(PRECISIONS))
    if compiled and not _compiler(device):
        raise SettingError(
            "compiling a network for the CPU needs a C++ compiler, and none was found",
            expected="g++, clang++ or cl on the path",
            remedy="install one, or leave --compile out",
        )
    if compiled is None and not _compiler(device):
        compiled = False
    names = _precisions(device) if precision == "auto" else (precision,)
    # Only the weights of convolutions have an order of channels.
    layouts = (False, True) if any(each.ndim == 4 for each in network.parameters()) else (False,)
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    return _Asked(tuple(Way(name, last, threads) for name in names for last in layouts), compiled, steps)


def _precisions(device: torch.device) -> tuple[str, ...]:
    """What may be taken unasked: fp16 needs care that bf16 does not, and is for GPUs that lack the latter."""
    if device.type == "cuda":
        return ("fp32", "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16")
    return ("fp32", "bf16") if device.type == "cpu" else ("fp32",)


def _compiler(device: torch.device) -> bool:
    """Whether torch.compile has what it needs, as far as can be told beforehand."""
    if device.type == "cpu":
        return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "c++", "clang++", "cl"))
    return device.type == "cuda"


def _plainness(way: Way) -> tuple[bool, int, int, bool]:
    """Smaller is plainer."""
    return way.compiled, -way.threads, list(PRECISIONS).index(way.precision), way.channels_last


@dataclass(frozen=True, slots=True)
class _Untimed:
    """Ways that must be timed, beside each other, before there is an answer."""

    ways: tuple[Way, ...]


def _settled(asked: _Asked, timings: dict[Way, Timing]) -> tuple[Way, str] | _Untimed:
    """The way to take and why, or what has to be timed first.

    A function of the timings alone, so that remembered ones give the same answer. Raises SettingError where
    compiling was told and failed.
    """
    if asked.ways[0] not in timings:
        return _Untimed(asked.ways[:1])
    plain = best = timings[asked.ways[0]]
    short = plain.usual * asked.steps < SHORT
    if not short:
        while best.way.threads > 1:
            way = replace(best.way, threads=best.way.threads // 2)
            if way not in timings:
                return _Untimed((best.way, way))
            if timings[way].least * WIN_OF_FEWER >= best.least:
                break
            best = timings[way]
        ways = tuple(replace(way, threads=best.way.threads) for way in asked.ways)
        if not timings.keys() >= set(ways):
            return _Untimed(ways)
        for other in (timings[way] for way in ways):
            best = other if other.least * WIN < best.least else best
    if asked.compiled or (asked.compiled is None and best.usual * asked.steps > LONG):
        way = replace(best.way, compiled=True)
        if way not in timings:
            return _Untimed((best.way, way))
        compiled = timings[way]
        if asked.compiled and compiled.dropped:
            raise SettingError(
                "this network cannot be compiled here", got=compiled.dropped, remedy="leave --compile out"
            )
        # A run compiles anew, and once more for a last batch that is smaller.
        with_it = 2 * compiled.first + compiled.least * asked.steps
        if asked.compiled or with_it * WIN < best.least * asked.steps:
            best = compiled
    return best.way, _reason(asked, best, plain, short)


def _reason(asked: _Asked, best: Timing, plain: Timing, short: bool) -> str:
    said = f"{best.way}: {best.least:.3g} s a step"
    if best.way == plain.way:
        if short:
            return f"{said}, in a run too short for choosing to pay"
        return f"{said}, as told" if len(asked.ways) == 1 else f"{said}; nothing else was a tenth faster"
    threads = 0 if plain.way.threads == best.way.threads else plain.way.threads
    times = plain.least / best.least
    return f"{said}, {times:.1f} times as fast as {replace(plain.way, threads=threads)} ({plain.least:.3g} s)"


class _Trial:
    """A copy of a network, on which ways are timed with random pictures."""

    def __init__(
        self,
        network: nn.Module,
        volume: Volume,
        batch_size: int,
        device: torch.device,
        asked: _Asked,
        seconds: float,
    ) -> None:
        self.device, self.asked, self.seconds = device, asked, seconds
        self.plain = asked.ways[0]
        self.network = copy.deepcopy(network).train()
        self.compiled: dict[Way, nn.Module] = {}
        shape = (batch_size, volume.channels, volume.height, volume.width)
        self.pictures_NCHW = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
        # At a rate of 0 the arithmetic of an update is done, and every way starts from the same weights.
        learnt = [each for each in self.network.parameters() if each.requires_grad]
        self.optimiser = torch.optim.SGD(learnt, lr=0.0)
        self.known: dict[Way, Timing] = {}
        self.steady = True

    def timed(self, ways: Sequence[Way]) -> dict[Way, Timing]:
        """A Timing of each way. Raises what the network raises in the plainest of all."""
        begun = time.perf_counter()
        firsts = {way: self.known[way].first for way in ways if way in self.known and not self.known[way].dropped}
        firsts |= {way: first for way in ways if way not in self.known and (first := self._tried(way, self._first))}
        live, times = list(firsts), {way: list[float]() for way in firsts}
        for done in range(MOST_ROUNDS):
            cost = sum(times[way][-1] for way in live) if done else 0.0
            if done and time.perf_counter() - begun + cost > self._budget(done):
                break
            for way in list(live):
                seconds = self._tried(way, self._step)
                if seconds is None:
                    live.remove(way)
                    del times[way]
                else:
                    times[way].append(seconds)
            best = min(map(min, times.values()), default=math.inf)
            live = [way for way in live if min(times[way]) < HOPELESS * best]
        for way, seconds in times.items():
            self.steady &= len(seconds) < 2 or sorted(seconds)[1] < STEADY * min(seconds)
            least, usual = min(seconds), statistics.median(seconds)
            self.known[way] = Timing(way, round(least, 7), round(usual, 7), round(firsts[way], 7))
        return {way: self.known[way] for way in ways}

    def _budget(self, rounds: int) -> float:
        """Seconds that these ways may be timed for, after so many rounds."""
        if self.plain not in self.known:  # a second step of the plainest tells how long the run is
            return 0.0
        share = SHARE * self.known[self.plain].usual * self.asked.steps
        return share if rounds < SURE_ROUNDS else min(self.seconds, share)

    def _tried(self, way: Way, step: Callable[[Way], float]) -> float | None:
        """The seconds of a step, or None where the way was dropped."""
        try:
            return step(way)
        except Exception as error:  # a way that fails is one that is not taken, whatever it failed of
            if way == self.plain:
                raise
            first = str(error).strip().partition("\n")[0]
            why = first if isinstance(error, _Slow) else f"{type(error).__name__}: {first}".removesuffix(": ")
            self.known[way] = Timing(way, dropped=why)
            return None

    def _first(self, way: Way) -> float:
        """The first step in a way, which is slower. Raises _Slow, before it where steps are long."""
        plain, count = self.known.get(self.plain), len(self.pictures_NCHW)
        few = max(2, count // TASTED)
        if plain and not way.compiled and plain.least > TASTED_FROM and few < count:
            foreseen = plain.least * few / count
            # Fewer threads that are not faster here would take the longer for the whole batch.
            most = foreseen * (HOPELESS if way.threads == plain.way.threads else 1.0)
            seconds = self._step(way, few)
            if seconds > most:  # it was the first of its kind
                seconds = min(seconds, self._step(way, few))
            if seconds > most:
                raise _Slow(f"{seconds:.2g} s for {few} of {count} pictures, where {plain.way} takes {foreseen:.2g} s")
        return self._step(way)

    def _step(self, way: Way, pictures: int | None = None) -> float:
        """The seconds of one training step. Raises ArithmeticError where it gives no numbers."""
        called = self._ready(way)
        self.optimiser.zero_grad()
        self._wait()
        begun = time.perf_counter()
        laid = way.laid(self.pictures_NCHW[:pictures])
        with way.autocast(self.device):
            loss = _loss(called(laid))
        loss.backward()
        self.optimiser.step()
        value = loss.item()
        self._wait()
        seconds = time.perf_counter() - begun
        if not math.isfinite(value) and way.precision != "fp32":
            raise ArithmeticError(f"the scores are no numbers in {way.precision}")
        return seconds

    def _ready(self, way: Way) -> nn.Module:
        """What is to be called; one copy lies now in this order, now in that."""
        if not way.compiled:
            return way.ready(self.network, self.device)
        replace(way, compiled=False).ready(self.network, self.device)
        if way not in self.compiled:
            self.compiled[way] = way.ready(self.network, self.device)
        return self.compiled[way]

    def _wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


class _Slow(Exception):
    """A way so much slower that it is not worth a whole step."""


def _loss(outputs: Tensor | Outputs) -> Tensor:
    """What any network can make small: the mean square of its scores, and of its side heads'."""
    if isinstance(outputs, Tensor):
        return outputs.float().square().mean()
    return _loss(outputs.scores) + sum(weight * _loss(scores) for weight, scores in outputs.sides)


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """Random numbers and threads are afterwards what they were."""
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(threads)


def _digest(network: nn.Module, volume: Volume, batch_size: int, device: torch.device) -> str:
    """What the timings hold for: the network, its batches, and the machine."""
    # The text of a graph names its layers, and not how they are joined.
    wiring = [module.runs for module in network.modules() if isinstance(module, Graph)]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    machine = [name, _processor(), os.cpu_count(), torch.get_num_threads(), torch.__version__]
    frozen = [name for name, weight in network.named_parameters() if not weight.requires_grad]
    held = ["1", str(network), repr(wiring), frozen, str(volume), batch_size, *machine]
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:32]


def _processor() -> str:
    """The CPU's model, and its instructions: virtual machines hide some behind one name."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # not on Linux
        return platform.processor()
    lines = text.partition("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))


def _remembered(path: Path) -> dict[Way, Timing]:
    """What was measured before; nothing where the file is missing, damaged, or of an hour in which the machine was
    busy with something else."""
    try:
        told = json.loads(path.read_text("utf-8"))
        timings = [_timing(each) for each in told["timings"]]
        if not told["steady"] and not 0 <= time.time() - told["at"] < TRUSTED:
            return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SettingError):
        return {}
    return {timing.way: timing for timing in timings}


def _timing(told: dict[str, Any]) -> Timing:
    """A Timing as to_json gave it. Raises ValueError, KeyError, TypeError or SettingError where it is none."""
    way = from_json(told["way"])
    if "dropped" in told:
        return Timing(way, dropped=str(told["dropped"]))
    least, usual, first = (float(told[name]) for name in ("least", "usual", "first"))
    if not all(0 < value < math.inf for value in (least, usual, first)):
        raise ValueError("a step takes some time")
    return Timing(way, least, usual, first)


def _remember(path: Path, timings: dict[Way, Timing], steady: bool) -> None:
    """Keep what was measured; a cache that cannot be written is gone without."""
    told = {"timings": [each.to_json() for each in timings.values()], "steady": steady, "at": time.time()}
    with contextlib.suppress(OSError, TorchbeamError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(told, indent=1) + "\n")
