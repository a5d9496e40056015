"""resume: real runs, stopped by real signals, taken up by other processes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import torchbeam
from torchbeam.data.load import load_data
from torchbeam.data.split import to_csv
from torchbeam.design.ledger import ledger
from torchbeam.errors import DataError, OutputError, SettingError, StateError
from torchbeam.jobs.learning import learner_of, state_of
from torchbeam.jobs.learning import run as learnt
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import run_folder
from torchbeam.jobs.screen import Screen
from torchbeam.jobs.settings import Setting, Settings, design_for, fine_tuning, settle, what_was_made
from torchbeam.jobs.train import write_config
from torchbeam.jobs.tuning import Tuning
from torchbeam.jobs.work import Work, network_of, objective_of, parts_of, preprocessing_of, task_of
from torchbeam.learn.checkpoint import load, save
from torchbeam.learn.loop import Epoch, learn
from torchbeam.network.build import build

# Imports once; then each line of its input is a job, done by a process of its own, which may be killed.
SERVER = """
import json, os, sys
from pathlib import Path
import torchbeam
torchbeam.train, torchbeam.resume
for line in sys.stdin:
    told = json.loads(line)
    pid = os.fork()
    if not pid:
        try:
            if told["do"] == "train":
                torchbeam.train("digits", out=told["out"], show=False, **told["settings"])
            else:
                torchbeam.resume(told["out"], show=False)
        finally:
            os._exit(0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""
SETTINGS = {"epochs": 5, "lr": 0.05, "precision": "fp32", "ema": 0.98, "state_every": "0.01s", "device": "cpu"}


def steps_kept(folder: Path) -> int:
    """The number of the newest state."""
    states = [int(path.stem.split("-")[1]) for path in folder.glob("state/state-*.safetensors")]
    return max(states, default=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here, which this system does not do")
def test_six_kills_and_the_same_bits(tmp_path):
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        told_to, told_by = server.stdin, server.stdout

        def job(do: str, out: str, after: int | None = None) -> int:
            """Run a job; killed once so many more states are kept. Its exit status."""
            before = steps_kept(tmp_path / out)
            told_to.write(json.dumps({"do": do, "out": str(tmp_path / out), "settings": SETTINGS}) + "\n")
            told_to.flush()
            pid = int(told_by.readline())
            if after is not None:
                end = time.monotonic() + 60
                while steps_kept(tmp_path / out) < before + after and time.monotonic() < end:
                    time.sleep(0.001)
                os.kill(pid, signal.SIGKILL)
            return int(told_by.readline())

        assert job("train", "whole") == 0
        chance = random.Random(0)
        assert job("train", "killed", chance.randint(1, 6)) == signal.SIGKILL
        for _ in range(5):
            assert job("resume", "killed", chance.randint(1, 6)) == signal.SIGKILL
        assert not (tmp_path / "killed" / "summary.json").exists()
        assert job("resume", "killed") == 0
    whole, killed = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "killed"))
    assert killed["weights_sha256"] == whole["weights_sha256"]
    assert killed["test"] == whole["test"]
    assert killed["best_epoch"] == whole["best_epoch"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_in_order_and_tells_how_to_go_on(sent, code, tmp_path):
    out = tmp_path / "run"
    command = ["train", "digits", "--epochs", "2000", "--lr", "0.05", "--precision", "fp32", "--out", str(out)]
    with subprocess.Popen([sys.executable, "-m", "torchbeam", *command], stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 90
        while time.monotonic() < end and not (out / "model.safetensors").exists():
            time.sleep(0.05)
        asked = time.monotonic()
        process.send_signal(sent)
        told = process.communicate(timeout=60)[1]
    assert time.monotonic() - asked < 10
    assert process.returncode == code
    assert f"to go on from this very step: torchbeam resume {out}" in told
    assert "Traceback" not in told
    assert steps_kept(out) >= 1
    assert json.loads((out / "log.jsonl").read_text().splitlines()[-1])["event"] == "stopped"


@pytest.fixture
def half(tmp_path: Path, run: Path) -> Path:
    """A finished run, as a copy that may be changed."""
    return Path(shutil.copytree(run, tmp_path / "half"))


def test_a_finished_run_goes_on_only_with_a_rate(half):
    with pytest.raises(SettingError, match="is finished: its rate has come down to 0") as caught:
        torchbeam.resume(half, show=False)
    assert "--lr, the rate to go on with" in str(caught.value)
    longer = torchbeam.resume(half, lr=0.01, epochs=5, show=False)
    assert [epoch.epoch for epoch in longer.epochs] == [1, 2, 3, 4, 5]
    assert longer.epochs[4].lr < 0.01
    assert json.loads((half / "config.json").read_text())["epochs"] == {"value": 5, "origin": "flag"}


def test_fewer_epochs_than_there_are_is_refused(half):
    with pytest.raises(SettingError, match="epochs cannot be 3"):
        torchbeam.resume(half, lr=0.01, epochs=3, show=False)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(OutputError, match="is no run folder"):
        torchbeam.resume(tmp_path, show=False)


def test_a_run_that_had_not_begun_is_told(half):
    (half / "config.json").unlink()
    with pytest.raises(StateError, match="was stopped before it began to learn"):
        torchbeam.resume(half, show=False)


def test_a_spoilt_config_is_told(half):
    (half / "config.json").write_text("{")
    with pytest.raises(StateError, match="cannot be read"):
        torchbeam.resume(half, show=False)


def test_without_a_state_it_begins_anew_and_takes_no_new_end(half, trained):
    shutil.rmtree(half / "state")
    (half / "summary.json").unlink()
    with pytest.raises(SettingError, match="the run has kept no state yet"):
        torchbeam.resume(half, epochs=9, show=False)
    again = torchbeam.resume(half, show=False)
    assert again.weights_sha256 == trained.weights_sha256


def test_other_pictures_are_refused(half):
    config = json.loads((half / "config.json").read_text())
    config["data"]["value"] = "shapes"
    (half / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="the pictures are not those the run began with"):
        torchbeam.resume(half, lr=0.01, show=False)


FROM_WEIGHTS = (
    "INPUT -> CONV 8 3x3 bias no -> BN -> RELU -> POOL -> CONV 8 3x3 bias no -> BN -> RELU -> FC 16 -> RELU -> FC"
)


def from_weights(out: Path, norms: str) -> Work:
    """A run of three epochs on the digits that starts from weights that a seed of its own drew."""
    blank = dict.fromkeys(("net", "epochs", "batch_size", "lr", "seed", "size", "fit", "device"))
    told = {"net": FROM_WEIGHTS, "epochs": 3, "batch_size": 128, "lr": 0.05, "seed": 1, "device": "cpu"}
    data = load_data("digits")
    settings = settle(Settings(**(blank | told), augment="shift 0.1", tuning=Tuning(precision="fp32", ema=0.9)), data)
    rates = Setting((("conv1", 0.0), ("bn1", 0.0), ("conv2", 0.3)), "auto")
    settings |= fine_tuning(Setting({"backbone": "mine", "digest": "ab"}, "flag"), rates, Setting(norms, "auto"))
    design, _ = design_for(settings, data)
    settings |= what_was_made(settings, design, torch.device("cpu"))
    book, folder = ledger(design), run_folder(out, "digits")
    folder.write("split.csv", to_csv(data.records, data.digests, data.classes, data.groups, data.split.parts))
    folder.log("start", {"origins": data.split.origins})
    parts, (task, _) = parts_of(settings, data, book), task_of(settings, data)
    objective = objective_of(settings, task, parts, preprocessing_of(book, parts, Screen(False)), torch.device("cpu"))
    torch.manual_seed(99)
    given = build(design)
    for module in given.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
    network = network_of(settings, design, objective, parts.training, given)
    write_config(folder, settings, data.place)
    return Work(folder, settings, data, design, book, parts, objective, network)


@pytest.mark.parametrize("norms", ["train", "fixed"])
def test_a_run_from_given_weights_goes_on_to_the_same_bits(norms, tmp_path):
    whole = learnt(from_weights(tmp_path / "whole", norms), Progress(False))
    work = from_weights(tmp_path / "stopped", norms)
    learner, story = learner_of(work, None)
    records = learn(learner, work.parts.training, work.parts.validation)
    while learner.step < 15:
        record = next(records)
        if isinstance(record, Epoch):
            story.add(record)
    records.close()  # type: ignore[attr-defined]
    save(work.folder.state, state_of(learner, story, work))
    resumed = torchbeam.resume(work.folder.path, show=False)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.test == whole.test and len(resumed.epochs) == 3
    kept = load(work.folder.state)[0]
    begun = from_weights(tmp_path / "again", norms).network.state_dict()
    for name in ("conv1.weight", "bn1.bias", "bn1.running_var"):  # frozen
        assert torch.equal(kept.tensors[f"network/{name}"], begun[name])
    assert torch.equal(kept.tensors["network/bn2.running_var"], begun["bn2.running_var"]) == (norms == "fixed")
    assert not torch.equal(kept.tensors["network/bn2.weight"], begun["bn2.weight"])


def test_given_weights_that_no_state_holds_are_gone(tmp_path):
    work = from_weights(tmp_path / "run", "fixed")
    with pytest.raises(StateError, match="was stopped before it kept a state"):
        torchbeam.resume(work.folder.path, show=False)


def test_a_run_by_the_clock_takes_no_epochs(half):
    config = json.loads((half / "config.json").read_text())
    config["time"] = {"value": "60s", "origin": "flag"}
    (half / "config.json").write_text(json.dumps(config))
    with pytest.raises(SettingError, match="this run ends by the clock"):
        torchbeam.resume(half, epochs=9, show=False)
