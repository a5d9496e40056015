"""The command line: what it prints where, and how it exits.

`process` starts one; `call` is the same in this process, which has loaded torch already.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import torchbeam
from torchbeam.cli import VERBS

COMMAND = [sys.executable, "-m", "torchbeam"]


def process(*arguments, cwd=None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300, check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, call):
    done = call(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"\n  torchbeam {verb} " in done.stdout
    assert done.stderr == ""


def test_the_first_help_lists_every_verb(call):
    done = call("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
    assert call().stdout == done.stdout
    assert call("--version").stdout.split() == ["torchbeam", torchbeam.__version__]
    script = shutil.which("torchbeam", path=Path(sys.executable).parent)
    assert script is not None
    assert subprocess.run([script, "--version"], capture_output=True, text=True).stdout == call("--version").stdout


def test_a_misspelt_verb_and_option_are_the_users_mistake(call):
    done = process("trian", "digits")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no verb 'trian'" in done.stderr and "did you mean train?" in done.stderr
    assert call("train", "digits", "--epocs", "3").returncode == 2


def test_describe_answers_in_json():
    done = process("describe", "INPUT 32x32x3 -> CONV 10 5x5 stride 1 pad 2", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert told["layers"][0]["output"] == told["totals"]["output"] == "32x32x10"
    assert told["layers"][0]["parameters"] == told["totals"]["parameters"] == 760
    assert set(told) >= {"text", "layers", "totals", "findings"}


def test_describe_explains_compares_draws_and_lists(tmp_path, call):
    explained = call("describe", "alexnet-2012", "--explain", "conv1", "--json")
    sums = {one["quantity"]: one["result"] for one in json.loads(explained.stdout)["sums"]}
    assert sums["unshared"] == "105,705,600" and sums["parameters"] == "34,944"
    compared = call("describe", "vgg-16", "resnet-50", "--memory", "8GB", "--json")
    first, second = json.loads(compared.stdout)["networks"]
    assert (first["name"], second["totals"]["parameters"]) == ("vgg-16", 25_557_032)
    assert first["totals"]["largest_batch"] == 52
    drawn = call("describe", "resnet-152", "--svg", str(tmp_path / "r.svg"))
    assert drawn.returncode == 0 and "stage3" in (tmp_path / "r.svg").read_text()
    sheet = call("describe", "--activations", "--svg", str(tmp_path / "a.svg"))
    assert "SOFTPLUS" in sheet.stdout and "SOFTPLUS" in (tmp_path / "a.svg").read_text()
    assert len(json.loads(call("describe", "--activations", "--json").stdout)) == 23


def test_zoo_lists_every_network_in_json():
    told = json.loads(process("zoo", "--json").stdout)
    assert {"name", "year", "parameters", "macs", "depth", "receptive_field"} <= set(told[0])
    assert next(one for one in told if one["name"] == "vgg-16")["receptive_field"] == [212, 212]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no network to describe"),
        (("lenet-5", "--activations"), "--activations describes no network"),
        (("lenet-5", "vgg-16", "--explain", "conv1"), "--explain and --svg take one network"),
        (("lenet-5", "--memory", "plenty"), "'plenty' is not an amount of memory"),
    ],
)
def test_describe_is_told_too_little_or_too_much(arguments, words, call):
    done = call("describe", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and words in done.stderr


def test_describe_refuses_what_does_not_fit_and_mends_it_when_told(call):
    text = "INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0"
    refused = call("describe", text)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "(7 - 3 + 2*0) / 3 + 1 = 2.33, not a whole number" in refused.stderr
    assert "pad 1 gives 3" in refused.stderr and "Traceback" not in refused.stderr
    for fit, output in (("crop", "2x2x1"), ("pad", "3x3x1")):
        mended = call("describe", text, "--fit", fit, "--json")
        assert json.loads(mended.stdout)["totals"]["output"] == output
    assert process("describe", text, "--fit", "crop", "--strict").returncode == 1
    assert call("describe", text, "--fit", "pad", "--strict").returncode == 0


def test_nobody_reading_on_and_a_full_disk_are_no_fault_of_ours():
    command = f"{sys.executable} -m torchbeam describe 'INPUT -> [CONV -> RELU]*3000 -> FC'"
    closed = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True
    )
    assert (closed.stdout, closed.stderr) == ("141\n", "")
    full = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True)
    assert full.returncode == 3
    assert "the result could not be printed" in full.stderr and "No space left" in full.stderr


def test_predicting_from_nothing_that_can_be_read_is_a_mistake(run, tmp_path, call):
    (tmp_path / "note.png").write_text("no picture")
    done = call("predict", run, tmp_path / "note.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert "skipped: " in done.stderr


def test_debug_shows_where_a_mistake_was_found():
    done = process("describe", "INPUT -> CONVV", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr and "NotationError" in done.stderr


def test_the_main_job_in_one_command_leaves_json_alone_on_stdout(tmp_path, call):
    done = process("train", "digits", "--epochs", 2, "--device", "cpu", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["test"]["n"] == 359
    run = tmp_path / "runs" / "digits-1"
    assert json.loads((run / "summary.json").read_text()) == summary
    assert "epoch 2/2" in done.stderr

    measured = process("evaluate", run, "digits", "--json")
    assert json.loads(measured.stdout)["test"]["accuracy"] == summary["test"]["accuracy"]

    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "one.png")
    said = process("predict", run / "model.safetensors", tmp_path / "one.png", "--json")
    assert json.loads(said.stdout)["pictures"][0]["path"] == str(tmp_path / "one.png")
    plain = call("predict", run, tmp_path / "one.png")
    assert plain.stdout.endswith(f"{tmp_path / 'one.png'}\n")


def make_bad_places(root: Path) -> dict[str, list[str]]:
    (root / "empty").mkdir()
    (root / "single" / "cats").mkdir(parents=True)
    Image.new("L", (8, 8)).save(root / "single" / "cats" / "1.png")
    (root / "text" / "a").mkdir(parents=True)
    (root / "text" / "b").mkdir(parents=True)
    for name in "ab":
        (root / "text" / name / "1.png").write_text("not a picture")
    (root / "damaged.safetensors").write_bytes(b"\0" * 100)
    (root / "full").mkdir()
    (root / "full" / "work.txt").write_text("mine")
    return {
        "unknown word CONVV": ["train", "digits", "--net", "INPUT -> CONVV"],
        "only one class found": ["train", str(root / "single")],
        "no classes found in": ["train", str(root / "empty")],
        "no picture to learn from can be read of: a, b": ["train", str(root / "text")],
        "no data at": ["train", str(root / "nowhere")],
        "no model file at": ["predict", str(root / "nothing.safetensors"), "x.png"],
        "is damaged, or no model file": ["evaluate", str(root / "damaged.safetensors"), "digits"],
        "is not empty": ["train", "digits", "--out", str(root / "full")],
        "no device warp on this machine": ["train", "digits", "--device", "warp"],
        "fit cannot be squeeze": ["describe", "INPUT -> FC", "--fit", "squeeze"],
        "classes cannot be 0": ["describe", "INPUT -> FC", "--classes", "0"],
    }


def test_every_mistake_is_one_clear_message_and_exit_2(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    for words, arguments in make_bad_places(tmp_path).items():
        done = call(*arguments)
        assert done.returncode == 2, words
        assert words in done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "full" / "work.txt").read_text() == "mine"


def test_divergence_exits_with_3(tmp_path, call):
    done = call("train", "digits", "--lr", "1e5", "--epochs", "2", "--out", tmp_path / "run", "--device", "cpu")
    assert done.returncode == 3
    assert "the loss became" in done.stderr and "Traceback" not in done.stderr


def test_a_fault_of_our_own_is_one_line_with_the_traceback_in_a_file(tmp_path):
    code = (
        "import sys, torchbeam, torchbeam.cli\n"
        "torchbeam.describe = None\n"  # what a bug in a job would look like: an error nobody raised on purpose
        "sys.exit(torchbeam.cli.main(['describe', 'INPUT -> FC']))\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 70
    assert done.stderr.startswith("torchbeam: a fault of torchbeam's own, TypeError")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in Path(done.stderr.split()[-1]).read_text()


STOPS = ((signal.SIGINT, 130), (signal.SIGTERM, 143))


@pytest.mark.parametrize("wait_for", ["epochs in batches", "    2/5000"])
def test_a_stopped_run_leaves_a_model_that_works(wait_for, tmp_path, call, request):
    runs = [tmp_path / str(code) for _, code in STOPS]
    told = ["--epochs", "5000", "--device", "cpu", "--lr", "0.05", "--no-compile"]  # nothing left to try out first
    commands = [[*COMMAND, "train", "digits", *told, "--out", str(run)] for run in runs]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True) for command in commands]  # side by side
    for running in started:
        request.addfinalizer(running.kill)
    for (number, code), run, running in zip(STOPS, runs, started, strict=True):
        stop(running, number, run, wait_for)
        _, err = running.communicate(timeout=60)
        assert running.returncode == code
        assert "Traceback" not in err
        if not (run / "model.safetensors").exists():
            assert wait_for == "epochs in batches"  # stopped before there was a network at all
            continue
        assert "is kept in" in err
        assert call("evaluate", run, "digits", "--json").returncode == 0
        assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["event"] == "stopped"
        assert not list(run.glob(".*.part"))


def stop(running: subprocess.Popen[str], number: signal.Signals, run: Path, wait_for: str) -> None:
    """Send the signal once the run says so much."""
    assert running.stderr is not None
    for line in running.stderr:
        if wait_for in line:
            break
    if wait_for == "epochs in batches":  # said just before the run folder is made and learning begins
        while not (run / "log.jsonl").exists() or not (run / "log.jsonl").stat().st_size:
            time.sleep(0.02)
        time.sleep(0.6)
    running.send_signal(number)
