"""What a network tells in one step: the pictures it was given, units that answer to none, how far its scores differ,
gradients and updates by layer. Everything is read and nothing written; the numbers stay on the device until all are
fetched at once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbeam.network.graph import Outputs

RECTIFIERS = (nn.ReLU, nn.ReLU6)  # those that give exactly 0, with no gradient, for all that lies below


@dataclass(frozen=True, slots=True)
class Rectifier:
    """A RELU in one step: `silent` of its `units` (channels) gave 0 at every position of every picture."""

    name: str
    units: int
    silent: int


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one CONV or FC in one step: their length (2-norm) before the update, and the lengths of their
    gradient and of the update."""

    name: str
    length: float
    gradient: float
    update: float


@dataclass(frozen=True, slots=True)
class Heard:
    """One step. means, stds: of each channel of the pictures as the network got them, () where they were not heard.
    weights: of layers that have a gradient, the first nearest the pictures. spread: how far the scores differ between
    the pictures, as the mean over the classes of their standard deviation; None where they were not heard."""

    loss: float
    pictures: int = 0
    means: tuple[float, ...] = ()
    stds: tuple[float, ...] = ()
    rectifiers: tuple[Rectifier, ...] = ()
    weights: tuple[Weights, ...] = ()
    spread: float | None = None


class Listener:
    """Hears one step of a network: its forward, its gradients, its update.

    Hooks are there for the forward alone and give nothing back, so the step's bits stay what they are. It takes the
    memory of a second copy of the weights from the backward to the update.
    """

    def __init__(self) -> None:
        self._pictures = 0
        self._inputs: list[Tensor] = []
        self._spread: list[Tensor] = []
        self._silent: list[tuple[str, int, Tensor]] = []
        self._loss: Tensor | None = None
        self._before: list[tuple[str, nn.Parameter, Tensor]] = []
        self._gradients: list[Tensor] = []
        self._updates: list[Tensor] = []

    @contextmanager
    def forward(self, network: nn.Module) -> Iterator[None]:
        """Around a forward. A compiled network is left alone: a hook would be compiled into it, and stay."""
        with ExitStack() as hooks:
            if not hasattr(network, "_orig_mod"):
                hooks.enter_context(_held(network.register_forward_pre_hook(self._hear_input)))
                hooks.enter_context(_held(network.register_forward_hook(self._hear_scores)))
                for name, module in network.named_modules():
                    if isinstance(module, RECTIFIERS):
                        hooks.enter_context(_held(module.register_forward_hook(self._hearing(name))))
            yield

    @torch.no_grad()
    def backward(self, network: nn.Module, loss: Tensor, scale: float = 1.0) -> None:
        """After a backward, before the update. scale: what the gradients were multiplied by, as for fp16."""
        self._loss = loss.detach()
        for name, weight in weights_of(network):
            if weight.grad is not None:
                self._before.append((name, weight, weight.detach().clone()))
                self._gradients.append(torch.linalg.vector_norm(weight.grad) / scale)

    @torch.no_grad()
    def update(self) -> None:
        """After the update."""
        self._updates = [torch.linalg.vector_norm(weight - before) for _, weight, before in self._before]

    @torch.no_grad()
    def heard(self) -> Heard:
        """All of it as numbers; here, and only here, the device is waited for."""
        lengths = [torch.linalg.vector_norm(before) for _, _, before in self._before]
        updates = self._updates or [torch.zeros_like(length) for length in lengths]
        loss = [] if self._loss is None else [self._loss]
        counts = [count for _, _, count in self._silent]
        numbers = iter(_numbers([*loss, *self._inputs, *self._spread, *counts, *lengths, *self._gradients, *updates]))
        told = next(numbers)[0] if loss else float("nan")
        means = tuple(next(numbers)) if self._inputs else ()
        stds = tuple(next(numbers)) if self._inputs else ()
        spread = next(numbers)[0] if self._spread else None
        rectifiers = tuple(Rectifier(name, units, int(next(numbers)[0])) for name, units, _ in self._silent)
        columns = [[next(numbers)[0] for _ in lengths] for _ in range(3)]
        names = [name for name, _, _ in self._before]
        weights = tuple(Weights(*row) for row in zip(names, *columns, strict=True))
        return Heard(told, self._pictures, means, stds, rectifiers, weights, spread)

    @torch.no_grad()
    def _hear_input(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0].detach().float()
        if x.ndim == 4:
            self._pictures = len(x)
            spread, middle = torch.std_mean(x, (0, 2, 3), correction=0)
            self._inputs = [middle, spread]

    @torch.no_grad()
    def _hear_scores(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor | Outputs) -> None:
        scores = output.scores if isinstance(output, Outputs) else output
        self._spread = [scores.detach().float().flatten(1).std(0, correction=0).mean()]

    def _hearing(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        @torch.no_grad()
        def hear(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            x = output.detach()
            beside = [axis for axis in range(x.ndim) if axis != 1]
            self._silent.append((name, x.shape[1], (x.amax(beside) <= 0).sum()))

        return hear


def weights_of(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """(layer, weights) of every CONV and FC that is trained, the first nearest the pictures."""
    return [
        (name.removeprefix("_orig_mod.").removesuffix(".weight"), weight)
        for name, weight in network.named_parameters()
        if weight.ndim > 1 and weight.requires_grad
    ]


@contextmanager
def _held(handle: torch.utils.hooks.RemovableHandle) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def _numbers(tensors: list[Tensor]) -> list[list[float]]:
    if not tensors:
        return []
    rows = [tensor.reshape(-1).float() for tensor in tensors]
    numbers = iter(torch.cat(rows).tolist())
    return [[next(numbers) for _ in row] for row in rows]
