import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support
from torch import nn

from torchbeam.data.batches import Batches
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.learn import evaluate
from torchbeam.learn.evaluate import evaluate_outputs, outputs_of, wilson, worst_mistakes
from torchbeam.learn.views import Views, scores
from torchbeam.learn.way import Way
from torchbeam.network.build import build

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


CHANNELS_LAST = torch.channels_last
PREPROCESSING = Preprocessing(8, 6, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
CPU = torch.device("cpu")


class Noise:
    """Pictures by chance, all at hand."""

    def __init__(self, count: int) -> None:
        self.held = torch.randint(
            0, 256, (count, 3, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
        )

    def take(self, samples, drawn=None):
        assert drawn is None
        return self.held[torch.from_numpy(samples)]

    def at_hand(self, samples):
        return True


class Asked(nn.Module):
    """Gives a picture's first values as scores, and keeps how it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple] = []

    def __deepcopy__(self, memo):
        return self

    def forward(self, x):
        self.asked.append((len(x), torch.is_inference_mode_enabled(), x.is_contiguous(memory_format=CHANNELS_LAST)))
        return x.flatten(1)[:, :3]


@pytest.fixture(scope="module")
def asked_of():
    """(network, its batches, the pictures normalised)."""
    torch.manual_seed(0)
    network = build(parse("INPUT 8x6x3 -> CONV 8 3x3 -> BN -> RELU -> ( CONV 8 3x3 -> BN + SKIP ) -> FC 4"))
    pixels = Noise(23)
    for _ in range(5):  # so that the batch norms have something to fold
        network(PREPROCESSING.normalise(pixels.held))
    batches = Batches(np.arange(3, 23), torch.arange(23) % 4, pixels, 6, 0)
    return network, batches, PREPROCESSING.normalise(pixels.held[3:])


def test_outputs_are_the_networks_own_for_every_sample_in_order(asked_of):
    network, batches, pictures = asked_of
    network.train()
    outputs, labels = outputs_of(network, batches, PREPROCESSING, CPU)
    assert not network.training and isinstance(network.bn1, nn.BatchNorm2d)
    with torch.no_grad():
        torch.testing.assert_close(outputs, network(pictures), rtol=1e-4, atol=1e-5)
    assert labels.tolist() == [sample % 4 for sample in range(3, 23)]


def test_outputs_may_be_learnt_from(asked_of):
    outputs, labels = outputs_of(asked_of[0], asked_of[1], PREPROCESSING, CPU)
    temperature = torch.ones((), requires_grad=True)
    nn.functional.cross_entropy(outputs / temperature, labels).backward()
    assert temperature.grad is not None
    assert not outputs.is_inference() and not labels.is_inference()
    assert all(parameter.requires_grad for parameter in asked_of[0].parameters())


@pytest.mark.parametrize("name", ["mirror", "shift"])
def test_views_are_taken_of_every_picture(asked_of, name):
    network, batches, pictures = asked_of
    outputs, _ = outputs_of(network, batches, PREPROCESSING, CPU, views=Views(name))
    with torch.no_grad():
        torch.testing.assert_close(outputs, scores(network.eval(), pictures, Views(name)), rtol=1e-4, atol=1e-5)


def test_the_way_tells_precision_and_layout(asked_of):
    network, batches, pictures = asked_of
    way = Way("bf16", channels_last=True)
    outputs, _ = outputs_of(network, batches, PREPROCESSING, CPU, way=way)
    assert outputs.dtype == torch.float32
    with torch.no_grad():
        exact = network.eval()(pictures)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(pictures).float()
    assert not torch.equal(outputs, exact)
    torch.testing.assert_close(outputs, exact, rtol=0.05, atol=0.05)
    torch.testing.assert_close(outputs, rough, rtol=0.05, atol=0.05)
    for channels_last in (False, True):
        asked = Asked()
        outputs_of(asked, batches, PREPROCESSING, CPU, way=Way(channels_last=channels_last))
        # Eight values a row and three channels: no tensor of these is contiguous both ways.
        assert asked.asked == [(count, True, channels_last) for count in (6, 6, 6, 2)]


def test_scores_that_would_fill_the_device_are_moved_on_the_way(asked_of, monkeypatch):
    network, batches, _ = asked_of
    whole, labels = outputs_of(network, batches, PREPROCESSING, CPU)
    for held in (1, 12 * 4 * 4, 20 * 4 * 4):
        monkeypatch.setattr(evaluate, "HELD", held)
        outputs, again = outputs_of(network, batches, PREPROCESSING, CPU)
        assert torch.equal(outputs, whole) and torch.equal(again, labels)
