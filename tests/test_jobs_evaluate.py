import json

import numpy as np
import pytest
from PIL import Image

import torchbeam
from torchbeam.errors import DataError, SettingError


def test_the_runs_own_test_part_gives_the_runs_own_figure(trained):
    again = torchbeam.evaluate(trained.out, "digits", device="cpu")
    assert again.part == "test"
    assert again.evaluation == trained.test
    assert torchbeam.evaluate(trained.out, "digits", part="val").evaluation == trained.validation


def test_pictures_it_was_trained_on_are_told(trained):
    everything = torchbeam.evaluate(trained.out, "digits", part="all")
    assert everything.evaluation.n == 1797
    assert "the model was trained or chosen on 1,438 of these pictures" in str(everything)


def test_a_model_stays_on_its_device_and_gives_the_same(trained):
    model = torchbeam.load_model(trained.out)
    assert torchbeam.evaluate(model, "digits", part="test").evaluation == trained.test


def test_pictures_it_has_seen_are_left_out_of_other_data(tmp_path):
    shade = iter(range(10, 250, 4))
    for name, count in (("a", 20), ("b", 20)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((8, 8), next(shade), np.uint8)).save(tmp_path / "data" / name / f"{number}.png")
    done = torchbeam.train(
        tmp_path / "data", net="INPUT -> FC", epochs=1, out=tmp_path / "run", device="cpu", show=False
    )
    assert done.test.n == 8
    Image.fromarray(np.full((8, 8), 251, np.uint8)).save(tmp_path / "data" / "a" / "new.png")
    told = torchbeam.evaluate(done.out, tmp_path / "data")
    assert told.evaluation.n == 9  # the eight test pictures and the new one
    assert told.origin == "all but 32 pictures that the model was trained or chosen on"
    assert "chosen on 32 of these pictures" in torchbeam.evaluate(done.out, tmp_path / "data", part="all").warning


@pytest.fixture
def twos_and_sevens(tmp_path):
    from_model = np.zeros((8, 8), np.uint8)
    for name in ("7", "2"):
        (tmp_path / name).mkdir()
        for number in range(3):
            from_model[number, number] = 200
            Image.fromarray(from_model).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_classes_are_matched_by_name_and_other_data_is_read_whole(trained, twos_and_sevens):
    told = torchbeam.evaluate(trained.out, twos_and_sevens)
    assert told.part == "all"
    assert told.evaluation.n == 6
    scores = {score.name: score.n for score in told.evaluation.classes}
    assert scores["2"] == scores["7"] == 3
    assert sum(scores.values()) == 6


def test_it_prints_and_dumps(trained, twos_and_sevens):
    told = torchbeam.evaluate(trained.out, twos_and_sevens)
    assert str(told).splitlines()[0].endswith("all pictures there are")
    assert f"read from: {twos_and_sevens}" in str(told)
    assert set(json.loads(json.dumps(told.to_json()))) == {"all", "warning", "root", "notes", "skipped"}


def test_a_class_the_model_does_not_know_is_refused(trained, twos_and_sevens):
    (twos_and_sevens / "7").rename(twos_and_sevens / "seven")
    with pytest.raises(DataError, match="the model does not know: seven") as caught:
        torchbeam.evaluate(trained.out, twos_and_sevens)
    assert "0, 1, 2" in str(caught.value)


def test_a_part_that_is_not_there_is_refused(trained, twos_and_sevens):
    with pytest.raises(DataError, match="the data has no val part"):
        torchbeam.evaluate(trained.out, twos_and_sevens, part="val")
    with pytest.raises(SettingError, match="part cannot be best"):
        torchbeam.evaluate(trained.out, "digits", part="best")
