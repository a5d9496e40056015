"""Pascal VOC, as written: hand-worked cases, torchvision's parser, and what is read back."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from target_makers import Held, boxed, in_files, made, tree, write
from torchvision.datasets import VOCDetection

from torchbeam.data.records import IGNORE, Record, boxes
from torchbeam.data.regions import Outlines, raster
from torchbeam.data.sources import voc as source
from torchbeam.data.targets import voc
from torchbeam.data.targets.voc import labelmap, whole_pixels
from torchbeam.errors import DataError


def square(left, top, right, bottom):
    return Outlines((np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64),))


def test_edges_become_pixels_from_1_both_ends_inside():
    held = boxes([(0, 0, 24, 18), (1, 2, 3, 4), (0, 0, 1, 1), (0.4, 0.6, 2.4, 2.6), (0.5, 1.5, 1.5, 2.5)], [0] * 5)
    assert whole_pixels(held).tolist() == [[1, 1, 24, 18], [2, 3, 3, 4], [1, 1, 1, 1], [1, 2, 2, 3], [2, 3, 2, 3]]


def test_a_box_thinner_than_a_pixel_is_a_pixel():
    held = boxes([(3.1, 0, 3.3, 5), (3.4, 0, 3.6, 5), (23.9, 0, 24, 5), (2.5, 1, 3.49, 2)], [0] * 4)
    assert whole_pixels(held).tolist() == [[4, 1, 4, 5], [4, 1, 4, 5], [24, 1, 24, 5], [3, 2, 3, 2]]


@given(st.lists(st.tuples(*[st.floats(0, 23)] * 2, *[st.floats(0.01, 1)] * 2), min_size=1))
def test_no_box_ends_before_it_begins_or_moves_by_more_than_a_pixel(rows):
    held = boxes([(x, y, x + (24 - x) * w, y + (24 - y) * h) for x, y, w, h in rows], [0] * len(rows))
    ends = whole_pixels(held)
    assert (ends[:, :2] >= 1).all() and (ends[:, 2:] <= 24).all()
    assert (ends[:, :2] <= ends[:, 2:]).all()
    back = ends - [1, 1, 0, 0]
    moved = np.abs(back - held.xyxy_N4)
    wide = (held.xyxy_N4[:, 2:] - held.xyxy_N4[:, :2]) >= 1
    assert (moved[:, :2][wide] <= 0.5).all() and (moved[:, 2:][wide] <= 0.5).all()
    assert (moved < 1).all()


def test_an_annotation_says_what_vocs_own_do(tmp_path):
    held = boxes([(0, 0, 10, 5), (3, 4, 24, 18)], [1, 0], difficult=[False, True])
    readable = in_files(tmp_path / "in", [boxed("blood 1.jpg", held, "train")])
    assert voc.lost(readable) == {}
    write(voc, readable, tmp_path / "out")
    assert tree(tmp_path / "out") == [
        "Annotations/blood_1.xml", "ImageSets/Main/train.txt", "JPEGImages/blood_1.jpg", "labelmap.txt",
    ]  # fmt: skip
    assert (tmp_path / "out/JPEGImages/blood_1.jpg").read_bytes() == (tmp_path / "in/blood 1.jpg").read_bytes()
    assert (tmp_path / "out/ImageSets/Main/train.txt").read_text() == "blood_1\n"
    top = ElementTree.parse(tmp_path / "out/Annotations/blood_1.xml").getroot()
    assert VOCDetection.parse_voc_xml(top) == {"annotation": {
        "folder": "JPEGImages", "filename": "blood_1.jpg",
        "size": {"width": "24", "height": "18", "depth": "3"},
        "segmented": "0",
        "object": [
            {"name": "dog", "pose": "Unspecified", "truncated": "0", "difficult": "0",
             "bndbox": {"xmin": "1", "ymin": "1", "xmax": "10", "ymax": "5"}},
            {"name": "cat", "pose": "Unspecified", "truncated": "0", "difficult": "1",
             "bndbox": {"xmin": "4", "ymin": "5", "xmax": "24", "ymax": "18"}},
        ],
    }}  # fmt: skip


def test_names_that_xml_must_escape_are_read_back(tmp_path):
    classes = ("<b>&'\"", "網 &amp;")
    readable = made([boxed("a&b.png", boxes([(0, 0, 4, 4), (1, 1, 5, 5)], [0, 1]))], classes)
    write(voc, readable, tmp_path)
    again = source.read(tmp_path, "here", False)
    assert again.classes == classes
    assert again.records[0].path == "JPEGImages/a&b.png"


def test_masks_are_palette_pictures_of_classes_and_of_objects(tmp_path):
    held = boxes([(0, 0, 4, 2), (2, 1, 6, 3)], [1, 1], [square(0, 0, 4, 2), square(2, 1, 6, 3)])
    readable = made([boxed("a", held, "val"), boxed("b", boxes([(0, 0, 3, 3)], [0]), "val")], size=(6, 4))
    assert voc.lost(readable) == {"shapes partly under another": 1}
    write(voc, readable, tmp_path)
    assert (tmp_path / "ImageSets/Main/val.txt").read_text() == "a\nb\n"
    assert (tmp_path / "ImageSets/Segmentation/val.txt").read_text() == "a\n"
    with Image.open(tmp_path / "SegmentationClass/a.png") as image:
        assert image.mode == "P"
        assert np.asarray(image).tolist() == [[2] * 4 + [0] * 2, [2] * 6, [0, 0, 2, 2, 2, 2], [0] * 6]
    with Image.open(tmp_path / "SegmentationObject/a.png") as image:
        assert np.asarray(image).tolist() == [[1] * 4 + [0] * 2, [1, 1, 2, 2, 2, 2], [0, 0, 2, 2, 2, 2], [0] * 6]
    assert tree(tmp_path / "SegmentationClass") == ["a.png"]


def test_a_mask_of_its_own_is_kept_as_it_is(tmp_path):
    mask = np.array([[0, 1, 2], [IGNORE, 2, 0]], dtype=np.int32)
    readable = made([Record("a", 0, masked=True)], size=(3, 2), masks=Held({0: mask}))
    assert voc.lost(readable) == {"classes of whole pictures": 1}
    write(voc, readable, tmp_path)
    with Image.open(tmp_path / "SegmentationClass/a.png") as image:
        assert np.asarray(image).tolist() == [[0, 1, 2], [255, 2, 0]]
    again = source.read(tmp_path, "here", False)
    assert again.masks is not None and (again.masks.mask(0) == mask).all()
    assert again.classes == ("cat", "dog")


def test_boxes_whose_shapes_a_mask_tells_get_them_as_objects(tmp_path):
    mask = np.array([[1, 1, 0, 0], [0, 0, 1, 2]], dtype=np.int32)
    held = boxes([(0, 0, 2, 1), (2, 1, 4, 2), (0, 0, 4, 2)], [0, 0, 1])
    readable = made([boxed("a", held, masked=True)], size=(4, 2), masks=Held({0: mask}))
    write(voc, readable, tmp_path)
    again = source.read(tmp_path, "here", False).records[0].boxes
    assert [raster(region, 2, 4).tolist() for region in again.regions] == [
        [[1, 1, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 1, 0]], [[0, 0, 0, 0], [0, 0, 0, 1]],
    ]  # fmt: skip


def test_the_list_of_classes_is_cvats():
    assert labelmap(("cat", "dog")) == (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n"
    )


def test_300_classes_have_masks_of_16_bits_that_are_read_back(tmp_path):
    classes = tuple(f"c{number}" for number in range(300))
    mask = np.array([[0, 1, 255], [300, IGNORE, 256]], dtype=np.int32)
    readable = made([boxed("a", boxes([], []), masked=True)], classes, (3, 2), masks=Held({0: mask}))
    write(voc, readable, tmp_path)
    again = source.read(tmp_path, "here", False)
    assert again.classes == classes
    assert (again.masks.mask(0) == mask).all()


def test_what_voc_cannot_hold_is_counted(tmp_path):
    fine = Outlines((np.array([(0, 0), (4.5, 0), (4, 4)]),))
    held = boxes(
        [(0, 0, 4.5, 4), (1, 1, 2, 2), (5, 5, 9, 9)], [0, 0, 1], [fine, None, None], crowd=[False, False, True]
    )
    records = [boxed("a", held, label=1), Record("b", 0)]
    readable = made(records, ("a:b", "background"))
    assert voc.lost(readable) == {
        "pictures with neither boxes nor a mask (left out)": 1,
        "classes of whole pictures": 2,
        "boxes with edges between pixels (rounded)": 1,
        "boxes of a single pixel (many readers find none)": 1,
        "outlines finer than pixels": 1,
        "boxes marked as crowds (iscrowd)": 1,
        "names of classes (written with other signs)": 2,
    }
    assert write(voc, readable, tmp_path) == ["a"]
    assert source.read(tmp_path, "here", False).classes == ("a_b", "background-2")


def test_names_that_differ_in_their_suffix_or_folder_stay_apart(tmp_path):
    held = boxes([(0, 0, 4, 4)], [0])
    readable = in_files(tmp_path / "in", [boxed(name, held) for name in ("x/1.jpg", "x_1.png", "y/1.jpg")])
    write(voc, readable, tmp_path / "out")
    assert tree(tmp_path / "out/JPEGImages") == ["x_1-2.png", "x_1.jpg", "y_1.jpg"]
    assert tree(tmp_path / "out/Annotations") == ["x_1-2.xml", "x_1.xml", "y_1.xml"]


def test_classes_alone_are_refused():
    with pytest.raises(DataError, match="has neither boxes nor masks, which is what voc holds"):
        voc.check(made([Record("a", 0)]))
