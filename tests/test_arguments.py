"""Arguments: what pieces of text a word takes, and the one spelling each value is written in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbeam.design.arguments import (
    EXPECTED,
    RESERVED,
    VOCABULARY,
    ArgumentError,
    listed,
    names_of,
    nearest,
    plain,
    read_word,
    real,
    short,
    takes,
    whole,
    write_word,
)
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation, Conv, Fc, Input, Lrn, Pool, Shortcut, Up
from torchbeam.errors import DesignError

PROPERTY = settings(max_examples=200, deadline=None, database=None, derandomize=True)


@pytest.mark.parametrize(
    ("text", "word", "written"),
    [
        ("INPUT 32x24x3 fit crop", Input(Volume(3, 24, 32), "crop"), "INPUT 32x24x3 fit crop"),
        ("CONV pad 0:1x2 8 5x3", Conv(8, (3, 5), padding=((2, 2), (0, 1))), "CONV 8 5x3 pad 0:1x2"),
        ("CONV full 8", Conv(8), "CONV 8"),
        ("CONV 3X3 Depthwise", Conv(None, (3, 3), connect="depthwise"), "CONV depthwise 3x3"),
        ("POOL to 7", Pool(to=(7, 7)), "POOL to 7x7"),
        ("POOL avg to 7x1", Pool("avg", to=(1, 7)), "POOL avg to 7x1"),
        ("POOL stride 2x2", Pool(stride=(2, 2)), "POOL stride 2"),
        ("LRN 5 alpha 1e-4 k 2", Lrn(), "LRN"),
        ("LRN 5 k 1.0", Lrn(k=1.0), "LRN k 1.0"),
        ("UP bilinear 3", Up(3, "bilinear"), "UP 3 bilinear"),
        ("SHORTCUT 32 stride 2x1", Shortcut(32, (1, 2)), "SHORTCUT 32 stride 2x1"),
        ("FC bias NO", Fc(bias=False), "FC bias no"),
        ("ELU 1e-05", Activation("ELU", 0.00001), "ELU 1e-05"),
    ],
)
def test_a_word_is_read_from_pieces_and_written_in_its_one_spelling(text, word, written):
    name, *pieces = text.split()
    assert read_word(name, pieces) == word
    assert write_word(word) == written
    again, *others = written.split()
    assert read_word(again, others) == word


@pytest.mark.parametrize(
    ("text", "piece", "what"),
    [
        ("CONV 8 strid 2", 1, "CONV does not understand strid"),
        ("CONV 8 stride", 1, "stride of CONV has no value"),
        ("CONV 8 3x3 5x5", 2, "CONV is told its size twice"),
        ("CONV depthwise full", 1, "CONV is told its connections twice"),
        ("CONV 8 bias maybe", 2, "bias cannot be maybe"),
        ("POOL to big", 1, "big is not a size here"),
        ("POOL 2x2 count some", 2, "count cannot be some"),
        ("FC 8.5", 0, "number of units cannot be 8.5"),
        ("UP 1e3", 0, "factor cannot be 1e3"),
        ("LRN 5 alpha many", 2, "many is not a number here"),
        ("RELU 3", 0, "RELU does not understand 3"),
        ("INPUT 3x3", 0, "3x3 is not a volume"),
        ("CONV 8 2x2", -1, "CONV with an even window of 2 pixels"),
        ("UP 65", -1, "UP cannot enlarge 65 times"),
    ],
)
def test_an_error_knows_which_piece_is_wrong(text, piece, what):
    name, *pieces = text.split()
    with pytest.raises(ArgumentError) as caught:
        read_word(name, pieces)
    assert what in str(caught.value)
    assert caught.value.piece == piece


# Nothing but numbers, letters and signs that look like them: superscripts, other scripts' digits, the empty piece.
PIECES = st.text(st.sampled_from("0123456789xX×:.eE-+_aln²٣½Ⅷ\x00 "), max_size=8) | st.text(max_size=4)
NAMES = st.sampled_from(sorted({name for word in VOCABULARY[:-1] for name in names_of(word)}))


@PROPERTY
@given(st.sampled_from(VOCABULARY[:-1]), st.lists(PIECES | NAMES, max_size=4))
def test_any_pieces_are_read_or_refused_in_words(word, pieces):
    try:
        read = read_word(word, pieces)
    except ArgumentError as error:
        assert error.what
        assert -1 <= error.piece < len(pieces)
    else:
        name, *others = write_word(read).split()
        assert read_word(name, others) == read


@pytest.mark.parametrize("piece", ["", "²", "٣", "-1", "1.0", "1e3", "0x1", " 1"])
def test_a_whole_number_is_made_of_plain_digits(piece):
    with pytest.raises(DesignError, match="a repeat cannot be"):
        whole(piece, "a repeat")


def test_numbers_end_where_the_house_says():
    assert whole("1000000000", "n") == 10**9
    for piece in ("1000000001", "9" * 9_000):
        with pytest.raises(DesignError, match="is too large"):
            whole(piece, "n")
    assert real("-1e-3") == -0.001
    for piece in ("1e999", "-1e999", "nan", "inf", "x", "3x3", "", "½", "-"):
        with pytest.raises(DesignError, match="is not a number here"):
            real(piece)


def test_a_piece_has_one_spelling():
    assert plain("3×3") == plain("3X3") == "3x3"
    assert plain("AVG") == "avg"


def test_the_nearest_name_is_offered_and_none_where_none_is_near():
    assert nearest("strde", ["pad", "stride"]) == "did you mean stride?"
    assert nearest("qqq", ["pad", "stride"]) == ""
    assert nearest("x" * 10_000, ["pad"] * 10_000) == ""


def test_what_is_long_is_shown_shortly():
    assert short("a" * 40) == "a" * 40
    assert short("a" * 41) == "a" * 40 + "..."
    assert listed(["a", "b"]) == "a, b"
    assert len(listed([str(n) for n in range(9_000)]).split(", ")) == 21


def test_every_kind_of_argument_says_what_it_expects():
    assert {argument.kind for word in VOCABULARY[:-1] for argument in takes(word)} == set(EXPECTED)


def test_names_that_mean_something_behind_the_common_words_are_reserved():
    assert {"stride", "pad", "avg", "global", "to", "fit", "crop", "bilinear", "depthwise", "yes", "no"} <= RESERVED
    assert not {"k", "alpha", "classes", "n"} & RESERVED
