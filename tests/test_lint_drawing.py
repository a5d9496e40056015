"""What the rules look at: readers, other ledgers, amounts."""

import pytest
from lint_fixes import completed

from torchbeam.design.layers import unfold
from torchbeam.design.ledger import ledger_of
from torchbeam.design.lint import drawing as drawings
from torchbeam.design.lint.drawing import Drawing, amount, is_global, is_windowed
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation, Conv, Fc, Foreign, Pool


def drawing(text):
    layers = unfold(completed(text))
    return Drawing(layers, ledger_of(layers, completed(text).input.volume))


TEXT = "INPUT 8x8x1 -> CONV 2 3x3 -> ( RELU + SKIP ) -> FC 3"


def test_it_knows_who_reads_whom_and_what_comes_in_sees():
    drawn = drawing(TEXT)
    assert drawn.readers == ((1, 2), (2,), (3,), ())
    assert [drawn.seen(place) for place in range(4)] == [(1, 1), (3, 3), (3, 3), (3, 3)]
    assert [place for place, _, _ in drawing("INPUT -> AUX 0.5 [FC] -> RELU").trunk()] == [1]


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        ({}, TEXT),
        ({0: ()}, "INPUT 8x8x1 -> ( RELU + SKIP ) -> FC 3"),
        ({0: (Conv(4, (1, 1)),)}, "INPUT 8x8x1 -> CONV 4 1x1 -> ( RELU + SKIP ) -> FC 3"),
        (
            {3: (Pool("avg", "global"), Fc(3), Activation("TANH"), Fc(5))},
            "INPUT 8x8x1 -> CONV 2 3x3 -> ( RELU + SKIP ) -> POOL avg global -> FC 3 -> TANH -> FC 5",
        ),
    ],
)
def test_other_layers_give_the_ledger_of_the_other_text(edits, text):
    after, other = drawing(TEXT).changed(edits), drawing(text).book
    assert [(row.word, row.output) for row in after.rows] == [(row.word, row.output) for row in other.rows]
    assert (after.parameters, after.macs, after.neurons) == (other.parameters, other.macs, other.neurons)
    assert [row.receptive_field for row in after.rows] == [row.receptive_field for row in other.rows]


def test_layers_that_could_not_follow_each_other_have_no_ledger():
    drawn = drawing(TEXT)
    assert drawn.changed({1: (Conv(3, (1, 1)),)}) is None  # 3 channels are not added to 2
    assert drawn.changed({0: (Conv(1, (9, 9), padding=((0, 0), (0, 0))),)}) is None
    assert drawn.cost(None, 0) == ""


def test_what_only_a_module_from_outside_knows_is_not_guessed():
    drawn = drawing("INPUT 8x8x1 -> RELU -> POOL 2x2")
    layers = [drawn.layers[0], drawn.layers[1]]
    layers[1] = type(layers[1])("odd", Foreign("Odd", local=False), (0,), layers[1].inputs, layers[1].output, "crop")
    drawn = Drawing(layers, ledger_of(layers, Volume(1, 8, 8)))
    assert drawn.changed({}) is not None
    assert drawn.changed({0: (Activation("TANH"),)}) is not None
    assert drawn.changed({}, Volume(1, 9, 9)) is None


def test_beyond_its_work_nothing_is_sized_anew(monkeypatch):
    monkeypatch.setattr(drawings, "MOST_WORK", 9)
    drawn = drawing(TEXT)
    assert [(drawn.changed({}) is None, drawn.spent) for _ in range(3)] == [
        (False, False),
        (False, False),
        (True, True),
    ]


def test_a_cost_tells_what_changes_and_nothing_else():
    drawn = drawing(TEXT)
    assert drawn.cost(drawn.changed({}), 0) == ""
    # (9 * 1 + 1) * 2 more parameters, 9 * 64 * 2 more products, 2 * 64 more neurons twice; and 128 * 3 in the FC
    cost = drawn.cost(drawn.changed({0: (Conv(4, (3, 3)),)}), 0, "so: ")
    assert cost == "so: +404 parameters, +1,536 multiply-accumulates, +256 neurons"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999_999, "999,999"), (1_000_000, "1.0 M"), (-1_234_567, "-1.2 M"), (3.4e9, "3.4 G"), (2e12, "2.0 T")],
)
def test_an_amount_is_exact_below_a_million(number, text):
    assert amount(int(number)) == text


def test_a_signed_amount_says_its_sign():
    assert [amount(by, sign=True) for by in (5, -5, 10**6)] == ["+5", "-5", "+1.0 M"]


@pytest.mark.parametrize(
    ("word", "is_whole", "slides"),
    [
        ("POOL avg global", True, False),
        ("POOL to 1x1", True, False),
        ("POOL avg 4x4", True, False),
        ("POOL to 2x2", False, False),
        ("POOL 2x2", False, True),
        ("POOL 1x1 stride 4 fit crop", False, False),
        ("CONV 1 4x4 pad 0", False, True),
        ("CONV 1 1x1", False, False),
        ("RELU", False, False),
    ],
)
def test_a_pool_of_the_whole_volume_is_told_from_one_that_slides(word, is_whole, slides):
    layer = drawing(f"INPUT 4x4x1 -> {word}").layers[0]
    assert (is_global(layer), is_windowed(layer)) == (is_whole, slides)
