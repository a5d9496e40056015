"""How a file comes to be: written beside, flushed, and put in place by one rename. Never half-written."""

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from torchbeam.errors import OutOfRoom, OutputError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that `path` holds either what it held before or all of `content`.

    Raises OutOfRoom when the disk is full and OutputError when the place cannot be written.
    """
    # Names of files that are not UTF-8 reach text as surrogates, and go back to the bytes they were.
    held = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with whole(path) as beside:
        beside.write_bytes(held)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """The name, beside `path`, under which the block is to write a file.

    At the end of the block the file is flushed to the disk and takes the place of `path` at once; a block that fails
    leaves nothing behind. Raises OutOfRoom when the disk is full and OutputError when the place cannot be written.
    """
    beside = path.parent / f".{os.getpid()}-{threading.get_ident()}.part"
    try:
        yield beside
        with open(beside, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        _flush_folder(path.parent)
    except BaseException as error:  # a Ctrl-C in the middle leaves nothing behind either
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise


def cannot_write(path: Path, error: OSError) -> OutOfRoom | OutputError:
    """The error that tells a user why `path` could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfRoom(
            f"the disk is full: {path} could not be written",
            remedy="free some room, or name another place with --out",
        )
    return OutputError(
        f"cannot write {path}",
        got=error.strerror or str(error),
        remedy="name a place that can be written with --out",
    )


def _flush_folder(folder: Path) -> None:
    """A name given in a folder outlives a power cut only once the folder itself is on the disk."""
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folder, and Linux none that may not be listed
        return
    try:
        os.fsync(held)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot flush folders
            raise
    finally:
        os.close(held)
