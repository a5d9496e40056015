"""What a text draws: frozen, hashable, and checked when made."""

import pytest

from torchbeam.design.nets import Aux, Branches, Call, Define, Design, Group, Link, Open
from torchbeam.design.words import Fc, Input
from torchbeam.errors import DesignError

NET = (Link(Fc(3)),)


@pytest.mark.parametrize(
    ("make", "what", "expected"),
    [
        (lambda: Group(NET, 0), "a group cannot have count 0", "1 or more"),
        (lambda: Group(NET, -2), "a group cannot have count -2", "1 or more"),
        (lambda: Branches("sum", (NET,)), "one branch alone is joined with nothing", "two branches or more"),
        (lambda: Branches("concat", ()), "one branch alone is joined with nothing", "two branches or more"),
        (lambda: Aux(0.0, NET), "AUX cannot have weight 0", "a finite number above 0"),
        (lambda: Aux(-0.5, NET), "AUX cannot have weight -0.5", "a finite number above 0"),
        (lambda: Aux(float("inf"), NET), "AUX cannot have weight inf", "a finite number above 0"),
        (lambda: Aux(float("nan"), NET), "AUX cannot have weight nan", "a finite number above 0"),
    ],
)
def test_a_step_that_cannot_be_says_why(make, what, expected):
    with pytest.raises(DesignError) as caught:
        make()
    assert what in str(caught.value) and expected in str(caught.value)


def test_counts_and_weights_may_be_names():
    assert Group(NET, "n").count == "n"
    assert Aux("w", NET).weight == "w"


def test_designs_of_the_same_steps_are_equal_and_may_be_keys():
    def drawn():
        steps = (Group(NET, 2), Branches("sum", (NET, NET)), Aux(0.3, NET), Call("u", ("3",)), Open("FC", ("n",)))
        return Design(Input(), tuple(map(Link, steps)), (Define("n", (), "3"), Define("u", ("k",), NET)))

    assert drawn() == drawn()
    assert {drawn(): 1}[drawn()] == 1
    assert drawn() != Design(Input(), drawn().net)
