"""What every task answers: how wrong an output is, and how good a set of outputs was."""

from typing import Protocol

from torch import Tensor


class Task(Protocol):
    """A question put to a network. `loss` is what training makes small; `score` is what a user reads."""

    @property
    def name(self) -> str:
        """What the task is called."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How wrong the outputs of one batch are: one number with a gradient."""
        ...

    def mixed(self, targets: Tensor, partner_N: Tensor, share_N: Tensor) -> Tensor:
        """The targets of pictures that are mixed: each its own by its share, the rest that of its partner."""
        ...

    def plain_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss without what only helps training; what is reported."""
        ...

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """How good the outputs of a whole part are: larger is better."""
        ...
