"""The ledger: a completed design row by row, and its totals. All of it is arithmetic on the text.

Sources: sizes and counts as in CS231n's notes on convolutional networks; receptive field r and jump j by
r' = r + (F' - 1) j and j' = S j (Araujo, Norris & Sim, 'Computing Receptive Fields', Distill 2019).
"""

from dataclasses import dataclass

from torchbeam.design.layers import Layer, unfold
from torchbeam.design.notation import write_word
from torchbeam.design.sizing import parameters, slides, windows
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation, Conv, Design, Dropout, Fc, Flatten, Pool, Softmax, spelling
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
    jump: tuple[int, int]
    connections: int
    unshared: int | None
    fully_connected: int | None
    dropped: tuple[int, int]

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
    def output(self) -> Volume:
        """What the last layer gives."""
        return self.rows[-1].output

    @property
    def parameters(self) -> int:
        """Everything that is learnt."""
        return sum(row.parameters for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return sum(row.macs for row in self.rows)

    @property
    def neurons(self) -> int:
        """Numbers held for one picture: the input and every layer not in place."""
        return self.input.neurons + sum(row.activation_bytes for row in self.rows) // BYTES

    @property
    def forward_bytes(self) -> int:
        """Activations of one picture, kept."""
        return self.neurons * BYTES

    @property
    def training_bytes(self) -> int:
        """One picture's activations and their gradients, and parameters, gradients and momentum."""
        return 2 * self.forward_bytes + 3 * BYTES * self.parameters

    @property
    def receptive_field(self) -> tuple[int, int]:
        """(width, height) in input pixels that the last layer sees."""
        return self.rows[-1].receptive_field


def ledger(design: Design) -> Ledger:
    """The ledger of a completed design. Raises as `unfold` does."""
    rows: list[Row] = []
    seen = _Seen()
    layers = unfold(design)
    for layer in layers:
        seen = seen.through(layer)
        if max(seen.jump) > MAX_JUMP:
            raise DesignError(
                f"{layer.name}: the strides up to here multiply to {float(max(seen.jump)):.0e} pixels",
                expected=f"at most {float(MAX_JUMP):.0e}",
            )
        rows.append(_row(layer, seen.field, seen.jump))
    return Ledger(layers[0].input, tuple(rows))


# More than any picture has; larger numbers would only grow until they cannot be printed.
MAX_JUMP = 10**18


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one neuron sees, (width, height) in pixels of the input: its field, the jump to its neighbour's, and, once
    the volume was flattened, the field of all that lies side by side in one vector."""

    field: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)
    flat: tuple[int, int] | None = None

    def through(self, layer: Layer) -> "_Seen":
        """The same after a layer."""
        match layer.word:
            case Fc():
                return _Seen(self.whole(layer.input), self.jump)
            case Flatten():
                return _Seen(self.field, self.jump, self.whole(layer.input))
            case Softmax() if self.flat:
                return _Seen(self.flat, self.jump)
            case Conv() | Pool():
                down, across = windows(layer.word, layer.input)
                start = self.flat if self.flat and isinstance(layer.word, Conv) else self.field
                jump = (self.jump[0] * across.stride, self.jump[1] * down.stride)
                field = (
                    start[0] + (across.extent - 1) * self.jump[0],
                    start[1] + (down.extent - 1) * self.jump[1],
                )
                return _Seen(field, jump, self.flat if isinstance(layer.word, Pool) else None)
            case _:
                return self

    def whole(self, volume: Volume) -> tuple[int, int]:
        """What all neurons of the volume see together."""
        if self.flat:
            return self.flat
        return (
            self.field[0] + (volume.width - 1) * self.jump[0],
            self.field[1] + (volume.height - 1) * self.jump[1],
        )


def _row(layer: Layer, field: tuple[int, int], jump: tuple[int, int]) -> Row:
    word, into, out = layer.word, layer.input, layer.output
    weights, biases = parameters(word, into)
    macs, connections, dropped = 0, 1, (0, 0)
    if isinstance(word, Conv | Pool):
        down, across = slides(word, into, layer.fit, layer.name)
        dropped = (across.dropped, down.dropped)
        kernel_down, kernel_across = windows(word, into)
        connections = kernel_down.size * kernel_across.size
    if isinstance(word, Conv):
        connections *= into.channels // word.groups
        macs = out.neurons * connections
    elif isinstance(word, Fc):
        connections, macs = into.neurons, weights
    elif isinstance(word, Softmax):
        connections = into.channels
    learns = isinstance(word, Conv | Fc)
    bias_per_neuron = 1 if biases else 0
    in_place = isinstance(word, Dropout | Flatten) or (isinstance(word, Activation) and word.kind == "RELU")
    return Row(
        name=layer.name,
        word=spelling(word),
        text=write_word(word),
        output=out,
        neurons=out.neurons,
        weights=weights,
        biases=biases,
        macs=macs,
        activation_bytes=0 if in_place else out.neurons * BYTES,
        receptive_field=field,
        jump=jump,
        connections=connections,
        unshared=out.neurons * (connections + bias_per_neuron) if learns else None,
        fully_connected=out.neurons * (into.neurons + bias_per_neuron) if learns else None,
        dropped=dropped,
    )
