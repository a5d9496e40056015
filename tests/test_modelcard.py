"""The card beside a shared model: its head judged by PyYAML, its parts by what was put in."""

import re

import pytest
import yaml

from torchbeam.errors import SettingError
from torchbeam.jobs.modelcard import model_card
from torchbeam.network.modelfile import ModelFile, read

TEST = {"accuracy": 0.9675, "n": 1234, "interval": [0.95, 0.98], "baseline": 0.1}


def held(classes=("cat", "dog"), metrics=None, provenance=None, backbone=""):
    return ModelFile(
        tensors={},
        notation="INPUT 8x8x1 -> FC 2",
        classes=tuple(classes),
        preprocessing={},
        provenance=provenance or {},
        metrics={"test": TEST} if metrics is None else metrics,
        proofs=(),
        backbone=backbone,
    )


def head(card):
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", card, re.S)[1])


def blocks(card):
    """What stands in fenced blocks, as CommonMark reads them: up to a fence at least as long."""
    return [match[3] for match in re.finditer(r"^(`{3,})(\w*)\n(.*?)\n\1`*$", card, re.M | re.S)]


def test_the_card_of_a_run(run):
    kept = read(run)
    card = model_card(kept, "cc-by-4.0", "ann/digits")
    assert head(card) == {
        "license": "cc-by-4.0",
        "library_name": "torchbeam",
        "pipeline_tag": "image-classification",
    }
    assert "# ann/digits\n" in card
    classes, notation, provenance, _ = blocks(card)
    assert classes.split("\n") == [str(digit) for digit in range(10)]
    assert notation == kept.notation
    assert kept.provenance["data_sha256"] in provenance
    assert '"seed"' in provenance
    assert kept.provenance["seen"] not in card
    low, high = kept.metrics["test"]["interval"]
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in card


def test_the_result_is_told_with_its_interval_and_only_what_was_measured():
    assert (
        "- test: accuracy 96.75% of 1,234 pictures, 95 % interval 95.0 to 98.0 %; "
        "10.0% by always naming the most frequent class" in model_card(held(), "mit", "a/b")
    )
    assert "- validation: accuracy 50.00%\n" in model_card(
        held(metrics={"validation": {"accuracy": 0.5}}), "mit", "a/b"
    )
    assert "The file holds none." in model_card(held(metrics={"test": "none"}), "mit", "a/b")


def test_what_the_file_says_stays_in_its_blocks():
    told = {"data": "<b>```", "seen": "x" * 500, "versions": {"a": "1"}}
    hostile = held(["a\n# b", "```", "````x"], provenance=told, backbone="resnet")
    card = model_card(hostile, "other", "a/b")
    classes, notation, provenance, _ = blocks(card)
    assert classes == "a # b\n```\n````x"
    assert notation == "# on the codes of resnet\nINPUT 8x8x1 -> FC 2"
    assert yaml.safe_load(provenance) == {"data": "<b>```", "versions": {"a": "1"}}


def test_of_many_classes_the_first_are_shown():
    card = model_card(held(map(str, range(1000))), "mit", "a/b")
    assert "1,000, in the order of its scores; 900 more follow:" in card
    assert len(blocks(card)[0].split("\n")) == 100


@pytest.mark.parametrize("licence", ["", "MIT", "mit\nx: y", "a b", "x" * 65, "-mit"])
def test_a_licence_is_an_identifier(licence):
    with pytest.raises(SettingError, match="a licence cannot be"):
        model_card(held(), licence, "a/b")
