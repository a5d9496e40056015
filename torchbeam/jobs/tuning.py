"""How a run learns, as far as it can be told: every value None where the recipe, or else the default, decides."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from torchbeam.errors import SettingError
from torchbeam.learn.plan import Plan

# A set is skewed where its largest class has this many times the pictures of its smallest.
SKEWED = 3.0
CLASS_WEIGHTS = ("auto", "none", "root", "balanced")
INITS = ("he", "dirac")


@dataclass(frozen=True, slots=True)
class Tuning:
    """As the flags of the same names. class_weights: 'none'; 'balanced', in inverse proportion to a class's pictures;
    'root', the root of that; 'auto', root where the classes are skewed. init: 'he' or 'dirac'. whiten: the first
    layer begins as the whitening of patches, and stays so. views: 'none', 'mirror' or 'shift', of which predictions
    are the mean. precision: 'auto', 'fp32', 'bf16', 'fp16'. compile: None where measuring decides. time: '5m', for
    training and measuring together. state_every: '15s', between two states on disk."""

    optimiser: str | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    warm_up: float | None = None
    label_smoothing: float | None = None
    clip: float | None = None
    accumulate: int | None = None
    ema: float | None = None
    lookahead: int | None = None
    class_weights: str | None = None
    init: str | None = None
    whiten: bool | None = None
    views: str | None = None
    precision: str | None = None
    compile: bool | None = None
    time: str | None = None
    state_every: str | None = None

    def __post_init__(self) -> None:
        for name, words in (
            ("class_weights", CLASS_WEIGHTS),
            ("init", INITS),
            ("views", ("none", "mirror", "shift")),
            ("precision", ("auto", "fp32", "bf16", "fp16")),
        ):
            value = getattr(self, name)
            if value is not None and value not in words:
                raise SettingError(f"{name.replace('_', ' ')} cannot be {value}", expected=", ".join(words))
        if self.label_smoothing is not None and not 0 <= self.label_smoothing < 1:
            raise SettingError(f"label smoothing cannot be {self.label_smoothing:g}", expected="a share from 0 to 1")
        for time in (self.time, self.state_every):
            if time is not None:
                seconds_of(time)


DEFAULTS: dict[str, Any] = {
    "optimiser": "sgd",
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "warm_up": 0.1,
    "label_smoothing": 0.1,
    "clip": 0.0,
    "accumulate": 1,
    "ema": 0.0,
    "lookahead": 0,
    "class_weights": "auto",
    "init": "he",
    "whiten": False,
    "views": "none",
    "precision": "auto",
    "compile": None,
    "time": None,
    "state_every": "15s",  # one takes about as long as writing the weights six times
}
NAMES = tuple(field.name for field in fields(Tuning))


def check_tuning(tuning: Tuning) -> None:
    """Refuses what no plan can have. Raises SettingError."""
    plain = ("optimiser", "momentum", "weight_decay", "schedule", "warm_up", "clip", "accumulate", "ema", "lookahead")
    told = {name: getattr(tuning, name) for name in plain}
    value = {name: DEFAULTS[name] if given is None else given for name, given in told.items()}
    Plan(
        epochs=1,
        batch_size=1,
        lr=1.0,
        optimiser=value["optimiser"],
        momentum=value["momentum"],
        weight_decay=value["weight_decay"],
        schedule=value["schedule"],
        warm_up=value["warm_up"],
        clip=value["clip"],
        accumulate=value["accumulate"],
        ema=value["ema"],
        lookahead=value["lookahead"],
        seconds=None if tuning.time is None else seconds_of(tuning.time),
    )


def seconds_of(time: str) -> float:
    """'90s', '5m', '1.5h' or '90' in seconds. Raises SettingError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *(s|m|h|d)?", str(time).strip().lower())
    if not found or float(found[1]) <= 0:
        raise SettingError(f"time cannot be {time}", expected="as in 90s, 5m, 2h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2] or "s"]


def weights_of(how: str, counts: Sequence[int]) -> tuple[tuple[float, ...], str]:
    """(the weight of each class in the loss, () for all alike; what was done in words, '' where nothing).

    counts: training pictures of each class. The weights' mean over all pictures is 1. Balanced weights make every
    class pull alike however few its pictures are, which learns those few by heart; their root lies between (as in
    Mahajan et al. 2018's sampling).
    """
    there = [count for count in counts if count]
    skewed = len(there) > 1 and max(there) >= SKEWED * min(there)
    if how == "none" or (how == "auto" and not skewed):
        return (), ""
    power = 1.0 if how == "balanced" else 0.5
    raw = [count**-power if count else 0.0 for count in counts]
    scale = sum(counts) / sum(weight * count for weight, count in zip(raw, counts, strict=True))
    weights = tuple(round(scale * weight, 6) for weight in raw)
    why = f"the largest class has {max(there) / min(there):.0f} times the pictures of the smallest" if skewed else how
    shown = [weight for weight in weights if weight]
    return weights, f"classes count in the loss from {min(shown):.2g} to {max(shown):.2g} times a picture, for {why}"
