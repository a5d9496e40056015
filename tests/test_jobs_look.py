import json
import re

import numpy as np
import pytest
from PIL import Image

import torchbeam
from torchbeam.errors import DataError, SettingError
from torchbeam.jobs.look import look_into as look


@pytest.fixture(scope="module")
def digit(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures") / "digit.png"
    chance = np.random.default_rng(0)
    Image.fromarray(chance.integers(0, 255, (8, 8), dtype=np.uint8)).save(place)
    return place


@pytest.fixture(scope="module")
def everything(run, digit, tmp_path_factory):
    return look(run, digit, everything=True, data="digits", out=tmp_path_factory.mktemp("look") / "all", show=False)


def test_everything_leaves_pictures_numbers_and_a_page(everything):
    kinds = [kind for kind, _, _ in everything.looks]
    assert kinds == ["filters", "activations", "saliency", "gradcam", "occlusion", "arithmetic", "neuron", "sweep"]
    for _, caption, files in everything.looks:
        assert "torchbeam look" in caption and "seed 0" in caption and "weights " in caption
        for file in files:
            assert file.stat().st_size > 200
        with np.load(files[1]) as held:
            names = [name for name in held.files if "." not in name and name != "caption"]
            for name in names:
                assert len(held[f"{name}.axes"]) == held[name].ndim
    assert json.dumps(everything.to_json())
    assert str(everything).splitlines()[-1].endswith("look.html")


def test_the_page_shows_under_the_pointer_what_a_position_saw(everything):
    page = everything.page.read_text()
    assert "<script" not in page and not re.search(r'(src|href|url)[=(]"?http', page)
    cells = re.findall(r"<u>([^<]*), row (\d+), column (\d+)</u>", page)
    assert len(cells) > 4 and any("probability lost" in told for told, _, _ in cells)


def test_what_is_named_alone_is_looked_at(run, digit, tmp_path):
    made = look(run, digit, arithmetic="conv1:2@3,4", label="3", out=tmp_path / "one", show=False)
    assert [kind for kind, _, _ in made.looks] == ["arithmetic", "sweep"]
    assert "conv1, unit 2, row 3, column 4" in made.looks[0][1]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"neuron": "conv1"}, "conv1 names no unit"),
        ({"arithmetic": "conv1:99"}, "conv1 has no unit 99"),
        ({"activations": "conv9"}, "conv9"),
        ({"label": "ant"}, "no class 'ant'"),
    ],
)
def test_what_is_not_there_is_told(told, said, run, digit, tmp_path):
    with pytest.raises(SettingError, match=said):
        look(run, digit, out=tmp_path / "no", show=False, **told)
    assert not (tmp_path / "no").exists()


def test_pictures_of_other_classes_are_refused(run, digit, tmp_path):
    place = tmp_path / "data" / "bee" / "x.png"
    place.parent.mkdir(parents=True)
    Image.new("L", (8, 8)).save(place)
    with pytest.raises(DataError, match="classes that the model does not know"):
        look(run, digit, neuron="conv1:0", data=tmp_path / "data", out=tmp_path / "no", show=False)


def test_a_network_without_a_convolution_has_no_unit_of_its_own(tmp_path, digit):
    torchbeam.train("digits", net="INPUT -> FC", epochs=1, lr=0.05, out=tmp_path / "run", show=False)
    with pytest.raises(SettingError, match="a network without a convolution has no units to look at"):
        look(tmp_path / "run", digit, everything=True, out=tmp_path / "no", show=False)


def test_the_verb_prints_json(run, digit, tmp_path, call):
    done = call("look", run, digit, "--filters", "--out", tmp_path / "o", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["looks"][0]["kind"] == "filters"
