import json

import torchbeam
from torchbeam.network.modelfile import tensors_digest


def test_three_lines_tell_the_result(trained):
    first, second, third = str(trained).splitlines()
    assert first.startswith(f"test accuracy {trained.test.accuracy:.2%} of 359 pictures (95 % interval ")
    assert second == f"model  {trained.model}"
    assert third == f"report {trained.report}"


def test_the_digest_tells_the_last_weights(trained, run):
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    (end,) = [event for event in events if event["event"] == "end"]
    assert end["weights_sha256"] == trained.weights_sha256
    last = trained.epochs[-1].epoch
    if trained.best_epoch == last:  # then the model file holds the last weights
        assert tensors_digest(torchbeam.load_model(run).network.state_dict()) == trained.weights_sha256
