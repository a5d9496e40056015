"""Which backbone a transfer stands on: the one that was named, or the best whose codes are ready in about a minute."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.zoo import find
from torchbeam.errors import SettingError
from torchbeam.jobs.backbone import load_backbone
from torchbeam.jobs.screen import Screen
from torchbeam.learn.promise import human_seconds
from torchbeam.network.backbone import Backbone
from torchbeam.network.build import build
from torchbeam.network.fold import folded
from torchbeam.network.published import PUBLISHED, Published

SECONDS = 60.0
# What is timed: a network that filters channel by channel, which keeps a CPU from its best, and one that does not.
THIN, DENSE = "mobilenet-v2", "resnet-18"
TIMED = 8  # pictures


@dataclass(frozen=True, slots=True)
class Candidate:
    """A published backbone, and the seconds that it takes here for the codes of all pictures."""

    published: Published
    seconds: float

    def __str__(self) -> str:
        """A line of the table."""
        row = self.published
        top1 = "   ?  " if row.top1 is None else f"{row.top1:6.1%}"
        return (
            f"{row.name:<15} {top1}  {row.macs / 1e9:5.1f} G  {row.parameters / 1e6:6.1f} M  "
            f"{human_seconds(self.seconds):>12}  {row.licence}"
        )


def backbone_for(
    name: str | None,
    weights: str | Path | None,
    pictures: int,
    size: str | None,
    cache: str | Path | None,
    screen: Screen,
    place: torch.device,
) -> tuple[Backbone, Preprocessing]:
    """The backbone, and how pictures are prepared for it. name: None for the best that takes about a minute for that
    many pictures on that device. Raises as `load_backbone`; SettingError for weights of nobody."""
    side = _side(size)
    if name is None and weights is not None:
        raise SettingError(
            "weights of a network that was not named",
            got=str(weights),
            remedy="say whose they are with --backbone, as in --backbone mobilenet-v2",
        )
    if name is None:
        found = candidates(pictures, side, place)
        chosen = best(found)
        screen.note("backbone         top-1   MACs  parameters  codes here   licence")
        for each in found:
            screen.note(f"{each}{'  <- the best within a minute' if each is chosen else ''}")
        name = chosen.published.name
    loaded = load_backbone(name, weights, size=side, cache=cache, watch=screen.watch)
    own = loaded.preprocessing
    screen.note(f"backbone {loaded.backbone.name} at {own.width}x{own.height}, weights from {loaded.origin}")
    return loaded.backbone, own


def candidates(pictures: int, side: int | None, place: torch.device) -> list[Candidate]:
    """Every published backbone with its seconds, the most accurate first: by its multiply-accumulates, and how many a
    second the device makes in a network of its kind."""
    rates = {name: _rate(name, place) for name in (THIN, DENSE)}
    found = []
    for row in PUBLISHED.values():
        macs = row.macs * ((side or row.size) / row.size) ** 2
        found.append(Candidate(row, pictures * macs / rates[THIN if row.name == THIN else DENSE]))
    return sorted(found, key=lambda each: -(each.published.top1 or 0.0))


def best(found: list[Candidate]) -> Candidate:
    """The most accurate of those that take a minute at most; the quickest where none does."""
    quick = [each for each in found if each.seconds <= SECONDS]
    return quick[0] if quick else min(found, key=lambda each: each.seconds)


def _rate(name: str, place: torch.device) -> float:
    """Multiply-accumulates a second, in a few pictures of chance."""
    row, known = PUBLISHED[name], find(name)
    if known is None:
        raise RuntimeError(f"{name} is not in the zoo")
    network = folded(build(parse(known.text)).eval()).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = torch.zeros(TIMED, 3, row.size, row.size, device=place).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        with torch.inference_mode():
            _ = network(pictures).sum().item()  # waits for the device
        seconds.append(time.perf_counter() - begun)
    return TIMED * row.macs / min(seconds)


def _side(size: str | None) -> int | None:
    """'96' or '96x96' as 96. Raises SettingError."""
    if size is None:
        return None
    parts = str(size).lower().split("x")
    if not parts[0].isdecimal() or len(set(parts)) > 1 or len(parts) > 2 or not 0 < int(parts[0]) <= 4096:
        raise SettingError(
            f"a backbone cannot take pictures of size {size}", expected="the side of a square, as in 96 or 96x96"
        )
    return int(parts[0])
