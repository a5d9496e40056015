"""COCO sets: files and folders, classes by name, boxes and shapes."""

import json
from collections import Counter

import numpy as np
import pytest
from data_makers import class_folders, drawn

from torchbeam.data.records import UNLABELLED
from torchbeam.data.regions import raster
from torchbeam.data.sources.coco import here, read
from torchbeam.errors import DataError

SIZE = (24, 18)


def written(root, file, folder, names, annotations=(), categories=((3, "cat"), (90, "dog")), first=1, pictures=True):
    """A file of those pictures; annotations: (number of the picture, category's id, box, more)."""
    images = [
        {"id": first + at, "file_name": name, "width": SIZE[0], "height": SIZE[1]} for at, name in enumerate(names)
    ]
    rows = []
    for at, (picture, category, box, *more) in enumerate(annotations):
        row = {"id": at, "image_id": first + picture, "category_id": category, "bbox": box, "iscrowd": 0}
        rows.append(row | (more[0] if more else {}))
    listed = [{"id": number, "name": name} for number, name in categories]
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps({"images": images, "annotations": rows, "categories": listed}))
    for at, name in enumerate(names if pictures else ()):
        (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
        drawn(first + at, SIZE).save(root / folder / name)
    return root


BOXES = [(0, 90, [1, 2, 3, 4]), (0, 3, [0, 0, 24, 18]), (1, 90, [5.5, 6.25, 2.5, 3])]


# COCO's own ids run from 1 to 91 and leave these out; its 80 classes are not numbered 0 to 79 by them.
LEFT_OUT = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}


def test_cocos_own_ids_1_to_91_are_its_80_classes(tmp_path):
    categories = [(number, f"class of id {number}") for number in range(1, 92) if number not in LEFT_OUT]
    rows = [(0, number, [1, 1, 4, 4]) for number, _ in reversed(categories)]
    written(tmp_path, "annotations/instances_train2017.json", "train2017", ["a.png"], rows, categories)
    source = read(tmp_path, "coco")
    assert len(source.classes) == 80 and source.classes[79] == "class of id 90"
    boxes = source.records[0].boxes
    assert boxes is not None
    assert [source.classes[label] for label in boxes.labels_N] == [name for _, name in reversed(categories)]


def test_boxes_are_left_top_width_height_and_ids_are_any(tmp_path):
    written(tmp_path, "annotations/instances.json", "images", ["a.png", "b.png", "c.png"], BOXES)
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root, source.classes) == ("coco", "here", tmp_path, ("cat", "dog"))
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("images/a.png", UNLABELLED, ""), ("images/b.png", UNLABELLED, ""), ("images/c.png", UNLABELLED, ""),
    ]  # fmt: skip
    assert source.records[0].boxes.xyxy_N4.tolist() == [[1, 2, 4, 6], [0, 0, 24, 18]]
    assert source.records[0].boxes.labels_N.tolist() == [1, 0]
    assert source.records[1].boxes.xyxy_N4.tolist() == [[5.5, 6.25, 8, 9.25]]
    assert len(source.records[2].boxes) == 0
    assert source.faults == () and source.notes == ()
    assert source.pictures.image(1).tobytes() == drawn(2, SIZE).tobytes()


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/instances_{}2014.json", "images/{}2014"),
        ("annotations/{}.json", "images/{}"),
        ("annotations/instances_{}.json", "images"),
        ("annotations/instances_{}.json", "."),
        ("{}/_annotations.coco.json", "{}"),
        ("{}.json", "{}/images"),
        ("instances_{}.json", "{}"),
        ("instances_{}.json", "whatever"),
    ],
)
def test_the_usual_places(tmp_path, file, folder):
    for at, part in enumerate(("train", "val", "test")):
        names = [f"{part}-{number}.png" for number in range(3 - at)]
        told = [(number, category, [1, 1, 5, 5]) for number in range(3 - at) for category in (3, 90)]
        written(tmp_path, file.format(part), folder.format(part), names, told, first=10 * at)
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert Counter(record.part for record in source.records) == {"train": 3, "val": 2, "test": 1}
    assert all((tmp_path / record.path).is_file() for record in source.records)
    assert source.faults == () and source.notes == ()


def test_valid_is_val_and_other_files_are_passed_over(tmp_path):
    for part in ("train", "valid"):
        written(tmp_path, f"{part}/_annotations.coco.json", part, ["a.png"], [(0, 3, [1, 1, 5, 5])])
    written(tmp_path, "captions_train.json", "train", ["z.png"])
    source = read(tmp_path, "here")
    assert {(record.path, record.part) for record in source.records} == {
        ("train/a.png", "train"),
        ("valid/a.png", "val"),
    }
    assert source.notes == ("no picture shows: dog",)


def test_pictures_lie_in_folders_of_their_own(tmp_path):
    written(tmp_path, "annotations/instances_train.json", "train", ["x/1.png", "y\\1.png"], pictures=False)
    for inner in "xy":
        class_folders(tmp_path, {f"train/{inner}": 2})
    assert [record.path for record in read(tmp_path, "here").records] == ["train/x/1.png", "train/y/1.png"]


def test_one_file_alone(tmp_path):
    file = "annotations/instances_val2017.json"
    written(tmp_path, file, "val2017", ["a.png", "b.png"], BOXES)
    source = read(tmp_path / "annotations", "here", file=tmp_path / file)
    assert source.root == tmp_path
    assert [(record.path, record.part) for record in source.records] == [("val2017/a.png", ""), ("val2017/b.png", "")]
    written(tmp_path, "x/labels.json", "x/data", ["a.png", "b.png"], BOXES)
    source = read(tmp_path / "x", "here", file=tmp_path / "x" / "labels.json")
    assert [record.path for record in source.records] == ["data/a.png", "data/b.png"]


# Shapes


def test_shapes_and_crowds(tmp_path):
    crowd = {"iscrowd": 1, "segmentation": {"size": [18, 24], "counts": [0, 18, 414]}}
    told = [(0, 3, [0, 0, 4, 4], {"segmentation": [[0, 0, 4, 0, 4, 4]]}), (0, 3, [0, 0, 1, 18], crowd), BOXES[1]]
    source = read(written(tmp_path, "instances.json", "images", ["a.png"], told), "here")
    held = source.records[0].boxes
    assert held.crowd_N.tolist() == [False, True, False]
    assert held.regions[0].rings[0].tolist() == [[0, 0], [4, 0], [4, 4]]
    assert (raster(held.regions[1], 18, 24) == (np.arange(24) == 0)).all()
    assert held.regions[2] is None


def test_run_lengths_of_another_size_are_left_out(tmp_path):
    told = [(0, 3, [0, 0, 4, 4], {"segmentation": {"size": [9, 24], "counts": [0, 216]}})]
    source = read(written(tmp_path, "instances.json", "images", ["a.png"], told), "here")
    assert source.records[0].boxes.regions == (None,)
    assert [fault.kind for fault in source.faults] == ["mask size"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
def test_pycocotools_reads_the_same_boxes_and_pixels(tmp_path, capsys):
    judge = pytest.importorskip("pycocotools.coco")
    told = [
        (0, 3, [2, 3, 10, 9], {"segmentation": [[2, 3, 12, 3, 12, 12, 2, 12]]}),
        (1, 90, [1, 1, 4, 7], {"segmentation": {"size": [18, 24], "counts": [19, 7, 11, 7, 388]}}),
    ]
    written(tmp_path, "annotations/instances.json", "images", ["a.png", "b.png"], told)
    coco = judge.COCO(str(tmp_path / "annotations" / "instances.json"))
    source = read(tmp_path, "here")
    for number, record in enumerate(source.records, start=1):
        (one,) = coco.imgToAnns[number]
        left, top, width, height = one["bbox"]
        assert record.boxes.xyxy_N4.tolist() == [[left, top, left + width, top + height]]
        assert source.classes[record.boxes.labels_N[0]] == coco.cats[one["category_id"]]["name"]
        # pycocotools rounds polygons its own way; along pixels there is nothing to round.
        assert coco.annToMask(one).astype(bool).tolist() == raster(record.boxes.regions[0], 18, 24).tolist()


# Classes


def test_parts_are_matched_by_name(tmp_path):
    train = [(0, 3, [1, 1, 5, 5]), (0, 90, [1, 1, 5, 5])]
    written(tmp_path, "train/_annotations.coco.json", "train", ["a.png"], train)
    other = [(0, 1, [1, 1, 5, 5]), (0, 2, [1, 1, 5, 5])]
    written(tmp_path, "test/_annotations.coco.json", "test", ["b.png"], other, categories=((1, "dog"), (2, "cat")))
    source = read(tmp_path, "here")
    assert source.classes == ("cat", "dog")
    assert {record.part: record.boxes.labels_N.tolist() for record in source.records} == {
        "train": [0, 1],
        "test": [1, 0],
    }


def test_a_class_that_train_does_not_list_is_refused_to_learn(tmp_path):
    written(tmp_path, "train/_annotations.coco.json", "train", ["a.png"], [(0, 3, [1, 1, 5, 5])])
    written(tmp_path, "valid/_annotations.coco.json", "valid", ["b.png"], [(0, 1, [1, 1, 5, 5])], ((1, "owl"),))
    with pytest.raises(DataError, match="the val part has classes that the train part does not know"):
        read(tmp_path, "here")
    assert read(tmp_path, "here", to_learn=False).classes == ("cat", "dog", "owl")


def test_a_class_that_train_lists_and_does_not_show_is_told(tmp_path):
    written(tmp_path, "train/_annotations.coco.json", "train", ["a.png"], [(0, 3, [1, 1, 5, 5])])
    written(tmp_path, "valid/_annotations.coco.json", "valid", ["b.png"], [(0, 90, [1, 1, 5, 5])])
    assert read(tmp_path, "here").notes == (
        "the train part has no pictures of: dog",
        "the val part has no pictures of: cat",
    )


# Dirt


def test_single_mistakes_are_told_one_by_one(tmp_path):
    told = [
        (0, 3, [1, 1, 5, 5]),
        (0, 4, [1, 1, 5, 5]),
        (9, 3, [1, 1, 5, 5]),
        (0, 3, [1, 1, -5, 5]),
        (0, 3, [1, 1, 0, 5]),
        (0, 3, [20, 1, 9, 5]),
        (0, 3, None),
    ]
    source = read(written(tmp_path, "instances.json", "images", ["a.png"], told), "here")
    assert [(fault.path, fault.kind) for fault in source.faults] == [
        ("instances.json", "picture unknown"),
        ("instances.json", "annotation incomplete"),
        ("images/a.png", "class unknown"),
        ("images/a.png", "box inverted"),
        ("images/a.png", "box empty"),
        ("images/a.png", "box reaches out"),
    ]
    assert source.records[0].boxes.xyxy_N4.tolist() == [[1, 1, 6, 6], [20, 1, 24, 6]]


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "x/../../a.png", "C:\\a.png", "a\0.png", ""])
def test_pictures_outside_the_folder_are_left_out(tmp_path, name):
    written(tmp_path, "instances.json", "images", ["a.png", name], BOXES, pictures=False)
    source = read(tmp_path, "here")
    assert len(source.records) == 1
    assert [(fault.path, fault.kind) for fault in source.faults] == [("instances.json", "picture outside")]


def test_a_missing_picture_is_kept_to_be_told_of_when_it_is_read(tmp_path):
    written(tmp_path, "annotations/instances.json", "images", ["a.png", "b.png"], BOXES)
    (tmp_path / "images" / "b.png").unlink()
    source = read(tmp_path, "here")
    assert [(record.path, len(record.boxes)) for record in source.records] == [("images/a.png", 2), ("images/b.png", 1)]


def test_a_picture_is_listed_once(tmp_path):
    for part in ("train", "val"):
        written(tmp_path, f"annotations/instances_{part}.json", "images", ["a.png"], [(0, 3, [1, 1, 5, 5])])
    source = read(tmp_path, "here")
    assert [(record.path, record.part) for record in source.records] == [("images/a.png", "train")]
    assert [(fault.path, fault.kind) for fault in source.faults] == [("images/a.png", "listed twice")]


def test_another_size_is_told(tmp_path):
    written(tmp_path, "instances.json", "images", ["a.png"], BOXES[:2])
    drawn(1, (30, 18)).save(tmp_path / "images" / "a.png")
    assert [fault.kind for fault in read(tmp_path, "here").faults] == ["size differs"]


def test_no_pictures_are_refused(tmp_path):
    written(tmp_path, "instances.json", "images", [])
    with pytest.raises(DataError, match=r"^no picture is listed in"):
        read(tmp_path, "here")


def test_nothing_to_learn_from_is_refused(tmp_path):
    written(tmp_path, "annotations/instances_val.json", "val", ["a.png"], BOXES[:2])
    with pytest.raises(DataError, match="has pictures of val, and none to learn from"):
        read(tmp_path, "here")


def test_other_folders_are_not_taken_for_it(tmp_path):
    class_folders(tmp_path, {"cat": 2, "train": 2})
    (tmp_path / "about.json").write_text('{"images": 3}')
    assert not here(tmp_path)
    assert not here(tmp_path / "none")
