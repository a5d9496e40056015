import re

import numpy as np
from PIL import Image

import torchbeam
from torchbeam.data.load import load_data
from torchbeam.jobs.progress import class_table


def test_a_run_tells_what_it_understood_then_a_line_an_epoch(tmp_path, capsys):
    torchbeam.train(
        "digits", net="INPUT -> [CONV 4 -> RELU -> POOL]*2 -> FC", epochs=2, out=tmp_path / "run", device="cpu"
    )
    out, err = capsys.readouterr()
    assert out == ""
    told = err.splitlines()
    assert told[1] == "digits: 1,797 grey pictures of 8x8"
    assert "  all    1,295  143   359" in told
    assert "  INPUT 8x8x1 -> [CONV 4 3x3 pad 1 -> RELU -> POOL max 2x2 stride 2]*2 -> FC 10" in told
    assert re.search(
        r"^epoch 1/2  loss \d\.\d{4}  validation \d\.\d{4} +\d+\.\d\d% .* pictures/s .* s  best$", err, re.M
    )
    assert len(re.findall("^epoch ", err, re.M)) == 2
    assert "\x1b" not in err


def test_show_false_is_silent(tmp_path, capsys):
    torchbeam.train("digits", net="INPUT -> FC", epochs=1, out=tmp_path / "run", device="cpu", show=False)
    assert capsys.readouterr() == ("", "")


def test_a_long_list_of_classes_is_cut(tmp_path):
    for number in range(20):
        (tmp_path / f"class {number}").mkdir()
        for shade in range(5):
            pixels = np.full((8, 8), 10 * number + shade, np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"class {number}" / f"{shade}.png")
    table = class_table(load_data(tmp_path))
    assert len(table) == 1 + 12 + 1 + 1
    assert table[1].split() == ["class", "0", "3", "1", "1"]
    assert table[-2].strip() == "... 8 more"
    assert table[-1].split() == ["all", "60", "20", "20"]
