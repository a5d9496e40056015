"""Where what can be made again is kept: decoded pictures, what pictures were found to be, unpacked archives and
downloads. The one place outside a run's folder that is written to."""

import os
from pathlib import Path

from torchbeam.errors import SettingError


def cache_folder(told: str | Path | None = None) -> Path:
    """The cache: the folder told, else torchbeam's in $XDG_CACHE_HOME or ~/.cache. It need not exist yet.

    A relative $XDG_CACHE_HOME is passed over, as the XDG Base Directory Specification asks. Raises SettingError
    where ~ is nobody's folder.
    """
    try:
        if told is not None:
            return Path(told).expanduser()
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (named if named.is_absolute() else Path.home() / ".cache") / "torchbeam"
    except RuntimeError as error:  # a user without a home, as in some containers
        raise SettingError(
            f"no folder can be found for the cache{'' if told is None else f' {told}'}",
            got=str(error),
            remedy="name one with --cache",
        ) from None
