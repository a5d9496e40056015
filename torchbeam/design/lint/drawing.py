"""What the rules look at: the layers with their ledger, and what the ledger would be if some were other ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.ledger import BYTES, Ledger, Row, ledger_of
from torchbeam.design.sizing import joined, output, windows
from torchbeam.design.volume import Fit, Volume, Window
from torchbeam.design.words import Conv, Foreign, Join, Pool, Word
from torchbeam.errors import DesignError

# What stands in place of a layer: nothing, itself, or several in a row.
Edits = Mapping[int, Sequence[Word | Join | Foreign]]

# How many layers are sized anew in all, for the costs of fixes: about a second. Findings beyond come without a cost.
MOST_WORK = 40_000


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule says of the layer at that place of the list; cost: what the fix adds or saves."""

    place: int
    message: str
    fix: str
    cost: str = ""


class Drawing:
    """layers and their ledger's rows, side by side. readers: for each layer the places of those that read it."""

    def __init__(self, layers: Sequence[Layer], book: Ledger) -> None:
        self.layers = tuple(layers)
        self.book = book
        readers: list[list[int]] = [[] for _ in self.layers]
        for place, layer in enumerate(self.layers):
            for source in layer.sources:
                if source != INPUT:
                    readers[source].append(place)
        self.readers = tuple(map(tuple, readers))
        self._work = MOST_WORK

    def each(self) -> Iterator[tuple[int, Layer, Row]]:
        """(place, layer, row) of every layer."""
        yield from zip(range(len(self.layers)), self.layers, self.book.rows, strict=False)

    def trunk(self) -> Iterator[tuple[int, Layer, Row]]:
        """(place, layer, row) of the layers of the network itself, without its side heads."""
        return (each for each in self.each() if not each[1].head)

    def seen(self, place: int) -> tuple[int, int]:
        """The pixels (width, height) that a number coming into the layer sees: its source's receptive field."""
        source = self.layers[place].sources[0]
        return (1, 1) if source == INPUT else self.book.rows[source].receptive_field

    @property
    def spent(self) -> bool:
        """Whether more was asked than is sized anew."""
        return self._work < 0

    def changed(self, edits: Edits, input: Volume | None = None) -> Ledger | None:
        """The ledger with other layers, or of another input; None where the layers could not follow each other
        then, and where too much was asked already."""
        self._work -= len(self.layers) + sum(map(len, edits.values()))
        if self.spent:
            return None
        start = input or self.book.input
        try:
            layers = self._redrawn(edits, start)
            return None if layers is None else ledger_of(layers, start)
        except DesignError:
            return None

    def _redrawn(self, edits: Edits, start: Volume) -> list[Layer] | None:
        made: list[Layer] = []
        moved = {INPUT: INPUT}
        for place, layer in enumerate(self.layers):
            sources = tuple(moved[source] for source in layer.sources)
            for word in edits.get(place, (layer.word,)):
                volumes = tuple(start if source == INPUT else made[source].output for source in sources)
                out = _made(word, volumes, layer)
                if out is None:
                    return None
                made.append(Layer(layer.name, word, sources, volumes, out, _fit(word, layer), layer.head))
                sources = (len(made) - 1,)
            moved[place] = sources[0]
        return made

    def cost(self, after: Ledger | None, place: int, before: str = "") -> str:
        """What the totals gain or lose, behind the words `before`: those of the network, or with all its side heads
        where the layer is in one."""
        if after is None:
            return ""
        heads = bool(self.layers[place].head)
        nouns = ("parameters", "multiply-accumulates", "neurons")
        changes = [new - old for old, new in zip(_totals(self.book, heads), _totals(after, heads), strict=True)]
        parts = [f"{amount(by, sign=True)} {noun}" for by, noun in zip(changes, nouns, strict=True) if by]
        return before + ", ".join(parts) if parts else ""


def _fit(word: Word | Join | Foreign, layer: Layer) -> Fit:
    return getattr(word, "fit", None) or layer.fit


def _made(word: Word | Join | Foreign, volumes: tuple[Volume, ...], layer: Layer) -> Volume | None:
    if word is layer.word and volumes == layer.inputs:
        return layer.output
    match word:
        case Foreign():
            return None  # only its own module knows
        case Join():
            return joined(word, volumes, layer.name)
        case _:
            return output(word, volumes[0], _fit(word, layer), layer.name)


def _totals(book: Ledger, heads: bool) -> tuple[int, int, int]:
    rows = book.rows if heads else book.trunk
    return (
        sum(row.parameters for row in rows),
        sum(row.macs for row in rows),
        book.input.neurons + sum(row.activation_bytes for row in rows) // BYTES,
    )


def amount(number: int, *, sign: bool = False) -> str:
    """A count as it is read: exact below a million, then 1.2 M, 3.4 G."""
    plus = "+" if sign else ""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if abs(number) >= size:
            return f"{number / size:{plus}.1f} {letter}"
    return f"{number:{plus},}"


def axes(layer: Layer) -> tuple[tuple[Window, int], tuple[Window, int]]:
    """(window, pixels it slides over) down and across, of a CONV or POOL."""
    if not isinstance(layer.word, Conv | Pool):
        return (Window(1), layer.input.height), (Window(1), layer.input.width)
    down, across = windows(layer.word, layer.input)
    return (down, layer.input.height), (across, layer.input.width)


def is_global(layer: Layer) -> bool:
    """Whether a layer pools the whole volume at once: said so, `to 1x1`, or by a window as large as its input."""
    word = layer.word
    if not isinstance(word, Pool) or (layer.output.height, layer.output.width) != (1, 1):
        return False
    return word.to is not None or all(window.extent >= length for window, length in axes(layer))


def is_windowed(layer: Layer) -> bool:
    """Whether windows wider than one pixel slide over the layer's input: no global pool, no adaptive one."""
    word = layer.word
    if not isinstance(word, Conv | Pool) or (isinstance(word, Pool) and word.to is not None):
        return False
    return not is_global(layer) and any(window.extent > 1 for window, _ in axes(layer))
