"""What a person sees while a job goes on: lines, and a bar while something is gone through. All of it on stderr."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


class Screen:
    """Lines on stderr, and bars where it is a terminal; nothing at all when `show` is off."""

    def __init__(self, show: bool) -> None:
        self.console = Console(stderr=True, quiet=not show, highlight=False, soft_wrap=True)

    @property
    def draws(self) -> bool:
        """Whether bars are drawn."""
        return self.console.is_terminal and not self.console.quiet

    def note(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False)

    def watch(self, items: Iterable[T], what: str, total: int, unit: str = "pictures") -> Iterator[T]:
        """The items as they come, with a bar that goes when they end."""
        if not self.draws:
            yield from items
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        with Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True) as progress:
            yield from progress.track(items, total=total, description=what)
