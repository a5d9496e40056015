"""Work: a run prepared, from its settings to the batches, the network and the way it is computed."""

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor, nn

from torchbeam.data.augment.words import Augmentation
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import Data
from torchbeam.data.pixels import ROOM, Fixed, Kept, Roomy
from torchbeam.data.preprocess import Preprocessing, measure
from torchbeam.data.vocabulary import vocabulary_digest
from torchbeam.design.ledger import Ledger
from torchbeam.design.nets import Design
from torchbeam.design.volume import Volume
from torchbeam.jobs.runfolder import RunFolder
from torchbeam.jobs.screen import Screen
from torchbeam.jobs.seen import pack
from torchbeam.jobs.settings import Setting, cache_bytes, plan_of, starts_from_weights
from torchbeam.jobs.tuning import weights_of
from torchbeam.learn.doctor import Doctor
from torchbeam.learn.evaluate import EVALUATION_BATCH
from torchbeam.learn.finetune import check_rates, prepare_
from torchbeam.learn.frozen import Behind, behind
from torchbeam.learn.learner import Learner
from torchbeam.learn.objective import Objective
from torchbeam.learn.way import PLAIN, Way
from torchbeam.network.build import build
from torchbeam.network.whiten import whiten_
from torchbeam.tasks.classify import Classify
from torchbeam.version import __version__

MEASURED = 10_000  # pictures that mean and spread of the channels are taken from
WHITENED = 5_000  # pictures whose patches a first layer whitens


@dataclass(frozen=True, slots=True)
class Parts:
    """The three parts in batches; `cutting`, where training pictures are cut as they are taken, else None."""

    training: Batches
    validation: Batches
    testing: Batches
    cutting: Augmentation | None


@dataclass(frozen=True, slots=True)
class Work:
    """All that learning and measuring need. behind: where the maps of a frozen part are kept, what is trained on
    them; its modules are the network's own, which learns with it."""

    folder: RunFolder
    settings: dict[str, Setting]
    data: Data
    design: Design
    book: Ledger
    parts: Parts
    objective: Objective
    network: nn.Module
    behind: Behind | None = None

    @property
    def inner(self) -> "Work":
        """What the training loop works on: all of it, or only what is behind the frozen part, on maps."""
        if self.behind is None:
            return self
        training, validation = self.behind.parts
        parts = replace(self.parts, training=training, validation=validation)
        objective = self.behind.objective(self.objective)
        return replace(self, network=self.behind.rest, objective=objective, parts=parts, behind=None)

    @property
    def volume(self) -> Volume:
        """What goes into the network that is trained: pictures, or the frozen part's maps."""
        return self.book.input if self.behind is None else self.behind.volume

    @property
    def majority(self) -> str:
        """The class most frequent in training."""
        counts = self.data.counts("train")
        return self.data.classes[counts.index(max(counts))]


def kept_of(settings: dict[str, Setting]) -> Kept:
    """Where decoded pictures are kept."""
    return Kept(settings["cache"].value, cache_bytes(settings["cache_size"].value))


def task_of(settings: dict[str, Setting], data: Data) -> tuple[Classify, str]:
    """The task, and what was done about classes of very different sizes, in words."""
    weights, note = weights_of(settings["class_weights"].value, data.counts("train"))
    return Classify(data.classes, settings["label_smoothing"].value, weights=weights), note


def parts_of(settings: dict[str, Setting], data: Data, book: Ledger) -> Parts:
    """The parts of the data in batches, at the network's input size."""
    plan, kept = plan_of(settings), kept_of(settings)
    cuts = plan.augment.resizedcrop is not None
    pixels = Fixed(data, book.input, kept, 1 / ROOM if cuts else 1.0)
    cut = Roomy(data, book.input, plan.augment, kept) if cuts else pixels
    return Parts(
        batches(data, cut, "train", plan.batch_size, plan.workers),
        batches(data, pixels, "val", EVALUATION_BATCH, plan.workers),
        batches(data, pixels, "test", EVALUATION_BATCH, plan.workers),
        plan.augment if cuts else None,
    )


def preprocessing_of(book: Ledger, parts: Parts, screen: Screen) -> Preprocessing:
    """Size, mean and spread, measured on the training part."""
    shown = 1 / ROOM if parts.cutting is not None else 1.0
    return measure(book.input, _measured(parts.training, screen), shown)


def objective_of(
    settings: dict[str, Setting], task: Classify, parts: Parts, preprocessing: Preprocessing, place: torch.device
) -> Objective:
    """How a batch becomes a loss in this run."""
    plan = plan_of(settings)
    if parts.cutting is not None:  # what is done where pictures are cut is not left to the batch
        rest = replace(plan.augment, resizedcrop=None, flip=False, vflip=False, altflip=False)
        plan = replace(plan, augment=rest)
    way = settings["way"].value if "way" in settings else None
    return Objective(task, preprocessing, plan, PLAIN if way is None else Way(**way), place)


def network_of(
    settings: dict[str, Setting],
    design: Design,
    objective: Objective,
    training: Batches,
    given: nn.Module | None = None,
) -> nn.Module:
    """The network as it begins, made ready for its plan: a function of the settings and the training pictures.

    given: where the run starts from given weights (see settings.fine_tuning), the network of this design that has them,
    which is changed in place. Such a run that goes on gives none, and has its weights from its state.
    """
    torch.manual_seed(objective.plan.seed)
    network = build(design, settings["init"].value) if given is None else given
    if settings["whiten"].value and given is None and not starts_from_weights(settings):
        count = -(-min(WHITENED, len(training.samples)) // training.batch_size)
        pixels = torch.cat([batch.pixels_NCHW for batch in islice(training.epoch(objective.plan.seed, 0), count)])
        whiten_(network, objective.preprocessing.normalise(pixels)).requires_grad_(False)
    check_rates(network, objective.plan.rates)
    prepare_(network, objective.plan)
    return network


def with_maps(work: Work, screen: Screen, precision: str | None = None) -> Work:
    """The work with the maps of its frozen part kept in memory, where that can be; said on the screen and in the
    setting 'maps', which a run that goes on gives back as `precision`. The network has its weights already."""
    parts = (work.parts.training, work.parts.validation)
    found = behind(work.network, work.objective, parts, precision=precision, watch=screen.watch)
    if isinstance(found, str):
        screen.note(f"the network is computed as a whole: {found}")
        return replace(work, settings=work.settings | {"maps": Setting(None, "auto", {"reason": found})})
    screen.note(f"kept in memory: {found.told}")
    setting = Setting(found.precision, "auto", {"reason": found.told})
    return replace(work, settings=work.settings | {"maps": setting}, behind=found)


def learner_for(work: Work, doctor: Doctor | None = None) -> Learner:
    """The network in training, at its beginning; behind a frozen part only the rest."""
    inner, front = work.inner, None if work.behind is None else work.behind.front
    return Learner(inner.network, inner.objective, len(inner.parts.training), doctor, front)


def _measured(training: Batches, screen: Screen) -> Iterator[Tensor]:
    """Training pictures to measure mean and spread on: all, or as many as give both to three digits."""
    count = -(-min(MEASURED, len(training.samples)) // training.batch_size)
    for batch in screen.watch(islice(training.in_order(), count), "decoding", count, "batches"):
        yield batch.pixels_NCHW


def provenance(work: Work) -> dict[str, Any]:
    """Where a trained model comes from, as its file keeps it."""
    return provenance_of(work.data, work.folder, work.objective.plan.seed)


def provenance_of(data: Data, folder: RunFolder, seed: int) -> dict[str, Any]:
    """Where a model comes from that has learnt from all but the test part of this data."""
    counts = data.counts("train")
    return {
        "data": name_of(data.place),
        "data_sha256": data.digest(data.split),
        "seen": pack(data.digests[i] for part in ("train", "val") for i in data.split.indices(part)),
        "majority": data.classes[counts.index(max(counts))],
        "classes_sha256": vocabulary_digest(data.classes),
        "config_sha256": folder.digest("config.json"),
        "seed": seed,
        "versions": {
            "torchbeam": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "python": platform.python_version(),
        },
    }


def name_of(data: str | Path) -> str:
    """What a run is called after: the last part of the path to its data."""
    name = Path(data).expanduser().resolve().name if Path(data).exists() else str(data)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name) or "run"
