"""The decoded cache: pictures at the size a run needs, as bytes in one memory-mapped file, by the digest of their
content.

One folder for each way of sizing, shared by every set and every run: `pixels` grows by whole batches under a lock,
`index.sqlite` says where each picture lies. A row is written after its pixels, so that a run that is killed leaves
nothing that is half there; what the machine lost at a power cut is found by the check sums and decoded again.
"""

import contextlib
import mmap
import os
import shutil
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.database import Database
from torchbeam.data.lock import locked

# Where neither a flag nor the disk says otherwise.
CACHE_SIZE = 50 * 10**9
FREE_KEPT = 2 * 10**9  # bytes of the disk that the cache leaves alone
IDLE = 3600  # seconds after which no run is thought to be reading a store
_ASKED_AT_ONCE = 500  # SQLite's oldest limit of placeholders is 999
_TABLE = "pictures (digest TEXT PRIMARY KEY, start INT, height INT, width INT, channels INT, checksum TEXT)"


@dataclass(frozen=True, slots=True)
class Row:
    """Where a picture lies in the file: its first byte, its shape, and the sum of its bytes taken as numbers."""

    start: int
    shape: tuple[int, int, int]
    check: int

    def __post_init__(self) -> None:
        if self.start < 0 or min(self.shape) < 1:
            raise ValueError(f"no picture of shape {self.shape} lies at byte {self.start}")

    @property
    def size(self) -> int:
        """Its bytes."""
        height, width, channels = self.shape
        return height * width * channels


class Store:
    """Decoded pictures (H, W, C) by digest, for one way of sizing. Safe to use from several threads.

    Raises OSError or sqlite3.Error when it is opened where nothing can be kept; afterwards it only forgets.
    """

    def __init__(self, folder: Path, digests: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.lock = threading.Lock()
        self.rows: dict[str, Row] = {}
        self.proven: set[str] = set()  # whose bytes are what was written
        self.lost: set[str] = set()  # whose bytes are not
        self.keeps = True  # until the disk refuses: a run must not fight for the last bytes with its own cache
        self.map: mmap.mmap | None = None
        self.index = Database(folder / "index.sqlite", _TABLE)
        weakref.finalize(self, self.index.close)
        # Without a buffer: what a full disk does not take must not come after all, at another place.
        self.file = FileIO(folder / "pixels", "a+")
        weakref.finalize(self, self.file.close)
        self._look_up(digests)
        os.utime(folder / "pixels")  # when the folder was last of use

    def get(self, digest: str) -> NDArray[np.uint8] | None:
        """The picture, read-only, or None where it is not kept or its bytes are no longer what was written."""
        row = self.rows.get(digest)
        if row is None:
            return None
        held = self._mapped(row.start + row.size)
        pixels = None if held is None else np.frombuffer(held, np.uint8, row.size, row.start)
        if pixels is None or (digest not in self.proven and checksum(pixels) != row.check):
            self.lost.add(digest)
            self.rows.pop(digest, None)  # another thread may have been first
            return None
        self.proven.add(digest)
        return pixels.reshape(row.shape)

    def put(self, pictures: Iterable[tuple[str, NDArray[np.uint8]]]) -> None:
        """Keep more pictures. Once the disk will not have them, these and all later ones are forgotten."""
        with self.lock:
            if not self.keeps:
                return
            try:
                # Where locks are not to be had, two runs may spoil each other's pictures: the check sums tell.
                with locked(self.folder / "lock") as alone:
                    self._keep(dict(pictures), alone)
            except (OSError, sqlite3.Error):
                self.keeps = False

    def close(self) -> None:
        """Let the files go; pictures handed out before stay readable."""
        self.index.close()
        self.file.close()

    def _keep(self, pictures: dict[str, NDArray[np.uint8]], alone: bool) -> None:
        new = {digest: pixels for digest, pixels in pictures.items() if digest not in self.rows}
        self._look_up([digest for digest in new if digest not in self.lost])  # another run may have kept them
        rows = self._appended({digest: pixels for digest, pixels in new.items() if digest not in self.rows}, alone)
        self.index.write(
            "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)",
            [(digest, row.start, *row.shape, f"{row.check:016x}") for digest, row in rows.items()],
        )
        self.rows |= rows

    def _appended(self, pictures: dict[str, NDArray[np.uint8]], alone: bool) -> dict[str, Row]:
        """Writes pictures at the end of the file: all of them, or, where no other run writes, it stays as it was."""
        begin = end = self._size()
        rows: dict[str, Row] = {}
        try:
            for digest, pixels in pictures.items():
                height, width, channels = pixels.shape
                rows[digest] = Row(end, (height, width, channels), checksum(pixels))
                left = np.ascontiguousarray(pixels).reshape(-1).data
                while left:  # a disk may take a part only
                    left = left[self.file.write(left) :]
                end += pixels.size
        except OSError:
            if alone:
                os.ftruncate(self.file.fileno(), begin)
            raise
        return rows

    def _look_up(self, digests: Sequence[str]) -> None:
        for begin in range(0, len(digests), _ASKED_AT_ONCE):
            asked = digests[begin : begin + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            found = self.index.ask(f"SELECT * FROM pictures WHERE digest IN ({marks})", asked)
            size = self._size()
            for digest, start, *shape, check in found:
                with contextlib.suppress(TypeError, ValueError):  # a row that was damaged
                    height, width, channels = map(int, shape)
                    row = Row(int(start), (height, width, channels), int(check, 16))
                    if row.start + row.size <= size:
                        self.rows[digest] = row

    def _size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def _mapped(self, end: int) -> mmap.mmap | None:
        """The file as memory, mapped anew where it has grown; None where it is shorter than that."""
        held = self.map
        if held is not None and len(held) >= end:
            return held
        with self.lock:
            try:
                size = self._size()
                if size >= end:
                    self.map = mmap.mmap(self.file.fileno(), size, access=mmap.ACCESS_READ)
                    return self.map
            except OSError:  # no address space, no file any more
                pass
        return None


def checksum(pixels: NDArray[np.uint8]) -> int:
    """The sum of the bytes taken as 64-bit numbers, and of those left over: as fast as they can be read, and
    enough to tell what a disk lost."""
    flat = np.ascontiguousarray(pixels).reshape(-1)
    whole = flat.size // 8 * 8
    return (int(flat[:whole].view(np.uint64).sum(dtype=np.uint64)) + int(flat[whole:].sum())) % 2**64


def room_for(folder: Path, needed: int, limit: int | None = None) -> bool:
    """Whether so many more bytes may be kept in a store's folder; makes room by removing the stores beside it that
    were used longest ago, as far as that is enough.

    limit: bytes for all of them together; when not said CACHE_SIZE, or what the disk has to spare if that is less.
    """
    beside = folder.parent
    beside.mkdir(parents=True, exist_ok=True)
    sizes = {store: _bytes_in(store) for store in beside.iterdir() if store.is_dir()}
    allowed = CACHE_SIZE if limit is None else limit
    spare = min(allowed - sum(sizes.values()), shutil.disk_usage(beside).free - FREE_KEPT) - needed
    # Another run may be reading one that was used lately.
    idle = [other for other in sizes if other != folder and time.time() - _last_used(other) > IDLE]
    if spare + sum(sizes[other] for other in idle) < 0:
        return False
    for other in sorted(idle, key=_last_used):
        if spare >= 0:
            break
        shutil.rmtree(other, ignore_errors=True)
        spare += sizes[other] - _bytes_in(other)
    return spare >= 0


def _bytes_in(folder: Path) -> int:
    """What a store takes: nothing where another run has just removed it."""
    total = 0
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            total += path.stat().st_size
    return total


def _last_used(folder: Path) -> float:
    for path in (folder / "pixels", folder):  # one that is just being made has no pixels yet
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0
