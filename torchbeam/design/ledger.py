"""The ledger: a completed design row by row, and its totals. All of it is arithmetic on the text.

Sources: sizes and counts as in CS231n's notes on convolutional networks; what a neuron sees as in field.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from torchbeam.design.arguments import listed, nearest, short, write_word
from torchbeam.design.field import PIXEL, Field
from torchbeam.design.layers import INPUT, Layer, unfold
from torchbeam.design.nets import Design
from torchbeam.design.sizing import filters, parameters, slides, windows
from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    Activation,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Foreign,
    Join,
    Pool,
    Shortcut,
    Softmax,
    Up,
    Word,
    spelling,
)
from torchbeam.errors import DesignError

BYTES = 4  # one fp32 number


@dataclass(frozen=True, slots=True)
class Row:
    """One layer's entry. Sizes are (width, height) in pixels of the network's input, as the text writes them.

    neurons: numbers in the output volume. macs: multiply-accumulates for one picture, CONV and FC only.
    activation_bytes: what the output takes in fp32; 0 for layers that work in place (RELU, DROPOUT, FLATTEN).
    connections: inputs that one output neuron is computed from.
    unshared: parameters if no two positions shared a filter. fully_connected: parameters if every neuron
    saw the whole input, its biases included; both are None for layers that learn nothing.
    dropped: (right, bottom) real pixels that no window reaches.
    offset: the first pixel that the first neuron sees, negative in the padding; neuron i sees from offset + i * jump.
    sources: the layers it reads, 'input' for the network's. head: the side head it is in, absent from the totals.
    """

    name: str
    word: str
    text: str
    output: Volume
    neurons: int
    weights: int
    biases: int
    macs: int
    activation_bytes: int
    receptive_field: tuple[int, int]
    jump: tuple[float, float]
    offset: tuple[int, int]
    connections: int
    unshared: int | None
    fully_connected: int | None
    dropped: tuple[int, int]
    sources: tuple[str, ...]
    head: str

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows of a design and their totals; memory is in bytes of fp32.

    neurons counts what CS231n counts: the input, and every layer that does not work in place.
    """

    input: Volume
    rows: tuple[Row, ...]

    @property
    def trunk(self) -> tuple[Row, ...]:
        """The rows of the network itself, without its side heads."""
        return tuple(row for row in self.rows if not row.head)

    @property
    def output(self) -> Volume:
        """What the network gives."""
        return self.trunk[-1].output

    @property
    def parameters(self) -> int:
        """Everything that is learnt, but for side heads."""
        return sum(row.parameters for row in self.trunk)

    @property
    def side_parameters(self) -> int:
        """What side heads learn: there in training, gone after it."""
        return sum(row.parameters for row in self.rows if row.head)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return sum(row.macs for row in self.trunk)

    @property
    def neurons(self) -> int:
        """Numbers held for one picture: the input and every layer not in place."""
        return self.input.neurons + sum(row.activation_bytes for row in self.trunk) // BYTES

    @property
    def forward_bytes(self) -> int:
        """Activations of one picture, kept."""
        return self.neurons * BYTES

    @property
    def training_bytes(self) -> int:
        """One picture's activations and their gradients, and parameters, gradients and momentum; side heads too."""
        return self._picture_bytes + self._learnt_bytes

    @property
    def _picture_bytes(self) -> int:
        return 2 * (self.forward_bytes + sum(row.activation_bytes for row in self.rows if row.head))

    @property
    def _learnt_bytes(self) -> int:
        return 3 * BYTES * (self.parameters + self.side_parameters)

    def largest_batch(self, memory: int) -> int:
        """How many pictures may be trained on at once within `memory` bytes; 0 where not one fits."""
        return max(0, memory - self._learnt_bytes) // self._picture_bytes

    @property
    def depth(self) -> int:
        """The most CONV and FC layers on one way from input to output: the 50 of ResNet-50."""
        deep: dict[str, int] = {"input": 0}
        for row in self.rows:
            deep[row.name] = max(deep[source] for source in row.sources) + (row.word in ("CONV", "FC"))
        return deep[self.trunk[-1].name]

    @property
    def receptive_field(self) -> tuple[int, int]:
        """(width, height) in input pixels that the last layer sees."""
        return self.trunk[-1].receptive_field

    @property
    def field_before_classifier(self) -> tuple[int, int]:
        """(width, height) in input pixels that a neuron sees before the first layer that takes the whole picture
        together, an FC or a global pool; of the last layer where none does."""
        rows = {row.name: row for row in self.rows}
        for row in self.trunk:
            before = rows.get(row.sources[0])
            if before is not None and (row.word in ("FC", "FLATTEN") or _takes_all(row, before)):
                return before.receptive_field
        return self.receptive_field

    def row(self, name: str) -> Row:
        """The row of that name. Raises DesignError."""
        names = [row.name for row in self.rows]
        for same in (str, str.lower):  # names may differ in case alone
            for row in self.rows:
                if same(row.name) == same(name):
                    return row
        raise DesignError(f"no layer {short(name)}", expected=listed(names), remedy=nearest(name, names))


def ledger(design: Design) -> Ledger:
    """The ledger of a completed design. Raises as `unfold` does."""
    layers = unfold(design)
    return ledger_of(layers, design.input.volume or layers[0].input)


def ledger_of(layers: Sequence[Layer], input: Volume) -> Ledger:
    """The ledger of layers, each behind those it reads, on an input of that volume."""
    seen: list[Seen] = []
    rows: list[Row] = []
    for layer in layers:
        came = [Seen(PIXEL, PIXEL) if source == INPUT else seen[source] for source in layer.sources]
        try:
            seen.append(behind(layer, came))
        except DesignError as error:
            raise DesignError(f"{layer.name}: {error.what}", expected=error.expected) from None
        names = tuple("input" if source == INPUT else rows[source].name for source in layer.sources)
        rows.append(_row(layer, seen[-1], names))
    return Ledger(input, tuple(rows))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the neurons of a layer see, across and down; once the volume was flattened, also what all that lies side
    by side in one vector sees."""

    across: Field
    down: Field
    flat: tuple[Field, Field] | None = None

    def whole(self, volume: Volume) -> tuple[Field, Field]:
        """What all neurons of the volume see together."""
        return self.flat or (self.across.whole(volume.width), self.down.whole(volume.height))


def behind(layer: Layer, came: list[Seen]) -> Seen:
    """What a layer's neurons see, from what those it reads see."""
    before = came[0]
    match layer.word:
        case Join() | Foreign(local=True):
            return _joined(came, layer.output)
        case Foreign():
            # Every neuron is taken to see all that came in, so that its neighbour sees no other pixels.
            across, down = _joined(came, layer.input).whole(layer.input)
            return Seen(replace(across, shift=0), replace(down, shift=0))
        case Fc():
            return Seen(*before.whole(layer.input))
        case Flatten():
            return Seen(before.across, before.down, before.whole(layer.input))
        case Softmax() if before.flat:
            return Seen(*before.flat)
        case Pool(to=(down, across)):
            wide, high = layer.input.width, layer.input.height
            return replace(before, across=before.across.adaptive(wide, across), down=before.down.adaptive(high, down))
        case Conv() | Pool():
            across, down = before.flat if before.flat and isinstance(layer.word, Conv) else (before.across, before.down)
            high, wide = windows(layer.word, layer.input)
            wider = across.window(wide.extent, wide.stride, wide.near)
            alike = high == wide and across == down
            higher = wider if alike else down.window(high.extent, high.stride, high.near)
            return Seen(wider, higher, before.flat if isinstance(layer.word, Pool) else None)
        case Up(scale_factor=by, mode=mode):
            smooth = mode == "bilinear"
            return replace(before, across=before.across.enlarged(by, smooth), down=before.down.enlarged(by, smooth))
        case Shortcut(stride=(down, across)):
            return replace(before, across=before.across.window(1, across, 0), down=before.down.window(1, down, 0))
        case _:
            return before


def _joined(came: list[Seen], volume: Volume) -> Seen:
    across, down, flat = came[0].across, came[0].down, came[0].flat
    for other in came[1:]:
        across, down = across.joined(other.across, volume.width), down.joined(other.down, volume.height)
        if flat and other.flat:
            flat = flat[0].joined(other.flat[0], 1), flat[1].joined(other.flat[1], 1)
        else:
            flat = flat or other.flat
    return Seen(across, down, flat)


def _row(layer: Layer, seen: Seen, sources: tuple[str, ...]) -> Row:
    word, into, out = layer.word, layer.input, layer.output
    weights, biases = parameters(word, into)
    macs, connections, dropped = 0, 1, (0, 0)
    if isinstance(word, Conv | Pool):
        down, across = slides(word, into, layer.fit, layer.name)
        dropped = (across.dropped, down.dropped)
        kernel_down, kernel_across = windows(word, into)
        connections = kernel_down.size * kernel_across.size
    if isinstance(word, Conv):
        connections *= into.channels // filters(word, into)[1]
        macs = out.neurons * connections
    elif isinstance(word, Foreign):
        macs = word.macs
    elif isinstance(word, Fc):
        connections, macs = into.neurons, weights
    elif isinstance(word, Softmax):
        connections = into.channels
    elif isinstance(word, Join) and word.kind == "sum":
        connections = len(sources)
    learns = isinstance(word, Conv | Fc)
    bias_per_neuron = 1 if biases else 0
    return Row(
        name=layer.name,
        word=spelling(word),
        text=_text(word, sources),
        output=out,
        neurons=out.neurons,
        weights=weights,
        biases=biases,
        macs=macs,
        activation_bytes=0 if in_place(layer) else out.neurons * BYTES,
        receptive_field=(seen.across.size, seen.down.size),
        jump=(_number(seen.across.jump), _number(seen.down.jump)),
        offset=(seen.across.offset, seen.down.offset),
        connections=connections,
        unshared=out.neurons * (connections + bias_per_neuron) if learns else None,
        fully_connected=out.neurons * (into.neurons + bias_per_neuron) if learns else None,
        dropped=dropped,
        sources=sources,
        head=layer.head,
    )


def _text(word: Word | Join | Foreign, sources: tuple[str, ...]) -> str:
    match word:
        case Join(kind=kind):
            return (" | " if kind == "concat" else " + ").join(sources)
        case Foreign(kind=kind):
            return kind
        case _:
            return write_word(word)


def _takes_all(row: Row, before: Row) -> bool:
    into, out = before.output, row.output
    return row.word == "POOL" and (into.height, into.width) != (1, 1) == (out.height, out.width)


def in_place(layer: Layer) -> bool:
    """Whether a layer's output counts as no memory of its own: RELU, DROPOUT, FLATTEN, and a POOL to the size that
    its input has already."""
    match layer.word:
        case Activation(kind="RELU") | Dropout() | Flatten():
            return True
        case Pool(to=(_, _)):
            return layer.input == layer.output
        case _:
            return False


def _number(jump: Fraction) -> float:
    return int(jump) if jump.denominator == 1 else float(jump)
