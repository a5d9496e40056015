"""Tables of pictures in text files: columns by their usual names, rows with their lines."""

import csv
import os
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.sources.table import Row, columns_of, peek, read_table
from torchbeam.errors import DataError


def written(folder, text, name="list.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return path


def cells(path):
    return [row.cells for row in read_table(path).rows]


# Columns


@pytest.mark.parametrize(
    "path", ["path", "FILE", "Filename", "file_name", "image", "image_path", "Image Path", "filepath"]
)
@pytest.mark.parametrize("label", ["label", "Class", "CATEGORY", " target "])
def test_columns_are_found_by_their_usual_names(path, label):
    columns = columns_of(["id", label, path])
    assert columns.at == {"label": 1, "path": 2}
    assert columns.tells and columns.box is None and columns.twice == ()


@pytest.mark.parametrize("name", ["split", "part", "Set", "SUBSET"])
def test_the_part_has_names_of_its_own(name):
    assert columns_of(["file", "label", name]).at["part"] == 2


@pytest.mark.parametrize(
    ("names", "edges"),
    [
        ("x1 y1 x2 y2", True),
        ("XMIN YMIN XMAX YMAX", True),
        ("left top right bottom", True),
        ("x y width height", False),
    ],
)
def test_boxes_have_edges_or_a_corner_and_sides(names, edges):
    columns = columns_of(["file", *reversed(names.split())])
    assert (columns.box, columns.edges, columns.tells) == ((4, 3, 2, 1), edges, True)


def test_width_and_height_beside_edges_are_the_pictures():
    columns = columns_of(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
    assert (columns.box, columns.edges) == ((4, 5, 6, 7), True)
    assert columns_of(["filename", "width", "height", "class"]).box is None


@pytest.mark.parametrize("names", ["path", "label", "path id", "path part", "label x1 y1 x2 y2", ""])
def test_a_table_must_name_pictures_and_tell_something_of_them(names):
    assert not columns_of(names.split()).tells


# Rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_marks_and_line_ends_of_every_kind_are_read(tmp_path, delimiter, mark, end):
    lines = [("path", "label"), ("a.png", "cat"), ("b, c; d.png", "dog")]
    text = StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(lines)
    path = written(tmp_path, mark + text.getvalue().encode())
    assert cells(path) == lines[1:]


def test_blanks_after_the_delimiter_count_unless_the_header_has_them_too(tmp_path):
    assert cells(written(tmp_path, "path,label\na.png, cat \n")) == [("a.png", " cat ")]
    assert cells(written(tmp_path, 'path, label\n"a.png", "cat"\nb.png, dog\n')) == [("a.png", "cat"), ("b.png", "dog")]


def test_rows_know_the_line_they_begin_in(tmp_path):
    path = written(tmp_path, 'path,label\n"new\nline.png",cat\n\n,\nb.png,"two\n\nlines"\nc.png,dog')
    assert read_table(path).rows == (
        Row(2, ("new\nline.png", "cat")),
        Row(6, ("b.png", "two\n\nlines")),
        Row(9, ("c.png", "dog")),
    )


def test_odd_bytes_are_kept_as_in_names_of_files(tmp_path):
    ((name, label),) = cells(written(tmp_path, b"path,label\ncaf\xe9.png,\xff\n"))
    assert (os.fsencode(name), os.fsencode(label)) == (b"caf\xe9.png", b"\xff")


# No carriage return alone: Python's writer leaves it unquoted.
TEXT = st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), max_size=8)


@given(
    rows=st.lists(st.tuples(TEXT, TEXT), max_size=6),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_pythons_writer_writes_is_read_back(tmp_path_factory, rows, delimiter, quoting, end):
    text = StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([("path", "label"), *rows])
    path = written(tmp_path_factory.getbasetemp(), text.getvalue(), "round.csv")
    assert cells(path) == [row for row in rows if any(cell.strip() for cell in row)]


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), content, "bytes.csv")
    peek(path, 3)
    with pytest.raises(DataError):
        read_table(path)


@given(st.binary(max_size=60))
def test_no_rows_do_more_than_be_refused(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), b"path,label\n" + content, "rows.csv")
    looked = peek(path, 100)
    assert looked is not None
    try:
        assert read_table(path) == looked
    except DataError:
        assert len(looked.rows) < 100


# A look at the beginning


def test_a_peek_reads_the_first_rows_of_a_long_table(tmp_path):
    path = written(tmp_path, "path,label\n" + "".join(f"{number}.png,cat\n" for number in range(50_000)))
    looked = peek(path, 3)
    assert looked is not None
    assert [row.cells[0] for row in looked.rows] == ["0.png", "1.png", "2.png"]
    assert len(read_table(path).rows) == 50_000


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "label\ncat\n", b"\xff\xfep\0a\0t\0h\0", "path,sha256,class,group,part\na,b,c,,train\n"]
)
def test_a_peek_passes_over_what_names_no_pictures(tmp_path, text):
    assert peek(written(tmp_path, text), 3) is None


# What is refused


def test_the_split_of_a_run_is_refused(tmp_path):
    path = written(tmp_path, "path,sha256,class,group,part\na.png,00,cat,,train\n")
    with pytest.raises(DataError, match="is the split of a run, not a list of pictures and their classes"):
        read_table(path)


@pytest.mark.parametrize(
    "text", ["path,label\na.png,cat\n".encode("utf-16"), b"\0\1\2\3", b"path,label\na\0.png,cat\n"]
)
def test_what_is_no_utf_8_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"list.csv is no text in UTF-8") as caught:
        read_table(written(tmp_path, text))
    assert caught.value.remedy == "save the table as CSV in UTF-8"


@pytest.mark.parametrize(("text", "got"), [("", "an empty line"), ("a.png,cat\n", "a.png, cat"), ("path\n", "path")])
def test_columns_that_nobody_knows_are_refused(tmp_path, text, got):
    with pytest.raises(DataError, match="does not say in its first line what its columns hold") as caught:
        read_table(written(tmp_path, text))
    assert caught.value.got == got


@pytest.mark.parametrize(
    ("header", "got"),
    [
        ("path,file,label", "path, file"),
        ("path,Label,Class", "Label, Class"),
        ("path,x1,y1,x2,y2,left,top,right,bottom", "x1, y1, x2, y2, left, top, right, bottom"),
    ],
)
def test_two_columns_for_one_thing_are_refused(tmp_path, header, got):
    with pytest.raises(DataError, match="has two columns for one thing") as caught:
        read_table(written(tmp_path, header + "\n"))
    assert caught.value.got == got


def test_some_columns_of_a_box_are_refused(tmp_path):
    with pytest.raises(DataError, match="has only some of the columns of a box") as caught:
        read_table(written(tmp_path, "path,label,xmin,ymin,xmax\na,b,1,2,3\n"))
    assert (caught.value.expected, caught.value.got) == ("xmin, ymin, xmax, ymax", "xmin, ymin, xmax")


@pytest.mark.parametrize(("row", "count"), [("b.png", 1), ("b.png,cat,dog", 3), ("b, c.png,cat", 3)])
def test_a_row_of_another_length_is_refused(tmp_path, row, count):
    with pytest.raises(DataError, match="has a row of another length in line 4") as caught:
        read_table(written(tmp_path, f'path,label\n"a\n.png",cat\n{row}\n'))
    assert (caught.value.expected, caught.value.got) == ("2 cells, as in its first line", str(count))
    assert caught.value.shown == row


@pytest.mark.parametrize("row", ['"b.png,cat\nc.png,dog\n', '"b"x.png,cat\n', '"' + "x" * 200_000 + '",cat\n'])
def test_quotes_that_do_not_close_are_refused(tmp_path, row):
    with pytest.raises(DataError, match="has a row that cannot be read from line 3 on"):
        read_table(written(tmp_path, "path,label\na.png,cat\n" + row))
