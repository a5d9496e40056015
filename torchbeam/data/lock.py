"""A lock between runs on one machine: a file that one of them holds, let go by the system when that run ends,
also by a kill."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`, whose folder must exist, and tell whether it is held.

    It is not held where another run holds it and `wait` is False, and where the system or the disk knows no such
    locks (Windows, some network disks). The file is gone afterwards unless somebody else holds it. Raises OSError
    where it cannot be made.
    """
    held = None if sys.platform == "win32" else _hold(path, wait)
    try:
        yield held is not None
    finally:
        if held is not None:
            with contextlib.suppress(OSError):
                path.unlink()  # while it is still held: who waits for it sees that it is gone, and makes a new one
            os.close(held)


def _hold(path: Path, wait: bool) -> int | None:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_still(path, file):
                return file
        except BaseException as error:  # a Ctrl-C while waiting, too
            os.close(file)
            if isinstance(error, OSError):
                return None
            raise
        os.close(file)


def _is_still(path: Path, file: int) -> bool:
    """Whether the open file is the one that has the name now; the run that held it before took its own away."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False
