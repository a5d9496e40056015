"""Batches of pictures and labels, in an order that is a function of (seed, epoch), made by threads ahead of the one
that learns."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.data.ahead import ahead
from torchbeam.data.chance import shuffled
from torchbeam.data.load import Data
from torchbeam.data.pixels import Pixels

# Threads that make batches while the network learns from those before: one for each core.
WORKERS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Batch:
    """samples: indices into the data's records, shape (N,). pixels: bytes N, C, H, W. labels: int64, (N,)."""

    samples: NDArray[np.int64]
    pixels_NCHW: Tensor
    labels_N: Tensor


@dataclass(frozen=True, slots=True)
class Batches:
    """One part of the data at the network's size, in batches; the last may be smaller.

    One sample left over joins the batch before it: batch norm cannot learn from a single one. workers: threads that
    make batches ahead; 0 makes each when it is asked for. What is in a batch does not depend on them.
    """

    samples: NDArray[np.int64]
    labels: Tensor
    pixels: Pixels
    batch_size: int
    workers: int = WORKERS

    def __len__(self) -> int:
        return len(self._starts())

    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in the records' order, the middle of each picture."""
        return self._batches(self.samples, None)

    def epoch(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Every sample once, in this epoch's order and cut as this epoch cuts them; from batch `start` on."""
        return self._batches(shuffled(seed, epoch, self.samples), (seed, epoch), start)

    def _starts(self) -> list[int]:
        starts = list(range(0, len(self.samples), self.batch_size))
        alone = len(starts) > 1 and len(self.samples) - starts[-1] == 1
        return starts[:-1] if alone else starts

    def _batches(self, order: NDArray[np.int64], drawn: tuple[int, int] | None, start: int = 0) -> Iterator[Batch]:
        spans = list(pairwise([*self._starts(), len(order)]))[start:]
        chosen = [order[first:last] for first, last in spans]

        def made(samples: NDArray[np.int64]) -> Batch:
            return Batch(samples, self.pixels.take(samples, drawn), self.labels[torch.from_numpy(samples)])

        if self.workers == 0 or self.pixels.at_hand(order):
            yield from map(made, chosen)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            yield from ahead(pool, made, chosen, self.workers + 1)


def batches(data: Data, pixels: Pixels, part: str, batch_size: int, workers: int = WORKERS) -> Batches:
    """The batches of one part."""
    samples = np.array(data.split.indices(part), dtype=np.int64)
    labels = torch.tensor([record.label for record in data.records])
    return Batches(samples, labels, pixels, batch_size, workers)
