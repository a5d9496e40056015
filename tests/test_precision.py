"""Which precision codes are computed in: the choice by hand-worked trials, the distance by hand, the memory of it."""

import json
import math

import pytest
import torch
from torch import nn

from torchbeam.errors import SettingError
from torchbeam.learn.precision import APART, WAYS, Trial, apart, chosen_of, precision_for, tried
from torchbeam.learn.way import PLAIN, Way

LAST, HALF = WAYS[1:]


class Small:
    """A backbone that counts what it is asked, and in which type its sums are."""

    def __init__(self, wild: bool = False) -> None:
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 8, 3)
        self.wild = wild
        self.types: list[torch.dtype] = []

    def __call__(self, x_NCHW: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = self.layer(x_NCHW)
        self.types.append(maps.dtype)
        return {"maps": torch.sin(1e4 * maps.float()) if self.wild else maps, "codes": maps.mean((2, 3))}


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.randn(8, 3, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("trials", "way"),
    [
        ((Trial(PLAIN, 1.0, 0.0), Trial(LAST, 0.92, 0.0), Trial(HALF, 0.92, 0.01)), PLAIN),
        ((Trial(PLAIN, 1.0, 0.0), Trial(LAST, 0.8, 0.0), Trial(HALF, 0.75, 0.01)), LAST),
        ((Trial(PLAIN, 1.0, 0.0), Trial(LAST, 0.8, 0.0), Trial(HALF, 0.6, 0.01)), HALF),
        ((Trial(PLAIN, 1.0, 0.0), Trial(LAST, 1.2, 0.0), Trial(HALF, 0.5, 0.021)), PLAIN),
        ((Trial(PLAIN, 1.0, 0.0), Trial(LAST, math.inf, math.inf), Trial(HALF, math.inf, math.inf)), PLAIN),
    ],
)
def test_a_way_is_taken_that_is_a_tenth_faster_with_the_same_codes(trials, way):
    chosen = chosen_of(trials)
    assert chosen.way == way
    assert chosen.trials == trials
    assert str(way) in chosen.reason


def test_the_distance_is_that_of_the_worst_picture_and_stage():
    plain = {"a": torch.tensor([[3.0, 4.0], [1.0, 0.0]]), "b": torch.ones(2, 4)}
    other = {"a": torch.tensor([[3.0, 4.5], [1.0, 0.3]]), "b": torch.ones(2, 4) * 1.2}
    assert apart(plain, other) == pytest.approx(0.3)
    assert apart(plain, plain) == 0
    assert apart(plain, {"a": torch.full((2, 2), torch.nan), "b": torch.ones(2, 4)}) == math.inf
    assert apart(plain, {"a": torch.full((2, 2), torch.inf), "b": torch.ones(2, 4)}) == math.inf


def test_every_way_is_tried_and_bf16_is_near(batch):
    small = Small()
    trials = tried(small, batch)
    assert [each.way for each in trials] == list(WAYS)
    assert trials[0].apart == 0
    assert trials[1].apart < 1e-5
    assert {torch.float32, torch.bfloat16} >= set(small.types)
    if math.isfinite(trials[2].seconds):  # a machine without instructions for it may have given it up
        assert 1e-4 < trials[2].apart < APART


def test_a_backbone_that_rounding_changes_stays_in_fp32(batch):
    found = tried(Small(wild=True), batch)
    assert found[2].apart > APART
    assert chosen_of([Trial(each.way, 1 / (at + 1), each.apart) for at, each in enumerate(found)]).way != HALF


def test_a_way_that_fails_is_not_taken(batch):
    def features(x_NCHW: torch.Tensor) -> dict[str, torch.Tensor]:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for 'BFloat16'")
        return {"maps": x_NCHW}

    assert tried(features, batch)[2] == Trial(HALF, math.inf, math.inf)


def test_what_was_chosen_is_remembered_for_this_backbone_and_batch(batch, tmp_path):
    small = Small()
    first = precision_for(small, batch, "digest", cache=tmp_path)
    calls = len(small.types)
    again = precision_for(small, batch, "digest", cache=tmp_path)
    assert len(small.types) == calls
    assert (again.way, again.reason, again.trials) == (first.way, first.reason, ())
    precision_for(small, batch[:4], "digest", cache=tmp_path)
    assert len(small.types) > calls


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"way": {"precision": "fp8"}}', "null", "[" * 10_000])
def test_a_damaged_memory_is_measured_anew(batch, tmp_path, text):
    small = Small()
    precision_for(small, batch, "digest", cache=tmp_path)
    (path,) = (tmp_path / "ways").iterdir()
    path.write_text(text)
    calls = len(small.types)
    assert precision_for(small, batch, "digest", cache=tmp_path).trials
    assert len(small.types) > calls
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"way": Way("fp16").to_json()}))  # which no choice here can be
    assert precision_for(small, batch, "digest", cache=tmp_path).trials


def test_a_backbone_that_gives_nothing_is_refused(batch):
    with pytest.raises(SettingError, match="the backbone gives nothing for a batch of pictures"):
        tried(lambda x: {}, batch)
