"""Rules for the size of the picture: how often it is halved, and how much of it is seen.

Sources: CS231n, 'Layer Sizing Patterns', for sizes divisible by 2 many times; Araujo, Norris & Sim 2019, 'Computing
Receptive Fields'; Richter et al. 2021, 'Input Size Matters', for layers that see no more of the picture.
"""

from collections.abc import Iterator
from dataclasses import replace

from torchbeam.design.arguments import write_word
from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.ledger import Ledger
from torchbeam.design.lint.drawing import Drawing, Remark, axes, is_global, is_windowed
from torchbeam.design.volume import Volume
from torchbeam.design.words import Conv, Pool, Shortcut, Size, Up, Word
from torchbeam.errors import DesignError

# Sizes that CS231n names for their many factors of 2.
GOOD_SIZES = (32, 64, 96, 224, 384, 512)
# How many layers, from the last on, a wider field is tried at; how many input sizes a larger picture is tried with.
TRIED_LAYERS, TRIED_SIZES = 48, 33
# The pools of CS231n that halve: an even size, and an odd one.
HALVING_POOLS = (Pool("max", kernel_size=(2, 2), stride=(2, 2)), Pool("max", kernel_size=(3, 3), stride=(2, 2)))


def uneven_halving(drawing: Drawing) -> Iterator[Remark]:
    """A picture that is not divisible by 2 as often as it is halved, where a halving does not come out even (CS231n:
    'the input layer should be divisible by 2 many times'). A 227 that fits its strides exactly is no fault."""
    start = drawing.book.input
    times = _halvings(drawing)
    bad = [length % 2**most != 0 for length, most in zip((start.height, start.width), times, strict=True)]
    for place, layer, _ in drawing.trunk():
        uneven = [at for at in (0, 1) if bad[at] and _is_uneven(layer, at)]
        if not uneven:
            continue
        at = uneven[-1]  # the width, where both are
        side, length = ("height", start.height) if at == 0 else ("width", start.width)
        came, goes = (v.height if at == 0 else v.width for v in (layer.input, layer.output))
        sizes = _good_inputs(drawing, times, bad)
        texts = [f"INPUT {after.input}" for after in sizes]
        yield Remark(
            place,
            f"the {side} {length} is halved {times[at]} times but not divisible by {2 ** times[at]}: "
            f"here {came} becomes {goes}",
            f"write {' or '.join(texts)}" if texts else "halve the picture less often, or choose another INPUT",
            drawing.cost(sizes[0], place) if sizes else "",
        )
        return


def _halvings(drawing: Drawing) -> Size:
    """How often the picture is halved on the way to any layer, (down, across): a stride of 4 is two."""
    halved: dict[int, Size] = {INPUT: (0, 0)}
    for place, layer, _ in drawing.each():
        before = [halved[source] for source in layer.sources]
        down, across = (max(each[at] for each in before) for at in (0, 1))
        match layer.word:
            case Pool(to=(_, _)):
                strides = [1, 1]
            case Conv() | Pool() if not is_global(layer):
                strides = [window.stride for window, _ in axes(layer)]
            case Shortcut(stride=stride):
                strides = list(stride)
            case Up(scale_factor=by):
                strides, (down, across) = [1, 1], (down - _twos(by), across - _twos(by))
            case _:
                strides = [1, 1]
        halved[place] = (down + _twos(strides[0]), across + _twos(strides[1]))
    trunk = [(0, 0), *(halved[place] for place, _, _ in drawing.trunk())]
    return max(each[0] for each in trunk), max(each[1] for each in trunk)


def _twos(number: int) -> int:
    """How often 2 divides it."""
    return (number & -number).bit_length() - 1


def _is_uneven(layer: Layer, at: int) -> bool:
    if not isinstance(layer.word, Conv | Pool) or not is_windowed(layer):
        return False
    window, length = axes(layer)[at]
    goes = layer.output.height if at == 0 else layer.output.width
    return window.stride % 2 == 0 and not window.fits(length) and goes * window.stride != length


def _good_inputs(drawing: Drawing, times: Size, bad: list[bool]) -> list[Ledger]:
    """The ledgers with the nearest inputs, smaller and larger, that every halving divides; and with a size of
    CS231n's where one is near. None is further than half or twice the input's own size."""
    start, found = drawing.book.input, []
    lengths = (start.height, start.width)
    near: list[tuple[int, int]] = []
    for length, most, is_bad in zip(lengths, times, bad, strict=True):
        down = length // 2**most * 2**most
        near.append((down, down + 2**most) if is_bad else (length, length))
    inputs = [(near[0][0], near[1][0]), (near[0][1], near[1][1])]
    inputs.sort(key=lambda size: sum(abs(a - b) for a, b in zip(size, lengths, strict=True)))
    if start.height == start.width:
        good = [size for size in GOOD_SIZES if size % 2 ** times[0] == 0 and 4 * abs(size - start.width) <= start.width]
        inputs += [(size, size) for size in good if (size, size) not in inputs]
    for height, width in inputs:
        if all(length <= 2 * size <= 4 * length for size, length in zip((height, width), lengths, strict=True)):
            after = drawing.changed({}, Volume(start.channels, height, width))
            found += [after] if after is not None else []
    return found[:3]


def field_too_large(drawing: Drawing) -> Iterator[Remark]:
    """The first layer with a window whose input sees the whole picture already: wider windows see no more of it
    (Richter et al. 2021). It informs: deep residual networks are so and well."""
    start = drawing.book.input
    wide, high = (0, 0)
    first = None
    for place, layer, _ in drawing.trunk():
        if is_windowed(layer):
            across, down = drawing.seen(place)
            wide, high = max(wide, across), max(high, down)
            if first is None and across >= start.width and down >= start.height:
                first = place
    if first is None:
        return
    across, down = drawing.seen(first)
    larger = _larger_input(drawing, wide, high)
    or_input = f", or INPUT {larger.input} or larger" if larger else ""
    yield Remark(
        first,
        f"its input sees {across}x{down} of {start.width}x{start.height} pixels: from here on layers see no more of it",
        f"leave layers out from here on{or_input}; nothing to mend in a residual network",
        drawing.cost(larger, first, f"INPUT {larger.input}: ") if larger else "",
    )


def _larger_input(drawing: Drawing, wide: int, high: int) -> Ledger | None:
    """The ledger of the least input of which no layer's input sees the whole, where it is not twice as large."""
    start = drawing.book.input
    width, height = max(start.width, wide + 1), max(start.height, high + 1)
    if width > 2 * start.width or height > 2 * start.height:
        return None
    for more in range(TRIED_SIZES):
        after = drawing.changed({}, Volume(start.channels, height + more, width + more))
        if after is not None:
            return after
    return None


def field_too_small(drawing: Drawing) -> Iterator[Remark]:
    """A network that pools the whole volume at its end, of units that see less than the picture: no unit knows how
    the parts of it lie to each other (Araujo, Norris & Sim 2019)."""
    start = drawing.book.input
    pools = [place for place, layer, _ in drawing.trunk() if is_global(layer)]
    if not pools:
        return
    place = pools[-1]
    across, down = drawing.seen(place)
    convs = [at for at in _ways_in(drawing, place) if isinstance(drawing.layers[at].word, Conv)]
    if not convs or (across >= start.width and down >= start.height):
        return
    text, after = _wider(drawing, place, [at for at in convs if is_windowed(drawing.layers[at])])
    yield Remark(
        place,
        f"the units it pools see {across}x{down} of {start.width}x{start.height} pixels",
        f"write {text}" if text else "more layers, strides or dilation in front of it",
        drawing.cost(after, place),
    )


def _ways_in(drawing: Drawing, place: int) -> list[int]:
    """The layers that lead to one, first to last."""
    found: set[int] = set()
    waiting = list(drawing.layers[place].sources)
    while waiting:
        at = waiting.pop()
        if at != INPUT and at not in found:
            found.add(at)
            waiting += drawing.layers[at].sources
    return sorted(found)


def _wider(drawing: Drawing, place: int, convs: list[int]) -> tuple[str, Ledger | None]:
    """The latest place where one more halving widens the field enough, else the latest where a dilation does."""
    source = drawing.layers[place].sources[0]
    for at in reversed(convs[-TRIED_LAYERS:]):
        layer = drawing.layers[at]
        for pool in HALVING_POOLS if layer.sources != (INPUT,) else ():
            after = drawing.changed({at: (pool, layer.word)})
            if after is not None and not any(after.rows[at].dropped) and _sees_all(after, source + 1):
                return f"{write_word(pool)} in front of {layer.name}, or a stride or dilation", after
    for at in reversed(convs[-TRIED_LAYERS:]):
        other = _dilated(drawing, at, place)
        after = drawing.changed({at: (other,)}) if other else None
        if other and after is not None and _sees_all(after, source):
            return f"{write_word(other)} at {drawing.layers[at].name}", after
    return "", None


def _sees_all(after: Ledger, source: int) -> bool:
    across, down = after.rows[source].receptive_field
    return across >= after.input.width and down >= after.input.height


def _dilated(drawing: Drawing, at: int, place: int) -> Word | None:
    """The CONV with the least dilation that makes up for what the pooled units do not see; its pad keeps its size."""
    layer, row, start = drawing.layers[at], drawing.book.rows[at], drawing.book.input
    word = layer.word
    if not isinstance(word, Conv) or word.stride != (1, 1) or min(word.kernel_size or (1, 1)) < 3:
        return None
    high, wide = word.kernel_size or (3, 3)
    missing = [length - seen for length, seen in zip((start.width, start.height), drawing.seen(place), strict=True)]
    more = max(
        -(-max(0, lack) // max(1, int(jump) * (kernel - 1)))
        for lack, jump, kernel in zip(missing, row.jump, (wide, high), strict=True)
    )
    dilation = max(word.dilation) + more
    if any(dilation * (kernel - 1) % 2 for kernel in (high, wide)):
        return None
    pads = tuple((dilation * (kernel - 1) // 2,) * 2 for kernel in (high, wide))
    try:
        return replace(word, dilation=(dilation, dilation), padding=(pads[0], pads[1]))
    except DesignError:  # wider than any window may be
        return None
