"""What several test files start from: one short run on the digits, made once; the command line without a process."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

import torchbeam
from torchbeam.cli import main
from torchbeam.heap import keep_freed

if TYPE_CHECKING:
    from torchbeam.jobs.train import Trained

# Threads that wait sleep instead of spinning, here and in the processes that tests start: small networks wait often,
# and beside other work on the machine each spin costs a whole turn. It is read when torch is loaded, which is later.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

Call = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests cache stays out of the user's own cache; processes that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _memory_stays() -> None:
    """From the first test on, as it would from the first training on: what large networks take is taken once."""
    keep_freed()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> "Trained":
    out = tmp_path_factory.mktemp("runs") / "digits"
    return torchbeam.train("digits", epochs=4, out=out, device="cpu", show=False)


@pytest.fixture(scope="session")
def run(trained: "Trained") -> Path:
    return trained.out


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """`torchbeam` with these arguments in this process, which has loaded torch already: code, stdout and stderr."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def called(*arguments: object) -> CompletedProcess[str]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return CompletedProcess(arguments, code, said.out, said.err)

    yield called
    for one, handler in before.items():
        signal.signal(one, handler)
