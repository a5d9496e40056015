"""One table in an SQLite file of the cache: used by several processes at once, begun anew where it is damaged.

It holds nothing that cannot be found out again.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

WAIT = 30.0  # seconds that another process may hold the file
# What tells that the file is not the table it should be. The statements are fixed, so that one which cannot be
# carried out (SQLITE_ERROR) meets another table than it was written for.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
TRIES = 5
_TOLD = (sqlite3.Error, UnicodeDecodeError)  # the latter of damaged names of columns


class Database:
    """A table, safe to use from several threads.

    table: what CREATE TABLE makes: 'pictures (digest TEXT PRIMARY KEY, ...)'. Raises OSError or sqlite3.Error where
    the file cannot be opened or written, by any method.
    """

    def __init__(self, path: Path, table: str) -> None:
        self.path, self.table = path, table
        self.lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.base = self._made()

    def ask(self, query: str, values: Sequence[str | int] = ()) -> list[tuple]:
        """The rows that a query finds; none where the file turns out damaged."""
        with self.lock:
            try:
                return self.base.execute(query, values).fetchall()
            except _TOLD as error:
                self._begin_anew(error)
                return []

    def write(self, statement: str, rows: Iterable[Sequence[str | int | bytes]]) -> None:
        """Carry out a statement for each row: all of them or none."""
        held = list(rows)
        with self.lock:
            try:
                self._carried_out(statement, held)
            except _TOLD as error:
                self._begin_anew(error)
                self._carried_out(statement, held)

    def close(self) -> None:
        """Let the file go."""
        with self.lock:
            self.base.close()

    def _carried_out(self, statement: str, rows: list[Sequence[str | int | bytes]]) -> None:
        with self.base:
            self.base.executemany(statement, rows)

    def _begin_anew(self, error: Exception) -> None:
        if not _is_damage(error):
            raise error
        self.base.close()
        self._remove()
        self.base = self._opened()

    def _made(self) -> sqlite3.Connection:
        """The file opened; a damaged one is removed first. Where several processes find it damaged at once, one may
        take away what another has just opened, and tries again."""
        for _ in range(TRIES):
            try:
                return self._opened()
            except _TOLD as error:
                if not _is_damage(error) and _code(error) != sqlite3.SQLITE_IOERR:
                    raise
                if _is_damage(error):
                    self._remove()
        return self._opened()

    def _remove(self) -> None:
        for beside in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + beside).unlink(missing_ok=True)

    def _opened(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path, timeout=WAIT, check_same_thread=False)
        base.text_factory = _text
        try:
            _write_ahead(base)
            base.execute("PRAGMA synchronous=NORMAL")
            base.execute(f"CREATE TABLE IF NOT EXISTS {self.table} WITHOUT ROWID")
        except BaseException:
            base.close()
            raise
        return base


def _write_ahead(base: sqlite3.Connection) -> None:
    """Turns on the write-ahead log. Where several processes do so to a new file at once, SQLite tells all but one at
    once that it is locked, however long they would have waited."""
    end = time.monotonic() + WAIT
    while True:
        try:
            base.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")  # what is not UTF-8 was damaged, which its reader finds out


def _is_damage(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) or _code(error) in _DAMAGED


def _code(error: Exception) -> int | None:
    """SQLite's primary result code, None where Python itself raised the error."""
    extended = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF
