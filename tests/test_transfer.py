import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import squeezenet1_1

import torchbeam
from torchbeam.errors import DesignError, ModelFileError, SettingError

SHARED = Path(os.environ.get("TORCHBEAM_SHARED") or Path(__file__).parents[2] / "shared")
PHOTOS = SHARED / "data" / "hymenoptera"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_from_int8_fp16.pth"
with_shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not WEIGHTS.exists(), reason="needs real photos and weights beside the project"),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def onto_codes(run, cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "codes"
    return torchbeam.transfer("digits", backbone=str(run), mode="codes", out=out, cache=cache, show=False)


def test_a_head_on_the_codes_of_ones_own_network_reads_its_own_pictures(onto_codes, trained):
    assert onto_codes.mode == "codes" and onto_codes.stage == "codes"
    assert onto_codes.test.n == trained.test.n
    assert onto_codes.test.accuracy > trained.test.accuracy - 0.02
    assert "cross-validation" in onto_codes.validation.origin


def test_the_model_file_computes_what_was_reported(onto_codes):
    again = torchbeam.evaluate(onto_codes.out, "digits", device="cpu")
    assert again.evaluation.confusion == onto_codes.test.confusion
    assert again.evaluation.loss == pytest.approx(onto_codes.test.loss, abs=1e-5)


def test_the_run_folder_holds_what_a_run_leaves(onto_codes):
    out = onto_codes.out
    summary = json.loads((out / "summary.json").read_text())
    assert summary["transfer"]["mode"] == "codes"
    assert {"accuracy", "n", "interval", "baseline", "origin"} <= set(summary["test"])
    config = json.loads((out / "config.json").read_text())
    assert config["mode"] == {"value": "codes", "origin": "flag"}
    rows = list(csv.DictReader((out / "test.csv").read_text().splitlines()))
    right = sum(row["class"] == row["called"] for row in rows)
    assert right / len(rows) == pytest.approx(onto_codes.test.accuracy)
    page = (out / "report.html").read_text()
    assert "The codes" in page and "script" not in page


def test_a_second_run_gives_the_same_bits_from_the_codes_that_are_kept(onto_codes, run, cache, tmp_path):
    torchbeam.transfer("digits", backbone=str(run), mode="codes", out=tmp_path / "b", cache=cache, show=False)
    first, second = (torchbeam.load_model(out) for out in (onto_codes.out, tmp_path / "b"))
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name


def test_the_adviser_is_asked_where_no_mode_is_named(run, cache, tmp_path):
    done = torchbeam.transfer("digits", backbone=str(run), out=tmp_path / "a", cache=cache, epochs=1, show=False)
    assert done.advice is not None
    assert [place.stage for place in done.advice.places][-1] == "codes"
    assert done.advice.mode == "codes" or done.rivals
    assert "linear probe on" in (tmp_path / "a" / "report.html").read_text()


def test_a_head_on_a_stage_is_written_in_the_notation(run, cache, tmp_path):
    done = torchbeam.transfer(
        "digits",
        backbone=str(run),
        mode="stage",
        stage="stem",
        keep_worse=True,
        out=tmp_path / "s",
        cache=cache,
        show=False,
    )
    assert done.stage.startswith("stem, ") and "POOL avg to" in done.text
    again = torchbeam.evaluate(done.out, "digits", device="cpu")
    assert again.evaluation.accuracy == pytest.approx(done.test.accuracy, abs=0.003)


def test_a_strategy_that_is_worse_than_the_codes_is_not_kept(run, cache, tmp_path):
    told = {"backbone": str(run), "mode": "stage", "stage": "stem", "cache": cache, "show": False}
    done = torchbeam.transfer("digits", out=tmp_path / "s", **told)
    better = max(done.rivals, key=lambda rival: rival.accuracy)
    assert [rival.kept for rival in done.rivals] == [rival is better for rival in done.rivals]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"mode": "fintune"}, "no mode fintune"),
        ({"stage": "stem"}, "a stage has no use with --mode auto"),
        ({"mode": "stage", "stage": "stage9"}, "no stage 'stage9'"),
        ({"weights": "x.pth"}, "weights of a network that was not named"),
        ({"backbone": "mobilnet-v2"}, "no backbone mobilnet-v2"),
        ({"backbone": "resnet-18", "size": "64x48"}, "cannot take pictures of size 64x48"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(told, said, run, tmp_path):
    given = {"backbone": str(run)} | told
    if "weights" in told:
        del given["backbone"]
    with pytest.raises(SettingError, match=said):
        torchbeam.transfer("digits", out=tmp_path / "no", show=False, **given)
    assert not (tmp_path / "no").exists()


def test_weights_of_another_network_are_refused_at_their_first_key(tmp_path):
    save_file({"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelFileError, match=r"conv1\.weight has another shape"):
        torchbeam.transfer(
            "digits", backbone="resnet-18", weights=tmp_path / "w.safetensors", out=tmp_path / "no", show=False
        )
    assert not (tmp_path / "no").exists()


def test_a_file_that_holds_code_is_refused(tmp_path):
    torch.save({"weight": Path("x")}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match="cannot be read as weights"):
        torchbeam.transfer("digits", backbone="resnet-18", weights=tmp_path / "w.pth", out=tmp_path / "no", show=False)


def drawn(folder, counts):
    """Pictures of noise, of each class so many, brighter from class to class."""
    chance = np.random.default_rng(0)
    for label, count in enumerate(counts):
        for number in range(count):
            place = folder / f"class{label}" / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(chance.integers(60 * label, 60 * label + 60, (16, 16), dtype=np.uint8)).save(place)
    return folder


def test_a_class_with_few_pictures_is_learnt_and_that_is_said(run, cache, tmp_path):
    data = drawn(tmp_path / "data", (12, 12, 3))
    done = torchbeam.transfer(data, backbone=str(run), mode="codes", out=tmp_path / "few", cache=cache, show=False)
    assert done.classes == ("class0", "class1", "class2")
    assert any("folds" in note or "held out" in note for note in done.notes)


def test_a_size_too_small_for_the_backbone_names_the_smallest(tmp_path):
    save_file(squeezenet1_1(weights=None).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(DesignError, match="cannot take pictures of 2x2") as caught:
        torchbeam.transfer(
            "digits",
            backbone="squeezenet-1.1",
            weights=tmp_path / "w.safetensors",
            size="2",
            out=tmp_path / "no",
            show=False,
        )
    assert "pixels or more" in str(caught.value)


class TestOnRealPhotos:
    pytestmark = with_shared

    def test_ants_and_bees(self, cache, tmp_path):
        told = {"backbone": "mobilenet_v2", "weights": WEIGHTS, "cache": cache, "show": False}
        first = torchbeam.transfer(PHOTOS, out=tmp_path / "first", **told)
        assert first.test.accuracy >= 0.94 and first.mode == "codes"
        moved = tmp_path / "moved"
        shutil.copytree(PHOTOS / "hymenoptera_data", moved)
        events = [json.loads(line) for line in (tmp_path / "first" / "log.jsonl").read_text().splitlines()]
        assert events[-1]["event"] == "test"
        again = torchbeam.transfer(moved, out=tmp_path / "again", **told)
        assert again.test.confusion == first.test.confusion
