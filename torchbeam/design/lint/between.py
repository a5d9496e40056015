"""Rules for what stands between two layers with weights: without a nonlinearity the two are no more than one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd

from torchbeam.design.arguments import write_word
from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.ledger import Ledger
from torchbeam.design.lint.drawing import Drawing, Remark, axes
from torchbeam.design.sizing import filters
from torchbeam.design.volume import Fit
from torchbeam.design.words import (
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Foreign,
    Join,
    Pool,
    Shortcut,
    Skip,
    Up,
    Word,
    spelling,
)
from torchbeam.errors import DesignError

# How many layers behind one other are followed, and the widest window that two are merged into.
MOST_FOLLOWED, MOST_MERGED = 16, 64


def linear_linear(drawing: Drawing) -> Iterator[Remark]:
    """Two linear layers with nothing between: one does what both do, without a nonlinearity in the middle (CS231n,
    'Neural Networks', commonly used activation functions: without one 'the two matrices could be collapsed')."""
    for first, second in _pairs(drawing):
        if drawing.layers[second].sources == (first,):
            yield _remark(drawing, first, second, f"nothing between {drawing.layers[first].name} and it")


def missing_nonlinearity(drawing: Drawing) -> Iterator[Remark]:
    """Two linear layers with only linear things between, such as BN, DROPOUT, POOL avg or FLATTEN: as above."""
    for first, second in _pairs(drawing):
        if drawing.layers[second].sources == (first,):
            continue
        chain = _chain(drawing, first, second)
        words = dict.fromkeys(_short(drawing.layers[at].word) for at in chain) if chain else {"linear joins": None}
        yield _remark(drawing, first, second, f"only {', '.join(words)} between {drawing.layers[first].name} and it")


def _pairs(drawing: Drawing) -> Iterator[tuple[int, int]]:
    """(first, second) of linear layers of which the second is a linear function of the first, and not on purpose."""
    # For each layer the CONVs and FCs that it is a linear function of, nearest last; None behind a nonlinearity.
    linear: dict[int, tuple[int, ...] | None] = {INPUT: ()}
    for place, layer, _ in drawing.each():
        before = [linear[source] for source in layer.sources]
        known = [each for each in before if each is not None]
        together = tuple(sorted(set().union(*known)))[-MOST_FOLLOWED:] if len(known) == len(before) else None
        if not isinstance(layer.word, Conv | Fc):
            linear[place] = together if _is_linear(layer.word) else None
            continue
        linear[place] = (place,)
        meant = [first for first in together or () if not _is_factorised(drawing.layers[first], layer)]
        if meant:
            yield meant[-1], place


def _is_linear(word: Word | Join | Foreign) -> bool:
    match word:
        case BatchNorm() | Dropout() | Flatten() | Shortcut() | Up() | Join() | Skip():
            return True
        case Pool(kind="avg") | Activation(kind="IDENTITY"):
            return True
        case _:
            return False


def _is_factorised(first: Layer, second: Layer) -> bool:
    """Whether the two are one layer taken apart on purpose: depthwise and 1x1 (Howard et al. 2017), a middle narrower
    than both ends (low rank; Sandler et al. 2018), or Fx1 and 1xF (Szegedy et al. 2015)."""
    one, two = first.word, second.word
    if not isinstance(one, Conv) or not isinstance(two, Conv):
        return second.input.neurons < min(first.input.neurons, second.output.neurons)
    if second.input.channels < min(first.input.channels, second.output.channels):
        return True
    depthwise = [filters(word, at.input)[1] == at.input.channels > 1 for word, at in ((one, first), (two, second))]
    (high, wide), (then_high, then_wide) = one.kernel_size or (3, 3), two.kernel_size or (3, 3)
    if (depthwise[0] and then_high == then_wide == 1) or (depthwise[1] and high == wide == 1):
        return True
    return (high == 1 < wide and then_wide == 1 < then_high) or (wide == 1 < high and then_high == 1 < then_wide)


def _chain(drawing: Drawing, first: int, second: int) -> list[int]:
    """The layers between, in order, where they stand in one row; [] where branches meet or nothing is between."""
    chain: list[int] = []
    place = drawing.layers[second].sources[0]
    while place != first:
        if place == INPUT or len(drawing.layers[place].sources) != 1:
            return []
        chain.insert(0, place)
        place = drawing.layers[place].sources[0]
    return chain


def _short(word: Word | Join | Foreign) -> str:
    return "POOL avg" if isinstance(word, Pool) else spelling(word)


def _remark(drawing: Drawing, first: int, second: int, between: str) -> Remark:
    name = drawing.layers[second].name
    merged = _merged(drawing, first, second)
    if merged is None:
        return Remark(second, f"{between}: together they are linear", f"write RELU in front of {name}")
    text = write_word(merged.word)
    trained = any(isinstance(drawing.layers[at].word, BatchNorm | Dropout) for at in _chain(drawing, first, second))
    where = (" once trained" if trained else "") + ("" if merged.exact else ", but at the borders")
    saves = merged.after.parameters + merged.after.side_parameters
    saves -= drawing.book.parameters + drawing.book.side_parameters
    return Remark(
        second,
        f"{between}: both do what one {text} does{where}",
        f"write RELU in front of {name}" + (f", or {text} in place of both" if saves < 0 else ""),
        drawing.cost(merged.after, second, "in place of both: ") if saves < 0 else "",
    )


@dataclass(frozen=True, slots=True)
class _Merged:
    """One word for two layers and what is between, and the ledger with it; exact: at the borders too."""

    word: Conv | Fc
    after: Ledger
    exact: bool


def _merged(drawing: Drawing, first: int, second: int) -> _Merged | None:
    """One layer that does what the two do, once BN's means and DROPOUT are settled; None where there is none."""
    layers = drawing.layers
    chain = _chain(drawing, first, second)
    alone = all(len(drawing.readers[at]) == 1 for at in (first, *chain))
    if not alone or (not chain and layers[second].sources != (first,)):
        return None
    one, two = layers[first].word, layers[second].word
    inner = [layers[at] for at in chain]
    shifts = any(isinstance(layer.word, BatchNorm) for layer in inner)
    bias = shifts or any(isinstance(word, Conv | Fc) and word.bias for word in (one, two))
    if isinstance(two, Fc):
        word, exact = replace(two, bias=bias), True
    elif isinstance(one, Conv) and isinstance(two, Conv) and not any(map(_moves, inner)):
        try:
            word = _convolved([layers[first], *inner, layers[second]], bias)
        except DesignError:
            return None
        later = [*inner, layers[second]]
        exact = not any(window.near or window.far for layer in later for window, _ in axes(layer))
        exact = exact and not any(layer.fit == "pad" and not _fits(layer) for layer in (layers[first], *later))
    else:
        return None
    if isinstance(word, Conv) and max(word.kernel_size or (1, 1)) > MOST_MERGED:
        return None
    nothing: tuple[Word, ...] = ()
    after = drawing.changed({first: (word,), **dict.fromkeys((*chain, second), nothing)})
    same = after is not None and after.rows[first].output == layers[second].output
    return _Merged(word, after, exact) if after is not None and same else None


def _moves(layer: Layer) -> bool:
    """Whether the numbers stand elsewhere behind the layer than a window's places would have them."""
    return isinstance(layer.word, Flatten | Up | Shortcut) or (
        isinstance(layer.word, Pool) and layer.word.to is not None
    )


def _convolved(row: list[Layer], bias: bool) -> Conv:
    """The CONV whose one window covers what the windows of the row cover one behind the other."""
    one, two = row[0].word, row[-1].word
    covers: list[tuple[int, int, tuple[int, int]]] = []
    for at in (0, 1):
        size, step, near, far = 1, 1, 0, 0
        for layer in row:
            window, _ = axes(layer)[at]
            size += (window.extent - 1) * step
            near, far = near + window.near * step, far + window.far * step
            step *= window.stride
        covers.append((size, step, (near, far)))
    (high, down, top), (wide, across, left) = covers
    groups = [
        filters(word, layer.input)[1] for word, layer in ((one, row[0]), (two, row[-1])) if isinstance(word, Conv)
    ]
    return Conv(
        row[-1].output.channels,
        (high, wide),
        (down, across),
        (top, left),
        groups=gcd(*groups),
        bias=bias,
        fit=None if all(map(_fits, row)) else next((fit for layer in row if (fit := _said_fit(layer))), None),
    )


def _fits(layer: Layer) -> bool:
    return all(window.fits(length) for window, length in axes(layer))


def _said_fit(layer: Layer) -> Fit | None:
    return layer.word.fit if isinstance(layer.word, Conv | Pool) else None
