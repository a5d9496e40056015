import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import torchbeam
from torchbeam.errors import DataError, OutputError, SettingError

DIGITS = np.round(load_digits().images * 255 / 16).astype(np.uint8)


@pytest.fixture(scope="module")
def model(trained):
    return torchbeam.load_model(trained.out)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        Image.fromarray(DIGITS[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (tmp_path / "notes.txt").write_text("not a picture, and not asked for")
    return tmp_path


def test_paths_pil_and_arrays_give_the_same_answer(model, folder):
    by_path = model.predict([folder / "0.png", str(folder / "1.png")])
    by_pil = model.predict([Image.open(folder / "0.png"), Image.open(folder / "1.png")])
    by_array = model.predict(DIGITS[:2])
    for one in (by_pil, by_array):
        assert [p.top for p in one.pictures] == [p.top for p in by_path.pictures]


def test_probabilities_are_the_networks_softmax(model):
    x = torch.from_numpy(DIGITS[:5]).float().view(5, 1, 8, 8) / 255
    x = (x - model.preprocessing.mean[0]) / model.preprocessing.std[0]
    with torch.no_grad():
        expected = torch.softmax(model.network.eval()(x), 1)
    found = model.predict(DIGITS[:5], top=10).pictures
    for row, prediction in zip(expected, found, strict=True):
        assert prediction.class_name == str(int(row.argmax()))
        assert prediction.probability == pytest.approx(row.max().item(), abs=1e-6)
        assert dict(prediction.top) == pytest.approx({str(k): p.item() for k, p in enumerate(row)}, abs=1e-6)
        assert list(prediction.top) == sorted(prediction.top, key=lambda pair: -pair[1])


def test_a_folder_is_read_in_order_and_bad_pictures_are_told(model, folder):
    found = model.predict(folder)
    assert [prediction.path for prediction in found.pictures] == [str(folder / f"{n}.png") for n in range(3)]
    assert len(found.skipped) == 1
    assert "broken.png" in found.skipped[0].reason


def test_a_picture_with_alpha_is_one_picture_laid_on_white(model):
    clear = np.zeros((40, 30, 4), np.uint8)
    (one,) = model.predict(clear).pictures
    assert one.top == model.predict(np.full((40, 30), 255, np.uint8)).pictures[0].top


def test_many_pictures_go_in_batches(model):
    many = model.predict(DIGITS[:150]).pictures
    alone = model.predict(DIGITS[149]).pictures[0]
    assert len(many) == 150
    assert many[149].class_name == alone.class_name
    assert many[149].probability == pytest.approx(alone.probability, abs=1e-5)


def test_the_json_is_what_the_house_says(model, folder):
    told = json.loads(json.dumps(torchbeam.predict(model, folder, top=2).to_json()))
    assert set(told) == {"pictures", "skipped"}
    assert set(told["pictures"][0]) == {"path", "class", "probability", "top"}
    assert len(told["pictures"][0]["top"]) == 2
    assert set(told["skipped"][0]) == {"path", "reason"}


def test_a_picture_of_any_size_and_kind_is_taken(model):
    big = Image.fromarray(DIGITS[3]).resize((200, 130)).convert("RGBA")
    assert len(model.predict([big, big.convert("CMYK"), big.convert("1")]).pictures) == 3


def test_what_is_not_there_is_told(model, tmp_path):
    with pytest.raises(DataError, match="no picture at"):
        model.predict(tmp_path / "gone.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures in"):
        model.predict(tmp_path / "empty")
    with pytest.raises(SettingError, match="top cannot be 0"):
        model.predict(DIGITS[0], top=0)


def test_floats_are_skipped_with_the_reason(model):
    found = model.predict(DIGITS[0] / 255)
    assert found.pictures == ()
    assert "is not a picture" in found.skipped[0].reason


def test_a_saved_model_comes_back_the_same(model, tmp_path):
    torchbeam.save_model(model, tmp_path / "copy.safetensors")
    again = torchbeam.load_model(tmp_path / "copy.safetensors")
    assert again.classes == model.classes
    assert again.design == model.design
    assert again.metrics == model.metrics
    assert again.provenance == model.provenance
    assert again.predict(DIGITS[:9]) == model.predict(DIGITS[:9])
    assert [path.name for path in tmp_path.iterdir()] == ["copy.safetensors"]


def test_a_model_is_not_saved_where_it_cannot_be(model, tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        torchbeam.save_model(model, tmp_path / "no" / "such" / "place.safetensors")
