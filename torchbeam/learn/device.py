"""Which device to compute on."""

import os

import torch

from torchbeam.errors import SettingError


def choose(name: str = "auto") -> torch.device:
    """The device of that name; 'auto' is the GPU where there is one, else the CPU. Raises SettingError."""
    present = available()
    if name == "auto":
        return torch.device(present[-1])
    kind, _, number = name.partition(":")
    if name not in present and not (kind in present and number.isdecimal() and kind == "cuda"):
        raise _unknown(name, present)
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise _unknown(name, present)
    return torch.device(name)


def available() -> list[str]:
    """The kinds of device on this machine, the fastest last."""
    kinds = ["cpu"]
    if torch.backends.mps.is_available():
        kinds.append("mps")
    if torch.cuda.is_available():
        kinds.append("cuda")
    return kinds


def memory(device: torch.device) -> int | None:
    """Bytes of memory that the device has in all, or None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None


def _unknown(name: str, present: list[str]) -> SettingError:
    return SettingError(
        f"no device {name} on this machine",
        expected="auto, " + ", ".join(present),
        got=name,
        remedy="leave --device out, and the fastest is taken",
    )
