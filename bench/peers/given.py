"""What every side is given and how it answers: without torch, for interpreters that have none."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE, CLASSES, BATCH = 32, 10, 256
LR, MOMENTUM = 0.001, 0.9  # from pictures of chance nothing is learnt: a low rate keeps the weights as they began
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
PLANES = 3 * SIDE * SIDE
# Mean and spread of the grey values of the training pictures.
GREY = {"MNIST": (0.1307, 0.3081), "FashionMNIST": (0.2860, 0.3530)}


def say(told: Mapping[str, Any]) -> None:
    """One line for whoever started this process, who notes when it came."""
    print(json.dumps(told), flush=True)


def write_drawn(folder: Path, count: int) -> Path:
    """`count` pictures of chance in CIFAR-10's binary version, and a few more as its test part."""
    chance = np.random.default_rng(0)
    for name, pictures in (("data_batch_1.bin", count), ("test_batch.bin", 10 * CLASSES)):
        rows = chance.integers(0, 256, (pictures, 1 + PLANES), dtype=np.uint8)
        rows[:, 0] = np.arange(pictures) % CLASSES
        rows.tofile(folder / name)
    (folder / "batches.meta.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)))
    return folder


def read_drawn(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The training pictures N, H, W, C and their labels N."""
    rows = np.fromfile(folder / "data_batch_1.bin", np.uint8).reshape(-1, 1 + PLANES)
    pictures_NHWC = rows[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures_NHWC), rows[:, 0].astype(np.int64)


def read_idx(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The pictures N, H, W and labels N of 'train' or 't10k', from MNIST's files."""
    pictures = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
    labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8)[8:]
    return pictures, labels.astype(np.int64)
