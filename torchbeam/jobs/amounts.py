"""Amounts as people write and read them."""

import re

from torchbeam.errors import SettingError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def bytes_of(memory: str | int) -> int:
    """'8GB' (8 * 10^9), '16GiB' (16 * 2^30), '512 MB' or a number of bytes, as bytes. Raises SettingError."""
    found = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?i?)(?:b(?:ytes?)?)?\s*", str(memory).lower())
    count = int(float(found[1]) * _UNITS.get(found[2], 0)) if found else 0
    if count == 0:
        raise SettingError(f"{str(memory)[:40]!r} is not an amount of memory", expected="as in 8GB, 16GiB or 512MB")
    return count


def human_bytes(count: int) -> str:
    """'60.9 MB': decimal units, three figures."""
    if count < 1000:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB", "EB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def human_count(count: int) -> str:
    """'61.1 M', '15.5 G': three figures and the unit of science."""
    value, unit = float(count), ""
    for larger in ("k", "M", "G", "T", "P"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    if not unit:
        return f"{count}"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
