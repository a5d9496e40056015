"""What one neuron sees along one axis, against the gradients of torch's own one-dimensional layers."""

import random

import pytest
import torch
from torch.nn import functional as F

from torchbeam.design.field import MOST_PERIOD, PIXEL
from torchbeam.errors import DesignError

torch.set_num_threads(1)
LENGTH = 192


def ends(field, neuron):
    """(first, last) pixel that a neuron sees, by the field's own rule."""
    rounds, place = divmod(neuron, len(field.lo))
    return field.lo[place] + rounds * field.shift, field.hi[place] + rounds * field.shift


def seen(numbers, row):
    """(first, last) pixel that each number of `row` has a gradient at."""
    reached = []
    for number in row.flatten():
        (gradient,) = torch.autograd.grad(number, numbers, retain_graph=True)
        places = gradient.flatten().nonzero().flatten()
        reached.append((int(places[0]), int(places[-1])))
    return reached


def step(chance, field, row):
    """One random layer behind both: (the field, the row of numbers)."""
    way = chance.choice(["window", "window", "adaptive", "nearest", "bilinear", "every"])
    length = row.shape[-1]
    if way == "window":
        size, dilation, stride = chance.randint(1, 4), chance.randint(1, 3), chance.randint(1, 3)
        extent = dilation * (size - 1) + 1
        near, far = chance.randint(0, size - 1), chance.randint(0, size - 1)
        far += -(length + near + far - extent) % stride  # so that nothing is left over
        weights = torch.ones(1, 1, size, dtype=torch.float64)
        row = F.conv1d(F.pad(row, (near, far)), weights, stride=stride, dilation=dilation)
        return field.window(extent, stride, near), row
    if way == "adaptive":
        places = chance.choice([max(1, length // 2), max(1, 2 * length // 3), length])
        return field.adaptive(length, places), F.adaptive_avg_pool1d(row, places)
    if way == "every":
        return field.window(1, 2, 0), row[:, :, ::2]
    factor = chance.randint(1, 4)
    if length * factor > 3 * LENGTH:
        return field, row
    mode = "nearest" if way == "nearest" else "linear"
    return field.enlarged(factor, way == "bilinear"), F.interpolate(row, scale_factor=factor, mode=mode)


@pytest.mark.parametrize("seed", range(60))
def test_neurons_far_from_the_edges_see_the_pixels_that_their_gradients_reach(seed):
    chance = random.Random(seed)
    numbers = torch.rand(1, 1, LENGTH, dtype=torch.float64, requires_grad=True)
    field, row = PIXEL, numbers
    for _ in range(chance.randint(1, 4)):
        field, row = step(chance, field, row)
    count = row.shape[-1]
    middle = range(count // 3, count - count // 3)
    measured = seen(numbers, row[:, :, middle.start : middle.stop])
    inside = [
        (ends(field, at), got)
        for at, got in zip(middle, measured, strict=True)
        if min(ends(field, at)[0], LENGTH - 1 - ends(field, at)[1]) > LENGTH // 8
    ]
    assert all(said == got for said, got in inside)
    assert inside or field.size > LENGTH // 8
    period = len(field.lo)
    if len(inside) > period:
        measured = [got for _, got in inside]
        assert field.size == max(hi - lo + 1 for lo, hi in measured)
        assert period * field.jump == measured[period][0] - measured[0][0]


@pytest.mark.parametrize("seed", range(20))
def test_a_neuron_behind_two_branches_sees_what_either_sees(seed):
    chance = random.Random(seed)
    numbers = torch.rand(1, 1, LENGTH, dtype=torch.float64, requires_grad=True)
    total, joined = 0, None
    for _ in range(2):
        half = chance.randint(0, 4)
        weights = torch.ones(1, 1, 2 * half + 1, dtype=torch.float64)
        field, row = PIXEL.window(2 * half + 1, 1, half), F.conv1d(numbers, weights, padding=half)
        if chance.random() < 0.5:
            field, row = field.window(3, 2, 1), F.conv1d(row, torch.ones(1, 1, 3).double(), stride=2, padding=1)
            field, row = field.enlarged(2, False), F.interpolate(row, scale_factor=2)
        total, joined = total + row, field if joined is None else joined.joined(field, LENGTH)
    for at, got in zip(range(90, 100), seen(numbers, total[:, :, 90:100]), strict=True):
        assert ends(joined, at) == got


def test_branches_of_different_jumps_are_joined_neuron_by_neuron():
    """One branch takes every second of 32 pixels, the other slides 17 pixels wide: 16 neurons each."""
    numbers = torch.rand(1, 1, 32, dtype=torch.float64, requires_grad=True)
    slid = F.conv1d(numbers, torch.ones(1, 1, 17, dtype=torch.float64))
    joined = PIXEL.window(1, 2, 0).joined(PIXEL.window(17, 1, 0), 16)
    assert [ends(joined, at) for at in range(16)] == seen(numbers, numbers[:, :, ::2] + slid)
    assert joined.size == 17


def test_all_neurons_together_see_from_the_first_to_the_last():
    field = PIXEL.window(3, 2, 1).window(3, 1, 0)
    assert (field.whole(5).lo, field.whole(5).hi) == ((ends(field, 0)[0],), (ends(field, 4)[1],))


def test_published_fields():
    """VGG-16's last pool sees 212 pixels with a jump of 32; AlexNet's 195 with a jump of 32."""
    field = PIXEL
    for convs in (2, 2, 3, 3, 3):
        for _ in range(convs):
            field = field.window(3, 1, 1)
        field = field.window(2, 2, 0)
    assert (field.size, field.jump) == (212, 32)
    field = PIXEL
    for extent, stride, near in [(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0), *[(3, 1, 1)] * 3, (3, 2, 0)]:
        field = field.window(extent, stride, near)
    assert (field.size, field.jump) == (195, 32)


def test_a_field_that_would_take_too_long_to_repeat_is_refused():
    with pytest.raises(DesignError) as caught:
        PIXEL.enlarged(64, True).enlarged(64, True)
    assert "what its neurons see repeats only after 4,096 of them" in str(caught.value)
    assert f"at most {MOST_PERIOD:,}" in str(caught.value)
    with pytest.raises(DesignError, match="repeats only after 998,001 of them"):
        PIXEL.adaptive(1000, 999).adaptive(1000, 999)
    with pytest.raises(DesignError, match="repeats only after 996,003 of them"):
        PIXEL.adaptive(1000, 999).joined(PIXEL.adaptive(1000, 997), 10**9)


def test_strides_beyond_any_picture_are_refused():
    field = PIXEL
    with pytest.raises(DesignError, match=r"the strides up to here multiply to 1e\+27 pixels"):
        for _ in range(3):
            field = field.window(3, 10**9, 0)
