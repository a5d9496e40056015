"""Folders of pictures and of masks beside them."""

from collections import Counter

import numpy as np
import pytest
from data_makers import class_folders, drawn, shared
from PIL import Image

from torchbeam.data.records import IGNORE, NOTHING, UNLABELLED, Fault
from torchbeam.data.sources.masks import here, read
from torchbeam.errors import DataError, PictureError

SIZE = (24, 18)


def pair(root, name, values=(0, 255), pictures="images", masks="masks", ending=".png", size=SIZE):
    """A picture, and a mask that holds those values in bands."""
    for folder in (pictures, masks):
        (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
    drawn(sum(map(ord, name)), SIZE).save(root / pictures / f"{name}.png")
    bands = np.resize(np.array(values), size[0])
    Image.fromarray(np.tile(bands, (size[1], 1)).astype(np.uint8)).save(root / masks / f"{name}{ending}")


@pytest.mark.parametrize(
    ("pictures", "masks", "ending"),
    [
        ("images", "masks", ".png"),
        ("image", "label", ".tif"),
        ("imgs", "gt", "_gt.png"),
        ("JPEGImages", "SegmentationClass", ".png"),
        ("img", "Annotations", "_mask.bmp"),
    ],
)
def test_pictures_and_masks_are_found_by_the_names_of_their_folders(tmp_path, pictures, masks, ending):
    for name in ("1", "2", "10"):
        pair(tmp_path, name, pictures=pictures, masks=masks, ending=ending)
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root, source.classes) == ("masks", "here", tmp_path, ("foreground",))
    assert [record.path for record in source.records] == [f"{pictures}/{name}.png" for name in ("1", "2", "10")]
    assert {(record.label, record.part, record.masked) for record in source.records} == {(UNLABELLED, "", True)}
    assert source.records[0].boxes is None
    assert source.faults == () and source.notes == ()
    assert source.masks.mask(2).tolist() == [[0, 1] * 12] * 18
    assert source.pictures.image(2).tobytes() == drawn(ord("1") + ord("0")).tobytes()


@pytest.mark.parametrize("layout", ["{kind}/{part}/deep/{name}", "{part}/{kind}/{name}"])
def test_parts_lie_above_or_below(tmp_path, layout):
    for part, count in (("train", 3), ("valid", 2), ("test", 1)):
        for number in range(count):
            place = layout.format(kind="images", part=part, name=number)
            pair(tmp_path, place.split("images/")[1], pictures=place.split("images/")[0] + "images",
                 masks=place.split("images/")[0] + "masks")  # fmt: skip
    source = read(tmp_path, "here")
    assert Counter(record.part for record in source.records) == {"train": 3, "val": 2, "test": 1}
    assert [record.part for record in source.records] == ["train"] * 3 + ["val"] * 2 + ["test"]
    assert all(record.masked for record in source.records) and source.faults == ()


def test_voc_s_lists_tell_the_parts_where_it_has_no_xml(tmp_path):
    for name in "abc":
        pair(tmp_path, name, pictures="JPEGImages", masks="SegmentationClass")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\n")
    assert [record.part for record in read(tmp_path, "here").records] == ["train", "train", "val"]


# What values mean


@pytest.mark.parametrize(
    ("values", "names", "classes", "means"),
    [
        ((0, 1), None, ("foreground",), {0: NOTHING, 1: 1}),
        ((0, 255), None, ("foreground",), {0: NOTHING, 255: 1}),
        ((0, 3, 7, 10), None, ("3", "7", "10"), {0: NOTHING, 3: 1, 7: 2, 10: 3}),
        ((0, 128, 255), None, ("128", "255"), {0: NOTHING, 128: 1, 255: 2}),
        ((0, 1, 2, 255), None, ("1", "2"), {0: NOTHING, 1: 1, 2: 2, 255: IGNORE}),
        ((0, 1), "background cell", ("cell",), {0: NOTHING, 1: 1}),
        ((0, 255), "background cell", ("cell",), {0: NOTHING, 255: 1}),
        ((0, 255), "cell", ("cell",), {0: NOTHING, 255: 1}),
        ((0, 1), "cell", ("cell",), {0: NOTHING, 1: 1}),
        ((0, 1, 2), "_background_ cell wall", ("cell", "wall"), {0: NOTHING, 1: 1, 2: 2}),
        ((0, 1, 255), "Unlabeled cell wall", ("cell", "wall"), {0: NOTHING, 1: 1, 255: IGNORE}),
        ((0, 1), "floor wall door", ("floor", "wall", "door"), {0: 1, 1: 2}),
        ((0, 1, 255), "floor wall", ("floor", "wall"), {0: 1, 1: 2, 255: IGNORE}),
        ((0, 1, 2), "cell wall", ("cell", "wall"), {0: NOTHING, 1: 1, 2: 2}),
    ],
)
def test_what_values_mean(tmp_path, values, names, classes, means):
    pair(tmp_path, "1", values)
    if names:
        (tmp_path / "classes.txt").write_text(names.replace(" ", "\n"))
    source = read(tmp_path, "here")
    assert source.classes == classes
    assert source.masks.mask(0)[0].tolist() == [means[value] for value in np.resize(values, 24).tolist()]


def test_what_is_taken_for_granted_is_told(tmp_path):
    pair(tmp_path, "1", (0, 1, 2, 255))
    assert read(tmp_path, "here").notes == (
        "255 in the masks is taken for a pixel that nobody is judged by; classes.txt can name it",
    )
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert read(tmp_path, "here").notes == (
        "the list of classes names 2 values above 0, which is taken for nothing",
        "255 in the masks is a pixel that nobody is judged by",
    )
    (tmp_path / "classes.txt").write_text("background\na\nb\nc\n")
    assert read(tmp_path, "here").notes[1:] == ("no picture shows: c",)


def test_a_label_map_tells_colours(tmp_path):
    pair(tmp_path, "1")
    shades = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255], [224, 224, 192]], dtype=np.uint8)
    Image.fromarray(np.resize(shades, (18, 24, 3))).save(tmp_path / "masks" / "1.png")
    lines = ("# label:color_rgb:parts:actions", "background:0,0,0::", "cat:250,50,83::", "dog:51,221,255::")
    (tmp_path / "labelmap.txt").write_text("\n".join(lines))
    source = read(tmp_path, "here")
    assert source.classes == ("cat", "dog")
    assert source.masks.mask(0)[0].tolist() == [0, 1, 2, IGNORE] * 6


def test_values_that_the_list_does_not_name_are_refused(tmp_path):
    pair(tmp_path, "1", (0, 1, 9))
    (tmp_path / "classes.txt").write_text("background\ncell\n")
    with pytest.raises(DataError, match="have values that the list of classes does not name") as caught:
        read(tmp_path, "here")
    assert (caught.value.expected, caught.value.got) == ("0 to 1, one for each line", "9")


def test_a_list_of_nothing_but_background_is_refused(tmp_path):
    pair(tmp_path, "1")
    (tmp_path / "classes.txt").write_text("background\n")
    with pytest.raises(DataError, match="names none but the background"):
        read(tmp_path, "here")


def test_masks_that_hold_nothing_are_refused(tmp_path):
    pair(tmp_path, "1", (0,))
    with pytest.raises(DataError, match=r"^the masks in .* hold nothing"):
        read(tmp_path, "here")


def test_shades_are_no_classes(tmp_path):
    pair(tmp_path, "1", range(240), size=(240, 4))
    with pytest.raises(DataError, match="hold 239 values that nothing names") as caught:
        read(tmp_path, "here")
    assert "threshold" in caught.value.remedy


def test_masks_none_of_which_can_be_read_are_refused(tmp_path):
    pair(tmp_path, "1")
    drawn(3).save(tmp_path / "masks" / "1.png")
    with pytest.raises(DataError, match=r"^no mask in .* can be read") as caught:
        read(tmp_path, "here")
    assert "nothing says what they mean" in caught.value.got


# Parts and classes


def parted(tmp_path, **values):
    for part, held in values.items():
        pair(tmp_path / part, "1", held)
    return tmp_path


def test_a_class_that_only_another_part_knows_is_refused_to_learn(tmp_path):
    parted(tmp_path, train=(0, 1, 2), val=(0, 3))
    with pytest.raises(DataError, match=r"^the val part has classes that the train part does not know") as caught:
        read(tmp_path, "here")
    assert (caught.value.expected, caught.value.got) == ("1, 2", "3")
    assert read(tmp_path, "here", to_learn=False).classes == ("1", "2", "3")


def test_a_list_knows_its_classes_beforehand(tmp_path):
    parted(tmp_path, train=(0, 1, 2), val=(0, 3))
    (tmp_path / "classes.txt").write_text("background\na\nb\nc\n")
    source = read(tmp_path, "here")
    assert source.classes == ("a", "b", "c")
    assert source.notes == ("the train part has no pictures of: c", "the val part has no pictures of: a, b")


def test_a_test_part_alone_cannot_be_learnt_from(tmp_path):
    parted(tmp_path, test=(0, 1))
    with pytest.raises(DataError, match="has pictures of test, and none to learn from"):
        read(tmp_path, "here")
    assert len(read(tmp_path, "here", to_learn=False).records) == 1


# Faults


def test_pictures_and_masks_that_miss_each_other_are_told(tmp_path):
    for name in "abcd":
        pair(tmp_path, name)
    (tmp_path / "masks" / "a.png").unlink()
    (tmp_path / "images" / "b.png").unlink()
    pair(tmp_path, "c", size=(10, 10))
    (tmp_path / "masks" / "d.png").write_bytes(b"text")
    pair(tmp_path, "e")
    source = read(tmp_path, "here")
    assert {(record.path, record.masked) for record in source.records} == {
        ("images/a.png", False),
        ("images/c.png", False),
        ("images/d.png", False),
        ("images/e.png", True),
    }
    assert set(source.faults[:3]) == {
        Fault("images/a.png", "mask missing", "no mask of its name in masks"),
        Fault("masks/b.png", "picture missing", "a mask without a picture; left out"),
        Fault("images/c.png", "mask size", "a mask of 10x10 for a picture of 24x18; the mask is left out"),
    }
    assert [(fault.path, fault.kind) for fault in source.faults[3:]] == [("images/d.png", "mask unreadable")]
    with pytest.raises(PictureError, match=r"^picture 0 has no mask"):
        source.masks.mask(0)


def test_a_mask_of_a_picture_that_lies_on_its_side_is_told(tmp_path):
    pair(tmp_path, "1")
    pair(tmp_path, "2")
    exif = Image.Exif()
    exif[274] = 8
    drawn(1).save(tmp_path / "images" / "1.png", exif=exif)
    (fault,) = read(tmp_path, "here").faults
    assert fault.kind == "mask size"
    assert "the picture lies on its side by its EXIF" in fault.reason


def test_a_damaged_picture_keeps_its_mask_until_it_is_read(tmp_path):
    pair(tmp_path, "1")
    (tmp_path / "images" / "1.png").write_bytes(b"no picture")
    source = read(tmp_path, "here")
    assert source.records[0].masked and source.faults == ()


# What is not taken for masks


def test_class_folders_are_not(tmp_path):
    class_folders(tmp_path, {"cat": 3, "dog": 3})
    assert not here(tmp_path)


def test_classes_named_like_them_are_not_unless_their_pictures_go_together(tmp_path):
    class_folders(tmp_path, {"images": 4})
    (tmp_path / "labels").mkdir()
    for number in range(4):
        drawn(number).save(tmp_path / "labels" / f"other-{number}.png")
    assert not here(tmp_path)


def test_labels_as_text_are_not(tmp_path):
    class_folders(tmp_path, {"images": 2, "labels": 0})
    (tmp_path / "labels" / "0.txt").write_text("0 0.5 0.5 1 1")
    assert not here(tmp_path)
    assert not here(tmp_path / "images" / "0.png")


@pytest.mark.shared
@pytest.mark.parametrize(("below", "part"), [("", "train"), ("train", "")])
def test_the_membranes(below, part):
    place = shared("data", "membrane", "data", "membrane") / below
    assert here(place)
    source = read(place, str(place))
    assert (len(source.records), source.classes, source.faults) == (30, ("foreground",), ())
    assert {(record.part, record.masked) for record in source.records} == {(part, True)}
    stored = np.asarray(Image.open(place / source.masks.paths[7]))
    assert (source.masks.mask(7) == (stored == 255)).all()
    assert source.masks.mask(7).shape == (512, 512)


@pytest.mark.shared
def test_the_blood_cells_are_not_masks():
    assert not here(shared("data", "bccd", "BCCD"))
