import re

import numpy as np
import pytest
from PIL import Image

import torchbeam


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    """Two classes of the same noise, which nobody can tell apart."""
    data, chance = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for number in range(80):
        place = data / f"class{number % 2}" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (8, 8), dtype=np.uint8)).save(place)
    out = tmp_path_factory.mktemp("runs") / "<i>"
    cache = tmp_path_factory.mktemp("cache")
    told = {"backbone": str(run), "mode": "stage", "stage": "stem", "keep_worse": True, "cache": cache, "show": False}
    done = torchbeam.transfer(data, out=out, **told)
    return done, (out / "report.html").read_text()


def test_it_tells_the_strategy_the_data_the_result_and_the_codes(report):
    done, page = report
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "The strategy",
        "The data",
        "Class by class",
        "What is taken for what",
        "The worst mistakes",
        "The codes",
        "The network",
    ]
    assert f"{done.test.accuracy:.2%}" in page
    assert "a linear head on the codes" in page and "pictures held out; " in page


def test_beside_a_mistake_stand_the_nearest_training_pictures(report):
    done, page = report
    wrong = done.test.n - round(done.test.accuracy * done.test.n)
    assert page.count('<div class="near">') == min(wrong, 24) > 0


def test_it_needs_no_network_and_names_are_text(report):
    _, page = report
    assert "<i>" not in page and not re.search(r'(src|href|url)[=(]"?http', page)
