"""Occlusion: one patch at a time and Captum judge, on networks that have learnt something and some that have not."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from data_makers import shared
from hypothesis import given
from hypothesis import strategies as st
from look_makers import learnt, same_state, small, square_subject, squares, state_of
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.zoo import find
from torchbeam.errors import SettingError
from torchbeam.look.baselines import BASELINES, baseline
from torchbeam.look.occlusion import SCORES, grid, nested, occluded, occlusion, sweep, way_of
from torchbeam.look.ranks import spearman
from torchbeam.look.subject import Subject, subject_of
from torchbeam.network.build import build
from torchbeam.network.pretrained import load_weights

PREPARED = Preprocessing(18, 14, 3, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def other_shape(norm: bool = True) -> Subject:
    """Not square, and no patch or stride divides it."""
    chance = np.random.default_rng(0)
    return subject_of(small(norm), chance.integers(0, 256, (14, 18, 3), dtype=np.uint8), preprocessing=PREPARED)


def one_at_a_time(subject: Subject, patch: int, tops, lefts, hidden_1CHW) -> np.ndarray:
    subject.network.eval()
    rows = []
    with torch.no_grad():
        for top in tops:
            for left in lefts:
                x_1CHW = subject.x_1CHW.clone()
                over = (..., slice(top, top + patch), slice(left, left + patch))
                x_1CHW[over] = hidden_1CHW[over]
                rows.append(subject.network(x_1CHW)[0].numpy())
    return np.array(rows).reshape(len(tops), len(lefts), -1)


@pytest.mark.parametrize("kind", BASELINES)
@pytest.mark.parametrize(("patch", "stride"), [(5, 3), (4, 4), (14, 1)])
def test_scores_are_those_of_one_patch_at_a_time(kind, patch, stride):
    subject = other_shape()
    made = occluded(subject, patch, stride, kind, batch_size=7, seed=5)
    expected = one_at_a_time(subject, patch, made.grid.tops, made.grid.lefts, baseline(subject, kind, 5))
    assert made.scores_RCK.dtype == np.float32
    np.testing.assert_allclose(made.scores_RCK, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(made.before_K, subject.scores().numpy(), atol=1e-5)


@pytest.mark.parametrize(("patch", "stride"), [(5, 3), (4, 4), (3, 2), (14, 9), (1, 1)])
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_pixels_are_those_of_captum(patch, stride, score):
    subject = other_shape()
    network = subject.network.eval()
    forward = network if score == "logit" else lambda x_NCHW: network(x_NCHW).softmax(1)
    made = occluded(subject, patch, stride)
    for label in (0, 2):
        with torch.no_grad():
            expected = Occlusion(forward).attribute(
                subject.x_1CHW, (3, patch, patch), strides=(3, stride, stride), target=label
            )
        for channel in expected[0].numpy():  # one patch through all channels
            np.testing.assert_allclose(made.pixels(label, score), channel, atol=2e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_the_grid_has_every_position_once_and_no_patch_beyond_the_picture(height, width, patch, stride):
    if patch > min(height, width):
        with pytest.raises(SettingError, match=f"a patch of {patch} pixels is larger than the picture"):
            grid((height, width), patch, stride)
        return
    places = grid((height, width), patch, stride)
    for starts, side in ((places.tops, height), (places.lefts, width)):
        if stride <= patch:
            assert len(starts) == -(-(side - patch) // stride) + 1  # as Captum counts
            assert starts[-1] + patch >= side
        assert starts == tuple(range(0, starts[-1] + 1, stride)) and starts[-1] < side
    spots = [spot for level in places.levels() for spot in level]
    assert len(spots) == len(set(spots)) == places.count
    assert set(spots) == {(r, c) for r in range(len(places.tops)) for c in range(len(places.lefts))}


def test_the_grid_of_a_photo():
    places = grid((224, 224), 16, 8)
    assert (len(places.tops), places.count) == (27, 729)
    assert [len(places.every(step).tops) for step in (4, 2)] == [7, 14]
    assert [len(level) for level in places.levels()] == [1, 3, 12, 33, 147, 533]  # 49, 196 and 729 in all


class Counting(nn.Module):
    """A network that counts how many pictures it was asked about, its copies too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small()
        self.register_buffer("asked", torch.zeros((), dtype=torch.long))  # a copy for answering shares it

    def forward(self, x_NCHW):
        self.asked += len(x_NCHW)
        return self.inner(x_NCHW)


def test_maps_come_from_coarse_to_fine_and_the_last_is_that_of_the_finest_grid():
    x_NCHW, _, _ = squares(1, 0)
    subject = subject_of(small(), x_NCHW)
    maps = list(nested(subject, (8, 4, 2, 1), patch=4, batch_size=16))
    assert [made.stride for made in maps] == [8, 4, 2, 1]
    assert [made.map(0).shape for made in maps] == [(2, 2), (4, 4), (7, 7), (13, 13)]
    once = occluded(subject, 4, 1, batch_size=16)
    assert np.array_equal(maps[-1].scores_RCK, once.scores_RCK) and np.array_equal(maps[-1].before_K, once.before_K)
    for made, step in zip(maps, (8, 4, 2, 1), strict=True):  # what was known stays, over the whole picture
        assert np.array_equal(made.scores_RCK, once.scores_RCK[::step, ::step])
        assert np.isfinite(made.pixels(1)).all() and made.pixels(1).shape == (16, 16)


def test_a_position_that_is_done_is_never_computed_again():
    x_NCHW, _, _ = squares(1, 0)
    network = Counting()
    subject = subject_of(network, x_NCHW)
    network.asked.zero_()
    seen = []
    for made in nested(subject, (4, 2, 1), patch=4, batch_size=5):
        seen.append((made.grid.count, int(network.asked)))
    # The picture as it is, and each position of the grids so far: (13 + 3) / 4 = 4 a side, 7 and 13.
    assert seen == [(16, 17), (49, 50), (169, 170)]


def test_a_sweep_tells_as_it_goes():
    subject = other_shape()
    parts = sweep(subject, 4, 4, batch_size=4)
    first = next(parts)
    assert first.spots[:2] == (None, (0, 0)) and first.scores_NK.shape == (2, 3)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert subject.network.training  # between two batches all is as it was
    rest = list(parts)
    assert sum(len(part.spots) for part in rest) == 4 * 5 - 1  # ceil(10 / 4) + 1 rows, ceil(14 / 4) + 1 columns
    assert max(len(part.spots) for part in rest) <= 4


@pytest.mark.parametrize("sizes", [(), (8, 3), (12, 4), (4, 8), (8, 8), (8, 0)])
def test_sizes_that_do_not_fit_into_one_another_are_refused(sizes):
    with pytest.raises(SettingError, match="the sizes of nested grids do not fit into one another"):
        next(nested(other_shape(), sizes, patch=4))


def test_what_is_lost_by_hand():
    made = occluded(other_shape(), 7, 7)
    scores_PK, before_K = made.scores_RCK.reshape(-1, 3).astype(float), made.before_K.astype(float)
    for label in range(3):
        logit = before_K[label] - scores_PK[:, label]
        np.testing.assert_allclose(made.map(label, "logit").ravel(), logit, atol=1e-6)
        softmax = torch.from_numpy(np.vstack([before_K, scores_PK])).softmax(1)[:, label].numpy()
        np.testing.assert_allclose(made.map(label).ravel(), softmax[0] - softmax[1:], atol=1e-6)
        assert made.probability(label) == pytest.approx(softmax[0], abs=1e-6)
        places = [sorted(row, reverse=True).index(row[label]) for row in np.vstack([before_K, scores_PK]).tolist()]
        assert made.map(label, "rank").ravel().tolist() == [place - places[0] for place in places[1:]]


def test_pixels_between_patches_take_the_nearest():
    made = occluded(other_shape(), 2, 6)
    map_RC, pixels_HW = made.map(0, "logit"), made.pixels(0, "logit")
    assert made.grid.tops == (0, 6, 12) and made.grid.lefts == (0, 6, 12)  # 2 px hidden, 4 px bare
    expected = np.repeat([0, 1, 2], [4, 6, 8])  # pixels 2 and 3 are nearer to the first, 4 and 5 to the second
    assert np.array_equal(pixels_HW, map_RC[expected[:14]][:, expected])


def test_a_square_is_found_where_it_is():
    subject, label, (top, left) = square_subject(learnt())
    made = occluded(subject, 4, 1)
    assert made.probability(label) > 0.9
    row, column = np.unravel_index(made.map(label).argmax(), made.map(label).shape)
    assert abs(row - top) <= 1 and abs(column - left) <= 1


def test_neither_network_nor_picture_is_changed():
    network = small()
    network[1].train()
    network[3].weight.grad = torch.ones_like(network[3].weight)
    x_NCHW, _, _ = squares(1, 0)
    before, picture = state_of(network), x_NCHW.clone()
    for precision in ("fp32", "bf16", "auto"):
        occlusion(network, x_NCHW, patch=4, stride=1, precision=precision)
    assert same_state(before, state_of(network)) and torch.equal(x_NCHW, picture)


def test_half_precision_and_its_choice():
    subject, label, _ = square_subject(learnt())
    exact = occluded(subject, 4, 1)
    near = occluded(subject, 4, 1, way=way_of(subject, label, "bf16"))
    assert not np.array_equal(exact.scores_RCK, near.scores_RCK)
    assert spearman(exact.map(label), near.map(label)) > 0.9
    assert way_of(subject, label, "auto", 4, 4).precision == "fp32"  # too few positions to measure on
    assert way_of(subject, label, "auto", 4, 1).precision in ("fp32", "bf16")
    with pytest.raises(SettingError, match="no precision fp8"):
        way_of(subject, label, "fp8")


def test_the_look_tells_what_was_done(tmp_path):
    subject, label, _ = square_subject(learnt())
    name = subject.classes[label]
    look = occlusion(
        subject.network, subject.x_1CHW, name, patch=4, stride=2, precision="fp32", classes=subject.classes
    )
    made = occluded(subject, 4, 2)
    assert look.kind == "occlusion" and look.facts["class"] == name and look.facts["positions"] == 49
    for words in (f"{name}: probability", "patch 4 px every 2 px, 7 x 7 positions", "hidden by grey", "fp32"):
        assert words in look.caption
    assert "sees 5 x 5 px" in look.caption  # 3 + 2: two 3x3 convolutions, the second's stride counts behind it
    assert subject.of in look.caption and look.caption.endswith(subject.of)
    assert np.array_equal(look.arrays["map"].values, made.map(label))
    assert np.array_equal(look.arrays["relevance"].values, made.pixels(label))
    assert look.arrays["scores"].axes == ("row", "column", "class")
    assert look.arrays["map"].unit == SCORES["probability"] == "probability lost"
    assert look.arrays["tops"].values.tolist() == [0, 2, 4, 6, 8, 10, 12]
    paths = look.save(tmp_path)
    assert [path.name for path in paths] == ["occlusion.png", "occlusion.npz"]
    panels = [axes for axes in look.drawn().axes if axes.get_title()]
    assert [axes.get_title() for axes in panels][1:] == ["hidden 4 x 4 at a time", f"{name}: probability lost"]
    assert panels[2].images[0].get_extent() == [0.5, 14.5, 14.5, 0.5]  # cells of 2 around the middles of patches


def test_mistakes_are_told():
    subject = other_shape()
    made = occluded(subject, 7, 7)
    with pytest.raises(SettingError, match="no score 'logits' to map") as told:
        made.map(0, "logits")
    assert "logit?" in told.value.remedy
    with pytest.raises(SettingError, match="no class of number 3"):
        made.map(3)
    with pytest.raises(SettingError, match="a patch of 16 pixels is larger than the picture") as told:
        occluded(subject)
    assert "patch=1, stride=1" in told.value.remedy and "at most 14, of a picture 18x14" in told.value.expected
    with pytest.raises(SettingError, match="a patch of 4 pixels every 0 is none"):
        next(sweep(subject, 4, 0))
    with pytest.raises(SettingError, match="no baseline 'black'"):
        next(sweep(subject, 4, 4, "black"))
    with pytest.raises(SettingError, match="no class 'tabby'"):
        occlusion(subject.network, subject.x_1CHW, "tabby", patch=4)


@pytest.mark.shared
def test_a_photo_is_seen_by_a_published_network():
    weights = shared("weights", "squeezenet1_1_deepscale_fp16.pth")
    photo = shared("data", "imagenet-samples", "n02391049_zebra.JPEG")
    known = find("squeezenet-1.1")
    assert known is not None
    network = build(parse(known.text))
    load_weights(network, known.name, weights)
    prepared = Preprocessing(224, 224, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short=256)
    subject = subject_of(network, photo, preprocessing=prepared)
    made = occluded(subject, 56, 28)
    assert made.grid.count == 49 and subject.label(None) == 340  # ImageNet's zebra
    scores = one_at_a_time(subject, 56, made.grid.tops[2:4], made.grid.lefts[2:4], torch.zeros_like(subject.x_1CHW))
    np.testing.assert_allclose(made.scores_RCK[2:4, 2:4], scores, rtol=0, atol=1e-5 * np.abs(scores).max())
    assert made.map(340).max() > 0
