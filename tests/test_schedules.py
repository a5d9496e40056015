import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.learn.schedules import warm_up_cosine


def test_it_equals_torchs_linear_warm_up_then_cosine():
    steps, warm = 100, 20
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps - warm)
    for step in range(warm, steps):
        assert math.isclose(warm_up_cosine(step / steps, warm / steps), cosine.get_last_lr()[0], abs_tol=1e-9)
        optimiser.step()
        cosine.step()


def test_it_rises_along_a_line_to_the_peak_and_ends_at_nothing():
    assert [warm_up_cosine(p, 0.2) for p in (0, 0.05, 0.1, 0.2)] == [0, 0.25, 0.5, 1]
    assert abs(warm_up_cosine(1, 0.2)) < 1e-12


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_it_stays_a_share(progress, warm_up):
    assert 0 <= warm_up_cosine(progress, warm_up) <= 1
