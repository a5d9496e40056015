"""Lists of pictures in CSV files."""

import csv as writing
import os
from io import StringIO

import numpy as np
import pytest
from data_makers import drawn, shared
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from torchbeam.data.records import IGNORE, UNLABELLED
from torchbeam.data.sources.csv import here, read
from torchbeam.errors import DataError, PictureError


def pictures(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        drawn(number).save(folder / name, "PNG")


def listed(folder, text, name="list.csv"):
    (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder


def found(source):
    """(path, class, part) of each record."""
    named = {UNLABELLED: None, **dict(enumerate(source.classes))}
    return [(record.path, named[record.label], record.part) for record in source.records]


# A row for each picture


def test_a_list_of_pictures_and_their_classes_is_read(tmp_path):
    pictures(tmp_path, "a.png", "in/b.png", "c.png")
    root = listed(tmp_path, "image,class\na.png,dog 10\nin/b.png,dog 2\nc.png,dog 10\n")
    assert here(root)
    source = read(root, "here")
    assert (source.kind, source.place, source.root, source.notes) == ("csv", "here", root, ())
    assert source.classes == ("dog 2", "dog 10")
    assert found(source) == [("a.png", "dog 10", ""), ("in/b.png", "dog 2", ""), ("c.png", "dog 10", "")]
    assert (source.masks, source.faults, source.records[0].boxes) == (None, (), None)
    assert source.pictures.image(1).tobytes() == drawn(1).tobytes()


def test_a_column_of_numbers_orders_the_classes(tmp_path):
    root = listed(tmp_path, "file,class_index,label\na.png,20,ant\nb.png,3,zebra\nc.png,20,ant\n")
    pictures(tmp_path, "a.png", "b.png", "c.png")
    source = read(root, "here")
    assert source.classes == ("zebra", "ant")
    assert [record.label for record in source.records] == [1, 0, 1]


def test_a_column_of_parts_is_read(tmp_path):
    pictures(tmp_path, "a.png")
    root = listed(tmp_path, "path;target;Split\na.png;x;train\nb.png;y;TRAIN\nc.png;x;valid\nd.png;y;test\n")
    source = read(root, "here")
    assert [record.part for record in source.records] == ["train", "train", "val", "test"]


def test_lists_side_by_side_are_parts(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png", "d.png")
    listed(tmp_path, "path,label\na.png,x\nb.png,y\n", "train.csv")
    listed(tmp_path, "path\tlabel\nc.png\tx\n", "Validation.tsv")
    listed(tmp_path, "label,path\ny,d.png\n", "test.csv")
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert sorted(found(source)) == [
        ("a.png", "x", "train"),
        ("b.png", "y", "train"),
        ("c.png", "x", "val"),
        ("d.png", "y", "test"),
    ]
    assert set(source.notes) == {"the test part has no pictures of: x", "the val part has no pictures of: y"}


def test_a_val_list_whose_pictures_are_missing_is_not_passed_over(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    listed(tmp_path, "path,label\na.png,x\nb.png,y\n", "train.csv")
    listed(tmp_path, "path,label\nc.png,x\nd.png,y\n", "val.csv")
    listed(tmp_path, "path,label\nelsewhere.png,x\n", "other.csv")
    assert [record.part for record in read(tmp_path, "here").records] == ["train", "train", "val", "val"]


def test_a_test_list_without_classes_is_passed_over(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png")
    listed(tmp_path, "path,label\na.png,x\nb.png,y\n", "train.csv")
    listed(tmp_path, "id,path\n7,c.png\n", "test.csv")
    source = read(tmp_path, "here")
    assert {record.part for record in source.records} == {"train"}
    assert source.notes == ("passed over, it names pictures but tells nothing of them: test.csv",)


def test_one_file_is_read_whatever_lies_beside_it(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    listed(tmp_path, "path,label\na.png,x\nb.png,y\n", "one.csv")
    listed(tmp_path, "path,label\na.png,y\nb.png,x\n", "two.csv")
    source = read(tmp_path, "two.csv", file=tmp_path / "two.csv")
    assert found(source) == [("a.png", "y", ""), ("b.png", "x", "")]


def test_missing_pictures_stay_in_the_records_and_say_why(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    long = "x" * 300
    source = read(listed(tmp_path, f"path,label\na.png,x\ngone.png,y\nb.png,y\n{long},x\n"), "here")
    assert [record.path for record in source.records] == ["a.png", "gone.png", "b.png", long]
    for index in (1, 3):
        with pytest.raises(PictureError, match="cannot read"):
            source.pictures.image(index)


NAMES = ["a, b.png", 'say "cat".png', "new\nline.png", "網.png", "x" * 251 + ".png", os.fsdecode(b"caf\xe9.png"), "#"]


def test_names_of_every_kind_are_names(tmp_path):
    pictures(tmp_path, *NAMES)
    text = StringIO()
    writing.writer(text).writerows([("path", "label"), *((name, name[:9]) for name in NAMES)])
    source = read(listed(tmp_path, text.getvalue()), "here")
    assert found(source) == [(name, name[:9], "") for name in NAMES]
    assert [source.pictures.image(at).tobytes() for at in range(len(NAMES))] == [
        drawn(at).tobytes() for at in range(len(NAMES))
    ]


LABEL = st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), min_size=1, max_size=4)


@given(labels=st.lists(LABEL, min_size=1, max_size=8), parts=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_pythons_writer_writes_is_read_back(tmp_path, labels, parts):
    header = ("path", "label", "part") if parts else ("path", "label")
    rows = [(f"{at}.png", label, ("train", "val")[at % 2]) for at, label in enumerate(labels)]
    text = StringIO()
    writing.writer(text).writerows([header, *(row[: len(header)] for row in rows)])
    source = read(listed(tmp_path, text.getvalue()), "here", to_learn=False, file=tmp_path / "list.csv")
    assert found(source) == [(*row[:2], row[2] if parts else "") for row in rows]
    assert set(source.classes) == set(labels)


# A row for each box


def test_boxes_of_one_picture_stand_in_several_rows(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png")  # each 24x18
    rows = "a.png,cat,1,2,5,6\nb.png,dog,0,0,24,18\na.png,dog,7,8,9.5,10\nc.png,,,,,\n"
    source = read(listed(tmp_path, "filename,class,xmin,ymin,xmax,ymax\n" + rows), "here")
    assert source.classes == ("cat", "dog")
    assert found(source) == [("a.png", None, ""), ("b.png", None, ""), ("c.png", None, "")]
    first, second, third = (record.boxes for record in source.records)
    assert first is not None and second is not None and third is not None
    assert first.xyxy_N4.tolist() == [[1, 2, 5, 6], [7, 8, 9.5, 10]]
    assert first.labels_N.tolist() == [0, 1]
    assert second.xyxy_N4.tolist() == [[0, 0, 24, 18]]
    assert len(third) == 0
    assert source.faults == ()


def test_a_corner_and_sides_are_boxes_too_and_one_row_each_gives_the_picture_its_class(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    source = read(listed(tmp_path, "path,label,x,y,width,height\na.png,cat,1,2,3,4\nb.png,dog,,,,\n"), "here")
    assert found(source) == [("a.png", "cat", ""), ("b.png", "dog", "")]
    assert [record.boxes.xyxy_N4.tolist() for record in source.records if record.boxes] == [[[1, 2, 4, 6]]]
    assert [len(record.boxes) for record in source.records if record.boxes is not None] == [1, 0]


@pytest.mark.parametrize(("more", "labels"), [("", [0]), ("a.png,2,2,3,4\n", [0, 0])])
def test_boxes_without_classes_are_objects(tmp_path, more, labels):
    pictures(tmp_path, "a.png")
    source = read(listed(tmp_path, "path,x1,y1,x2,y2\na.png,1,2,3,4\n" + more), "here")
    assert source.classes == ("object",)
    assert found(source) == [("a.png", None, "")]
    assert [record.boxes.labels_N.tolist() for record in source.records if record.boxes] == [labels]


def test_unsound_boxes_are_faults(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    rows = "a.png,cat,5,2,1,6\na.png,cat,1,1,99,9\na.png,cat,nan,1,2,3\nb.png,dog,1,2,3,4\ngone.png,dog,1,2,3,4\n"
    source = read(listed(tmp_path, "path,label,x1,y1,x2,y2\n" + rows), "here")
    assert [(fault.path, fault.kind) for fault in source.faults] == [
        ("a.png", "box inverted"),
        ("a.png", "box reaches out"),
        ("a.png", "box not a number"),
    ]
    assert source.records[0].boxes is not None
    assert source.records[0].boxes.xyxy_N4.tolist() == [[1, 1, 24, 9]]


def test_a_class_without_a_box_is_passed_over_with_a_note(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    rows = "a.png,cat,1,2,3,4\na.png,dog,1,2,5,6\nb.png,nothing,,,,\n"
    source = read(listed(tmp_path, "path,label,x1,y1,x2,y2\n" + rows), "here")
    assert source.classes == ("cat", "dog")
    assert source.notes == ("a class without a box is passed over, in 1 of the pictures",)


def test_fractions_of_the_picture_are_refused(tmp_path):
    pictures(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"the boxes in list.csv are fractions of the picture"):
        read(listed(tmp_path, "path,label,x1,y1,x2,y2\na.png,cat,0.1,0.2,0.3,0.4\n"), "here")


# Masks


def mask(folder, name, pixels):
    (folder / name).parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(folder / name)


def filled(value, size=(18, 24)):
    """A mask whose first row has a value, the rest 0."""
    pixels = np.zeros(size, np.uint8)
    pixels[0] = value
    return pixels


def test_a_masks_values_are_the_classes_from_1_on(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png")
    for name, value in (("a", 1), ("b", 2)):
        pixels = filled(value)
        pixels[1] = 255
        mask(tmp_path, f"m/{name}.png", pixels)
    source = read(listed(tmp_path, "path,label,mask\na.png,cat,m/a.png\nb.png,dog,m/b.png\nc.png,dog,\n"), "here")
    assert source.classes == ("cat", "dog")
    assert [record.masked for record in source.records] == [True, True, False]
    assert source.masks is not None
    for index, value in ((0, 1), (1, 2)):
        read_back = source.masks.mask(index)
        assert read_back.shape == (18, 24)
        assert (set(read_back[0]), set(read_back[1]), set(read_back[2])) == ({value}, {IGNORE}, {0})


def test_255_is_the_one_class_where_there_is_no_other_value(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    for name in ("a", "b"):
        mask(tmp_path, f"m/{name}.png", filled(255))
    source = read(listed(tmp_path, "path,label,mask_path\na.png,cell,m/a.png\nb.png,cell,m/b.png\n"), "here")
    assert source.classes == ("cell",)
    assert source.masks is not None
    assert set(np.unique(source.masks.mask(1)).tolist()) == {0, 1}


def test_masks_without_classes_are_read_as_folders_of_masks_are(tmp_path):
    pictures(tmp_path, "a.png")
    mask(tmp_path, "m/a.png", filled(2))
    listed(tmp_path, "path,mask\na.png,m/a.png\n")
    (tmp_path / "classes.txt").write_text("background\ncat\ndog\n")
    source = read(tmp_path, "here")
    assert source.classes == ("cat", "dog")
    assert source.masks is not None and source.records[0].label == UNLABELLED
    assert set(source.masks.mask(0)[0]) == {2}


def test_masks_that_are_missing_or_of_another_size_are_left_out_with_the_reason(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png")
    mask(tmp_path, "m/a.png", filled(1))
    mask(tmp_path, "m/c.png", filled(1, (24, 24)))
    rows = "a.png,cat,m/a.png\nb.png,dog,m/b.png\nc.png,dog,m/c.png\n"
    source = read(listed(tmp_path, "path,label,mask\n" + rows), "here")
    assert [record.masked for record in source.records] == [True, False, False]
    assert [(fault.path, fault.kind) for fault in source.faults] == [
        ("b.png", "mask unreadable"),
        ("c.png", "mask size"),
    ]
    assert source.faults[1].reason == "a mask of 24x24 for a picture of 24x18; the mask is left out"


# What is taken for a list


def test_here_asks_for_columns_and_a_picture_that_is_there(tmp_path):
    assert not here(tmp_path)
    assert not here(tmp_path / "nothing")
    pictures(tmp_path, "a.png")
    for text in (
        "path,price\na.png,7\n",
        "name,label\na.png,cat\n",
        "path,label\nb.png,cat\n",
        "path,label\n",
        "path,sha256,class,group,part\na.png,00,cat,,train\n",
        "path,label\na\0.png,cat\n" + "x" * 300 + ",cat\n",
    ):
        assert not here(listed(tmp_path, text)), text
    assert here(listed(tmp_path, "path,label\nb.png,cat\n\na.png,cat\n"))


def test_here_opens_no_pipe_and_no_hidden_file(tmp_path):
    pictures(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.csv")
    listed(tmp_path, "path,label\na.png,cat\n", "._list.csv")
    (tmp_path / "folder.csv").mkdir()
    assert not here(tmp_path)


def test_a_list_that_will_be_refused_is_a_list_all_the_same(tmp_path):
    pictures(tmp_path, "a.png")
    assert here(listed(tmp_path, "path,file,label\na.png,a.png,cat\n"))
    assert here(listed(tmp_path, "path,label\na.png,cat\nb.png\n"))


# What is refused


def test_a_folder_without_a_list_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^no list of pictures in "):
        read(tmp_path, "here")


def test_a_list_without_rows_is_refused(tmp_path):
    listed(tmp_path, "path,label\n\n")
    with pytest.raises(DataError, match=r"list.csv lists no picture"):
        read(tmp_path, "here", file=tmp_path / "list.csv")


def test_several_lists_are_refused(tmp_path):
    pictures(tmp_path, "a.png")
    for name in ("train.csv", "val.csv", "all.csv"):
        listed(tmp_path, "path,label\na.png,x\n", name)
    with pytest.raises(DataError, match="has several lists of pictures") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "all.csv, train.csv, val.csv"
    assert caught.value.remedy == "name the one to read, or take the others out"


def test_lists_of_different_columns_are_refused(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    listed(tmp_path, "path,label,x1,y1,x2,y2\na.png,x,1,2,3,4\n", "train.csv")
    listed(tmp_path, "path,label\nb.png,x\n", "val.csv")
    with pytest.raises(DataError, match=r"^train.csv and val.csv have different columns") as caught:
        read(tmp_path, "here")
    assert caught.value.got == "boxes, label, path and label, path"


def test_one_picture_in_two_lists_is_refused(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    listed(tmp_path, "path,label\na.png,x\nb.png,y\n", "train.csv")
    listed(tmp_path, "path,label\n./b.png,y\n", "val.csv")
    with pytest.raises(DataError, match=r"^train.csv line 3 and val.csv line 2 give one picture two parts"):
        read(tmp_path, "here")


def test_one_picture_of_two_classes_is_refused(tmp_path):
    pictures(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"^list.csv line 2 and list.csv line 3 give one picture two classes") as caught:
        read(listed(tmp_path, "path,label\na.png,x\na.png,y\n"), "here")
    assert caught.value.got == "a.png: x and y"


@pytest.mark.parametrize(
    ("text", "got"),
    [("path,label\na.png,x\n", "x"), ("path,label,x1,y1,x2,y2\na.png,x,,,,\na.png,,,,,\n", "none")],
)
def test_too_few_classes_are_refused_to_learn_from(tmp_path, text, got):
    pictures(tmp_path, "a.png")
    root = listed(tmp_path, text)
    read(root, "here", to_learn=False)
    with pytest.raises(DataError, match=r"list.csv has too few classes") as caught:
        read(root, "here")
    assert caught.value.got == got


def test_a_class_that_only_val_has_is_refused_to_learn_from(tmp_path):
    pictures(tmp_path, "a.png")
    root = listed(tmp_path, "path,label,part\na.png,x,train\nb.png,y,train\nc.png,z,val\nd.png,X,val\n")
    assert read(root, "here", to_learn=False).classes == ("X", "x", "y", "z")
    with pytest.raises(DataError, match=r"^the val part has classes that the train part does not know") as caught:
        read(root, "here")
    assert (caught.value.expected, caught.value.got) == ("x, y", "X, z")
    assert caught.value.remedy.startswith("give them one name: 'x' and 'X' differ only by")


def test_classes_that_are_alike_are_refused_to_learn_from(tmp_path):
    pictures(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"^two classes differ only by capital letters"):
        read(listed(tmp_path, "path,label\na.png,cat\nb.png,cat \n"), "here")


# Real lists


@pytest.mark.shared
def test_fifty_imagenet_photos_are_read_by_their_list():
    root = shared("data", "imagenet-samples")
    assert here(root)
    source = read(root, str(root))
    assert len(source.records) == len(source.classes) == 50
    with (root / "labels.csv").open(newline="") as file:
        told = list(writing.DictReader(file))
    assert found(source) == [(row["file"], row["label"], "") for row in told]
    assert list(source.classes) == [row["label"] for row in sorted(told, key=lambda row: int(row["class_index"]))]
    assert source.pictures.image(0).size[0] > 100
