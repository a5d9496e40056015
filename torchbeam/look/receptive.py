"""receptive: the pixels of the picture that a neuron is computed from, exactly, at the edges too.

The positions are followed from the neuron back to the picture, layer by layer, along each axis; what falls into
padding is left out where it falls, so that no pixel is counted that only padding stands for. Sizes alone would give
what the ledger gives, `offset + i * jump` (Araujo, Norris & Sim, 'Computing Receptive Fields', Distill 2019), which at
the edges may hold a few pixels too many.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from torch import nn

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.design.layers import INPUT, Layer
from torchbeam.design.sizing import windows
from torchbeam.design.volume import Volume, Window
from torchbeam.design.words import Conv, Fc, Flatten, Foreign, Join, Pool, Shortcut, Up
from torchbeam.errors import DesignError, SettingError
from torchbeam.network.read import read

Positions = frozenset[int]


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of a picture: columns left to right - 1, rows top to bottom - 1."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels; 0 where nothing is seen but padding."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels; 0 where nothing is seen but padding."""
        return self.bottom - self.top

    def __str__(self) -> str:
        return f"columns {self.left} to {self.right - 1}, rows {self.top} to {self.bottom - 1}"


@dataclass(frozen=True, slots=True)
class ReceptiveFields:
    """The receptive fields of a network's layers on pictures of one size. note: why they could not be read, or ''."""

    input: Volume
    layers: tuple[Layer, ...]
    note: str = ""
    _places: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._places.update({layer.name: place for place, layer in enumerate(self.layers)})

    @property
    def whole(self) -> Box:
        """The whole picture."""
        return Box(0, 0, self.input.width, self.input.height)

    def knows(self, name: str) -> bool:
        """Whether a layer of that name was read."""
        return name in self._places

    def layer(self, name: str) -> Layer:
        """A layer as it was read; of one that runs several times, its last run. Raises SettingError."""
        if name not in self._places:
            raise SettingError(
                f"no layer {short(name)!r} was read",
                expected=listed(list(self._places)),
                got=self.note,
                remedy=nearest(name, list(self._places)),
            )
        return self.layers[self._last(name)]

    def box(self, name: str, row: int, column: int) -> Box:
        """The smallest box that holds every pixel that the neurons of a layer at (row, column) are computed from.

        It is that of all units at the position together; a unit of a depthwise or grouped layer behind a join may see
        less. Where a layer mixes all positions, or moves them in a way that is not known, it is taken to see all that
        came in. Raises SettingError for a layer that was not read or a position it has not.
        """
        made = self.layer(name).output
        check_position(name, row, column, made.height, made.width)
        last = self._last(name)
        needed = {last: (frozenset((row,)), frozenset((column,)))}
        for place in range(last, INPUT, -1):
            if place in needed:
                rows, columns = needed.pop(place)
                for source, down, across in _behind(self.layers[place], rows, columns):
                    if down and across:  # a window that lies in padding along one axis sees nothing along the other
                        before = needed.get(source, (frozenset[int](), frozenset[int]()))
                        needed[source] = (before[0] | down, before[1] | across)
        rows, columns = needed.get(INPUT, (frozenset[int](), frozenset[int]()))
        if not rows:
            return Box(0, 0, 0, 0)
        return Box(min(columns), min(rows), max(columns) + 1, max(rows) + 1)

    def _last(self, name: str) -> int:
        place = self._places[name]
        for number in count(2):  # a layer's later runs are numbered from 2 on
            again = self._places.get(f"{name}_{number}")
            if again is None or type(self.layers[again].word) is not type(self.layers[place].word):
                break
            place = again
        return place


def fields_of(network: nn.Module, input: Volume) -> ReceptiveFields:
    """The receptive fields of a network that takes pictures of that volume; without layers, and with a note, where
    the network cannot be read on shapes alone. Raises SettingError for what is no module that can be run so."""
    try:
        return ReceptiveFields(input, read(network, input).layers)
    except DesignError as error:
        return ReceptiveFields(input, (), error.what)


def check_position(name: str, row: int, column: int, height: int, width: int) -> None:
    """Raises SettingError unless a map of height x width has that row and column."""
    for what, at, most in (("row", row, height), ("column", column, width)):
        if not 0 <= at < most:
            raise SettingError(
                f"{name} has no {what} {at}", expected=f"0 to {most - 1}: its map is {width} wide and {height} high"
            )


def _behind(layer: Layer, rows: Positions, columns: Positions) -> Iterator[tuple[int, Positions, Positions]]:
    """The positions of each source that those of a layer are computed from."""
    for source, volume in zip(layer.sources, layer.inputs, strict=True):
        height, width = range(volume.height), range(volume.width)
        match layer.word:
            case Fc() | Flatten() | Pool(reach="global"):
                yield source, frozenset(height), frozenset(width)
            case Pool(to=(down, across)):
                yield source, _adaptive(rows, volume.height, down), _adaptive(columns, volume.width, across)
            case Conv() | Pool() as word:
                down, across = windows(word, volume)
                yield source, _slid(rows, down, height), _slid(columns, across, width)
            case Up(scale_factor=by, mode=mode):
                smooth = mode == "bilinear"
                yield source, _enlarged(rows, by, smooth, height), _enlarged(columns, by, smooth, width)
            case Shortcut(stride=(down, across)):
                yield source, _within((i * down for i in rows), height), _within((i * across for i in columns), width)
            case Foreign(local=False):
                yield source, frozenset(height), frozenset(width)
            case Join() | Foreign():
                yield source, _spread(rows, height, layer.output.height), _spread(columns, width, layer.output.width)
            case _:
                yield source, rows, columns


def _within(positions: Iterable[int], length: range) -> Positions:
    return frozenset(position for position in positions if position in length)


def _slid(positions: Positions, window: Window, length: range) -> Positions:
    starts = (position * window.stride - window.near for position in positions)
    return _within((start + window.dilation * at for start in starts for at in range(window.size)), length)


def _adaptive(positions: Positions, length: int, places: int) -> Positions:
    """torch's adaptive windows: from floor(i L / P) up to, without it, ceil((i + 1) L / P)."""
    return frozenset(at for i in positions for at in range(i * length // places, -(-(i + 1) * length // places)))


def _enlarged(positions: Positions, by: int, smooth: bool, length: range) -> Positions:
    if not smooth:
        return _within((i // by for i in positions), length)
    # Bilinear mixes the two about (i + 1/2) / by - 1/2; one of them alone where that is a whole number.
    twice = 2 * by
    places = ((2 * i + 1 - by) for i in positions)
    both = (at for place in places for at in (place // twice, -(-place // twice)))
    return frozenset(min(max(at, 0), length.stop - 1) for at in both)


def _spread(positions: Positions, length: range, made: int) -> Positions:
    """Each position from its own; from the only one where there is one; from all where they moved."""
    if len(length) == made:
        return positions
    return frozenset(length)
