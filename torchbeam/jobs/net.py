"""What NET stands for on a command line or in a call: a text, a file that holds one, or a named network."""

import difflib
import errno
import re
from pathlib import Path

from torchbeam.design.nets import Design
from torchbeam.design.notation import parse
from torchbeam.design.volume import FITS, Volume
from torchbeam.design.zoo import NETWORKS, find
from torchbeam.errors import SettingError


def design_of(net: str | Design) -> Design:
    """The design that `net` stands for. Raises NotationError or SettingError."""
    return net if isinstance(net, Design) else parse(text_of(net))


def text_of(net: str) -> str:
    """The notation that `net` stands for: a named network's, a text file's, or itself. Raises SettingError."""
    known = find(net)
    if known is not None:
        return known.text
    if is_notation(net):
        return net
    try:
        path = Path(net)
        if path.is_file():
            return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
            raise SettingError(f"cannot read the network in {net}", got=str(error)) from None
    close = difflib.get_close_matches(net.lower(), NETWORKS, n=1)
    nearest = f"did you mean {close[0]}? Otherwise, " if close else ""
    raise SettingError(
        f"no network {net!r}",
        expected=f"notation that begins with INPUT, a file that holds it, or one of: {', '.join(NETWORKS)}",
        remedy=nearest + 'for example --net "INPUT -> [CONV -> RELU -> POOL]*2 -> FC"',
    )


def is_notation(net: str) -> bool:
    """Whether a text that names no network is notation itself, and no file's name."""
    return "->" in net or "→" in net or "\n" in net or net.strip().upper().startswith("INPUT")


def volume_of(text: str) -> Volume:
    """'32x32x3' as a Volume. Raises SettingError; DesignError where a side is 0."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise SettingError(
            f"{text[:40]!r} is not the size of an input", expected="width x height x depth, as in 32x32x3"
        )
    width, height, channels = map(int, parts)
    return Volume(channels, height, width)


def check_fit(fit: str | None) -> None:
    """Raises SettingError unless `fit` is None or one of error, crop, pad."""
    if fit is not None and fit not in FITS:
        raise SettingError(
            f"fit cannot be {fit}", expected=" or ".join(FITS), remedy="leave --fit out to be told what does not fit"
        )
