"""CNN codes: the numbers that the stages of a network under its head give for a picture. Computed once and kept.

A picture's codes are a function of its content and of what is named in their key alone. So a picture that is added
costs one batch, one that is moved nothing, and changed weights or another preprocessing never meet codes that are
not theirs.
"""

import hashlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from torchbeam.data.ahead import ahead
from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.batches import WORKERS
from torchbeam.data.cachefolder import cache_folder
from torchbeam.data.load import Data
from torchbeam.data.pixels import DECODING, Pixels, unchanged
from torchbeam.data.preprocess import Preprocessing
from torchbeam.data.watch import Watch, unwatched
from torchbeam.errors import SettingError
from torchbeam.learn.codestore import CodeStore
from torchbeam.learn.way import PLAIN, Way

BATCH = 16  # pictures at a time, always: a few that are added must not cost many
POOLING = 1  # another number where `pool` makes something else of a map
# Codes are written down after so many seconds, or that share of the time taken so far, or so many bytes.
EVERY, SHARE, WAITING = 5.0, 0.05, 2**28

Features = Callable[[Tensor], Mapping[str, Tensor]]
Part = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class CodeSource:
    """What gives codes. features: normalised pictures N, C, H, W on the device -> by stage maps N, C, H, W or vectors
    N x D; in eval mode, each picture by itself. digest: of its tensors (network/modelfile.py). stages: those wanted.
    way: its precision and layout of the pictures."""

    features: Features
    digest: str
    stages: tuple[str, ...]
    device: torch.device
    way: Way = PLAIN

    def __post_init__(self) -> None:
        if not self.stages or len(set(self.stages)) < len(self.stages):
            raise SettingError(
                "the stages to take codes from cannot be used",
                expected="one or more names, each once",
                got=", ".join(self.stages) or "none",
            )


@dataclass(frozen=True, slots=True)
class Shown:
    """How each picture is shown: in `count` views, view v being what `augmentation` makes of it in epoch v with this
    seed ('altflip' with 2 views: the picture and its mirror image). joined: 'mean' of the views' codes, or 'stack',
    the views one after another.

    What a view is depends on the picture's content, seed and v alone. Raises SettingError for no views, and for an
    augmentation that mixes pictures or needs them larger than they are kept.
    """

    count: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    joined: str = "mean"

    def __post_init__(self) -> None:
        if self.count < 1 or self.joined not in ("mean", "stack"):
            raise SettingError(
                "codes cannot be made of such views",
                expected="1 view or more, joined by mean or stack",
                got=f"{self.count}, joined by {self.joined}",
            )
        if self.augmentation.mixes or self.augmentation.resizedcrop is not None:
            raise SettingError(
                f"views for codes cannot be made by {self.augmentation}",
                expected="words that change one picture at the size it has, such as altflip, crop 4, color 0.2",
                remedy="leave resizedcrop, mixup and cutmix out",
            )


ONCE = Shown()


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """samples: indices into the data's records, (N,). vectors: by stage float32 N x D on the CPU (N x V*D where views
    are stacked). maps: the stages whose codes are pooled maps. fresh: how many pictures were computed now."""

    samples: NDArray[np.int64]
    vectors: Mapping[str, Tensor]
    maps: frozenset[str]
    fresh: int

    def part(self, stage: str, *parts: Part) -> Tensor:
        """Some columns of a pooled stage's codes, by (kind, side) as in `columns`, in that order."""
        held = self.vectors[stage]
        ranges = columns(held.shape[1])
        return torch.cat([held[:, ranges[each]] for each in parts], 1)


def pool(map_NCHW: Tensor) -> Tensor:
    """A map as a vector N x 10C, float32: its average and its maximum over the whole, then its averages and its maxima
    over the quarters; channel by channel, quarters row by row. A map of one row or column has it in both halves."""
    x = map_NCHW.float()
    pools = (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
    return torch.cat([pooled(x, side).flatten(1) for side in (1, 2) for pooled in pools], 1)


def columns(width: int) -> dict[Part, slice]:
    """Which columns of a pooled map's `width` = 10C are what: ('avg', 1), ('max', 1), ('avg', 2), ('max', 2), the
    number being the side of the grid. Raises ValueError for a width that no map is pooled to."""
    channels, rest = divmod(width, 10)
    if rest or not channels:
        raise ValueError(f"no map is pooled to {width} numbers")
    ends = {("avg", 1): 1, ("max", 1): 2, ("avg", 2): 6, ("max", 2): 10}
    starts = (0, *ends.values())
    return {
        part: slice(first * channels, end * channels) for first, (part, end) in zip(starts, ends.items(), strict=False)
    }


def codes_of(
    backbone: CodeSource,
    data: Data,
    pixels: Pixels,
    samples: Sequence[int] | NDArray[np.int64],
    preprocessing: Preprocessing,
    *,
    shown: Shown = ONCE,
    batch_size: int = BATCH,
    cache: str | Path | None = None,
    watch: Watch = unwatched,
    workers: int = WORKERS,
) -> Codes:
    """The codes of some samples of the data, in their order: those kept are read, the others computed and kept.

    Batches always have `batch_size` pictures, the last filled up with copies of one, so that codes do not depend on
    what is computed beside them. cache: the cache folder; codes lie below it in `codes`. Beside the codes themselves
    a few batches are in memory, and what is not written down yet. Ctrl-C and kills keep what has been computed, but
    for the last seconds. workers: threads that make pixels ahead.
    Raises SettingError for a batch below 1 and where the backbone gives a stage that is no code.
    """
    if batch_size < 1:
        raise SettingError(f"codes cannot be computed {batch_size} pictures at a time", expected="1 or more")
    chosen = np.asarray(samples, np.int64)
    digests = [data.digests[sample] for sample in chosen.tolist()]
    stores = {
        stage: _store(backbone, stage, type(pixels).__name__, preprocessing, shown, batch_size, cache)
        for stage in backbone.stages
    }
    found = {stage: store.find(digests) for stage, store in stores.items()}
    have_N = np.logical_and.reduce([each.have_N for each in found.values()])
    vectors = {stage: each.codes_ND for stage, each in found.items() if each.codes_ND is not None}
    maps = {stage for stage, each in found.items() if each.map}
    missing = np.flatnonzero(~have_N)
    first_of = {digests[row]: row for row in reversed(missing.tolist())}  # a picture that is there twice costs once
    todo = np.array(sorted(first_of.values()), np.int64)
    made = _Made(data, chosen, digests, stores)
    work = closing(_computed(backbone, pixels, chosen, todo, digests, preprocessing, shown, batch_size, workers))
    try:
        with work as batches:
            for row, code in watch(batches, "computing codes", len(todo)):
                maps |= {stage for stage, (_, of_map) in code.items() if of_map}
                made.take(row, code)
                for stage, (vector, _) in code.items():
                    if stage not in vectors or vectors[stage].shape[1] != len(vector):
                        vectors[stage] = torch.zeros(len(chosen), len(vector))
                    vectors[stage][row] = vector
    finally:
        made.write_down()
    if len(todo):
        for row in missing.tolist():
            for held in vectors.values():
                held[row] = held[first_of[digests[row]]]
        for store in stores.values():
            store.tidy()
    return Codes(chosen, {stage: vectors.get(stage, torch.zeros(0, 0)) for stage in stores}, frozenset(maps), len(todo))


def _store(
    backbone: CodeSource,
    stage: str,
    sizing: str,
    preprocessing: Preprocessing,
    shown: Shown,
    batch_size: int,
    cache: str | Path | None,
) -> CodeStore:
    """Where the codes of a stage are kept: a folder for all that they are a function of, beside the picture."""
    held = {
        "backbone": backbone.digest,
        "stage": stage,
        "pooling": POOLING,
        "preprocessing": preprocessing.to_json(),
        "pixels": [sizing, DECODING, PIL.__version__],
        "views": [shown.count, str(shown.augmentation), shown.seed, shown.joined],
        "precision": [backbone.way.precision, backbone.way.channels_last, backbone.device.type, batch_size],
        "torch": torch.__version__,
    }
    key = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
    return CodeStore(cache_folder(cache) / "codes" / key[:32], key)


Code = dict[str, tuple[Tensor, bool]]


class _Made:
    """What has been computed and is not written down yet."""

    def __init__(
        self, data: Data, chosen: NDArray[np.int64], digests: list[str], stores: Mapping[str, CodeStore]
    ) -> None:
        self.data, self.chosen, self.digests, self.stores = data, chosen, digests, stores
        self.waiting: list[tuple[str, Code]] = []
        self.bytes = 0
        self.begun = self.written = time.monotonic()

    def take(self, row: int, code: Code) -> None:
        """One more picture's codes; a file that changed since it was looked at is not what its digest says."""
        if unchanged(self.data, int(self.chosen[row])):
            self.waiting.append((self.digests[row], code))
            self.bytes += sum(vector.nbytes for vector, _ in code.values())
        now = time.monotonic()
        if self.bytes > WAITING or now - self.written > max(EVERY, SHARE * (now - self.begun)):
            self.write_down()

    def write_down(self) -> None:
        """Keep what waits."""
        waiting, self.waiting, self.bytes = self.waiting, [], 0
        for stage, store in self.stores.items():
            if waiting:
                held = torch.stack([code[stage][0] for _, code in waiting])
                store.add([digest for digest, _ in waiting], held, waiting[0][1][stage][1])
        self.written = time.monotonic()


def _computed(
    backbone: CodeSource,
    pixels: Pixels,
    chosen: NDArray[np.int64],
    todo: NDArray[np.int64],
    digests: list[str],
    preprocessing: Preprocessing,
    shown: Shown,
    batch_size: int,
    workers: int,
) -> Generator[tuple[int, Code], None, None]:
    """(row, its codes) of the rows to do, batch by batch."""
    spans = [todo[first : first + batch_size] for first in range(0, len(todo), batch_size)]
    with ThreadPoolExecutor(max(1, workers)) as pool_of_threads:
        taken = ahead(pool_of_threads, lambda rows: pixels.take(chosen[rows]), spans, workers + 1)
        with closing(taken):
            for rows, pixels_NCHW in zip(spans, taken, strict=True):
                # A picture's views follow its content, so that a file that is moved keeps them.
                numbers = np.array([int(digests[row][:15], 16) for row in rows.tolist()], np.int64)
                code = _batch(backbone, pixels_NCHW, numbers, preprocessing, shown, batch_size)
                for at, row in enumerate(rows.tolist()):
                    yield row, {stage: (held[at], of_map) for stage, (held, of_map) in code.items()}


def _batch(
    backbone: CodeSource,
    pixels_NCHW: Tensor,
    numbers: NDArray[np.int64],
    preprocessing: Preprocessing,
    shown: Shown,
    batch_size: int,
) -> Code:
    """The codes of up to batch_size pictures, by stage."""
    fill = np.minimum(np.arange(batch_size), len(numbers) - 1)
    full = pixels_NCHW[torch.from_numpy(fill)].to(backbone.device)
    views = [_seen(backbone, full, numbers[fill], preprocessing, shown, view) for view in range(shown.count)]
    joined: Code = {}
    for stage in backbone.stages:
        held = torch.stack([view[stage][0] for view in views], 1)
        vectors = held.mean(1) if shown.joined == "mean" else held.flatten(1)
        joined[stage] = (vectors[: len(numbers)].cpu(), views[0][stage][1])
    return joined


@torch.inference_mode()
def _seen(
    backbone: CodeSource,
    pixels_NCHW: Tensor,
    numbers: NDArray[np.int64],
    preprocessing: Preprocessing,
    shown: Shown,
    view: int,
) -> Code:
    """One view's codes by stage, on the device."""
    if shown.augmentation == ONCE.augmentation:
        pictures = preprocessing.normalise(pixels_NCHW)
    else:
        means = (preprocessing.mean, preprocessing.std)
        pictures = augmented(shown.augmentation, pixels_NCHW, numbers, shown.seed, view, *means).pictures_NCHW
    with backbone.way.autocast(backbone.device):
        given = backbone.features(backbone.way.laid(pictures))
    code: Code = {}
    for stage in backbone.stages:
        if stage not in given:
            raise SettingError(
                f"the backbone gives no stage {stage}",
                expected=", ".join(given) or "a stage",
                remedy="name one of these",
            )
        held = given[stage]
        if held.ndim not in (2, 4) or len(held) != len(pixels_NCHW):
            raise SettingError(
                f"the stage {stage} gives no codes",
                expected="maps N, C, H, W or vectors N x D, one for each picture",
                got=" x ".join(map(str, held.shape)),
            )
        code[stage] = (pool(held) if held.ndim == 4 else held.float(), held.ndim == 4)
    return code
