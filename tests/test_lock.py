"""A lock that one run holds, and that dies with it."""

import signal
import subprocess
import sys
import threading

import pytest

from torchbeam.data.lock import locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")

HOLDER = """
import sys, time
from pathlib import Path
from torchbeam.data.lock import locked
with locked(Path(sys.argv[1])) as held:
    print(held, flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path):
    path = tmp_path / "lock"
    with locked(path) as held:
        assert held
        assert path.exists()
        with locked(path, wait=False) as other:
            assert not other
    assert list(tmp_path.iterdir()) == []
    with locked(path) as held:
        assert held


def test_a_lock_ends_with_an_error_inside(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    with locked(tmp_path / "lock", wait=False) as held:
        assert held


def test_a_lock_dies_with_a_killed_run(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "True\n"
        with locked(path, wait=False) as held:
            assert not held
        run.send_signal(signal.SIGKILL)
    assert path.exists()
    with locked(path, wait=False) as held:
        assert held
    assert not path.exists()


def test_who_waits_gets_it_one_at_a_time(tmp_path):
    inside, most, count = [], [], 0

    def work() -> None:
        nonlocal count
        for _ in range(25):
            with locked(tmp_path / "lock") as held:
                assert held
                inside.append(1)
                most.append(len(inside))
                seen = count
                count = seen + 1
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), count) == (1, 100)


def test_a_folder_that_is_missing_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "none" / "lock"):
        pass
