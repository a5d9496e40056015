from pathlib import Path

import torch

from torchbeam.jobs.transferred import Held, Rival, Transferred
from torchbeam.learn.evaluate import evaluate_outputs


def made():
    scores = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 3.0]])
    test = evaluate_outputs(scores, torch.tensor([0, 1, 1, 1]), ("ant", "bee"), 1)
    held = Held(0.9, 10, (0.6, 0.98), "cross-validation")
    origins = {"train": "a", "val": "b", "test": "c"}
    rivals = (Rival("a linear head on the codes", 0.9, 10, True),)
    return Transferred(
        out=Path("runs/x"), test=test, validation=held, mode="codes", stage="codes", backbone="resnet-18", advice=None,
        rivals=rivals, head=None, notes=("n",), classes=("ant", "bee"), text="INPUT -> FC", parameters=1,
        origins=origins, skipped=0, seconds=1.25,
    )  # fmt: skip


def test_the_summary_has_what_that_of_a_training_has_and_the_transfer():
    told = made().to_json()
    assert told["test"]["accuracy"] == 0.75 and told["test"]["origin"] == "c"
    assert told["validation"] == {"accuracy": 0.9, "n": 10, "interval": [0.6, 0.98], "origin": "cross-validation"}
    assert told["transfer"]["rivals"] == [
        {"what": "a linear head on the codes", "accuracy": 0.9, "n": 10, "kept": True}
    ]
    assert told["seconds"] == 1.25 and told["model"] == "runs/x/model.safetensors"


def test_the_text_is_the_result_in_three_lines():
    first, model, report = str(made()).splitlines()
    assert first.startswith("test accuracy 75.00% of 4 pictures (95 % interval 30.1 to 95.4 %, baseline 75.0%)")
    assert model.endswith("model.safetensors") and report.endswith("report.html")
