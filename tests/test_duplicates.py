"""Copies and near copies."""

import io
import random
import zipfile

import numpy as np
import pytest
from check_makers import NEARLY, facts_of, scene
from data_makers import encoded, shared
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from torchbeam.data import duplicates
from torchbeam.data.duplicates import clusters, copies, groups
from torchbeam.data.facts import Facts, examine, examine_pixels
from torchbeam.data.sources.mnist import read_idx

SCENES = [scene(number) for number in range(40)]
TOLD = facts_of(*SCENES)


def test_different_pictures_are_no_copies():
    assert clusters(TOLD) == []
    assert groups(TOLD) == tuple(range(40))


def test_nothing_and_one_picture_have_no_copies():
    assert groups([]) == () and clusters(TOLD[:1]) == [] and copies([]) == []


def test_exact_copies_are_told_by_content():
    facts = [TOLD[0], TOLD[1], TOLD[0], TOLD[2], TOLD[1], TOLD[0]]
    assert copies(facts) == [[0, 2, 5], [1, 4]]
    assert groups(facts) == (0, 1, 0, 3, 1, 0)


@pytest.mark.parametrize("how", NEARLY)
def test_a_near_copy_is_found_among_others(how):
    found = [groups([*TOLD, examine(NEARLY[how](SCENES[number]), how)])[-1] == number for number in range(12)]
    # Of what is cut off at the sides, some pictures are no longer like themselves at 8x8.
    assert sum(found) >= (11 if "cut" in how else 12)


def test_all_kinds_of_near_copies_at_once_are_one_group():
    near = facts_of(*(make(SCENES[7]) for make in NEARLY.values()))
    assert clusters([*TOLD, *near]) == [[7, *range(40, 40 + len(near))]]


@settings(max_examples=15, deadline=None)
@given(st.randoms())
def test_the_order_of_the_pictures_plays_no_part(chance: random.Random):
    facts = [*TOLD, *facts_of(*(make(SCENES[number]) for number, make in enumerate(NEARLY.values())))]
    expected = {frozenset(facts[index].digest for index in group) for group in clusters(facts)}
    order = list(range(len(facts)))
    chance.shuffle(order)
    shuffled = [facts[index] for index in order]
    assert {frozenset(shuffled[index].digest for index in group) for group in clusters(shuffled)} == expected
    assert len(expected) >= 6


def test_a_group_is_named_by_its_first_picture():
    near = facts_of(NEARLY["grey"](SCENES[3]), NEARLY["brightened"](SCENES[3]))
    assert groups([near[0], *TOLD, near[1]])[4] == 0
    assert groups([near[0], *TOLD, near[1]])[-1] == 0


# What merely looks alike


def test_flat_pictures_are_copies_only_where_they_are_the_same():
    flat = [Image.new("RGB", (64, 64), (shade, shade, shade)) for shade in range(60)]
    assert clusters(facts_of(*flat)) == []


def test_the_same_shape_in_another_colour_is_no_copy():
    def shirt(colour: tuple[int, int, int]) -> Image.Image:
        picture = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(picture).polygon([(8, 12), (56, 12), (50, 28), (44, 60), (20, 60), (14, 28)], fill=colour)
        return picture

    red, blue = (200, 40, 40), (40, 62, 220)
    assert clusters(facts_of(*SCENES[:10], shirt(red), shirt(blue))) == []
    assert clusters(facts_of(*SCENES[:10], shirt(red), shirt((205, 48, 44)))) == [[10, 11]]


def test_pictures_smaller_than_a_thumbnail_deserves_are_compared_exactly_alone():
    small = [scene(number, (28, 28)) for number in range(5)]
    assert clusters(facts_of(*small, *(encoded(one, "JPEG", quality=60) for one in small))) == []
    assert clusters(facts_of(*small, small[2])) == [[2, 5]]


def portraits(count: int) -> list[Facts]:
    """Pictures of one kind that differ in a few ways only, as portraits or X-rays do."""
    chance = np.random.default_rng(0)
    down, across = np.mgrid[0:48, 0:48] / 48
    facts = []
    for _ in range(count):
        x, y, wide, high = chance.normal((0.5, 0.5, 0.25, 0.3), 0.03)
        face = (
            40 + 170 * np.exp(-(((across - x) / wide) ** 2) - ((down - y) / high) ** 2) + chance.normal(0, 3, (48, 48))
        )
        facts.append(examine_pixels(face.clip(0, 255).astype(np.uint8)))
    return facts


def test_pictures_of_one_kind_do_not_chain():
    alike = portraits(300)
    together = [len(group) for group in clusters(alike)]
    assert sum(together) <= 12 and max(together, default=0) <= 3


def test_a_camera_that_stands_still_gives_copies_however_many_there_are():
    chance = np.random.default_rng(1)
    still = np.asarray(SCENES[0]).astype(float)
    frames = [
        examine_pixels((still + chance.normal(0, 2, still.shape)).clip(0, 255).astype(np.uint8)) for _ in range(200)
    ]
    assert clusters([*TOLD[1:], *frames]) == [list(range(39, 239))]


def test_the_tree_finds_what_comparing_all_finds(monkeypatch):
    chance = np.random.default_rng(2)
    light = chance.normal(size=(3000, 64))
    light[1500:] = light[:1500] + 0.15 * chance.normal(size=(1500, 64))
    light -= light.mean(axis=1, keepdims=True)
    units = (light / np.linalg.norm(light, axis=1, keepdims=True)).astype(np.float32)
    monkeypatch.setattr(duplicates, "LEAF", 300)
    monkeypatch.setattr(duplicates, "BRANCHES", 16)
    who, far = duplicates._neighbours(units)
    assert (who[:1500, 0] == np.arange(1500, 3000)).mean() > 0.97
    np.testing.assert_allclose(far[:10, 0], 1 - (units[:10] * units[1500:1510]).sum(axis=1), atol=1e-6)


def test_a_tree_of_pictures_that_are_nearly_all_alike_ends(monkeypatch):
    monkeypatch.setattr(duplicates, "LEAF", 50)
    units = np.repeat(np.eye(1, 64, dtype=np.float32), 400, axis=0)
    cells = list(duplicates._cells(units, np.arange(400)))
    assert set(np.concatenate(cells).tolist()) == set(range(400))
    assert all(len(cell) <= 50 for cell in cells)


# Real pictures


@pytest.mark.shared
def test_blood_cells_are_different_but_for_one_photographed_twice():
    folder = shared("data", "bccd", "BCCD", "JPEGImages")
    paths = sorted(folder.iterdir())[:120]
    facts = [examine(path.read_bytes(), path.name) for path in paths]
    found = [[paths[index].stem for index in group] for group in clusters(facts)]
    assert found == [["BloodImage_00037", "BloodImage_00038"]]  # the same cells, focused anew


@pytest.mark.shared
def test_handwritten_digits_are_no_copies_of_one_another():
    pixels = read_idx(shared("data", "mnist", "t10k-images-idx3-ubyte.gz"))[:1500]
    assert clusters([examine_pixels(one) for one in pixels]) == []
    wide = np.pad(pixels, ((0, 0), (2, 2), (2, 2)))  # as LeNet takes them: large enough to be compared
    together = [len(group) for group in clusters([examine_pixels(one) for one in wide])]
    assert sum(together) <= 30 and max(together) == 2  # a pair here and there, but no chains


@pytest.mark.shared
def test_near_copies_known_in_cifar_10_are_found():
    known = [
        ("train/airplane/0151.jpg", "test/airplane/0831.jpg"),
        ("train/airplane/0532.jpg", "test/airplane/0588.jpg"),
    ]
    with zipfile.ZipFile(shared("data", "cifar10-jpeg.zip")) as archive:
        names = [name for name in archive.namelist() if name.startswith("test/airplane/") and name.endswith(".jpg")]
        names += [train for train, _ in known]
        facts = [examine(archive.read(name), name) for name in names]
    found = [{names[index] for index in group} for group in clusters(facts)]
    assert all(any({*pair} <= group for group in found) for pair in known)
    assert len(found) < 25


@pytest.mark.shared
def test_photographs_saved_again_are_found_and_no_others():
    folder = shared("data", "imagenet-samples")
    paths = sorted(folder.glob("*.JPEG"))
    pictures = [Image.open(io.BytesIO(path.read_bytes())).convert("RGB") for path in paths[:24]]
    facts = facts_of(*(path.read_bytes() for path in paths), *(encoded(one, "JPEG", quality=30) for one in pictures))
    assert clusters(facts) == [[number, 50 + number] for number in range(24)]
