"""Volumes, and the arithmetic of a window sliding over them.

A window of size F, dilated D times, covers F' = D(F - 1) + 1 pixels. Sliding with stride S over W
pixels, padded by P in all, it stands in (W - F' + P) / S + 1 places: CS231n's formula, where P is
written 2P because both sides are padded alike. When that is not a whole number the setting is invalid;
`fit` names the three answers.
"""

from dataclasses import dataclass
from fractions import Fraction
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
        return Fraction(length - self.extent + self.near + self.far, self.stride) + 1

    def fits(self, length: int) -> bool:
        """Whether the window stands in a whole number of places, at least one."""
        places = self.places(length)
        return places.denominator == 1 and places >= 1

    def slide(self, length: int, fit: Fit) -> Slide | None:
        """Where the window goes over `length` pixels; None where `fit` does not allow it.

        crop drops what does not fit, as PyTorch does without a word; pad adds pixels at the far edge.
        """
        if self.fits(length):
            return Slide(int(self.places(length)))
        spare = length + self.near + self.far - self.extent
        if fit == "pad":
            added = -spare % self.stride if spare >= 0 else -spare
            return Slide((spare + added) // self.stride + 1, added=added)
        if fit == "crop" and spare >= 0:
            remainder = spare % self.stride
            return Slide(spare // self.stride + 1, dropped=max(0, remainder - self.far))
        return None

    def sum(self, length: int) -> str:
        """The formula with its numbers, as in '(7 - 3 + 2*0) / 3 + 1 = 2.33'."""
        padding = f"2*{self.near}" if self.near == self.far else f"{self.near} + {self.far}"
        extent = str(self.extent)
        if self.dilation > 1:
            extent = f"({self.dilation}*({self.size} - 1) + 1)"
        places = self.places(length)
        value = str(places) if places.denominator == 1 else f"{float(places):.2f}"
        return f"({length} - {extent} + {padding}) / {self.stride} + 1 = {value}"


def nearest_fits(window: Window, length: int) -> list[tuple[str, int]]:
    """The nearest settings that fit `length`, as (setting in the notation's words, places), smallest change first.

    One answer each for padding, stride and kernel and up to two for the input's size; each is checked by
    the arithmetic it is offered for.
    """
    found: list[tuple[int, str, Window, int]] = []

    def offer(change: int, setting: str, candidate: Window, size: int) -> bool:
        if not candidate.fits(size):
            return False
        found.append((change, setting, candidate, size))
        return True

    size, stride, near, far, dilation = (
        window.size,
        window.stride,
        window.near,
        window.far,
        window.dilation,
    )
    # One pixel of stride or kernel moves every place, one of padding or input only the last: twice the change.
    for more in range(1, stride + window.extent):
        half = more // 2 if more % 2 == 0 and near == far else 0
        pads = (near + half, far + half) if half else (near, far + more)
        setting = f"pad {pads[0]}" if pads[0] == pads[1] else f"pad {pads[0]}:{pads[1]}"
        if offer(more, setting, Window(size, stride, *pads, dilation), length):
            break
    for step in range(1, stride + window.extent):
        for other in (length + step, length - step):
            if other > 0:
                offer(step, f"input {other}", window, other)
        if sum(setting.startswith("input") for _, setting, _, _ in found) >= 2:
            break
    for step in range(1, max(stride, length)):
        smaller = stride - step
        if smaller > 0 and offer(2 * step, f"stride {smaller}", Window(size, smaller, near, far, dilation), length):
            break
        if smaller <= 0:
            break
    for step in range(1, max(size, length)):
        if any(
            other > 0 and offer(2 * step, f"kernel {other}", Window(other, stride, near, far, dilation), length)
            for other in (size - step, size + step)
        ):
            break
    found.sort(key=lambda entry: entry[0])
    return [(setting, int(candidate.places(at_size))) for _, setting, candidate, at_size in found[:6]]
