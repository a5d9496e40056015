"""Batches of pictures and labels, in memory where they fit, in an order that is a function of (seed, epoch)."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.data.chance import shuffled
from torchbeam.data.load import Data
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume

# Pictures that take more bytes than this are decoded anew in every epoch.
MEMORY = 2 * 2**30
CHUNK = 32  # pictures handed to a thread at a time


@dataclass(frozen=True, slots=True)
class Batch:
    """samples: indices into the data's records, shape (N,). pixels: bytes N, C, H, W. labels: int64, (N,)."""

    samples: NDArray[np.int64]
    pixels_NCHW: Tensor
    labels_N: Tensor


@dataclass(frozen=True, slots=True)
class Batches:
    """One part of the data at the network's size, in batches; the last may be smaller.

    One sample left over joins the batch before it: batch norm cannot learn from a single one.
    """

    samples: NDArray[np.int64]
    labels: Tensor
    pixels: "Decoded | Lazy"
    batch_size: int

    def __len__(self) -> int:
        return len(self._starts())

    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in the records' order."""
        return self._batches(self.samples)

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Every sample once, in this epoch's order."""
        return self._batches(shuffled(seed, epoch, self.samples))

    def _starts(self) -> list[int]:
        starts = list(range(0, len(self.samples), self.batch_size))
        alone = len(starts) > 1 and len(self.samples) - starts[-1] == 1
        return starts[:-1] if alone else starts

    def _batches(self, order: NDArray[np.int64]) -> Iterator[Batch]:
        starts = self._starts()
        for start, end in pairwise([*starts, len(order)]):
            chosen = order[start:end]
            yield Batch(chosen, self.pixels.take(chosen), self.labels[torch.from_numpy(chosen)])


class Lazy:
    """Pictures decoded when they are asked for, by several threads."""

    def __init__(self, data: Data, sizing: Preprocessing) -> None:
        self.data, self.sizing = data, sizing
        self.pool = ThreadPoolExecutor(os.cpu_count())

    def take(self, samples: NDArray[np.int64]) -> Tensor:
        """The pictures of `samples`, bytes N, C, H, W."""
        chunks = [samples[start : start + CHUNK].tolist() for start in range(0, len(samples), CHUNK)]
        return torch.from_numpy(np.concatenate(list(self.pool.map(self._decode, chunks))))

    def _decode(self, samples: list[int]) -> NDArray[np.uint8]:
        return np.stack([self.sizing.pixels(self.data.image(sample)) for sample in samples])


class Decoded:
    """Pictures decoded once and kept as bytes."""

    def __init__(self, data: Data, sizing: Preprocessing) -> None:
        lazy, count = Lazy(data, sizing), len(data.records)
        self.pixels_NCHW = torch.empty((count, sizing.depth, sizing.height, sizing.width), dtype=torch.uint8)
        for start in range(0, count, 256):
            chosen = np.arange(start, min(start + 256, count))
            self.pixels_NCHW[start : start + len(chosen)] = lazy.take(chosen)

    def take(self, samples: NDArray[np.int64]) -> Tensor:
        """The pictures of `samples`, bytes N, C, H, W."""
        return self.pixels_NCHW[torch.from_numpy(samples)]


def sized(data: Data, volume: Volume, memory: int = MEMORY) -> Decoded | Lazy:
    """The pictures of the data at a network's input size, kept decoded when they take at most `memory` bytes."""
    zeros = (0.0,) * volume.channels
    sizing = Preprocessing(volume.width, volume.height, volume.channels, zeros, zeros)
    fits = volume.neurons * len(data.records) <= memory
    return Decoded(data, sizing) if fits else Lazy(data, sizing)


def batches(data: Data, pixels: Decoded | Lazy, part: str, batch_size: int) -> Batches:
    """The batches of one part."""
    samples = np.array(data.split.indices(part), dtype=np.int64)
    labels = torch.tensor([record.label for record in data.records])
    return Batches(samples, labels, pixels, batch_size)
