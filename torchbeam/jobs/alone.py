"""One process at a time in a run folder: a second is refused, and told who is there."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from torchbeam.data.lock import locked
from torchbeam.errors import OutputError
from torchbeam.files import cannot_write

LOCK = "lock"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process. Raises OutputError where another holds it, or where it cannot be written.

    The system lets go when the process ends, also by a kill. Nothing is held where the system or the disk knows no
    locks (Windows, some network disks), nor where there is no such folder, which is left to whoever looks into it.
    """
    with contextlib.ExitStack() as stack:
        if folder.is_dir():
            path = folder / LOCK
            try:
                held = stack.enter_context(locked(path, wait=False))
                if held:  # the same file is written to, so that the lock on it stays
                    path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
            except OSError as error:
                raise cannot_write(path, error) from error
            if not held and _knows_locks(folder):
                raise _taken(folder, path)
        yield


def _knows_locks(folder: Path) -> bool:
    """Whether a lock can be had here at all: one of this process's own."""
    with locked(folder / f"{LOCK}-{os.getpid()}", wait=False) as held:
        return held


def _taken(folder: Path, path: Path) -> OutputError:
    who = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        who = path.read_text(encoding="utf-8").strip()
    return OutputError(
        f"{folder} is in use: another process is learning in it",
        expected="one process at a time in a run folder",
        got=who or "one that holds its lock",
        remedy="wait until it is done, or end it, and resume then",
    )
