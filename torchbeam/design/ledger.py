"""The ledger: a completed design row by row, and its totals. All of it is arithmetic on the text.

Sources: sizes and counts as in CS231n's notes on convolutional networks; receptive field r and jump j by
r' = r + (F' - 1) j and j' = S j (Araujo, Norris & Sim, 'Computing Receptive Fields', Distill 2019).
"""

from dataclasses import dataclass

from torchbeam.design.layers import Layer, unfold
from torchbeam.design.notation import write_word
from torchbeam.design.sizing import parameters, slides, windows
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation, Conv, Design, Dropout, Fc, Flatten, Pool, spelling

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
    field, jump = (1, 1), (1, 1)
    layers = unfold(design)
    for layer in layers:
        field, jump = _seen(layer, field, jump)
        rows.append(_row(layer, field, jump))
    return Ledger(layers[0].input, tuple(rows))


def _seen(layer: Layer, field: tuple[int, int], jump: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Receptive field and jump after a layer, both (width, height)."""
    match layer.word:
        case Conv() | Pool():
            down, across = windows(layer.word, layer.input)
        case Fc() | Flatten():
            down = across = None
        case _:
            return field, jump
    extent_w = across.extent if across else layer.input.width
    extent_h = down.extent if down else layer.input.height
    seen = (field[0] + (extent_w - 1) * jump[0], field[1] + (extent_h - 1) * jump[1])
    if across is None or down is None:
        return seen, jump
    return seen, (jump[0] * across.stride, jump[1] * down.stride)


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
    learns = isinstance(word, Conv | Fc)
    bias_per_neuron = 1 if biases else 0
    in_place = isinstance(word, Activation | Dropout | Flatten)
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
