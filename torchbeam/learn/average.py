"""Averages of a network's weights over the steps of a run, which often classify better than the last step's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbeam.errors import StateError
from torchbeam.learn.plan import Plan

SLOW_STEP = 0.5  # how far lookahead's slow weights go towards the fast ones (Zhang et al. 2019, section 3)


@dataclass(frozen=True, slots=True)
class Average:
    """The averaged weights by name, on the network's device and in its order in memory.

    decay: the share that an exponential moving average keeps of itself at each update, 0 for none. every: updates
    between two looks back of lookahead, 0 for none. One of the two is above 0.
    """

    kept: dict[str, Tensor]
    decay: float = 0.0
    every: int = 0

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights that update `step`, counted from 1, has left.

        The moving average keeps min(decay, (1 + step) / (10 + step)) of itself, as TensorFlow's
        ExponentialMovingAverage does: it spans about the last ninth of the steps until that is longer than `decay`
        spans, and so forgets the weights a run began with however short it is. Lookahead, every so many steps,
        takes its slow weights half-way to the network's and sets the network back to them.
        """
        if not self.every:
            keep = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self._averages(), self._live(network), 1 - keep)  # type: ignore[attr-defined]
        elif step % self.every == 0:
            torch._foreach_lerp_(self._averages(), self._live(network), SLOW_STEP)  # type: ignore[attr-defined]
            torch._foreach_copy_(self._live(network), self._averages())  # type: ignore[attr-defined]

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run needs: copies on the CPU, contiguous, sharing nothing."""
        return {name: kept.to("cpu", copy=True).contiguous() for name, kept in self.kept.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the average up again where `tensors` was told, to the bit. Raises StateError where it is of
        another network."""
        strange = sorted(self.kept.keys() ^ tensors.keys()) or [
            name for name, kept in self.kept.items() if kept.shape != tensors[name].shape
        ]
        if strange:
            raise StateError(
                f"the averaged weights are another network's: {strange[0]} does not fit",
                expected=f"the {len(self.kept)} tensors of this one",
                got=f"{len(tensors)} tensors",
                remedy="go on with the network and the settings that the run began with",
            )
        for name, kept in self.kept.items():
            kept.copy_(tensors[name])

    @contextmanager
    def weights_in(self, network: nn.Module) -> Iterator[None]:
        """The network holds the averaged weights, in the same memory, until the block ends, however it ends; then
        its own again, to the bit. Nothing may train in between. Costs a copy of the weights."""
        own = [weight.detach().clone() for weight in self._live(network)]
        with torch.no_grad():
            torch._foreach_copy_(self._live(network), self._averages())  # type: ignore[attr-defined]
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._live(network), own)  # type: ignore[attr-defined]

    def _averages(self) -> list[Tensor]:
        return list(self.kept.values())

    def _live(self, network: nn.Module) -> list[Tensor]:
        """The network's own tensors, in the order of those kept."""
        held = _floating(network)
        return [held[name] for name in self.kept]


def average_for(network: nn.Module, plan: Plan) -> Average | None:
    """The average that a plan asks for, begun at the network's weights as they are; None where it asks for none.

    A moving average (plan.ema) takes in batch norm's running means and variances too, at the same pace, so that they
    belong to the averaged weights. Lookahead (plan.lookahead) moves trained weights alone, as its authors' code does;
    the running statistics, an average themselves, follow the network.
    """
    if plan.ema:
        kept = _floating(network)
    elif plan.lookahead:
        kept = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    else:
        return None
    return Average({name: weight.detach().clone() for name, weight in kept.items()}, plan.ema, plan.lookahead)


def _floating(network: nn.Module) -> dict[str, Tensor]:
    """Parameters, and what counts as real numbers among the buffers: batch norm's statistics, not its count."""
    buffers = ((name, buffer) for name, buffer in network.named_buffers() if buffer.is_floating_point())
    return dict(network.named_parameters()) | dict(buffers)
