"""YAML from outside, short and plain."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.sources.yamlfile import MAX_BYTES, read_yaml
from torchbeam.errors import DataError


def read(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


def test_plain_values(tmp_path):
    told = read(tmp_path, "# a set\npath: ../x\nnames:\n  0: person\n  1: 'café & bar'\nnc: 2\n")
    assert told == {"path": "../x", "names": {0: "person", 1: "café & bar"}, "nc": 2}


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x\n", "a: &x {b: *x}\n", "a: &x 1\n"])
def test_aliases_are_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"data.yaml has anchors or aliases"):
        read(tmp_path, text)


def test_a_bomb_is_refused_before_it_is_built(tmp_path):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    with pytest.raises(DataError, match=r"data.yaml has anchors or aliases"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: b: c", "a: !!python/object/apply:os.system ['true']", "\ta: 1", "a: \x07", "2024-99-99"],
)
def test_what_cannot_be_read(tmp_path, text):
    with pytest.raises(DataError, match=r"data.yaml (is no YAML that can be read|holds no names with values)"):
        read(tmp_path, text)


def test_deep_nesting(tmp_path):
    assert read(tmp_path, "a: " + "[" * 31 + "]" * 31)
    with pytest.raises(DataError, match=r"data.yaml is nested too deep"):
        read(tmp_path, "[" * 500_000)


def test_objects_are_never_built(tmp_path):
    with pytest.raises(DataError, match=r"data.yaml is no YAML that can be read"):
        read(tmp_path, "a: !!python/name:os.system ''")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "text", "3"])
def test_anything_but_names_with_values(tmp_path, text):
    with pytest.raises(DataError, match=r"data.yaml holds no names with values"):
        read(tmp_path, text)


def test_a_long_file(tmp_path):
    with pytest.raises(DataError, match="is too long for what it should hold"):
        read(tmp_path, "#" * (MAX_BYTES + 1))


@given(text=st.text(alphabet="a: -[]{}&*!'\"\n|>0", max_size=40))
def test_no_text_crashes_the_reader(tmp_path_factory, text):
    with contextlib.suppress(DataError):
        read(tmp_path_factory.getbasetemp(), text)
