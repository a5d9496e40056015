"""The fastest way in which a backbone gives the same codes: one batch, computed in each way there is, timed and
compared. The choice is remembered in the cache, so that the same codes are asked for the next time."""

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchbeam.data.cachefolder import cache_folder
from torchbeam.errors import SettingError, TorchbeamError
from torchbeam.files import write_whole
from torchbeam.learn.codes import Features, pool
from torchbeam.learn.way import PLAIN, Way, from_json

WIN = 1.1  # how many times as fast a way is that is taken over a plainer one
# The most that a picture's codes may lie from those in fp32, as a share of their length: bf16 keeps 8 bits, which
# rounds each number by up to 0.4 %, and layers average that out.
APART = 0.02
ROUNDS = 3
TASTED, HOPELESS = 8, 2.0  # a way that takes so many times the plain one for an eighth of the batch is not tried on all
WAYS = (PLAIN, Way("fp32", channels_last=True), Way("bf16", channels_last=True))


@dataclass(frozen=True, slots=True)
class Trial:
    """A way, the least seconds that it took for the batch (infinite where it was given up or failed), and how far the
    codes lay from those in fp32, of the picture and stage where that is most."""

    way: Way
    seconds: float
    apart: float


@dataclass(frozen=True, slots=True)
class Precision:
    """The way to take, why, in a sentence, and what was tried, the plainest first; nothing where it is remembered."""

    way: Way
    reason: str
    trials: tuple[Trial, ...] = ()


def precision_for(
    features: Features, pictures_NCHW: Tensor, backbone: str, *, cache: str | Path | None = None
) -> Precision:
    """The way in which `features` is computed fastest on pictures like these, with codes like those in fp32.

    pictures_NCHW: a batch as codes will be computed in, normalised, on the device. backbone: the digest of its
    tensors, by which the choice is remembered. Weights stay as they lie; only the pictures are laid out.
    """
    path = cache_folder(cache) / "ways" / f"codes-{_digest(pictures_NCHW, backbone)}.json"
    known = _remembered(path)
    if known is not None:
        return known
    chosen = chosen_of(tried(features, pictures_NCHW))
    told = {"way": chosen.way.to_json(), "reason": chosen.reason}
    with contextlib.suppress(OSError, TorchbeamError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(told) + "\n")
    return chosen


def chosen_of(trials: Sequence[Trial], most: float = APART) -> Precision:
    """The fastest trial whose codes are the same within `most`; one that is plainer unless it loses by a tenth."""
    best = trials[0]
    for other in trials[1:]:
        if other.apart <= most and other.seconds * WIN <= best.seconds:
            best = other
    if best is trials[0]:
        return Precision(best.way, f"{best.way}: nothing else was a tenth faster with the same codes", tuple(trials))
    times = trials[0].seconds / best.seconds
    reason = f"{best.way}: {times:.1f} times as fast as {trials[0].way}, its codes at most {best.apart:.2g} away"
    return Precision(best.way, reason, tuple(trials))


def tried(features: Features, pictures_NCHW: Tensor) -> tuple[Trial, ...]:
    """Every way, timed in turn on the batch. What the backbone raises in fp32 is raised."""
    codes = {PLAIN: _codes(features, pictures_NCHW, PLAIN)[1]}
    for way in WAYS[1:]:
        if not _slow(features, pictures_NCHW, way):
            with contextlib.suppress(RuntimeError, NotImplementedError):  # a device that cannot: a way not taken
                codes[way] = _codes(features, pictures_NCHW, way)[1]
    least = dict.fromkeys(codes, math.inf)
    for _ in range(ROUNDS):
        for way in codes:
            least[way] = min(least[way], _codes(features, pictures_NCHW, way)[0])
    return tuple(
        Trial(way, least.get(way, math.inf), apart(codes[PLAIN], codes[way]) if way in codes else math.inf)
        for way in WAYS
    )


def apart(plain: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """|other - plain| / |plain| of the picture and stage where it is most; infinite where it is no number."""
    most = 0.0
    for stage, codes in plain.items():
        exact, near = codes.flatten(1).double(), other[stage].flatten(1).double()
        distance = (near - exact).norm(dim=1) / exact.norm(dim=1).clamp_min(1e-30)
        found = distance.max().item()
        most = max(most, found if math.isfinite(found) else math.inf)
    return most


def _slow(features: Features, pictures_NCHW: Tensor, way: Way) -> bool:
    """Whether a few pictures already take far longer: without instructions of its own for bf16 a CPU may take ten
    times as long, and each way's first batch is its slowest."""
    few = pictures_NCHW[: max(1, len(pictures_NCHW) // TASTED)]
    try:
        best = [min(_codes(features, few, each)[0] for _ in range(2)) for each in (PLAIN, way)]
    except (RuntimeError, NotImplementedError):
        return True
    return best[1] > HOPELESS * best[0]


def _codes(features: Features, pictures_NCHW: Tensor, way: Way) -> tuple[float, dict[str, Tensor]]:
    """(seconds, the codes of each stage, on the CPU)."""
    device = pictures_NCHW.device
    _wait(device)
    begun = time.perf_counter()
    with torch.inference_mode():
        laid = way.laid(pictures_NCHW)
        with way.autocast(device):
            given = features(laid)
        made = {stage: pool(each) if each.ndim == 4 else each.float() for stage, each in given.items()}
    _wait(device)
    seconds = time.perf_counter() - begun
    if not made:
        raise SettingError("the backbone gives nothing for a batch of pictures", expected="a stage or more by name")
    return seconds, {stage: each.cpu() for stage, each in made.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _digest(pictures_NCHW: Tensor, backbone: str) -> str:
    """What a choice holds for: the backbone, its batches, and the machine."""
    device = pictures_NCHW.device
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else torch.backends.cpu.get_cpu_capability()
    machine = [device.type, name, os.cpu_count(), torch.get_num_threads(), torch.__version__]
    held = ["1", backbone, list(pictures_NCHW.shape), *machine]
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:32]


def _remembered(path: Path) -> Precision | None:
    """What was chosen before; None where it is missing or damaged."""
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        way = from_json(told["way"])
        return Precision(way, str(told["reason"])) if way in WAYS else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SettingError):
        return None
