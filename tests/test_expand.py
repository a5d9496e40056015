"""expand: definitions in their place, in bounded work, each link knowing how the design's own net would say it."""

import pytest

from torchbeam.design.expand import MAX_LAYERS, MAX_NESTING, ExpansionError, count_layers, expanded
from torchbeam.design.nets import Aux, Branches, Call, Define, Design, Group, Link, Open
from torchbeam.design.notation import parse
from torchbeam.design.words import Conv, Fc, Input, Lrn, Skip
from torchbeam.errors import DesignError


def net_of(text):
    return expanded(parse(text))


def test_a_net_without_definitions_is_returned_as_it_is():
    design = parse("INPUT -> [a: CONV -> ( FC | SKIP )]*2 -> AUX 0.3 [FC] where unused = RELU")
    assert expanded(design) is design.net


def test_parameters_and_values_are_put_in_their_place():
    (link,) = net_of("INPUT -> u 8 classes where classes = 5; u n m = x: CONV n size -> FC m; size = 3x3")
    conv, fc = link.step.net
    assert link.said == Call("u", ("8", "classes"))
    assert (conv.name, conv.step, conv.said) == ("x", Conv(8, (3, 3)), Open("CONV", ("8", "size")))
    assert (fc.step, fc.said) == (Fc(5), Open("FC", ("classes",)))


def test_counts_and_weights_by_name_are_put_in_their_place():
    group, aux = net_of("INPUT -> [FC 3]*N -> AUX w [FC 4] where n = 3; w = 0.5")
    assert (group.step, group.said) == (Group((Link(Fc(3)),), 3), Group((Link(Fc(3)),), "n"))
    assert (aux.step, aux.said) == (Aux(0.5, (Link(Fc(4)),)), Aux("w", (Link(Fc(4)),)))


def test_what_a_parameter_gave_is_said_by_its_value_once_the_definition_is_opened():
    (link,) = net_of("INPUT -> u 2 where u n = FC n -> [FC 3]*n -> AUX n [FC 3] -> v n; v k = FC k")
    fc, group, aux, call = link.step.net
    assert (fc.step, fc.said) == (Fc(2), None)
    assert (group.step.count, group.said) == (2, None)
    assert (aux.step.weight, aux.said) == (2.0, None)
    assert call.said == Call("v", ("2",))


def test_a_parameter_goes_before_the_value_of_its_name():
    first, second = net_of("INPUT -> FC n -> u 4 where n = 3; u N = FC n -> w; w = FC n")
    assert first.step == Fc(3)
    assert [link.step for link in second.step.net[:1]] == [Fc(4)]
    assert second.step.net[1].step.net[0].step == Fc(3)


def test_a_value_whose_name_the_word_takes_for_its_own_is_said_by_its_number():
    """`LRN k` would read k as LRN's own, so an opened definition says 5."""
    (link,) = net_of("INPUT -> norm k where k = 5; norm n = LRN n")
    assert (link.step.net[0].step, link.step.net[0].said) == (Lrn(5), None)


def test_branches_are_opened_too():
    (link,) = net_of("INPUT -> ( u | SKIP ) where u = FC 3 -> FC 4")
    group = Link(Group((Link(Fc(3)), Link(Fc(4)))), "", Call("u"))
    assert link == Link(Branches("concat", ((group,), (Link(Skip()),))))


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("FC", 1),
        ("[FC -> [FC]*3]*2", 8),
        ("( FC | FC -> FC )", 4),
        ("AUX 0.3 [FC -> FC] -> FC", 3),
        ("[u]*n where n = 3; u = FC -> ( FC + SKIP )", 12),
    ],
)
def test_layers_are_counted_joins_and_skips_among_them(text, layers):
    assert count_layers(net_of(f"INPUT -> {text}")) == layers


def by_hand(*links, where=()):
    return Design(Input(), links, where)


@pytest.mark.parametrize(
    ("design", "what"),
    [
        (by_hand(Link(Call("nothing"))), "no definition of nothing"),
        (by_hand(Link(Call("n")), where=(Define("n", (), "3"),)), "no definition of n"),
        (
            by_hand(Link(Call("u", ("1",))), where=(Define("u", (), (Link(Fc()),)),)),
            "u takes 0 values, here 1 is given",
        ),
        (by_hand(Link(Group((Link(Fc()),), "n"))), "a repeat cannot be n"),
        (by_hand(Link(Aux("w", (Link(Fc()),)))), "w is not a number here"),
        (by_hand(Link(Open("FC", ("n",)))), "FC does not understand n"),
        (by_hand(Link(Call("u")), where=(Define("u", (), (Link(Call("U")),)),)), "U calls itself"),
        (by_hand(*[Link(Fc())] * (MAX_LAYERS + 1)), "the network has more than 10,000 layers"),
    ],
)
def test_a_design_made_by_hand_is_refused_in_words_too(design, what):
    with pytest.raises(ExpansionError) as caught:
        expanded(design)
    assert what in str(caught.value)
    assert isinstance(caught.value, DesignError)
    assert caught.value.step is not None


def test_brackets_nest_so_deep_and_no_deeper():
    def nested(depth):
        net = (Link(Fc(3)),)
        for _ in range(depth):
            net = (Link(Group(net)),)
        return Design(Input(), net)

    assert count_layers(expanded(nested(MAX_NESTING))) == 1
    with pytest.raises(ExpansionError, match="brackets and definitions nest deeper than 64"):
        expanded(nested(MAX_NESTING + 1))


def test_the_error_of_a_piece_knows_which():
    with pytest.raises(ExpansionError) as caught:
        expanded(by_hand(Link(Open("CONV", ("8", "pad", "n"))), where=(Define("n", (), "2.5"),)))
    assert (caught.value.piece, caught.value.got) == (2, "n = 2.5")
