"""What training makes small: a batch -> its loss, with a gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbeam.data.augment.apply import augmented
from torchbeam.data.batches import Batch
from torchbeam.data.preprocess import Preprocessing
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import Way
from torchbeam.network.graph import Outputs
from torchbeam.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Objective:
    """How a batch becomes a loss in one run. maps: batches hold what a frozen part made of the pictures, which is
    shown as it is (see learn/frozen.py)."""

    task: Task
    preprocessing: Preprocessing
    plan: Plan
    way: Way
    device: torch.device
    maps: bool = False

    def shown(self, batch: Batch, epoch: int) -> tuple[Tensor, Tensor]:
        """(pictures N, C, H, W as this epoch shows them, targets) on the device."""
        pixels = batch.pixels_NCHW.to(self.device, non_blocking=True)
        targets = batch.labels_N.to(self.device, non_blocking=True)
        if self.maps:
            return self.way.laid(pixels.float()), targets
        pixels = self.way.laid(pixels)
        made = augmented(
            self.plan.augment,
            pixels,
            batch.samples,
            self.plan.seed,
            epoch,
            self.preprocessing.mean,
            self.preprocessing.std,
        )
        if made.partner_N is not None and made.share_N is not None:
            targets = self.task.mixed(targets, made.partner_N, made.share_N)
        return self.way.laid(made.pictures_NCHW), targets

    def loss(self, network: nn.Module, pictures_NCHW: Tensor, targets: Tensor) -> Tensor:
        """The task's loss, and that of every side head by its weight (Szegedy et al. 2014); float32."""
        with self.way.autocast(self.device):
            outputs = network(pictures_NCHW)
        if isinstance(outputs, Tensor):
            return self.task.loss(outputs.float(), targets)
        if not isinstance(outputs, Outputs):
            raise TypeError(f"a network gave {type(outputs).__name__}")
        loss = self.task.loss(outputs.scores.float(), targets)
        for weight, scores in outputs.sides:
            loss = loss + weight * self.task.loss(scores.float(), targets)
        return loss
