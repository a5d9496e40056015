"""From a picture of any size to the numbers a network takes. Kept in the model file, so that every later
picture goes the same way."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from torchbeam.design.volume import Volume
from torchbeam.errors import ModelFileError

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The picture is scaled (by `filter`, antialiased) until it just covers width x height, its middle cut out,
    made grey (depth 1) or RGB (depth 3), divided by 255, less `mean`, over `std` (one number a channel).

    shown: the share of the covered width and height that is cut out; 0.875 is ImageNet's 224 from a short side
    of 256.

    short: for published weights, whose pictures were brought to size in two steps: the short side to so many pixels,
    the long one rounded down, and then the middle cut out at whole pixels, bit for bit as torchvision's Resize and
    CenterCrop do. None: in one step, which keeps to the middle to a fraction of a pixel; `shown` then says how much.
    filter: how pixels are interpolated, one of FILTERS, antialiased.
    """

    width: int
    height: int
    depth: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shown: float = 1.0
    short: int | None = None
    filter: str = "bilinear"

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """The picture at the network's size, shape (depth, height, width), 0 to 255."""
        fitted = in_depth(picture, self.depth)
        if self.short is not None:
            fitted = _two_steps(fitted, self.width, self.height, self.short, FILTERS[self.filter])
        elif fitted.size != (self.width, self.height) or self.shown < 1:
            fitted = _cover(fitted, self.width, self.height, self.shown, FILTERS[self.filter])
        array = np.array(fitted)
        return array[None] if self.depth == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))

    @property
    def least(self) -> tuple[int, int]:
        """(width, height) that a picture must have for nothing to be lost; a larger one may come reduced."""
        if self.short is not None:
            return self.short, self.short
        return math.ceil(self.width / self.shown), math.ceil(self.height / self.shown)

    def normalise(self, pixels_NCHW: Tensor) -> Tensor:
        """Bytes 0 to 255 as the numbers the network takes, float32."""
        return normalise_(pixels_NCHW.to(torch.float32, copy=True), self.mean, self.std, 255.0)

    def to_json(self) -> dict[str, Any]:
        """As it is kept in the model file."""
        return {
            "decode": "upright, 8 bits, alpha on white",
            "resize": f"{'cover' if self.short is None else 'short side, then cut'}, {self.filter}",
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
            float(kept.get("shown", 1.0)),
            None if kept.get("short") is None else int(kept["short"]),
            str(kept.get("filter", "bilinear")),
        )
        if found.filter not in FILTERS:
            raise ValueError(f"filter is {found.filter}, not one of {', '.join(FILTERS)}")
        if found.short is not None and found.short < max(found.width, found.height):
            raise ValueError(f"short is {found.short}, less than the {found.width}x{found.height} that are cut out")
        if not 0 < found.shown <= 1:
            raise ValueError(f"shown is {found.shown}, which is no share of a picture")
        if not len(found.mean) == len(found.std) == found.depth:
            raise ValueError(f"{len(found.mean)} means and {len(found.std)} stds for a depth of {found.depth}")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            "the model file's preprocessing is incomplete", got=f"{type(error).__name__}: {error}"
        ) from None


def measure(volume: Volume, pixels_NCHW: Iterable[Tensor], shown: float = 1.0) -> Preprocessing:
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
        shown,
    )


# Rows normalised at a time: few enough that they stay in a core's own cache from one operation to the next.
ROWS = 256


def normalised(pixels_NCHW: Tensor, mean: Sequence[float], std: Sequence[float], white: float) -> Tensor:
    """(x / white - mean) / std of each channel, float32, in the order in memory that the pictures have."""
    if pixels_NCHW.is_contiguous() or not pixels_NCHW.is_contiguous(memory_format=torch.channels_last):
        made = pixels_NCHW.float()
        return normalise_(made.clone() if made is pixels_NCHW else made, mean, std, white)
    rows = pixels_NCHW.permute(0, 2, 3, 1).reshape(-1, pixels_NCHW.shape[-1] * len(mean))
    out = torch.empty_like(pixels_NCHW, dtype=torch.float32)
    made_rows = out.permute(0, 2, 3, 1).view(rows.shape)
    scale, shift = (number.repeat(pixels_NCHW.shape[-1]) for number in _scale_and_shift(out, mean, std, white))
    for given, made in zip(rows.split(ROWS), made_rows.split(ROWS), strict=True):
        made.copy_(given).mul_(scale).sub_(shift)
    return out


def normalise_(x_NCHW: Tensor, mean: Sequence[float], std: Sequence[float], white: float) -> Tensor:
    """(x / white - mean) / std of each channel, written into the pictures given, float32.

    Pictures in channels_last are taken as rows of width x channels numbers: a number for each channel alone is ten
    times slower there.
    """
    scale, shift = _scale_and_shift(x_NCHW, mean, std, white)
    width = x_NCHW.shape[-1]
    if x_NCHW.is_contiguous() or not x_NCHW.is_contiguous(memory_format=torch.channels_last):
        x_NCHW.mul_(scale.view(1, -1, 1, 1)).sub_(shift.view(1, -1, 1, 1))
    else:
        rows = x_NCHW.permute(0, 2, 3, 1).view(-1, width * len(scale))
        rows.mul_(scale.repeat(width)).sub_(shift.repeat(width))
    return x_NCHW


def _scale_and_shift(like: Tensor, mean: Sequence[float], std: Sequence[float], white: float) -> tuple[Tensor, Tensor]:
    """For each channel, x * scale - shift being (x / white - mean) / std."""
    scale = torch.tensor([1 / (white * spread) for spread in std], device=like.device)
    return scale, torch.tensor([middle / spread for middle, spread in zip(mean, std, strict=True)], device=like.device)


def in_depth(picture: Image.Image, depth: int) -> Image.Image:
    """The picture grey (depth 1) or RGB (depth 3); itself, not a copy, where it is that already."""
    mode = "L" if depth == 1 else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def _cover(picture: Image.Image, width: int, height: int, shown: float, filter: Image.Resampling) -> Image.Image:
    """The middle of the picture of the wanted shape, scaled to the wanted size in one step."""
    scale = min(picture.width / width, picture.height / height) * shown
    # The products may exceed the picture by a rounding error, which resize would refuse.
    cut_width, cut_height = min(width * scale, picture.width), min(height * scale, picture.height)
    left, top = (picture.width - cut_width) / 2, (picture.height - cut_height) / 2
    box = (left, top, left + cut_width, top + cut_height)
    return picture.resize((width, height), filter, box=box)


# A picture longer than this many of its short sides loses its ends before it is scaled: those of one pixel by
# millions, with a short side of 256, would not fit into memory.
LONGEST = 16


def _two_steps(picture: Image.Image, width: int, height: int, short: int, filter: Image.Resampling) -> Image.Image:
    """The picture with that short side, the long one rounded down, and then its middle at whole pixels, halves rounded
    to even: bit for bit what torchvision's Resize and CenterCrop make of it."""
    least = min(picture.size)
    if max(picture.size) > LONGEST * least:
        picture = _middle(picture, min(picture.width, LONGEST * least), min(picture.height, LONGEST * least))
    whole = (short * picture.width // least, short * picture.height // least)
    return _middle(picture if picture.size == whole else picture.resize(whole, filter), width, height)


def _middle(picture: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)
    return picture.crop((left, top, left + width, top + height))
