"""What tests put into the cache, also in processes of their own."""

import hashlib
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.facts import Facts

Stored = tuple[str, NDArray[np.uint8]]


def picture(number: int) -> NDArray[np.uint8]:
    """Noise, (H, W, C), of a size of its own."""
    chance = np.random.default_rng(number)
    height, width = chance.integers(1, 40, 2)
    return chance.integers(0, 256, (height, width, (1, 3)[number % 2]), dtype=np.uint8)


def pictures(first: int, last: int) -> list[Stored]:
    """Pictures with their digests, another for each number."""
    return [(hashlib.sha256(str(number).encode()).hexdigest(), picture(number)) for number in range(first, last)]


def right(got: Sequence[NDArray[np.uint8] | None], own: Sequence[Stored]) -> int:
    """How many are kept; each must be what was put in."""
    for held, (_, expected) in zip(got, own, strict=True):
        assert held is None or (held.shape == expected.shape and np.array_equal(held, expected))
    return sum(held is not None for held in got)


def made(number: int) -> Facts:
    """Facts of a picture that nobody drew."""
    chance = random.Random(number)
    return Facts(
        digest=hashlib.sha256(str(number).encode()).hexdigest(),
        size=(chance.randrange(1, 9000), chance.randrange(1, 9000)),
        grey=chance.random() < 0.5,
        format=chance.choice(["JPEG", "PNG", ""]),
        mode=chance.choice(["RGB", "L", "I;16"]),
        bits=chance.choice([1, 8, 16]),
        alpha=chance.random() < 0.5,
        orientation=chance.randrange(1, 9),
        frames=chance.choice([1, 1, 40]),
        dhash=chance.getrandbits(64),
        thumb=chance.randbytes(192),
    )
