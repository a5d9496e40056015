"""Graph: a module whose children are joined by more than one line.

Where a chain branches or carries side heads, nn.Sequential cannot hold it; everywhere else it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Outputs(NamedTuple):
    """What a network with side heads gives in training: its scores, and (weight, scores) of each head."""

    scores: Tensor
    sides: tuple[tuple[float, Tensor], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One child called: its name, and the places of the values it takes; 0 is the graph's input, n what the n-th
    Run gave. weight: that of a side head, None for the network itself."""

    name: str
    sources: tuple[int, ...]
    weight: float | None = None


class Graph(nn.Module):
    """Runs its children in order, each on the values it is said to take, and gives the value at `output`.

    Values are let go when the last that takes them has run. Side heads run in training only; the outermost graph
    then gives Outputs.
    """

    def __init__(self, children: Mapping[str, nn.Module], runs: tuple[Run, ...], output: int) -> None:
        super().__init__()
        for name, module in children.items():
            self.add_module(name, module)
        self.runs = runs
        self._output = output  # 'output' is left to a layer of that name
        last = {place: at for at, run in enumerate(runs) for place in run.sources if place != output}
        self.spent: list[list[int]] = [[] for _ in runs]
        for place, at in last.items():
            self.spent[at].append(place)
        self.has_sides = any(run.weight is not None or has_sides(children[run.name]) for run in runs)

    def forward(self, x_NCHW: Tensor) -> Tensor | Outputs:
        """N, C, H, W in; scores out, or Outputs from a network with side heads in training."""
        sides: list[tuple[float, Tensor]] = []
        scores = self.run(x_NCHW, sides)
        return Outputs(scores, tuple(sides)) if self.training and self.has_sides else scores

    def run(self, x_NCHW: Tensor, sides: list[tuple[float, Tensor]]) -> Tensor:
        """The output; what side heads give is added to `sides`."""
        values: dict[int, Tensor] = {0: x_NCHW}
        for at, (run, spent) in enumerate(zip(self.runs, self.spent, strict=True), 1):
            child = self.get_submodule(run.name)
            if run.weight is None:
                values[at] = _given(child, [values[place] for place in run.sources], sides)
            elif self.training:
                sides.append((run.weight, _given(child, [values[run.sources[0]]], sides)))
            for place in spent:
                values.pop(place, None)
        return values[self._output]


def _given(child: nn.Module, values: list[Tensor], sides: list[tuple[float, Tensor]]) -> Tensor:
    """What a child gives; where it has side heads and is in training, what they give is added to `sides`."""
    if isinstance(child, Graph) and child.has_sides and child.training:
        return child.run(values[0], sides)
    return child(*values)


def has_sides(module: nn.Module) -> bool:
    """Whether a module gives Outputs in training."""
    return isinstance(module, Graph) and module.has_sides


class Concat(nn.Module):
    """Tensors side by side in depth: N, C1, H, W and N, C2, H, W give N, C1 + C2, H, W."""

    def forward(self, *branches: Tensor) -> Tensor:
        """All branches in their order."""
        return torch.cat(branches, 1)


class Sum(nn.Module):
    """Tensors of one shape, added number by number."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """The sum, from the first to the last."""
        for other in others:
            first = first + other
        return first
