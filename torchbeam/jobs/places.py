"""Where the files were that a run was told of, so that it can go on from another working directory."""

import os
from collections.abc import Mapping
from pathlib import Path

from torchbeam.data import known
from torchbeam.data.find import NAMED
from torchbeam.errors import DataError


def absolute(told: Mapping[str, str | None]) -> dict[str, str]:
    """Each path that was told, from the root of the disk; left out what leads nowhere, as names of known sets do."""
    places = {name: typed for name, typed in told.items() if typed is not None}
    return {name: os.path.abspath(_path(typed)) for name, typed in places.items() if _leads(typed)}


def found(what: str, typed: str, place: str | None) -> str:
    """What was typed where it leads somewhere from the working directory, or where it was never a path; else `place`,
    which it led to when the run began. Raises DataError where that is gone too."""
    if place is None or _leads(typed):
        return typed
    if os.path.lexists(place):
        return place
    raise DataError(
        f"the {what} of this run can no longer be found",
        expected=f"{typed}, from the working directory, or {place}, where the run began",
        got="nothing at either place",
        remedy=f"put the {what} back, or go to a directory from which {typed} leads there",
    )


def _leads(typed: str) -> bool:
    """Whether a text is the path of something that is there; the name of a known set goes before a folder's."""
    if typed in NAMED or typed in known.KNOWN:
        return False
    try:
        return os.path.lexists(_path(typed))
    except ValueError:  # what no file can be called
        return False


def _path(typed: str) -> str:
    return str(Path(os.path.expanduser(typed)))
