"""Many changed copies of one picture in batches: one at a time judges, and memory that runs out is drawn."""

import threading

import numpy as np
import pytest
import torch
from look_makers import same_state, small, squares, state_of
from torch import nn

from torchbeam.errors import OutOfRoom, SettingError
from torchbeam.learn.way import PLAIN, Way
from torchbeam.look.subject import subject_of
from torchbeam.look.variants import LAID, answering, answers, faster_half


class Tight(nn.Module):
    """A network on a device that holds few pictures."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.inner, self.room, self.error = small(), room, error
        self.seen: list[int] = []

    def forward(self, x_NCHW):
        self.seen.append(len(x_NCHW))
        if len(x_NCHW) > self.room:
            raise self.error
        return self.inner(x_NCHW)


def shifted(batch_NCHW, amounts):
    for x_CHW, amount in zip(batch_NCHW, amounts, strict=True):
        x_CHW.add_(amount)


def made(network):
    return subject_of(network, squares(1, 0)[0])


def naive(subject, amounts):
    subject.network.eval()
    with torch.no_grad():
        return np.concatenate([subject.network(subject.x_1CHW + amount).numpy() for amount in amounts])


AMOUNTS = [0.1 * number for number in range(11)]


@pytest.mark.parametrize("way", [LAID, PLAIN])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_scores_are_those_of_one_at_a_time(way, batch_size):
    subject = made(small())
    groups = [AMOUNTS[:5], AMOUNTS[5:]]
    found = list(answers(answering(subject, way), groups, shifted, batch_size))
    assert [amount for part, _ in found for amount in part] == AMOUNTS
    sizes = {1: [1] * 11, 3: [3, 2, 3, 3], 64: [5, 6]}[batch_size]  # none reaches across two groups
    assert [len(part) for part, _ in found] == sizes
    expected = naive(subject, AMOUNTS)
    np.testing.assert_allclose(np.concatenate([s for _, s in found]), expected, atol=1e-5 * np.abs(expected).max())


def test_neither_network_nor_picture_is_changed():
    network = small()
    network[1].train()
    network[3].weight.grad = torch.ones_like(network[3].weight)
    subject = made(network)
    before, picture = state_of(network), subject.x_1CHW.clone()
    list(answers(answering(subject), [AMOUNTS], shifted))
    assert faster_half(subject, AMOUNTS, shifted, lambda scores_NK: scores_NK[:, 0]) in (True, False)
    assert same_state(before, state_of(network)) and torch.equal(subject.x_1CHW, picture)


def test_batch_norms_are_folded_and_weights_laid_out_in_the_copy_alone():
    network = small()
    ready = answering(made(network))
    assert ready.own and isinstance(ready.network[1], nn.Identity) and isinstance(network[1], nn.BatchNorm2d)
    assert ready.network[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert network[3].weight.is_contiguous()


def test_a_network_that_cannot_be_copied_is_asked_itself():
    network = small()
    network.lock = threading.Lock()
    subject = made(network)
    before = state_of(network)
    ready = answering(subject)
    assert not ready.own and ready.network is network
    found = np.concatenate([scores for _, scores in answers(ready, [AMOUNTS], shifted)])
    assert network.training and same_state(before, state_of(network))
    np.testing.assert_allclose(found, naive(subject, AMOUNTS), atol=1e-5)


OUT = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", OUT, ids=lambda error: type(error).__name__)
def test_where_memory_runs_out_the_batch_is_halved_and_it_goes_on(error):
    subject = made(Tight(3, error))
    ready = answering(subject)
    ready.network.seen.clear()
    found = list(answers(ready, [AMOUNTS], shifted, 8))
    assert ready.network.seen == [8, 4, 2, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(np.concatenate([s for _, s in found]), naive(subject, AMOUNTS), atol=1e-5)


def test_where_not_one_fits_it_says_so():
    subject = made(Tight(1, OUT[0]))
    ready = answering(subject)
    ready.network.room = 0
    with pytest.raises(OutOfRoom, match="out of memory with one picture at a time") as told:
        list(answers(ready, [AMOUNTS], shifted, 8))
    assert "CUDA out of memory" in told.value.got


def test_another_error_is_raised_as_it_is():
    subject = made(Tight(1, RuntimeError("something else")))
    with pytest.raises(RuntimeError, match=r"^something else$"):
        list(answers(answering(subject), [AMOUNTS], shifted, 8))


def test_a_batch_of_none_is_refused():
    with pytest.raises(SettingError, match="a batch of 0 pictures is none"):
        list(answers(answering(made(small())), [AMOUNTS], shifted, 0))


def test_half_precision_is_near():
    subject = made(small())
    ready = answering(subject, Way("bf16", channels_last=True))
    found = np.concatenate([scores for _, scores in answers(ready, [AMOUNTS], shifted)])
    expected = naive(subject, AMOUNTS)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert found.dtype == np.float32 and 1e-6 < error < 0.03


def test_a_precision_that_orders_otherwise_is_not_taken():
    # Rounded to 8 bits all of these are 256, so that the order is lost.
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 2))
    nn.init.zeros_(network[1].weight)
    network[1].weight.data[0, 0] = 1e-3
    nn.init.constant_(network[1].bias, 256)
    assert not faster_half(made(network), AMOUNTS, shifted, lambda scores_NK: scores_NK[:, 0])
