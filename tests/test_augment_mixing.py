"""Squares cut out, and pictures mixed with the next one of the batch."""

import numpy as np
import pytest
import torch
from scipy import stats

from torchbeam.data.augment.mixing import cut_out, cutmix_boxes, mixed
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.chance import CUTMIX, MIXUP, uniform

HEIGHT, WIDTH = 20, 30
SAMPLES = np.arange(300)


def pictures(count: int = 300) -> torch.Tensor:
    """Every picture one shade, its number."""
    return torch.arange(count).float().view(-1, 1, 1, 1).expand(count, 2, HEIGHT, WIDTH).clone() + 1


@pytest.mark.parametrize("side", [1, 4, 5, 8])
def test_a_square_is_cut_out_at_the_mean_wherever_its_middle_may_be(side):
    height, width, count = 10, 12, 6000
    shown = cut_out(torch.ones(count, 1, height, width), side, np.arange(count), 0, 0)[:, 0] == 0
    y, x = np.mgrid[:height, :width]
    whole = np.zeros((height, width))  # how often a whole square has its middle there
    for hole in shown.numpy():
        top, bottom, left, right = y[hole].min(), y[hole].max() + 1, x[hole].min(), x[hole].max() + 1
        assert hole.sum() == (bottom - top) * (right - left)  # a rectangle
        assert bottom - top == side or top == 0 or bottom == height
        assert right - left == side or left == 0 or right == width
        if (bottom - top, right - left) == (side, side):
            whole[top + side // 2, left + side // 2] += 1
    found = whole[whole > 0]
    assert len(found) == (height - side + 1) * (width - side + 1)
    assert stats.chisquare(found).pvalue > 1e-3
    assert stats.binomtest(int(found.sum()), count, len(found) / (height * width)).pvalue > 1e-3


def test_mixup_is_the_share_of_the_own_and_the_rest_of_the_next():
    shown, share = mixed(pictures(), parse_augment("mixup 0.4"), SAMPLES, 1, 2)
    own, partner = pictures()[:, 0, 0, 0].double(), pictures().roll(-1, 0)[:, 0, 0, 0].double()
    expected = share.double() * own + (1 - share.double()) * partner
    assert (shown.double() - expected.view(-1, 1, 1, 1)).abs().max() < 1e-3
    assert share.dtype == torch.float32 and share.shape == (300,)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 8.0])
def test_shares_are_drawn_from_beta(alpha):
    count = 2000
    _, share = mixed(torch.zeros(count, 1, 1, 1), parse_augment(f"mixup {alpha}"), np.arange(count), 0, 0)
    if alpha >= 0.2:  # the least shares of a smaller one are all 0 or 1 in float32
        assert stats.kstest(share.double().numpy(), "beta", args=(alpha, alpha)).pvalue > 1e-3
    drawn = uniform(0, 0, np.arange(count), MIXUP)
    assert np.allclose(share.double().numpy(), stats.beta(alpha, alpha).ppf(drawn), atol=1e-6)


def test_cutmix_pastes_a_rectangle_of_the_next_and_its_share_is_the_true_one():
    before = pictures()
    shown, share = mixed(before.clone(), parse_augment("cutmix 1"), SAMPLES, 1, 2)
    own = (shown == before)[:, 0]
    partner = (shown == before.roll(-1, 0))[:, 0]
    assert (own | partner).all()
    assert torch.equal(share, own.double().mean((1, 2)).float())
    boxes = cutmix_boxes(1.0, (WIDTH, HEIGHT), SAMPLES, 1, 2).astype(int)
    for hole, (left, top, right, bottom) in zip(partner, boxes, strict=True):
        assert hole[top:bottom, left:right].all()
        assert hole.sum() == (bottom - top) * (right - left)


def test_cutmix_s_rectangles_have_the_picture_s_shape_and_the_drawn_area_where_they_are_not_cut():
    boxes = cutmix_boxes(1.0, (3000, 2000), np.arange(500), 0, 0)
    sides = boxes[:, 2:] - boxes[:, :2]
    inside = (boxes[:, :2] > 0).all(1) & (boxes[:, 2:] < [3000, 2000]).all(1)
    assert inside.sum() > 30
    assert np.allclose(sides[inside, 0] / sides[inside, 1], 1.5, atol=0.05)
    areas = 1 - uniform(0, 0, np.arange(500), CUTMIX)  # Beta(1, 1) is uniform
    assert np.allclose(sides.prod(1)[inside] / 6e6, areas[inside], atol=0.002)


def test_with_both_words_each_sample_has_one_of_them_as_likely():
    before = pictures()
    shown, share = mixed(before.clone(), parse_augment("mixup 1, cutmix 1"), SAMPLES, 0, 0)
    pasted = ((shown == before) | (shown == before.roll(-1, 0))).flatten(1).all(1)
    assert stats.binomtest(int(pasted.sum()), 300, 0.5).pvalue > 1e-3
    alone, share_alone = mixed(before.clone(), parse_augment("mixup 1"), SAMPLES, 0, 0)
    assert torch.equal(share[~pasted], share_alone[~pasted])
    assert torch.equal(shown[~pasted], alone[~pasted])
    own = (shown == before)[:, 0].double().mean((1, 2)).float()
    assert torch.equal(share[pasted], own[pasted])


def test_a_share_depends_on_the_sample_alone_and_the_partner_on_the_batch():
    _, whole = mixed(pictures(), parse_augment("mixup 1, cutmix 1"), SAMPLES, 0, 3)
    order = np.random.default_rng(0).permutation(300)
    _, other = mixed(pictures()[order], parse_augment("mixup 1, cutmix 1"), SAMPLES[order], 0, 3)
    assert torch.equal(other, whole[order])


def test_a_picture_alone_in_its_batch_is_mixed_with_itself():
    shown, _ = mixed(pictures(1), parse_augment("mixup 1, cutmix 1"), SAMPLES[:1], 0, 0)
    assert torch.equal(shown, pictures(1))
