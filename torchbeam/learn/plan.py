"""What is decided before the first step of a run."""

from dataclasses import dataclass

from torchbeam.data.augment.words import Augmentation
from torchbeam.data.batches import WORKERS
from torchbeam.errors import SettingError
from torchbeam.learn.schedules import SCHEDULES

NOTHING = Augmentation()
OPTIMISERS = {"sgd": "SGD", "adamw": "AdamW", "muon": "Muon"}
NORMS = ("train", "fixed")
HIGHEST_SHARE = 100.0

# Parts of a network by name, each with its share of the rate.
Rates = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`lr` is the peak rate, reached after the first `warm_up` share of the run; `schedule` is what follows.

    optimiser: 'sgd' (with Nesterov momentum), 'adamw', or 'muon' for the filters and SGD for the rest. momentum:
    of SGD and Muon, AdamW's first beta. weight_decay pulls on weights alone, not on biases and batch norms.
    clip: the gradient's largest norm, 0 for any. accumulate: batches whose gradients make one update. ema: the
    share that averaged weights keep at each update, 0 for none. lookahead: updates between two looks back (Zhang
    et al. 2019), 0 for none. seconds: the time that the training has; `epochs` is then the most there can be.
    rates: ('stage1', 0.1) lets the weights of stage1 take a tenth of the rate, 0 freezes them; parts that are not named
    take all of it. norms: 'train', or 'fixed', where batch norms keep their statistics (see learn/finetune.py).
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int = 0
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warm_up: float = 0.1
    clip: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    lookahead: int = 0
    augment: Augmentation = NOTHING
    workers: int = WORKERS
    seconds: float | None = None
    rates: Rates = ()
    norms: str = "train"

    def __post_init__(self) -> None:
        for name, low, value, high in (
            ("epochs", 1, self.epochs, 1_000_000),
            ("batch size", 1, self.batch_size, 1_000_000),
            ("seed", 0, self.seed, 2**63 - 1),
            ("accumulate", 1, self.accumulate, 10_000),
            ("lookahead", 0, self.lookahead, 10_000),
        ):
            if not low <= value <= high:
                raise SettingError(f"{name} cannot be {value}", expected=f"a whole number from {low} to {high:,}")
        for name, value, words in (
            ("optimiser", self.optimiser, tuple(OPTIMISERS)),
            ("schedule", self.schedule, tuple(SCHEDULES)),
            ("norms", self.norms, NORMS),
        ):
            if value not in words:
                raise SettingError(f"no {name} {value}", expected=", ".join(words))
        if not 0 < self.lr < 1e6:
            raise SettingError(f"lr cannot be {self.lr:g}", expected="a rate above 0, such as 0.05")
        if not (0 <= self.momentum < 1 and self.weight_decay >= 0 and 0 < self.warm_up < 1):
            raise SettingError(
                f"a run cannot have momentum {self.momentum:g}, weight decay {self.weight_decay:g}, "
                f"warm-up {self.warm_up:g}",
                expected="momentum in [0, 1), weight decay of 0 or more, warm-up in (0, 1)",
            )
        if not 0 <= self.clip < float("inf"):
            raise SettingError(f"clip cannot be {self.clip:g}", expected="the gradient's largest norm, or 0 for any")
        if not 0 <= self.ema < 1:
            raise SettingError(f"ema cannot be {self.ema:g}", expected="a share from 0 to below 1, such as 0.999")
        if self.ema and self.lookahead:
            raise SettingError("a run averages its weights in one way", got="ema and lookahead", remedy="name one")
        if self.seconds is not None and not 1 <= self.seconds < 1e8:
            raise SettingError(f"time cannot be {self.seconds:g} s", expected="a second or more, as in 60s, 5m, 2h")
        for part, share in self.rates:
            if not 0 <= share <= HIGHEST_SHARE:
                raise SettingError(
                    f"the share of the rate for {part} cannot be {share:g}",
                    expected=f"0, which freezes it, to {HIGHEST_SHARE:g}",
                )
        if len(dict(self.rates)) < len(self.rates):
            raise SettingError(
                "a part is given its share of the rate twice", expected="each part once", got=str(self.rates)
            )

    def share(self, name: str) -> float:
        """The share of the rate for a weight, or a module, of that name: that of the longest part in `rates` that it
        is or lies in ('stage1' holds 'stage1.conv2.weight', and not 'stage10.conv1.weight'), 1 where there is none."""
        holding = [pair for pair in self.rates if f"{name}.".startswith(f"{pair[0]}.")]
        return max(holding, key=lambda pair: len(pair[0]))[1] if holding else 1.0
