"""Memory that stays with the process once it was asked for.

glibc gives large blocks back to the system when they are freed, and every page of the next one is asked for anew. In
training, where each step frees what the next takes, that can cost as much as the arithmetic: on a virtual machine
(2 cores, 5 microseconds a page) a step of a small network took 250 ms, and 143 ms where the memory was kept.
"""

import ctypes
import math
import mmap
import sys
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

# glibc's mallopt(3): what is trimmed, and how many blocks may come from the system one by one.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed() -> bool:
    """Keep what is freed for what is asked for next, in all of this process from now on; whether that can be done.

    The process then holds what it held at its peak. Nothing changes where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_MMAP_MAX, 0) and library.mallopt(_TRIM_THRESHOLD, _NEVER))


def empty(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bytes of that shape, 0, taken from the system as they are first written to, in large pages where it has them.

    A large page costs about as much as a small one, and is 512 times its size.
    """
    size = math.prod(shape)
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(shape, np.uint8)
    block = mmap.mmap(-1, max(1, size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared memory has small pages
    with suppress(OSError):  # of a system built without large pages
        block.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(block, np.uint8, size).reshape(shape)
