import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from safetensors import safe_open

import torchbeam
from torchbeam.errors import ModelFileError
from torchbeam.network import modelfile


@pytest.fixture
def copy(run, tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes((run / "model.safetensors").read_bytes())
    return path


def rewrite(path: Path, change) -> None:
    """Writes the file again, well formed, with metadata and tensors as `change` leaves them."""
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(metadata, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


def seal(metadata) -> None:
    metadata["metadata_sha256"] = modelfile._metadata_digest(metadata)


def test_it_holds_what_the_house_says(run):
    with safe_open(run / "model.safetensors", framework="np") as file:
        metadata = file.metadata()
    assert metadata["format"] == "torchbeam 1"
    assert json.loads(metadata["notation"]).startswith("INPUT 8x8x1 -> CONV 32 3x3 pad 1 bias no")
    assert json.loads(metadata["classes"]) == [str(digit) for digit in range(10)]
    assert {"width", "height", "depth", "mean", "std", "resize", "crop", "decode"} <= set(
        json.loads(metadata["preprocessing"])
    )
    assert {"data_sha256", "config_sha256", "versions", "seed"} <= set(json.loads(metadata["provenance"]))
    assert len(json.loads(metadata["proofs"])) == 3


def test_tensors_come_back_bit_for_bit(trained):
    kept = modelfile.read(trained.model)
    model = torchbeam.load_model(trained.out)
    state = model.network.state_dict()
    assert set(kept.tensors) == set(state)
    assert all(torch.equal(kept.tensors[name], state[name]) for name in state)


def test_the_stored_digest_is_that_of_the_bytes(trained):
    a = {"x": torch.tensor([1.0, 2.0]), "y": torch.tensor(3)}
    assert modelfile.tensors_digest(a) == modelfile.tensors_digest(dict(reversed(a.items())))
    assert modelfile.tensors_digest(a) != modelfile.tensors_digest(a | {"y": torch.tensor(4)})
    assert modelfile.tensors_digest(a) != modelfile.tensors_digest(a | {"x": torch.tensor([[1.0, 2.0]])})


def test_every_flipped_bit_is_refused(copy):
    content = copy.read_bytes()
    random = np.random.default_rng(0)
    for place in random.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(0, 8)
        copy.write_bytes(bytes(damaged))
        with pytest.raises(ModelFileError):
            torchbeam.load_model(copy)


def test_a_flipped_bit_in_the_tensors_is_told_as_damage(copy):
    content = bytearray(copy.read_bytes())
    content[-5] ^= 1
    copy.write_bytes(bytes(content))
    with pytest.raises(ModelFileError, match="is damaged: its tensors changed since they were written"):
        torchbeam.load_model(copy)


@pytest.mark.parametrize("kept", [0, 5, 8, 1000, 100_000])
def test_a_cut_off_file_is_refused(copy, kept):
    copy.write_bytes(copy.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match="is damaged, or no model file"):
        torchbeam.load_model(copy)


def test_a_missing_file_names_the_remedy(tmp_path):
    with pytest.raises(ModelFileError, match=r"no model file at .*nothing") as caught:
        torchbeam.load_model(tmp_path / "nothing")
    assert "train one: torchbeam train digits" in str(caught.value)


def test_another_programs_safetensors_is_told_apart(copy):
    copy.write_bytes(safetensors.numpy.save({"w": np.zeros(3, np.float32)}))
    with pytest.raises(ModelFileError, match="is a safetensors file, but not one of torchbeam's"):
        torchbeam.load_model(copy)


def test_a_newer_format_asks_for_an_update(copy):
    rewrite(copy, lambda metadata, _: metadata.update(format="torchbeam 99"))
    with pytest.raises(ModelFileError, match="was written by a newer torchbeam"):
        torchbeam.load_model(copy)


def test_changed_metadata_is_refused(copy):
    rewrite(copy, lambda metadata, _: metadata.update(classes=json.dumps(list("9876543210"))))
    with pytest.raises(ModelFileError, match="its metadata changed since it was written"):
        torchbeam.load_model(copy)


def test_metadata_of_the_wrong_shape_is_refused(copy):
    def change(metadata, _):
        metadata["classes"] = "7"
        seal(metadata)

    rewrite(copy, change)
    with pytest.raises(ModelFileError, match="is not well formed"):
        torchbeam.load_model(copy)


def test_preprocessing_without_a_value_is_refused(copy):
    def change(metadata, _):
        metadata["preprocessing"] = json.dumps({"width": 8})
        seal(metadata)

    rewrite(copy, change)
    with pytest.raises(ModelFileError, match="the model file's preprocessing is incomplete"):
        torchbeam.load_model(copy)


def test_views_that_nobody_knows_are_refused(copy):
    def change(metadata, _):
        metadata["preprocessing"] = json.dumps(json.loads(metadata["preprocessing"]) | {"views": "sideways"})
        seal(metadata)

    rewrite(copy, change)
    with pytest.raises(ModelFileError, match="asks for views that are not known") as caught:
        torchbeam.load_model(copy)
    assert "update torchbeam" in str(caught.value)


def test_a_replay_that_gives_other_scores_is_refused(copy):
    def change(metadata, _):
        kept = json.loads(metadata["preprocessing"])
        kept["mean"] = [kept["mean"][0] + 0.2]
        metadata["preprocessing"] = json.dumps(kept)
        seal(metadata)

    rewrite(copy, change)
    with pytest.raises(ModelFileError, match="does not compute what it did when it was written"):
        torchbeam.load_model(copy)


def test_tensors_of_another_network_are_refused_without_taking_memory(copy):
    def change(metadata, _):
        metadata["notation"] = json.dumps("INPUT 8x8x1 -> FC 900000000 -> FC 10")
        seal(metadata)

    rewrite(copy, change)
    with pytest.raises(ModelFileError, match="its tensors do not belong to its network"):
        torchbeam.load_model(copy)
