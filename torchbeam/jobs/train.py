"""train: a place with pictures -> a run folder with a model file, an honest result and a report."""

import time as clock
from dataclasses import replace
from pathlib import Path

import torch

from torchbeam.data.exclude import read as read_excluded
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import bytes_held
from torchbeam.data.split import to_csv
from torchbeam.design.ledger import ledger
from torchbeam.design.nets import Design
from torchbeam.design.notation import write
from torchbeam.design.volume import Fit
from torchbeam.heap import keep_freed
from torchbeam.jobs.alone import alone
from torchbeam.jobs.chosen import chosen
from torchbeam.jobs.learning import run
from torchbeam.jobs.memory import check_memory, out_of_memory
from torchbeam.jobs.places import absolute
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import RunFolder, check_free, run_folder
from torchbeam.jobs.settings import (
    Setting,
    Settings,
    check_batch_norm,
    check_told,
    design_for,
    plan_of,
    settle,
    what_was_made,
)
from torchbeam.jobs.tensorboard import package
from torchbeam.jobs.trained import Trained
from torchbeam.jobs.tuning import Tuning
from torchbeam.jobs.work import (
    Work,
    name_of,
    network_of,
    objective_of,
    parts_of,
    preprocessing_of,
    task_of,
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
    recipe: str | None = None,
    time: str | None = None,
    optimiser: str | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | None = None,
    warm_up: float | None = None,
    label_smoothing: float | None = None,
    clip: float | None = None,
    accumulate: int | None = None,
    ema: float | None = None,
    lookahead: int | None = None,
    class_weights: str | None = None,
    init: str | None = None,
    whiten: bool | None = None,
    views: str | None = None,
    precision: str | None = None,
    compile: bool | None = None,
    state_every: str | None = None,
    tensorboard: bool = False,
    show: bool = True,
) -> Trained:
    """Train a classifier on the pictures at `data` and measure it on the test part.

    net: notation, a file of it, a named network or a Design; what is not said is chosen from the data and
    written to config.json with its origin. size: '64' or '64x48' pixels, for an INPUT of another size.
    augment: as in 'flip, crop 4, rotate 10', or 'none'. workers: threads that decode ahead. exclude: a list that
    `check` wrote. group_by: a regular expression; pictures whose paths give the same match stay in one part.
    split: the split.csv of an earlier run, whose rows stay where they were. cache, cache_size: the folder for what
    can be made again, and the most it may hold, as in '20GB'.
    recipe: 'mnist', 'fashion-mnist' or 'cifar10', settings that were tried together. time: as in '5m', for all of
    the run, in place of epochs. optimiser: 'sgd', 'adamw' or 'muon'. lr: the peak rate; where neither it nor a recipe
    is given a range test picks one. clip: the gradient's largest norm. accumulate: batches to an update. ema,
    lookahead: averaged weights. class_weights: 'auto', 'none', 'root' or 'balanced'. init: 'he' or 'dirac'. whiten:
    the first layer whitens patches. views: 'none', 'mirror' or 'shift', whose scores are averaged in use.
    precision: 'auto', 'fp32', 'bf16' or 'fp16'. compile: by torch.compile; None where measuring decides.
    state_every: as in '15s', between two states on disk. tensorboard: event files at the end, in RUN/tensorboard.
    show: progress on stderr. The best epoch is chosen on validation; every epoch's best is kept on disk, so that
    Ctrl-C leaves a model that can be used, and a state from which `resume` goes on.
    Raises Mistake for what the user can mend, Diverged when the loss is no longer a number, OutOfRoom.
    """
    begun = clock.time()
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
        recipe=recipe,
        tuning=Tuning(
            optimiser=optimiser,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            warm_up=warm_up,
            label_smoothing=label_smoothing,
            clip=clip,
            accumulate=accumulate,
            ema=ema,
            lookahead=lookahead,
            class_weights=class_weights,
            init=init,
            whiten=whiten,
            views=views,
            precision=precision,
            compile=compile,
            time=time,
            state_every=state_every,
        ),
    )
    place = check_told(told)
    if tensorboard:
        package()
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
    settings["tensorboard"] = Setting(tensorboard, "flag" if tensorboard else "default")
    design, notes = design_for(settings, loaded)
    settings |= what_was_made(settings, design, place)
    return _train(settings, loaded, design, notes, place, out, progress, begun)


def _train(
    settings: dict[str, Setting],
    loaded: Data,
    design: Design,
    notes: list[str],
    place: torch.device,
    out: str | Path | None,
    progress: Progress,
    begun: float,
) -> Trained:
    """What is settled, checked, chosen by measuring, written down and learnt."""
    book, plan = ledger(design), plan_of(settings)
    task, said = task_of(settings, loaded)
    task.check(book.output)
    check_memory(book, plan, place, bytes_held(loaded, book.input))
    check_batch_norm(book, len(loaded.split.indices("train")), plan.batch_size)
    progress.understood(loaded, book, write(design), [*notes, *([said] if said else [])])
    folder = replace(run_folder(out, name_of(loaded.place)), started=begun)
    with alone(folder.path):
        write_beginning(folder, loaded)
        try:
            with torch.random.fork_rng([place] if place.type == "cuda" else []):  # the caller's random numbers stay
                parts = parts_of(settings, loaded, book)
                objective = objective_of(settings, task, parts, preprocessing_of(book, parts, progress.screen), place)
                network = network_of(settings, design, objective, parts.training)
                work = Work(folder, settings, loaded, design, book, parts, objective, network)
                work = chosen(work, progress)
            write_config(folder, work.settings, loaded.place)
            return run(work, progress)
        except (RuntimeError, MemoryError) as error:
            told = out_of_memory(error, plan)
            if told is None:
                raise
            raise told from error


def write_config(folder: RunFolder, settings: dict[str, Setting], place: str | Path) -> None:
    """config.json: every value with its origin. Paths stand in it as they were typed, and under `paths` from the root
    of the disk."""
    typed = {name: settings[name].value for name in ("exclude", "cache") if name in settings}
    told = {"data": Setting(str(place), "flag"), "paths": Setting(absolute({"data": str(place)} | typed), "auto")}
    folder.write_json("config.json", {name: setting.to_json() for name, setting in (told | settings).items()})


def write_beginning(folder: RunFolder, data: Data) -> None:
    """Write down what is known before anything is measured: split, classes, what was set aside."""
    folder.write("split.csv", to_csv(data.records, data.digests, data.classes, data.groups, data.split.parts))
    folder.write("classes.txt", "\n".join(data.classes) + "\n")
    folder.log(
        "start",
        {
            "data": str(data.place),
            "root": str(data.root) if data.root else None,
            "classes": len(data.classes),
            "pictures": len(data.records),
            "skipped": [bad.to_json() for bad in data.skipped],
            "notes": list(data.notes),
            "origins": data.split.origins,
        },
    )
