"""explain: each number of a ledger's row with the sum that made it, as a teacher would write it on the board."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from torchbeam.design.field import PIXEL, Field
from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.ledger import BYTES, Ledger, Row, Seen, behind, in_place
from torchbeam.design.sizing import slides, windows
from torchbeam.design.volume import Slide, Window
from torchbeam.design.words import BatchNorm, Conv, Fc, Flatten, Foreign, Join, Pool, Shortcut, Softmax, Up, Word


@dataclass(frozen=True, slots=True)
class Sum:
    """One number of a row: what it is, what it comes to, and the formula with its numbers."""

    quantity: str
    result: str
    formula: str


def explain(layers: tuple[Layer, ...], book: Ledger, name: str) -> tuple[Sum, ...]:
    """The sums behind the row of that name. Raises DesignError where no layer is called so.

    Sources: CS231n's notes on convolutional networks; for what a neuron sees, field.py.
    """
    row = book.row(name)
    layer = next(layer for layer in layers if layer.name == row.name)
    sums = [_output(layer), _neurons(row), *_learnt(layer, row), *_work(layer, row), _memory(layer, row)]
    return (*sums, *_without_sharing(layer, row), *_sees(layers, layer))


def _output(layer: Layer) -> Sum:
    into, out = layer.input, layer.output
    match layer.word:
        case Pool(reach="global"):
            formula = f"each of the {into.channels:,} maps of {into.width}x{into.height} becomes one number"
        case Pool(to=(down, across)):
            formula = f"window i of {across} goes from floor(i * {into.width} / {across}) up to ceil((i + 1) * "
            formula += f"{into.width} / {across}), and down likewise with {into.height} and {down}"
        case Conv() | Pool():
            formula = _windows_sum(layer)
        case Fc():
            formula = f"{out.channels:,} units, whatever comes in"
        case Flatten():
            formula = f"{into.width} * {into.height} * {into.channels} in one row"
        case Up(scale_factor=by):
            formula = f"{into.width} * {by} x {into.height} * {by}, as deep as before"
        case Shortcut(stride=(down, across)):
            formula = (
                f"one pixel in {across} across, one in {down} down; {out.channels - into.channels} zero channels more"
            )
        case Join(kind="concat"):
            formula = " + ".join(f"{volume.channels:,}" for volume in layer.inputs) + " deep, side by side"
        case Join():
            formula = f"{len(layer.inputs)} volumes of {into}, added number by number"
        case _:
            formula = f"as it came in, {into}" if into == out else f"from {into}"
    return Sum("output", str(out), formula)


def _windows_sum(layer: Layer) -> str:
    word, into = layer.word, layer.input
    if not isinstance(word, Conv | Pool):
        return ""
    down, across = windows(word, into)
    slide_down, slide_across = slides(word, into, layer.fit, layer.name)
    formula = "(W - F + 2P) / S + 1 = " + _rounded(across, into.width, slide_across, layer.fit)
    if (down, into.height) != (across, into.width):
        formula = f"across {formula}; down " + _rounded(down, into.height, slide_down, layer.fit)
    depth = f"{layer.output.channels:,} filters" if isinstance(word, Conv) else "each map by itself"
    return f"{formula}; {depth}"


def _rounded(window: Window, length: int, slide: Slide, fit: str) -> str:
    text = window.sum(length)
    if window.fits(length):
        return text
    how = (
        f"{slide.added} more on the far edge"
        if slide.added
        else f"{slide.dropped} pixel{'' if slide.dropped == 1 else 's'} left out"
    )
    return f"{text}, by fit {fit} {slide.count} ({how})"


def _neurons(row: Row) -> Sum:
    out = row.output
    return Sum("neurons", f"{row.neurons:,}", f"{out.width} * {out.height} * {out.channels}")


def _learnt(layer: Layer, row: Row) -> list[Sum]:
    if not row.parameters:
        return []
    word, into, out = layer.word, layer.input, layer.output
    match word:
        case Conv():
            down, across = windows(word, into)
            depth = row.connections // (down.size * across.size)
            shared = f" (depth {into.channels} / {into.channels // depth} groups)" if depth != into.channels else ""
            formula = f"{out.channels:,} filters * ({across.size} * {down.size} * {depth}){shared}"
        case Fc():
            formula = f"{out.channels:,} units * {into.neurons:,} inputs"
        case BatchNorm():
            formula = f"one scale for each of {into.channels:,} channels"
        case Foreign():
            formula = "as its module holds them"
        case _:
            formula = "one slope for the whole layer"
    sums = [Sum("weights", f"{row.weights:,}", formula)]
    if row.biases:
        each = "channel" if isinstance(word, BatchNorm) else "unit" if isinstance(word, Fc) else "filter"
        sums.append(Sum("biases", f"{row.biases:,}", f"one for each {each}"))
        sums.append(Sum("parameters", f"{row.parameters:,}", f"{row.weights:,} + {row.biases:,}"))
    return sums


def _work(layer: Layer, row: Row) -> list[Sum]:
    match layer.word:
        case Conv() | Pool(reach="window", to=None):
            down, across = windows(layer.word, layer.input)  # type: ignore[arg-type]
            depth = row.connections // (down.size * across.size)
            window = f"{across.size} * {down.size}" + (f" * {depth}" if isinstance(layer.word, Conv) else "")
            sums = [Sum("connections", f"{row.connections:,}", f"{window} inputs of one neuron")]
        case Fc():
            sums = [Sum("connections", f"{row.connections:,}", "every number that comes in")]
        case _:
            sums = []
    if row.macs and not isinstance(layer.word, Foreign):
        sums.append(Sum("MACs", f"{row.macs:,}", f"{row.neurons:,} neurons * {row.connections:,} connections"))
        sums.append(Sum("FLOPs", f"{2 * row.macs:,}", "2 * MACs: a multiplication and an addition each"))
    return sums


def _memory(layer: Layer, row: Row) -> Sum:
    if in_place(layer):
        return Sum("memory", "0 bytes", "works in place: its output is written over its input")
    training = f"twice in training, for the gradient: {2 * row.activation_bytes:,}"
    return Sum("memory", f"{row.activation_bytes:,} bytes", f"{row.neurons:,} * {BYTES} bytes of fp32; {training}")


def _without_sharing(layer: Layer, row: Row) -> list[Sum]:
    if row.unshared is None or row.fully_connected is None:
        return []
    bias = " + 1" if row.biases else ""
    return [
        Sum(
            "unshared", f"{row.unshared:,}", f"{row.neurons:,} neurons * ({row.connections:,}{bias}), no filter shared"
        ),
        Sum(
            "fully connected",
            f"{row.fully_connected:,}",
            f"{row.neurons:,} neurons * ({layer.input.neurons:,}{bias}), each seeing the whole input",
        ),
    ]


def _sees(layers: tuple[Layer, ...], layer: Layer) -> list[Sum]:
    """Receptive field, jump and offset from those of the layers before."""
    sees: list[Seen] = []
    for each in layers[: layers.index(layer) + 1]:
        sees.append(behind(each, [_START if at == INPUT else sees[at] for at in each.sources]))
    came = [_START if at == INPUT else sees[at] for at in layer.sources]
    # CONV, FC and SOFTMAX read a flattened volume as one place that sees it all.
    flat = isinstance(layer.word, Conv | Fc | Softmax) and came[0].flat is not None
    reads = [one.flat if flat and one.flat else (one.across, one.down) for one in came]
    into, out = layer.input, layer.output
    down, across = windows(layer.word, into) if isinstance(layer.word, Conv | Pool) else (Window(1), Window(1))
    wide = _Axis([read[0] for read in reads], sees[-1].across, across, into.width, out.width, flat)
    high = _Axis([read[1] for read in reads], sees[-1].down, down, into.height, out.height, flat)
    return [
        _both("receptive field", wide.size(layer.word), high.size(layer.word), "pixel"),
        _both("jump", wide.jump(layer.word), high.jump(layer.word), "pixel"),
        _both("offset", wide.offset(layer.word), high.offset(layer.word), "", f"; {_FROM_THERE}"),
    ]


_START = Seen(PIXEL, PIXEL)
_FROM_THERE = "neuron 0 sees from there on, negative in the padding"
Told = tuple[int | Fraction, str]  # a number and the sum that makes it


def _both(quantity: str, across: Told, down: Told, unit: str, remark: str = "") -> Sum:
    result = f"{across[0]}" if across[0] == down[0] else f"{across[0]} across, {down[0]} down"
    if unit:
        result += f" {unit}" if result == "1" else f" {unit}s"
    formula = across[1] if across[1] == down[1] else f"across {across[1]}; down {down[1]}"
    return Sum(quantity, result, formula + remark)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A layer along one axis: what those it reads see, what it sees, its window, its length before and after, and
    whether it reads a flattened volume."""

    came: list[Field]
    seen: Field
    window: Window
    length: int
    places: int
    flat: bool

    @property
    def even(self) -> bool:
        """Whether every neuron that comes in sees as much as its neighbour; not so behind UP and POOL to."""
        return len(self.came[0].lo) == 1

    def size(self, word: Word | Join | Foreign) -> Told:
        before, seen = self.came[0], self.seen
        match word:
            case _ if self.flat and seen.size == before.size:
                told = f"all that was flattened together, {before.size}"
            case Fc() | Pool(reach="global") if self.even and self.length > 1:
                told = (
                    f"all {self.length} together: r + (W - 1) * j = {before.size} + ({self.length} - 1) * {before.jump}"
                )
            case Conv() | Pool(reach="window", to=None) if self.even:
                told = f"r + (F - 1) * j = {before.size} + ({self.window.extent} - 1) * {before.jump}"
            case Join() if len({field.size for field in self.came}) > 1 and seen.size in [f.size for f in self.came]:
                told = f"the widest of {_listed(field.size for field in self.came)}"
            case _ if seen.size == before.size:
                told = f"as before, {before.size}"
            case _:
                widest = max(range(len(seen.lo)), key=lambda at: seen.hi[at] - seen.lo[at])
                lo, hi = seen.lo[widest], seen.hi[widest]
                less = f"- {lo}" if lo >= 0 else f"+ {-lo}"
                told = f"neuron {widest} sees the most, from pixel {lo} to {hi}: {hi} {less} + 1"
        return seen.size, told

    def jump(self, word: Word | Join | Foreign) -> Told:
        before, seen = self.came[0], self.seen
        match word:
            case Conv() | Pool(reach="window", to=None):
                told = f"S * j = {self.window.stride} * {before.jump}"
            case Shortcut():
                told = f"S * j = {seen.jump / before.jump} * {before.jump}"
            case Pool(to=(_, _)):
                told = f"on average j * W / places = {before.jump} * {self.length} / {self.places}"
            case Up(scale_factor=by):
                told = f"on average j / factor = {before.jump} / {by}"
            case Join() if len({field.jump for field in self.came}) > 1:
                told = f"the largest of {_listed(field.jump for field in self.came)}"
            case _:
                told = f"as before, {before.jump}" + ("" if seen.jump == before.jump else ", in whole pixels")
        return seen.jump, told

    def offset(self, word: Word | Join | Foreign) -> Told:
        before, seen = self.came[0], self.seen
        match word:
            case Conv() | Pool(reach="window", to=None) if self.even:
                told = f"o - P * j = {before.offset} - {self.window.near} * {before.jump}"
            case Join() if len({field.offset for field in self.came}) > 1:
                told = f"the first of {_listed(field.offset for field in self.came)}"
            case _ if seen.offset == before.offset:
                told = f"as before, {before.offset}"
            case _:
                told = f"the first pixel of the first that it reads, {seen.offset}"
        return seen.offset, told


def _listed(numbers: Iterable[int | Fraction]) -> str:
    return ", ".join(map(str, numbers))
