"""Ctrl-C and SIGTERM, sent to real processes: the first is a wish, a second Ctrl-C is at once, and exit codes tell."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from torchbeam.jobs.stopping import Stopping

# A run of steps without end; what it prints tells how far it came.
START = """
import signal, sys, time
from torchbeam.jobs.stopping import Stopping

signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever started the tests may have ignored

def run() -> None:
    try:
        with Stopping() as stopping:
            print("begun", flush=True)
            noted = False
            while True:
                time.sleep(0.01)  # a step
                if stopping.wanted and not noted:
                    noted = True
                    print("noted", stopping.wanted.name, flush=True)
                {after_a_step}
    finally:
        print("left in order", flush=True)
"""
OBEYS = START.replace("{after_a_step}", "stopping.obey()")
GOES_ON = START.replace("{after_a_step}", "pass")
# As a verb of the command line, which catches signals of its own before the verb begins.
AS_A_VERB = """
import torchbeam.cli
torchbeam.cli.VERBS["stop"] = ("__main__", "a run")
sys.exit(torchbeam.cli.main(["stop"]))
"""


@contextmanager
def started(script: str) -> Iterator[subprocess.Popen[str]]:
    """The script in a process of its own that has begun its steps; never left running."""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(process, "begun")
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_a_verb_after_its_step_with_the_code_of_the_signal(number, code):
    with started(OBEYS + AS_A_VERB) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert out.splitlines() == [f"noted {number.name}", "left in order"]
    assert (process.returncode, err) == (code, "")


def test_in_a_library_ctrl_c_is_keyboard_interrupt_and_sigterm_an_exit_of_143():
    for number, code in ((signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)):
        with started(OBEYS + "run()") as process:
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert out.splitlines() == [f"noted {number.name}", "left in order"]
        assert process.returncode == code  # Python ends by the signal itself where KeyboardInterrupt is not caught
        assert err.strip().endswith("KeyboardInterrupt") if number == signal.SIGINT else err == ""


@pytest.mark.parametrize(("end", "code"), [(AS_A_VERB, 130), ("run()", -signal.SIGINT)])
def test_a_second_ctrl_c_leaves_at_once(end, code):
    with started(GOES_ON + end) as process:
        process.send_signal(signal.SIGINT)
        wait_for(process, "noted SIGINT")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert out == "left in order\n"
    assert process.returncode == code


def test_a_second_sigterm_changes_nothing_and_ctrl_c_twice_after_it_leaves():
    with started(GOES_ON + "run()") as process:
        process.send_signal(signal.SIGTERM)
        wait_for(process, "noted SIGTERM")
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert out == "left in order\n"
    assert process.returncode == -signal.SIGINT


def test_a_signal_that_was_ignored_stays_so():
    ignored = OBEYS.replace("signal.default_int_handler", "signal.SIG_IGN")
    with started(ignored + "run()") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert out.splitlines() == ["noted SIGTERM", "left in order"]
    assert process.returncode == 143


# A verb that is still importing, as torch does for seconds, or reading pictures.
BUSY = """
import time

def run() -> None:
    print("begun", flush=True)
    try:
        time.sleep(60)
    except Exception:  # what an import that is tried does
        pass
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_before_there_are_steps_a_verb_ends_promptly(number, code):
    with started(BUSY + "import sys" + AS_A_VERB) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, "")


@pytest.fixture
def handlers() -> Iterator[list[int]]:
    """Handlers of the test's own, which count what reaches them; the real ones are put back."""
    caught: list[int] = []
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for one in before:
        signal.signal(one, lambda number, _: caught.append(number))
    yield caught
    for one, handler in before.items():
        signal.signal(one, handler)


def test_the_handlers_from_before_are_put_back(handlers):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ValueError, match="within"), Stopping() as stopping:
        assert signal.getsignal(signal.SIGINT) != before[0]
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("within")
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert stopping.wanted == signal.SIGTERM and handlers == []
    signal.raise_signal(signal.SIGINT)
    assert handlers == [signal.SIGINT]


def test_nothing_wanted_is_nothing_done(handlers):
    with Stopping() as stopping:
        stopping.obey()
    stopping.obey()
    assert stopping.wanted is None


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_after_the_last_step_is_still_obeyed_after_the_block(number, kind, handlers):
    with Stopping() as stopping:
        signal.raise_signal(number)
    with pytest.raises(kind) as caught:
        stopping.obey()
    assert kind is KeyboardInterrupt or caught.value.code == 143
    assert handlers == []


def test_the_first_of_two_signals_is_the_one_that_is_told(handlers):
    with Stopping() as stopping:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stopping.wanted == signal.SIGTERM
        signal.raise_signal(signal.SIGINT)
    assert handlers == [signal.SIGINT]


def test_outside_the_main_thread_nothing_is_changed(handlers):
    seen: list[object] = []

    def work() -> None:
        with Stopping() as stopping:
            seen.append(signal.getsignal(signal.SIGINT))
        seen.append(stopping.wanted)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, None]
