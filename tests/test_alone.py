"""Two processes in one run folder: the second is refused, and a killed one leaves it free."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from torchbeam.errors import OutputError
from torchbeam.jobs.alone import alone

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")


@needs_locks
def test_a_folder_is_held_by_one_at_a_time_and_free_afterwards(tmp_path):
    with alone(tmp_path):
        with (
            pytest.raises(OutputError, match="is in use: another process is learning in it") as caught,
            alone(tmp_path),
        ):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert "got       process " in str(caught.value)
    assert "wait until it is done, or end it, and resume then" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    with alone(tmp_path):
        pass


@needs_locks
def test_an_error_inside_is_the_callers_own_and_lets_go(tmp_path):
    with pytest.raises(OSError, match="mine"), alone(tmp_path):
        raise OSError("mine")
    with alone(tmp_path):
        pass


def test_where_there_are_no_locks_nothing_is_held(tmp_path, monkeypatch):
    @contextmanager
    def unknown(path: Path, wait: bool = True):  # as on Windows, and on some network disks
        yield False

    monkeypatch.setattr("torchbeam.jobs.alone.locked", unknown)
    with alone(tmp_path), alone(tmp_path):
        pass


def test_a_folder_that_is_not_there_is_left_to_others(tmp_path):
    with alone(tmp_path / "none"):
        assert not (tmp_path / "none").exists()


def test_a_folder_where_no_lock_can_be_made_is_told(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(OutputError, match="cannot write"), alone(tmp_path):
        pass


def until(there: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not list(there.parent.glob(there.name)) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


@needs_locks
def test_a_resume_beside_a_run_that_goes_on_is_refused_and_takes_over_once_that_is_killed(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "torchbeam"]
    told = [
        "--net",
        "INPUT -> FC",
        "--epochs",
        "100000",
        "--lr",
        "0.05",
        "--precision",
        "fp32",
        "--state-every",
        "0.2s",
    ]
    train, resume = [*command, "train", "digits", *told, "--out", str(out)], [*command, "resume", str(out)]
    with subprocess.Popen(train, stderr=subprocess.DEVNULL, text=True) as first:
        until(out / "state" / "state-*.safetensors", first)
        second = subprocess.run(resume, capture_output=True, text=True, timeout=120, check=False)
        assert (second.returncode, second.stdout) == (2, "")
        assert f"{out} is in use: another process is learning in it" in second.stderr
        assert f"process {first.pid} on " in second.stderr
        assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    assert (out / "lock").exists()
    with subprocess.Popen(resume, stderr=subprocess.PIPE, text=True) as third:
        assert third.stderr is not None
        while "going on from step" not in (line := third.stderr.readline()) and line:
            pass
        assert "going on from step" in line
        third.send_signal(signal.SIGTERM)
        third.communicate(timeout=120)
    assert third.returncode == 143
    with alone(out):
        pass
