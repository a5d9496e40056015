"""One file in COCO's format."""

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.regions import Outlines, Runs
from torchbeam.data.sources import cocojson
from torchbeam.data.sources.cocojson import Image, looks_like_coco, read_document
from torchbeam.errors import DataError

CATEGORIES = [{"id": 90, "name": "zebra"}, {"id": 3, "name": "car", "supercategory": "vehicle"}]
IMAGES = [{"id": 7, "file_name": "a.jpg", "width": 24, "height": 18}, {"id": 5, "file_name": "b.jpg"}]


def told(path, annotations=(), images=IMAGES, categories=CATEGORIES, **more):
    path = path / "instances.json" if path.is_dir() else path
    lists = {"images": images, "annotations": list(annotations), "categories": categories}
    path.write_text(json.dumps({"info": {}, **lists, **more}))
    return path


def one(tmp_path, **values):
    row = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], **values}
    return read_document(told(tmp_path, [{key: value for key, value in row.items() if value != "none"}]))


def test_a_document(tmp_path):
    document = one(tmp_path, iscrowd=1)
    assert list(document.categories.items()) == [(3, "car"), (90, "zebra")]
    assert document.images == {7: Image("a.jpg", (24, 18)), 5: Image("b.jpg", None)}
    ((thing,),) = document.things.values()
    assert (thing.name, thing.category, thing.xyxy, thing.region, thing.crowd) == ("1", 3, (1, 2, 4, 6), None, True)
    assert document.faults == ()


def test_ids_may_be_texts(tmp_path):
    path = told(
        tmp_path,
        [{"image_id": "x", "category_id": "c", "bbox": [0, 0, 1, 1]}],
        [{"id": "x", "file_name": "a"}],
        [{"id": "c", "name": 5}],
    )
    assert read_document(path).things["x"][0].category == "c"
    assert read_document(path).categories == {"c": "5"}


def test_polygons_and_run_lengths_are_shapes(tmp_path):
    region = one(tmp_path, segmentation=[[0, 0, 4, 0, 4, 4], [5, 5, 6, 5, 6, 6, 5, 6]]).things[7][0].region
    assert isinstance(region, Outlines)
    assert [ring.tolist() for ring in region.rings] == [[[0, 0], [4, 0], [4, 4]], [[5, 5], [6, 5], [6, 6], [5, 6]]]
    region = one(tmp_path, segmentation={"size": [2, 3], "counts": [1, 5]}).things[7][0].region
    assert isinstance(region, Runs) and region.counts.tolist() == [1, 5]
    assert one(tmp_path, segmentation=[]).things[7][0].region is None


def test_a_shape_without_a_box_is_boxed(tmp_path):
    assert one(tmp_path, bbox="none", segmentation=[[0, 1, 4, 1, 4, 5]]).things[7][0].xyxy == (0, 1, 4, 5)
    assert one(tmp_path, bbox=[], segmentation=[[0, 1, 4, 1, 4, 5]]).things[7][0].xyxy == (0, 1, 4, 5)


@pytest.mark.parametrize(
    "segmentation",
    [
        [[0, 0, 4, 0]],
        [[0, 0, 4, 0, 4, 4, 5]],
        [[0, 0, 1, 1, math.nan, 2]],
        [["x"]],
        "text",
        5,
        {"size": [2, 2], "counts": [9]},
    ],
)
def test_a_shape_that_cannot_be_read_leaves_its_box(tmp_path, segmentation):
    document = one(tmp_path, segmentation=segmentation)
    assert document.things[7][0].region is None
    assert document.things[7][0].xyxy == (1, 2, 4, 6)
    ((kind, reason),) = document.faults
    assert kind == "shape unreadable" and reason.startswith("the shape of annotation 1: ")


@pytest.mark.parametrize("values", [{"bbox": "none"}, {"bbox": [1, 2, 3]}, {"bbox": "x"}, {"category_id": None}])
def test_annotations_that_lack_something_are_set_aside(tmp_path, values):
    document = one(tmp_path, **values)
    assert document.things == {}
    assert [kind for kind, _ in document.faults] == ["annotation incomplete"]


def test_numbers_beyond_any_float_are_infinite(tmp_path):
    assert one(tmp_path, bbox=[0, 0, 10**400, 1]).things[7][0].xyxy[2] == np.inf


def test_an_annotation_of_an_unknown_picture_is_set_aside(tmp_path):
    document = one(tmp_path, image_id=8)
    assert document.things == {}
    assert document.faults == (("picture unknown", "annotation 1 is of picture 8, which is not listed"),)
    assert [kind for kind, _ in one(tmp_path, image_id=[7]).faults] == ["picture unknown"]


def test_a_picture_without_a_name_is_left_out(tmp_path):
    document = read_document(told(tmp_path, images=[*IMAGES, {"id": 9}]))
    assert list(document.images) == [7, 5]
    assert [kind for kind, _ in document.faults] == ["picture incomplete"]


@pytest.mark.parametrize(
    "categories",
    [
        [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}],
        [{"id": 1}],
        [{"name": "a"}],
        [{"id": [1], "name": "a"}],
    ],
)
def test_categories_that_cannot_be_told_apart_are_refused(tmp_path, categories):
    with pytest.raises(DataError, match="has a category that cannot be told from others"):
        read_document(told(tmp_path, categories=categories))


@pytest.mark.parametrize("categories", [[], [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]])
def test_names_that_are_there_twice_are_refused(tmp_path, categories):
    with pytest.raises(DataError, match=r"^the names of the classes in .* cannot be used"):
        read_document(told(tmp_path, categories=categories))


def test_two_pictures_of_one_id_are_refused(tmp_path):
    images = [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]
    with pytest.raises(DataError, match="has two pictures of one id, so that nobody knows") as caught:
        read_document(told(tmp_path, images=images))
    assert caught.value.got == "1: a and b"


@pytest.mark.parametrize("lists", [{"annotations": None}, {"images": {}}, {"categories": "x"}])
def test_missing_lists_are_refused(tmp_path, lists):
    with pytest.raises(DataError, match=r"instances.json is not in COCO's format") as caught:
        read_document(
            told(tmp_path, **{"images": IMAGES, **lists}) if "annotations" not in lists else _without(tmp_path)
        )
    assert caught.value.got.startswith("no list of ")


def _without(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": IMAGES, "categories": CATEGORIES}))
    return path


def test_entries_that_are_no_objects_are_refused(tmp_path):
    with pytest.raises(DataError, match="has entries that tell nothing"):
        read_document(told(tmp_path, annotations=[3]))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00", '{"a": 1' + "0" * 5000 + "}"])
def test_what_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"a.json is no JSON that can be read"):
        read_document(tmp_path / "a.json")


def test_a_list_is_not_a_document(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(DataError, match=r"a.json is not in COCO's format"):
        read_document(tmp_path / "a.json")


def test_a_long_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(cocojson, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="is too long to be read at once"):
        read_document(told(tmp_path))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read .*none.json"):
        read_document(tmp_path / "none.json")


def test_the_format_is_told_by_its_lists(tmp_path):
    assert looks_like_coco(told(tmp_path))
    assert looks_like_coco(told(tmp_path, padding="x" * 300_000))
    for name, text in {"a": '["images", "categories"]', "b": '{"images": []}', "c": ""}.items():
        (tmp_path / name).write_text(text)
        assert not looks_like_coco(tmp_path / name)
    assert not looks_like_coco(tmp_path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner),
    max_leaves=8,
)
KEYS = ("id", "image_id", "category_id", "bbox", "segmentation", "iscrowd", "file_name", "name", "width", "height")


@given(rows=st.lists(st.dictionaries(st.sampled_from(KEYS), values), max_size=3))
def test_no_values_crash_the_reader(tmp_path_factory, rows):
    place = tmp_path_factory.getbasetemp() / "hostile.json"
    for lists in ({"annotations": rows}, {"images": rows}, {"categories": rows}):
        with contextlib.suppress(DataError):
            read_document(told(place, **lists))
