"""XML from outside, without what makes XML dangerous."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.sources import xmltree
from torchbeam.data.sources.xmltree import read_tree, tree_of
from torchbeam.errors import DataError

PLAIN = "<a><b c='1'>x &amp; <i>y</i></b><!-- told --><b>Größe</b></a>"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_plain_xml_in_the_usual_codings(coding):
    head = '<?xml version="1.0" encoding="iso-8859-1"?>' if coding == "latin-1" else ""
    tree = tree_of((head + PLAIN).encode(coding), "a.xml")
    assert [each.text for each in tree.findall("b")] == ["x & ", "Größe"]
    assert tree.find("b").get("c") == "1"
    assert tree.findtext("b/i") == "y"


LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>"""
OUTSIDE = """<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS.encode(),
        LAUGHS.encode("utf-16"),
        OUTSIDE.encode(),
        b'<!DOCTYPE a SYSTEM "http://localhost/a.dtd"><a/>',
        '<?xml version="1.0" encoding="cp037"?><!DOCTYPE a><a/>'.encode("cp037"),
    ],
)
def test_document_types_are_refused(content):
    with pytest.raises(DataError, match=r"^a.xml (declares a document type|is no XML|is in a coding)"):
        tree_of(content, "a.xml")


def test_the_refusal_says_why():
    with pytest.raises(DataError, match=r"^a.xml declares a document type") as caught:
        tree_of(LAUGHS.encode(), "a.xml")
    assert caught.value.expected == "plain XML without DOCTYPE and ENTITY"


@pytest.mark.parametrize("content", [b"", b"text", b"<a>", b"<a></b>", b"<a>&b;</a>", b"\x89PNG\r\n", b"<a/><a/>"])
def test_broken_xml(content):
    with pytest.raises(DataError, match=r"^a.xml is no XML that can be read"):
        tree_of(content, "a.xml")


def test_an_unknown_coding():
    with pytest.raises(DataError, match=r"^a.xml is in a coding that cannot be read|^a.xml is no XML"):
        tree_of(b'<?xml version="1.0" encoding="no-such"?><a/>', "a.xml")


def test_deep_nesting():
    tree_of(b"<a>" * 64 + b"</a>" * 64, "a.xml")
    with pytest.raises(DataError, match=r"^a.xml is nested too deep"):
        tree_of(b"<a>" * 100_000, "a.xml")


def test_files_are_read_up_to_a_limit(tmp_path, monkeypatch):
    path = tmp_path / "a.xml"
    path.write_text(PLAIN)
    assert read_tree(path).tag == "a"
    monkeypatch.setattr(xmltree, "MAX_BYTES", 10)
    with pytest.raises(DataError, match=r"^a.xml is too long for an annotation"):
        read_tree(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read .*none.xml"):
        read_tree(tmp_path / "none.xml")


@given(st.one_of(st.binary(max_size=60), st.text(alphabet="<>/ab&;!-[]'\"= ?", max_size=60).map(str.encode)))
def test_no_bytes_crash_the_reader(content):
    with contextlib.suppress(DataError):
        tree_of(content, "a.xml")
