import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch import nn

from torchbeam.design.volume import Volume
from torchbeam.errors import DesignError
from torchbeam.tasks.classify import Classify
from torchbeam.tasks.task import Task

SCORES = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(1))


def test_loss_and_score_equal_scikit_learns():
    task: Task = Classify(("a", "b", "c"))
    probabilities = SCORES.double().softmax(1).numpy()
    assert abs(task.loss(SCORES, LABELS).item() - log_loss(LABELS, probabilities)) < 1e-6
    assert task.score(SCORES, LABELS) == accuracy_score(LABELS, SCORES.argmax(1))


def test_label_smoothing_equals_torchs_and_is_left_out_of_what_is_reported():
    smoothed = Classify(("a", "b", "c"), label_smoothing=0.1).loss(SCORES, LABELS)
    plain = Classify(("a", "b", "c"), label_smoothing=0.1).plain_loss(SCORES, LABELS)
    assert torch.equal(plain, nn.CrossEntropyLoss()(SCORES, LABELS))
    assert torch.equal(smoothed, nn.CrossEntropyLoss(label_smoothing=0.1)(SCORES, LABELS))


def test_maps_of_one_pixel_count_as_scores():
    task = Classify(("a", "b", "c"))
    assert torch.equal(task.loss(SCORES[:, :, None, None], LABELS), task.loss(SCORES, LABELS))


def test_a_network_with_another_number_of_outputs_is_refused():
    with pytest.raises(DesignError, match="the network ends in 1x1x10, the data has 3 classes") as caught:
        Classify(("a", "b", "c")).check(Volume(10, 1, 1))
    assert "end with a bare FC" in str(caught.value)


def test_the_loss_of_mixed_pictures_is_the_mix_of_their_losses():
    task = Classify(("a", "b", "c"), label_smoothing=0.1)
    partner, share = torch.arange(40).roll(-1), torch.rand(40, generator=torch.Generator().manual_seed(2))
    one = nn.functional.cross_entropy(SCORES, LABELS, reduction="none", label_smoothing=0.1)
    other = nn.functional.cross_entropy(SCORES, LABELS[partner], reduction="none", label_smoothing=0.1)
    wanted = (share * one + (1 - share) * other).mean()
    assert torch.allclose(task.loss(SCORES, task.mixed(LABELS, partner, share)), wanted)
