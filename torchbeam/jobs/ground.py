"""The ground that every strategy of a transfer stands on: pictures at the backbone's size, and their codes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.data.load import Data
from torchbeam.data.pixels import Fixed, Kept, fixed_for
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.stages import CODES
from torchbeam.jobs.headed import POOLINGS
from torchbeam.jobs.screen import Screen
from torchbeam.learn.adviser import Advice, advise
from torchbeam.learn.codes import BATCH, Codes, CodeSource, codes_of
from torchbeam.learn.folds import stratified
from torchbeam.learn.precision import precision_for
from torchbeam.learn.probes import Probe, probe
from torchbeam.learn.randomfeatures import random_features
from torchbeam.learn.way import Way
from torchbeam.network.backbone import Backbone
from torchbeam.network.fold import folded

PROBED = 600  # training pictures that the adviser asks
LEAST = 4  # of each class


@dataclass(frozen=True, slots=True)
class Ground:
    """backbone: as it was published; runs: with its batch norms folded, on the device, which computes the same.
    way: of computing codes; reason: why that."""

    data: Data
    backbone: Backbone
    runs: Backbone
    preprocessing: Preprocessing
    pixels: Fixed
    place: torch.device
    way: Way
    reason: str
    cache: str | Path | None
    workers: int
    seed: int

    def samples(self, *parts: str) -> NDArray[np.int64]:
        """The pictures of these parts, in the records' order."""
        return np.array([at for at, own in enumerate(self.data.split.parts) if own in parts], np.int64)

    def labels(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Their classes."""
        return np.array([self.data.records[sample].label for sample in samples.tolist()], np.int64)

    def groups(self, samples: NDArray[np.int64]) -> list[str]:
        """The groups of pictures that never part."""
        return [self.data.groups[sample] for sample in samples.tolist()]

    def codes(self, samples: NDArray[np.int64], stages: Sequence[str], screen: Screen) -> Codes:
        """The codes of these pictures at some stages: those kept are read, the others computed and kept."""
        source = source_of(self.runs, tuple(stages), self.place, self.way)
        return codes_of(
            source,
            self.data,
            self.pixels,
            samples,
            self.preprocessing,
            cache=self.cache,
            watch=screen.watch,
            workers=self.workers,
        )


def source_of(backbone: Backbone, stages: tuple[str, ...], place: torch.device, way: Way) -> CodeSource:
    """What gives codes."""
    return CodeSource(lambda x_NCHW: backbone.features(x_NCHW, stages), backbone.digest, stages, place, way)


def ground_of(
    data: Data,
    backbone: Backbone,
    preprocessing: Preprocessing,
    place: torch.device,
    kept: Kept,
    workers: int,
    seed: int,
    screen: Screen,
) -> Ground:
    """The ground, with the way of computing that was fastest for the same codes, measured once for a machine."""
    pixels = fixed_for(data, preprocessing, kept)
    runs = replace(backbone, network=folded(backbone.network).to(place).eval())
    names = tuple(stage.name for stage in backbone.stages)
    first = np.arange(min(BATCH, len(data.records)))
    fill = np.resize(first, BATCH)
    batch = preprocessing.normalise(pixels.take(fill).to(place))
    found = precision_for(source_of(runs, names, place, Way()).features, batch, backbone.digest, cache=kept.cache)
    runs.network.to(memory_format=torch.channels_last if found.way.channels_last else torch.contiguous_format)  # type: ignore[call-overload]
    screen.note(f"codes computed in {found.reason}")
    return Ground(
        data, backbone, runs, preprocessing, pixels, place, found.way, found.reason, kept.cache, workers, seed
    )


def advice_for(ground: Ground, screen: Screen) -> Advice:
    """What linear probes on every stage say of these pictures, by at most six hundred of those for training."""
    learnt = ground.samples("train", "val")
    part = learnt[stratified(ground.labels(learnt), PROBED, LEAST, ground.seed)]
    names = [stage.name for stage in ground.backbone.stages]
    codes = ground.codes(part, names, screen)
    labels, groups = ground.labels(part), ground.groups(part)

    def probed(given_ND: Tensor) -> Probe:
        return probe(given_ND, labels, seed=ground.seed, groups=groups)

    found: dict[tuple[str, str], tuple[int, Probe]] = {}
    tried = [(name, pooling) for name in names if name != CODES for pooling in POOLINGS]
    for name, pooling in screen.watch([*tried, (CODES, "")], "probing", len(tried) + 1, "probes"):
        given_ND = codes.part(name, *POOLINGS[pooling]) if pooling else codes.vectors[name]
        found[name, pooling] = (given_ND.shape[1], probed(given_ND))
    width = found[CODES, ""][0]
    random = probed(random_features(ground.pixels.take(part), width, ground.seed))
    counts = np.bincount(ground.labels(learnt), minlength=len(ground.data.classes)).tolist()
    return advise(counts, names, found, random)
