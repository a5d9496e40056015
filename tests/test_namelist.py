"""Names of classes in a file of their own."""

import pytest

from torchbeam.data.sources.namelist import check_names, read_names, text_of
from torchbeam.errors import DataError


def read(tmp_path, content, name="classes.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_names(path)


@pytest.mark.parametrize("content", ["cat\ndog", "cat\r\n dog \r\n\r\n", "\ufeffcat\ndog\n"])
def test_a_name_a_line(tmp_path, content):
    assert read(tmp_path, content).names == ("cat", "dog")


def test_names_may_hold_anything_but_line_ends(tmp_path):
    assert read(tmp_path, "#1: red, blue\nétoile\n").names == ("#1: red, blue", "étoile")


def test_a_label_map_tells_colours_too(tmp_path):
    told = read(
        tmp_path, "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,1:a,b:\ndog::\n", "labelmap.txt"
    )
    assert told.names == ("background", "cat", "dog")
    assert told.colours == {0: 0, 128 << 16 | 1: 1}


@pytest.mark.parametrize(
    ("content", "got"),
    [("", "none"), ("\n\n", "none"), ("cat\n\ndog\n", "no name in place 2"), ("cat\ndog\ncat\n", "cat more than once")],
)
def test_lists_that_name_nothing_or_something_twice_are_refused(tmp_path, content, got):
    with pytest.raises(DataError, match=r"^the names of the classes in .*classes.txt cannot be used") as caught:
        read(tmp_path, content)
    assert caught.value.got == got


def test_names_are_checked_wherever_they_come_from():
    check_names(["a", "b"], "here")
    with pytest.raises(DataError, match=r"^the names of the classes in here cannot be used"):
        check_names([], "here")


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"classes.txt is no text in UTF-8"):
        read(tmp_path, b"caf\xe9\n")


def test_a_long_file_is_not_read(tmp_path):
    (tmp_path / "long.txt").write_bytes(b"x" * 11)
    with pytest.raises(DataError, match=r"long.txt is too long for what it should hold") as caught:
        text_of(tmp_path / "long.txt", 10)
    assert caught.value.expected == "at most 10 bytes"


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read .*none.txt") as caught:
        read_names(tmp_path / "none.txt")
    assert caught.value.got == "No such file or directory"
