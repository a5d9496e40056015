"""A run's log as event files: read back with TensorBoard's own reader."""

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import torchbeam
from torchbeam.errors import DataError, OutputError, SettingError
from torchbeam.jobs.runfolder import again, run_folder
from torchbeam.jobs.tensorboard import write_events

needs_tensorboard = pytest.mark.skipif(
    find_spec("tensorboard") is None, reason="the package tensorboard is missing: pip install torchbeam[tensorboard]"
)
WRITTEN = 1_700_000_000.0


def epoch(number: int, loss: float) -> dict[str, float | bool]:
    return {
        "epoch": number,
        "epochs": 3,
        "loss": loss,
        "validation_loss": loss / 2,
        "validation_score": 1 - loss / 10,
        "lr": 0.05 / number,
        "seconds": 1.5,
        "pictures_per_second": 1000.0 * number,
        "best": True,
    }


def a_run(place):
    run = run_folder(place / "run", "x")
    run.log("start", {"classes": 2})
    for number, loss in ((1, 2.0), (2, 1.0), (3, 0.5)):
        run.log("epoch", epoch(number, loss))
    run.log("test", {"accuracy": 0.875, "n": 8})
    os.utime(run.path / "log.jsonl", (WRITTEN, WRITTEN))
    return run


def reading(folder):
    """TensorBoard's own reader."""
    reader = import_module("tensorboard.backend.event_processing.event_accumulator")
    return reader.EventAccumulator(str(folder)).Reload()


def read_back(folder) -> dict[str, list[tuple[int, float]]]:
    read = reading(folder)
    return {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


@needs_tensorboard
def test_every_number_of_every_epoch_is_read_back(tmp_path):
    run = a_run(tmp_path)
    folder = write_events(run.path)
    assert folder == run.path / "tensorboard"
    found = read_back(folder)
    assert found == {
        "loss/training": [(1, 2.0), (2, 1.0), (3, 0.5)],
        "loss/validation": [(1, 1.0), (2, 0.5), (3, 0.25)],
        "score/validation": [(1, pytest.approx(0.8)), (2, pytest.approx(0.9)), (3, pytest.approx(0.95))],
        "rate/lr": [(1, pytest.approx(0.05)), (2, pytest.approx(0.025)), (3, pytest.approx(0.05 / 3))],
        "rate/pictures_per_second": [(1, 1000.0), (2, 2000.0), (3, 3000.0)],
        "score/test": [(3, 0.875)],
    }


@needs_tensorboard
def test_times_are_those_of_the_run(tmp_path):
    run = a_run(tmp_path)
    ats = [json.loads(line)["at"] for line in (run.path / "log.jsonl").read_text().splitlines()]
    read = reading(write_events(run.path))
    times = [one.wall_time for one in [*read.Scalars("loss/training"), *read.Scalars("score/test")]]
    assert times == pytest.approx([WRITTEN - ats[-1] + at for at in ats[1:]], abs=1e-3)


@needs_tensorboard
def test_written_again_nothing_is_there_twice_and_an_epoch_done_again_counts_once(tmp_path):
    run = a_run(tmp_path)
    write_events(run.path)
    run.log("epoch", epoch(3, 0.25))
    folder = write_events(run.path)
    assert read_back(folder)["loss/training"] == [(1, 2.0), (2, 1.0), (3, 0.25)]
    assert len(list(folder.iterdir())) == 1


@needs_tensorboard
@pytest.mark.parametrize("line", ['{"event": "epoch", "at": 9.0, "epo', "12", "[]", '{"event": "epoch"}'])
def test_a_line_that_was_cut_off_when_the_run_was_killed_is_left_out(tmp_path, line):
    run = a_run(tmp_path)
    with open(run.path / "log.jsonl", "a") as log:
        log.write(line)
    assert len(read_back(write_events(run.path))["loss/training"]) == 3
    resumed = again(run.path)
    resumed.log("epoch", epoch(4, 0.25))
    assert read_back(write_events(run.path))["loss/training"] == [(1, 2.0), (2, 1.0), (3, 0.5), (4, 0.25)]


@needs_tensorboard
def test_a_run_that_has_not_begun_gives_no_numbers(tmp_path):
    assert read_back(write_events(run_folder(tmp_path / "run", "x").path)) == {}


@needs_tensorboard
def test_a_folder_that_is_no_run_is_told(tmp_path):
    with pytest.raises(DataError, match="is not the log of a run") as caught:
        write_events(tmp_path)
    assert "No such file" in str(caught.value)
    (tmp_path / "log.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="something other than text"):
        write_events(tmp_path)


@needs_tensorboard
def test_a_place_that_cannot_be_written_is_told(tmp_path):
    run = a_run(tmp_path)
    (run.path / "tensorboard").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_events(run.path)


@needs_tensorboard
def test_train_and_resume_write_them_where_they_are_asked_to(tmp_path, call):
    out = tmp_path / "run"
    told = ["--net", "INPUT -> FC", "--lr", "0.05", "--precision", "fp32", "--epochs", "2", "--out", out]
    assert call("train", "digits", *told, "--tensorboard").returncode == 0
    assert json.loads((out / "config.json").read_text())["tensorboard"] == {"value": True, "origin": "flag"}
    first = read_back(out / "tensorboard")
    assert [step for step, _ in first["loss/training"]] == [1, 2] and "score/test" in first
    assert call("resume", out, "--lr", "0.01", "--epochs", "3").returncode == 0
    assert [step for step, _ in read_back(out / "tensorboard")["loss/training"]] == [1, 2, 3]
    assert call("resume", out, "--lr", "0.01", "--epochs", "4", "--no-tensorboard").returncode == 0
    assert [step for step, _ in read_back(out / "tensorboard")["loss/training"]] == [1, 2, 3]


@pytest.fixture
def missing(monkeypatch):
    """As where it is not installed."""
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)


def test_a_missing_package_is_told_before_anything_is_read(tmp_path, missing, run):
    with pytest.raises(SettingError, match="need the package tensorboard"):
        torchbeam.train(tmp_path / "nothing here", tensorboard=True, out=tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()
    before = (run / "log.jsonl").read_bytes()
    with pytest.raises(SettingError, match="need the package tensorboard"):
        torchbeam.resume(run, lr=0.01, tensorboard=True, show=False)
    assert (run / "log.jsonl").read_bytes() == before


def test_without_the_package_the_remedy_is_named(tmp_path, missing):
    with pytest.raises(SettingError, match="event files need the package tensorboard") as caught:
        write_events(tmp_path)
    assert "pip install torchbeam[tensorboard]" in str(caught.value)
