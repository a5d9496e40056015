"""A Look: its numbers, picture and animation as files; numpy and Pillow read them back."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from torchbeam.errors import SettingError
from torchbeam.look.look import DPI, Look, Measured


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0])
    return figure


def looked(frames: tuple[Image.Image, ...] = ()) -> Look:
    map_RC = Measured(np.arange(6.0).reshape(2, 3), ("row", "column"), "probability")
    labels = Measured(np.array([3, 1]), ("unit",), "class")
    return Look("sight", {"map": map_RC, "labels": labels}, "what is seen, fp32", drawn, frames, 0.25)


def test_numbers_come_with_their_axes_unit_and_caption():
    kept = np.load(io.BytesIO(looked().npz()), allow_pickle=False)
    assert set(kept) == {"caption", "map", "map.axes", "map.unit", "labels", "labels.axes", "labels.unit"}
    assert kept["map"].tolist() == [[0, 1, 2], [3, 4, 5]] and kept["map.axes"].tolist() == ["row", "column"]
    assert str(kept["map.unit"]) == "probability" and str(kept["caption"]) == "what is seen, fp32"


def test_the_picture_is_a_png_and_the_same_each_time():
    look = looked()
    with Image.open(io.BytesIO(look.png())) as picture:
        assert picture.format == "PNG" and picture.size == (2 * DPI, 1 * DPI)
    assert look.png() == look.png()


def test_frames_become_an_animation():
    frames = tuple(Image.new("RGB", (5, 4), colour) for colour in ("red", "green", "blue"))
    with Image.open(io.BytesIO(looked(frames).gif())) as picture:
        assert (picture.format, picture.n_frames, picture.size) == ("GIF", 3, (5, 4))
        assert picture.info["duration"] == 250 and picture.info["loop"] == 0
        picture.seek(2)
        assert picture.convert("RGB").getpixel((2, 2)) == (0, 0, 255)


def test_without_frames_there_is_nothing_to_animate():
    with pytest.raises(SettingError, match="sight has no frames to animate"):
        looked().gif()


def test_saved_are_whole_files(tmp_path):
    assert [path.name for path in looked().save(tmp_path)] == ["sight.png", "sight.npz"]
    frames = (Image.new("RGB", (5, 4)), Image.new("RGB", (5, 4), "red"))
    (tmp_path / "other").mkdir()
    paths = looked(frames).save(tmp_path / "other", "zebra")
    assert [path.name for path in paths] == ["zebra.png", "zebra.npz", "zebra.gif"]
    assert all(path.stat().st_size > 0 for path in paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "sight.npz", "sight.png"]


def test_numbers_and_names_of_axes_belong_together():
    with pytest.raises(SettingError, match="numbers and the names of their axes do not belong together") as told:
        Measured(np.zeros((2, 3)), ("row",), "pixel")
    assert told.value.expected == "2 names" and told.value.got == "row"
