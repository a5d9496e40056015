import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.learn.course import Course, course_of, from_json
from torchbeam.learn.plan import Plan
from torchbeam.learn.schedules import SCHEDULES


def test_a_run_begins_at_nothing_climbs_to_its_rate_and_ends_at_nothing():
    course = course_of(Plan(epochs=1, batch_size=1, lr=0.4, warm_up=0.25))
    assert [round(course.at("line", share), 6) for share in (0, 0.125, 0.25, 0.625, 1)] == [0, 0.2, 0.4, 0.2, 0]
    assert course.at("cosine", 0.625) == pytest.approx(0.4 * 0.5 * (1 + math.cos(math.pi * 0.5)))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_that_goes_on_begins_at_the_rate_it_has(schedule):
    course = Course(first=100, rate=0.03, warm_up=0.0)
    assert course.at(schedule, 0.0) == pytest.approx(0.03, rel=1e-6)
    assert course.at(schedule, 0.5) == pytest.approx({"constant": 0.03}.get(schedule, 0.015), rel=1e-6)


@given(st.integers(0, 10**9), st.floats(1e-9, 1e5), st.floats(0, 0.99))
def test_it_comes_back_from_json(first, rate, warm_up):
    course = Course(first, rate, warm_up)
    assert from_json(course.to_json()) == course
