from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batch
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import PLAIN, Way
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

CPU = torch.device("cpu")
SIZE = Preprocessing(8, 8, 3, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))


def batch() -> Batch:
    pixels = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Batch(np.arange(6), pixels, torch.arange(6) % 3)


def objective(augment: str = "none", way: Way = PLAIN, task: Classify | None = None) -> Objective:
    plan = Plan(epochs=1, batch_size=6, lr=0.1, augment=parse_augment(augment))
    return Objective(task or Classify(("a", "b", "c")), SIZE, plan, way, CPU)


def test_pictures_are_normalised_and_in_the_order_that_the_way_names():
    pictures, labels = objective(way=Way(channels_last=True)).shown(batch(), 1)
    by_hand = (batch().pixels_NCHW.double() / 255 - torch.tensor(SIZE.mean).view(3, 1, 1)) / torch.tensor(
        SIZE.std
    ).view(3, 1, 1)
    assert torch.allclose(pictures.double(), by_hand, atol=1e-5)
    assert pictures.is_contiguous(memory_format=torch.channels_last)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_maps_are_shown_as_they_are():
    pictures = batch()
    maps = replace(pictures, pixels_NCHW=pictures.pixels_NCHW.to(torch.float16))
    shown, labels = replace(objective("none", Way(channels_last=True)), maps=True).shown(maps, 1)
    assert shown.dtype == torch.float32 and torch.equal(shown, pictures.pixels_NCHW.float())
    assert shown.is_contiguous(memory_format=torch.channels_last) and labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_mixed_pictures_have_mixed_targets():
    _, targets = objective("mixup 0.4").shown(batch(), 1)
    assert targets.shape == (6, 3)
    assert torch.allclose(targets.sum(1), torch.ones(6))
    assert ((targets > 0).sum(1) > 1).any()


def test_the_loss_is_cross_entropy_with_smoothing_and_class_weights_as_torch_has_it():
    torch.manual_seed(0)
    network = build(parse("INPUT 8x8x3 -> FC 3"))
    task = Classify(("a", "b", "c"), 0.1, weights=(1.0, 2.0, 0.5))
    pictures, labels = objective().shown(batch(), 1)
    weight = torch.tensor([1.0, 2.0, 0.5])
    expected = F.cross_entropy(network(pictures).flatten(1), labels, weight, label_smoothing=0.1)
    assert torch.allclose(objective(task=task).loss(network, pictures, labels), expected)


def test_half_precision_gives_a_loss_in_full_precision_close_by():
    torch.manual_seed(0)
    network = build(parse("INPUT 8x8x3 -> CONV 8 3x3 -> RELU -> FC 3"))
    pictures, labels = objective().shown(batch(), 1)
    full = objective().loss(network, pictures, labels)
    half = objective(way=Way("bf16")).loss(network, pictures, labels)
    assert half.dtype == torch.float32
    assert half.item() != full.item()
    assert abs(half.item() - full.item()) < 0.05 * full.item()
