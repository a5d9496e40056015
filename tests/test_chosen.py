import json

import pytest

import torchbeam


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A run by the clock, its rate and its way measured."""
    out = tmp_path_factory.mktemp("timed") / "run"
    return torchbeam.train("digits", time="8s", net="INPUT -> CONV 8 3x3 -> BN -> RELU -> FC", out=out, show=False)


def test_a_run_by_the_clock_ends_with_its_schedule_and_a_model(timed):
    events = [json.loads(line) for line in (timed.out / "log.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    peak = json.loads((timed.out / "config.json").read_text())["lr"]["value"]
    assert epochs[-1]["lr"] < 0.05 * peak
    assert timed.test.accuracy > 0.5
    assert timed.model.exists()


def test_what_was_measured_stands_in_the_config_with_its_figures(timed):
    config = json.loads((timed.out / "config.json").read_text())
    way, rate = config["way"], config["lr"]
    assert way["origin"] == rate["origin"] == "auto"
    assert {"precision", "channels_last", "threads", "compiled"} == set(way["value"])
    assert way["why"]["timings"][0]["usual"] > 0
    assert way["why"]["reason"]
    assert rate["why"]["chosen"] == rate["value"]
    assert len(rate["why"]["rates"]) >= 20
    assert 1 <= config["training_seconds"]["value"] < 8
    assert "<svg" in (timed.out / "rate.svg").read_text()


def test_what_is_told_is_not_measured(tmp_path):
    run = torchbeam.train("digits", epochs=1, lr=0.02, precision="fp32", out=tmp_path / "told", show=False)
    config = json.loads((run.out / "config.json").read_text())
    assert config["lr"] == {"value": 0.02, "origin": "flag"}
    assert config["way"]["value"]["precision"] == "fp32"
    assert not (run.out / "rate.svg").exists()
