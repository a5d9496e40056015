"""The run folder: everything a run leaves, in one place."""

import contextlib
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchbeam.errors import OutputError
from torchbeam.files import cannot_write, write_whole


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder, made empty. log.jsonl grows line by line; every other file is written whole."""

    path: Path
    started: float

    @property
    def model(self) -> Path:
        """Where the best model is kept."""
        return self.path / "model.safetensors"

    @property
    def state(self) -> Path:
        """The folder of what resume needs."""
        return self.path / "state"

    def log(self, event: str, told: dict[str, Any]) -> None:
        """Append one event to log.jsonl, with `at`, the seconds since the run began; flushed."""
        line = json.dumps({"event": event, "at": round(self.seconds(), 3)} | told)
        try:
            with open(self.path / "log.jsonl", "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise cannot_write(self.path / "log.jsonl", error) from error

    def seconds(self) -> float:
        """Since the run began."""
        return time.time() - self.started

    def digest(self, name: str) -> str:
        """SHA-256 of one of the run's files."""
        return hashlib.sha256((self.path / name).read_bytes()).hexdigest()

    def write(self, name: str, content: bytes | str) -> Path:
        """Write one file of the run whole."""
        write_whole(self.path / name, content)
        return self.path / name

    def write_json(self, name: str, content: Any) -> Path:
        """Write one JSON file of the run whole."""
        return self.write(name, json.dumps(content, indent=2) + "\n")


def check_free(out: str | Path | None) -> None:
    """Raises OutputError where a run could not begin in `out`, without making it."""
    if out is None:
        return
    path = Path(out)
    try:
        if path.exists() and any(path.iterdir()):
            raise OutputError(
                f"{path} is not empty",
                expected="a new or an empty folder, so that nothing is written over",
                remedy="name another with --out",
            )
    except OSError as error:
        raise cannot_write(path, error) from error


def run_folder(out: str | Path | None, name: str) -> RunFolder:
    """Make the folder of a run: `out`, or runs/NAME-1, -2, ... Raises OutputError when it is not empty or cannot be
    written."""
    path = Path(out) if out is not None else _free(Path("runs"), name)
    try:
        check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        (path / "log.jsonl").touch()
    except OSError as error:
        raise cannot_write(path, error) from error
    return RunFolder(path, time.time())


def again(path: Path) -> RunFolder:
    """The folder of a run that goes on. Its clock goes on from the last event of its log. Raises OutputError."""
    try:
        lines = (path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        raise OutputError(
            f"{path} is no run folder",
            expected="the folder of a run, with its log.jsonl and config.json",
            remedy="name the folder that torchbeam train made, as in runs/digits-1",
        ) from None
    at = 0.0
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a last line cut off by a kill
            at = max(at, float(json.loads(line)["at"]))
    if lines:
        with open(path / "log.jsonl", "rb+") as file:  # so that the next event begins a line
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
    return RunFolder(path, time.time() - at)


def _free(parent: Path, name: str) -> Path:
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
