"""Classification: one class for each picture, by softmax and cross-entropy."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from torchbeam.design.volume import Volume
from torchbeam.errors import DesignError


@dataclass(frozen=True, slots=True)
class Classify:
    """One class of K for each picture.

    label_smoothing spreads that share of each target evenly over all classes (Szegedy et al. 2016). weights: by
    which a class's pictures count in the loss, () for all alike.
    """

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    name: str = "classify"
    weights: tuple[float, ...] = ()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of scores N x K against labels N, or against probabilities N x K."""
        weight = torch.tensor(self.weights, device=outputs.device) if self.weights else None
        return F.cross_entropy(outputs.flatten(1), targets, weight, label_smoothing=self.label_smoothing)

    def mixed(self, targets: Tensor, partner_N: Tensor, share_N: Tensor) -> Tensor:
        """Probabilities N x K of labels N: a share for the label, the rest for the partner's (Zhang et al. 2017)."""
        own = F.one_hot(targets, len(self.classes)).to(share_N.dtype)
        return torch.lerp(own[partner_N], own, share_N[:, None])

    def plain_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy without label smoothing."""
        return F.cross_entropy(outputs.flatten(1), targets)

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Accuracy: the share of pictures whose highest score is their class's, in [0, 1]."""
        return (outputs.flatten(1).argmax(1) == targets).double().mean().item()

    def check(self, output: Volume) -> None:
        """Raises DesignError unless the network gives one score a class."""
        if output.neurons != len(self.classes):
            raise DesignError(
                f"the network ends in {output}, the data has {len(self.classes)} classes",
                expected=f"{len(self.classes)} numbers at the end",
                got=f"{output.neurons}",
                remedy="end with a bare FC, which has as many units as there are classes",
            )
