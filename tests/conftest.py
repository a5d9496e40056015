"""What several test files start from: one short run on the digits, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import torchbeam
from torchbeam.jobs.train import Trained


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests cache stays out of the user's own cache; processes that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("runs") / "digits"
    return torchbeam.train("digits", epochs=4, out=out, device="cpu", show=False)


@pytest.fixture(scope="session")
def run(trained: Trained) -> Path:
    return trained.out
