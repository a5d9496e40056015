"""COCO, as written: hand-worked cases, and what is read back."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from target_makers import Held, boxed, made, tree, write

from torchbeam.data.records import IGNORE, Record, boxes
from torchbeam.data.regions import Outlines, raster
from torchbeam.data.runlengths import runs_of
from torchbeam.data.sources import coco as source
from torchbeam.data.targets import coco
from torchbeam.errors import DataError

SQUARES = Outlines(tuple(np.array([(x, 0), (x + 1, 0), (x + 1, 4), (x, 4)], dtype=np.float64) for x in (0, 3)))
TRIANGLE = Outlines((np.array([(0.5, 0), (4, 0), (4, 4.25)]),))


def ring():
    mask = np.zeros((18, 24), dtype=bool)
    mask[:5, :5] = True
    mask[2, 2] = False
    return runs_of(mask)


def test_a_file_for_each_part_says_what_cocos_own_do(tmp_path):
    held = boxes(
        [(0.5, 0, 4, 4.25), (0, 0, 5, 5), (1, 2, 3.5, 4)], [1, 0, 0], [TRIANGLE, ring(), None], crowd=[0, 1, 0]
    )
    readable = made([boxed("a", held, "train"), boxed("b", boxes([], []), "train"), boxed("b", boxes([], []), "val")])
    assert coco.lost(readable) == {}
    write(coco, readable, tmp_path)
    assert tree(tmp_path) == [
        "annotations/instances_train.json", "annotations/instances_val.json", "train/a.png", "train/b.png", "val/b.png",
    ]  # fmt: skip
    told = json.loads((tmp_path / "annotations/instances_train.json").read_text())
    assert told["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert told["images"] == [
        {"id": 1, "file_name": "a.png", "width": 24, "height": 18},
        {"id": 2, "file_name": "b.png", "width": 24, "height": 18},
    ]
    assert told["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [0.5, 0, 3.5, 4.25], "iscrowd": 0,
         "area": 3.5 * 4.25 / 2, "segmentation": [[0.5, 0, 4, 0, 4, 4.25]]},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1, "area": 24,
         "segmentation": {"size": [18, 24], "counts": [0, 5, 13, 5, 13, 2, 1, 2, 13, 5, 13, 5, 355]}},
        {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 2, 2.5, 2], "iscrowd": 0, "area": 5},
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_pycocotools_reads_the_same_boxes_and_pixels(tmp_path, capsys):
    held = boxes([(0, 0, 4, 4), (0, 0, 5, 5), (1, 2, 3.5, 4)], [1, 0, 0], [SQUARES, ring(), TRIANGLE], crowd=[0, 1, 0])
    write(coco, made([boxed("a", held, "train")]), tmp_path)
    judge = COCO(str(tmp_path / "annotations/instances_train.json"))
    things = judge.loadAnns(judge.getAnnIds(imgIds=[1]))
    assert [judge.loadCats([thing["category_id"]])[0]["name"] for thing in things] == ["dog", "cat", "cat"]
    assert [thing["bbox"] for thing in things] == [[0, 0, 4, 4], [0, 0, 5, 5], [1, 2, 2.5, 2]]
    for thing, region in zip(things[:2], held.regions, strict=False):
        assert (judge.annToMask(thing) == raster(region, 18, 24)).all()
        assert thing["area"] == judge.annToMask(thing).sum()


def test_without_parts_it_is_one_file_and_a_folder_of_images(tmp_path):
    readable = made([boxed("sub/a", boxes([(0, 0, 4, 4)], [1]))])
    write(coco, readable, tmp_path)
    assert tree(tmp_path) == ["annotations/instances.json", "images/sub/a.png"]
    again = source.read(tmp_path, "here", False)
    assert [(one.path, one.part) for one in again.records] == [("images/sub/a.png", "")]
    assert again.classes == ("cat", "dog")
    assert again.records[0].boxes.labels_N.tolist() == [1]


def test_a_mask_alone_becomes_its_pieces_with_their_holes(tmp_path):
    mask = np.array([[2, 2, 2, 0, 1], [2, 0, 2, 0, 0], [2, 2, 2, 0, IGNORE]], dtype=np.int32)
    readable = made([Record("a", 0, masked=True)], size=(5, 3), masks=Held({0: mask}))
    assert coco.lost(readable) == {"classes of whole pictures": 1, "masks with pixels to ignore": 1}
    write(coco, readable, tmp_path)
    held = source.read(tmp_path, "here", False).records[0].boxes
    assert held.xyxy_N4.tolist() == [[4, 0, 5, 1], [0, 0, 3, 3]]
    assert held.labels_N.tolist() == [0, 1]
    assert (raster(held.regions[1], 3, 5) == (mask == 2)).all()


def test_boxes_get_the_shapes_that_a_mask_tells_and_the_rest_is_counted(tmp_path):
    mask = np.array([[1, 1, 0, 2], [0, 1, 0, 0]], dtype=np.int32)
    readable = made([boxed("a", boxes([(0, 0, 2, 2)], [0]), masked=True)], size=(4, 2), masks=Held({0: mask}))
    assert coco.lost(readable) == {"mask regions outside every box": 1}
    write(coco, readable, tmp_path)
    held = source.read(tmp_path, "here", False).records[0].boxes
    assert raster(held.regions[0], 2, 4).tolist() == [[1, 1, 0, 0], [0, 1, 0, 0]]


def test_what_coco_cannot_hold_is_counted(tmp_path):
    records = [boxed("a", boxes([(0, 0, 4, 4)] * 3, [0] * 3, difficult=[1, 1, 0]), label=0), Record("b", 1)]
    readable = made(records, ("new\nline", "dog"))
    assert coco.lost(readable) == {
        "pictures with neither boxes nor a mask (left out)": 1,
        "classes of whole pictures": 2,
        "boxes marked difficult": 2,
        "names of classes (written with other signs)": 1,
    }
    assert write(coco, readable, tmp_path) == ["a"]


def test_classes_alone_are_refused():
    with pytest.raises(DataError, match="has neither boxes nor masks, which is what coco holds"):
        coco.check(made([Record("a", 0)]))
