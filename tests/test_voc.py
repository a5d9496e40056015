"""Pascal VOC sets, and what labelling tools make of the format."""

from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from data_makers import class_folders, drawn, shared
from PIL import Image

from torchbeam.data.records import UNLABELLED, Fault
from torchbeam.data.regions import raster
from torchbeam.data.sources.voc import here, read
from torchbeam.errors import DataError

OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult>"
    "<bndbox><xmax>{}</xmax><xmin>{}</xmin><ymin>{}</ymin><ymax>{}</ymax></bndbox></object>"
)


def thing(name="cat", xmin=1, ymin=1, xmax=24, ymax=18, difficult=0):
    return OBJECT.format(name, difficult, xmax, xmin, ymin, ymax)


def annotated(root, stem, *things, size=(24, 18), filename=None, folder="Annotations", pictures="JPEGImages"):
    for each in (folder, pictures):
        (root / each).mkdir(parents=True, exist_ok=True)
    drawn(sum(map(ord, stem))).save(root / pictures / f"{stem}.jpg")
    sized = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    name = f"{stem}.jpg" if filename is None else filename
    text = f"<annotation><filename>{name}</filename>{sized}{''.join(things)}</annotation>"
    (root / folder / f"{stem}.xml").write_text(text)
    return root


def listed(root, **lists):
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name, stems in lists.items():
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(stems))


def test_whole_pixels_from_1_become_edges_from_0(tmp_path):
    annotated(tmp_path, "a", thing("dog"), thing("cat", 3, 4, 3, 5, difficult=1), thing("cat", 2.5, 2.5, 7.25, 9))
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root, source.classes) == ("voc", "here", tmp_path, ("cat", "dog"))
    (record,) = source.records
    assert (record.path, record.label, record.part, record.masked) == ("JPEGImages/a.jpg", UNLABELLED, "", False)
    assert record.boxes.xyxy_N4.tolist() == [[0, 0, 24, 18], [2, 3, 3, 5], [1.5, 1.5, 7.25, 9]]
    assert record.boxes.labels_N.tolist() == [1, 0, 0]
    assert record.boxes.difficult_N.tolist() == [False, True, False]
    assert not record.boxes.crowd_N.any()
    assert source.faults == () and source.notes == () and source.masks is None
    assert source.pictures.image(0).size == (24, 18)


def test_lists_tell_the_parts_and_a_picture_in_none_has_none(tmp_path):
    for stem in ("a10", "a9", "b", "c"):
        annotated(tmp_path, stem, thing())
    listed(tmp_path, train=["a10"], val=["a9"], test=["b"], cat_train=["c"])
    assert [(record.path[11:], record.part) for record in read(tmp_path, "here").records] == [
        ("a9.jpg", "val"),
        ("a10.jpg", "train"),
        ("b.jpg", "test"),
        ("c.jpg", ""),
    ]


def test_a_picture_that_shows_nothing_stays(tmp_path):
    annotated(tmp_path, "a", thing())
    annotated(tmp_path, "b")
    assert [len(record.boxes) for record in read(tmp_path, "here").records] == [1, 0]


def test_xml_beside_pictures_in_folders_of_parts(tmp_path):
    for part, stem in (("train", "a"), ("train", "b"), ("valid", "c")):
        annotated(tmp_path, stem, thing(), folder=part, pictures=part)
    assert here(tmp_path)
    records = read(tmp_path, "here").records
    assert {(record.path, record.part) for record in records} == {
        ("train/a.jpg", "train"), ("train/b.jpg", "train"), ("valid/c.jpg", "val"),
    }  # fmt: skip
    assert here(tmp_path / "train")
    assert [record.path for record in read(tmp_path / "train", "here").records] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("pictures", ["images", "PNGImages", "."])
def test_pictures_lie_where_tools_put_them(tmp_path, pictures):
    annotated(tmp_path, "a", thing(), pictures=pictures)
    source = read(tmp_path, "here")
    assert source.records[0].path == ("a.jpg" if pictures == "." else f"{pictures}/a.jpg")
    assert source.faults == ()


def test_folders_inside(tmp_path):
    for inner in ("x", "y"):
        annotated(tmp_path, "a", thing(), folder=f"Annotations/{inner}", pictures=f"JPEGImages/{inner}")
    listed(tmp_path, train=["x/a"], val=["y/a"])
    assert [(record.path, record.part) for record in read(tmp_path, "here").records] == [
        ("JPEGImages/x/a.jpg", "train"),
        ("JPEGImages/y/a.jpg", "val"),
    ]


# Dirt


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        ((5, 5, 5, 5), "box empty"),
        ((9, 2, 8, 5), "box inverted"),
        ((2, 9, 5, 3), "box inverted"),
        ((60, 2, 70, 5), "box outside"),
        (("nan", 2, 70, 5), "box not a number"),
    ],
)
def test_boxes_that_are_none_are_set_aside(tmp_path, ends, kind):
    annotated(tmp_path, "a", thing(), thing("cat", *ends))
    source = read(tmp_path, "here")
    assert [fault.kind for fault in source.faults] == [kind]
    assert len(source.records[0].boxes) == 1


def test_a_box_counted_from_0_is_cut_without_a_word(tmp_path):
    annotated(tmp_path, "a", thing("cat", 0, 0, 24, 18))
    source = read(tmp_path, "here")
    assert source.records[0].boxes.xyxy_N4.tolist() == [[0, 0, 24, 18]] and source.faults == ()


def test_objects_that_lack_something_are_set_aside(tmp_path):
    annotated(tmp_path, "a", thing(), thing(" "), thing("cat", "x"), "<object><name>dog</name></object>")
    source = read(tmp_path, "here")
    assert source.classes == ("cat",)
    assert [fault.reason for fault in source.faults] == [
        "object 2 has no name; set aside",
        "object 3 has no box of four numbers; set aside",
        "object 4 has no box of four numbers; set aside",
    ]


@pytest.mark.parametrize("text", ["", "<annotation>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>&b;</annotation>"])
def test_xml_that_cannot_be_read_leaves_its_picture_out(tmp_path, text):
    annotated(tmp_path, "a", thing())
    annotated(tmp_path, "b", thing())
    (tmp_path / "Annotations" / "b.xml").write_text(text)
    source = read(tmp_path, "here")
    assert [record.path for record in source.records] == ["JPEGImages/a.jpg"]
    assert [(fault.path, fault.kind) for fault in source.faults] == [("Annotations/b.xml", "annotation unreadable")]
    assert source.notes == ("left out, without an annotation: 1 pictures",)


def test_no_xml_that_can_be_read_is_refused(tmp_path):
    annotated(tmp_path, "a")
    (tmp_path / "Annotations" / "a.xml").write_text("text")
    with pytest.raises(DataError, match=r"^no annotation in .* can be read") as caught:
        read(tmp_path, "here")
    assert "is no XML that can be read" in caught.value.got


@pytest.mark.parametrize(
    ("filename", "told"),
    [("a.jpg", 0), ("a", 0), ("", 0), ("JPEGImages\\a.jpg", 0), ("a.png", 1), ("old.jpg", 1), ("../../etc/passwd", 1)],
)
def test_the_picture_is_that_of_the_xml_s_own_name(tmp_path, filename, told):
    annotated(tmp_path, "a", thing(), filename=filename)
    source = read(tmp_path, "here")
    assert source.records[0].path == "JPEGImages/a.jpg"
    assert [fault.kind for fault in source.faults] == ["picture name differs"] * told


def test_the_picture_is_the_one_that_is_named_where_no_other_is(tmp_path):
    annotated(tmp_path, "a", thing(), filename="b.jpg")
    (tmp_path / "JPEGImages" / "a.jpg").rename(tmp_path / "JPEGImages" / "b.jpg")
    source = read(tmp_path, "here")
    assert source.records[0].path == "JPEGImages/b.jpg" and source.faults == ()


def test_of_two_pictures_of_one_name_the_named_is_taken(tmp_path):
    annotated(tmp_path, "a", thing(), filename="a.png")
    drawn(5).save(tmp_path / "JPEGImages" / "a.png")
    source = read(tmp_path, "here")
    assert source.records[0].path == "JPEGImages/a.png" and source.faults == ()


def test_a_missing_picture_is_kept_to_be_told_of_when_it_is_read(tmp_path):
    annotated(tmp_path, "a", thing(), filename="a.bmp")
    (tmp_path / "JPEGImages" / "a.jpg").unlink()
    source = read(tmp_path, "here")
    assert source.records[0].path == "JPEGImages/a.bmp"
    assert source.records[0].boxes.xyxy_N4.tolist() == [[0, 0, 24, 18]]


def test_a_picture_is_annotated_once(tmp_path):
    annotated(tmp_path, "a", thing())
    annotated(tmp_path, "b", thing(), filename="a.jpg")
    (tmp_path / "JPEGImages" / "b.jpg").unlink()
    source = read(tmp_path, "here")
    assert len(source.records) == 1
    assert source.faults[-1] == Fault("JPEGImages/a.jpg", "annotated twice", "also by b.xml, which is left out")


@pytest.mark.parametrize(("size", "kinds"), [((30, 18), ["size differs"]), ((0, 0), []), (None, []), ((24, 18), [])])
def test_another_size_is_told_and_zeros_tell_nothing(tmp_path, size, kinds):
    annotated(tmp_path, "a", thing(), size=size)
    assert [fault.kind for fault in read(tmp_path, "here").faults] == kinds


def test_a_picture_on_its_side_is_told(tmp_path):
    annotated(tmp_path, "a", thing("cat", 1, 1, 18, 18))
    exif = Image.Exif()
    exif[274] = 6
    drawn(1).save(tmp_path / "JPEGImages" / "a.jpg", exif=exif)
    assert "lies on its side by its EXIF" in read(tmp_path, "here").faults[0].reason


# Classes


def test_a_class_that_only_val_has_is_refused_to_learn(tmp_path):
    annotated(tmp_path, "a", thing("cat"))
    annotated(tmp_path, "b", thing("dog"))
    listed(tmp_path, train=["a"], val=["b"])
    with pytest.raises(DataError, match="the val part has classes that the train part does not know"):
        read(tmp_path, "here")
    assert read(tmp_path, "here", to_learn=False).classes == ("cat", "dog")


def test_a_test_part_alone_cannot_be_learnt_from(tmp_path):
    annotated(tmp_path, "a", thing("cat"))
    listed(tmp_path, test=["a"])
    with pytest.raises(DataError, match="has pictures of test, and none to learn from"):
        read(tmp_path, "here")


def test_masks_of_classes_and_of_objects(tmp_path):
    annotated(tmp_path, "a", thing("zebra", 4, 3, 9, 6), thing("ant", 1, 9, 24, 10), thing("yak"))
    annotated(tmp_path, "b", thing("ant"))
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nzebra:128,0,0::\nant:0,128,0::\n")
    objects = np.zeros((18, 24), dtype=np.uint8)
    objects[2:6, 3:9], objects[8:10] = 1, 2
    for folder in ("SegmentationClass", "SegmentationObject"):
        (tmp_path / folder).mkdir()
        image = Image.frombytes("P", (24, 18), objects.tobytes())
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        image.save(tmp_path / folder / "a.png")
    source = read(tmp_path, "here")
    assert source.classes == ("zebra", "ant")
    assert [record.masked for record in source.records] == [True, False]
    assert (source.masks.mask(0) == objects).all()
    first, second = source.records[0].boxes.regions
    assert (raster(first, 18, 24) == (objects == 1)).all() and (raster(second, 18, 24) == (objects == 2)).all()
    assert source.records[1].boxes.regions == (None,)
    assert [(fault.path, fault.kind) for fault in source.faults] == [("JPEGImages/a.jpg", "class unknown")]
    assert source.faults[0].reason == "object 3 is a 'yak', which labelmap.txt does not list; set aside"


# What is not taken for it


def test_other_folders_are_not(tmp_path):
    class_folders(tmp_path, {"cat": 2, "annotations": 2})
    assert not here(tmp_path)
    assert not here(tmp_path / "none")
    (tmp_path / "cat" / "notes.xml").write_text("<a/>")
    assert not here(tmp_path)


# The real thing


@pytest.mark.shared
def test_the_blood_cells():
    root = shared("data", "bccd", "BCCD")
    assert here(root)
    source = read(root, str(root))
    assert source.classes == ("Platelets", "RBC", "WBC")
    assert Counter(record.part for record in source.records) == {"train": 205, "val": 87, "test": 72}
    assert {(fault.path, fault.kind) for fault in source.faults} == {
        ("JPEGImages/BloodImage_00338.jpg", "box empty"),
        ("JPEGImages/BloodImage_00343.jpg", "box empty"),
    }
    told = []
    for path in sorted((root / "Annotations").glob("*.xml")):
        for each in ElementTree.parse(path).iter("object"):
            ends = [int(each.findtext(f"bndbox/{end}")) for end in ("xmin", "ymin", "xmax", "ymax")]
            told.append((each.findtext("name"), *ends))
    assert len(told) == 4888
    # Independently: from 1 to 0, cut at the picture's edge, and no box where both corners are one point.
    expected = sorted(
        (name, max(0, xmin - 1), max(0, ymin - 1), min(640, xmax), min(480, ymax))
        for name, xmin, ymin, xmax, ymax in told
        if (xmin, ymin) != (xmax, ymax)
    )
    found = sorted(
        (source.classes[label], *edges)
        for record in source.records
        for label, edges in zip(record.boxes.labels_N.tolist(), record.boxes.xyxy_N4.tolist(), strict=True)
    )
    assert len(found) == 4886 and found == expected
