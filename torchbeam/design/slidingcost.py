"""slidingcost: what one pass of a classifier over a larger picture costs, beside sliding it over every place.

Source: Sermanet et al. 2014, 'OverFeat', section 3.5: windows that overlap share their convolutions.
"""

from dataclasses import dataclass
from typing import Any

from torchbeam.design.complete import complete
from torchbeam.design.convolutional import convolutional
from torchbeam.design.layers import Layer, unfold
from torchbeam.design.ledger import ledger
from torchbeam.design.nets import Design
from torchbeam.design.resized import at_size
from torchbeam.design.volume import Volume
from torchbeam.design.words import Conv, Pool


@dataclass(frozen=True, slots=True)
class SlidingCost:
    """A classifier on a picture larger than its own input, in one pass and crop by crop.

    window: the classifier's own input, as large as a crop. map: what one pass gives, a score for each class at each
    place. jump: pixels from one place to the next, (across, down). macs_once, macs_sliding: multiply-accumulates of
    one pass and of the original on every crop. padded: the layers that pad, in order; where there are any, a place of
    the map and its crop do not give the same scores.
    """

    window: Volume
    picture: Volume
    map: Volume
    jump: tuple[int, int]
    macs_once: int
    macs_sliding: int
    padded: tuple[str, ...]

    @property
    def crops(self) -> int:
        """How many sliding crops the map stands for; the last may hang over the edge by pixels no window reads."""
        return self.map.width * self.map.height

    @property
    def ratio(self) -> float:
        """How many times as much the crops cost."""
        return self.macs_sliding / self.macs_once if self.macs_once else 1.0

    def to_json(self) -> dict[str, Any]:
        """Sizes as [width, height] in pixels."""
        return {
            "window": [self.window.width, self.window.height],
            "picture": [self.picture.width, self.picture.height],
            "map": [self.map.width, self.map.height],
            "classes": self.map.channels,
            "crops": self.crops,
            "jump": list(self.jump),
            "macs_once": self.macs_once,
            "macs_sliding": self.macs_sliding,
            "ratio": round(self.ratio, 3),
            "padded": list(self.padded),
        }

    def __str__(self) -> str:
        """Three lines: the map, the costs, and whether map and crops agree."""
        across, down = self.jump
        step = f"{across} pixels" if across == down else f"{across} pixels across and {down} down"
        padded = len(self.padded)
        agree = (
            "no layer pads: each place gives what its crop gives"
            if not padded
            else f"{padded} {'layer pads' if padded == 1 else 'layers pad'}: places and crops do not give the same"
        )
        return (
            f"{self.picture.width}x{self.picture.height}: a map of {self.map.width}x{self.map.height} places, {step} "
            f"apart, for {self.crops} crops of {self.window.width}x{self.window.height}\n"
            f"multiply-accumulates: {self.macs_once:,} in one pass, {self.macs_sliding:,} crop by crop, "
            f"{self.ratio:.1f} times as many\n{agree}"
        )


def sliding_cost(design: Design, width: int, height: int) -> SlidingCost:
    """What the design, a classifier, costs on a picture of that size in pixels. Multiply-accumulates are those of
    CONV and FC.

    Raises DesignError where it cannot be made fully convolutional, FitError where the picture is too small for it.
    """
    own = ledger(complete(design))
    form = convolutional(design)
    once = ledger(at_size(form, width, height))
    across, down = once.trunk[-1].jump
    return SlidingCost(
        window=own.input,
        picture=once.input,
        map=once.output,
        jump=(int(across), int(down)),
        macs_once=once.macs,
        macs_sliding=own.macs * once.output.width * once.output.height,
        padded=tuple(layer.name for layer in unfold(form) if _pads(layer)),
    )


def _pads(layer: Layer) -> bool:
    """Whether a layer of a fully convolutional design sees anything beyond the edge of its input."""
    match layer.word:
        case Conv():
            pads = layer.word.pads
        case Pool(padding=pads):
            pass
        case _:
            return False
    return pads != ((0, 0), (0, 0))
