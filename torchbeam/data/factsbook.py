"""The facts of pictures looked at before, by the digest of their content: a second run need not decode them again.

Kept as an SQLite file in the cache, which several processes may use at once. A book that cannot be opened is gone
without, and what of it is damaged is found out again.
"""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path

import PIL

from torchbeam.data.database import Database
from torchbeam.data.facts import Facts

# Another version of what Facts hold, or of the decoder, is another book.
NAME = f"facts-1-pillow-{PIL.__version__}.sqlite"
_TABLE = (
    "facts (digest TEXT PRIMARY KEY, width INT, height INT, grey INT, format TEXT, mode TEXT, bits INT, alpha INT, "
    "orientation INT, frames INT, dhash TEXT, thumb BLOB, checksum INT)"
)


class FactsBook:
    """Facts by digest. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        try:
            self.base = Database(folder / NAME, _TABLE)
        except (OSError, sqlite3.Error):  # a folder that cannot be written, a disk that is full
            self.base = None

    def known(self, digest: str) -> Facts | None:
        """The facts of the picture with that digest, where the book knows them."""
        if self.base is None:
            return None
        with contextlib.suppress(OSError, sqlite3.Error):
            for *row, check in self.base.ask("SELECT * FROM facts WHERE digest = ?", (digest,)):
                return _facts(row) if _checksum(row) == check else None
        return None

    def add(self, facts: Iterable[Facts]) -> None:
        """Write facts down."""
        rows = [_row(each) for each in facts]
        if self.base is None or not rows:
            return
        marks = ",".join("?" * (len(rows[0]) + 1))
        with contextlib.suppress(OSError, sqlite3.Error):
            self.base.write(f"INSERT OR REPLACE INTO facts VALUES ({marks})", [(*row, _checksum(row)) for row in rows])

    def close(self) -> None:
        """Let the file go."""
        if self.base is not None:
            self.base.close()


def _row(facts: Facts) -> list:
    return [
        facts.digest,
        *facts.size,
        int(facts.grey),
        facts.format,
        facts.mode,
        facts.bits,
        int(facts.alpha),
        facts.orientation,
        facts.frames,
        f"{facts.dhash:016x}",  # SQLite's numbers are signed
        facts.thumb,
    ]


def _facts(row: list) -> Facts:
    digest, width, height, grey, form, mode, bits, alpha, orientation, frames, dhash, thumb = row
    return Facts(
        digest, (width, height), bool(grey), form, mode, bits, bool(alpha), orientation, frames, int(dhash, 16), thumb
    )


def _checksum(row: list) -> int:
    """CRC-32 of a row, which tells what a disk changed in it."""
    return zlib.crc32(repr(row).encode("utf-8", "surrogatepass"))
