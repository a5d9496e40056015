"""Rules for the windows of one layer: what they miss, what they lose, and how large they are.

Sources: CS231n, 'Convolutional Networks', sections 'Layer Patterns' and 'Layer Sizing Patterns'; Simonyan &
Zisserman 2014, section 2.3, for stacks of small filters.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from torchbeam.design.arguments import write_word
from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.ledger import Ledger, Row
from torchbeam.design.lint.drawing import Drawing, Remark, amount, axes, is_global
from torchbeam.design.sizing import filters, parameters
from torchbeam.design.volume import Volume, Window, nearest_fits
from torchbeam.design.words import Activation, Conv, Pads, Pool, Size, Word
from torchbeam.errors import DesignError

Slider = TypeVar("Slider", bound=Conv | Pool)

# A larger filter than CS231n's 5x5, a larger pool than its 3x3; a stack of so many 3x3 is no mend any more.
MOST_FILTER, MOST_POOL, MOST_STACK = 5, 3, 16
# Where the layers behind could not follow what a fix gives.
ANEW = ", and size the layers behind it anew"


def dropped_pixels(drawing: Drawing) -> Iterator[Remark]:
    """A window that does not fit leaves real pixels at the right and bottom edge unseen (CS231n, 'Constraints on
    strides'). The fixes are the nearest settings that fit, those first that leave the fewest layers with this fault.

    A window of one pixel passes over others on purpose, as in the shortcuts of He et al. 2015.
    """
    for place, layer, row in drawing.each():
        right, bottom = _missed(layer, row)
        if not (right or bottom) or not isinstance(layer.word, Conv | Pool):
            continue
        message = (
            f"{row.text} leaves unseen {right} of {layer.input.width} columns and {bottom} of {layer.input.height} rows"
        )
        ways = sorted(_mends(drawing, place, layer.word), key=lambda way: _faults(drawing, way[1]))[:2]
        if not ways:
            yield Remark(place, message, "write fit pad, or an input, pad or stride that fits: fit error lists some")
            continue
        texts = [f"{text} ({_sides(after.rows[place].output)})" for text, after in ways]
        yield Remark(place, message, f"write {', or '.join(texts)}", drawing.cost(ways[0][1], place))


def _missed(layer: Layer, row: Row) -> Size:
    """The columns and rows that the rule speaks of."""
    (down, _), (across, _) = axes(layer)
    right, bottom = row.dropped
    return right if across.extent > 1 else 0, bottom if down.extent > 1 else 0


def _faults(drawing: Drawing, after: Ledger) -> int:
    """How many layers keep the fault: the ledger has one row for each layer of the drawing."""
    return sum(any(_missed(layer, row)) for layer, row in zip(drawing.layers, after.rows, strict=True))


def _mends(drawing: Drawing, place: int, word: Conv | Pool) -> Iterator[tuple[str, Ledger]]:
    """(text, ledger) of each nearest setting that fits, behind which all layers still follow each other."""
    layer = drawing.layers[place]
    for across, down in _settings(layer, *_missed(layer, drawing.book.rows[place])):
        if "input" in f"{across} {down}":
            if layer.sources != (INPUT,):
                continue
            width = int(across.split()[1]) if across else layer.input.width
            height = int(down.split()[1]) if down else layer.input.height
            start = Volume(layer.input.channels, height, width)
            text, after = f"INPUT {start}", drawing.changed({}, start)
        else:
            try:
                other = _set(_set(explicit(word, layer), 1, across), 0, down)
            except DesignError:  # a pad that its pool cannot have
                continue
            if _gaps(replace(layer, word=other)) and not _gaps(layer):
                continue
            if all(window.fits(length) for window, length in axes(replace(layer, word=other))):
                other = replace(other, fit=None)
            text, after = write_word(other), drawing.changed({place: (other,)})
        if after is not None and not any(_missed(layer, after.rows[place])):
            yield text, after


def _settings(layer: Layer, right: int, bottom: int) -> list[tuple[str, str]]:
    """The nearest settings that fit, (across, down), smallest change first; '' where that axis drops nothing."""
    (down, height), (across, width) = axes(layer)
    wide = _nearest(across, width, layer.word) if right else []
    high = _nearest(down, height, layer.word) if bottom else []
    if not bottom:
        return [(setting, "") for setting in wide]
    if not right:
        return [("", setting) for setting in high]
    if (down, height) == (across, width):
        return list(zip(wide, wide, strict=True))
    of_kind = {setting.split()[0]: setting for setting in reversed(high)}  # the nearest of a kind stays
    return [(setting, of_kind[kind]) for setting in wide if (kind := setting.split()[0]) in of_kind]


def _nearest(window: Window, length: int, word: object) -> list[str]:
    """nearest_fits' settings, but for a stride of 1, which would thin no more, and with a kernel smaller than its
    stride replaced by the one as much larger."""
    fits = nearest_fits(window, length, pooling=isinstance(word, Pool))
    settings = [setting for setting, _ in fits if setting != "stride 1"]
    for at, setting in enumerate(settings):
        name, value = setting.split()
        if name == "kernel" and int(value) < min(window.stride, window.size):
            settings[at] = f"kernel {2 * window.size - int(value)}"
    return settings


def _gaps(layer: Layer) -> bool:
    """Whether pixels between the windows are in none."""
    return any(window.stride > window.extent and window.stride < length for window, length in axes(layer))


def explicit(word: Slider, layer: Layer) -> Slider:
    """The word with its kernel, stride and pad said."""
    (down, _), (across, _) = axes(layer)
    return replace(
        word,
        kernel_size=(down.size, across.size),
        stride=(down.stride, across.stride),
        padding=((down.near, down.far), (across.near, across.far)),
    )


def _set(word: Slider, axis: int, setting: str) -> Slider:
    """The word with one of nearest_fits' settings on one axis, 0 down and 1 across."""
    if not setting:
        return word
    name, value = setting.split()
    if name == "pad":
        near, _, far = value.partition(":")
        pads = list(word.padding or ())
        pads[axis] = (int(near), int(far or near))
        return replace(word, padding=(pads[0], pads[1]))
    field = {"stride": "stride", "kernel": "kernel_size"}[name]
    size = list(getattr(word, field))
    size[axis] = int(value)
    return replace(word, **{field: (size[0], size[1])})


def washed_borders(drawing: Drawing) -> Iterator[Remark]:
    """A CONV at stride 1 that changes width or height: 'the information at the borders would be washed away too
    quickly' without its pad (CS231n, 'Why use padding?'). A window as large as its input is an FC, and none."""
    for place, layer, _ in drawing.each():
        word = layer.word
        if not isinstance(word, Conv):
            continue
        kept: list[Size] = []
        for (window, length), goes in zip(axes(layer), (layer.output.height, layer.output.width), strict=True):
            spare, pad = window.extent - 1, window.near + window.far
            is_whole = pad == 0 and window.extent == length
            if window.stride == 1 and pad != spare and goes != length and not is_whole:
                kept.append((spare // 2, spare - spare // 2))
            else:
                kept.append((window.near, window.far))
        pads: Pads = (kept[0], kept[1])
        if pads == explicit(word, layer).padding:
            continue
        other = replace(explicit(word, layer), padding=pads)
        grows = layer.output.height > layer.input.height or layer.output.width > layer.input.width
        does = "adds borders of nothing but padding" if grows else "washes the borders away"
        after = drawing.changed({place: (other,)})
        anew = after is None and not drawing.spent
        yield Remark(
            place,
            f"its pad {does}: {_sides(layer.input)} becomes {_sides(layer.output)}",
            f"write {write_word(other)}" + (ANEW if anew else ""),
            drawing.cost(after, place),
        )


def large_filter(drawing: Drawing) -> Iterator[Remark]:
    """A filter larger than 5x5 behind the first CONV: stacked 3x3 filters see as much with fewer weights and more
    nonlinearities (Simonyan & Zisserman 2014, section 2.3; CS231n, 'Prefer a stack of small filter CONV').

    Not for depthwise filters (Liu et al. 2022 make them large on purpose) nor where the window is the whole input.
    """
    behind: set[int] = set()
    for place, layer, row in drawing.each():
        word, is_first = layer.word, not behind.intersection(layer.sources)
        if isinstance(word, Conv) or not is_first:
            behind.add(place)
        if not isinstance(word, Conv) or is_first or min(word.kernel_size or (1, 1)) <= MOST_FILTER:
            continue
        depthwise = word.connect == "depthwise" or filters(word, layer.input)[1] == layer.input.channels > 1
        whole = all(window.extent >= length for window, length in axes(layer))
        stack = [] if depthwise or whole else stacked(word, layer)
        if not stack:
            continue
        after = drawing.changed({place: stack})
        convs = [each for each in stack if isinstance(each, Conv)]
        inputs = [layer.input, *(Volume(conv.out_channels or 1, 1, 1) for conv in convs)]
        count = sum(sum(parameters(conv, into)) for conv, into in zip(convs, inputs, strict=False))
        high, wide = word.kernel_size or (1, 1)
        yield Remark(
            place,
            f"{wide}x{high} filters: {len(convs)} layers of 3x3 see as much with {amount(count)} parameters, "
            f"not {amount(row.parameters)}",
            f"write {_stack_text(stack)}",
            drawing.cost(after, place),
        )


def stacked(word: Conv, layer: Layer) -> list[Word]:
    """3x3 CONVs with RELUs between that see what the word sees and give the same volume; [] for far too many.

    The ones before the last are as deep as the shallower end; the last one has the stride.
    """
    word = explicit(word, layer)
    high, wide = word.kernel_size or (1, 1)
    layers = max(high, wide) // 2
    if layers > MOST_STACK:
        return []
    even: list[Size] = []
    first: list[Size] = []
    for kernel, dilation, (near, far) in zip((high, wide), word.dilation, word.padding or (), strict=True):
        more = dilation * (2 * layers + 1 - kernel)  # what the stack sees beyond the filter
        fits = near + far + more == 2 * layers * dilation and abs(near - far) <= more
        even.append((dilation, dilation) if fits else (0, 0))
        first.append((dilation, dilation) if fits else (near, far + more))
    middle = min(layer.input.channels, word.out_channels or 1)
    small = replace(word, kernel_size=(3, 3), padding=(even[0], even[1]))
    inner = replace(small, out_channels=middle, stride=(1, 1), fit=None)  # stride 1 always fits
    convs = [replace(inner, padding=(first[0], first[1])), *[inner] * (layers - 2), small]
    stack: list[Word] = []
    for conv in convs:
        stack += [conv, Activation("RELU")]
    return stack[:-1]


def _stack_text(stack: list[Word]) -> str:
    """The stack as a text, its equal layers in brackets."""
    texts = [write_word(conv) for conv in stack[::2]]
    first, inner, last = texts[0], texts[1:-1], texts[-1]
    if inner and inner[0] == first:
        return f"[{first} -> RELU]*{len(inner) + 1} -> {last}"
    middle = f"[{inner[0]} -> RELU]*{len(inner)} -> " if inner else ""
    return f"{first} -> RELU -> {middle}{last}"


def large_pool(drawing: Drawing) -> Iterator[Remark]:
    """A pool larger than 3x3 that thins, or one whose stride passes over pixels: 'the pooling is then too lossy and
    aggressive' (CS231n, 'Layer Sizing Patterns'). Pools of the whole volume are meant to be."""
    for place, layer, _ in drawing.each():
        word = layer.word
        if not isinstance(word, Pool) or word.to is not None or word.reach == "global" or is_global(layer):
            continue
        (down, _), (across, _) = axes(layer)
        gaps = _gaps(layer)
        thins = down.stride > 1 or across.stride > 1
        if not gaps and not (thins and max(down.size, across.size) > MOST_POOL):
            continue
        lost = 1 - layer.output.neurons / layer.input.neurons
        skips = " and skips the pixels between its windows" if gaps else ""
        after, text = _smaller_pool(drawing, place, word)
        yield Remark(
            place,
            f"{across.size}x{down.size} at stride {_pair(across.stride, down.stride)} throws away {lost:.0%} of the "
            f"numbers{skips}; 2x2 at stride 2 is 75%",
            f"write {text}" + (f" ({_sides(after.rows[place].output)})" if after else ANEW),
            drawing.cost(after, place),
        )


def _smaller_pool(drawing: Drawing, place: int, word: Pool) -> tuple[Ledger | None, str]:
    """CS231n's two pools, 2x2 and 3x3 at stride 2, on the axes that are pooled: the first that drops nothing."""
    layer = drawing.layers[place]
    windows = [window for window, _ in axes(layer)]
    for kernel in (2, 3):
        size = [1 if window.size == window.stride == 1 else kernel for window in windows]
        stride = [min(2, side) for side in size]
        other = Pool(word.kind, kernel_size=(size[0], size[1]), stride=(stride[0], stride[1]), count=word.count)
        after = drawing.changed({place: (other,)})
        if after is not None and not any(after.rows[place].dropped):
            return after, write_word(other)
    return None, "POOL " + (word.kind or "max") + " 2x2 stride 2"


def _sides(volume: Volume) -> str:
    return f"{volume.width}x{volume.height}"


def _pair(across: int, down: int) -> str:
    return str(across) if across == down else f"{across}x{down}"
