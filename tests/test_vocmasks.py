"""VOC's masks of classes and of objects."""

import numpy as np
import pytest
from data_makers import drawn
from PIL import Image

from torchbeam.data.records import IGNORE, NOTHING
from torchbeam.data.regions import raster
from torchbeam.data.sources.vocmasks import CLASSES, class_masks, read_meaning, shapes
from torchbeam.errors import DataError

# What the development kit's VOClabelcolormap gives for values 0 to 7, 20 and 255.
COLOURS = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 5: (128, 0, 128),
           6: (0, 128, 128), 7: (128, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}  # fmt: skip
OBJECTS = np.zeros((18, 24), dtype=np.uint8)
OBJECTS[2:6, 3:9] = 1
OBJECTS[8:10, 3:9] = 2
OBJECTS[7, :] = 255
BOXES = {1: (3.0, 2, 9, 6), 2: (3.0, 8, 9, 10)}


def mask(root, folder, values, coloured=False, name="a"):
    (root / folder).mkdir(exist_ok=True)
    image = Image.frombytes("P", values.shape[::-1], np.ascontiguousarray(values).tobytes())
    image.putpalette([shade for value in range(256) for shade in COLOURS.get(value, (1, value, 1))])
    (image.convert("RGB") if coloured else image).save(root / folder / f"{name}.png")
    (root / "JPEGImages").mkdir(exist_ok=True)
    drawn(1).save(root / "JPEGImages" / f"{name}.jpg")
    return root


def test_there_are_no_classes_without_masks_and_without_a_list(tmp_path):
    meaning = read_meaning(tmp_path, {"cat", "dog"})
    assert (meaning.classes, meaning.notes) == ((), ())
    assert class_masks(tmp_path, [("a.jpg", "a")], meaning) == (None, [])


def test_voc_s_own_classes_have_numbers(tmp_path):
    mask(tmp_path, "SegmentationClass", OBJECTS)
    meaning = read_meaning(tmp_path, {"cat", "tvmonitor"})
    assert meaning.classes == CLASSES
    assert (len(CLASSES), CLASSES[0], CLASSES[14], CLASSES[19]) == (20, "aeroplane", "person", "tvmonitor")
    assert meaning.values == {0: NOTHING, 255: IGNORE} | {number: number for number in range(1, 21)}


def test_other_classes_need_a_list(tmp_path):
    mask(tmp_path, "SegmentationClass", OBJECTS)
    meaning = read_meaning(tmp_path, {"cat", "zebra"})
    assert meaning.classes == ()
    assert meaning.notes == (
        "the masks in SegmentationClass are left out: no labelmap.txt tells which value is which class",
    )


@pytest.mark.parametrize("coloured", [False, True])
def test_a_list_gives_order_and_colours(tmp_path, coloured):
    mask(tmp_path, "SegmentationClass", OBJECTS, coloured)
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nzebra:128,0,0::\nant:0,128,0::\n")
    meaning = read_meaning(tmp_path, {"ant"})
    assert meaning.classes == ("zebra", "ant")
    masks, faults = class_masks(tmp_path, [("JPEGImages/a.jpg", "a"), ("JPEGImages/b.jpg", "b")], meaning)
    assert faults == []
    assert masks.paths == ("SegmentationClass/a.png", "")
    expected = np.where(OBJECTS == 255, IGNORE, OBJECTS.astype(np.int32))
    assert (masks.mask(0) == expected).all()


def test_the_background_is_0_wherever_the_list_has_it(tmp_path):
    (tmp_path / "labelmap.txt").write_text("zebra:128,0,0::\nbackground:0,0,0::\nant:0,128,0::\n")
    meaning = read_meaning(tmp_path, ())
    assert (meaning.classes, meaning.values[2]) == (("zebra", "ant"), 2)
    assert meaning.colours[0] == 0 and meaning.colours[128 << 8] == 2


def test_coloured_masks_of_voc_s_own_classes(tmp_path):
    mask(tmp_path, "SegmentationClass", np.where(OBJECTS == 2, 20, OBJECTS).astype(np.uint8), coloured=True)
    meaning = read_meaning(tmp_path, {"person"})
    masks, _ = class_masks(tmp_path, [("JPEGImages/a.jpg", "a")], meaning)
    assert (masks.mask(0) == np.where(OBJECTS == 2, 20, np.where(OBJECTS == 255, -1, OBJECTS.astype(int)))).all()


def test_many_classes_have_another_void(tmp_path):
    (tmp_path / "labelmap.txt").write_text("".join(f"c{number}:0,0,{number}::\n" for number in range(255)))
    assert read_meaning(tmp_path, ()).values[255] == 255
    assert read_meaning(tmp_path, ()).values[65_535] == IGNORE


def test_a_broken_list_is_refused(tmp_path):
    (tmp_path / "labelmap.txt").write_text("a\na\n")
    with pytest.raises(DataError, match="cannot be used"):
        read_meaning(tmp_path, ())


def test_masks_of_another_size_or_damaged_are_left_out(tmp_path):
    mask(tmp_path, "SegmentationClass", OBJECTS[:9], name="a")
    mask(tmp_path, "SegmentationClass", OBJECTS.T, name="b")
    mask(tmp_path, "SegmentationClass", OBJECTS, name="c")
    (tmp_path / "SegmentationClass" / "c.png").write_bytes(b"text")
    told = [(f"JPEGImages/{name}.jpg", name) for name in "abc"]
    masks, faults = class_masks(tmp_path, told, read_meaning(tmp_path, {"cat"}))
    assert masks is None
    assert [fault.kind for fault in faults] == ["mask size", "mask size", "mask unreadable"]
    assert faults[0].reason == "SegmentationClass/a.png is 24x9, the picture 24x18; the mask is left out"
    assert "lies on its side" in faults[1].reason


@pytest.mark.parametrize("coloured", [False, True])
def test_the_shape_of_each_object(tmp_path, coloured):
    mask(tmp_path, "SegmentationObject", OBJECTS, coloured)
    found, faults = shapes(tmp_path, "JPEGImages/a.jpg", "a", BOXES)
    assert faults == []
    assert sorted(found) == [1, 2]
    for number, runs in found.items():
        assert (raster(runs, 18, 24) == (number == OBJECTS)).all()


def test_objects_without_masks_have_no_shape(tmp_path):
    assert shapes(tmp_path, "JPEGImages/a.jpg", "a", BOXES) == ({}, [])


def test_shapes_that_do_not_go_with_the_xml_are_left_out(tmp_path):
    mask(tmp_path, "SegmentationObject", OBJECTS)
    found, faults = shapes(tmp_path, "JPEGImages/a.jpg", "a", {1: (15.0, 2, 20, 6)})
    assert found == {}
    assert [(fault.path, fault.kind) for fault in faults] == [
        ("JPEGImages/a.jpg", "shape elsewhere"),
        ("JPEGImages/a.jpg", "shape without object"),
    ]


def test_damaged_shapes_are_left_out(tmp_path):
    mask(tmp_path, "SegmentationObject", OBJECTS)
    path = tmp_path / "SegmentationObject" / "a.png"
    path.write_bytes(path.read_bytes()[:-30])
    assert [fault.kind for fault in shapes(tmp_path, "JPEGImages/a.jpg", "a", BOXES)[1]] == ["mask unreadable"]
    mask(tmp_path, "SegmentationObject", OBJECTS.T)
    assert [fault.kind for fault in shapes(tmp_path, "JPEGImages/a.jpg", "a", BOXES)[1]] == ["mask size"]
