"""frozen: what the frozen part of a network makes of the pictures is computed once, and the rest trains on that.

A frozen part gives the same maps for the same picture in every epoch. Where pictures are shown as they are, or mirrored
at most, all its maps are a few times as many as there are pictures; kept in memory, they spare the whole forward pass
through that part, which is most of the arithmetic of fine-tuning.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torchbeam.data.augment.places import flips
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.batches import Batches
from torchbeam.data.pixels import Roomy
from torchbeam.data.preprocess import Preprocessing
from torchbeam.data.watch import Watch, unwatched
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.learn import device as devices
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import NOTHING
from torchbeam.network.graph import Graph, Run, has_sides

Chain = nn.Sequential | Graph
# The share of the device's memory that maps may take.
SHARE = 0.25
ASSUMED = 8 * 2**30  # bytes, where the system does not tell
# In what they are kept. Half precision rounds by 2^-11 of a number at most, and knows none above 65,504.
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}
# What gives something new for the same picture each time, in training. (A FixedNorm does not.)
UNSTEADY = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.RReLU),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
)
# Stands first in a rest that takes rows; no text can name a layer so.
ROWS = "maps-flatten"


class Maps:
    """Pixels of another kind: what a frozen part made of each picture, floats N, C, H, W, from memory.

    maps_VNCHW: of each view (as it is, then mirrored as the augmentation may mirror it) and sample. In training the
    view is the one that the epoch's pictures would have.
    """

    def __init__(self, maps_VNCHW: Tensor, samples: NDArray[np.int64], mirrored: Augmentation) -> None:
        self.maps_VNCHW, self.mirrored = maps_VNCHW, mirrored
        self.places = np.full(int(samples.max(initial=-1)) + 1, -1, np.int64)
        self.places[samples] = np.arange(len(samples))

    def take(self, samples: NDArray[np.int64], drawn: tuple[int, int] | None = None) -> Tensor:
        """The maps of `samples`, in the precision that they are kept in. drawn: (seed, epoch) of the mirroring."""
        views = np.zeros(len(samples), np.int64)
        if drawn is not None:
            across, down = flips(self.mirrored, samples, *drawn)
            views = np.array([_axes(self.mirrored).index(pair) for pair in zip(across, down, strict=True)])
        return self.maps_VNCHW[torch.from_numpy(views), torch.from_numpy(self.places[samples])]

    def at_hand(self, samples: NDArray[np.int64]) -> bool:
        """Always: they are in memory."""
        del samples
        return True


@dataclass(frozen=True, slots=True)
class Behind:
    """What is trained behind a frozen part. front and rest share their modules with the network they were cut from, so
    that what the rest learns the network knows. parts: in the order they were given, each with maps for pictures.
    volume: of a map. precision: 'fp32' or 'fp16'. told: what is kept, in words."""

    front: Chain
    rest: Chain
    parts: tuple[Batches, ...]
    volume: Volume
    precision: str
    told: str

    def objective(self, whole: Objective) -> Objective:
        """The whole network's objective for the rest: maps are neither normalised nor augmented."""
        # Less 0, over 1/255 of 255: whoever normalises bytes leaves maps as they are, to the bit.
        channels = self.volume.channels
        as_they_are = Preprocessing(
            self.volume.width, self.volume.height, channels, (0.0,) * channels, (1 / 255,) * channels
        )
        plan = replace(whole.plan, augment=NOTHING)
        return replace(whole, preprocessing=as_they_are, plan=plan, maps=True)


def behind(
    network: nn.Module,
    objective: Objective,
    parts: Sequence[Batches],
    *,
    precision: str | None = None,
    share: float = SHARE,
    watch: Watch = unwatched,
) -> Behind | str:
    """The maps of a network's frozen part for every sample of `parts` (training first), and the rest, to train on them;
    or why that cannot be, in words, and the network is to be trained as a whole.

    The network is as `prepare_` makes it, and goes to the objective's device. Maps are computed in evaluation and fp32,
    once for each way of mirroring (training only), and stay on the device. precision: 'fp32', 'fp16', or None for
    fp32 where that takes no more than `share` of the device's memory, else fp16. Training on maps in fp32 is the same
    as training the whole network but for rounding, and a function of the same seed: dropout and batch norms that learn
    are never part of what is kept. Raises SettingError for another precision.
    """
    if precision not in (None, *PRECISIONS):
        raise SettingError(f"maps cannot be kept in {precision}", expected=", ".join(PRECISIONS))
    augment = objective.plan.augment
    if replace(augment, flip=False, altflip=False, vflip=False) != NOTHING:
        return f"the pictures are augmented by {augment}, so that none comes twice"
    if any(isinstance(part.pixels, Roomy) for part in parts):
        return "every epoch cuts its own pieces out of the pictures, so that none comes twice"
    found = split(network)
    if found is None:
        return "no part of the network in front of what is trained is frozen"
    front, rest = found
    front.to(objective.device).eval()
    first = replace(parts[0], samples=parts[0].samples[:1])
    shape = _computed(front, first, objective, NOTHING, torch.float32, unwatched).shape[2:]
    if len(shape) == 1:
        rest, shape = _with_rows(rest), torch.Size((*shape, 1, 1))
    mirrored = [augment if place == 0 else NOTHING for place in range(len(parts))]
    count = sum(len(_axes(how)) * len(part.samples) for how, part in zip(mirrored, parts, strict=True))
    most = share * (devices.memory(objective.device) or ASSUMED)
    needed = {name: count * shape.numel() * kind.itemsize for name, kind in PRECISIONS.items()}
    fitting = [name for name, size in needed.items() if size <= most and precision in (None, name)]
    if not fitting:
        least = needed[precision or "fp16"]
        return f"the frozen part's maps would take {least / 1e9:.1f} GB, and {most / 1e9:.1f} GB are for them"
    kept = fitting[0]
    made: list[Batches] = []
    for how, part in zip(mirrored, parts, strict=True):
        maps = _computed(front, part, objective, how, PRECISIONS[kept], watch)
        made.append(replace(part, pixels=Maps(maps.view(*maps.shape[:2], *shape), part.samples, how)))
    volume = Volume(*shape)
    told = f"{count:,} maps of {volume} in {kept}, {needed[kept] / 1e6:.0f} MB, of the frozen part up to {_last(front)}"
    return Behind(front, rest, tuple(made), volume, kept, told)


def split(network: nn.Module) -> tuple[Chain, Chain] | None:
    """(the frozen part in front, the rest): a network as `build` makes it, cut between two of its own layers or
    brackets. None where nothing in front is frozen, or the network is no chain or graph.

    The front is as long as it can be: nothing in it has a gradient or gives another value for the same picture, and
    the rest takes nothing but its last value. Modules are shared and keep their names. Side heads within the front,
    which nothing could learn from, are left to it and do not run.
    """
    wiring = _wiring(network)
    if wiring is None:
        return None
    children, runs, output = wiring
    cut = 0
    for at, run in enumerate(runs, 1):
        if not _still(children[run.name], run.weight is not None):
            break
        later = runs[at:]
        apart = not {one.name for one in runs[:at]} & {one.name for one in later}
        if apart and output > at and all(place >= at for one in later for place in one.sources):
            cut = at
    names = dict.fromkeys(run.name for run in runs[:cut])
    if not any(True for name in names for _ in children[name].parameters()):
        return None
    moved = tuple(replace(run, sources=tuple(place - cut for place in run.sources)) for run in runs[cut:])
    front = _joint({name: children[name] for name in names}, runs[:cut], cut)
    rest = _joint({name: child for name, child in children.items() if name not in names}, moved, output - cut)
    return front, rest


def joined(front: nn.Module, rest: nn.Module) -> Chain:
    """The whole network of which `split`, or `behind`, gave two parts: with the names of the notation, and the parts'
    own modules. Raises TypeError for what is no chain or graph."""
    one, other = _wiring(front), _wiring(rest)
    if one is None or other is None:
        raise TypeError("only a chain or a graph can be joined to another")
    children, runs, middle = one
    added, more, output = other
    lead = 1 if more[0].name == ROWS else 0
    places = [middle] * (1 + lead) + list(range(len(runs) + 1, len(runs) + len(more) + 1 - lead))
    moved = [replace(run, sources=tuple(places[place] for place in run.sources)) for run in more[lead:]]
    held = {name: child for name, child in added.items() if name != ROWS}
    return _joint({**children, **held}, (*runs, *moved), places[output])


def _wiring(network: nn.Module) -> tuple[dict[str, nn.Module], tuple[Run, ...], int] | None:
    """(children by name, how they are run, the place of the output) of a chain or a graph."""
    children = {name: child for name, child in network._modules.items() if child is not None}
    if isinstance(network, Graph):
        return children, network.runs, network._output
    if isinstance(network, nn.Sequential) and type(network).forward is nn.Sequential.forward:
        return children, tuple(Run(name, (at,)) for at, name in enumerate(children)), len(children)
    return None


def _joint(children: Mapping[str, nn.Module], runs: tuple[Run, ...], output: int) -> Chain:
    """The module that runs the children so: a chain where it is one."""
    chain = all(run.sources == (at,) and run.weight is None for at, run in enumerate(runs)) and output == len(runs)
    if chain and len(children) == len(runs) and not any(has_sides(child) for child in children.values()):
        return nn.Sequential(OrderedDict(children))
    return Graph(children, runs, output)


def _with_rows(rest: Chain) -> Chain:
    """The rest of a network whose front gives N x features, for maps of 1x1."""
    wiring = _wiring(rest)
    if wiring is None:  # never reached: split gives nothing else
        raise TypeError("a rest is a chain or a graph")
    children, runs, output = wiring
    moved = (replace(run, sources=tuple(place + 1 for place in run.sources)) for run in runs)
    return _joint({ROWS: nn.Flatten(), **children}, (Run(ROWS, (0,)), *moved), output + 1)


def _still(child: nn.Module, side: bool) -> bool:
    """Whether a child has no gradient, and gives the same for the same in training; a side head that learns nothing
    need not."""
    if any(weight.requires_grad for weight in child.parameters()):
        return False
    return side or not any(isinstance(module, UNSTEADY) for module in child.modules())


def _axes(mirrored: Augmentation) -> list[tuple[bool, bool]]:
    """The views that mirroring makes: (left to right, top to bottom), the picture as it is first."""
    across = (False, True) if mirrored.flip or mirrored.altflip else (False,)
    return [(x, y) for y in ((False, True) if mirrored.vflip else (False,)) for x in across]


@torch.no_grad()
def _computed(
    front: Chain, part: Batches, objective: Objective, mirrored: Augmentation, kind: torch.dtype, watch: Watch
) -> Tensor:
    """What the front makes of every view and sample of a part: V, N and the shape of one."""
    views = [tuple(axis for axis, turned in ((3, x), (2, y)) if turned) for x, y in _axes(mirrored)]
    largest = torch.finfo(kind).max
    held: Tensor | None = None
    done = 0
    for batch in watch(part.in_order(), "computing the frozen part", len(part), "batches"):
        pictures = objective.preprocessing.normalise(batch.pixels_NCHW.to(objective.device))
        for number, axes in enumerate(views):
            made = front(pictures.flip(axes) if axes else pictures)
            if held is None:
                held = torch.empty((len(views), len(part.samples), *made.shape[1:]), dtype=kind, device=made.device)
            held[number, done : done + len(made)] = made.clamp(-largest, largest)
        done += len(batch.samples)
    return torch.empty(0) if held is None else held


def _last(front: Chain) -> str:
    """The name of the front's last layer or bracket that has weights."""
    return [name for name, child in front.named_children() if any(True for _ in child.parameters())][-1]
