"""explain: every formula, worked out, comes to the number beside it."""

import ast
import operator
import re
from fractions import Fraction

import pytest

from torchbeam.design.complete import complete
from torchbeam.design.explain import explain
from torchbeam.design.layers import unfold
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError

OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def worked_out(sum_of_numbers):
    """The value of '(227 - 11 + 2*0) / 4 + 1', exactly."""

    def value(node):
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATIONS[type(op)](value(left), value(right))
        raise AssertionError(f"not a sum: {sum_of_numbers}")

    return value(ast.parse(sum_of_numbers.replace(",", ""), mode="eval"))


def told(text, layer):
    """quantity -> (result, formula) of a layer."""
    design = complete(parse(text))
    return {one.quantity: (one.result, one.formula) for one in explain(unfold(design), ledger(design), layer)}


def number(text):
    return Fraction(text.replace(",", "").split()[0])


NUMBER = r"-?\d[\d,]*(?:/\d+)?"
SUM = rf"[(]*{NUMBER}[)]*(?: ?[-+*/] ?[(]*{NUMBER}[)]*)+"


def one_side(formula, result):
    """Checks one quantity's formula along one axis, or for the whole layer, against its result."""
    if found := re.match(rf"as before, ({NUMBER}), in whole pixels$", formula):
        assert max(1, int(number(found[1]))) == result != number(found[1])
        return "whole pixels"
    if formula.startswith(("as before", "all that was flattened together")):
        assert number(re.findall(NUMBER, formula)[0]) == result
        return "as before"
    if found := re.match(rf"(the widest|the largest|the first) of ({NUMBER}(?:, {NUMBER})*)$", formula):
        numbers = [number(each) for each in found[2].split(", ")]
        assert result == (min if found[1] == "the first" else max)(numbers)
        return found[1]
    if found := re.match(rf"the first pixel of the first that it reads, ({NUMBER})$", formula):
        assert number(found[1]) == result
        return "first pixel"
    if found := re.match(rf"neuron \d+ sees the most, from pixel ({NUMBER}) to ({NUMBER}): ({SUM})$", formula):
        assert worked_out(found[3]) == number(found[2]) - number(found[1]) + 1 == result
        return "neuron"
    found = re.match(rf"(?:all \d+ together: |on average )?[a-zA-Z()+\-* /1]+ = ({SUM})$", formula)
    assert found, formula
    assert worked_out(found[1]) == result, formula
    return "sum"


def check_seen(result, formula):
    """A receptive field, jump or offset."""
    across, _, down = result.partition(" across, ")
    formula = formula.removesuffix("; neuron 0 sees from there on, negative in the padding")
    if formula.startswith("across "):
        wide, high = formula.removeprefix("across ").split("; down ")
    else:
        wide = high = formula
    return {one_side(wide, number(across)), one_side(high, number(down or across))}


def check_output(result, formula):
    """Windows, side by side in depth, or flattened; others are read in the tests below."""
    width, height, depth = map(int, result.split("x"))
    if found := re.match(rf"({SUM}) deep, side by side$", formula):
        assert worked_out(found[1]) == depth
        return "concat"
    if found := re.match(rf"({SUM}) in one row$", formula):
        assert worked_out(found[1]) == width * height * depth
        return "flatten"
    if "(W - F + 2P) / S + 1 = " not in formula:
        return "words"
    across, _, down = formula.removeprefix("across ").partition("; down ")
    for text, side in ((across, width), (down or across, height)):
        fitted = r", by fit (crop|pad) (\d+) \(\d+ (?:more on the far edge|pixels? left out)\)"
        found = re.search(rf"({SUM}) = ([\d.]+)(?:{fitted})?(?:;|$)", text)
        places = worked_out(found[1])
        assert float(places) == pytest.approx(float(found[2]), abs=0.005)
        assert side == (int(found[4]) if found[3] else places)
        assert not found[3] or (places.denominator > 1 and (side > places) == (found[3] == "pad"))
    return "windows"


def check(sums):
    """Works out every formula; gives the kinds of formula met."""
    kinds = set()
    numbers = {quantity: number(result) for quantity, (result, _) in sums.items() if quantity != "output"}
    for quantity, (result, formula) in sums.items():
        if quantity in ("receptive field", "jump", "offset"):
            kinds |= check_seen(result, formula)
        elif quantity == "output":
            kinds.add(check_output(result, formula))
        elif quantity == "biases":
            assert re.match("one for each (filter|unit|channel)$", formula)
        elif quantity == "memory" and result == "0 bytes":
            assert formula == "works in place: its output is written over its input"
        elif quantity == "memory":
            found = re.match(
                rf"({NUMBER} \* 4) bytes of fp32; twice in training, for the gradient: ({NUMBER})$", formula
            )
            assert worked_out(found[1]) == numbers["memory"] == number(found[2]) / 2
        elif quantity == "FLOPs":
            assert formula.startswith("2 * MACs") and numbers["FLOPs"] == 2 * numbers["MACs"]
        elif formula in ("one slope for the whole layer", "every number that comes in"):
            kinds.add(formula)
        elif found := re.match(r"one scale for each of ([\d,]+) channels", formula):
            assert number(found[1]) == numbers["weights"] == numbers["biases"]
        else:
            assert quantity in (
                "neurons",
                "weights",
                "parameters",
                "connections",
                "MACs",
                "unshared",
                "fully connected",
            )
            plain = re.sub(r"\(depth .*|, (no filter shared|each seeing the whole input)$", "", formula)
            assert worked_out(re.sub("[a-z]+", "", plain).strip()) == numbers[quantity], formula
    if "weights" in numbers and "biases" in numbers:
        assert numbers["parameters"] == numbers["weights"] + numbers["biases"]
    return kinds


def everything(text):
    """The sums of every layer."""
    design = complete(parse(text))
    layers, book = unfold(design), ledger(design)
    return {
        layer.name: {one.quantity: (one.result, one.formula) for one in explain(layers, book, layer.name)}
        for layer in layers
    }


# The figures of the lecture notes


def test_alexnets_first_layer_as_on_the_board():
    sums = told(NETWORKS["alexnet-2012"].text, "conv1")
    assert sums["output"] == ("55x55x96", "(W - F + 2P) / S + 1 = (227 - 11 + 2*0) / 4 + 1 = 55; 96 filters")
    assert sums["neurons"] == ("290,400", "55 * 55 * 96")
    assert sums["weights"] == ("34,848", "96 filters * (11 * 11 * 3)")
    assert sums["biases"] == ("96", "one for each filter")
    assert sums["parameters"] == ("34,944", "34,848 + 96")
    assert sums["connections"] == ("363", "11 * 11 * 3 inputs of one neuron")
    assert sums["MACs"] == ("105,415,200", "290,400 neurons * 363 connections")
    assert sums["FLOPs"] == ("210,830,400", "2 * MACs: a multiplication and an addition each")
    assert sums["unshared"] == ("105,705,600", "290,400 neurons * (363 + 1), no filter shared")
    assert sums["fully connected"] == ("44,892,355,200", "290,400 neurons * (154,587 + 1), each seeing the whole input")
    assert sums["memory"] == (
        "1,161,600 bytes",
        "290,400 * 4 bytes of fp32; twice in training, for the gradient: 2,323,200",
    )
    assert sums["receptive field"] == ("11 pixels", "r + (F - 1) * j = 1 + (11 - 1) * 1")
    assert sums["jump"] == ("4 pixels", "S * j = 4 * 1")
    assert sums["offset"][0] == "0"
    assert next(iter(sums)) == "output" and len(sums) == 14


# Those that are more of the same take long.
SHORT = [name for name in NETWORKS if not name.endswith(("44", "56", "101", "110", "152"))]


@pytest.mark.parametrize("name", SHORT)
def test_every_formula_of_a_named_network_comes_to_its_number(name):
    for layer, sums in everything(NETWORKS[name].text).items():
        try:
            check(sums)
        except AssertionError as error:
            raise AssertionError(f"{layer}: {error}") from error


# Layer by layer


@pytest.mark.parametrize(
    ("text", "layer", "quantity", "result", "formula"),
    [
        (
            "INPUT 9x9x6 -> CONV 4 3x3 groups 2", "conv1", "weights", "108",
            "4 filters * (3 * 3 * 3) (depth 6 / 2 groups)",
        ),
        ("INPUT 9x9x6 -> CONV depthwise 3x3", "conv1", "weights", "54", "6 filters * (3 * 3 * 1) (depth 6 / 6 groups)"),
        ("INPUT 9x9x6 -> CONV depthwise 3x3", "conv1", "connections", "9", "3 * 3 * 1 inputs of one neuron"),
        ("INPUT 9x9x6 -> CONV 4 3x3 bias no", "conv1", "unshared", "17,496", "324 neurons * (54), no filter shared"),
        (
            "INPUT 8x8x1 -> CONV 4 3x3 stride 2 pad 0 fit crop", "conv1", "output", "3x3x4",
            "(W - F + 2P) / S + 1 = (8 - 3 + 2*0) / 2 + 1 = 3.50, by fit crop 3 (1 pixel left out); 4 filters",
        ),
        (
            "INPUT 8x8x1 -> POOL max 3x3 stride 2 fit pad", "pool1", "output", "4x4x1",
            "(W - F + 2P) / S + 1 = (8 - 3 + 2*0) / 2 + 1 = 3.50, by fit pad 4 (1 more on the far edge); "
            "each map by itself",
        ),
        (
            "INPUT 12x8x3 -> CONV 4 5x3 pad 2x1", "conv1", "output", "12x8x4",
            "across (W - F + 2P) / S + 1 = (12 - 5 + 2*2) / 1 + 1 = 12; down (8 - 3 + 2*1) / 1 + 1 = 8; 4 filters",
        ),
        (
            "INPUT 12x8x3 -> CONV 4 5x3 pad 2x1", "conv1", "receptive field", "5 across, 3 down pixels",
            "across r + (F - 1) * j = 1 + (5 - 1) * 1; down r + (F - 1) * j = 1 + (3 - 1) * 1",
        ),
        ("INPUT 12x8x3 -> CONV 4 5x3 pad 2x1", "conv1", "weights", "180", "4 filters * (5 * 3 * 3)"),
        (
            "INPUT 9x9x3 -> CONV 4 3x3 dilation 2", "conv1", "output", "9x9x4",
            "(W - F + 2P) / S + 1 = (9 - (2*(3 - 1) + 1) + 2*2) / 1 + 1 = 9; 4 filters",
        ),
        (
            "INPUT 9x9x3 -> CONV 4 3x3 dilation 2", "conv1", "receptive field", "5 pixels",
            "r + (F - 1) * j = 1 + (5 - 1) * 1",
        ),
        ("INPUT 6x4x5 -> POOL avg global", "pool1", "output", "1x1x5", "each of the 5 maps of 6x4 becomes one number"),
        (
            "INPUT 6x4x5 -> POOL avg global", "pool1", "receptive field", "6 across, 4 down pixels",
            "across all 6 together: r + (W - 1) * j = 1 + (6 - 1) * 1; "
            "down all 4 together: r + (W - 1) * j = 1 + (4 - 1) * 1",
        ),
        (
            "INPUT 7x5x2 -> POOL avg to 3x2", "pool1", "output", "3x2x2",
            "window i of 3 goes from floor(i * 7 / 3) up to ceil((i + 1) * 7 / 3), and down likewise with 5 and 2",
        ),
        ("INPUT 7x7x2 -> POOL avg to 3x3", "pool1", "jump", "7/3 pixels", "on average j * W / places = 1 * 7 / 3"),
        (
            # from floor(7/3) = 2 up to ceil(14/3) = 5: three pixels, as the first and the last
            "INPUT 7x7x2 -> POOL avg to 3x3", "pool1", "receptive field", "3 pixels",
            "neuron 0 sees the most, from pixel 0 to 2: 2 - 0 + 1",
        ),
        ("INPUT 4x4x3 -> FC 10", "fc1", "output", "1x1x10", "10 units, whatever comes in"),
        ("INPUT 4x4x3 -> FC 10", "fc1", "weights", "480", "10 units * 48 inputs"),
        ("INPUT 4x4x3 -> FC 10", "fc1", "biases", "10", "one for each unit"),
        ("INPUT 4x4x3 -> FC 10", "fc1", "connections", "48", "every number that comes in"),
        ("INPUT 4x4x3 -> FC 10", "fc1", "MACs", "480", "10 neurons * 48 connections"),
        ("INPUT 4x4x3 -> FC 10", "fc1", "fully connected", "490", "10 neurons * (48 + 1), each seeing the whole input"),
        ("INPUT 9x8x3 -> FLATTEN -> FC 4", "flatten1", "output", "1x1x216", "9 * 8 * 3 in one row"),
        (
            "INPUT 9x8x3 -> FLATTEN -> FC 4", "fc1", "receptive field", "9 across, 8 down pixels",
            "across all that was flattened together, 9; down all that was flattened together, 8",
        ),
        ("INPUT 4x4x3 -> BN", "bn1", "weights", "3", "one scale for each of 3 channels"),
        ("INPUT 4x4x3 -> BN", "bn1", "biases", "3", "one for each channel"),
        ("INPUT 4x4x3 -> PRELU", "prelu1", "weights", "1", "one slope for the whole layer"),
        ("INPUT 4x4x3 -> RELU", "relu1", "memory", "0 bytes", "works in place: its output is written over its input"),
        ("INPUT 4x4x3 -> RELU", "relu1", "output", "4x4x3", "as it came in, 4x4x3"),
        ("INPUT 4x4x3 -> RELU", "relu1", "jump", "1 pixel", "as before, 1"),
        ("INPUT 8x8x3 -> (CONV 4 | CONV 5 1x1)", "concat1", "output", "8x8x9", "4 + 5 deep, side by side"),
        ("INPUT 8x8x3 -> (CONV 4 | CONV 5 1x1)", "concat1", "receptive field", "3 pixels", "the widest of 3, 1"),
        ("INPUT 8x8x3 -> (CONV 3 + SKIP)", "sum1", "output", "8x8x3", "2 volumes of 8x8x3, added number by number"),
        (
            # one branch looks two pixels to the left, the other two to the right
            "INPUT 8x8x3 -> (CONV 4 3x3 pad 2:0 | CONV 4 3x3 pad 0:2)", "concat1", "receptive field", "5 pixels",
            "neuron 0 sees the most, from pixel -2 to 2: 2 + 2 + 1",
        ),
        ("INPUT 8x6x3 -> UP 3", "up1", "output", "24x18x3", "8 * 3 x 6 * 3, as deep as before"),
        ("INPUT 8x6x3 -> UP 3", "up1", "receptive field", "1 pixel", "as before, 1"),
        ("INPUT 8x6x3 -> UP 3", "up1", "jump", "1/3 pixels", "on average j / factor = 1 / 3"),
        (
            "INPUT 8x8x4 -> SHORTCUT 9 stride 2", "shortcut1", "output", "4x4x9",
            "one pixel in 2 across, one in 2 down; 5 zero channels more",
        ),
        ("INPUT 8x8x4 -> SHORTCUT 9 stride 2", "shortcut1", "jump", "2 pixels", "S * j = 2 * 1"),
    ],
)  # fmt: skip
def test_a_sum_worked_out_by_hand(text, layer, quantity, result, formula):
    sums = told(text, layer)
    assert sums[quantity] == (result, formula)
    check(sums)


ODD = [
    "INPUT 9x8x3 -> CONV 4 3x3 -> FLATTEN -> BN -> FC 4 -> CONV 5 3x3 -> RELU -> SOFTMAX",
    "INPUT 16x12x4 -> UP 3 bilinear -> CONV 4 3x3 stride 2 fit crop groups 2 -> POOL avg to 3x5 -> CONV 3 1x3 -> FC 10",
    "INPUT 16x16x4 -> SHORTCUT 9 stride 2 -> ( CONV 5 3x3 pad 2:0 | CONV 5 3x3 pad 0:2 ) -> PRELU -> POOL l2 2x2 "
    "-> POOL max global",
    "INPUT 16x16x4 -> POOL max 3x3 stride 2 fit pad -> CONV depthwise 3x3 dilation 2 -> LRN -> DROPOUT -> FC",
    "INPUT 20x20x3 -> POOL avg to 6x7 -> ( CONV 4 3x3 + POOL avg 3x3 stride 1 pad 1 -> CONV 4 1x1 ) -> POOL to 1x1",
    "INPUT 17x11x3 -> CONV 6 5x3 stride 3x2 pad 1:2 fit pad -> UP 2 -> POOL 2x2 stride 2x1 fit crop -> FC bias no",
    "INPUT 16x16x3 -> CONV 8 -> AUX 0.3 [POOL avg 5x5 stride 3 fit crop -> FC] -> UP 2 bilinear -> CONV 2 5x5 -> FC",
]


@pytest.mark.parametrize("text", ODD)
def test_every_formula_of_an_odd_network_comes_to_its_number(text):
    for sums in everything(text).values():
        check(sums)


def test_the_checks_meet_every_kind_of_formula():
    """So that none of the comparisons above passes for want of anything to compare."""
    names = ("lenet-5", "zfnet", "googlenet-paper", "resnet-20", "squeezenet-1.1")
    met = set()
    for text in (*(NETWORKS[name].text for name in names), *ODD):
        met |= set().union(*map(check, everything(text).values()))
    assert met == {
        "as before",
        "whole pixels",
        "the widest",
        "the first",
        "first pixel",
        "neuron",
        "sum",
        "windows",
        "words",
        "concat",
        "flatten",
        "one slope for the whole layer",
        "every number that comes in",
    }


@pytest.mark.parametrize(
    ("formula", "value"), [("(227 - 11 + 2*0) / 4 + 1", 55), ("2 * (3 + -1)", 4), ("1 * 16/3", Fraction(16, 3))]
)
def test_sums_are_worked_out_exactly(formula, value):
    assert worked_out(formula) == value


def test_a_wrong_formula_would_be_seen():
    sums = told("INPUT 9x9x3 -> CONV 4 3x3", "conv1")
    check(sums)
    for quantity, (result, formula) in sums.items():
        wrong = re.sub(r"\d+", lambda digits: str(int(digits[0]) + 1), result, count=1)
        if quantity != "biases":  # 'one for each filter': told by parameters = weights + biases
            with pytest.raises(AssertionError):
                check(sums | {quantity: (wrong, formula)})


# Finding the layer


def test_a_layer_is_found_whatever_its_case():
    assert told("INPUT 8x8x3 -> CONV 4", "CONV1") == told("INPUT 8x8x3 -> CONV 4", "conv1")


def test_an_unknown_layer_is_answered_with_the_nearest():
    design = complete(parse(NETWORKS["alexnet"].text))
    with pytest.raises(DesignError) as caught:
        explain(unfold(design), ledger(design), "conv6")
    assert "no layer conv6" in str(caught.value) and "did you mean conv5?" in str(caught.value)
    assert "conv1, relu1, pool1" in str(caught.value)
