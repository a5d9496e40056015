"""How large blocks are and how wide words, and where they come to stand."""

from itertools import pairwise

import pytest
from net_texts import TEXT_OF, book_of

from torchbeam.report.blocks import blocks_of
from torchbeam.report.measures import MARGIN, WIDEST, Cell, Scale, figures, fitted, lines_of, rows_of, wide_of


def placed(name):
    blocks = blocks_of(book_of(TEXT_OF[name]))
    sides = Scale.of([side for block in blocks for side in (block.volume.height, block.volume.width)], 150, 20)
    thickness = Scale.of([block.volume.channels for block in blocks], 56, 6)
    return rows_of([Cell.of(block, sides, thickness) for block in blocks])


@pytest.mark.parametrize(
    ("values", "root"), [([1, 1], 2), ([3, 2048], 2), ([1, 4096], 3), ([2, 1_000_000], 4), ([1, 10**9], 6)]
)
def test_the_scale_takes_the_lowest_root_that_leaves_the_smallest_to_be_seen(values, root):
    scale = Scale.of(values, 56, 6)
    assert scale.root == root
    assert scale.length(max(values)) <= 56.001 and scale.length(min(values)) >= scale.length(max(values)) / 40
    assert Scale.of([1, 4], 56, 6).length(4) == 12


def test_words_are_as_wide_as_in_the_widest_of_the_common_fonts():
    # Measured in DejaVu Sans, in shares of the size: 'CONV 96 11x11' 7.96, 'parameters' 5.80, bold 'conv1' 3.34.
    assert wide_of("CONV 96 11x11", "step") >= 7.96 * 12
    assert wide_of("parameters", "fact") >= 5.80 * 12
    assert wide_of("conv1", "name") >= 3.34 * 13


@pytest.mark.parametrize("text", ["conv1", "stage3.block12.conv1", "W" * 9000, "i" * 9000, "網" * 40])
def test_what_is_too_wide_loses_its_middle(text):
    shown = fitted(text, "name", 100)
    assert wide_of(shown, "name") <= 100
    assert shown == text or (shown[0] == text[0] and shown[-1] == text[-1] and "…" in shown)


def test_lines_break_between_pieces_only():
    assert lines_of(("POOL max", "3x3", "stride 2"), "step", 118) == ("POOL max 3x3", "stride 2")
    assert lines_of(("RELU", "LRN"), "then", 118, ", ") == ("RELU, LRN",)
    assert lines_of((), "then", 118) == ()


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (9_248, "9,248"), (34_944, "34.9 k"), (999_700, "1 M"), (60_965_224, "61 M"), (3 * 10**9, "3 G")],
)
def test_figures(number, said):
    assert figures(number) == said


@pytest.mark.parametrize("name", TEXT_OF)
def test_rows_hold_their_cells_apart_and_within_the_sheet(name):
    rows = placed(name)
    assert [cell.block for row in rows for cell in row.cells] == list(blocks_of(book_of(TEXT_OF[name])))
    for row in rows:
        assert row.right <= WIDEST - MARGIN and row.cells[0].x - row.cells[0].labels / 2 >= MARGIN
        for last, cell in pairwise(row.cells):
            assert cell.left - (last.left + last.body[0]) >= cell.before - 1e-9
            assert cell.x - last.x >= (cell.labels + last.labels) / 2 + 13.9


def test_a_row_stands_where_it_is_told_to():
    row = placed("lenet-5")[0].at(200)
    assert {cell.axis for cell in row.cells} == {200 + row.above}
    assert row.labels > max(cell.floor for cell in row.cells) and row.bottom > row.labels
    cell = row.cells[1]
    assert cell.face(0.5, 0.5)[1] == pytest.approx(cell.axis) and cell.edge(cell.axis) == cell.left
    low = placed("wide")[0].cells[0]
    assert low.floor - low.high > low.axis and low.left < low.edge(low.axis) < low.left + low.body[0]
