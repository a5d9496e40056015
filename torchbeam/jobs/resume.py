"""resume: a run that was stopped goes on from the very step, in place, to the same bits as if it never had been."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from torchbeam.data.exclude import read as read_excluded
from torchbeam.data.load import Data, load_data
from torchbeam.data.preprocess import from_json as preprocessing_from
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.errors import DataError, SettingError, StateError
from torchbeam.heap import keep_freed
from torchbeam.jobs.alone import alone
from torchbeam.jobs.learning import run
from torchbeam.jobs.memory import out_of_memory
from torchbeam.jobs.places import found
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import RunFolder, again
from torchbeam.jobs.settings import Setting, plan_of, starts_from_weights
from torchbeam.jobs.tensorboard import package
from torchbeam.jobs.train import write_config
from torchbeam.jobs.trained import Trained
from torchbeam.jobs.work import Work, network_of, objective_of, parts_of, preprocessing_of, task_of, with_maps
from torchbeam.learn import device as devices
from torchbeam.learn.checkpoint import State, load
from torchbeam.learn.course import Course
from torchbeam.learn.learner import network_in
from torchbeam.learn.plan import Plan


def resume(
    run_folder: str | Path,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    tensorboard: bool | None = None,
    show: bool = True,
) -> Trained:
    """Go on with a run that was stopped, from the step it stopped at; nothing is measured or chosen again.

    epochs: a new number of them, more than are done; from here the schedule is planned anew, beginning at the rate
    the run has now. lr: that rate instead; a run that is finished goes on only with it. The pictures must be those
    the run began with; where the path to them is not there from the working directory, that of where the run began
    is taken. tensorboard: event files at the end; None for as the run began.
    Raises SettingError for what would be ignored, DataError where the pictures changed, StateError where no state
    can be read, OutputError where another process is learning in the folder, and what `train` raises.
    """
    with alone(Path(run_folder)):
        return _resumed(again(Path(run_folder)), epochs, lr, tensorboard, Progress(show))


def _resumed(
    folder: RunFolder, epochs: int | None, lr: float | None, tensorboard: bool | None, progress: Progress
) -> Trained:
    settings, typed = _settings(folder)
    if tensorboard is not None:
        settings["tensorboard"] = Setting(tensorboard, "flag")
    if "tensorboard" in settings and settings["tensorboard"].value:
        package()
    state, note = _state(folder)
    if note:
        progress.screen.note(f"note: {note}")
    if state is None and starts_from_weights(settings):
        raise StateError(
            f"the run in {folder.path} was stopped before it kept a state, and the weights it began with are not there",
            remedy="start it again as it was started",
        )
    course, settings = _planned(folder, settings, state, epochs, lr, progress)
    place, excluded, cache = _places(settings, typed)
    progress.screen.note(f"reading {place}")
    keep_freed()
    data = load_data(
        place,
        exclude=None if excluded is None else read_excluded(Path(excluded)),
        group_by=settings["group_by"].value,
        split_from=folder.path / "split.csv",
        cache=cache,
        watch=progress.screen.watch,
    )
    _same(data, state, folder)
    data = replace(data, split=replace(data.split, origins=_origins(folder, data.split.origins)))
    work = _work(folder, settings | {"cache": Setting(cache, settings["cache"].origin)}, data, state, progress)
    if course is not None and state is not None:
        write_config(folder, settings, typed)
        state = State(state.tensors, state.told | {"course": course.to_json(), "lowered": 1.0})
    at = "the beginning: no state had been kept" if state is None else f"step {state.told['step']:,}"
    progress.screen.note(f"going on from {at}\n")
    folder.log("resumed", {"step": 0 if state is None else state.told["step"]})
    try:
        return run(work, progress, state)
    except (RuntimeError, MemoryError) as error:
        told = out_of_memory(error, work.objective.plan)
        if told is None:
            raise
        raise told from error


def _settings(folder: RunFolder) -> tuple[dict[str, Setting], str]:
    """What config.json kept, and the place of the pictures."""
    try:
        kept: dict[str, Any] = json.loads((folder.path / "config.json").read_text(encoding="utf-8"))
        settings = {name: Setting(told["value"], told["origin"], told.get("why")) for name, told in kept.items()}
        return settings, settings.pop("data").value
    except FileNotFoundError:
        raise StateError(
            f"{folder.path} has no config.json: the run was stopped before it began to learn",
            remedy="start it again with torchbeam train",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{folder.path}/config.json cannot be read", got=f"{type(error).__name__}: {error}") from None


def _places(settings: dict[str, Setting], typed: str) -> tuple[str, str | None, str | None]:
    """Where the pictures, the list of those left out, and the cache are, from this working directory. Raises
    DataError."""
    places: dict[str, str] = settings["paths"].value if "paths" in settings else {}
    excluded, cache = settings["exclude"].value, settings["cache"].value
    return (
        found("pictures", typed, places.get("data")),
        excluded and found("exclude list", excluded, places.get("exclude")),
        cache and (places.get("cache") or cache),
    )


def _state(folder: RunFolder) -> tuple[State | None, str]:
    """The newest good state, and what is to be said of it; None where the run had kept none."""
    if not folder.state.is_dir() or not any(folder.state.glob("*.safetensors")):
        return None, ""
    return load(folder.state)


def _planned(
    folder: RunFolder,
    settings: dict[str, Setting],
    state: State | None,
    epochs: int | None,
    lr: float | None,
    progress: Progress,
) -> tuple[Course | None, dict[str, Setting]]:
    """The course from here on, None where it stays, and the settings with a new end. Raises SettingError."""
    before: Plan = plan_of(settings)
    done = 0 if state is None else state.told["epoch"] - 1
    finished = (folder.path / "summary.json").exists()
    if before.seconds is not None and (epochs is not None or finished):
        raise SettingError(
            "this run ends by the clock", got=f"--time {settings['time'].value}", remedy="resume it without --epochs"
        )
    if finished and lr is None:
        raise SettingError(
            f"the run in {folder.path} is finished: its rate has come down to 0",
            expected="--lr, the rate to go on with, and --epochs",
            remedy=f"torchbeam resume {folder.path} --lr {before.lr / 10:g} --epochs {2 * before.epochs}",
        )
    if epochs is None and lr is None:
        return None, settings
    if state is None:
        raise SettingError("the run has kept no state yet", remedy="resume it without --epochs and --lr")
    total = epochs if epochs is not None else (2 * before.epochs if finished else before.epochs)
    if total <= done or (epochs is not None and total < before.epochs):
        raise SettingError(
            f"epochs cannot be {total}",
            expected=f"more than {max(done, before.epochs)}: the run has {before.epochs}, and {done} are done",
        )
    plan = replace(before, epochs=total)
    if lr is not None:
        plan = replace(plan, lr=lr)  # checks it
    rate = lr if lr is not None else _rate_now(state, before)
    course = Course(state.told["step"], rate, 0.0)
    progress.screen.note(f"the schedule is planned anew from a rate of {rate:.3g} to the end of epoch {total}")
    return course, settings | {"epochs": Setting(total, "flag")}


def _rate_now(state: State, plan: Plan) -> float:
    """The rate that the state's run has come to."""
    told = state.told
    course, steps = Course(**told["course"]), told["steps"]
    share = (told["step"] - course.first) / max(1, steps - course.first)
    return told["lowered"] * course.at(plan.schedule, share)


def _origins(folder: RunFolder, otherwise: dict[str, str]) -> dict[str, str]:
    """How the parts came to be, as the run's first event has it."""
    with (folder.path / "log.jsonl").open(encoding="utf-8") as log:
        return json.loads(log.readline() or "{}").get("origins", otherwise)


def _same(data: Data, state: State | None, folder: RunFolder) -> None:
    if state is not None and state.told["data_sha256"] != data.digest(data.split):
        raise DataError(
            "the pictures are not those the run began with",
            expected=f"the files that {folder.path / 'split.csv'} lists, unchanged, and no others",
            got=f"{len(data.records):,} pictures at {data.place}",
            remedy="put them back, or train anew; torchbeam check shows what is there",
        )


def _work(folder: RunFolder, settings: dict[str, Setting], data: Data, state: State | None, progress: Progress) -> Work:
    design = parse(settings["network"].value)
    book, place = ledger(design), devices.choose(settings["device"].value)
    parts = parts_of(settings, data, book)
    task, _ = task_of(settings, data)
    kept = preprocessing_of(book, parts, progress.screen) if state is None else None
    preprocessing = kept or preprocessing_from(state.told["preprocessing"] if state else {})
    objective = objective_of(settings, task, parts, preprocessing, place)
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        network = network_of(settings, design, objective, parts.training)
    work = Work(folder, settings, data, design, book, parts, objective, network)
    if state is None or not starts_from_weights(settings):
        return work
    network.load_state_dict(network_in(state))
    kept = settings["maps"].value if "maps" in settings else None
    return work if kept is None else with_maps(work, progress.screen, kept)
