"""look: every picture of a source read and decoded once, by several threads; the bad ones set aside."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import chain
from pathlib import Path

from torchbeam.data.ahead import ahead
from torchbeam.data.cachefolder import cache_folder
from torchbeam.data.facts import Facts, examine
from torchbeam.data.factsbook import FactsBook
from torchbeam.data.pictures import Files
from torchbeam.data.records import Skipped, Source
from torchbeam.data.watch import Watch, unwatched
from torchbeam.errors import PictureError

CHUNK = 64  # pictures handed to a thread at a time, at most
THREADS = os.cpu_count() or 1
AHEAD = 2  # chunks for each thread handed out before the first is read back: enough to keep all of them busy


def look(
    source: Source,
    cache: str | Path | None = None,
    watch: Watch = unwatched,
    wanted: Sequence[int] | None = None,
    threads: int = THREADS,
) -> tuple[dict[int, Facts], tuple[Skipped, ...]]:
    """(facts by the record's number, the pictures that cannot be read, with the reason).

    wanted: the numbers of the records to look at; all when not said. A picture in a file that was looked at before,
    whatever its name, is known by its digest and not decoded again. What is found does not depend on `threads`.
    """
    numbers = range(len(source.records)) if wanted is None else wanted
    size = max(1, min(CHUNK, len(numbers) // (2 * AHEAD * threads)))  # a few large pictures are shared out, too
    chunks = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    good: dict[int, Facts] = {}
    bad: list[Skipped] = []
    with (
        _book(source, cache) as book,
        ThreadPoolExecutor(threads) as pool,
        closing(ahead(pool, lambda chunk: _look_at(source, chunk, book), chunks, AHEAD * threads)) as found,
    ):
        seen_ones = watch(chain.from_iterable(found), "looking at the pictures", len(numbers))
        for number, seen in zip(numbers, seen_ones, strict=True):
            if isinstance(seen, Facts):
                good[number] = seen
            else:
                bad.append(seen)
    return good, tuple(bad)


def _book(source: Source, cache: str | Path | None) -> AbstractContextManager[FactsBook | None]:
    """Where facts are kept; pictures that are no files are looked at faster than they are looked up."""
    return closing(FactsBook(cache_folder(cache))) if isinstance(source.pictures, Files) else nullcontext()


def _look_at(source: Source, chunk: Sequence[int], book: FactsBook | None) -> list[Facts | Skipped]:
    new: list[Facts] = []
    found = [_one(source, number, book, new) for number in chunk]
    if book is not None:
        book.add(new)
    return found


def _one(source: Source, number: int, book: FactsBook | None, new: list[Facts]) -> Facts | Skipped:
    """One picture's facts; those that the book did not know are added to `new`. One picture's bytes at a time are
    held, since they may be many."""
    pictures, path = source.pictures, source.records[number].path
    try:
        if book is None or not isinstance(pictures, Files):
            return pictures.facts(number)
        content = pictures.content(number)
        known = book.known(hashlib.sha256(content).hexdigest())
        if known is not None:
            return known
        new.append(examine(content, path))
        return new[-1]
    except PictureError as error:
        return Skipped(path, error.reason)
