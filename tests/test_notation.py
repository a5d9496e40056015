"""The notation: what is read, what is written back, and how it says no."""

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hostile_texts import SIGNS, TEXTS, WORDS, mutated, spoilt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchbeam.design.arguments import RESERVED, VOCABULARY, names_of, write_word
from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.nets import Aux, Branches, Call, Define, Design, Group, Link, Open
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import FITS, Volume
from torchbeam.design.words import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Fc,
    Flatten,
    Input,
    Lrn,
    Pool,
    Shortcut,
    Skip,
    Softmax,
    Up,
)
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, FitError, Mistake, NotationError, TorchbeamError

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
PROPERTY = settings(max_examples=120, deadline=None, database=None, derandomize=True, suppress_health_check=QUIET)
HOSTILE = settings(PROPERTY, max_examples=300)

# Words that are read over or end the network; no name can be one of them.
FILLERS = {"FILTERS", "WITH", "AT", "OF", "WHERE"}

# Texts that read, for the mutations below to spoil.
VALID = [*TEXTS, *(network.text for network in NETWORKS.values())]


def only(text):
    """The word of a text that has one behind INPUT."""
    (link,) = parse(f"INPUT -> {text}").net
    return link.step


def refusal(text):
    """The error that a text is refused with."""
    with pytest.raises(NotationError) as caught:
        parse(text)
    return caught.value


def pointed(error):
    """What the carets stand under."""
    row, carets = error.shown.split("\n")
    start = carets.index("^")
    assert carets.strip() == "^" * (len(carets) - start)
    return row[start : start + len(carets) - start]


# What is read


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("CONV", Conv()),
        ("CONV 96 11x11 filters with stride 4, pad 0", Conv(96, (11, 11), (4, 4), ((0, 0), (0, 0)))),
        ("conv 96 of 11x11 at stride 4 pad 0", Conv(96, (11, 11), (4, 4), ((0, 0), (0, 0)))),
        ("CONV 11x11 96", Conv(96, (11, 11))),
        ("CONV [3x3] 8", Conv(8, (3, 3))),
        ("CONV 4 7x1", Conv(4, kernel_size=(1, 7))),
        ("CONV 4 7×1", Conv(4, kernel_size=(1, 7))),
        ("CONV 4 7X1", Conv(4, kernel_size=(1, 7))),
        ("CONV stride 2x1", Conv(stride=(1, 2))),
        ("CONV pad 2", Conv(padding=((2, 2), (2, 2)))),
        ("CONV pad 3x1", Conv(padding=((1, 1), (3, 3)))),
        ("CONV pad 0:1", Conv(padding=((0, 1), (0, 1)))),
        ("CONV pad 0:1x2", Conv(padding=((2, 2), (0, 1)))),
        ("CONV pad 3x0:1", Conv(padding=((0, 1), (3, 3)))),
        ("CONV 4 dilation 2x3 groups 2 bias no fit pad", Conv(4, dilation=(3, 2), groups=2, bias=False, fit="pad")),
        ("POOL", Pool()),
        (
            "POOL avg 3x2 stride 2 count valid fit crop",
            Pool("avg", "window", (2, 3), (2, 2), count="valid", fit="crop"),
        ),
        ("POOL AVG GLOBAL", Pool("avg", "global")),
        ("POOL window l2", Pool("l2")),
        ("FC", Fc()),
        ("FC 4096 bias no", Fc(4096, bias=False)),
        ("FC bias YES", Fc()),
        ("ReLU", Activation("RELU")),
        ("leakyrelu 0.1", Activation("LEAKYRELU", 0.1)),
        ("ELU -2e-1", Activation("ELU", -0.2)),
        ("BN eps 1e-3 momentum 1", BatchNorm(1e-3, 1.0)),
        ("DROPOUT 0.25", Dropout(0.25)),
        ("FLATTEN", Flatten()),
        ("SOFTMAX", Softmax()),
        ("[CONV]", Group((Link(Conv()),))),
        ("[CONV -> RELU]*3", Group((Link(Conv()), Link(Activation("RELU"))), 3)),
        ("CONV 007", Conv(7)),
        ("CONV depthwise 3x3 stride 2", Conv(kernel_size=(3, 3), stride=(2, 2), connect="depthwise")),
        ("CONV 3x3 depthwise", Conv(kernel_size=(3, 3), connect="depthwise")),
        ("POOL avg to 7x5", Pool("avg", to=(5, 7))),
        ("POOL to 7", Pool(to=(7, 7))),
        ("LRN", Lrn()),
        ("LRN 3 beta 0.5 k 1 alpha 2e-4", Lrn(3, 2e-4, 0.5, 1.0)),
        ("UP bilinear 4", Up(4, "bilinear")),
        ("SKIP", Skip()),
        ("SHORTCUT 32 stride 2x1", Shortcut(32, (1, 2))),
        ("CELU 2", Activation("CELU", 2.0)),
        ("( CONV | SKIP )", Branches("concat", ((Link(Conv()),), (Link(Skip()),)))),
        (
            "( a: CONV -> RELU + SKIP + FC )",
            Branches("sum", ((Link(Conv(), "a"), Link(Activation("RELU"))), (Link(Skip()),), (Link(Fc()),))),
        ),
        ("( FC | SKIP )*3", Group((Link(Branches("concat", ((Link(Fc()),), (Link(Skip()),)))),), 3)),
        ("AUX 0.3 [FC -> SOFTMAX]", Aux(0.3, (Link(Fc()), Link(Softmax())))),
        ("AUX 1 [FC]", Aux(1.0, (Link(Fc()),))),
    ],
)
def test_a_step_is_read(text, word):
    assert only(text) == word


@pytest.mark.parametrize(
    ("text", "input"),
    [
        ("INPUT", Input()),
        ("INPUT 32x24x3", Input(Volume(channels=3, height=24, width=32))),
        ("INPUT [32x24x3]", Input(Volume(channels=3, height=24, width=32))),
        ("INPUT fit crop", Input(fit="crop")),
        ("INPUT 32×24×3 fit pad", Input(Volume(3, 24, 32), "pad")),
    ],
)
def test_input_is_read(text, input):
    assert parse(f"{text} -> FC") == Design(input, (Link(Fc()),))


def test_case_line_breaks_commas_comments_and_the_arrows_form_do_not_matter():
    plain = parse("INPUT 8x8x1 -> CONV 4 3x3 -> RELU -> FC 10")
    assert parse("input 8x8x1 -> conv 4 3x3 -> relu -> fc 10") == plain
    assert parse("INPUT 8x8x1\n  -> CONV 4, 3x3 # the first\n\t-> RELU\n\n-> FC 10\n# the end") == plain
    assert parse("INPUT 8x8x1->CONV 4 3x3→RELU→FC 10") == plain
    assert parse("INPUT 8x8x1\r\n-> CONV 4 3x3\r\n-> RELU\r\n-> FC 10\r\n") == plain


def test_definitions_are_kept_as_written_in_the_case_they_are_first_written_in():
    design = parse("INPUT -> UNIT 8 K -> [pool k]*N where Unit n f = CONV N F bias no -> bn; k = 3X3; n = 2")
    assert design.net == (Link(Call("Unit", ("8", "k"))), Link(Group((Link(Open("POOL", ("k",))),), "n")))
    assert design.where == (
        Define("Unit", ("n", "f"), (Link(Open("CONV", ("n", "f", "bias", "no"))), Link(BatchNorm()))),
        Define("k", (), "3x3"),
        Define("n", (), "2"),
    )


def test_unused_definitions_are_kept_and_not_run():
    design = parse("INPUT -> FC where a = a; b n = CONV 8 n; c = 10;")
    assert [define.name for define in design.where] == ["a", "b", "c"]


def test_behind_a_word_its_own_names_go_before_those_of_the_definitions():
    design = parse("INPUT -> LRN 5 k 1 -> LRN size where k = 3; size = 5")
    assert design.net == (Link(Lrn(5, k=1.0)), Link(Open("LRN", ("size",))))
    assert "k of LRN has no value" in str(refusal("INPUT -> LRN k where k = 3"))


def test_names_and_groups_are_kept_as_written():
    design = parse("INPUT -> stem: CONV 8 -> Body: [a: CONV -> [b: RELU]]*2 -> FC")
    body = Group((Link(Conv(), "a"), Link(Group((Link(Activation("RELU"), "b"),)))), 2)
    assert design.net == (Link(Conv(8), "stem"), Link(body, "Body"), Link(Fc()))


def test_a_named_group_is_a_scope_of_its_own_for_names():
    design = parse("INPUT -> x: [a: CONV] -> y: [a: CONV] -> a: FC")
    assert [link.name for link in design.net] == ["x", "y", "a"]


def test_brackets_may_nest_thirty_two_deep():
    assert parse("INPUT -> " + "[" * 32 + "FC" + "]" * 32).net


@pytest.mark.parametrize("text", ["INPUT -> [[RELU]*100]*100", "INPUT -> [RELU]*10000"])
def test_a_network_may_have_ten_thousand_layers(text):
    assert parse(text).net


# What is written


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Conv(96, (11, 11), (4, 4), ((0, 0), (0, 0))), "CONV 96 11x11 stride 4 pad 0"),
        (Conv(4, (1, 7), (1, 2), ((0, 1), (3, 3))), "CONV 4 7x1 stride 2x1 pad 3x0:1"),
        (Conv(4, (3, 3), padding=((0, 1), (0, 1)), bias=False), "CONV 4 3x3 pad 0:1 bias no"),
        (Pool("max", kernel_size=(2, 2), stride=(2, 2), fit="crop"), "POOL max 2x2 stride 2 fit crop"),
        (Pool("avg", "global"), "POOL avg global"),
        (Activation("LEAKYRELU", 0.1), "LEAKYRELU 0.1"),
        (BatchNorm(1e-3), "BN eps 0.001"),
        (Input(Volume(3, 24, 32), "crop"), "INPUT 32x24x3 fit crop"),
        (Fc(), "FC"),
    ],
)
def test_a_word_is_written_as_the_textbooks_do(word, text):
    assert write_word(word) == text


def test_long_texts_are_broken_before_arrows_at_about_a_hundred_characters():
    design = parse("INPUT 32x32x3" + " -> CONV 64 3x3 stride 1 pad 2 -> RELU" * 12)
    lines = write(design).split("\n")
    assert len(lines) > 3
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith("-> ") for line in lines[1:])
    assert parse(write(design)) == design


@st.composite
def sizes(draw, least=1, most=7):
    return (draw(st.integers(least, most)), draw(st.integers(least, most)))


@st.composite
def convs(draw):
    groups = draw(st.integers(1, 4))
    filters = draw(st.none() | st.integers(1, 300).map(lambda share: share * groups))
    kernel = draw(st.none() | sizes())
    dilation = draw(sizes(most=3))
    even = kernel is not None and any(d * (k - 1) % 2 for k, d in zip(kernel, dilation, strict=True))
    pads = st.tuples(sizes(0, 9), sizes(0, 9))
    padding = draw(pads if even else st.none() | pads)
    stride, bias, fit = draw(sizes(most=5)), draw(st.booleans()), draw(fits)
    if draw(st.booleans()):
        return Conv(None, kernel, stride, padding, dilation, 1, bias, fit, "depthwise")
    return Conv(filters, kernel, stride, padding, dilation, groups, bias, fit)


@st.composite
def pools(draw):
    kind = draw(st.sampled_from([None, "max", "avg", "l2"]))
    count = draw(st.sampled_from(["all", "valid"]))
    if draw(st.booleans()):
        return Pool(kind, "global", count=count, fit=draw(fits))
    if kind != "l2" and draw(st.booleans()):
        return Pool(kind, count=count, fit=draw(fits), to=draw(sizes(most=1000)))
    kernel = draw(st.none() | sizes())
    padding = tuple(draw(sizes(0, side - 1)) for side in kernel or (2, 2))
    return Pool(kind, "window", kernel, draw(st.none() | sizes(most=5)), padding, count, draw(fits))


# Numbers as a person types them; every finite float is tried further down.
numbers = st.decimals(-9, 9, places=3).map(float)
fits = st.sampled_from([None, *FITS])
activations = st.sampled_from(sorted(ACTIVATIONS)).flatmap(
    lambda kind: st.builds(
        Activation,
        st.just(kind),
        (st.none() | numbers.map(abs).filter(bool) if kind == "CELU" else st.none() | numbers)
        if ACTIVATIONS[kind].default is not None
        else st.none(),
    )
)
steps = st.one_of(
    convs(),
    pools(),
    st.builds(Fc, st.none() | st.integers(1, 10**9), st.booleans()),
    activations,
    st.builds(BatchNorm, st.integers(1, 99).map(lambda n: n / 1000), st.integers(0, 100).map(lambda n: n / 100)),
    st.builds(Dropout, st.integers(0, 99).map(lambda n: n / 100)),
    st.just(Flatten()),
    st.just(Softmax()),
    st.builds(Lrn, st.integers(1, 9), *[st.integers(0, 9999).map(lambda n: n / 1000)] * 3),
    st.builds(Up, st.integers(1, 64), st.sampled_from(["nearest", "bilinear"])),
    st.just(Skip()),
    st.builds(Shortcut, st.none() | st.integers(1, 10**9), sizes(most=5)),
)


labels = st.sampled_from(["n", "k", "Eps", "a", "a_2", "FC1", "classes"]) | st.from_regex(
    r"[A-Za-z_][A-Za-z_0-9]{0,7}", fullmatch=True
)
names = labels.filter(lambda name: name.upper() not in {*VOCABULARY, *FILLERS})
# What a definition may be called: no word that has a meaning behind INPUT, CONV, POOL, FC or UP.
defined = names.filter(lambda name: name.lower() not in RESERVED)
# The values that names stand for: a count serves as filters, units, a stride, a repeat, a weight; a size as a window.
VALUES = {"count": st.integers(1, 4).map(str), "size": st.sampled_from(["1x1", "3x3", "5x1", "1x7"])}
# Words with a count or a size left open.
OPEN = {
    "CONV": [["count", "size"], ["count", "1x1", "stride", "count"], ["3x3", "groups", "1", "dilation", "count"]],
    "POOL": [["max", "size"], ["avg", "to", "count"], ["3x3", "stride", "count", "fit", "crop"]],
    "FC": [["count", "bias", "no"]],
    "UP": [["bilinear", "count"]],
    "SHORTCUT": [["count", "stride", "2"]],
    "LRN": [["count", "alpha", "1e-4"]],
    "ELU": [["count"]],
    "BN": [["eps", "count"]],
}


@st.composite
def opens(draw, scope):
    """A word with one of the scope's names, {name: kind}, among its arguments."""
    word = draw(st.sampled_from(sorted(OPEN)))
    fitting = {
        kind: [name for name, its in scope.items() if its == kind and name.lower() not in names_of(word)]
        for kind in VALUES
    }
    pieces = []
    for piece in draw(st.sampled_from(OPEN[word])):
        known = fitting.get(piece)
        pieces.append(piece if known is None else draw(st.sampled_from(known) if known else VALUES[piece]))
    named = any(piece in scope for piece in pieces)
    return Open(word, tuple(pieces)) if named else Fc()


@st.composite
def calls(draw, defines, scope):
    """A call of one of the definitions, {name: kinds of its parameters}."""
    name = draw(st.sampled_from(sorted(defines)))
    pieces = []
    for kind in defines[name]:
        fitting = [known for known, its in scope.items() if its == kind]
        pieces.append(draw(VALUES[kind] | st.sampled_from(fitting) if fitting else VALUES[kind]))
    return Call(name, tuple(pieces))


@st.composite
def nets(draw, scope, defines, depth=0, taken=None):
    taken = set() if taken is None else taken
    counts = [name for name, kind in scope.items() if kind == "count"]
    made = []
    for _ in range(draw(st.integers(1, 3 - depth // 2))):
        name = draw(st.just("") | names)
        name = "" if name in taken else name
        taken.add(name)
        way = draw(st.sampled_from(["word", "word", "open", "call", "group", "branches", "aux"]))
        within = nets(scope, defines, depth + 1, set() if name else taken)
        if way in ("group", "branches", "aux") and depth == 3:
            way = "word"
        if way == "open" and scope:
            step = draw(opens(scope))
        elif way == "call" and defines:
            step = draw(calls(defines, scope))
        elif way == "group":
            count = draw(st.integers(1, 4) | st.sampled_from(counts) if counts else st.integers(1, 4))
            step = Group(draw(within), count)
        elif way == "branches":
            inside = tuple(draw(within) for _ in range(draw(st.integers(2, 3))))
            step = Branches(draw(st.sampled_from(["concat", "sum"])), inside)
        elif way == "aux":
            weight = st.floats(0.001, 1e9)
            weight = draw(weight | st.sampled_from(counts) if counts else weight)
            step = Aux(weight, draw(nets(scope, defines, depth + 1, set())))
        else:
            step = draw(steps)
        made.append(Link(step, name))
    return tuple(made)


@st.composite
def designs(draw):
    said = draw(st.lists(defined, max_size=5, unique_by=str.lower))
    values = {name: draw(st.sampled_from(sorted(VALUES))) for name in said[:2]}
    where = [Define(name, (), draw(VALUES[kind])) for name, kind in values.items()]
    defines = {}
    for name in said[2:]:  # each may call those before it
        called = draw(st.lists(defined, max_size=3, unique_by=str.lower))
        parameters = {parameter: draw(st.sampled_from(sorted(VALUES))) for parameter in called}
        lows = {parameter.lower() for parameter in parameters}
        scope = {known: kind for known, kind in values.items() if known.lower() not in lows} | parameters
        where.append(Define(name, tuple(parameters), draw(nets(scope, defines, 1))))
        defines[name] = tuple(parameters.values())
    input = draw(st.builds(Input, st.none() | volumes, st.sampled_from(FITS)))
    return Design(input, draw(nets(values, defines)), tuple(draw(st.permutations(where))))


volumes = st.builds(Volume, st.integers(1, 10**9), st.integers(1, 999), st.integers(1, 999))


@PROPERTY
@given(designs())
def test_what_is_written_reads_back_the_same(design):
    text = write(design)
    assert parse(text) == design
    assert write(parse(text)) == text


@PROPERTY
@given(designs(), st.randoms(use_true_random=False))
def test_case_and_white_space_of_a_written_text_do_not_matter(design, chance):
    """Definitions keep the case they are first written in, so it is left out of the comparison."""
    bare = Design(
        design.input,
        without_names(design.net),
        tuple(
            Define(define.name, define.parameters, without_names(define.body))
            if isinstance(define.body, tuple)
            else define
            for define in design.where
        ),
    )
    text = write(bare)
    shouted = "".join(chance.choice([sign.lower(), sign.upper()]) for sign in text)
    spread = shouted.replace(" ", chance.choice(["  ", "\n", " , ", "\t", " # of it\n"]))
    assert write(parse(spread)).lower() == text.lower()


def without_names(net):
    return tuple(Link(without_names_inside(link.step)) for link in net)


def without_names_inside(step):
    match step:
        case Group(net=net) | Aux(net=net):
            return replace(step, net=without_names(net))
        case Branches(nets=inner):
            return replace(step, nets=tuple(map(without_names, inner)))
        case _:
            return step


@PROPERTY
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives_the_round_trip(number):
    links = [Link(Activation("LEAKYRELU", number))]
    if number > 0:
        links.append(Link(Aux(number, (Link(Fc()),))))
    design = Design(Input(), tuple(links))
    assert parse(write(design)) == design


# What is refused

WHOLE = "a whole number"
NETWORK = "[ or a word"
REFUSALS = [
    ("CONV 3x3 -> FC", "a network begins with INPUT", 1, 1, "CONV", "write INPUT -> CONV ..."),
    ("x: CONV -> FC", "a network begins with INPUT", 1, 1, "x", "write INPUT -> x ..."),
    ("x: INPUT -> FC", "INPUT takes no name", 1, 1, "x", "write INPUT without a name before it"),
    ("INPUT 8x8x1", "nothing follows INPUT", 1, 1, "INPUT", "at least one layer, as in 'INPUT -> FC'"),
    ("INPUT -> FC\n-> INPUT", "INPUT stands only at the beginning", 2, 4, "INPUT", "take the second INPUT out"),
    ("INPUT -> CONF 3", "unknown word CONF", 1, 10, "CONF", "did you mean CONV?"),
    ("INPUT -> CONF 3", "unknown word CONF", 1, 10, "CONF", "one of INPUT CONV POOL FC BN"),
    ("INPUT ->\n  [CONV -> sofmax]*2", "unknown word sofmax", 2, 12, "sofmax", "did you mean SOFTMAX?"),
    ("INPUT -> a: CONV\n-> a: FC", "two layers are named a", 2, 4, "a", "give each its own name"),
    ("INPUT -> [a: CONV] -> a: FC", "two layers are named a", 1, 23, "a", "give each its own name"),
    ("INPUT -> a: [b: CONV -> [b: FC]]", "two layers are named b", 1, 26, "b", "give each its own name"),
    (
        "INPUT -> pool: CONV",
        "a layer cannot be named pool, which is a word of the notation",
        1,
        10,
        "pool",
        "choose another name, as in 'pool_1: ...'",
    ),
    ("INPUT -> " + "[" * 33 + "FC" + "]" * 33, "brackets nest deeper than 32", 1, 42, "[", ""),
    ("INPUT -> [FC]*10001", "the network has more than 10,000 layers", 1, 15, "10001", "at most 10,000"),
    ("INPUT -> [[FC]*200]*200", "the network has more than 10,000 layers", 1, 21, "200", "at most 10,000"),
    ("INPUT -> [FC]*3.5", "a repeat cannot be 3.5", 1, 15, "3.5", WHOLE),
    ("INPUT -> [FC]*-3", "a repeat cannot be -3", 1, 15, "-3", WHOLE),
    ("INPUT -> FC 1e3", "number of units cannot be 1e3", 1, 13, "1e3", WHOLE),
    ("INPUT -> CONV 8 groups two", "groups cannot be two", 1, 24, "two", WHOLE),
    ("INPUT -> FC 1000000001", "1000000001 is too large", 1, 13, "1000000001", "at most 1,000,000,000"),
    ("INPUT -> [FC]*99999999999", "99999999999 is too large", 1, 15, "99999999999", "at most 1,000,000,000"),
    ("INPUT -> CONV stride", "stride of CONV has no value", 1, 15, "stride", "a size as in 3x3 (width x height)"),
    ("INPUT -> CONV pad -> FC", "pad of CONV has no value", 1, 15, "pad", "a pad as in 2, 3x1 (across x down) or 0:1"),
    ("INPUT -> BN eps", "eps of BN has no value", 1, 13, "eps", "a number, as in 0.5"),
    ("INPUT -> FC bias", "bias of FC has no value", 1, 13, "bias", "yes or no"),
    ("INPUT -> POOL fit", "fit of POOL has no value", 1, 15, "fit", "one of its choices"),
    ("INPUT -> CONV groups", "groups of CONV has no value", 1, 15, "groups", WHOLE),
    ("INPUT -> CONV 3 5", "CONV is told its number of filters twice", 1, 17, "5", ""),
    ("INPUT -> CONV pad 1 pad 2", "CONV is told its pad twice", 1, 21, "pad", ""),
    ("INPUT -> CONV strid 2", "CONV does not understand strid", 1, 15, "strid", "did you mean stride?"),
    ("INPUT -> POOL mex", "POOL does not understand mex", 1, 15, "mex", "did you mean max?"),
    ("INPUT -> RELU 0.1", "RELU does not understand 0.1", 1, 15, "0.1", "nothing behind RELU"),
    ("INPUT -> FC 3x3", "FC does not understand 3x3", 1, 13, "3x3", "a whole number, bias"),
    ("INPUT 32 -> FC", "INPUT does not understand 32", 1, 7, "32", "width x height x depth, as in 32x32x3, fit"),
    ("INPUT -> FC bias maybe", "bias cannot be maybe", 1, 18, "maybe", "yes or no"),
    ("INPUT fit croop -> FC", "fit cannot be croop", 1, 11, "croop", "did you mean crop?"),
    ("INPUT -> POOL fit loose", "fit cannot be loose", 1, 19, "loose", "error or crop or pad"),
    ("INPUT -> POOL avg count some", "count cannot be some", 1, 25, "some", "all or valid"),
    ("INPUT -> BN eps small", "small is not a number here", 1, 17, "small", "a number, as in 0.5"),
    ("INPUT -> CONV 3x3x3", "3x3x3 is not a size here", 1, 15, "3x3x3", "a size as in 3x3 (width x height)"),
    ("INPUT -> CONV stride wide", "wide is not a size here", 1, 22, "wide", "a size as in 3x3"),
    ("INPUT -> CONV stride 0:1", "0:1 is not a size here", 1, 22, "0:1", "a size as in 3x3"),
    ("INPUT -> CONV stride 1.5", "1.5 is not a size here", 1, 22, "1.5", "a size as in 3x3"),
    (
        "INPUT -> CONV pad same",
        "a pad cannot be same",
        1,
        19,
        "same",
        "a pad as in 2, 3x1 (across x down) or 0:1 (near:far)",
    ),
    ("INPUT -> CONV pad -1", "a pad cannot be -1", 1, 19, "-1", "a pad as in 2"),
    ("INPUT -> CONV pad 1x2x3", "a pad cannot be 1x2x3", 1, 19, "1x2x3", "a pad as in 2"),
    ("INPUT 32x32 -> FC", "32x32 is not a volume", 1, 7, "32x32", "width x height x depth, as in 32x32x3"),
    ("INPUT 1x2x3:4 -> FC", "1x2x3:4 is not a volume", 1, 7, "1x2x3:4", "width x height x depth"),
    ("INPUT 0x32x3 -> FC", "a volume cannot be 0x32x3", 1, 7, "0x32x3", "width, height and depth of at least 1"),
    (
        "INPUT -> CONV 8 2x2",
        "CONV with an even window of 2 pixels",
        1,
        10,
        "CONV",
        "the pad said, as in 'pad 0' or 'pad 0:1'",
    ),
    ("INPUT -> CONV 8 groups 3", "8 filters cannot be shared among 3 groups", 1, 10, "CONV", "filters divisible by 3"),
    ("INPUT -> CONV 8 stride 0", "CONV cannot have stride 0", 1, 10, "CONV", "1 or more"),
    (
        "INPUT -> POOL global 2x2",
        "POOL global looks at the whole volume at once",
        1,
        10,
        "POOL",
        "no size, stride or pad",
    ),
    ("INPUT -> POOL 2x2 pad 2", "POOL with pad 2 has windows of 2", 1, 10, "POOL", "a pad of at most 1"),
    ("INPUT -> DROPOUT 1", "DROPOUT cannot drop a share of 1", 1, 10, "DROPOUT", "a share in [0, 1)"),
    ("INPUT -> BN eps 0", "BN cannot have eps 0 and momentum 0.1", 1, 10, "BN", "eps above 0"),
    ("INPUT -> FC 0", "FC cannot have units 0", 1, 10, "FC", "1 or more"),
    ("INPUT -> CONV $", "did not expect '$' here", 1, 15, "$", "a number or a size or a word"),
    ("INPUT ->\n-> FC", "did not expect '->' here", 2, 1, "->", NETWORK),
    ("INPUT -> FC ]", "did not expect ']' here", 1, 13, "]", "the end"),
    ("INPUT -> 3", "did not expect '3' here", 1, 10, "3", NETWORK),
    ("INPUT -> at: FC", "did not expect ':' here", 1, 12, ":", NETWORK),
    ("INPUT -> [FC]*", "did not expect the end of the text here", 1, 15, "", "a number"),
    ("INPUT -> FC ->  \n\n", "did not expect the end of the text here", 1, 15, " ", NETWORK),
    ("INPUT -> [FC", "did not expect the end of the text here", 1, 13, "", "expected  ]"),
    ("# nothing but this", "did not expect the end of the text here", 1, 19, "", NETWORK),
    # Branches, side heads
    ("INPUT -> ( FC )", "one branch alone is joined with nothing", 1, 12, "FC", "( a | b ), ( a + b ) or [ a ]"),
    ("INPUT -> ( FC | FC + FC )", "did not expect '+' here", 1, 20, "+", ") or |"),
    ("INPUT -> ( FC | )", "did not expect ')' here", 1, 17, ")", "a word"),
    ("INPUT -> " + "(" * 33 + "FC" + "|FC)" * 33, "brackets nest deeper than 32", 1, 42, "(", ""),
    ("( INPUT -> FC | FC )", "a network begins with INPUT", 1, 3, "INPUT", "take INPUT out of the brackets"),
    ("INPUT -> ( a: FC | a: FC )", "two layers are named a", 1, 20, "a", "give each its own name"),
    ("INPUT -> AUX [FC]", "AUX takes a weight and a network in brackets", 1, 10, "AUX", "as in AUX 0.3 [FC]"),
    ("INPUT -> AUX 0.3 -> FC", "AUX takes a weight and a network in brackets", 1, 10, "AUX", "as in AUX 0.3 [FC]"),
    ("INPUT -> AUX 1 2 [FC]", "AUX takes a weight and a network in brackets", 1, 10, "AUX", "as in AUX 0.3 [FC]"),
    ("INPUT -> AUX 0 [FC]", "AUX cannot have weight 0", 1, 14, "0", "a finite number above 0"),
    ("INPUT -> AUX -0.3 [FC]", "AUX cannot have weight -0.3", 1, 14, "-0.3", "a finite number above 0"),
    ("INPUT -> AUX 1e999 [FC]", "1e999 is not a number here", 1, 14, "1e999", "a number, as in 0.5"),
    ("INPUT -> AUX half [FC]", "half is not a number here", 1, 14, "half", "a number, as in 0.5"),
    ("INPUT -> FC 3 [FC]", "FC takes no network in brackets", 1, 10, "FC", "-> before the bracket"),
    ("INPUT [FC] -> FC", "INPUT takes no network in brackets", 1, 1, "INPUT", "-> before the bracket"),
    ("INPUT -> CONV depthwise 8", "CONV depthwise has as many filters and groups", 1, 10, "CONV", "neither filters"),
    ("INPUT -> POOL to 7 3x3", "POOL to a size chooses its own windows", 1, 10, "POOL", "no size, stride or pad"),
    ("INPUT -> POOL l2 to 7", "POOL l2 cannot pool to a size", 1, 10, "POOL", "say its size and stride"),
    ("INPUT -> POOL to 1001", "POOL cannot make 1001 places", 1, 10, "POOL", "at most 1,000"),
    ("INPUT -> UP 65", "UP cannot enlarge 65 times", 1, 10, "UP", "at most 64"),
    # Definitions: where they stand
    ("INPUT -> FC where", "did not expect the end of the text here", 1, 18, "", "expected  a word"),
    ("INPUT -> FC where a = RELU;; b = RELU", "did not expect ';' here", 1, 28, ";", "a word"),
    ("INPUT -> FC where a = ", "did not expect the end of the text here", 1, 22, " ", "a number"),
    ("INPUT -> FC where a", "did not expect the end of the text here", 1, 20, "", "="),
    ("INPUT -> FC where a = 3 -> FC", "did not expect '->' here", 1, 25, "->", ";"),
    ("INPUT -> FC where\na = RELU b = RELU", "did not expect '=' here", 2, 12, "=", "->"),
    ("INPUT -> FC where conv = RELU", "conv means something in the notation already", 1, 19, "conv", "as in my_conv"),
    ("INPUT -> FC where a Pad = RELU", "Pad means something in the notation already", 1, 21, "Pad", "as in my_pad"),
    ("INPUT -> FC where aux = 3", "aux means something in the notation already", 1, 19, "aux", "as in my_aux"),
    ("INPUT -> FC where a = RELU;\nA = 3", "A is defined twice", 2, 1, "A", "give each its own name"),
    ("INPUT -> FC where a n N = RELU", "two parameters are named n", 1, 21, "n", "give each its own name"),
    ("INPUT -> FC where a n = 3", "a is a value and takes no parameters", 1, 21, "n", ""),
    ("INPUT -> FC where a = x: FC -> x: FC", "two layers are named x", 1, 32, "x", "give each its own name"),
    ("INPUT -> FC where a = INPUT -> FC", "INPUT stands only at the beginning", 1, 23, "INPUT", "take the second"),
    # How they are used
    ("INPUT -> Half where half = 3", "Half is a value, not a layer", 1, 10, "Half", "a word, as in FC half"),
    ("INPUT -> FC a where a = RELU", "FC does not understand a", 1, 13, "a", "a whole number, bias"),
    ("INPUT -> FC n a where a = RELU; n = 3", "FC does not understand a", 1, 15, "a", "bias, no, yes, n"),
    ("INPUT -> [FC]*a where a = RELU", "a repeat cannot be a", 1, 15, "a", WHOLE),
    ("INPUT -> [FC]*m", "a repeat cannot be m", 1, 15, "m", WHOLE),
    ("INPUT -> AUX a [FC] where a = RELU", "a is not a number here", 1, 14, "a", "a number, as in 0.5"),
    ("INPUT -> a where a N = FC n", "a takes 1 value (N), here 0 are given", 1, 10, "a", "expected  a N"),
    ("INPUT -> a 3 4 where a n = FC n", "a takes 1 value (n), here 2 are given", 1, 10, "a", "expected  a n"),
    ("INPUT -> a 3 where a = RELU", "a takes 0 values, here 1 is given", 1, 10, "a", "expected  a"),
    ("INPUT -> a 3 where a n m = RELU", "a takes 2 values (n m), here 1 is given", 1, 10, "a", "expected  a n m"),
    ("INPUT -> Unit where a = unit; Unit = units", "unknown word units", 1, 38, "units", "did you mean Unit?"),
    ("INPUT -> block where blocks = RELU", "unknown word block", 1, 10, "block", "did you mean blocks?"),
    ("INPUT -> FC m where a m = FC m", "FC does not understand m", 1, 13, "m", "a whole number, bias"),
    # The caret stands in the definition, and the message says the values
    ("INPUT -> a 2x2\nwhere a f =\n RELU -> CONV 8 f", "CONV with an even window", 3, 10, "CONV", "got       f = 2x2"),
    ("INPUT -> a max where a n = FC n", "FC does not understand max", 1, 31, "n", "got       n = max"),
    ("INPUT -> a 0 where a n = b n; b k = FC 3 -> FC k", "FC cannot have units 0", 1, 45, "FC", "got       k = 0"),
    (
        "INPUT -> CONV n 3x3 groups m where n = 8; m = 3",
        "8 filters cannot be shared among 3 groups",
        1,
        10,
        "CONV",
        "got       n = 8, m = 3",
    ),
    ("INPUT -> [FC]*N where n = 0", "a group cannot have count 0", 1, 15, "N", "got       n = 0"),
    ("INPUT -> a 2.5 where a n = [FC]*n", "a repeat cannot be 2.5", 1, 33, "n", "got       n = 2.5"),
    ("INPUT -> a 3x3 where a n = [FC]*n", "a repeat cannot be 3x3", 1, 33, "n", "got       n = 3x3"),
    ("INPUT -> AUX n [FC] where n = 0", "AUX cannot have weight 0", 1, 14, "n", "got       n = 0"),
    ("INPUT -> AUX n [FC] where n = 3x3", "3x3 is not a number here", 1, 14, "n", "got       n = 3x3"),
    (
        "INPUT -> a 8 where a n = CONV n n 3x3",
        "CONV is told its number of filters twice",
        1,
        33,
        "n",
        "got       n = 8",
    ),
    # A parameter goes before the value of the same name
    ("INPUT -> a max where n = 8; a N = FC n", "FC does not understand max", 1, 38, "n", "got       N = max"),
    # Recursion, nesting, too much
    ("INPUT -> a where a = a", "a calls itself", 1, 22, "a", "write a repeat, as in [ ... ]*3"),
    ("INPUT -> a where a = RELU -> B; b = ( SKIP | A )", "a calls itself", 1, 46, "A", "write a repeat"),
    ("INPUT -> a 2 where a n = [b n]*n; b n = AUX n [a n]", "a calls itself", 1, 48, "a", "write a repeat"),
    (
        "INPUT -> [a]*6000 where a = FC -> FC",
        "the network has more than 10,000 layers",
        1,
        14,
        "6000",
        "at most 10,000",
    ),
    ("INPUT -> a -> a where a = [FC]*n; n = 6000", "more than 10,000 layers", 1, 15, "a", "at most 10,000"),
    ("INPUT -> [RELU]*6000 -> ( a + SKIP ) where a = [RELU]*6000", "more than 10,000 layers", 1, 27, "a", "10,000"),
    ("INPUT -> [RELU]*6000 -> [a -> b]*1 where a = [RELU]*3; b = [RELU]*6000", "10,000 layers", 1, 34, "1", "10,000"),
    (
        f"INPUT -> FC where a {' '.join(f'p{n}' for n in range(33))} = RELU",
        "too many words behind a",
        1,
        139,
        "p32",
        "at most 32",
    ),
    (f"INPUT -> FC {'n ' * 33} where n = 3", "too many words behind FC", 1, 77, "n", "at most 32"),
]


@pytest.mark.parametrize(("text", "what", "line", "column", "under", "advice"), REFUSALS)
def test_a_text_is_refused_at_its_place_with_words_and_a_caret(text, what, line, column, under, advice):
    error = refusal(text)
    assert what in error.what
    assert (error.line, error.column) == (line, column)
    assert f"(line {line}, column {column})" in str(error)
    assert pointed(error) == under
    assert advice in str(error)
    assert error.shown.splitlines()[0] in str(error)


def chain(count, step, last="RELU"):
    """Definitions d0 to d<count>, each made from the next by `step`."""
    lines = [f"d{at} = {step.format(f'd{at + 1}')}" for at in range(count)]
    return f"INPUT -> d0 where n = 9; {'; '.join(lines)}; d{count} = {last}"


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ("{0} -> {0}", "the network has more than 10,000 layers"),
        ("[{0}]*n", "brackets and definitions nest deeper than 64"),
        ("( {0} + {0} )", "brackets and definitions nest deeper than 64"),
        ("AUX 0.3 [{0} -> {0}]", "brackets and definitions nest deeper than 64"),
        ("{0} -> [SKIP]*9999", "the network has more than 10,000 layers"),
    ],
)
def test_definitions_that_grow_without_end_are_refused(step, what):
    error = refusal(chain(60, step))
    assert what in error.what
    assert error.line == 1


def test_definitions_may_call_each_other_sixty_four_deep():
    assert parse(chain(63, "{0}")).where
    assert "brackets and definitions nest deeper than 64" in str(refusal(chain(65, "{0}")))


def test_definitions_that_multiply_are_read_up_to_ten_thousand_steps():
    """Every call is a step, as is every RELU: some 4,000 for 2,048 RELUs, four times as many are too many."""
    assert parse(chain(11, "{0} -> {0}")).where
    assert "the network has more than 10,000 layers" in str(refusal(chain(13, "{0} -> {0}")))


@pytest.mark.parametrize("text", ["[INPUT] -> FC", "[INPUT 8x8x1 -> CONV] -> FC"])
def test_input_in_brackets_is_not_told_to_write_input_twice(text):
    error = refusal(text)
    assert "a network begins with INPUT" in error.what
    assert "INPUT -> INPUT" not in error.remedy


def test_the_caret_of_a_long_line_stays_within_a_narrow_window():
    error = refusal("INPUT" + " -> CONV 3 3x3" * 40 + " -> CONF -> " + "RELU -> " * 40 + "FC")
    assert pointed(error) == "CONF"
    assert all(len(line) <= 76 for line in error.shown.split("\n"))


@pytest.mark.parametrize("text", ["INPUT\t->\tCONF", "INPUT\r\n->\tCONF"])
def test_the_caret_stands_under_its_word_behind_tabs_and_windows_line_ends(text):
    assert pointed(refusal(text)) == "CONF"


@pytest.mark.parametrize("between", ["\r", "\f", "\v", " # a\u2028b\n", "\x85", "\x1e"])
def test_the_caret_stands_under_its_word_behind_other_line_ends(between):
    assert pointed(refusal(f"INPUT{between}-> CONF")) == "CONF"


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("", "the text of the network is empty", "a network, as in 'INPUT -> [CONV -> RELU -> POOL]*2 -> FC'"),
        (" \n\t ", "the text of the network is empty", "a network, as in"),
        ("INPUT -> [FC]*0", "a group cannot have count 0", "1 or more"),
        ("INPUT -> FC #" + "x" * 200_000, "a text of 200,013 characters is too long", "at most 200,000 characters"),
    ],
)
def test_every_refusal_of_a_text_is_a_notation_error(text, what, expected):
    with pytest.raises(Mistake) as caught:
        parse(text)
    assert what in str(caught.value) and expected in str(caught.value)
    assert isinstance(caught.value, NotationError)


@pytest.mark.parametrize("text", ["INPUT" + " -> RELU" * 10_001, "INPUT -> [RELU]*10000 -> RELU"])
def test_layers_outside_brackets_count_towards_the_most_there_may_be(text):
    assert "the network has more than 10,000 layers" in str(refusal(text))


@pytest.mark.parametrize("text", ["INPUT -> {0}FC{1}", "{0}INPUT{1} -> FC", "INPUT -> FC -> {0}FC -> FC{1}*3"])
@pytest.mark.parametrize("depth", [33, 1_000, 30_000])
def test_brackets_of_any_depth_are_refused_in_words(text, depth):
    error = refusal(text.format("[" * depth, "]" * depth))
    assert "brackets nest deeper than 32" in str(error) or "a network begins with INPUT" in str(error)


@pytest.mark.parametrize(
    "text", ["INPUT -> " + "[" * 90_000, "INPUT -> " + "]" * 90_000, "[" * 199_000, "INPUT -> FC -> " + "a:" * 90_000]
)
def test_endless_brackets_and_names_are_refused_in_words(text):
    assert "did not expect" in str(refusal(text))


HUGE = "9" * 9_000


@pytest.mark.parametrize(
    "text",
    [
        f"INPUT -> FC {HUGE}",
        f"INPUT -> [FC]*{HUGE}",
        f"INPUT -> CONV {HUGE}x3",
        f"INPUT -> CONV stride {HUGE}",
        f"INPUT -> CONV pad 0:{HUGE}",
        f"INPUT {HUGE}x{HUGE}x3 -> FC",
    ],
)
def test_a_number_of_nine_thousand_digits_is_refused_shortly(text):
    error = refusal(text)
    assert "999999999999 is too large" in str(error)
    assert len(str(error)) < 1_000


@pytest.mark.parametrize(
    "text",
    [
        f"INPUT -> DROPOUT {HUGE}",
        f"INPUT -> FC -{HUGE}",
        f"INPUT -> CONV {HUGE}x3x3",
        f"INPUT -> CONV pad {HUGE}x3x3",
        f"INPUT {HUGE}x3 -> FC",
        f"INPUT -> RELU {HUGE}",
        f"INPUT -> {'a' * 9_000}",
        f"INPUT -> CONV {'a' * 9_000}",
        f"INPUT -> CONV fit {'a' * 9_000}",
        f"INPUT -> FC {HUGE} [{HUGE}]",
        f"{'a' * 9_000} -> FC",
        f"INPUT -> {'a' * 9_000}: FC -> {'a' * 9_000}: FC",
        f"INPUT -> {'a' * 9_000} where {'a' * 9_000} = 3",
        f"INPUT -> {'a' * 9_000} where {'a' * 9_000} {'b' * 9_000} = FC {'b' * 9_000}",
        f"INPUT -> FC n {'a' * 9_000} where n = 3; {'b' * 9_000} = 3",
        f"INPUT -> b where {'; '.join(f'a{n} = RELU' for n in range(9_000))}",
        f"INPUT -> FC n x where n = 3; {'; '.join(f'a{n} = 3' for n in range(9_000))}",
        f"INPUT -> a {HUGE} where a n = FC n",
        f"INPUT -> a {HUGE} where a n = [FC]*n",
        f"INPUT -> a {HUGE} where a n = AUX n [FC]",
        f"INPUT -> AUX {HUGE} [FC]",
        f"INPUT -> [FC]*n where n = {HUGE}",
        f"INPUT -> FC where {'a' * 9_000} = RELU; {'a' * 9_000} = 3",
    ],
)
def test_an_error_is_short_however_long_the_word_it_speaks_of(text):
    assert len(str(refusal(text))) < 1_000


chunks = st.lists(st.sampled_from(SIGNS), min_size=1, max_size=3).map("".join) | st.sampled_from(WORDS)


@HOSTILE
@given(st.sampled_from(VALID), st.lists(chunks, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_spoilt_text_is_read_or_refused_in_words(text, spoils, chance):
    for chunk in spoils:
        text = mutated(chance, text, chunk)
    try:
        design = parse(text)
    except NotationError as error:
        place = text.split("\n")[error.line - 1][error.column - 1 :]
        place = "".join(letter if letter.isprintable() else " " for letter in place)
        assert place.startswith(pointed(error))
        assert error.what and len(str(error)) < 2_000
    except TorchbeamError as error:
        assert str(error)
    else:
        assert parse(write(design)) == design


@HOSTILE
@given(st.text(max_size=200) | st.text(st.sampled_from(SIGNS), max_size=60).map(lambda soup: f"INPUT -> {soup}"))
def test_a_soup_of_signs_is_read_or_refused_in_words(text):
    try:
        parse(text)
    except TorchbeamError as error:
        assert str(error)


@HOSTILE
@given(st.binary(max_size=200))
def test_a_soup_of_bytes_is_read_or_refused_in_words(soup):
    for text in (soup.decode("latin-1"), soup.decode("utf-8", errors="surrogateescape")):
        try:
            parse(text)
        except TorchbeamError as error:
            assert str(error)


TOKENS = ["INPUT", "CONV", "POOL", "FC", "->", "[", "]", "*", "3", "3x3", "pad", "a:", "1e9"]
TOKENS += ["(", "|", "+", ")", "SKIP", "AUX", "where", "a", "=", ";"]


@PROPERTY
@given(st.lists(st.sampled_from(TOKENS)))
def test_a_soup_of_tokens_is_read_or_refused_in_words(tokens):
    text = " ".join(["INPUT", "->", *tokens])
    try:
        design = parse(text)
    except TorchbeamError as error:
        assert str(error)
    else:
        assert parse(write(design)) == design


def test_spoilt_networks_are_read_completed_and_counted_or_refused_in_words():
    """bench/fuzz.py tries more of them, and tells how long they take."""
    chance = random.Random(1)
    answers = Counter()
    for _ in range(2_500):
        text = spoilt(chance, TEXTS)
        try:
            design = complete(parse(text))
            ledger(design)
        except Mistake as error:
            assert error.what and len(str(error)) < 3_000, text
            answers[type(error)] += 1
        else:
            assert parse(write(design)) == design, text
            assert complete(design) == design, text
            answers["read"] += 1
    assert set(answers) == {NotationError, DesignError, FitError, "read"}


def test_numbers_are_read_as_the_decimals_they_are():
    for text in ("0.1", "1e-5", "0.30000000000000004", "-2.5E+3"):
        assert only(f"LEAKYRELU {text}").slope == float(Decimal(text))
