"""Which pictures must not be parted: copies and near copies of one another, and those that a pattern puts together."""

import re
from collections.abc import Iterable, Sequence

from torchbeam.errors import SettingError


class Union:
    """Disjoint sets of 0..count-1; each is named by its smallest member."""

    def __init__(self, count: int) -> None:
        self.above = list(range(count))

    def root(self, member: int) -> int:
        """The name of the set that a member is in."""
        while self.above[member] != member:
            self.above[member] = self.above[self.above[member]]
            member = self.above[member]
        return member

    def join(self, one: int, other: int) -> None:
        """Makes one set of the two members' sets."""
        low, high = sorted((self.root(one), self.root(other)))
        self.above[high] = low


def joined(*ways: Sequence[int | str]) -> tuple[int, ...]:
    """Several ways to group the same pictures, as one: whoever shares a group in any way shares it in the end.

    Each way gives a picture's group; '' is a group of nobody. The result names each group by its first member.
    """
    count = len(ways[0])
    union = Union(count)
    for way in ways:
        first: dict[int | str, int] = {}
        for member, group in enumerate(way):
            if group != "":
                union.join(first.setdefault(group, member), member)
    return tuple(union.root(member) for member in range(count))


def by_pattern(paths: Iterable[str], pattern: str) -> tuple[str, ...]:
    """The group of each path: what the pattern's first bracket matched in it, or its whole match; '' where none.

    Raises SettingError where the pattern is no regular expression or matches nothing of any path.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the last two of hostile counts and nesting
        raise SettingError(
            f"group-by cannot be {pattern}",
            expected="a regular expression, such as (patient[0-9]+)",
            got=str(error),
        ) from None
    held = list(paths)
    found = [compiled.search(path) for path in held]
    groups = tuple("" if match is None else (match[1] if compiled.groups else match[0]) or "" for match in found)
    if held and not any(groups):
        raise SettingError(
            f"no picture's path matches --group-by {pattern}",
            expected=f"a pattern found in paths such as {held[0]}",
            remedy="try it on the paths in split.csv of an earlier run",
        )
    return groups
