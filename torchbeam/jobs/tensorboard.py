"""A run's log as TensorBoard's event files, in RUN/tensorboard: `tensorboard --logdir RUN` then shows its curves.

The writer is torch's own, which needs the package tensorboard: an extra, imported by name when it is asked for, so
that no other job needs it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torchbeam.errors import DataError, SettingError
from torchbeam.files import cannot_write

# Where TensorBoard draws each number of an epoch's event.
TAGS = {
    "loss": "loss/training",
    "validation_loss": "loss/validation",
    "validation_score": "score/validation",
    "lr": "rate/lr",
    "pictures_per_second": "rate/pictures_per_second",
}
TEST = "score/test"
FOLDER = "tensorboard"


def write_events(run: Path) -> Path:
    """Write the epochs and the test of a run folder's log.jsonl as event files; returns their folder, RUN/tensorboard.

    One scalar a number, its step the epoch; those of an epoch that was done again after a resume are its last ones.
    Event files of an earlier call are replaced. Times are seconds since 1970, the log's last line when it was written.
    Raises SettingError where the package tensorboard is missing, DataError where there is no such log, OutputError or
    OutOfRoom where the files cannot be written.
    """
    writer_of = package().SummaryWriter
    log, folder = run / "log.jsonl", run / FOLDER
    events = _events(log)
    began = log.stat().st_mtime - (events[-1]["at"] if events else 0.0)
    try:
        folder.mkdir(exist_ok=True)
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        with writer_of(str(folder)) as writer:
            for tag, number, step, at in _scalars(events):
                writer.add_scalar(tag, number, step, began + at)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def package() -> ModuleType:
    """torch's module that writes event files. Raises SettingError where the package tensorboard is missing, which it
    needs."""
    try:
        return import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise SettingError(
            "TensorBoard's event files need the package tensorboard",
            got=str(error),
            remedy="pip install torchbeam[tensorboard]",
        ) from None


def _events(log: Path) -> list[dict[str, Any]]:
    """The events of a log in order; a line that was cut off when the run was killed is left out."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{log} is not the log of a run",
            expected="the folder of a run, which holds log.jsonl",
            got=getattr(error, "strerror", None) or "something other than text",
        ) from None
    found: list[dict[str, Any]] = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return [event for event in found if isinstance(event, dict) and "at" in event]


def _scalars(events: list[dict[str, Any]]) -> Iterator[tuple[str, float, int, float]]:
    """(tag, number, epoch, seconds since the run began) of the log, epoch by epoch."""
    epochs = {event["epoch"]: event for event in events if event.get("event") == "epoch"}
    for epoch, event in sorted(epochs.items()):
        for name, tag in TAGS.items():
            if event.get(name) is not None:
                yield tag, event[name], epoch, event["at"]
    for event in events:
        if event.get("event") == "test":
            yield TEST, event["accuracy"], max(epochs, default=0), event["at"]
