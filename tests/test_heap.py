import subprocess
import sys

import numpy as np
import pytest

from torchbeam.heap import empty, keep_freed

FAULTS = """
import resource, sys, numpy as np
from torchbeam.heap import keep_freed
kept = keep_freed() if sys.argv[1] == "keep" else False
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(40_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


def faults(how: str) -> tuple[str, int]:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    kept, count = done.stdout.split()
    return kept, int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap is Linux's")
def test_a_block_freed_is_used_again_without_asking_the_system_for_its_pages():
    """Ten blocks of 40 MB: the system counts every page that it hands out (getrusage's ru_minflt)."""
    if faults("keep")[0] == "False":
        pytest.skip("the C library is not glibc")
    assert faults("keep")[1] < 0.02 * faults("leave")[1]


def test_it_says_whether_memory_is_kept():
    assert keep_freed() is keep_freed()


@pytest.mark.parametrize("shape", [(0,), (5,), (3, 1000, 1000), (2, 0, 4)])
def test_empty_bytes_can_be_read_and_written(shape: tuple[int, ...]):
    made = empty(shape)
    assert made.shape == shape
    assert made.dtype == np.uint8
    assert not made.any()
    made[...] = 7
    assert (made == 7).all()
