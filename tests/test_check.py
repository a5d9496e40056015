"""check, over a whole source: the 20 planted faults and more, each by its own kind."""

import numpy as np
import pytest
from check_makers import CLEAN, boxed, facts_of, faulty, masked, scene, scenes, untouched
from data_makers import shared

from torchbeam.data.check import check, classes_shown, exclusions, look_at_masks
from torchbeam.data.checks.finding import SEVERITIES
from torchbeam.data.find import find
from torchbeam.data.look import look
from torchbeam.data.records import NOTHING, Record, Source, boxes
from torchbeam.errors import PictureError


def checked(place, tmp_path):
    source = find(place, False)
    return source, check(source, *look(source, tmp_path / "cache"))


@pytest.fixture(scope="module")
def set_with_faults(tmp_path_factory):
    root = tmp_path_factory.mktemp("faulty")
    planted = faulty(root / "data")
    before = untouched(root / "data")
    source, findings = checked(root / "data", root)
    return root, planted, source, findings, before


def test_every_planted_fault_is_found_by_its_own_kind(set_with_faults):
    _, planted, _, findings, _ = set_with_faults
    assert len(planted) == 25
    assert {finding.kind for finding in findings} == planted
    assert len(findings) == len(planted)


def test_the_pictures_named_are_the_planted_ones(set_with_faults):
    paths = {finding.kind: finding.paths for finding in set_with_faults[3]}
    for kind, told in {
        "cut off": ("train/cat/a.jpg",),
        "unreadable": ("train/cat/b.jpg",),
        "wrong extension": ("train/cat/c.jpg",),
        "tiny": ("train/cat/d.png",),
        "rotated by EXIF": ("train/dog/a.jpg",),
        "deeper than 8 bits": ("train/dog/b.png",),
        "grey": ("train/dog/b.png", "train/dog/c.png"),
        "transparent": ("train/dog/d.png",),
        "CMYK": ("train/horse/a.jpg",),
        "animated": ("train/horse/b.gif",),
        "blank": ("train/horse/c.png",),
        "copies": ("train/cat/00.jpg", "train/cat/copy.jpg"),
        "label conflict": ("train/cat/01.jpg", "train/dog/copy.jpg"),
        "leak": ("train/cat/02.jpg", "test/cat/copy.jpg"),
        "near copies": ("train/cat/03.jpg", "train/cat/near.png"),
        "near label conflict": ("train/cat/04.jpg", "train/dog/near.png"),
        "near leak": ("train/cat/05.jpg", "test/cat/near.jpg"),
        "class names alike": ("train/Horse /00.jpg", "train/horse/00.jpg"),
        "class not in train": ("test/bird/00.jpg",),
        "few pictures": ("train/cow/00.jpg",),
        "other format": ("train/cat/phone.heic",),
        "not labelled": ("train/loose.png",),
        "no picture": ("train/cat/Thumbs.db",),
    }.items():
        assert paths[kind] == told, kind


def test_the_worst_comes_first(set_with_faults):
    order = [SEVERITIES.index(finding.severity) for finding in set_with_faults[3]]
    assert order == sorted(order) and set(order) == {0, 1, 2}


def test_nothing_in_the_folder_changes(set_with_faults):
    root, _, _, _, before = set_with_faults
    assert untouched(root / "data") == before


def test_what_is_better_left_out(set_with_faults):
    assert exclusions(set_with_faults[3]) == {
        "train/cat/a.jpg": "cut off: train/cat/a.jpg is damaged or cut off (its end is missing)",
        "train/cat/b.jpg": "unreadable: train/cat/b.jpg is not a picture (text)",
        "train/cat/01.jpg": "label conflict with train/dog/copy.jpg",
        "train/dog/copy.jpg": "label conflict with train/cat/01.jpg",
        "train/cat/02.jpg": "copy of test/cat/copy.jpg",
        "train/cat/copy.jpg": "copy of train/cat/00.jpg",
        "train/cat/04.jpg": "near label conflict with train/dog/near.png",
        "train/dog/near.png": "near label conflict with train/cat/04.jpg",
        "train/cat/05.jpg": "near copy of test/cat/near.jpg",
        "train/horse/c.png": "blank",
    }


def test_a_clean_set_is_clean(tmp_path):
    assert checked(scenes(tmp_path / "data", CLEAN), tmp_path)[1] == ()


def test_faults_of_boxes_are_found(tmp_path):
    planted = boxed(tmp_path / "data")
    _, findings = checked(tmp_path / "data", tmp_path)
    assert {finding.kind for finding in findings} == planted
    assert exclusions(findings).keys() == {"gone.jpg"}


def test_faults_of_masks_are_found(tmp_path):
    planted = masked(tmp_path / "data")
    _, findings = checked(tmp_path / "data", tmp_path)
    assert {finding.kind for finding in findings} == planted | {"few pictures"}


class Held:
    """Masks in memory."""

    def __init__(self, *masks):
        self.masks = masks

    def mask(self, index):
        if isinstance(self.masks[index], str):
            raise PictureError(self.masks[index])
        return self.masks[index]


def test_masks_are_read_once_and_told_of():
    facts = dict(enumerate(facts_of(*(scene(number, (40, 30)) for number in range(4)))))
    nothing, second, small = (
        np.full(shape, value, np.int32) for shape, value in (((30, 40), NOTHING), ((30, 40), 2), ((4, 5), 1))
    )
    masks = nothing, second, "9 names no class", small
    records = tuple(Record(f"{number}.png", -1, masked=True) for number in range(4))
    source = Source("masks", "", None, ("a", "b"), records, None, masks=Held(*masks))
    seen = look_at_masks(source, facts)
    assert seen.classes == {0: frozenset(), 1: frozenset({1}), 3: frozenset({0})}
    assert seen.unusable == {2: "9 names no class"}
    assert seen.wrong_size == {3: "a mask of 5x4 for a picture of 40x30"}
    findings = {finding.kind: finding for finding in check(source, facts, ())}
    assert findings["mask unusable"].paths == ("2.png",)
    assert findings["mask size"].leave_out == (("3.png", "a mask of 5x4 for a picture of 40x30"),)


def test_a_picture_shows_what_its_label_and_its_boxes_name():
    facts = dict(enumerate(facts_of(scene(0), scene(1))))
    told = boxes([[0, 0, 5, 5], [1, 1, 4, 4]], [2, 1])
    records = (Record("0.png", 0), Record("1.png", -1, boxes=told))
    source = Source("csv", "", None, ("a", "b", "c"), records, None)
    assert classes_shown(source, facts, look_at_masks(source, facts)) == {0: frozenset({0}), 1: frozenset({1, 2})}


@pytest.mark.shared
def test_real_dirt_is_found(tmp_path):
    _, findings = checked(shared("data", "hymenoptera"), tmp_path)
    kinds = {finding.kind: finding.paths for finding in findings}
    assert kinds["placeholder"] == ("train/ants/imageNotFound.gif",)
    assert not kinds.keys() & {"leak", "near leak", "copies", "near copies", "label conflict"}


@pytest.mark.shared
def test_the_two_boxes_of_bccd_without_an_area_are_found(tmp_path):
    _, findings = checked(shared("data", "bccd"), tmp_path)
    assert [(finding.kind, finding.severity) for finding in findings] == [
        ("box empty", "error"),
        ("near leak", "warning"),
    ]
    assert findings[0].paths == ("JPEGImages/BloodImage_00338.jpg", "JPEGImages/BloodImage_00343.jpg")
