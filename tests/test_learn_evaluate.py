import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from torchbeam.learn.evaluate import evaluate_outputs, wilson, worst_mistakes

NAMES = ("ant", "bee", "cat", "dog")


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_equals_scipys(counts):
    right, n = counts
    judge = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((judge.low, judge.high), abs=1e-9)


def test_thirty_pictures_say_little():
    low, high = wilson(27, 30)
    assert (round(low, 2), round(high, 2)) == (0.74, 0.97)


def test_every_figure_equals_scikit_learns():
    random = torch.Generator().manual_seed(3)
    scores, labels = torch.randn(200, 4, generator=random), torch.randint(0, 4, (200,), generator=random)
    result = evaluate_outputs(scores, labels, NAMES, majority=2)
    called = scores.argmax(1)
    assert result.accuracy == accuracy_score(labels, called)
    assert result.n == 200
    assert np.array_equal(result.confusion, confusion_matrix(labels, called))
    assert result.loss == pytest.approx(log_loss(labels, scores.double().softmax(1).numpy()), abs=1e-5)
    assert result.baseline == accuracy_score(labels, np.full(200, 2))
    precision, recall, f1, n = precision_recall_fscore_support(labels, called)
    assert [c.precision for c in result.classes] == pytest.approx(list(precision))
    assert [c.recall for c in result.classes] == pytest.approx(list(recall))
    assert [c.f1 for c in result.classes] == pytest.approx(list(f1))
    assert [c.n for c in result.classes] == list(n)


def test_what_cannot_be_divided_is_none():
    result = evaluate_outputs(torch.tensor([[9.0, 0.0, 0.0]] * 4), torch.zeros(4, dtype=torch.int64), NAMES[:3], 0)
    ant, bee, _ = result.classes
    assert (ant.precision, ant.recall, ant.n) == (1.0, 1.0, 4)
    assert (bee.precision, bee.recall, bee.f1, bee.n) == (None, None, None, 0)


def test_the_worst_mistakes_come_first():
    scores = torch.tensor([[4.0, 0.0], [0.0, 1.0], [0.0, 3.0], [2.0, 0.0]])
    found = worst_mistakes(scores, torch.tensor([0, 0, 0, 1]), ("a", "b"), most=2)
    assert [(bad.index, bad.truth, bad.called) for bad in found] == [(2, "a", "b"), (3, "b", "a")]
    assert found[0].called_probability == pytest.approx(np.exp(3) / (1 + np.exp(3)))
    assert found[0].truth_probability == pytest.approx(1 / (1 + np.exp(3)))
