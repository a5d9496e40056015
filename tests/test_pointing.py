"""Carets: under the right letters, in a window of the line, whatever the line is made of."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Token

from torchbeam.design.notation import parse
from torchbeam.design.pointing import caret, error_at
from torchbeam.errors import NotationError


def test_the_caret_stands_under_the_word_at_its_line_and_column():
    assert caret("INPUT\n-> CONF 3", 2, 4, 4) == "-> CONF 3\n   ^^^^"
    assert caret("INPUT", 1, 6, 1) == "INPUT\n     ^"


def test_a_line_beyond_the_last_points_into_the_last():
    assert caret("INPUT\n-> FC", 9, 1, 2) == "-> FC\n^^"


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.text(st.sampled_from("ab \t\r\x00é→\u2028"), min_size=1, max_size=300), st.data())
def test_what_the_carets_stand_under_is_what_was_pointed_at(line, data):
    start = data.draw(st.integers(0, len(line) - 1))
    width = data.draw(st.integers(1, min(20, len(line) - start)))
    row, carets = caret(line, 1, start + 1, width).split("\n")
    at = carets.index("^")
    meant = "".join(letter if letter.isprintable() else " " for letter in line[start : start + width])
    assert row[at : at + width] == meant
    assert carets[at:] == "^" * width
    assert max(len(row), len(carets)) <= 76


def test_an_error_shortens_every_long_word_it_speaks_of_and_nothing_else():
    token = Token("NAME", "b" * 90, line=1, column=4)
    error = error_at("-> " + "b" * 90, token, f"no {token}", expected="c" * 50, got=f"d = {'e' * 41}", remedy="f" * 40)
    assert error.what == f"no {'b' * 40}... (line 1, column 4)"
    assert (error.expected, error.got, error.remedy) == ("c" * 40 + "...", f"d = {'e' * 40}...", "f" * 40)
    assert (error.line, error.column) == (1, 4)


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("INPUT -> FC }", "did not expect '}' here", "->"),
        ("INPUT -> FC -> |", "did not expect '|' here", "( or [ or a word"),
        ("INPUT -> a = 3", "did not expect '=' here", "where"),
        ("INPUT -> FC where a = 3 4", "did not expect '4' here", ";"),
        ("INPUT -> [FC]*", "did not expect the end of the text here", "a number or a word"),
        ("INPUT -> a: : FC", "did not expect ':' here", "( or [ or a word"),
    ],
)
def test_what_the_parser_stumbles_over_is_told_in_the_notations_own_signs(text, found, expected):
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert found in caught.value.what
    assert expected in caught.value.expected
    assert not re.search(r"[A-Z_]{2}", caught.value.expected)
