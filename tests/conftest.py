"""What several test files start from: one short run on the digits, made once."""

from pathlib import Path

import pytest

import torchbeam
from torchbeam.jobs.train import Trained


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("runs") / "digits"
    return torchbeam.train("digits", epochs=4, out=out, device="cpu", show=False)


@pytest.fixture(scope="session")
def run(trained: Trained) -> Path:
    return trained.out
