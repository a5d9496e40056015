"""What one neuron sees of the input, along one axis, exactly.

Neuron i sees the pixels lo(i) to hi(i). Behind windows that slide evenly, lo(i) = offset + i * jump (Araujo,
Norris & Sim, 'Computing Receptive Fields', Distill 2019). Behind UP and adaptive pools lo and hi repeat only
after `period` neurons; so they are kept for one period, and lo(i + period) = lo(i) + shift.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from torchbeam.errors import DesignError

# More than any picture has; larger numbers would only grow until they cannot be printed.
MOST_SHIFT = 10**18
MOST_PERIOD = 1_024


@dataclass(frozen=True, slots=True)
class Field:
    """lo and hi of one period of neurons, in pixels of the input; negative where they lie in the padding."""

    lo: tuple[int, ...]
    hi: tuple[int, ...]
    shift: int

    @property
    def size(self) -> int:
        """The receptive field: the most pixels from the first to the last that one neuron sees."""
        return max(hi - lo + 1 for lo, hi in zip(self.lo, self.hi, strict=True))

    @property
    def jump(self) -> Fraction:
        """Pixels from one neuron's field to its neighbour's, on average."""
        return Fraction(self.shift, len(self.lo))

    @property
    def offset(self) -> int:
        """The first pixel that neuron 0 sees."""
        return self.lo[0]

    def window(self, extent: int, stride: int, near: int) -> "Field":
        """Behind a window of that extent and stride, padded by `near` before the first pixel."""
        if stride == 1 or len(self.lo) == 1:
            return _checked(self._from(self.lo, -near), self._from(self.hi, extent - 1 - near), self.shift * stride)
        return self.through(lambda i: i * stride - near, lambda i: i * stride - near + extent - 1, 1, stride)

    def adaptive(self, length: int, places: int) -> "Field":
        """Behind torch's adaptive pooling of `length` to `places`."""
        common = gcd(length, places)
        return self.through(
            lambda i: i * length // places,
            lambda i: -(-(i + 1) * length // places) - 1,
            places // common,
            length // common,
        )

    def enlarged(self, factor: int, bilinear: bool) -> "Field":
        """Behind UP: nearest copies one pixel, bilinear mixes the two about (i + 1/2) / factor - 1/2."""
        if not bilinear:
            return self.through(lambda i: i // factor, lambda i: i // factor, factor, 1)
        twice = 2 * factor
        return self.through(
            lambda i: (2 * i + 1 - factor) // twice, lambda i: -(-(2 * i + 1 - factor) // twice), factor, 1
        )

    def through(self, first: Callable[[int], int], last: Callable[[int], int], period: int, step: int) -> "Field":
        """Behind a layer whose neuron i reads first(i) to last(i), where first(i + period) = first(i) + step."""
        own = len(self.lo)
        rounds = own // gcd(own, step)
        if period * rounds > MOST_PERIOD:
            raise _too_long(period * rounds)
        neurons = range(period * rounds)
        return _checked(
            tuple(self._at(self.lo, first(i)) for i in neurons),
            tuple(self._at(self.hi, last(i)) for i in neurons),
            self.shift * (step * rounds // own),
        )

    def whole(self, length: int) -> "Field":
        """What all of `length` neurons see together."""
        jump = max(1, int(self.jump)) if self.shift else 0
        return Field((self._at(self.lo, 0),), (self._at(self.hi, length - 1),), jump)

    def joined(self, other: "Field", length: int) -> "Field":
        """What each of `length` neurons sees through either of two branches: from the first pixel of both to the last
        of both. Branches of different jumps never repeat together, so all neurons are listed, or one period."""
        if self == other:
            return self
        period = lcm(len(self.lo), len(other.lo))
        if self.jump != other.jump and length <= MOST_PERIOD:
            period = length
        if period > MOST_PERIOD:
            raise _too_long(period)
        return Field(
            tuple(min(self._at(self.lo, i), other._at(other.lo, i)) for i in range(period)),
            tuple(max(self._at(self.hi, i), other._at(other.hi, i)) for i in range(period)),
            max(self.shift * period // len(self.lo), other.shift * period // len(other.lo)),
        )

    def _from(self, ends: tuple[int, ...], i: int) -> tuple[int, ...]:
        """One period of ends, from the i-th on."""
        rounds, place = divmod(i, len(ends))
        by = rounds * self.shift
        return tuple([end + by for end in ends[place:]] + [end + by + self.shift for end in ends[:place]])

    def _at(self, ends: tuple[int, ...], i: int) -> int:
        rounds, place = divmod(i, len(ends))
        return ends[place] + rounds * self.shift


# What a pixel of the input sees: itself.
PIXEL = Field((0,), (0,), 1)


def _too_long(period: int) -> DesignError:
    return DesignError(
        f"what its neurons see repeats only after {period:,} of them", expected=f"at most {MOST_PERIOD:,}"
    )


def _checked(lo: tuple[int, ...], hi: tuple[int, ...], shift: int) -> Field:
    if shift > MOST_SHIFT or hi[-1] - lo[0] > MOST_SHIFT:
        raise DesignError(
            f"the strides up to here multiply to {float(shift):.0e} pixels", expected=f"at most {float(MOST_SHIFT):.0e}"
        )
    return Field(lo, hi, shift)
