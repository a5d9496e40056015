"""occlusion: where in a picture a network finds a class, by covering one patch of it after another.

A patch is moved over the picture, and the map shows how much the class loses with the patch there (Zeiler and Fergus
2014, section 4.2). The scores of all classes are kept at every position, so that another class, or another score, asks
nothing more of the network. Positions come in an order of finer and finer grids over the whole picture: each grid is
done before the next begins, and whoever reads along has a coarse map early.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.arguments import nearest, short
from torchbeam.design.ledger import ledger_of
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError, TorchbeamError
from torchbeam.learn.way import Way
from torchbeam.look.baselines import baseline as baseline_of
from torchbeam.look.look import Look, Measured
from torchbeam.look.overlay import Panel, row
from torchbeam.look.subject import Given, Modelled, Subject, subject_of
from torchbeam.look.variants import BATCH, LAID, answering, answers, faster_half
from torchbeam.network.read import read

SCORES = {"probability": "probability lost", "logit": "score lost", "rank": "places lost"}
# bf16 is measured against fp32 at so many positions, where the grid has many times as many.
SAMPLE, WORTH = 16, 8

Spot = tuple[int, int] | None  # a position's row and column in the grid; None for the picture as it is


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the patch stands: its upper left corner at each of `tops` (rows) and `lefts` (columns), in pixels.

    size: height and width of the picture. patch: the patch's side; what of it lies beyond the picture is cut off.
    """

    size: tuple[int, int]
    patch: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many positions there are."""
        return len(self.tops) * len(self.lefts)

    def every(self, step: int) -> "Grid":
        """Every so many rows and columns of it, from the first on."""
        return replace(self, tops=self.tops[::step], lefts=self.lefts[::step])

    def levels(self) -> Iterator[list[Spot]]:
        """All positions, each once: the first; those of every `step` rows and columns not yet given, row by row; and
        so on with half the step, until it is 1."""
        step = 1 << (max(len(self.tops), len(self.lefts)) - 1).bit_length()
        yield [(0, 0)]
        while step > 1:
            step //= 2
            rows, columns = range(0, len(self.tops), step), range(0, len(self.lefts), step)
            new: list[Spot] = [(r, c) for r in rows for c in columns if r % (2 * step) or c % (2 * step)]
            if new:
                yield new


def grid(size: tuple[int, int], patch: int, stride: int) -> Grid:
    """The places of a patch every `stride` pixels, from the upper left corner until it reaches the far edges: the last
    one is cut off there where the stride does not divide. As Captum's Occlusion has them, which demands that the
    stride is not above the patch; where it is, no patch lies wholly beyond the picture.

    Raises SettingError for a patch that is larger than the picture, or a patch or stride below 1.
    """
    if patch < 1 or stride < 1:
        raise SettingError(f"a patch of {patch} pixels every {stride} is none", expected="1 or more of each")
    if patch > min(size):
        raise SettingError(
            f"a patch of {patch} pixels is larger than the picture",
            expected=f"at most {min(size)}, of a picture {size[1]}x{size[0]}",
            remedy=f"patch={max(1, min(size) // 8)}, stride={max(1, min(size) // 16)}",
        )
    tops, lefts = (tuple(start for start in range(0, side - patch + stride, stride) if start < side) for side in size)
    return Grid(size, patch, tops, lefts)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Spots of a grid, and the scores N x K, float32, with the patch there."""

    spots: tuple[Spot, ...]
    scores_NK: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Occluded:
    """scores_RCK: of every class with the patch at each row and column of the grid. before_K: of the picture as it is.
    totals_RC: logarithms of the sums of exponentials, by which scores become probabilities. stride: pixels between two
    positions."""

    grid: Grid
    stride: int
    scores_RCK: NDArray[np.float32]
    before_K: NDArray[np.float32]
    totals_RC: NDArray[np.float32]

    def map(self, label: int, score: str = "probability") -> NDArray[np.float32]:
        """What a class loses with the patch at each position, rows x columns: above 0 where the patch hides what speaks
        for it. score: of 'probability' (softmax of the scores), of the 'logit' itself, or of 'rank', in places that
        it falls behind. Costs no run of the network. Raises SettingError for another score or no such class."""
        return lost(self.scores_RCK, self.before_K, label, score, self.totals_RC)

    def pixels(self, label: int, score: str = "probability") -> NDArray[np.float32]:
        """The same for every pixel, H x W: the mean over all patches that cover it, as Captum's Occlusion has it; a
        pixel that no patch covers takes what its nearest patches have."""
        down, across = (
            _covered(starts, self.grid.patch, side)
            for starts, side in zip((self.grid.tops, self.grid.lefts), self.grid.size, strict=True)
        )
        return (down @ self.map(label, score) @ across.T).astype(np.float32)

    def probability(self, label: int) -> float:
        """Of the class, in the picture as it is."""
        return float(np.exp(self.before_K[label] - _totals(self.before_K)))


def lost(
    scores_PK: NDArray[np.float32],
    before_K: NDArray[np.float32],
    label: int,
    score: str,
    totals_P: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """What the class of that number lost from `before_K` to each of the scores ... x K. score, totals_P: as Occluded
    has them. Raises SettingError."""
    if score not in SCORES:
        raise SettingError(
            f"no score {short(score)!r} to map", expected=", ".join(SCORES), remedy=nearest(score, list(SCORES))
        )
    if not 0 <= label < len(before_K):
        raise SettingError(f"no class of number {label}", expected=f"0 to {len(before_K) - 1}")
    own_P = scores_PK[..., label]
    if score == "logit":
        return before_K[label] - own_P
    if score == "rank":
        behind_P = (scores_PK > own_P[..., None]).sum(-1)
        return (behind_P - (before_K > before_K[label]).sum()).astype(np.float32)
    totals_P = _totals(scores_PK) if totals_P is None else totals_P
    return np.exp(before_K[label] - _totals(before_K)) - np.exp(own_P - totals_P)


def sweep(
    subject: Subject,
    patch: int = 16,
    stride: int = 8,
    baseline: str = "grey",
    *,
    batch_size: int = BATCH,
    way: Way = LAID,
    seed: int = 0,
) -> Iterator[Part]:
    """The patch at every position of the grid, batch by batch, in the order of Grid.levels; the first spot is None,
    for the picture as it is. No batch reaches across two levels.

    What the patch shows: `baseline` (baselines.py, noise from `seed`). Every position is a run of the whole network
    with its batch norms folded, equal in fp32 to one patch at a time within 1e-5 of the scores' scale. Where memory
    runs out the batch is halved. Raises SettingError as `grid` and `baseline` do, OutOfRoom as `answers` does.
    """
    size = (subject.x_1CHW.shape[2], subject.x_1CHW.shape[3])
    return _swept(subject, grid(size, patch, stride), baseline_of(subject, baseline, seed), batch_size, way)


def _swept(subject: Subject, places: Grid, hidden_1CHW: Tensor, batch_size: int, way: Way) -> Iterator[Part]:
    first, *finer = places.levels()
    groups = [[None, *first], *finer]
    for spots, scores_NK in answers(answering(subject, way), groups, _Patches(places, hidden_1CHW), batch_size):
        yield Part(tuple(spots), scores_NK)


@dataclass(frozen=True, slots=True, eq=False)
class _Patches:
    """Writes the patch of each spot into its copy of the picture."""

    places: Grid
    hidden_1CHW: Tensor

    def __call__(self, batch_NCHW: Tensor, spots: Sequence[Spot]) -> None:
        side = self.places.patch
        for x_CHW, spot in zip(batch_NCHW, spots, strict=True):
            if spot is not None:
                top, left = self.places.tops[spot[0]], self.places.lefts[spot[1]]
                patch = (slice(None), slice(top, top + side), slice(left, left + side))
                x_CHW[patch] = self.hidden_1CHW[0][patch]


def nested(
    subject: Subject,
    sizes: Sequence[int] = (32, 16, 8, 4),
    *,
    patch: int = 16,
    baseline: str = "grey",
    batch_size: int = BATCH,
    way: Way = LAID,
    seed: int = 0,
) -> Iterator[Occluded]:
    """Maps of the whole picture, from coarse to fine: one for each stride of `sizes`, as soon as it is complete.

    Every map has positions of the finest grid, every so many rows and columns; a position that is done is never
    computed again. The last is the very same, bit for bit, as of that stride alone: both run the same batches (unless
    memory ran out). Of 27 x 27 positions, 224 pixels with sizes 32, 16, 8, the first map has 7 x 7, after 49.

    Raises SettingError for sizes of which one is not the last times 2, 4, 8, ... or that do not fall; else as `sweep`.
    """
    steps = _steps(sizes)
    size = (subject.x_1CHW.shape[2], subject.x_1CHW.shape[3])
    places = grid(size, patch, sizes[-1])
    parts = sweep(subject, patch, sizes[-1], baseline, batch_size=batch_size, way=way, seed=seed)
    return _nested(places, sizes[-1], steps, parts)


def _nested(places: Grid, stride: int, steps: list[int], parts: Iterator[Part]) -> Iterator[Occluded]:
    scores_RCK = before_K = np.empty(0, np.float32)
    done = -1  # without the picture as it is
    for part in parts:
        for spot, scores_K in zip(part.spots, part.scores_NK, strict=True):
            if spot is None:
                before_K = scores_K
                scores_RCK = np.full((len(places.tops), len(places.lefts), len(scores_K)), np.nan, np.float32)
            else:
                scores_RCK[spot] = scores_K
        done += len(part.spots)
        while steps and done >= places.every(steps[0]).count:
            step = steps.pop(0)
            known_RCK = scores_RCK[::step, ::step].copy()
            yield Occluded(places.every(step), stride * step, known_RCK, before_K, _totals(known_RCK))


def occluded(
    subject: Subject,
    patch: int = 16,
    stride: int = 8,
    baseline: str = "grey",
    *,
    batch_size: int = BATCH,
    way: Way = LAID,
    seed: int = 0,
) -> Occluded:
    """All of a sweep. Raises as `sweep` does."""
    *_, last = nested(subject, (stride,), patch=patch, baseline=baseline, batch_size=batch_size, way=way, seed=seed)
    return last


def occlusion(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    *,
    patch: int = 16,
    stride: int = 8,
    baseline: str = "grey",
    score: str = "probability",
    batch_size: int = BATCH,
    precision: str = "auto",
    preprocessing: Preprocessing | None = None,
    classes: tuple[str, ...] = (),
    seed: int = 0,
) -> Look:
    """Where a network finds a class in a picture: what the class loses with a patch over each part of it.

    label: name or number of a class, None for the likeliest. patch, stride: pixels of the picture as the network takes
    it. baseline: what the patch shows, 'grey', 'mean', 'blur' or 'noise' (from `seed`). score: that is lost,
    'probability', 'logit' or 'rank'. precision: 'fp32', 'bf16', 'fp16', or 'auto': bf16 where it is faster here and
    orders a sample of positions as fp32 does. Network, picture and the rest as in `subject_of`.

    Arrays: as `shown` gives them. Raises as `subject_of`, `sweep` and Subject.label do.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number = subject.label(label)
    way = way_of(subject, number, precision, patch, stride, baseline, score, seed)
    made = occluded(subject, patch, stride, baseline, batch_size=batch_size, way=way, seed=seed)
    return shown(subject, made, number, score, f"hidden by {baseline}", str(way))


def way_of(
    subject: Subject,
    label: int,
    precision: str = "auto",
    patch: int = 16,
    stride: int = 8,
    baseline: str = "grey",
    score: str = "probability",
    seed: int = 0,
) -> Way:
    """The way that a sweep computes in, for `sweep` and `nested`. precision: as of `occlusion`; 'auto' measures where
    the grid is large enough to be worth it, and is fp32 elsewhere. Raises SettingError."""
    if precision != "auto":
        return replace(LAID, precision=precision)
    places = grid((subject.x_1CHW.shape[2], subject.x_1CHW.shape[3]), patch, stride)
    if places.count < WORTH * SAMPLE:
        return LAID
    spots = [spot for level in places.levels() for spot in level][:SAMPLE]
    write = _Patches(places, baseline_of(subject, baseline, seed))

    def relevance(scores_NK: NDArray[np.float32]) -> NDArray[np.float32]:
        return lost(scores_NK[1:], scores_NK[0], label, score)

    return replace(LAID, precision="bf16") if faster_half(subject, [None, *spots], write, relevance) else LAID


def shown(subject: Subject, made: Occluded, label: int, score: str = "probability", *told: str) -> Look:
    """A sweep as a Look, for one class and score. told: what else its caption is to say.

    Arrays: 'map' (row, column), what was lost with the patch at each position; 'relevance' (row, column), the same for
    each pixel; 'scores' (row, column, class) and 'before' (class); 'tops' and 'lefts', the patches' first pixels.
    """
    map_RC, relevance_HW = made.map(label, score), made.pixels(label, score)
    name, unit, patch = subject.classes[label], SCORES[score], made.grid.patch
    title = f"class {name}" if name.isdecimal() else name
    probability = made.probability(label)
    rows, columns = map_RC.shape
    patches = f"patch {patch} px every {made.stride} px, {rows} x {columns} positions"
    field = _field(subject)
    seen = f"a neuron of the last map sees {field[0]} x {field[1]} px" if field else ""
    words = [f"{title}: probability {probability:.3f} before", f"{unit} by", patches, seen, *told, subject.of]
    arrays = {
        "map": Measured(map_RC, ("row", "column"), unit),
        "relevance": Measured(relevance_HW, ("row", "column"), unit),
        "scores": Measured(made.scores_RCK, ("row", "column", "class"), "score"),
        "before": Measured(made.before_K, ("class",), "score"),
        "tops": Measured(np.array(made.grid.tops), ("row",), "pixel"),
        "lefts": Measured(np.array(made.grid.lefts), ("column",), "pixel"),
    }
    facts = {"label": label, "class": name, "probability": probability, "score": score}
    facts |= {"patch": patch, "stride": made.stride, "positions": made.grid.count}
    near, far = (patch - made.stride) / 2, (patch + made.stride) / 2  # a cell lies around its patch's middle
    place = (near, near, made.grid.lefts[-1] + far, made.grid.tops[-1] + far)

    def drawn() -> Figure:
        return row(
            Panel(f"{title}, {100 * probability:.1f} %", subject.shown_HWC),
            Panel(f"hidden {patch} x {patch} at a time", subject.shown_HWC, relevance_HW),
            Panel(f"{title}: {unit}", None, map_RC, place, unit=unit),
        )

    return Look("occlusion", arrays, ", ".join(filter(None, words)), drawn, facts=facts)


def _totals(scores_PK: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithms of the sums of exponentials over the classes."""
    most_P1 = scores_PK.max(-1, keepdims=True)
    return (most_P1 + np.log(np.exp(scores_PK - most_P1).sum(-1, keepdims=True)))[..., 0]


def _covered(starts: tuple[int, ...], patch: int, side: int) -> NDArray[np.float32]:
    """The matrix that takes numbers of patches to pixels of a line, as the mean of those that cover each, or the
    nearest (the first of two) where none does."""
    pixels, first = np.arange(side)[:, None], np.array(starts)
    beyond = np.maximum(np.maximum(first - pixels, pixels - first - patch + 1), 0)  # pixels from the patch
    covers = (beyond == 0).astype(np.float32)
    bare = covers.sum(1) == 0
    covers[bare, beyond[bare].argmin(1)] = 1
    return covers / covers.sum(1, keepdims=True)


def _steps(sizes: Sequence[int]) -> list[int]:
    """How many positions of the finest grid one step of each is."""
    last = sizes[-1] if sizes else 0
    steps = [size // last if last > 0 and size % last == 0 else 0 for size in sizes]
    powers = all(step > 0 and step & (step - 1) == 0 for step in steps)
    if not steps or not powers or sorted(set(steps), reverse=True) != steps:
        raise SettingError(
            "the sizes of nested grids do not fit into one another",
            expected="each the last times 2, 4, 8, ..., from coarse to fine, as in 32, 16, 8",
            got=", ".join(map(str, sizes)) or "none",
        )
    return steps


def _field(subject: Subject) -> tuple[int, int] | None:
    """(width, height) in pixels that a neuron of the last map sees; None where the network cannot be read."""
    volume = Volume(*subject.x_1CHW.shape[1:])
    try:
        return ledger_of(read(subject.network, volume).layers, volume).field_before_classifier
    except TorchbeamError:
        return None
