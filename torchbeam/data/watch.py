"""How long work in the data room is watched: an iterable goes in, the same items come out, and whoever reads in
between may draw a bar."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Watch(Protocol):
    """Passes items on as they come."""

    def __call__(self, items: Iterable[T], what: str, total: int, unit: str = "pictures") -> Iterator[T]:
        """The same items. what: 'reading'; total: how many units there will be; each item counts as one."""
        ...


def unwatched(items: Iterable[T], what: str, total: int, unit: str = "pictures") -> Iterator[T]:
    """The items, watched by nobody."""
    del what, total, unit
    return iter(items)
