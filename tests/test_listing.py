"""What the rows of a list say, and whether they agree."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.sources.listing import (
    Line,
    by_picture,
    check_parts,
    check_pixels,
    in_order,
    labels_are_whole,
    lines_of,
)
from torchbeam.data.sources.table import read_table
from torchbeam.errors import DataError


def lines(folder, text, part=""):
    (folder / "list.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    return lines_of(read_table(folder / "list.csv"), part, folder)


def line(at, path="a.png", label="", number=None, part="", mask="", box=None):
    return Line(f"list.csv line {at}", path, label, number, part, mask, box)


# Cells


def test_a_row_is_read_cell_by_cell(tmp_path):
    text = "Path,class_index,Label,Split,Mask_path,xmin,ymin,xmax,ymax\na/b.png,7,cat,Valid,m/b.png,1,2.5, 3e1 ,40\n"
    box = (1.0, 2.5, 30.0, 40.0)
    assert lines(tmp_path, text) == [Line("list.csv line 2", "a/b.png", "cat", 7, "val", "m/b.png", box)]


def test_a_corner_and_sides_become_edges(tmp_path):
    (read,) = lines(tmp_path, "file,x,y,width,height\na.png,10,20,3,4.5\n")
    assert (read.box, read.label) == ((10, 20, 13, 24.5), "object")


def test_empty_cells_are_no_box(tmp_path):
    (read,) = lines(tmp_path, "file,label,x1,y1,x2,y2\na.png,,,, ,\n")
    assert (read.box, read.label) == (None, "")


def test_a_class_index_alone_is_the_class(tmp_path):
    (read,) = lines(tmp_path, "file,class_index\na.png,7\n")
    assert (read.label, read.number) == ("7", None)


def test_the_part_of_the_file_stands_where_rows_say_none(tmp_path):
    assert lines(tmp_path, "file,label\na.png,cat\n", "test")[0].part == "test"
    assert lines(tmp_path, "file,label,set\na.png,cat,train\n", "test")[0].part == "train"


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("a.png", "a.png"),
        ("./a//b.png", "a/b.png"),
        ("../up.png", "../up.png"),
        ("/elsewhere/a.png", "/elsewhere/a.png"),
        ("a\\b.png", "a/b.png"),
        ("x" * 300 + ".png", "x" * 300 + ".png"),
    ],
)
def test_paths_are_as_records_have_them(tmp_path, cell, path):
    assert lines(tmp_path, f"file,label\n{cell},cat\n")[0].path == path


def test_an_absolute_path_below_the_root_becomes_relative(tmp_path):
    assert lines(tmp_path, f"file,label\n{tmp_path}/in/a.png,cat\n")[0].path == "in/a.png"


def test_a_backslash_in_a_name_that_is_there_stays(tmp_path):
    (tmp_path / "a\\b.png").touch()
    assert lines(tmp_path, "file,label\na\\b.png,cat\n")[0].path == "a\\b.png"


@pytest.mark.parametrize("column", ["file", "mask"])
def test_a_pipe_is_refused_and_never_opened(tmp_path, column):
    os.mkfifo(tmp_path / "pipe.png")
    text = "file,mask\n" + ("pipe.png,m.png\n" if column == "file" else "a.png,pipe.png\n")
    with pytest.raises(DataError, match=r"^list.csv line 2 names what is no file") as caught:
        lines(tmp_path, text)
    assert caught.value.got == "pipe.png, a pipe or device"


def test_a_folder_is_no_picture(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(DataError, match="names what is no file") as caught:
        lines(tmp_path, "file,label\na.png,cat\n")
    assert caught.value.got == "a.png, a folder"


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    filler = "".join(f"{number}.png,cat\n" for number in range(1000))
    with pytest.raises(DataError, match=r"^list.csv line 1002 has a name that no file can have"):
        lines(tmp_path, f"file,label\n{filler}a\0.png,cat\n")


def test_a_row_without_a_picture_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^list.csv line 3 names no picture"):
        lines(tmp_path, "file,label\na.png,cat\n,dog\n")


@pytest.mark.parametrize("part", ["dev", "trian", "0"])
def test_an_unknown_part_is_refused(tmp_path, part):
    with pytest.raises(DataError, match=r"^list.csv line 2 names a part that is none") as caught:
        lines(tmp_path, f"file,label,split\na.png,cat,{part}\n")
    assert caught.value.got == part
    assert caught.value.remedy == "name it train, val or test"


@pytest.mark.parametrize("number", ["1.0", "-1", "one", "1_0", "\u0663", "9" * 5000])
def test_a_class_index_that_is_no_number_is_refused(tmp_path, number):
    with pytest.raises(DataError, match="line 2 has a class_index that is no number") as caught:
        lines(tmp_path, f"file,label,class_index\na.png,cat,{number}\n")
    assert caught.value.got == number


@pytest.mark.parametrize("cells", ["1,2,3,", "1,2,3,four", "1_0,2,3,4", ",,,4", '"1,5",2,3,4'])
def test_a_box_whose_numbers_are_none_is_refused(tmp_path, cells):
    with pytest.raises(DataError, match="line 2 has a box whose numbers are none"):
        lines(tmp_path, f"file,x1,y1,x2,y2\na.png,{cells}\n")


# Rows of one picture


def test_the_same_row_again_is_passed_over_with_a_note():
    rows = [line(2, "a", "cat"), line(3, "b", "dog"), line(4, "a", "cat")]
    assert by_picture(rows, boxed=False) == (
        {"a": (rows[0],), "b": (rows[1],)},
        ["rows passed over that name a picture again: 1"],
    )


def test_rows_of_boxes_are_all_kept():
    rows = [line(2, "a", "cat"), line(3, "b", "dog"), line(4, "a", "dog")]
    assert by_picture(rows, boxed=True) == ({"a": (rows[0], rows[2]), "b": (rows[1],)}, [])


@pytest.mark.parametrize(
    ("what", "other", "boxed"),
    [
        ("classes", {"label": "dog"}, False),
        ("parts", {"label": "cat", "part": "val"}, False),
        ("parts", {"label": "cat", "part": "val"}, True),
        ("masks", {"label": "cat", "mask": "m.png"}, True),
    ],
)
def test_rows_that_disagree_are_refused(what, other, boxed):
    with pytest.raises(DataError, match=f"^list.csv line 2 and list.csv line 5 give one picture two {what}"):
        by_picture([line(2, label="cat"), line(5, **other)], boxed)


# Parts, classes, numbers, boxes


def test_a_row_without_a_part_among_others_is_refused():
    with pytest.raises(DataError, match=r"^list.csv line 3 names no part, others do"):
        check_parts("list.csv", [line(2, part="train"), line(3), line(4, part="val")], to_learn=False)


def test_parts_without_one_to_learn_from_are_refused():
    rows = [line(2, part="val"), line(3, part="test")]
    check_parts("list.csv", rows, to_learn=False)
    check_parts("list.csv", [*rows, line(4, part="train")], to_learn=True)
    check_parts("list.csv", [line(2)], to_learn=True)
    with pytest.raises(DataError, match=r"^list.csv has a test and a val part but none to learn from"):
        check_parts("list.csv", rows, to_learn=True)


BOX = (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("rows", "boxed", "whole"),
    [
        ({"a": [line(2, label="cat")]}, False, True),
        ({"a": [line(2, mask="m.png")]}, False, False),
        ({"a": [line(2, label="cat", box=BOX)], "b": [line(3, label="dog", box=BOX)]}, True, True),
        ({"a": [line(2, label="cat", box=BOX)], "b": [line(3, label="dog")]}, True, True),
        ({"a": [line(2, label="cat", box=BOX)], "b": [line(3)]}, True, False),
        ({"a": [line(2, label="cat", box=BOX), line(3, label="cat", box=BOX)]}, True, False),
    ],
)
def test_a_label_is_the_pictures_unless_it_is_only_its_boxes(rows, boxed, whole):
    assert labels_are_whole("list.csv", rows, boxed) is whole


@pytest.mark.parametrize("boxed", [False, True])
def test_a_missing_class_among_others_is_refused(boxed):
    rows = {"a": [line(2, "a", "cat", box=BOX)], "b": [line(3, "b", box=BOX)]}
    with pytest.raises(DataError, match=r"^list.csv line 3 gives no class, others do") as caught:
        labels_are_whole("list.csv", rows, boxed)
    assert caught.value.expected == "a class in every row, as 'cat' in list.csv line 2"
    assert caught.value.got == "an empty cell for b"


def test_a_list_without_any_class_is_refused():
    with pytest.raises(DataError, match="has a column for the class and nothing in it"):
        labels_are_whole("list.csv", {"a": [line(2)]}, False)


def test_numbers_order_the_classes():
    assert in_order([line(2, label="cat"), line(3, label="dog")]) == {}
    rows = [line(2, label="cat", number=7), line(3, label="dog", number=0), line(4, label="cat", number=7)]
    assert in_order(rows) == {"cat": 7, "dog": 0}


@pytest.mark.parametrize(
    ("label", "number", "got"), [("cat", 8, "7 for cat, 8 for cat"), ("dog", 7, "7 for cat, 7 for dog")]
)
def test_numbers_that_do_not_go_one_to_one_are_refused(label, number, got):
    with pytest.raises(DataError, match=r"^list.csv line 9 numbers its class otherwise than list.csv line 2") as caught:
        in_order([line(2, label="cat", number=7), line(9, label=label, number=number)])
    assert caught.value.got == got


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 50), max_size=8), st.data())
def test_numbers_are_accepted_exactly_when_one_to_one(numbers, data):
    names = sorted(numbers)
    drawn = data.draw(st.lists(st.sampled_from(names), max_size=12)) if names else []
    rows = [line(at, label=name, number=numbers[name]) for at, name in enumerate(drawn, 2)]
    seen = {name: numbers[name] for name in drawn}
    if len(set(seen.values())) == len(seen):
        assert in_order(rows) == seen
    else:
        with pytest.raises(DataError):
            in_order(rows)


def test_fractions_of_the_picture_are_refused():
    with pytest.raises(DataError, match=r"^the boxes in list.csv are fractions of the picture") as caught:
        check_pixels("list.csv", [line(2, box=(0.1, 0.2, 0.5, 1.0)), line(3), line(4, box=(0, 0, 1, 1))])
    assert caught.value.got == "numbers from 0 to 1"


@pytest.mark.parametrize("box", [(0.5, 0.5, 1.5, 1.0), (0, 0, 1, 1), (float("nan"), 0, 3, 4), (0, 0, float("inf"), 1)])
def test_pixels_are_no_fractions(box):
    check_pixels("list.csv", [line(2, box=box), line(3)])
