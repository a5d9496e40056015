"""Volumes, and the arithmetic of a window sliding over them.

A window of size F, dilated D times, covers F' = D(F - 1) + 1 pixels. Sliding with stride S over W
pixels, padded by P in all, it stands in (W - F' + P) / S + 1 places: CS231n's formula, where P is
written 2P because both sides are padded alike. When that is not a whole number the setting is invalid;
`fit` names the three answers.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Literal

from torchbeam.errors import DesignError

Fit = Literal["error", "crop", "pad"]
FITS: tuple[Fit, ...] = ("error", "crop", "pad")


@dataclass(frozen=True, slots=True)
class Volume:
    """What flows between layers: channels x height x width, in PyTorch's order.

    As text it is width x height x depth, the textbooks' order: str(Volume(3, 24, 32)) is '32x24x3'.
    Raises DesignError unless every side is at least 1.
    """

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1:
            raise DesignError(f"a volume cannot be {self}", expected="width, height and depth of at least 1")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.channels}"

    @property
    def neurons(self) -> int:
        """How many numbers the volume holds."""
        return self.channels * self.height * self.width


@dataclass(frozen=True, slots=True)
class Slide:
    """How a window went over a length: `count` places; pixels `added` at the far edge to make it fit;
    `dropped` pixels (real ones, not padding) that no place reaches because it did not."""

    count: int
    added: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A window along one axis, in pixels: its size, stride, padding at the near and far edge, dilation."""

    size: int
    stride: int = 1
    near: int = 0
    far: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """F' = D(F - 1) + 1, the pixels from the window's first to its last."""
        return self.dilation * (self.size - 1) + 1

    def places(self, length: int) -> Fraction:
        """(W - F' + P) / S + 1, exactly; below 1 the window is larger than the padded input."""
        return Fraction(self.spare(length), self.stride) + 1

    def spare(self, length: int) -> int:
        """The pixels of the padded length beyond the first window; below 0 the window is larger than that."""
        return length - self.extent + self.near + self.far

    def fits(self, length: int) -> bool:
        """Whether the window stands in a whole number of places, at least one."""
        spare = self.spare(length)
        return spare >= 0 and spare % self.stride == 0

    def slide(self, length: int, fit: Fit) -> Slide | None:
        """Where the window goes over `length` pixels; None where `fit` does not allow it.

        crop drops what does not fit, as PyTorch does without a word; pad adds pixels at the far edge.
        """
        spare = self.spare(length)
        if self.fits(length):
            return Slide(spare // self.stride + 1)
        if fit == "pad":
            added = -spare % self.stride if spare >= 0 else -spare
            return Slide((spare + added) // self.stride + 1, added=added)
        if fit == "crop" and spare >= 0:
            remainder = spare % self.stride
            return Slide(spare // self.stride + 1, dropped=max(0, remainder - self.far))
        return None

    def sees_pixels(self, length: int, count: int) -> bool:
        """Whether each of `count` places holds a real pixel, and not padding alone: the first and the last do."""
        return max(self.near, self.far) < self.size and (count - 1) * self.stride - self.near < length

    def sum(self, length: int) -> str:
        """The formula with its numbers, as in '(7 - 3 + 2*0) / 3 + 1 = 2.33'."""
        padding = f"2*{self.near}" if self.near == self.far else f"{self.near} + {self.far}"
        extent = str(self.extent)
        if self.dilation > 1:
            extent = f"({self.dilation}*({self.size} - 1) + 1)"
        return f"({length} - {extent} + {padding}) / {self.stride} + 1 = {_plain(self.places(length))}"


def _plain(places: Fraction) -> str:
    """A number of places with as many decimals as tell it from a whole one, at least two."""
    if places.denominator == 1:
        return str(places)
    decimals = 2
    while decimals < 12 and float(f"{float(places):.{decimals}f}").is_integer():
        decimals += 2
    return f"{float(places):.{decimals}f}"


# How far a stride or kernel is looked for; beyond it the change is no mend any more.
REACH = 1000


def nearest_fits(window: Window, length: int, *, pooling: bool = False) -> list[tuple[str, int]]:
    """The nearest settings that fit `length`, as (setting in the notation's words, places), smallest change first.

    One answer each for padding, stride and kernel and two for the input's size; each is checked by the
    arithmetic it is offered for. pooling: each place must hold a real pixel.
    """
    spare = window.spare(length)
    found = [*_other_pads(window, length, spare), *_other_inputs(window, length, spare)]
    found += [*_other_strides(window, length, spare), *_other_kernels(window, length, spare)]
    found.sort(key=lambda entry: entry[0])
    slides = [(setting, other, size, other.slide(size, "error")) for _, setting, other, size in found]
    return [
        (setting, slide.count)
        for setting, other, size, slide in slides
        if slide is not None and (not pooling or other.sees_pixels(size, slide.count))
    ]


# (change, setting, window, length): a pixel of stride or kernel moves every place and counts twice.
Offer = tuple[int, str, Window, int]


def _other_inputs(window: Window, length: int, spare: int) -> list[Offer]:
    if spare < 0:
        changes = [-spare, -spare + window.stride]
    else:
        changes = [-(spare % window.stride), window.stride - spare % window.stride]
    return [(abs(by), f"input {length + by}", window, length + by) for by in changes if length + by > 0]


def _other_pads(window: Window, length: int, spare: int) -> list[Offer]:
    more = -spare if spare < 0 else -spare % window.stride
    near, far = window.near, window.far + more
    if more % 2 == 0 and window.near == window.far:
        near, far = window.near + more // 2, window.far + more // 2
    setting = f"pad {near}" if near == far else f"pad {near}:{far}"
    return [(more, setting, replace(window, near=near, far=far), length)]


def _other_strides(window: Window, length: int, spare: int) -> list[Offer]:
    start = min(window.stride - 1, max(spare, 1))
    for stride in range(start, max(0, start - REACH), -1):
        if spare >= 0 and spare % stride == 0:
            return [(2 * (window.stride - stride), f"stride {stride}", replace(window, stride=stride), length)]
    return []


def _other_kernels(window: Window, length: int, spare: int) -> list[Offer]:
    # A pixel of size moves what is left over by the dilation: what they have in common must divide it, or none fits.
    if spare % gcd(window.dilation, window.stride):
        return []
    least = max(1, -(spare // window.dilation)) if spare < 0 else 1
    most = max(window.size - 1, spare // window.dilation)  # beyond it a smaller one is empty, a larger one too large
    for by in range(least, min(least + REACH, most + 1)):
        for size in (window.size - by, window.size + by):
            left = spare + window.dilation * (window.size - size)
            if size > 0 and left >= 0 and left % window.stride == 0:
                return [(2 * by, f"kernel {size}", replace(window, size=size), length)]
    return []
