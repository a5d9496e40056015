"""The modules torch lacks, against torch where it has the same thing and against sums by hand where it has not."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from torchbeam.network.blocks import AvgPool, L2Pool, MaxPool

torch.set_num_threads(1)
PROPERTY = settings(
    max_examples=80,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
NONE = (0, 0, 0, 0)

sides = st.integers(1, 4)
pairs = st.tuples(sides, sides)
edges = st.integers(0, 3)
shapes = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


def picture(shape, seed=0):
    """Numbers below zero, so that a padded zero would show in a maximum; in float64."""
    return -torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5


def fits_inside(shape, kernel, pads):
    """A place for the window, and no window of padding alone at the near edges."""
    return (
        shape[2] + pads[2] + pads[3] >= kernel[0]
        and shape[3] + pads[0] + pads[1] >= kernel[1]
        and max(pads[:2]) < kernel[1]
        and max(pads[2:]) < kernel[0]
    )


def windows_of(numbers, kernel, stride, pads, counted):
    """For each place: the real numbers in its window, and how many positions of it count (real ones and `counted`)."""
    height, width = numbers.shape
    left, right, top, bottom = pads
    inner_left, inner_right, inner_top, inner_bottom = counted
    for row in range(-top, height + bottom - kernel[0] + 1, stride[0]):
        for column in range(-left, width + right - kernel[1] + 1, stride[1]):
            places = [(y, x) for y in range(row, row + kernel[0]) for x in range(column, column + kernel[1])]
            real = [numbers[y, x] for y, x in places if 0 <= y < height and 0 <= x < width]
            count = [
                (y, x)
                for y, x in places
                if -inner_top <= y < height + inner_bottom and -inner_left <= x < width + inner_right
            ]
            yield real, len(count)


def by_hand(join, batch, kernel, stride, pads, counted=NONE):
    """`join` of every window, one channel of one picture after the other, flat."""
    joined = []
    for numbers in batch.detach().numpy().reshape(-1, *batch.shape[-2:]):
        joined += [join(real, count) for real, count in windows_of(numbers, kernel, stride, pads, counted)]
    return torch.tensor(np.array(joined))


@PROPERTY
@given(shapes, pairs, pairs, st.tuples(edges, edges, edges, edges))
def test_max_pool_pads_each_side_with_minus_infinity(shape, kernel, stride, pads):
    assume(fits_inside(shape, kernel, pads))
    batch = picture(shape)
    pooled = MaxPool(kernel, stride, pads)(batch)
    explicit = torch.full((*shape[:2], shape[2] + pads[2] + pads[3], shape[3] + pads[0] + pads[1]), -torch.inf).double()
    explicit[:, :, pads[2] : pads[2] + shape[2], pads[0] : pads[0] + shape[3]] = batch
    assert torch.equal(pooled, F.max_pool2d(explicit, kernel, stride))
    hand = by_hand(lambda real, _: max(real, default=-np.inf), batch, kernel, stride, pads)
    assert torch.equal(pooled.flatten(), hand)


@PROPERTY
@given(shapes, pairs, pairs, st.integers(0, 2), st.integers(0, 2))
def test_max_pool_with_even_pads_is_torchs_and_so_is_its_gradient(shape, kernel, stride, down, across):
    assume(
        fits_inside(shape, kernel, (across, across, down, down)) and 2 * down <= kernel[0] and 2 * across <= kernel[1]
    )
    ours, theirs = (picture(shape).requires_grad_() for _ in range(2))
    pooled = MaxPool(kernel, stride, (across, across, down, down))(ours)
    expected = F.max_pool2d(theirs, kernel, stride, (down, across))
    assert torch.equal(pooled, expected)
    pooled.square().sum().backward()
    expected.square().sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


@PROPERTY
@given(shapes, pairs, pairs, st.integers(0, 2), st.integers(0, 2), st.booleans())
def test_avg_pool_with_even_pads_is_torchs_and_so_is_its_gradient(shape, kernel, stride, down, across, count_all):
    pads = (across, across, down, down)
    assume(fits_inside(shape, kernel, pads) and 2 * down <= kernel[0] and 2 * across <= kernel[1])
    ours, theirs = (picture(shape).requires_grad_() for _ in range(2))
    pooled = AvgPool(kernel, stride, pads, pads if count_all else NONE)(ours)
    expected = F.avg_pool2d(theirs, kernel, stride, (down, across), count_include_pad=count_all)
    torch.testing.assert_close(pooled, expected)
    pooled.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@PROPERTY
@given(shapes, pairs, pairs, st.tuples(edges, edges, edges, edges), st.tuples(edges, edges))
def test_avg_pool_counts_the_pads_said_and_never_those_beyond(shape, kernel, stride, said, beyond):
    pads = (said[0], said[1] + beyond[0], said[2], said[3] + beyond[1])
    assume(fits_inside(shape, kernel, said) and fits_inside(shape, kernel, pads))
    batch = picture(shape)
    for counted in (said, NONE):
        places = [count for _, count in windows_of(batch[0, 0].numpy(), kernel, stride, pads, counted)]
        assume(min(places) > 0)
        hand = by_hand(lambda real, count: sum(real) / count, batch, kernel, stride, pads, counted)
        torch.testing.assert_close(AvgPool(kernel, stride, pads, counted)(batch).flatten(), hand)


@PROPERTY
@given(shapes, sides, sides, st.integers(0, 2), st.booleans())
def test_pads_beyond_are_torchs_ceil_mode_where_its_last_window_starts_inside(shape, size, stride, pad, count_all):
    shape = (*shape[:3], shape[2])
    length = shape[2]
    assume(2 * pad <= size and length + 2 * pad >= size)
    batch = picture(shape)
    added = -(length + 2 * pad - size) % stride
    last = length + 2 * pad + added - size - pad
    assume(last < length)
    pads = (pad, pad + added, pad, pad + added)
    counted = (pad,) * 4 if count_all else NONE
    averages = F.avg_pool2d(batch, size, stride, pad, ceil_mode=True, count_include_pad=count_all)
    torch.testing.assert_close(AvgPool((size, size), (stride, stride), pads, counted)(batch), averages)
    highest = F.max_pool2d(batch, size, stride, pad, ceil_mode=True)
    assert torch.equal(MaxPool((size, size), (stride, stride), pads)(batch), highest)


@PROPERTY
@given(shapes, pairs, pairs, st.tuples(edges, edges, edges, edges))
def test_l2_pool_is_the_root_of_the_sum_of_squares(shape, kernel, stride, pads):
    assume(fits_inside(shape, kernel, pads))
    batch = picture(shape)
    pooled = L2Pool(kernel, stride, pads)(batch)
    hand = by_hand(lambda real, _: np.sqrt(sum(value * value for value in real)), batch, kernel, stride, pads)
    torch.testing.assert_close(pooled.flatten(), hand)
    torch.testing.assert_close(pooled, F.lp_pool2d(F.pad(batch, pads), 2.0, kernel, stride))


def test_l2_pools_gradient_is_that_of_torchs_norm():
    ours, theirs = (picture((2, 3, 4, 6)).requires_grad_() for _ in range(2))
    L2Pool((2, 2), (2, 2), NONE)(ours).square().sum().backward()
    F.lp_pool2d(theirs, 2.0, 2).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert torch.autograd.gradcheck(L2Pool((2, 3), (1, 2), (1, 0, 0, 1)), picture((1, 2, 4, 4)).requires_grad_())


def test_l2_pools_gradient_is_zero_where_a_window_holds_nothing_but_zeros():
    batch = torch.zeros(1, 1, 2, 4)
    batch[0, 0, :, 2:] = torch.tensor([[3.0, 0.0], [4.0, 0.0]])
    batch.requires_grad_()
    pooled = L2Pool((2, 2), (2, 2), NONE)(batch)
    assert pooled.flatten().tolist() == [0.0, 5.0]
    pooled.sum().backward()
    assert torch.isfinite(batch.grad).all()
    torch.testing.assert_close(batch.grad[0, 0], torch.tensor([[0.0, 0.0, 0.6, 0.0], [0.0, 0.0, 0.8, 0.0]]))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_blocks_keep_the_kind_of_number_and_learn_nothing(kind):
    batch = picture((2, 3, 5, 5)).to(kind)
    for block in (
        MaxPool((3, 3), (2, 2), (0, 1, 0, 1)),
        AvgPool((3, 3), (2, 2), (0, 1, 0, 1), NONE),
        L2Pool((3, 3), (2, 2), (0, 1, 0, 1)),
    ):
        assert block(batch).dtype == kind
        assert not list(block.parameters()) and not block.state_dict()


def test_the_average_of_large_halves_does_not_overflow_as_torchs_does_not():
    batch = torch.full((1, 1, 8, 8), 2_000.0, dtype=torch.float16)
    assert F.avg_pool2d(batch, 8).item() == 2_000.0
    assert AvgPool((8, 8), (1, 1), (0, 1, 0, 1), NONE)(batch).flatten().tolist() == [2_000.0] * 4
