"""train: a place with pictures -> a run folder with a model file, an honest result and a report."""

import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.exclude import read as read_excluded
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import ROOM, Fixed, Kept, Roomy, bytes_held
from torchbeam.data.preprocess import measure
from torchbeam.data.split import to_csv
from torchbeam.data.vocabulary import vocabulary_digest
from torchbeam.design.ledger import Ledger, ledger
from torchbeam.design.nets import Design
from torchbeam.design.notation import write
from torchbeam.design.volume import Fit
from torchbeam.errors import TorchbeamError
from torchbeam.heap import keep_freed
from torchbeam.jobs.memory import check_memory, out_of_memory
from torchbeam.jobs.predict import Model, load_model, save_model
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import RunFolder, check_free, run_folder
from torchbeam.jobs.seen import pack
from torchbeam.jobs.settings import (
    Setting,
    Settings,
    cache_bytes,
    check_batch_norm,
    check_told,
    design_for,
    settle,
    what_was_made,
)
from torchbeam.learn.evaluate import EVALUATION_BATCH, Evaluation, evaluate_outputs, outputs_of, worst_mistakes
from torchbeam.learn.loop import Epoch, Step, learn
from torchbeam.learn.plan import Plan
from torchbeam.network.build import build
from torchbeam.report.figures import first_filters
from torchbeam.report.offline import PICTURE_PIXELS
from torchbeam.report.page import Shown, Told, page
from torchbeam.tasks.classify import Classify
from torchbeam.version import __version__

MISTAKES_SHOWN = 24
MEASURED = 10_000  # pictures that mean and spread of the channels are taken from


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to. test was read once, after the best epoch had been chosen on validation."""

    out: Path
    test: Evaluation
    validation: Evaluation
    best_epoch: int
    epochs: tuple[Epoch, ...]
    classes: tuple[str, ...]
    text: str
    parameters: int
    origins: dict[str, str]
    skipped: int
    seconds: float

    @property
    def model(self) -> Path:
        """The model file."""
        return self.out / "model.safetensors"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.out / "report.html"

    def to_json(self) -> dict[str, Any]:
        """summary.json."""
        return {
            "test": self.test.to_json() | {"origin": self.origins["test"]},
            "validation": self.validation.to_json() | {"origin": self.origins["val"]},
            "train": {"origin": self.origins["train"]},
            "classes": list(self.classes),
            "classes_sha256": vocabulary_digest(self.classes),
            "best_epoch": self.best_epoch,
            "epochs": len(self.epochs),
            "network": self.text,
            "parameters": self.parameters,
            "skipped": self.skipped,
            "model": str(self.model),
            "report": str(self.report),
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        """The result in three lines."""
        low, high = self.test.interval
        return (
            f"test accuracy {self.test.accuracy:.2%} of {self.test.n:,} pictures "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, baseline {self.test.baseline:.1%})\n"
            f"model  {self.model}\nreport {self.report}"
        )


def train(
    data: str | Path,
    *,
    net: str | Design | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int | None = None,
    size: str | None = None,
    fit: Fit | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    augment: str | None = None,
    workers: int | None = None,
    exclude: str | Path | None = None,
    group_by: str | None = None,
    split: str | Path | None = None,
    cache: str | Path | None = None,
    cache_size: str | None = None,
    show: bool = True,
) -> Trained:
    """Train a classifier on the pictures at `data` and measure it on the test part.

    net: notation, a file of it, a named network or a Design; what is not said is chosen from the data and
    written to config.json with its origin. size: '64' or '64x48' pixels, for an INPUT of another size.
    augment: as in 'flip, crop 4, rotate 10', or 'none'. workers: threads that decode ahead. exclude: a list that
    `check` wrote. group_by: a regular expression; pictures whose paths give the same match stay in one part.
    split: the split.csv of an earlier run, whose rows stay where they were. cache, cache_size: the folder for what
    can be made again, and the most it may hold, as in '20GB'.
    show: progress on stderr. The best epoch is chosen on validation; every epoch's best is kept on disk, so that
    Ctrl-C leaves a model that can be used.
    Raises Mistake for what the user can mend, Diverged when the loss is no longer a number, OutOfRoom.
    """
    told = Settings(
        net=net,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        size=size,
        fit=fit,
        device=device,
        augment=augment,
        workers=workers,
        exclude=exclude,
        group_by=group_by,
        split=split,
        cache=cache,
        cache_size=cache_size,
    )
    place = check_told(told)
    check_free(out)  # what can be refused at once is refused before the pictures are read
    progress = Progress(show)
    progress.screen.note(f"reading {data}")
    keep_freed()
    loaded = load_data(
        data,
        exclude=None if exclude is None else read_excluded(Path(exclude)),
        group_by=group_by,
        split_from=split,
        cache=cache,
        watch=progress.screen.watch,
    )
    settings = settle(told, loaded)
    design, notes = design_for(settings, loaded)
    settings |= what_was_made(settings, design, place)
    plan = _plan(settings)
    book = ledger(design)
    task = Classify(loaded.classes, settings["label_smoothing"].value)
    task.check(book.output)
    check_memory(book, plan, place, bytes_held(loaded, book.input))
    check_batch_norm(book, len(loaded.split.indices("train")), plan.batch_size)
    progress.understood(loaded, book, write(design), plan, str(place), notes)
    folder = run_folder(out, _name(data))
    _write_beginning(folder, settings, loaded, str(data))
    try:
        return _run(folder, loaded, design, book, task, plan, place, progress, _kept(settings))
    except (RuntimeError, MemoryError) as error:
        told = out_of_memory(error, plan)
        if told is None:
            raise
        raise told from error


def _run(
    folder: RunFolder,
    loaded: Data,
    design: Design,
    book: Ledger,
    task: Classify,
    plan: Plan,
    place: torch.device,
    progress: Progress,
    kept: Kept,
) -> Trained:
    """Learn, keep the best, measure it, tell it."""
    cuts = plan.augment.resizedcrop is not None
    shown = 1 / ROOM if cuts else 1.0
    pixels = Fixed(loaded, book.input, kept, shown)
    cut = Roomy(loaded, book.input, plan.augment, kept) if cuts else pixels
    training = batches(loaded, cut, "train", plan.batch_size, plan.workers)
    validation = batches(loaded, pixels, "val", EVALUATION_BATCH, plan.workers)
    preprocessing = measure(book.input, _measured(training, progress), shown)
    with torch.random.fork_rng([place] if place.type == "cuda" else []):  # the caller's random numbers stay
        torch.manual_seed(plan.seed)
        network = build(design)
        model = Model(network, design, loaded.classes, preprocessing, _provenance(loaded, folder, plan), {})
        # What is done where pictures are cut is not left to the batch.
        rest = replace(plan.augment, resizedcrop=None, flip=False, vflip=False) if cuts else plan.augment
        on_batches = replace(plan, augment=rest)
        steps = learn(network, task, training, validation, preprocessing, on_batches, place)
        history, best = _keep_best(steps, model, folder, progress)
    proven = load_model(folder.path, str(place))
    majority = loaded.classes.index(_majority(loaded))
    on_validation = evaluate_outputs(
        *outputs_of(proven.network, validation, preprocessing, place), loaded.classes, majority
    )
    # The test part is read here for the first and only time.
    testing = batches(loaded, pixels, "test", EVALUATION_BATCH, plan.workers)
    outputs, labels = outputs_of(proven.network, testing, preprocessing, place)
    on_test = evaluate_outputs(outputs, labels, loaded.classes, majority)
    metrics = {"test": _headline(on_test), "validation": _headline(on_validation), "best_epoch": best.epoch}
    save_model(replace(proven, metrics=metrics), folder.model)
    trained = Trained(
        out=folder.path,
        test=on_test,
        validation=on_validation,
        best_epoch=best.epoch,
        epochs=tuple(history),
        classes=loaded.classes,
        text=write(design),
        parameters=book.parameters,
        origins=loaded.split.origins,
        skipped=len(loaded.skipped),
        seconds=folder.seconds(),
    )
    folder.write_json("summary.json", trained.to_json())
    folder.log("test", _headline(on_test))
    mistakes = tuple(
        Shown(loaded.image(int(testing.samples[bad.index]), (PICTURE_PIXELS, PICTURE_PIXELS)), bad)
        for bad in worst_mistakes(outputs, labels, loaded.classes, MISTAKES_SHOWN)
    )
    filters = first_filters(proven.network, book)
    folder.write("report.html", page(_told(trained, loaded, book, plan, str(place), mistakes, filters)))
    return trained


def _told(
    trained: Trained,
    loaded: Data,
    book: Ledger,
    plan: Plan,
    device: str,
    mistakes: tuple[Shown, ...],
    filters: tuple[str, list[str]],
) -> Told:
    return Told(
        name=trained.out.name,
        text=trained.text,
        ledger=book,
        data=loaded,
        plan=plan,
        device=device,
        seconds=trained.seconds,
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        test=trained.test,
        validation=trained.validation,
        mistakes=mistakes,
        filters=filters,
    )


def _keep_best(
    steps: Iterator[Step | Epoch], model: Model, folder: RunFolder, progress: Progress
) -> tuple[list[Epoch], Epoch]:
    """Reads the loop to its end; after each epoch that is the best so far the model file is written anew.

    Best is the highest validation score, among equals the lowest validation loss. When the run is stopped before
    any epoch is over, the weights of the moment are kept instead.
    """
    history: list[Epoch] = []
    best: Epoch | None = None
    try:
        with progress:
            for record in steps:
                progress.show(record)
                if not isinstance(record, Epoch):
                    continue
                history.append(record)
                better = best is None or _rank(record) > _rank(best)
                folder.log("epoch", asdict(record) | {"best": better})
                progress.epoch(record, better)
                if better:
                    measured = {"accuracy": record.validation_score, "loss": record.validation_loss}
                    save_model(replace(model, metrics={"validation": measured}), folder.model)
                    best = record
    except BaseException as error:
        if best is None and isinstance(error, KeyboardInterrupt | SystemExit):
            save_model(model, folder.model)
        stopped = str(error).splitlines()[0] if isinstance(error, TorchbeamError) else type(error).__name__
        folder.log("stopped", {"why": stopped, "epochs": len(history)})
        if folder.model.exists():
            progress.stopped(folder.model, best)
        raise
    if best is None:  # a plan has at least one epoch
        raise RuntimeError("the training loop yielded no epoch")
    return history, best


def _plan(settings: dict[str, Setting]) -> Plan:
    value = {name: setting.value for name, setting in settings.items()}
    return Plan(
        epochs=value["epochs"],
        batch_size=value["batch_size"],
        lr=value["lr"],
        seed=value["seed"],
        momentum=value["momentum"],
        weight_decay=value["weight_decay"],
        warm_up=value["warm_up"],
        augment=parse_augment(value["augment"]),
        workers=value["workers"],
    )


def _kept(settings: dict[str, Setting]) -> Kept:
    return Kept(settings["cache"].value, cache_bytes(settings["cache_size"].value))


def _measured(training: Batches, progress: Progress) -> Iterator[Tensor]:
    """Training pictures to measure mean and spread on: all, or as many as give both to three digits."""
    count = -(-min(MEASURED, len(training.samples)) // training.batch_size)
    for batch in progress.screen.watch(islice(training.in_order(), count), "decoding", count, "batches"):
        yield batch.pixels_NCHW


def _write_beginning(folder: RunFolder, settings: dict[str, Setting], data: Data, place: str) -> None:
    """What is known before the first step: settings, split, classes, what was set aside."""
    config = {"data": {"value": place, "origin": "flag"}}
    folder.write_json("config.json", config | {name: asdict(setting) for name, setting in settings.items()})
    folder.write("split.csv", to_csv(data.records, data.digests, data.classes, data.groups, data.split.parts))
    folder.write("classes.txt", "\n".join(data.classes) + "\n")
    folder.log(
        "start",
        {
            "data": place,
            "root": str(data.root) if data.root else None,
            "classes": len(data.classes),
            "pictures": len(data.records),
            "skipped": [asdict(bad) for bad in data.skipped],
            "notes": list(data.notes),
        },
    )


def _provenance(data: Data, folder: RunFolder, plan: Plan) -> dict[str, Any]:
    return {
        "data": _name(data.place),
        "data_sha256": data.digest(data.split),
        "seen": pack(data.digests[i] for part in ("train", "val") for i in data.split.indices(part)),
        "majority": _majority(data),
        "classes_sha256": vocabulary_digest(data.classes),
        "config_sha256": folder.digest("config.json"),
        "seed": plan.seed,
        "versions": {
            "torchbeam": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "python": platform.python_version(),
        },
    }


def _majority(data: Data) -> str:
    """The class most frequent in training."""
    counts = data.counts("train")
    return data.classes[counts.index(max(counts))]


def _headline(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "accuracy": evaluation.accuracy,
        "n": evaluation.n,
        "interval": list(evaluation.interval),
        "baseline": evaluation.baseline,
    }


def _name(data: str | Path) -> str:
    """What a run is called after: the last part of the path to its data."""
    name = Path(data).expanduser().resolve().name if Path(data).exists() else str(data)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name) or "run"


def _rank(epoch: Epoch) -> tuple[float, float]:
    return epoch.validation_score, -epoch.validation_loss
