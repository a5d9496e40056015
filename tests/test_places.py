"""A run that goes on from another working directory than it began in."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import torchbeam
from torchbeam.errors import DataError
from torchbeam.jobs.places import absolute, found


def test_paths_are_made_absolute_and_names_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "digits"):
        (tmp_path / name).mkdir()
    told = {"data": "photos", "exclude": None, "cache": "nowhere"}
    assert absolute(told) == {"data": str(tmp_path / "photos")}
    assert absolute({"data": "./photos/../photos"}) == {"data": str(tmp_path / "photos")}
    assert absolute({"data": str(tmp_path)}) == {"data": str(tmp_path)}
    # The set of that name, not the folder, which is ./digits.
    assert absolute({"data": "digits"}) == absolute({"data": "mnist"}) == absolute({"data": "no\0path"}) == {}
    assert absolute({"data": "./digits"}) == {"data": str(tmp_path / "digits")}
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute({"data": "~/photos"}) == {"data": str(tmp_path / "photos")}


def test_what_was_typed_goes_before_where_it_was(tmp_path, monkeypatch):
    there = tmp_path / "there" / "photos"
    there.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert found("pictures", "photos", str(there)) == str(there)
    (tmp_path / "photos").mkdir()
    assert found("pictures", "photos", str(there)) == "photos"
    assert found("pictures", "digits", None) == "digits"
    assert found("pictures", "gone", None) == "gone"  # of a run that kept no places: reading tells that it is gone


def test_what_is_nowhere_is_told_with_both_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="the pictures of this run can no longer be found") as caught:
        found("pictures", "photos", "/far/photos")
    assert "photos, from the working directory, or /far/photos, where the run began" in str(caught.value)
    assert "go to a directory from which photos leads there" in str(caught.value)


def test_a_run_goes_on_from_another_directory(tmp_path, monkeypatch):
    start, other = tmp_path / "start", tmp_path / "other"
    other.mkdir()
    random = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (start / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(level - 30, level + 30, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(start / "photos" / name / f"{number}.png")
    (start / "leave.csv").write_text("path,reason\ndark/3.png,blurred\n")
    monkeypatch.chdir(start)
    told = {"net": "INPUT -> FC", "lr": 0.05, "precision": "fp32", "cache": "cache", "show": False}
    torchbeam.train("photos", exclude="leave.csv", epochs=1, out=tmp_path / "run", **told)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"] == {"value": "photos", "origin": "flag"}
    places = {"data": str(start / "photos"), "exclude": str(start / "leave.csv"), "cache": str(start / "cache")}
    assert config["paths"] == {"value": places, "origin": "auto"}
    monkeypatch.chdir(other)
    longer = torchbeam.resume(Path("..") / "run", lr=0.01, epochs=2, show=False)
    assert len(longer.epochs) == 2
    assert list(other.iterdir()) == []
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["value"] == "photos" and config["paths"]["value"] == places
    shutil.move(start / "photos", start / "moved")
    with pytest.raises(DataError, match="the pictures of this run can no longer be found"):
        torchbeam.resume(tmp_path / "run", lr=0.01, epochs=3, show=False)
    shutil.move(start / "moved", other / "photos")  # what was typed leads there from here
    assert len(torchbeam.resume(tmp_path / "run", lr=0.01, epochs=3, show=False).epochs) == 3
