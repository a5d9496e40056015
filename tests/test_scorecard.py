"""The scorecard: curves by hand, a network that knows where it looks, and maps that deserve to fail."""

import threading

import numpy as np
import pytest
import torch
from data_makers import shared
from look_makers import learnt, same_state, small, square_subject, state_of
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.zoo import find
from torchbeam.errors import SettingError
from torchbeam.look.baselines import baseline
from torchbeam.look.look import Look, Measured
from torchbeam.look.occlusion import occluded, shown
from torchbeam.look.scorecard import (
    RANDOM,
    Curve,
    Scorecard,
    charted,
    deletion,
    insertion,
    judged,
    random_like,
    randomised,
    scorecard,
)
from torchbeam.look.subject import subject_of
from torchbeam.network.build import build
from torchbeam.network.pretrained import load_weights


@pytest.fixture(scope="module")
def square():
    """(subject, its class, the corner of its square)."""
    return square_subject(learnt())


def occlusion_of(label):
    return lambda subject: occluded(subject, 4, 2).pixels(label)


def ramp() -> np.ndarray:
    return -np.arange(256.0).reshape(16, 16)  # row by row


def one_by_one(subject, under_1CHW, over_1CHW, order, label, steps):
    """Pixels in that order from one picture to the other, and the class's probability each time."""
    found = []
    for step in range(steps + 1):
        x_1CHW = under_1CHW.clone().flatten(2)
        taken = order[: round(len(order) * step / steps)]
        x_1CHW[:, :, taken] = over_1CHW.flatten(2)[:, :, taken]
        with torch.no_grad():
            found.append(subject.network(x_1CHW.view_as(under_1CHW)).softmax(1)[0, label].item())
    return found


def test_curves_are_those_of_one_picture_at_a_time(square):
    subject, label, _ = square
    order = torch.arange(256)
    given = insertion(subject, ramp(), label, steps=7, batch_size=3)
    expected = one_by_one(subject, baseline(subject, "blur"), subject.x_1CHW, order, label, 7)
    np.testing.assert_allclose(given.probabilities_S, expected, atol=1e-5)
    taken = deletion(subject, ramp(), label, steps=7)
    expected = one_by_one(subject, subject.x_1CHW, baseline(subject, "grey"), order, label, 7)
    np.testing.assert_allclose(taken.probabilities_S, expected, atol=1e-5)
    assert given.shares_S[[0, -1]].tolist() == [0, 1] and given.shares_S[1] == 37 / 256
    assert given.probabilities_S[-1] == pytest.approx(taken.probabilities_S[0], abs=1e-6)


def test_the_area_by_hand():
    assert Curve(np.array([0, 0.5, 1]), np.array([0, 1, 0.5])).area == pytest.approx(0.25 + 0.375)


def test_the_square_itself_is_the_best_map_and_its_opposite_the_worst(square):
    subject, label, (top, left) = square
    map_HW = np.zeros((16, 16))
    map_HW[top : top + 4, left : left + 4] = 1
    best, worst = scorecard(subject, map_HW, label), scorecard(subject, -map_HW, label)
    assert best.better and best.passed and best.changed is None
    assert not worst.better and worst.gain < worst.random_gain < best.gain
    assert best.verdict.startswith("better than a random map: insertion")
    assert worst.verdict.startswith("no better than a random map: insertion")


def test_occlusion_passes(square):
    subject, label, _ = square
    before = state_of(subject.network)
    make_map = occlusion_of(label)
    card = scorecard(subject, make_map(subject), label, make_map)
    assert card.passed, card.verdict
    assert card.spearman is not None and abs(card.spearman) < 0.5
    assert "another with randomised weights (Spearman" in card.verdict
    assert same_state(before, state_of(subject.network))
    again = scorecard(subject, make_map(subject), label, make_map)
    assert again.verdict == card.verdict and again.gain == card.gain


@pytest.mark.parametrize("seed", range(3))
def test_random_numbers_are_flagged(square, seed):
    subject, label, _ = square
    map_HW = np.random.default_rng(100 + seed).random((16, 16))
    card = scorecard(subject, map_HW, label, seed=seed)
    assert not card.better and not card.passed
    assert "no better than a random map" in card.verdict


def test_a_map_that_is_all_alike_is_flagged(square):
    subject, label, _ = square
    card = scorecard(subject, np.zeros((16, 16)), label, lambda _: np.zeros((16, 16)))
    assert not card.better and card.spearman == 0


def test_a_map_of_the_picture_alone_is_flagged(square):
    subject, label, _ = square

    def brightness(given):
        return given.x_1CHW[0].max(0).values.numpy()

    card = scorecard(subject, brightness(subject), label, brightness)
    assert card.spearman == pytest.approx(1) and card.changed is False and not card.passed
    assert "the same with randomised weights (Spearman 1.00): it shows the picture, not what was learnt" in card.verdict


def test_a_look_is_tested_by_its_relevance_and_carries_the_verdict(square):
    subject, label, _ = square
    look = shown(subject, occluded(subject, 4, 2), label)
    card = scorecard(subject, look)
    assert card.gain == scorecard(subject, look.arrays["relevance"].values, label).gain
    told = judged(look, card)
    assert told.verdict == card.verdict and told.caption == f"{look.caption}; {card.verdict}"
    assert look.verdict == ""
    other = Look("grey", {"mine": Measured(ramp(), ("row", "column"), "shade")}, "", look.drawn)
    assert scorecard(subject, other, label).gain == scorecard(subject, ramp(), label).gain


def test_random_maps_are_as_smooth_as_the_map():
    chance = np.random.default_rng(0)
    rough = chance.standard_normal((24, 32))
    smooth = np.cumsum(np.cumsum(rough, 0), 1)
    for map_HW in (rough, smooth):
        found = random_like(map_HW, 1)
        assert np.array_equal(found, random_like(map_HW, 1)) and not np.allclose(found, random_like(map_HW, 2))
        # The same power at every frequency, so the same spread and the same likeness of neighbours on a torus.
        assert found.std() == pytest.approx(map_HW.std()) and found.mean() == pytest.approx(0, abs=1e-9)
        for axis in (0, 1):
            of_map, of_found = (
                ((each - each.mean()) * np.roll(each - each.mean(), 1, axis)).mean() for each in (map_HW, found)
            )
            assert of_found == pytest.approx(of_map)
        assert abs(np.corrcoef(found.ravel(), map_HW.ravel())[0, 1]) < 0.7


def test_randomised_weights_are_those_of_a_network_that_has_learnt_nothing():
    subject, _, _ = square_subject(small())
    before = state_of(subject.network)
    other = randomised(subject, 1)
    assert same_state(before, state_of(subject.network)) and other.network is not subject.network
    assert other.weights != subject.weights and other.picture == subject.picture
    weights = torch.cat(
        [each.detach().flatten() * (each[0].numel() / 2) ** 0.5 for each in other.network.parameters() if each.ndim > 1]
    )
    assert weights.mean().abs() < 0.1 and weights.std() == pytest.approx(1, abs=0.1)
    assert all(not layer.bias.any() for layer in other.network if hasattr(layer, "bias"))
    norm = other.network[1]
    assert not norm.running_mean.any() and (norm.running_var == 1).all()
    assert torch.equal(norm.weight, subject.network[1].weight)
    assert torch.equal(randomised(subject, 1).scores(), other.scores())
    assert not torch.equal(randomised(subject, 2).scores(), other.scores())


def test_charts_show_the_map_and_those_by_chance(square):
    subject, label, _ = square
    card = scorecard(subject, ramp(), label, steps=4)
    given, taken = charted(card).axes
    assert [len(axes.lines) for axes in (given, taken)] == [RANDOM + 1] * 2
    np.testing.assert_allclose(given.lines[-1].get_ydata(), card.insertion.probabilities_S)
    assert given.get_xlabel() == "insertion: pixels, %" and taken.get_xlabel() == "deletion: pixels, %"


def card_of(gain: float, random_gains: list[float], spearman: float | None) -> Scorecard:
    """A scorecard with those areas; insertion ends at 0.9."""

    def curve(area: float) -> Curve:
        return Curve(np.array([0, 1, 1]), np.array([area, area, 0.9]))

    randoms = tuple(curve(0.3 + each) for each in random_gains)
    return Scorecard(curve(0.3 + gain), curve(0.3), randoms, tuple(curve(0.3) for _ in randoms), spearman)


@pytest.mark.parametrize(
    ("gain", "random_gains", "spearman", "passed"),
    [
        (0.11, [0, 0.1, -0.1], 0.1, True),
        (0.09, [0, 0.1, -0.1], 0.1, True),  # one by chance may be better
        (0.09, [0.1, 0.1, -0.1], 0.1, False),
        (0.017, [0, 0, 0], None, False),  # 0.018 is needed: 2 % of 0.9
        (0.019, [0, 0, 0], None, True),
        (0.4, [0, 0.1, -0.1], 0.5, False),
        (0.4, [0, 0.1, -0.1], 0.49, True),
        (0.4, [0, 0.1, -0.1], -0.6, True),  # the opposite is another map
    ],
)
def test_verdicts_by_hand(gain, random_gains, spearman, passed):
    card = card_of(gain, random_gains, spearman)
    assert card.gain == pytest.approx(gain) and card.passed is passed


def test_mistakes_are_told(square):
    subject, label, _ = square
    with pytest.raises(SettingError, match="the map has another size than the picture") as told:
        scorecard(subject, np.zeros((7, 7)), label)
    assert told.value.expected == "16 x 16" and told.value.got == "7 x 7"
    with pytest.raises(SettingError, match="the map holds what is no number"):
        insertion(subject, np.full((16, 16), np.nan), label)
    with pytest.raises(SettingError, match="a curve of 0 steps is none"):
        deletion(subject, ramp(), label, steps=0)
    look = Look("filters", {"filters": Measured(np.zeros(4), ("unit",), "weight")}, "", lambda: charted(None))
    with pytest.raises(SettingError, match="filters has no map of the picture to test") as told:
        scorecard(subject, look, label)
    assert told.value.got == "filters 4"


def test_a_network_that_cannot_be_copied_is_told():
    network = nn.Sequential(small())
    network.lock = threading.Lock()
    subject, _, _ = square_subject(network)
    with pytest.raises(SettingError, match="Sequential cannot be copied to randomise its weights") as told:
        randomised(subject)
    assert "leave out make_map" in told.value.remedy


@pytest.mark.shared
def test_occlusion_of_a_photo_passes_and_random_numbers_do_not():
    weights = shared("weights", "mobilenet_v2_from_int8_fp16.pth")
    photo = shared("data", "imagenet-samples", "n01440764_tench.JPEG")
    known = find("mobilenet-v2")
    assert known is not None
    network = build(parse(known.text.replace("INPUT 224x224", "INPUT 112x112")))  # a quarter of the work
    load_weights(network, known.name, weights)
    prepared = Preprocessing(112, 112, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short=128)
    subject = subject_of(network, photo, preprocessing=prepared)

    def make_map(given):
        return occluded(given, 16, 8).pixels(0)

    card = scorecard(subject, make_map(subject), 0, make_map)
    assert card.passed, card.verdict
    noise = np.random.default_rng(0).random((112, 112))
    assert not scorecard(subject, noise, 0).passed
