"""complete: what a text left unsaid, by the rules of the lectures' patterns."""

import re
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from torchbeam.design.complete import (
    ASSUMED_CLASSES,
    ASSUMED_INPUT,
    FIRST_FILTERS,
    MIDDLE_UNITS,
    MOST_FILTERS,
    bare_fcs,
    complete,
    says_classes,
    without_softmax,
)
from torchbeam.design.expand import expanded
from torchbeam.design.layers import unfold
from torchbeam.design.nets import Aux, Branches, Group
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Volume
from torchbeam.errors import DesignError, FitError, Mistake, NotationError, TorchbeamError

PROPERTY = settings(
    max_examples=200,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
PICTURE = Volume(3, 32, 32)


def completed(text, input=PICTURE, classes=10, fit=None):
    """The completed text, on one line."""
    return " ".join(write(complete(parse(text), input, classes, fit)).split()).replace("[ ", "[").replace(" ]", "]")


def test_the_lectures_pattern_is_completed_as_the_rules_say():
    assert completed("INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC") == (
        "INPUT 32x32x3 -> CONV 32 3x3 pad 1 -> RELU -> POOL max 2x2 stride 2 "
        "-> CONV 64 3x3 pad 1 -> RELU -> POOL max 2x2 stride 2 -> FC 256 -> RELU -> FC 10"
    )


def test_what_is_assumed_is_what_the_house_says():
    assert (str(ASSUMED_INPUT), ASSUMED_CLASSES) == ("32x32x3", 10)
    assert (FIRST_FILTERS, MOST_FILTERS, MIDDLE_UNITS) == (32, 512, 256)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("INPUT -> FC", "INPUT 32x32x3 -> FC 10"),
        ("INPUT 8x8x1 -> FC", "INPUT 8x8x1 -> FC 10"),
        ("INPUT -> CONV -> CONV", "INPUT 32x32x3 -> CONV 32 3x3 pad 1 -> CONV 32 3x3 pad 1"),
        ("INPUT -> CONV 5x5", "INPUT 32x32x3 -> CONV 32 5x5 pad 2"),
        ("INPUT -> CONV 7 3x3 dilation 2", "INPUT 32x32x3 -> CONV 7 3x3 pad 2 dilation 2"),
        ("INPUT -> CONV 7 5x1", "INPUT 32x32x3 -> CONV 7 5x1 pad 2x0"),
        ("INPUT -> CONV 7 pad 0", "INPUT 32x32x3 -> CONV 7 3x3 pad 0"),
        ("INPUT -> POOL", "INPUT 32x32x3 -> POOL max 2x2 stride 2"),
        ("INPUT -> POOL avg 4x4", "INPUT 32x32x3 -> POOL avg 4x4 stride 4"),
        ("INPUT -> POOL stride 3", "INPUT 32x32x3 -> POOL max 2x2 stride 3"),
        ("INPUT -> POOL global", "INPUT 32x32x3 -> POOL max global"),
        ("INPUT -> POOL l2 global", "INPUT 32x32x3 -> POOL l2 global"),
        ("INPUT -> LEAKYRELU -> ELU", "INPUT 32x32x3 -> LEAKYRELU 0.01 -> ELU 1.0"),
        ("INPUT -> LEAKYRELU 0.2", "INPUT 32x32x3 -> LEAKYRELU 0.2"),
        ("INPUT -> FC bias no -> FC 7 -> FC", "INPUT 32x32x3 -> FC 256 bias no -> FC 7 -> FC 10"),
        ("INPUT -> BN -> DROPOUT -> SOFTMAX", "INPUT 32x32x3 -> BN -> DROPOUT -> SOFTMAX"),
    ],
)
def test_each_rule_by_hand(text, full):
    assert completed(text) == full


def test_filters_double_behind_every_pool_up_to_the_most():
    text = completed("INPUT 256x256x3" + " -> CONV -> POOL" * 6)
    filters = [int(word.split()[1]) for word in text.split(" -> ") if word.startswith("CONV")]
    assert filters == [32, 64, 128, 256, 512, 512]


def test_the_input_is_the_texts_own_before_the_datas():
    assert completed("INPUT 8x8x1 -> FC", input=Volume(3, 64, 64)).startswith("INPUT 8x8x1 ")
    assert completed("INPUT -> FC", input=Volume(channels=1, height=4, width=6)).startswith("INPUT 6x4x1 ")


def test_the_last_bare_fc_has_the_classes_also_within_repeats():
    assert completed("INPUT -> [FC -> RELU]*2", classes=7).endswith("FC 256 -> RELU -> FC 7 -> RELU")
    assert completed("INPUT -> [[FC]*2]*2", classes=7).endswith(" -> [FC 256]*2 -> FC 256 -> FC 7")
    assert completed("INPUT -> FC -> FC 5", classes=7).endswith("FC 7 -> FC 5")
    assert bare_fcs(parse("INPUT -> [FC -> [FC 3 -> FC]*2]*3 -> FC").net) == 10


# Bare POOLs crop where they do not fit; nothing else does by itself


def test_a_bare_pool_that_does_not_fit_crops_and_one_that_fits_does_not_say_so():
    assert completed("INPUT 7x7x1 -> POOL") == "INPUT 7x7x1 -> POOL max 2x2 stride 2 fit crop"
    assert completed("INPUT 7x8x1 -> POOL avg") == "INPUT 7x8x1 -> POOL avg 2x2 stride 2 fit crop"
    assert completed("INPUT 8x8x1 -> POOL") == "INPUT 8x8x1 -> POOL max 2x2 stride 2"
    assert completed("INPUT 8x7x1 -> POOL stride 2x1") == "INPUT 8x7x1 -> POOL max 2x2 stride 2x1"
    assert completed("INPUT 7x8x1 -> POOL stride 2x1 pad 0") == "INPUT 7x8x1 -> POOL max 2x2 stride 2x1 fit crop"


@pytest.mark.parametrize("text", ["INPUT 7x7x1 -> POOL 2x2", "INPUT 7x7x1 -> POOL fit error", "INPUT 1x1x1 -> POOL"])
def test_a_pool_that_says_its_size_or_its_fit_or_has_no_place_at_all_does_not_crop_by_itself(text):
    with pytest.raises(FitError, match="pool1: a 2x2 window does not fit"):
        completed(text)


def test_the_fit_of_input_or_of_the_call_is_kept_by_layers_that_say_none():
    text = "INPUT 7x7x1 fit pad -> POOL -> CONV 1 2x2 stride 2 pad 0 fit crop"
    assert completed(text) == ("INPUT 7x7x1 fit pad -> POOL max 2x2 stride 2 -> CONV 1 2x2 stride 2 pad 0 fit crop")
    sizes = [layer.output.width for layer in unfold(complete(parse(text), PICTURE, 10))]
    assert sizes == [4, 2]
    cropped = complete(parse(text), PICTURE, 10, "crop")
    assert cropped.input.fit == "crop"
    assert [layer.output.width for layer in unfold(cropped)] == [3, 1]
    with pytest.raises(FitError, match="does not fit"):
        completed("INPUT 7x7x1 fit pad -> POOL 2x2", fit="error")


# Branches and side heads


@pytest.mark.parametrize(
    ("text", "full"),
    [
        (
            "INPUT -> ( CONV -> POOL -> CONV | POOL -> CONV -> CONV ) -> CONV",
            "INPUT 32x32x3 -> ( CONV 32 3x3 pad 1 -> POOL max 2x2 stride 2 -> CONV 64 3x3 pad 1 "
            "| POOL max 2x2 stride 2 -> CONV 64 3x3 pad 1 -> CONV 64 3x3 pad 1 ) -> CONV 64 3x3 pad 1",
        ),
        ("INPUT -> ( FC | FC )", "INPUT 32x32x3 -> ( FC 256 | FC 10 )"),
        (
            "INPUT -> POOL -> AUX 0.3 [CONV -> POOL -> FC -> FC] -> CONV -> FC -> FC",
            "INPUT 32x32x3 -> POOL max 2x2 stride 2 -> AUX 0.3 [CONV 64 3x3 pad 1 -> POOL max 2x2 stride 2 -> FC 256 "
            "-> FC 10] -> CONV 64 3x3 pad 1 -> FC 256 -> FC 10",
        ),
        ("INPUT -> CONV depthwise -> CONV", "INPUT 32x32x3 -> CONV depthwise 3x3 pad 1 -> CONV 32 3x3 pad 1"),
        (
            "INPUT -> POOL to 7 -> UP -> LRN -> SHORTCUT -> SHORTCUT stride 2 -> SKIP",
            "INPUT 32x32x3 -> POOL max to 7x7 -> UP -> LRN -> SHORTCUT -> SHORTCUT stride 2 -> SKIP",
        ),
        (
            "INPUT 7x7x1 -> ( POOL | POOL )",
            "INPUT 7x7x1 -> ( POOL max 2x2 stride 2 fit crop | POOL max 2x2 stride 2 fit crop )",
        ),
    ],
)
def test_branches_and_side_heads_are_completed_each_from_where_it_begins(text, full):
    assert completed(text) == full


# Definitions


RESNET_LIKE = """
INPUT -> unit 8 -> [block n]*twice -> POOL avg global -> FC classes
where
classes = 1000; twice = 2; n = 8;
unit k = CONV k 3x3 bias no -> BN;
block k = ( unit k -> RELU -> unit k + SKIP ) -> RELU
"""


def test_definitions_that_say_all_but_defaults_are_kept():
    design = complete(parse(RESNET_LIKE), PICTURE)
    drawn = parse(RESNET_LIKE)
    assert (design.net, design.where) == (drawn.net, drawn.where)
    assert unfold(design)[-1].output.channels == 1000


def test_the_value_of_classes_is_the_datas_and_nothing_else_is_touched():
    design = complete(parse(RESNET_LIKE), PICTURE, 7)
    assert design.net == parse(RESNET_LIKE).net
    assert [define.body for define in design.where if define.name == "classes"] == ["7"]
    assert unfold(design)[-1].output.channels == 7
    assert says_classes(design) and not says_classes(parse("INPUT -> FC"))


def test_a_net_that_is_called_classes_is_no_number():
    text = "INPUT -> classes where Classes = FC -> FC 4"
    assert completed(text, classes=7) == "INPUT 32x32x3 -> [FC 7 -> FC 4]"
    assert not says_classes(parse(text))


@pytest.mark.parametrize(
    ("text", "full"),
    [
        # What the bare word made different is written out, with the values in place of the parameters.
        ("INPUT -> u 8 where u n = CONV n 3x3 -> CONV", "INPUT 32x32x3 -> [CONV 8 3x3 pad 1 -> CONV 32 3x3 pad 1]"),
        (
            "INPUT -> x: u 2 where u n = [RELU]*n -> AUX n [FC n] -> v n n -> CONV; v a b = FC a -> UP b",
            "INPUT 32x32x3 -> x: [[RELU]*2 -> AUX 2.0 [FC 2] -> v 2 2 -> CONV 32 3x3 pad 1] where v a b = FC a -> UP b",
        ),
        (
            "INPUT -> u m where m = 5; u n = FC n -> LRN m -> FC",
            "INPUT 32x32x3 -> [FC m -> LRN m -> FC 10] where m = 5",
        ),
        ("INPUT -> u k where k = 5; u n = LRN n -> FC", "INPUT 32x32x3 -> [LRN -> FC 10]"),
        # Each round of its own
        (
            "INPUT -> [u -> POOL]*2 where u = a: CONV -> RELU",
            "INPUT 32x32x3 -> [a: CONV 32 3x3 pad 1 -> RELU] -> POOL max 2x2 stride 2 "
            "-> [a_2: CONV 64 3x3 pad 1 -> RELU] -> POOL max 2x2 stride 2",
        ),
        (
            "INPUT -> [CONV -> POOL]*n where n = 1",
            "INPUT 32x32x3 -> [CONV 32 3x3 pad 1 -> POOL max 2x2 stride 2]*n where n = 1",
        ),
        (
            "INPUT -> [CONV -> POOL]*n where n = 2",
            "INPUT 32x32x3 -> CONV 32 3x3 pad 1 -> POOL max 2x2 stride 2 -> CONV 64 3x3 pad 1 -> POOL max 2x2 stride 2",
        ),
        ("INPUT -> AUX w [FC] -> FC where w = 0.5", "INPUT 32x32x3 -> AUX w [FC 10] -> FC 10 where w = 0.5"),
        ("INPUT -> h where h = POOL", "INPUT 32x32x3 -> h where h = POOL"),
        ("INPUT 7x7x1 -> h where h = POOL", "INPUT 7x7x1 -> [POOL max 2x2 stride 2 fit crop]"),
        ("INPUT -> u where u = v; v = FC 3; w = FC 4", "INPUT 32x32x3 -> u where u = v; v = FC 3"),
        ("INPUT -> ( u + SKIP ) where u = CONV 3", "INPUT 32x32x3 -> ( u + SKIP ) where u = CONV 3"),
    ],
)
def test_definitions_are_kept_where_nothing_had_to_be_filled_in_and_written_out_elsewhere(text, full):
    assert completed(text) == full
    assert completed(full) == full


# Repeats


def test_a_repeat_whose_rounds_come_out_alike_stays_a_repeat():
    text = "INPUT 32x32x3 -> [CONV 32 3x3 pad 1 -> RELU]*3 -> FC 10"
    assert completed("INPUT -> [CONV -> RELU]*3 -> FC") == text
    assert completed(text) == text


def test_a_repeat_whose_rounds_differ_is_written_out_with_numbered_names():
    assert completed("INPUT -> [a: CONV -> POOL -> [b: RELU]*2]*2") == (
        "INPUT 32x32x3 -> a: CONV 32 3x3 pad 1 -> POOL max 2x2 stride 2 -> [b: RELU]*2 "
        "-> a_2: CONV 64 3x3 pad 1 -> POOL max 2x2 stride 2 -> b_3: RELU -> b_4: RELU"
    )


def test_a_named_repeat_that_is_written_out_keeps_its_scope():
    assert completed("INPUT -> stage: [a: CONV -> s: [b: RELU] -> POOL]*2") == (
        "INPUT 32x32x3 -> stage: [a: CONV 32 3x3 pad 1 -> s: [b: RELU] -> POOL max 2x2 stride 2 "
        "-> a_2: CONV 64 3x3 pad 1 -> s_2: [b: RELU] -> POOL max 2x2 stride 2]"
    )


@pytest.mark.parametrize(
    "text",
    [
        "INPUT -> [a: CONV -> a_2: CONV -> POOL]*2",
        "INPUT -> [[a: CONV -> POOL]*2 -> RELU]*2",
        "INPUT -> a_2: CONV -> [a: CONV -> POOL]*2",
        "INPUT -> [a: CONV -> POOL]*2 -> a_2: CONV",
    ],
)
def test_names_of_a_repeat_that_is_written_out_are_each_said_once(text):
    design = complete(parse(text), PICTURE, 10)
    assert parse(write(design)) == design


def test_the_pad_that_the_rule_gives_a_huge_window_reads_back():
    """A window of 10^9 pixels is the largest, so the rule's pad is one that can be read."""
    design = complete(parse("INPUT -> CONV 1 999999999x999999999"), PICTURE, 10)
    assert parse(write(design)) == design
    with pytest.raises(NotationError, match="CONV's window covers 2,999,999,995 pixels"):
        parse("INPUT -> CONV 1 999999999x999999999 dilation 3")


# Errors


def test_a_bare_conv_whose_filters_the_groups_cannot_share_says_so():
    with pytest.raises(DesignError) as caught:
        completed("INPUT 32x32x3 -> CONV groups 3")
    assert "conv1: a bare CONV has 32 filters here, which 3 groups cannot share" in str(caught.value)
    assert "say the number of filters" in str(caught.value)


def test_errors_name_the_layer_by_its_dotted_name():
    with pytest.raises(FitError, match=r"^stage\.conv2: a 5x5 window does not fit 2x2x8"):
        completed("INPUT 6x6x1 -> stage: [CONV 8 5x5 pad 0]*2")
    with pytest.raises(DesignError, match=r"^stage\.odd: an input 3 deep cannot be shared among 2 groups"):
        completed("INPUT 6x6x3 -> stage: [odd: CONV 8 groups 2]")


# SOFTMAX at the end


def test_softmax_at_the_end_is_taken_off_and_kept_anywhere_else():
    assert write(without_softmax(parse("INPUT -> FC -> SOFTMAX"))) == "INPUT -> FC"
    assert write(without_softmax(parse("INPUT -> FC -> SOFTMAX -> prob: SOFTMAX"))) == "INPUT -> FC"
    assert write(without_softmax(parse("INPUT -> SOFTMAX -> FC"))) == "INPUT -> SOFTMAX -> FC"
    assert write(without_softmax(parse("INPUT -> SOFTMAX"))) == "INPUT -> SOFTMAX"


@pytest.mark.parametrize(
    "text",
    [
        "INPUT -> FC -> [SOFTMAX]",
        "INPUT -> head: [FC -> SOFTMAX]",
        "INPUT -> head where head = FC 3 -> SOFTMAX",
        "INPUT -> x: head 3 where head n = a: FC n -> last; last = [SOFTMAX]",
        "INPUT -> FC -> [SOFTMAX]*once where once = 1",
        "INPUT -> ( FC | FC ) -> SOFTMAX",
    ],
)
def test_softmax_at_the_end_is_taken_off_within_brackets_too(text):
    design = complete(parse(text), PICTURE, 10)
    stripped = without_softmax(design)
    words = [(layer.name, layer.word) for layer in unfold(stripped)]
    assert words == [(layer.name, layer.word) for layer in unfold(design)][:-1]
    assert parse(write(stripped)) == stripped
    assert without_softmax(stripped) == stripped


def test_a_definition_that_does_not_end_in_softmax_is_kept_closed():
    design = parse("INPUT -> head -> u where head = SOFTMAX -> FC 3; u = v -> RELU; v = SOFTMAX")
    assert without_softmax(design) == design


@pytest.mark.parametrize("text", ["{} -> FC", "( {} | SKIP ) -> FC", "[{} -> RELU]*2", "u where u = {} -> RELU"])
def test_side_heads_lose_their_softmax_too(text):
    design = parse("INPUT -> " + text.format("AUX 0.3 [FC -> [SOFTMAX]]"))
    assert without_softmax(design) == parse("INPUT -> " + text.format("AUX 0.3 [FC]"))


def test_a_side_head_of_softmax_alone_keeps_it():
    design = parse("INPUT -> AUX 0.3 [SOFTMAX] -> FC")
    assert without_softmax(design) == design


# Any design

words = st.sampled_from(
    """u | v 4 | v n | SKIP | UP | AUX 0.5 [FC -> CONV] | AUX n [v n] | CONV depthwise | POOL to 3 | CONV n
    | CONV | CONV 4 | CONV 5x5 | CONV 6 3x1 stride 2 | CONV 4 2x2 pad 0:1 groups 2 | POOL | POOL avg 3x3 | POOL global
    | FC | FC 5 | RELU | LEAKYRELU | BN | FLATTEN | SOFTMAX | DROPOUT 0.1""".replace("\n", " ").split("|")
)
labels = st.sampled_from(["", "", "", "", "a: ", "a_2: ", "b: ", "conv1: ", "stem: ", "pool1: "])
texts = st.recursive(
    st.tuples(labels, words).map("".join),
    lambda inner: (
        st.tuples(labels, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["", "*2", "*3", "*n"])).map(
            lambda group: f"{group[0]}[{' -> '.join(group[1])}]{group[2]}"
        )
        | st.tuples(labels, st.lists(inner, min_size=2, max_size=3), st.sampled_from("|+")).map(
            lambda group: f"{group[0]}( {f' {group[2]} '.join(group[1])} )"
        )
    ),
    max_leaves=6,
)
# What the nets may use: nets that say all, nets that leave something open, and a value.
WHERE = st.sampled_from(
    [
        "n = 2; u = RELU -> BN; v k = CONV k -> [RELU]*k",
        "n = 2; u = a: CONV -> POOL; v k = CONV k 1x1 -> [CONV -> BN]*k -> w k; w j = ( CONV j + CONV n )",
        "n = 3; u = s: [b: RELU] -> AUX 1 [FC]; v k = ( CONV k pad n 7x7 | [u]*n ) -> FC",
    ]
)
nets = st.lists(texts, min_size=1, max_size=4).map(" -> ".join)
starts = st.sampled_from(["INPUT", "INPUT 24x16x4", "INPUT fit crop", "INPUT 17x13x2 fit pad"])


def completes(text):
    try:
        design = complete(parse(text), PICTURE, 7)
        unfold(design)  # refuses a network of SKIPs and side heads alone
        return design
    except TorchbeamError as error:
        assert isinstance(error, Mistake) and str(error)
        return None


@PROPERTY
@given(starts, nets, WHERE)
def test_a_completed_design_reads_back_the_same_and_completing_it_again_changes_nothing(start, net, where):
    design = completes(f"{start} -> {net} where {where}")
    assume(design)
    assert parse(write(design)) == design
    assert complete(design, Volume(9, 9, 9), 3) == design


@PROPERTY
@given(starts, nets, WHERE)
def test_completing_keeps_the_layers_in_number_and_order_and_leaves_nothing_unsaid(start, net, where):
    text = f"{start} -> {net} where {where}"
    design = completes(text)
    assume(design)
    before, after = [], []
    unroll(expanded(parse(text)), before)
    unroll(expanded(design), after)
    assert [type(word) for word in before] == [type(word) for word in after]
    for said, full in zip(before, after, strict=True):
        kept = {field.name: getattr(said, field.name) for field in fields(said)}
        changed = {name for name, value in kept.items() if getattr(full, name) != value}
        assert all(kept[name] is None for name in changed)
        assert replace(full, **kept) == said
    assert bare_fcs(expanded(design)) == 0
    assert unfold(design)


def unroll(net, into):
    for link in net:
        match link.step:
            case Group(net=inner, count=count):
                for _ in range(count):
                    unroll(inner, into)
            case Branches(nets=nets):
                for inner in nets:
                    unroll(inner, into)
            case Aux(net=inner):
                unroll(inner, into)
            case word:
                into.append(word)


FILLED = [("FC", "FC 5"), ("POOL", "POOL 2x2 stride 1 pad 0:1"), ("CONV", "CONV 4 3x3")]


@PROPERTY
@given(nets, WHERE)
def test_layers_are_called_the_same_whether_a_text_says_all_or_is_completed(net, where):
    """The same words, bare and said: what had to be written out keeps the names it had."""
    text = f"INPUT 32x32x4 -> {net} where {where}"
    full = text
    for bare, said in FILLED:
        full = re.sub(rf"\b{bare}(?= *(->|[])|+*;]|$))", said, full)
    design, spelt = completes(text), completes(full)
    assume(design and spelt)
    assert [layer.name for layer in unfold(design)] == [layer.name for layer in unfold(spelt)]


def test_where_the_first_layer_does_not_fit_the_whole_inputs_that_do_are_named_unless_they_were():
    with pytest.raises(FitError) as caught:
        complete(parse("INPUT 60x60x3 -> [CONV 8 3x3 stride 2 pad 0 -> RELU]*4 -> FC"))
    assert caught.value.remedy.split("\n")[1:] == ["INPUT 47x47x3 fits throughout", "INPUT 63x63x3 fits throughout"]
    for side in (47, 63):  # 63, 31, 15, 7, 3 and 47, 23, 11, 5, 2
        assert complete(parse(f"INPUT {side}x{side}x3 -> [CONV 8 3x3 stride 2 pad 0 -> RELU]*4 -> FC"))
    with pytest.raises(FitError) as caught:
        complete(parse("INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0"))
    assert "throughout" not in caught.value.remedy and "input 9 gives 3" in caught.value.remedy
