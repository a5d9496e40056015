"""Findings on single pictures, where their limits lie."""

import os

import pytest
from check_makers import scene
from data_makers import encoded
from PIL import Image

from torchbeam.data.checks.looks import looks
from torchbeam.data.find import find
from torchbeam.data.look import look


def found(root, tmp_path):
    source = find(root, False)
    return {finding.kind: finding for finding in looks(source, *look(source, tmp_path / "cache"))}


def folder(root, pictures):
    for number, (name, content) in enumerate(pictures.items()):
        path = root / ("a" if number % 2 else "b") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def usual(count=6, size=(40, 40)):
    return {f"{number}.png": encoded(scene(number, size)) for number in range(count)}


@pytest.mark.parametrize(("form", "ending"), [("JPEG", "jpg"), ("PNG", "png"), ("GIF", "gif"), ("BMP", "bmp")])
def test_each_format_is_told_to_be_cut_off(tmp_path, form, ending):
    whole = encoded(scene(1), form)
    root = folder(tmp_path / "data", usual() | {f"x.{ending}": whole[: len(whole) * 2 // 3]})
    assert found(root, tmp_path).keys() == {"cut off"}


def test_damage_in_the_middle_is_no_cut(tmp_path):
    whole = bytearray(encoded(scene(1)))
    whole[len(whole) // 2] ^= 255
    told = found(folder(tmp_path / "data", usual() | {"x.png": bytes(whole)}), tmp_path)
    assert told.keys() == {"unreadable"}
    assert "wrong check sum" in told["unreadable"].details[0] or "damaged" in told["unreadable"].details[0]


def test_an_empty_file_and_a_link_to_nothing_are_told_apart(tmp_path):
    root = folder(tmp_path / "data", usual() | {"x.png": b""})
    assert found(root, tmp_path)["unreadable"].details[0].endswith("is not a picture (an empty file)")


def test_small_pictures_are_tiny_only_among_larger_ones(tmp_path):
    small = {f"s{number}.png": encoded(scene(number, (15, 40))) for number in range(3)}
    assert "tiny" not in found(folder(tmp_path / "all", small | usual(2)), tmp_path)
    assert len(found(folder(tmp_path / "few", small | usual(9)), tmp_path)["tiny"].paths) == 3


def test_the_fewer_of_grey_and_colour_are_told(tmp_path):
    grey = {f"g{number}.png": encoded(scene(number, (40, 40)).convert("L")) for number in range(9)}
    assert found(folder(tmp_path / "data", grey | usual(2)), tmp_path)["colour"].severity == "note"
    assert not found(folder(tmp_path / "grey", grey), tmp_path)


def test_a_dark_picture_is_not_blank(tmp_path):
    dark = scene(3, (40, 40)).point(lambda shade: shade // 16)
    told = found(folder(tmp_path / "data", usual() | {"d.png": encoded(dark)}), tmp_path)
    assert not told
    black = encoded(Image.new("L", (40, 40)))
    assert "blank" in found(folder(tmp_path / "black", usual() | {"d.png": black}), tmp_path)


def test_endings_of_one_format_are_all_right(tmp_path):
    jpeg = encoded(scene(1), "JPEG")
    root = folder(tmp_path / "data", {"a.jpg": jpeg, "b.JPEG": encoded(scene(2), "JPEG"), "c.jpe": jpeg})
    assert not found(root, tmp_path)
    told = found(folder(tmp_path / "odd", usual() | {"a.bmp": jpeg}), tmp_path)
    assert told["wrong extension"].details == ("holds JPEG",)


def test_names_that_are_no_text_are_told(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    told = found(folder(tmp_path / "data", usual() | {name: b"nothing"}), tmp_path)
    assert told["unreadable"].paths[0].endswith(name)
