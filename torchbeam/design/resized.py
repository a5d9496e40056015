"""resized: a design at another input size, where its arithmetic allows; and the smallest size at which it does.

Windows slide over any size that they fit, and what they learnt stays as it is. A layer that learnt from every number
of its input, an FC behind a volume, stays what it is only where that volume has the size it had.
"""

from collections.abc import Sequence
from dataclasses import replace

from torchbeam.design.complete import ASSUMED_INPUT, complete
from torchbeam.design.layers import INPUT, Layer, unfold
from torchbeam.design.nets import Design
from torchbeam.design.sizing import joined, output, parameters
from torchbeam.design.volume import Volume
from torchbeam.design.words import Foreign, Join
from torchbeam.errors import DesignError


def at_size(design: Design, width: int, height: int) -> Design:
    """The completed design with an INPUT of that width and height in pixels, and as deep as its own.

    Every layer learns as many numbers as before, so weights made at one size serve at the other. Raises FitError where
    a window does not fit, and DesignError where a layer would have to learn other numbers, as an FC behind FLATTEN has.
    """
    own = complete(design)
    volume = own.input.volume or ASSUMED_INPUT
    other = replace(own, input=replace(own.input, volume=Volume(volume.channels, height, width)))
    made = complete(other)
    changed = _changed(unfold(own), Volume(volume.channels, height, width))
    if changed is not None:
        layer, came = changed
        raise DesignError(
            f"{layer.name} has learnt from an input of one size and cannot read another",
            expected=f"{layer.input.neurons:,} numbers, as at {volume.width}x{volume.height}",
            got=f"{came.neurons:,} where the picture is {width}x{height}",
            remedy="take the design's fully convolutional form, or put POOL avg to its own size before the first FC",
        )
    return made


def smallest_input(design: Design) -> int:
    """The side in pixels of the smallest square input that `at_size` takes; sizes above it need not all fit.

    Sizes up to the design's own longer side are tried. Raises DesignError where no square fits: layers that learn
    from the whole volume need the size they were drawn for.
    """
    own = complete(design)
    layers, volume = unfold(own), own.input.volume or ASSUMED_INPUT
    longest = max(volume.width, volume.height)
    for side in range(1, longest + 1):
        try:
            if _changed(layers, Volume(volume.channels, side, side)) is None:
                return side
        except DesignError:  # too small, or a size that some window does not fit
            continue
    raise DesignError(
        f"no square input of up to {longest} pixels fits every layer",
        got=f"a design for {volume}",
        remedy="put POOL avg global before its first FC, or take its fully convolutional form",
    )


def _changed(layers: Sequence[Layer], start: Volume) -> tuple[Layer, Volume] | None:
    """The first layer that learns other numbers where the network's input is `start`, and what comes into it.

    Raises as `sizing.output` and `sizing.joined` do. Volumes alone are worked out, and no further than to that layer.
    """
    made: list[Volume] = []
    for layer in layers:
        came = tuple(start if source == INPUT else made[source] for source in layer.sources)
        word = layer.word
        if parameters(word, came[0]) != parameters(word, layer.input):
            return layer, came[0]
        if isinstance(word, Join):
            made.append(joined(word, came, layer.name))
        elif isinstance(word, Foreign):  # never reached: a design has none
            made.append(came[0])
        else:
            made.append(output(word, came[0], layer.fit, layer.name))
    return None
