"""Which layers are drawn together, rule by rule."""

import pytest
from net_texts import TEXT_OF, book_of

from torchbeam.report.gathered import MOST, gathered


def names(text):
    """The layers of each group, those that keep the volume in brackets."""
    _, groups = gathered(book_of(text))
    return [
        " ".join([row.name for row in piece.moved] + [f"({row.name})" for row in piece.kept])
        for group in groups
        for piece in group
    ]


def counts(text):
    return [len(group) for group in gathered(book_of(text))[1]]


@pytest.mark.parametrize("name", TEXT_OF)
def test_every_layer_is_in_one_group_and_they_are_in_order(name):
    book = book_of(TEXT_OF[name])
    first, groups = gathered(book)
    rows = [*first, *(row for group in groups for piece in group for row in piece.moved + piece.kept)]
    assert sorted(row.name for row in rows) == sorted(row.name for row in book.trunk)
    lasts = [book.rows.index(piece.last) for group in groups for piece in group]
    assert lasts == sorted(lasts) and len(groups) < MOST


def test_layers_that_keep_the_volume_belong_to_the_one_before():
    text = "INPUT -> RELU -> CONV 8 -> BN -> RELU -> POOL max 3x3 stride 1 pad 1 -> DROPOUT -> FLATTEN -> FC -> SOFTMAX"
    assert [row.name for row in gathered(book_of(text))[0]] == ["relu1"]
    assert names(text) == ["conv1 (bn1) (relu2)", "pool1 (dropout1)", "flatten1", "fc1 (softmax1)"]
    assert names("INPUT 14x14x1 -> POOL -> POOL avg to 7x7 -> FC 2") == ["pool1 (pool2)", "fc1"]


def test_a_module_of_branches_is_one_piece():
    text = "INPUT -> CONV 8 -> ( CONV 8 -> RELU -> CONV 8 + SKIP ) -> RELU -> ( CONV 4 | CONV 4 ) -> FC"
    assert names(text) == ["conv1", "conv2 relu1 conv3 sum1 (relu2)", "conv4 conv5 concat1", "fc1"]


def test_a_module_as_long_as_a_network_is_its_longest_branch_and_its_join():
    text = "INPUT 8x8x4 -> ( RELU -> [CONV 4]*9 + CONV 4 1x1 ) -> FC"
    assert names(text) == [*(f"conv{n}" for n in range(1, 10)), "conv10 sum1", "fc1"]
    assert [row.name for row in gathered(book_of(text))[0]] == ["relu1"]


def test_where_there_is_room_nothing_is_drawn_together():
    assert counts(f"INPUT -> {'CONV 8 -> ' * (MOST - 2)} FC") == [1] * (MOST - 1)
    assert counts(f"INPUT -> {'CONV 8 -> ' * (MOST - 1)} FC") == [MOST - 1, 1]


def test_equal_layers_come_before_scopes_and_these_from_the_innermost():
    stage = "a: [b: [CONV 8 -> CONV 9] -> c: [CONV 8 -> CONV 9]]"
    assert counts(f"INPUT -> {'CONV 8 -> ' * 18} {stage} -> FC") == [18, 1, 1, 1, 1, 1]
    different = " -> ".join(f"CONV {n}" for n in range(1, 16))
    assert counts(f"INPUT -> {different} -> {stage} -> FC") == [*[1] * 15, 2, 2, 1]
    different = " -> ".join(f"CONV {n}" for n in range(1, 18))
    assert counts(f"INPUT -> {different} -> {stage} -> FC") == [*[1] * 17, 4, 1]


def test_sequences_that_repeat_are_one():
    assert counts("INPUT 32x32x8 -> CONV 9 -> [CONV 7 -> CONV 8 -> POOL max 3x3 stride 1 pad 1]*12 -> FC") == [1, 36, 1]


def test_one_size_is_one_group_but_vectors_stay_apart():
    sizes = " -> POOL -> ".join(" -> ".join(f"CONV {n}" for n in range(low, low + 8)) for low in (1, 20, 40))
    assert counts(f"INPUT 32x32x1 -> {sizes} -> FC 9 -> FC 8 -> FC 7 -> FC 6") == [8, 9, 9, 1, 1, 1, 1]


def test_ten_thousand_layers_are_gathered_at_once():
    text = f"INPUT 32x32x3 -> {' -> '.join(f'[CONV {n} 1x1 -> RELU]*500' for n in range(4, 13))} -> FC"
    assert counts(text) == [*[500] * 9, 1]
