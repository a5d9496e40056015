"""What is decided before the first step of a run."""

from dataclasses import dataclass

from torchbeam.data.augment.words import Augmentation
from torchbeam.data.batches import WORKERS
from torchbeam.errors import SettingError

NOTHING = Augmentation()


@dataclass(frozen=True, slots=True)
class Plan:
    """SGD with Nesterov momentum; `lr` is the peak rate, reached after the first `warm_up` share of all steps.

    weight_decay pulls on weights alone, not on biases and batch norms.
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int = 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warm_up: float = 0.1
    augment: Augmentation = NOTHING
    workers: int = WORKERS

    def __post_init__(self) -> None:
        for name, low, value, high in (
            ("epochs", 1, self.epochs, 1_000_000),
            ("batch size", 1, self.batch_size, 1_000_000),
            ("seed", 0, self.seed, 2**63 - 1),
        ):
            if not low <= value <= high:
                raise SettingError(f"{name} cannot be {value}", expected=f"a whole number from {low} to {high:,}")
        if not 0 < self.lr < 1e6:
            raise SettingError(f"lr cannot be {self.lr:g}", expected="a rate above 0, such as 0.05")
        if not (0 <= self.momentum < 1 and self.weight_decay >= 0 and 0 < self.warm_up < 1):
            raise SettingError(
                f"a run cannot have momentum {self.momentum:g}, weight decay {self.weight_decay:g}, "
                f"warm-up {self.warm_up:g}",
                expected="momentum in [0, 1), weight decay of 0 or more, warm-up in (0, 1)",
            )
