"""Rules for activations that stand where they do harm: behind the scores, or where no gradient passes."""

from collections.abc import Iterator

from torchbeam.design.layers import INPUT
from torchbeam.design.lint.drawing import Drawing, Remark, amount
from torchbeam.design.words import Activation, Dropout, Flatten, Softmax

# The activations that are never below zero, but for STEP.
ONE_SIDED = ("RELU", "RELU6", "SIGMOID", "HARDSIGMOID", "SOFTPLUS", "GAUSSIAN")


def activation_at_the_end(drawing: Drawing) -> Iterator[Remark]:
    """An activation that is never negative, as the last thing before the scores: the last FC layer 'usually has no
    activation' (CS231n, 'Neural Networks', output layer). One unit behind SIGMOID is a probability, and none."""
    ends = {layer.head: place for place, layer, _ in drawing.each()}
    for place in sorted(ends.values()):
        layer, behind = drawing.layers[place], False
        while isinstance(layer.word, Softmax | Dropout | Flatten) or _is_kind(layer.word, "IDENTITY"):
            behind = behind or isinstance(layer.word, Softmax)
            place = layer.sources[0]
            if place == INPUT:
                break
            layer = drawing.layers[place]
        if place == INPUT or not _is_kind(layer.word, *ONE_SIDED):
            continue
        out = layer.output
        if behind or (out.height == out.width == 1 < out.channels):
            yield Remark(
                place,
                f"{row_word(layer.word)} at the end: none of the {out.channels:,} scores can be negative",
                f"leave out {row_word(layer.word)}",
            )


def dead_step(drawing: Drawing) -> Iterator[Remark]:
    """STEP is flat everywhere: no gradient passes it, and what only it leads to never learns."""
    layers, rows = drawing.layers, drawing.book.rows
    learning: set[int] = set()
    for place in reversed(range(len(layers))):
        readers = drawing.readers[place]
        if not readers or any(at in learning and not _is_kind(layers[at].word, "STEP") for at in readers):
            learning.add(place)
    for place, layer, _ in drawing.each():
        if not _is_kind(layer.word, "STEP"):
            continue
        below, waiting = set[int](), [source for source in layer.sources if source != INPUT]
        while waiting:
            at = waiting.pop()
            if at not in below and at not in learning:
                below.add(at)
                waiting += [source for source in layers[at].sources if source != INPUT]
        count = sum(rows[at].parameters for at in below)
        if count:
            yield Remark(
                place,
                f"its slope is 0 everywhere: the {amount(count)} parameters below it never learn",
                "write RELU or SIGMOID in its place",
            )


def row_word(word: object) -> str:
    """The kind of an activation."""
    return word.kind if isinstance(word, Activation) else ""


def _is_kind(word: object, *kinds: str) -> bool:
    return isinstance(word, Activation) and word.kind in kinds
