"""The rules for windows: what they miss, against the built network's gradient, and each fix written into the text."""

import re

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lint_fixes import completed, findings, proven, told
from torch import nn

from torchbeam.design.ledger import ledger
from torchbeam.design.lint import Finding, drawing
from torchbeam.design.notation import parse
from torchbeam.errors import DesignError, FitError, NotationError
from torchbeam.network.build import build

torch.set_num_threads(1)
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]
PROPERTY = settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=QUIET)


def outputs(text):
    return [str(row.output) for row in ledger(completed(text)).rows]


# dropped-pixels


def test_a_window_that_does_not_fit_leaves_pixels_unseen_and_the_finding_counts_them():
    before = "INPUT 9x8x1 -> RELU -> stage: [CONV 4 3x3 stride 5 pad 0 fit crop]"
    assert findings(before) == [
        Finding(
            layer="stage.conv1",
            rule="dropped-pixels",
            message="CONV 4 3x3 stride 5 pad 0 fit crop leaves unseen 1 of 9 columns and 0 of 8 rows",
            fix="write CONV 4 4x3 stride 5 pad 0 (2x2), or CONV 4 3x3 stride 5 pad 2x0 (3x2)",
            cost="+12 parameters, +48 multiply-accumulates",
        )
    ]


@pytest.mark.parametrize(
    ("before", "fix", "after", "alternative"),
    [
        (
            "INPUT 9x8x1 -> CONV 4 3x3 stride 5 pad 0 fit crop",
            "write INPUT 8x8x1 (2x2), or CONV 4 4x3 stride 5 pad 0 (2x2)",
            "INPUT 8x8x1 -> CONV 4 3x3 stride 5 pad 0 fit crop",
            "INPUT 9x8x1 -> CONV 4 4x3 stride 5 pad 0",
        ),
        (  # the notes' own example: (224 - 11) / 4 + 1 = 54.25, 213 / 3 + 1 = 72
            "INPUT 224x224x3 -> CONV 96 11x11 stride 4 pad 0 fit crop",
            "write INPUT 223x223x3 (54x54), or CONV 96 11x11 stride 3 pad 0 (72x72)",
            "INPUT 223x223x3 -> CONV 96 11x11 stride 4 pad 0 fit crop",
            "INPUT 224x224x3 -> CONV 96 11x11 stride 3 pad 0",
        ),
        (
            "INPUT 15x15x3 -> TANH -> POOL avg 2x2 fit crop -> FC 5",
            "write POOL avg 2x2 stride 2 pad 0:1 (8x8), or POOL avg 3x3 stride 2 (7x7)",
            "INPUT 15x15x3 -> TANH -> POOL avg 2x2 stride 2 pad 0:1 -> FC 5",
            "INPUT 15x15x3 -> TANH -> POOL avg 3x3 stride 2 -> FC 5",
        ),
        (  # a width and a height that are mended by different amounts
            "INPUT 10x12x1 -> TANH -> POOL 4x5 stride 4 fit crop",
            "write POOL max 4x5 stride 4 pad 1x0:1 (3x3), or POOL max 6x4 stride 4 (2x3)",
            "INPUT 10x12x1 -> TANH -> POOL max 4x5 stride 4 pad 1x0:1",
            "INPUT 10x12x1 -> TANH -> POOL max 6x4 stride 4",
        ),
        (  # the width leaves half a stride of padding over, and no pixel: it stays as it is
            "INPUT 8x8x1 -> TANH -> CONV 1 3x3 stride 2 pad 1x0 fit crop",
            "write CONV 1 3x3 stride 2 pad 1x0:1 fit crop (4x4), or CONV 1 3x2 stride 2 pad 1x0 fit crop (4x4)",
            "INPUT 8x8x1 -> TANH -> CONV 1 3x3 stride 2 pad 1x0:1 fit crop",
            "INPUT 8x8x1 -> TANH -> CONV 1 3x2 stride 2 pad 1x0 fit crop",
        ),
        (  # only what comes out as large can still be added
            "INPUT 7x7x1 -> TANH -> ( POOL 2x2 fit crop + CONV 1 3x3 stride 2 pad 0 )",
            "write POOL max 3x3 stride 2 (3x3)",
            "INPUT 7x7x1 -> TANH -> ( POOL max 3x3 stride 2 + CONV 1 3x3 stride 2 pad 0 )",
            "",
        ),
    ],
)
def test_each_setting_offered_mends_it_and_gives_the_size_said(before, fix, after, alternative):
    finding = proven("dropped-pixels", before, after)
    assert finding.fix == fix
    sizes = re.findall(r"\((\d+x\d+)\)", fix)
    for size, text in zip(sizes, filter(None, (after, alternative)), strict=True):
        assert told(text, "dropped-pixels") == []
        assert any(out.startswith(f"{size}x") for out in outputs(text))


def test_a_fix_that_moves_the_loss_elsewhere_stands_behind_one_that_does_not():
    (finding, *others) = told("INPUT 9x9x1 -> POOL 2x2 fit crop -> POOL 2x2 -> POOL 2x2", "dropped-pixels")
    assert others == []
    # 8x8 goes on to 4 and 2; a pad gives 5, which does not fit two
    assert finding.fix == "write INPUT 8x8x1 (4x4), or POOL max 3x3 stride 2 (4x4)"
    assert told("INPUT 8x8x1 -> [POOL 2x2]*3", "dropped-pixels") == []


def test_the_sizes_spoken_of_are_those_in_front_of_the_layer():
    (finding,) = told("INPUT 16x16x1 -> POOL 2x2 -> CONV 2 3x3 pad 0 stride 2 fit crop", "dropped-pixels")
    assert "leaves unseen 1 of 8 columns and 1 of 8 rows" in finding.message


def test_every_layer_that_drops_pixels_is_told_of_in_order():
    found = told("INPUT 15x15x3 -> [CONV -> POOL]*3 -> FC", "dropped-pixels")
    assert [f.layer for f in found] == ["pool1", "pool2", "pool3"]


def test_where_no_more_can_be_worked_out_the_ways_are_named(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_WORK", 0)
    (finding,) = told("INPUT 7x7x1 -> TANH -> POOL", "dropped-pixels")
    assert finding.fix.startswith("write fit pad, or an input, pad or stride that fits") and finding.cost == ""
    assert told("INPUT 7x7x1 -> TANH -> POOL fit pad", "dropped-pixels") == []


def test_a_window_of_one_pixel_passes_over_others_on_purpose():
    assert told("INPUT 8x8x1 -> CONV 4 1x1 stride 2 fit crop", "dropped-pixels") == []
    (finding,) = told("INPUT 8x8x1 -> CONV 4 1x3 stride 3 pad 0 fit crop", "dropped-pixels")
    assert "leaves unseen 0 of 8 columns and 2 of 8 rows" in finding.message  # it takes columns 0, 3 and 6


sides = st.integers(1, 5)
sizes = st.tuples(st.integers(1, 16), st.integers(1, 16))
pads = st.tuples(*[st.integers(0, 2)] * 4)


@PROPERTY
@given(sizes, st.tuples(sides, sides), st.tuples(sides, sides), pads)
def test_the_columns_and_rows_counted_are_those_the_gradient_does_not_reach(size, kernel, stride, pads):
    assume(kernel[0] >= stride[0] and kernel[1] >= stride[1])  # no gaps: what is unseen lies at the far edges
    text = (
        f"INPUT {size[0]}x{size[1]}x1 -> CONV 1 {kernel[0]}x{kernel[1]} stride {stride[0]}x{stride[1]} "
        f"pad {pads[0]}:{pads[1]}x{pads[2]}:{pads[3]} fit crop"
    )
    try:
        found = told(text, "dropped-pixels")
    except FitError:
        assume(False)
    network = build(parse(text))
    torch.nn.init.ones_(network.conv1.weight)
    picture = torch.ones(1, 1, size[1], size[0], requires_grad=True)
    network(picture).sum().backward()
    seen = picture.grad[0, 0] != 0
    columns, rows = reach(seen.any(0)), reach(seen.any(1))
    assume(seen.any())
    if (columns, rows) == (size[0], size[1]):
        assert found == []
    else:
        unseen = f"{size[0] - columns} of {size[0]} columns and {size[1] - rows} of {size[1]} rows"
        assert f"leaves unseen {unseen}" in found[0].message


def reach(seen):
    """How many pixels there are up to the last that is seen."""
    return int(seen.nonzero().max()) + 1 if seen.any() else 0


@PROPERTY
@given(sizes, st.sampled_from(["CONV 2", "POOL avg"]), st.tuples(sides, sides), st.tuples(sides, sides), pads)
def test_what_is_written_in_place_of_any_window_mends_it(size, word, kernel, stride, pads):
    text = "INPUT {}x{}x1 -> TANH -> {}"
    window = f"{kernel[0]}x{kernel[1]} stride {stride[0]}x{stride[1]} pad {pads[0]}:{pads[1]}x{pads[2]}:{pads[3]}"
    try:
        found = findings(text.format(*size, f"{word} {window} fit crop"))
    except (DesignError, NotationError):
        assume(False)
    for finding in found:
        if finding.rule in ("dropped-pixels", "washed-borders"):
            for fixed in re.sub(r" \(\d+x\d+\)", "", finding.fix.removeprefix("write ")).split(", or "):
                assert told(text.format(*size, fixed), finding.rule) == []


# washed-borders


@pytest.mark.parametrize(
    ("before", "becomes", "after"),
    [
        ("CONV 2 3x3 pad 0", "washes the borders away: 9x8 becomes 7x6", "CONV 2 3x3 pad 1"),
        (
            "CONV 2 4x4 pad 0 groups 2 bias no",
            "washes the borders away: 9x8 becomes 6x5",
            "CONV 2 4x4 pad 1:2 groups 2 bias no",
        ),
        ("CONV 2 3x3 pad 0 dilation 2", "washes the borders away: 9x8 becomes 5x4", "CONV 2 3x3 pad 2 dilation 2"),
        ("CONV 2 5x1 pad 0", "washes the borders away: 9x8 becomes 5x8", "CONV 2 5x1 pad 2x0"),
        ("CONV 2 3x5 pad 1", "washes the borders away: 9x8 becomes 9x6", "CONV 2 3x5 pad 1x2"),
        (
            "CONV 2 3x3 stride 1x2 pad 0 fit crop",
            "washes the borders away: 9x8 becomes 7x3",
            "CONV 2 3x3 stride 1x2 pad 1x0 fit crop",
        ),
        ("CONV 2 3x3 pad 2", "adds borders of nothing but padding: 9x8 becomes 11x10", "CONV 2 3x3 pad 1"),
        ("CONV depthwise 3x3 pad 0", "washes the borders away: 9x8 becomes 7x6", "CONV depthwise 3x3 pad 1"),
    ],
)
def test_a_convolution_that_changes_the_size_is_told_the_pad_that_keeps_it(before, becomes, after):
    start = "INPUT 9x8x2 -> TANH -> {} -> TANH -> FC 3"
    finding = proven("washed-borders", start.format(before), start.format(after))
    assert (finding.message, finding.fix) == (f"its pad {becomes}", f"write {after}")


def test_the_size_is_kept_in_torch():
    network = build(completed("INPUT 9x8x2 -> CONV 2 4x4 pad 1:2"))
    assert network(torch.zeros(1, 2, 8, 9)).shape == (1, 2, 8, 9)


def test_layers_behind_that_no_longer_fit_are_told_of():
    (finding,) = told("INPUT 8x8x1 -> CONV 2 3x3 pad 0 -> RELU -> POOL 3x3 stride 3", "washed-borders")
    assert finding.fix == "write CONV 2 3x3 pad 1, and size the layers behind it anew"
    assert finding.cost == ""
    with pytest.raises(FitError, match="does not fit 8x8x2 a whole number of times"):
        findings("INPUT 8x8x1 -> CONV 2 3x3 pad 1 -> RELU -> POOL 3x3 stride 3")


@pytest.mark.parametrize(
    "word",
    [
        "CONV 2 3x3",
        "CONV 2 2x2 pad 0:1",
        "CONV 2 3x3 stride 2 pad 0 fit crop",  # it thins anyway
        "CONV 2 9x8 pad 0",  # its window is the whole input: an FC
        "CONV 2 1x1",
        "POOL 3x3 stride 1",
    ],
)
def test_a_window_that_keeps_or_thins_or_is_the_whole_washes_nothing_away(word):
    assert told(f"INPUT 9x8x2 -> {word}", "washed-borders") == []


# large-filter


@pytest.mark.parametrize(
    ("word", "message", "stack"),
    [
        (  # C = 8: 3 * (9 C^2 + C) against 49 C^2 + C
            "CONV 8 7x7",
            "7x7 filters: 3 layers of 3x3 see as much with 1,752 parameters, not 3,144",
            "[CONV 8 3x3 pad 1 -> RELU]*2 -> CONV 8 3x3 pad 1",
        ),
        (  # from 8 to 4: 9 * 8 * 4 + 4, then twice 9 * 4 * 4 + 4, against 49 * 8 * 4 + 4
            "CONV 4 7x7 stride 2 pad 3 fit crop",
            "7x7 filters: 3 layers of 3x3 see as much with 588 parameters, not 1,572",
            "[CONV 4 3x3 pad 1 -> RELU]*2 -> CONV 4 3x3 stride 2 pad 1 fit crop",
        ),
        (  # 5 * 9 * 8 * 8 / 2 against 11 * 11 * 8 * 8 / 2
            "CONV 8 11x11 pad 0 groups 2 bias no",
            "11x11 filters: 5 layers of 3x3 see as much with 1,440 parameters, not 3,872",
            "[CONV 8 3x3 pad 0 groups 2 bias no -> RELU]*4 -> CONV 8 3x3 pad 0 groups 2 bias no",
        ),
        (
            "CONV 8 7x7 pad 1",
            "7x7 filters: 3 layers of 3x3 see as much with 1,752 parameters, not 3,144",
            "CONV 8 3x3 pad 1 -> RELU -> [CONV 8 3x3 pad 0 -> RELU]*1 -> CONV 8 3x3 pad 0",
        ),
        (
            "CONV 8 7x7 dilation 2",
            "7x7 filters: 3 layers of 3x3 see as much with 1,752 parameters, not 3,144",
            "[CONV 8 3x3 pad 2 dilation 2 -> RELU]*2 -> CONV 8 3x3 pad 2 dilation 2",
        ),
        (
            "CONV 16 6x6 pad 2:3",
            "6x6 filters: 3 layers of 3x3 see as much with 2,336 parameters, not 4,624",
            "[CONV 8 3x3 pad 1 -> RELU]*2 -> CONV 16 3x3 pad 1",
        ),
    ],
)
def test_a_large_filter_is_told_the_stack_that_sees_as_much(word, message, stack):
    text = "INPUT 20x20x3 -> CONV 8 3x3 -> RELU -> {} -> RELU -> POOL avg global -> FC 5"
    finding = proven("large-filter", text.format(word), text.format(stack))
    assert (finding.layer, finding.message, finding.fix) == ("conv2", message, f"write {stack}")
    before, after = (ledger(completed(text.format(each))) for each in (word, stack))
    assert before.rows[2].output == after.rows[-4].output
    missing = 1 if "6x6" in word else 0
    assert before.rows[2].receptive_field[0] + missing == after.rows[-4].receptive_field[0]
    if not missing:
        assert before.rows[2].offset == after.rows[-4].offset


def test_the_stacks_numbers_are_torchs():
    stack = [nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)]
    assert sum(p.numel() for conv in stack for p in conv.parameters()) == 1_752
    assert sum(p.numel() for p in nn.Conv2d(8, 8, 7).parameters()) == 3_144


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 20x20x3 -> CONV 8 11x11",  # the first one looks at pixels
        "INPUT 20x20x3 -> POOL -> CONV 8 7x7",
        "INPUT 20x20x3 -> ( CONV 8 7x7 | CONV 8 9x9 )",
        "INPUT 20x20x3 -> CONV 8 3x3 -> RELU -> CONV 8 5x5",
        "INPUT 20x20x3 -> CONV 8 3x3 -> RELU -> CONV 8 7x1 -> RELU -> CONV 8 1x7",
        "INPUT 20x20x3 -> CONV 8 3x3 -> RELU -> CONV depthwise 7x7",
        "INPUT 7x7x3 -> CONV 8 3x3 -> RELU -> CONV 8 7x7 pad 0",  # an FC
        "INPUT 99x99x1 -> CONV 1 3x3 -> RELU -> CONV 1 51x51",  # no stack of 25 would be written
    ],
)
def test_other_filters_are_no_fault(text):
    assert told(text, "large-filter") == []


# large-pool


@pytest.mark.parametrize(
    ("word", "message", "after"),
    [
        ("POOL 4x4", "4x4 at stride 4 throws away 94% of the numbers; 2x2 at stride 2 is 75%", "POOL max 2x2 stride 2"),
        (
            "POOL avg 5x5 stride 3 fit crop",
            "5x5 at stride 3 throws away 94% of the numbers; 2x2 at stride 2 is 75%",
            "POOL avg 2x2 stride 2",
        ),
        (
            "POOL 2x2 stride 3 fit crop",
            "2x2 at stride 3 throws away 90% of the numbers and skips the pixels between its windows; "
            "2x2 at stride 2 is 75%",
            "POOL max 2x2 stride 2",
        ),
        (
            "POOL l2 4x1 stride 4x1",
            "4x1 at stride 4x1 throws away 75% of the numbers; 2x2 at stride 2 is 75%",
            "POOL l2 2x1 stride 2x1",
        ),
    ],
)
def test_a_pool_that_throws_away_too_much_is_told_a_smaller_one(word, message, after):
    text = "INPUT 16x16x2 -> TANH -> {} -> FC 4"
    finding = proven("large-pool", text.format(word), text.format(after))
    assert finding.message == message
    assert re.fullmatch(rf"write {after} \(8x\d+\)", finding.fix)


def test_an_odd_size_is_pooled_three_by_three():
    before = "INPUT 15x15x2 -> POOL 5x5"
    finding = proven("large-pool", before, "INPUT 15x15x2 -> POOL max 3x3 stride 2")
    assert finding.fix == "write POOL max 3x3 stride 2 (7x7)"


def test_the_share_thrown_away_is_that_of_torchs_pool():
    kept = nn.MaxPool2d(2, 3)(torch.zeros(1, 2, 16, 16)).numel()
    assert f"{1 - kept / 512:.0%}" == "90%"


def test_a_pool_whose_size_others_rely_on_is_told_so():
    (finding,) = told("INPUT 16x16x1 -> TANH -> ( POOL 4x4 + CONV 1 4x4 stride 4 pad 0 )", "large-pool")
    assert finding.fix == "write POOL max 2x2 stride 2, and size the layers behind it anew" and finding.cost == ""


@pytest.mark.parametrize(
    "word",
    [
        "POOL 2x2",
        "POOL 3x3 stride 2 fit crop",
        "POOL 3x3 fit crop",
        "POOL 3x3 stride 1 pad 1",
        "POOL 5x5 stride 1 pad 2",  # throws nothing away
        "POOL avg global",
        "POOL avg 16x16",
        "POOL to 2x2",
        "( POOL 3x3 stride 1 pad 1 | CONV 2 1x1 )",
    ],
)
def test_the_lectures_pools_and_those_of_the_whole_are_no_fault(word):
    assert told(f"INPUT 16x16x2 -> {word}", "large-pool") == []
