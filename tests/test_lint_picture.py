"""The rules for the picture's size and for how much of it is seen."""

import pytest
import torch
from lint_fixes import change, completed, findings, proven, told

from torchbeam.design.ledger import ledger
from torchbeam.design.lint import picture
from torchbeam.network.build import build

torch.set_num_threads(1)

# uneven-halving


@pytest.mark.parametrize(
    ("before", "message", "fix", "after"),
    [
        (
            "INPUT 28x28x1 -> [CONV 8 -> RELU -> POOL]*3",
            "the width 28 is halved 3 times but not divisible by 8: here 7 becomes 3",
            "write INPUT 24x24x1 or INPUT 32x32x1",
            "INPUT 24x24x1 -> [CONV 8 -> RELU -> POOL]*3",
        ),
        (  # a stride of 4 is two halvings; 224 is 6 from 230, and 240 is 10
            "INPUT 230x230x3 fit crop -> CONV 8 4x4 stride 4 pad 0 -> RELU -> [POOL]*2",
            "the width 230 is halved 4 times but not divisible by 16: here 230 becomes 57",
            "write INPUT 224x224x3 or INPUT 240x240x3",
            "INPUT 224x224x3 fit crop -> CONV 8 4x4 stride 4 pad 0 -> RELU -> [POOL]*2",
        ),
        (
            "INPUT 28x28x3 -> [POOL]*4",
            "the width 28 is halved 4 times but not divisible by 16: here 7 becomes 3",
            "write INPUT 32x32x3 or INPUT 16x16x3",
            "INPUT 32x32x3 -> [POOL]*4",
        ),
        (  # fit pad comes out uneven as well: 7 becomes 4
            "INPUT 80x60x3 -> [POOL max 2x2 fit pad]*3",
            "the height 60 is halved 3 times but not divisible by 8: here 15 becomes 8",
            "write INPUT 80x56x3 or INPUT 80x64x3",
            "INPUT 80x56x3 -> [POOL max 2x2 fit pad]*3",
        ),
        (  # 96 is one of the notes' sizes, 12 from 84
            "INPUT 84x84x1 -> [POOL]*3",
            "the width 84 is halved 3 times but not divisible by 8: here 21 becomes 10",
            "write INPUT 80x80x1 or INPUT 88x88x1 or INPUT 64x64x1",
            "INPUT 80x80x1 -> [POOL]*3",
        ),
    ],
)
def test_a_picture_that_cannot_be_halved_so_often_is_told_the_nearest_that_can(before, message, fix, after):
    finding = proven("uneven-halving", before, after)
    assert (finding.message, finding.fix) == (message, fix)
    size = before.split()[1]
    for other in fix.removeprefix("write ").split(" or "):
        assert told(before.replace(f"INPUT {size}", other), "uneven-halving") == []


@pytest.mark.parametrize(
    "text",
    [
        # AlexNet's 227 is divisible by nothing and fits everywhere
        "INPUT 227x227x3 -> CONV 96 11x11 stride 4 pad 0 -> [POOL max 3x3 stride 2]*3",
        "INPUT 224x224x3 fit crop -> CONV 8 7x7 stride 2 -> POOL 3x3 stride 2 pad 1 -> [CONV 8 3x3 stride 2]*3",
        "INPUT 225x225x3 fit crop -> CONV 8 7x7 stride 2 -> POOL 3x3 stride 2 pad 1 -> [CONV 8 3x3 stride 2]*3",
        "INPUT 9x9x3 -> CONV 8 3x3 stride 3 pad 0",
        "INPUT 7x7x3 -> POOL avg global",
        "INPUT 7x7x3 -> POOL to 3x3",
        "INPUT 7x7x3 -> CONV 8 3x3",
        "INPUT 16x16x3 -> [POOL]*2 -> UP 4 -> [POOL]*2",
        "INPUT 15x15x3 -> AUX 0.3 [POOL -> FC] -> CONV 8 3x3 -> FC",
    ],
)
def test_halvings_that_come_out_even_are_no_fault(text):
    assert told(text, "uneven-halving") == []


def test_sizes_that_are_far_or_do_not_fit_are_not_offered():
    (finding,) = told(
        "INPUT 3x3x1 -> CONV 1 3x3 -> RELU -> POOL fit crop -> [CONV 1 3x3 stride 2 fit crop]*4", "uneven-halving"
    )
    assert finding.fix == "halve the picture less often, or choose another INPUT" and finding.cost == ""


# field-too-large


def test_layers_that_see_no_more_of_the_picture_are_told_of_once():
    # 3, 5 and 7 pixels are seen behind the three; 7 is the whole
    before = "INPUT 7x7x1 -> [CONV 4 3x3 -> RELU]*5"
    finding = proven_informing(before, "INPUT 12x12x1 -> [CONV 4 3x3 -> RELU]*5")
    assert finding.layer == "conv4"
    assert finding.message == "its input sees 7x7 of 7x7 pixels: from here on layers see no more of it"
    assert finding.fix.startswith("leave layers out from here on, or INPUT 10x10x1 or larger")


def proven_informing(before, larger):
    (finding,) = told(before, "field-too-large")
    size = finding.fix.split("INPUT ")[1].split()[0]
    start = before.split()[1]
    for other in (size, larger.split()[1]):
        assert told(before.replace(start, other, 1), "field-too-large") == []
    assert finding.cost == f"INPUT {size}: " + change(before, before.replace(start, size, 1))
    return finding


def test_the_larger_input_is_one_that_fits():
    # 3, 5, behind the POOL 6, then 10 and 14 in front of the last CONV: 15 pixels do not halve, 16 do
    finding = proven_informing(
        "INPUT 8x8x1 -> [CONV 4 3x3 -> RELU]*2 -> POOL max 2x2 fit error -> [CONV 4 3x3 -> RELU]*3", "INPUT 16x16x1"
    )
    assert "INPUT 16x16x1 or larger" in finding.fix


def test_what_a_neuron_in_the_middle_sees_has_the_size_that_is_told():
    text = "INPUT 9x9x1 -> [CONV 1 3x3]*3"
    network = build(completed(text))
    for module in network:
        torch.nn.init.ones_(module.weight)
    image = torch.ones(1, 1, 9, 9, requires_grad=True)
    network(image)[0, 0, 4, 4].backward()
    seen = int(image.grad[0, 0].any(0).sum())
    assert f"sees {seen}x{seen}" in told(text.replace("9x9", "7x7").replace("*3", "*4"), "field-too-large")[0].message


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x1 -> [CONV 4 3x3 -> RELU]*4",  # the fourth's input sees 7 of 8
        "INPUT 7x7x1 -> [CONV 4 3x3 -> RELU]*3 -> [CONV 4 1x1 -> RELU]*3 -> POOL avg global -> FC",
        "INPUT 7x7x1 -> [CONV 4 3x3 -> RELU]*3 -> AUX 0.3 [CONV 4 3x3 -> FC] -> FC",
        "INPUT 7x20x1 -> [CONV 4 3x3 -> RELU]*5",  # its height is not all seen
    ],
)
def test_layers_with_something_left_to_see_or_no_window_are_no_fault(text):
    assert told(text, "field-too-large") == []


def test_an_input_more_than_twice_as_large_is_not_offered():
    (finding,) = told("INPUT 7x7x1 -> [CONV 4 3x3 -> RELU]*20", "field-too-large")
    assert finding.fix == "leave layers out from here on; nothing to mend in a residual network" and not finding.cost


# field-too-small


@pytest.mark.parametrize(
    ("before", "sees", "fix", "after"),
    [
        (  # 3, 4, 8 and 12 of 16; with a POOL in front of the last CONV 3, 4, 8, 10 and 18
            "INPUT 16x16x1 -> CONV 4 3x3 -> RELU -> POOL -> CONV 4 3x3 -> RELU -> CONV 4 3x3 -> POOL avg global -> FC",
            "12x12 of 16x16",
            "write POOL max 2x2 stride 2 in front of conv3, or a stride or dilation",
            "INPUT 16x16x1 -> CONV 4 3x3 -> RELU -> POOL -> CONV 4 3x3 -> RELU -> POOL -> CONV 4 3x3 -> POOL avg global"
            " -> FC",
        ),
        (  # nothing but the first layer has a window: it is dilated, 5 * 2 + 1 = 11
            "INPUT 11x10x1 -> CONV 4 3x3 -> RELU -> POOL avg global -> FC",
            "3x3 of 11x10",
            "write CONV 4 3x3 pad 5 dilation 5 at conv1",
            "INPUT 11x10x1 -> CONV 4 3x3 pad 5 dilation 5 -> RELU -> POOL avg global -> FC",
        ),
        (  # an odd size is halved by 3x3: 1 + 2 + 2 + 2 + 2 * 2 = 11 of 9
            "INPUT 9x9x1 -> CONV 4 3x3 -> RELU -> CONV 4 3x3 -> RELU -> CONV 4 3x3 -> RELU -> POOL avg global -> FC",
            "7x7 of 9x9",
            "write POOL max 3x3 stride 2 in front of conv3, or a stride or dilation",
            "INPUT 9x9x1 -> CONV 4 3x3 -> RELU -> CONV 4 3x3 -> RELU -> POOL max 3x3 stride 2 -> CONV 4 3x3 -> RELU"
            " -> POOL avg global -> FC",
        ),
    ],
)
def test_units_that_see_too_little_before_they_are_pooled_are_told_with_what_widens_them(before, sees, fix, after):
    (finding,) = told(before, "field-too-small")
    assert (finding.message, finding.fix) == (f"the units it pools see {sees} pixels", fix)
    assert proven("field-too-small", before, after) == finding


def test_where_nothing_widens_enough_it_is_said_so():
    (finding,) = told("INPUT 40x40x1 -> CONV 4 2x2 pad 0 -> RELU -> POOL avg global -> FC", "field-too-small")
    assert finding.fix == "more layers, strides or dilation in front of it" and finding.cost == ""


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 7x7x1 -> [CONV 4 3x3 -> RELU]*3 -> POOL avg global -> FC",  # all 7
        "INPUT 16x16x1 -> CONV 4 3x3 -> RELU -> FC",  # an FC sees them all, each in its place
        "INPUT 16x16x3 -> POOL avg global -> FC",  # no CONV: a mean colour is meant
        "INPUT 16x16x3 -> CONV 4 3x3 -> RELU -> AUX 0.3 [POOL avg global -> FC] -> FC",
        "INPUT 16x16x3 -> CONV 4 3x3 -> RELU -> POOL to 2x2 -> FC",
    ],
)
def test_units_that_see_all_or_are_not_pooled_are_no_fault(text):
    assert told(text, "field-too-small") == []


def test_the_sizes_named_are_the_notes_own():
    assert picture.GOOD_SIZES == (32, 64, 96, 224, 384, 512)
    assert ledger(completed("INPUT 96x96x1 -> [POOL]*5")).output.width == 3
    assert findings("INPUT 96x96x1 -> TANH -> [POOL]*5") == []
