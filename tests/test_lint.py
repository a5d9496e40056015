"""The linter as a whole: the order of what it says, the famous networks, and that no list of layers breaks it."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lint_fixes import completed, findings

from torchbeam.design.layers import unfold
from torchbeam.design.ledger import ledger_of
from torchbeam.design.lint import RULES, lint
from torchbeam.design.words import Foreign
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, NotationError

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]
PROPERTY = settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=QUIET)


@pytest.mark.parametrize(
    "text",
    [
        "INPUT -> [CONV -> RELU -> POOL]*2 -> CONV -> RELU -> POOL avg global -> FC",
        "INPUT 7x7x1 -> POOL 2x2 fit pad -> POOL 2x2 -> POOL avg 2x2",
        "INPUT 8x8x1 -> POOL 3x3 stride 2 pad 0:1",
        "INPUT 8x8x1 -> CONV 2 3x3 stride 2 pad 1 fit crop",
        "INPUT 9x7x1 -> POOL avg global -> FC",
        "INPUT 28x28x1 -> FC 100 -> RELU -> FC",
    ],
)
def test_a_network_that_keeps_the_rules_has_no_findings(text):
    assert [f for f in findings(text) if f.rule not in ("field-too-small", "uneven-halving")] == []


def test_findings_come_in_the_order_of_the_layers_and_for_one_layer_in_that_of_the_rules():
    text = "INPUT 23x23x3 -> [CONV -> BN -> RELU -> POOL]*2 -> CONV 8 3x3 pad 0 -> FC -> RELU -> SOFTMAX"
    assert [(f.layer, f.rule) for f in findings(text)] == [
        ("conv1", "bias-before-bn"),
        ("pool1", "dropped-pixels"),
        ("pool1", "uneven-halving"),
        ("conv2", "bias-before-bn"),
        ("pool2", "dropped-pixels"),
        ("conv3", "washed-borders"),
        ("fc1", "linear-linear"),
        ("relu3", "activation-at-the-end"),
    ]


def test_the_lectures_pattern_has_most_of_its_weights_in_its_first_fc_and_no_other_fault():
    (finding,) = findings("INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC")
    assert (finding.layer, finding.rule) == ("fc1", "heavy-fc")


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("lenet-5", ["washed-borders", "washed-borders"]),
        ("alexnet", ["heavy-fc"]),
        ("vgg-16", ["heavy-fc"]),
        ("googlenet", ["field-too-large"]),
        ("resnet-18", ["field-too-large"]),
        ("resnet-50", ["field-too-large"]),
        ("mobilenet-v2", ["field-too-large"]),
        ("squeezenet-1.1", ["dropped-pixels", "field-too-small"]),
    ],
)
def test_a_famous_network_has_few_findings(name, rules):
    assert [finding.rule for finding in findings(NETWORKS[name].text)] == rules


def test_side_heads_are_looked_at_and_left_out_of_the_totals():
    found = findings(
        "INPUT 8x8x3 -> CONV 8 3x3 -> RELU -> AUX 0.3 [CONV 4 3x3 pad 0 -> RELU -> FC 900 -> RELU] -> FC 2"
    )
    assert [(f.layer, f.rule) for f in found] == [
        ("aux1.conv1", "washed-borders"),
        ("aux1.relu2", "activation-at-the-end"),
        ("fc1", "heavy-fc"),
    ]
    # a head's fix costs what it costs in the head: 4 * 64 - 4 * 36 more numbers into 900 units, and 28 places
    # more of 4 filters with 3 * 3 * 8 weights
    assert found[0].cost == "+100,800 parameters, +108,864 multiply-accumulates, +112 neurons"
    assert found[2].message == "its 1,024 weights are 83% of the network's 1,240"


def test_every_rule_names_its_source_or_its_reason():
    assert all(rule.__doc__ and len(rule.__doc__) > 60 for rule in RULES.values())


# No list of layers breaks it

activations = st.sampled_from(["RELU", "STEP", "IDENTITY", "SIGMOID", "PRELU", "SOFTMAX"])
fits = st.sampled_from(["", " fit crop", " fit pad"])
convs = st.builds(
    lambda n, w, h, s, p, d, b, f: f"CONV {n} {w}x{h} stride {s} pad {p} dilation {d} bias {b}{f}",
    st.sampled_from([1, 2, 6]),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(1, 4),
    st.sampled_from(["0", "1", "3", "0:2", "1x0"]),
    st.integers(1, 2),
    st.sampled_from(["yes", "no"]),
    fits,
)
pools = st.builds(
    lambda k, n, s, f: f"POOL {k} {n}x{n} stride {s}{f}",
    st.sampled_from(["max", "avg", "l2"]),
    st.integers(1, 5),
    st.integers(1, 5),
    fits,
)
SOME = ("POOL avg global", "POOL to 3x2", "BN", "DROPOUT", "FLATTEN", "LRN 3", "UP 2", "SHORTCUT 8 stride 2")
MORE = ("FC 7", "FC", "CONV", "POOL", "CONV 8 3x3", "CONV depthwise 3x3", "AUX 0.3 [POOL -> FC -> RELU]")
others = st.sampled_from((*SOME, *MORE, "CONV depthwise 7x7"))
words = st.one_of(convs, pools, activations, others)
rows = st.lists(words, min_size=1, max_size=5).map(" -> ".join)
branches = st.builds(
    lambda a, b, sign: f"( {a} {sign} {b} )",
    st.one_of(words, st.just("SKIP"), rows),
    st.one_of(words, st.just("SKIP")),
    st.sampled_from("|+"),
)
texts = st.builds(
    lambda width, height, depth, fit, steps: f"INPUT {width}x{height}x{depth}{fit} -> {' -> '.join(steps)}",
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 2, 8]),
    fits,
    st.lists(st.one_of(words, words, branches), min_size=1, max_size=8),
)


def laid_out(text):
    try:
        design = completed(text)
        layers = unfold(design)
        return layers, ledger_of(layers, design.input.volume)
    except (DesignError, NotationError):
        assume(False)
        raise


def check(layers, book, longest=140):
    found = lint(layers, book)
    names = [layer.name for layer in layers]
    places = [(names.index(f.layer), list(RULES).index(f.rule)) for f in found]
    assert places == sorted(places)
    for finding in found:
        assert finding.message and finding.fix
        assert len(finding.message) <= longest and "\n" not in finding.message + finding.fix + finding.cost
    for rule in ("uneven-halving", "heavy-fc", "field-too-large", "field-too-small"):
        assert sum(finding.rule == rule for finding in found) <= 1
    return found


reached = set()


@PROPERTY
@given(texts)
def test_no_completed_design_breaks_it(text):
    reached.update(finding.rule for finding in check(*laid_out(text)))


def test_the_designs_drawn_at_random_reach_most_rules():
    if not reached:  # the test above has drawn them, where it ran
        test_no_completed_design_breaks_it()
    assert len(reached) >= len(RULES) - 3


@PROPERTY
@given(texts, st.sets(st.integers(0, 12)), st.booleans())
def test_nor_do_layers_read_from_a_module_that_the_notation_has_no_words_for(text, places, local):
    layers, _ = laid_out(text)
    foreign = Foreign("Attention", weights=12, biases=3, macs=5, local=local)
    layers = [replace(layer, word=foreign) if at in places else layer for at, layer in enumerate(layers)]
    try:
        book = ledger_of(layers, layers[0].input)
    except DesignError:
        assume(False)
        raise
    check(layers, book)


huge = st.sampled_from([1, 2, 3, 999, 2**20, 999_999_999, 10**9])


@settings(PROPERTY, max_examples=40)
@given(
    st.lists(huge, min_size=9, max_size=9), st.sampled_from(["", "[CONV 2 3x3 -> RELU]*2 -> ", "CONV 2 1x1 -> BN -> "])
)
def test_nor_do_numbers_as_large_as_the_notation_has(n, before):
    window = f"{n[8]} {n[3]}x{n[4]} stride {n[5]} pad {n[6]} dilation {n[7]}"
    end = f"POOL max {n[4]}x{n[3]} -> POOL avg global"
    check(*laid_out(f"INPUT {n[0]}x{n[1]}x{n[2]} fit crop -> {before}CONV {window} -> {end}"), longest=250)


def test_nor_does_a_window_as_wide_as_any():
    check(
        *laid_out("INPUT 1000000000x1000000000x1 -> CONV 7 999999999x999999999 pad 0 -> POOL avg global"), longest=250
    )


def test_a_long_network_full_of_faults_is_told_of_in_about_a_second():
    text = "INPUT 99x99x3 fit crop -> [CONV 8 3x3 pad 0 -> CONV 8 3x3 pad 2 -> BN]*600 -> FC 3"
    found = findings(text)
    assert len([f for f in found if f.rule == "washed-borders"]) == 1_200
    assert any(f.cost for f in found)
