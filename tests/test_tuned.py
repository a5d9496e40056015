import json

import pytest
import torch

import torchbeam


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("mode", ["finetune", "scratch"])
def test_the_network_learns_on(run, cache, tmp_path, mode):
    out = tmp_path / mode
    told = {"backbone": str(run), "mode": mode, "keep_worse": True, "epochs": 1, "cache": cache, "show": False}
    done = torchbeam.transfer("digits", out=out, **told)
    assert done.mode == mode and done.test.accuracy > 0.9
    config = json.loads((out / "config.json").read_text())
    assert config["start"]["value"]["backbone"] == str(run)
    assert config["norms"]["value"] == ("fixed" if mode == "finetune" else "train")
    assert bool(config["rates"]["value"]) == (mode == "finetune")
    again = torchbeam.evaluate(out, "digits", device="cpu")
    assert again.evaluation.confusion == done.test.confusion


def test_from_a_stage_on_the_front_stays_as_it_was_and_its_maps_are_kept(run, cache, tmp_path):
    told = {"backbone": str(run), "mode": "finetune", "keep_worse": True, "epochs": 1, "cache": cache, "show": False}
    done = torchbeam.transfer("digits", stage="stage1", augment="none", out=tmp_path / "s", **told)
    before, after = torchbeam.load_model(run).network, torchbeam.load_model(done.out).network
    same = {
        name: torch.equal(tensor, after.state_dict()[name])
        for name, tensor in before.state_dict().items()
        if name in after.state_dict() and name.endswith("weight")
    }
    assert same["conv1.weight"] and not all(same.values())
    config = json.loads((tmp_path / "s" / "config.json").read_text())
    assert config["maps"]["value"] == "fp32"
    assert dict(config["rates"]["value"])["conv1"] == 0


def test_a_run_that_was_fine_tuned_goes_on_exactly(run, cache, tmp_path):
    told = {"backbone": str(run), "mode": "finetune", "keep_worse": True, "cache": cache, "show": False}
    torchbeam.transfer("digits", epochs=2, out=tmp_path / "whole", **told)
    end = json.loads((tmp_path / "whole" / "log.jsonl").read_text().splitlines()[-2])
    assert end["event"] == "end" and end["weights_sha256"]
