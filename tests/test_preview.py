"""data preview: pictures, boxes and masks as augmentation shows them, on one sheet."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.data_makers import class_folders, shared
from torchbeam.cli import preview as verb
from torchbeam.data.sources import shapes
from torchbeam.errors import DataError, OutputError, SettingError
from torchbeam.jobs.preview import CELL, GAP, LINE, preview


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"cat": 5, "dog": 4})


def opened(path) -> Image.Image:
    with Image.open(path) as sheet:
        sheet.load()
        return sheet


def cell(sheet: Image.Image, row: int, column: int, size: tuple[int, int], foot: int = 0) -> np.ndarray:
    """A picture on the sheet at its own size."""
    zoom = max(1, CELL // max(size))
    width, height = size[0] * zoom, size[1] * zoom
    left = GAP + column * (width + GAP)
    top = GAP + 3 * LINE + row * (height + LINE + GAP + foot)
    return np.asarray(sheet.crop((left, top, left + width, top + height)))[zoom // 2 :: zoom, zoom // 2 :: zoom]


def test_every_row_begins_with_the_picture_as_it_is(photos, tmp_path):
    out = tmp_path / "sheet.png"
    told = preview(photos, augment="flip", pictures=3, variants=4, out=out)
    sheet = opened(out)
    assert sheet.format == "PNG" and sheet.mode == "RGB"
    assert (told.size, told.variants, told.augment, told.reason) == ((24, 18), 4, "flip", "as told")
    assert len(set(told.pictures)) == 3
    assert {path.split("/")[0] for path in told.pictures[:2]} == {"cat", "dog"}  # one of each class in turn
    for row, path in enumerate(told.pictures):
        own = np.asarray(opened(photos / path))
        assert np.array_equal(cell(sheet, row, 0, (24, 18)), own)
        variants = [cell(sheet, row, column, (24, 18)) for column in range(1, 5)]
        assert all(np.array_equal(one, own) or np.array_equal(one, own[:, ::-1]) for one in variants)


def test_the_same_seed_is_the_same_sheet(photos, tmp_path):
    sheets = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / f"{number}.png"
        preview(photos, augment="shift 0.2, color 0.5", out=out, seed=seed)
        sheets.append(out.read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def test_what_suits_the_data_is_taken_where_nothing_is_said(photos, tmp_path):
    told = preview(photos, out=tmp_path / "sheet.png")
    assert told.augment == "flip, crop 2"
    assert "small colour pictures" in told.reason
    told = preview("digits", out=tmp_path / "sheet.png")
    assert told.augment == "shift 0.1, rotate 10, scale 0.1"
    assert told.size == (8, 8)
    told = preview("shapes", out=tmp_path / "sheet.png", pictures=1, variants=1)
    assert told.augment == "resizedcrop 0.35:1, flip, color 0.2"


def test_boxes_and_masks_are_drawn_on_pictures_that_are_not_mixed(tmp_path):
    source = shapes.read()
    told = preview("shapes", augment="mixup 1", pictures=2, variants=1, out=tmp_path / "sheet.png")
    sheet = opened(tmp_path / "sheet.png")
    numbers = [int(path.partition("#")[2]) for path in told.pictures]
    for row, number in enumerate(numbers):
        assert source.masks is not None
        own, mask = np.asarray(source.pictures.image(number)), source.masks.mask(number)
        drawn = (cell(sheet, row, 0, (64, 64), LINE) != own).any(2)
        assert drawn[mask > 0].mean() > 0.95  # coloured
        assert drawn.mean() < (mask > 0).mean() + 0.3  # and lines around, with names
    mixed = np.stack([cell(sheet, row, 1, (64, 64), LINE) for row in (0, 1)]).astype(float)
    first, second = (np.asarray(source.pictures.image(number)).astype(float) for number in numbers)
    for one, own, other in ((mixed[0], first, second), (mixed[1], second, first)):
        share = ((one - other) * (own - other)).sum() / ((own - other) ** 2).sum()
        assert np.abs(share * own + (1 - share) * other - one).max() < 1.5  # and nothing drawn over it
    assert told.notes == ("boxes and masks are shown only as they are: they cannot be mixed",)


def test_a_size_can_be_said_and_pictures_of_many_sizes_are_cut_to_one(tmp_path, photos):
    assert preview(photos, size="16x12", out=tmp_path / "a.png").size == (16, 12)
    Image.new("RGB", (90, 60), "red").save(photos / "cat" / "large.png")
    assert preview(photos, pictures=10, variants=1, out=tmp_path / "b.png").size == (192, 192)


def test_pictures_that_cannot_be_read_are_told_and_others_taken(photos, tmp_path):
    for path in sorted((photos / "cat").iterdir())[:4]:
        path.write_bytes(b"no picture")
    told = preview(photos, pictures=6, out=tmp_path / "sheet.png")
    assert len(told.pictures) == 5
    assert len(told.skipped) == 4
    assert "skipped" in str(told)


def test_nothing_readable_is_refused_and_no_sheet_is_left(photos, tmp_path):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"no picture at .* can be shown"):
        preview(photos, out=tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("told", [{"pictures": 0}, {"variants": 0}, {"pictures": 101}, {"variants": -1}])
def test_too_few_or_too_many_are_refused(photos, told):
    with pytest.raises(SettingError, match=f"a preview cannot have {next(iter(told.values()))} "):
        preview(photos, **told)


def test_a_sheet_too_large_is_refused_before_it_is_drawn(photos, tmp_path):
    with pytest.raises(SettingError, match="the preview would be too large"):
        preview(photos, size="4000", variants=50, out=tmp_path / "sheet.png")


def test_places_that_cannot_hold_a_sheet_are_refused(photos, tmp_path):
    with pytest.raises(SettingError, match="a preview is a PNG file"):
        preview(photos, out=tmp_path / "sheet.jpg")
    with pytest.raises(OutputError, match="cannot write"):
        preview(photos, out=tmp_path / "nowhere" / "sheet.png")
    with pytest.raises(SettingError, match="the augmentation has no word flop"):
        preview(tmp_path / "nothing", augment="flop")  # said before the place is looked at


def test_odd_names_of_classes_and_files_are_shown(tmp_path):
    class_folders(tmp_path / "odd", {"\udcff\n" + "x" * 90: 1, "日本": 1})
    assert preview(tmp_path / "odd", out=tmp_path / "sheet.png", variants=1).size == (24, 18)


def test_the_verb_prints_what_was_drawn(photos, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    verb.run(str(photos), augment="flip", pictures=2, variants=3, out=out, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["augment"], told["size"]) == (str(out), "flip", "24x18")
    assert (len(told["pictures"]), told["variants"], told["skipped"]) == (2, 3, [])
    verb.run(str(photos), augment="flip", pictures=2, variants=3, out=out)
    assert capsys.readouterr().out.endswith(f"sheet    {out}: 2 pictures of 24x18, 3 each\n")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bccd", "hymenoptera", "membrane"])
def test_real_data_is_drawn(name, tmp_path):
    told = preview(shared("data", name), pictures=2, variants=2, out=tmp_path / "sheet.png")
    assert len(told.pictures) == 2
    assert opened(tmp_path / "sheet.png").size[1] > 200
