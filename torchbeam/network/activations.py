"""The activation functions as modules: torch's own where it has one, and the five it lacks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from torchbeam.design.activations import ACTIVATIONS


class Step(nn.Module):
    """1 where x >= 0, else 0; its gradient is zero everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        """The step of each number; NaN stays NaN."""
        # A comparison would cut the graph here; floor keeps it, with zeros for its gradient.
        return x.floor().clamp(-1, 0) + 1


class ArcTan(nn.Module):
    """arctan(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """The inverse tangent of each number."""
        return torch.atan(x)


class Gaussian(nn.Module):
    """exp(-x^2)."""

    def forward(self, x: Tensor) -> Tensor:
        """The bell's height at each number."""
        # x * x, since the slope of a square, 2 x, overflows in half precision before x does.
        return torch.exp(-(x * x))


class Sine(nn.Module):
    """sin(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """The sine of each number."""
        return torch.sin(x)


class BentIdentity(nn.Module):
    """(sqrt(x^2 + 1) - 1) / 2 + x."""

    def forward(self, x: Tensor) -> Tensor:
        """The bent line's height at each number."""
        # sqrt(x^2 + 1) - 1 as x^2 / (sqrt(x^2 + 1) + 1): nothing to cancel near 0, and no square to overflow.
        return x + x * (x / (torch.hypot(x, torch.ones_like(x)) + 1)) / 2


_BUILDERS: dict[str, Callable[[float], nn.Module]] = {
    "IDENTITY": lambda _: nn.Identity(),
    "STEP": lambda _: Step(),
    "SIGMOID": lambda _: nn.Sigmoid(),
    "HARDSIGMOID": lambda _: nn.Hardsigmoid(),
    "TANH": lambda _: nn.Tanh(),
    "HARDTANH": lambda _: nn.Hardtanh(),
    "ARCTAN": lambda _: ArcTan(),
    "SOFTSIGN": lambda _: nn.Softsign(),
    "RELU": lambda _: nn.ReLU(),
    "RELU6": lambda _: nn.ReLU6(),
    "LEAKYRELU": lambda slope: nn.LeakyReLU(slope),
    "PRELU": lambda slope: nn.PReLU(init=slope),
    "ELU": lambda alpha: nn.ELU(alpha),
    "CELU": lambda alpha: nn.CELU(alpha),
    "SELU": lambda _: nn.SELU(),
    "GELU": lambda _: nn.GELU(),
    "SILU": lambda _: nn.SiLU(),
    "HARDSWISH": lambda _: nn.Hardswish(),
    "MISH": lambda _: nn.Mish(),
    "SOFTPLUS": lambda _: nn.Softplus(),
    "GAUSSIAN": lambda _: Gaussian(),
    "SINE": lambda _: Sine(),
    "BENTIDENTITY": lambda _: BentIdentity(),
}


def activation(kind: str, number: float | None) -> nn.Module:
    """The module of one of `ACTIVATIONS`, with its number, or the number's default where that was left unsaid.

    A number given to one that takes none is passed over: the notation has refused it before.
    """
    said = ACTIVATIONS[kind].default if number is None else number
    return _BUILDERS[kind](said or 0.0)
