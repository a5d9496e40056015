"""Rules for where the weights are."""

from collections.abc import Iterator
from dataclasses import replace

from torchbeam.design.arguments import write_word
from torchbeam.design.layers import INPUT
from torchbeam.design.lint.drawing import Drawing, Remark, amount
from torchbeam.design.words import Activation, BatchNorm, Conv, Dropout, Fc, Flatten, Pool

GLOBAL_AVERAGE = Pool("avg", "global")


def heavy_fc(drawing: Drawing) -> Iterator[Remark]:
    """The first FC behind CONVs holds more than half of all weights: an average of each channel in front of it does
    as well (CS231n's VGG: 102,760,448 of 138 M; Lin, Chen & Yan 2013, section 3.2, global average pooling)."""
    place = next((place for place, layer, _ in drawing.trunk() if isinstance(layer.word, Fc)), None)
    if place is None or not any(isinstance(layer.word, Conv) for layer in drawing.layers[:place]):
        return
    weights = drawing.book.rows[place].weights
    total = sum(row.weights for row in drawing.book.trunk)
    front = _flattened_at(drawing, place)
    if 2 * weights <= total or front is None:
        return
    after = drawing.changed({front: (GLOBAL_AVERAGE, drawing.layers[front].word)})
    then = ""
    if after is not None:
        less = after.rows[place + 1].weights
        then = f": {amount(less)} weights here, {amount(sum(row.weights for row in after.trunk))} in all"
    yield Remark(
        place,
        f"its {weights:,} weights are {weights / total:.0%} of the network's {total:,}",
        f"write POOL avg global in front of {drawing.layers[front].name}{then}",
        drawing.cost(after, place),
    )


def _flattened_at(drawing: Drawing, place: int) -> int | None:
    """The layer, the FC or one before it, that takes more than 1x1 pixels as one vector."""
    while True:
        layer = drawing.layers[place]
        if layer.input.height > 1 or layer.input.width > 1:
            return place
        place = layer.sources[0]
        if place == INPUT or not isinstance(drawing.layers[place].word, Flatten | Dropout | Activation | BatchNorm):
            return None


def bias_before_bn(drawing: Drawing) -> Iterator[Remark]:
    """A bias that only BN reads: BN takes the mean away, and the bias with it (Ioffe & Szegedy 2015, section 3.2)."""
    for place, layer, row in drawing.each():
        word, readers = layer.word, drawing.readers[place]
        if not isinstance(word, Conv | Fc) or not word.bias or not readers:
            continue
        if all(isinstance(drawing.layers[reader].word, BatchNorm) for reader in readers):
            yield Remark(
                place,
                f"{drawing.layers[readers[0]].name} takes away what its bias adds: {row.biases:,} idle parameters",
                f"write {write_word(replace(word, bias=False))}",
                f"-{row.biases:,} parameters",
            )
