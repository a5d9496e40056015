import numpy as np
import pytest

from torchbeam.learn.adviser import LITTLE, advise, doing, paired
from torchbeam.learn.probes import Probe

STAGES = ("stem", "stage1", "codes")
N = 200


def read(right, start=0):
    """A probe that is right on so many of N pictures, from `start` on."""
    correct = np.zeros(N, bool)
    correct[(np.arange(right) + start) % N] = True
    return Probe(correct, np.ones(N, bool), right / N, 1.0)


def advised(codes, stage1, random, per_class=50, start=0):
    probes = {
        ("stem", "avg 1x1"): (16, read(100)),
        ("stage1", "avg 1x1"): (32, read(stage1 - 10)),
        ("stage1", "avg 2x2"): (128, read(stage1, start)),
        ("codes", ""): (512, read(codes)),
    }
    return advise([per_class, per_class], STAGES, probes, read(random))


@pytest.mark.parametrize(
    ("codes", "stage1", "per_class", "mode", "where"),
    [
        (190, 180, 50, "codes", "codes"),
        (190, 180, LITTLE, "finetune", "codes"),
        (150, 190, 50, "stage", "stage1, avg 2x2"),
        (150, 190, LITTLE, "scratch", "stage1, avg 2x2"),
    ],
)
def test_the_four_quadrants(codes, stage1, per_class, mode, where):
    advice = advised(codes, stage1, 110, per_class)
    assert (advice.mode, str(advice.best)) == (mode, where)
    assert advice.little == (per_class < LITTLE)
    assert doing(mode, advice.best) in str(advice)


def test_codes_that_know_no_more_than_random_features_are_far():
    advice = advised(120, 118, 115, LITTLE)
    assert not advice.near and advice.mode == "scratch"
    assert "hardly more than random features (57.5%)" in str(advice)


def test_with_little_data_and_no_better_stage_the_codes_are_kept_though_far():
    assert advised(120, 118, 115, 50).mode == "codes"


def test_a_lead_within_its_error_is_none():
    # Right on other pictures: of 200, 22 only by the stage and 20 only by the codes, a lead of 1 % +- 3.2 %.
    advice = advised(150, 152, 110, 50, start=20)
    assert advice.near and advice.mode == "codes"
    assert advice.lead == pytest.approx(0.01)


def test_the_paired_error_is_that_of_the_differences():
    # By hand: of 200 differences 22 are +1, 20 are -1, 158 are 0; mean 0.01, variance (42 - 200 * 0.0001) / 199.
    found = paired(read(152, 20), read(150))
    assert found == pytest.approx((0.01, ((42 - 0.02) / 199 / 200) ** 0.5))


def test_the_table_has_every_stage_and_the_best_is_marked():
    lines = str(advised(190, 180, 110)).splitlines()
    assert [line.split(",")[0].split("  ")[0] for line in lines[1:5]] == ["random features", "stem", "stage1", "codes"]
    assert lines[4].endswith("<- best") and "95.0%" in lines[4]
    assert lines[5].startswith("50 pictures in the middle class, fewer than 200: little data")
