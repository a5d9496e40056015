"""From a picture of any size to the numbers a network takes. Kept in the model file, so that every later
picture goes the same way."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from torchbeam.design.volume import Volume
from torchbeam.errors import ModelFileError


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The picture is scaled (bilinear, antialiased) until it just covers width x height, its middle cut out,
    made grey (depth 1) or RGB (depth 3), divided by 255, less `mean`, over `std` (one number a channel)."""

    width: int
    height: int
    depth: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """The picture at the network's size, shape (depth, height, width), 0 to 255."""
        fitted = picture.convert("L" if self.depth == 1 else "RGB")
        if fitted.size != (self.width, self.height):
            fitted = _cover(fitted, self.width, self.height)
        array = np.array(fitted)
        return array[None] if self.depth == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))

    def normalise(self, pixels_NCHW: Tensor) -> Tensor:
        """Bytes 0 to 255 as the numbers the network takes, float32."""
        shape = (1, self.depth, 1, 1)
        mean = torch.tensor(self.mean, device=pixels_NCHW.device).view(shape)
        std = torch.tensor(self.std, device=pixels_NCHW.device).view(shape)
        return (pixels_NCHW.float() / 255 - mean) / std

    def to_json(self) -> dict[str, Any]:
        """As it is kept in the model file."""
        return {
            "decode": "upright, 8 bits, alpha on white",
            "resize": "cover, bilinear",
            "crop": "centre",
        } | asdict(self)


def from_json(kept: dict[str, Any]) -> Preprocessing:
    """The preprocessing of a model file. Raises ModelFileError where a value is missing."""
    try:
        found = Preprocessing(
            int(kept["width"]),
            int(kept["height"]),
            int(kept["depth"]),
            tuple(float(value) for value in kept["mean"]),
            tuple(float(value) for value in kept["std"]),
        )
        if not len(found.mean) == len(found.std) == found.depth:
            raise ValueError(f"{len(found.mean)} means and {len(found.std)} stds for a depth of {found.depth}")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            "the model file's preprocessing is incomplete", got=f"{type(error).__name__}: {error}"
        ) from None


def measure(volume: Volume, pixels_NCHW: Iterable[Tensor]) -> Preprocessing:
    """The preprocessing for a network's input, with mean and std of the given pictures (batches of bytes)."""
    count, total, squares = 0, 0.0, 0.0
    for batch in pixels_NCHW:
        scaled = batch.double() / 255
        count += scaled.numel() // scaled.shape[1]
        total = total + scaled.sum((0, 2, 3))
        squares = squares + scaled.square().sum((0, 2, 3))
    mean = torch.as_tensor(total) / count
    std = (torch.as_tensor(squares) / count - mean.square()).clamp_min(0).sqrt()
    std = torch.where(std < 1e-4, torch.ones_like(std), std)  # a channel of one shade stays as it is
    return Preprocessing(
        volume.width,
        volume.height,
        volume.channels,
        tuple(round(value, 6) for value in mean.tolist()),
        tuple(round(value, 6) for value in std.tolist()),
    )


def _cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of the picture of the wanted shape, scaled to the wanted size in one step."""
    scale = min(picture.width / width, picture.height / height)
    # The products may exceed the picture by a rounding error, which resize would refuse.
    cut_width, cut_height = min(width * scale, picture.width), min(height * scale, picture.height)
    left, top = (picture.width - cut_width) / 2, (picture.height - cut_height) / 2
    box = (left, top, left + cut_width, top + cut_height)
    return picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
