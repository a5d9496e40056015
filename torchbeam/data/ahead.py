"""Work done by threads a few items ahead of whoever reads the results, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], depth: int) -> Generator[R, None, None]:
    """work(item) for each item, in their order, at most `depth` of them begun and not yet read.

    An error of the work is raised where its result would have come; what has not begun by then, or when the
    generator is closed, never does.
    """
    begun: deque[Future[R]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= depth:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for waiting in begun:
            waiting.cancel()
