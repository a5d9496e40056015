import hashlib
import json

import pytest

from torchbeam.errors import OutputError
from torchbeam.jobs.runfolder import run_folder


def test_runs_are_numbered_from_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(run_folder(None, "digits").path) for _ in range(3)] == [f"runs/digits-{n}" for n in (1, 2, 3)]


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path):
    (tmp_path / "new").mkdir()
    run = run_folder(tmp_path / "new", "x")
    with pytest.raises(OutputError, match="is not empty") as caught:
        run_folder(run.path, "x")
    assert "name another with --out" in str(caught.value)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        run_folder(tmp_path / "file" / "run", "x")


def test_the_log_is_on_disk_line_by_line(tmp_path):
    run = run_folder(tmp_path / "run", "x")
    run.log("one", {"a": 1})
    run.log("two", {"b": [2.5]})
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [(line["event"], line.get("a"), line.get("b")) for line in lines] == [("one", 1, None), ("two", None, [2.5])]


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    run = run_folder(tmp_path / "run", "x")
    (run.path / "log.jsonl").unlink()
    (run.path / "log.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*log\.jsonl"):
        run.log("one", {})


def test_digests_are_of_the_files_bytes(tmp_path):
    run = run_folder(tmp_path / "run", "x")
    run.write("a.txt", "hello")
    assert run.digest("a.txt") == hashlib.sha256(b"hello").hexdigest()
