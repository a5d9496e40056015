"""Graph: a module with more than one line through it, run in order, its side heads in training only."""

import weakref

import pytest
import torch
from torch import nn

from torchbeam.design.notation import parse
from torchbeam.network.build import build
from torchbeam.network.graph import Concat, Graph, Outputs, Run, Sum, has_sides

torch.set_num_threads(1)


class Plus(nn.Module):
    """Adds a number, and remembers how often it ran."""

    def __init__(self, number):
        super().__init__()
        self.number, self.times = number, 0

    def forward(self, x):
        self.times += 1
        return x + self.number


ONE = torch.ones(2, 1)


def test_children_run_in_order_on_the_values_they_are_said_to_take():
    children = {"a": Plus(1), "b": Plus(10), "sum": Sum(), "cat": Concat()}
    graph = Graph(children, (Run("a", (0,)), Run("b", (0,)), Run("sum", (1, 2, 2)), Run("cat", (0, 3, 1))), 4)
    assert graph(ONE).tolist() == [[1, 2 + 11 + 11, 2]] * 2
    assert [name for name, _ in graph.named_children()] == ["a", "b", "sum", "cat"]


def test_the_output_may_be_any_value_and_the_input_itself():
    children = {"a": Plus(1), "b": Plus(1)}
    assert Graph(children, (Run("a", (0,)), Run("b", (1,))), 1)(ONE).tolist() == [[2], [2]]
    assert Graph(children, (Run("a", (0,)),), 0)(ONE) is ONE


class Watched(Plus):
    """Knows whether what it gave is still held."""

    def forward(self, x):
        given = super().forward(x)
        self.given = weakref.ref(given)
        return given


class Asks(Plus):
    """Notes, when it runs, which of the watched values are held."""

    def __init__(self, *watched):
        super().__init__(0)
        self.watched = list(watched)
        self.held = []

    def forward(self, x):
        self.held = [watched.given() is not None for watched in self.watched]
        return x


def test_a_value_is_let_go_when_the_last_that_takes_it_has_run():
    first, second = Watched(1), Watched(1)
    early, late = Asks(first, second), Asks(first, second)
    children = {"first": first, "second": second, "early": early, "sum": Sum(), "late": late}
    runs = (Run("first", (0,)), Run("second", (1,)), Run("early", (2,)), Run("sum", (3, 1)), Run("late", (4,)))
    Graph(children, runs, 5)(ONE)
    assert early.held == [True, True]
    assert late.held == [False, False]


def with_sides():
    inner = Graph({"x": Plus(1), "head": Plus(100)}, (Run("x", (0,)), Run("head", (1,), 0.5)), 1)
    children = {"inner": inner, "side": Plus(1000), "end": Plus(10)}
    return Graph(children, (Run("inner", (0,)), Run("side", (1,), 0.25), Run("end", (1,))), 3)


def test_side_heads_run_in_training_only_and_come_with_their_weights_from_the_outermost_graph():
    graph = with_sides()
    out = graph(ONE)
    assert isinstance(out, Outputs)
    assert out.scores.tolist() == [[12], [12]]
    assert [(weight, scores[0].item()) for weight, scores in out.sides] == [(0.5, 102), (0.25, 1002)]
    graph.eval()
    assert graph(ONE).tolist() == [[12], [12]]
    assert (graph.side.times, graph.inner.head.times) == (1, 1)


def test_a_part_set_to_evaluation_leaves_out_its_own_side_heads():
    graph = with_sides()
    graph.inner.eval()
    out = graph(ONE)
    assert out.scores.tolist() == [[12], [12]]
    assert [weight for weight, _ in out.sides] == [0.25]
    graph.train().eval()
    graph.inner.train()
    assert graph(ONE).tolist() == [[12], [12]]


def test_a_side_head_may_have_side_heads():
    nested = Graph({"deep": Plus(5), "end": Plus(1)}, (Run("deep", (0,), 2.0), Run("end", (0,))), 2)
    graph = Graph({"side": nested, "end": Plus(10)}, (Run("side", (0,), 3.0), Run("end", (0,))), 2)
    out = graph(ONE)
    assert out.scores[0].item() == 11
    assert [(weight, scores[0].item()) for weight, scores in out.sides] == [(2.0, 6), (3.0, 2)]


def test_has_sides_is_known_before_anything_runs():
    plain = Graph({"a": Plus(1)}, (Run("a", (0,)),), 1)
    assert not has_sides(plain) and not has_sides(Plus(1))
    assert has_sides(with_sides()) and has_sides(Graph({"g": with_sides()}, (Run("g", (0,)),), 1))


def test_sums_and_concats_are_torchs():
    a, b, c = torch.randn(3, 2, 4, 5, 6).unbind(0)
    assert torch.equal(Sum()(a, b, c), a + b + c)
    assert torch.equal(Sum()(a), a)
    assert torch.equal(Concat()(a, b[:, :1], c), torch.cat((a, b[:, :1], c), dim=1))


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x3 -> a: [CONV 4 -> AUX 0.3 [FC 7]] -> FC 5",
        "INPUT 8x8x3 -> a: [b: [AUX 0.3 [FC 7] -> CONV 4]] -> FC 5",
        "INPUT 8x8x3 -> [CONV 4]*2 -> side: AUX 0.3 [CONV 2 -> FC 7] -> FC 5",
        "INPUT 8x8x3 -> ( CONV 4 -> AUX 0.3 [FC 7] | SKIP ) -> FC 5",
    ],
)
def test_built_networks_give_scores_alone_when_evaluated_and_outputs_in_training(text):
    network = build(parse(text))
    pictures = torch.rand(2, 3, 8, 8)
    scores, ((weight, side),) = network(pictures)
    assert (scores.shape, weight, side.shape) == ((2, 5), 0.3, (2, 7))
    (scores.sum() + weight * side.sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    torch.testing.assert_close(network.eval()(pictures), scores)
