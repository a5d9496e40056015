"""The exclude list."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchbeam.data.exclude import read, write
from torchbeam.errors import DataError, OutputError

NAMES = st.text(st.characters(exclude_characters="\0"), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.text(st.characters(exclude_characters="\0"))))
def test_what_is_written_is_read_back(tmp_path, reasons):
    reasons = {path: why for path, why in reasons.items() if not _surrogates(path + why)}
    write(tmp_path / "out.csv", reasons)
    assert read(tmp_path / "out.csv") == reasons


def _surrogates(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def test_names_that_are_no_text_come_back_as_they_were(tmp_path):
    name = os.fsdecode(b'caf\xe9, \n"1".png')
    write(tmp_path / "out.csv", {name: "cut off"})
    assert read(tmp_path / "out.csv") == {name: "cut off"}


def test_a_list_that_was_edited_as_a_table_is_read(tmp_path):
    (tmp_path / "out.csv").write_bytes(b'\xef\xbb\xbfpath,reason\r\ncat/1.jpg,blurred\r\n"a, b.jpg",""\r\n\r\n')
    assert read(tmp_path / "out.csv") == {"cat/1.jpg": "blurred", "a, b.jpg": ""}


@pytest.mark.parametrize(
    ("content", "got"),
    [("", "an empty file"), ("name,why\n", "name,why"), ("path,reason\na,b,c\n", "a,b,c"), ("path,reason\na\n", "a")],
)
def test_what_is_no_list_is_refused(tmp_path, content, got):
    (tmp_path / "out.csv").write_text(content)
    with pytest.raises(DataError, match="is not an exclude list") as caught:
        read(tmp_path / "out.csv")
    assert caught.value.got == got


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read the exclude list") as caught:
        read(tmp_path / "gone.csv")
    assert caught.value.got == "No such file or directory"


def test_a_list_with_an_open_quote_is_refused(tmp_path):
    (tmp_path / "out.csv").write_text('path,reason\n"cat/1.jpg,blurred\n')
    with pytest.raises(DataError, match="cannot read the exclude list"):
        read(tmp_path / "out.csv")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "no folder" / "out.csv", {})
