"""Boxes move with their pictures: judged by drawn rectangles and discs, looked for in the moved masks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as peer

from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.boxes import VISIBLE, moved_boxes
from torchbeam.data.augment.places import maps
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.sources import shapes

STILL = np.eye(3)


def box_of(pixels_HW: np.ndarray) -> list[float]:
    y, x = np.nonzero(pixels_HW)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_boxes_are_mirrored_as_torchvision_mirrors_them():
    boxes = np.array([[1.0, 2.0, 7.5, 9.0], [20.0, 0.0, 40.0, 24.0]])
    mirrored = np.array([[-1.0, 0, 40], [0, 1, 0], [0, 0, 1]])
    theirs = peer.horizontal_flip(
        tv_tensors.BoundingBoxes(torch.from_numpy(boxes), format="XYXY", canvas_size=(24, 40))
    )
    found = moved_boxes(boxes, mirrored, (40, 24))
    assert np.array_equal(found.xyxy_M4, theirs.numpy())
    assert found.kept_M.tolist() == [0, 1]


@given(
    some.lists(some.tuples(*[some.floats(0, 30)] * 2, *[some.floats(1, 20)] * 2), min_size=1, max_size=6),
    some.floats(-60, 60),
    some.floats(0.5, 2),
)
def test_a_box_goes_round_its_turned_corners_as_torchvision_s_does(rows, angle, zoom):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows])
    turn = np.radians(angle)
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    by = np.eye(3)
    by[:2, :2] = linear
    by[:2, 2] = np.array([25, 25]) - linear @ [25, 25]
    told = tv_tensors.BoundingBoxes(torch.from_numpy(boxes), format="XYXY", canvas_size=(50, 50), clamping_mode=None)
    theirs = peer.affine(told, angle=angle, translate=[0, 0], scale=zoom, shear=[0.0, 0.0]).numpy()
    cut = np.clip(theirs, 0, 50)
    sides = cut[:, 2:] - cut[:, :2]
    share = sides.prod(1) / (theirs[:, 2:] - theirs[:, :2]).prod(1)
    found = moved_boxes(boxes, by, (50, 50))
    clear = (np.abs(share - VISIBLE) > 1e-3) & (np.abs(sides - 1) > 1e-3).all(1)
    expected = (share >= VISIBLE) & (sides >= 1).all(1)
    assert [number for number in found.kept_M if clear[number]] == np.flatnonzero(expected & clear).tolist()
    assert np.allclose(found.xyxy_M4, cut[found.kept_M], atol=1e-3)


@pytest.mark.parametrize(
    ("moved", "kept"),
    [(0, [0, 1]), (-6, [0, 1]), (-7.9, [0, 1]), (-8.1, [1]), (-20, [1]), (38, [0])],
)
def test_boxes_of_which_a_fifth_is_left_are_kept(moved, kept):
    # 10 pixels wide at the left edge, and 5 at 15: of a picture 40 wide.
    boxes = np.array([[0.0, 0, 10, 10], [25, 5, 30, 9]])
    by = np.array([[1.0, 0, moved], [0, 1, 0], [0, 0, 1]])
    if moved == -20:
        assert moved_boxes(boxes, by, (40, 24)).xyxy_M4.tolist() == [[5, 5, 10, 9]]
    if moved == 38:  # 2 of 10 are left
        assert moved_boxes(boxes, by, (40, 24)).xyxy_M4.tolist() == [[38, 0, 40, 10]]
    assert moved_boxes(boxes, by, (40, 24)).kept_M.tolist() == kept


def test_no_boxes_stay_no_boxes_and_thin_ones_are_dropped():
    assert moved_boxes(np.zeros((0, 4)), STILL, (9, 9)).xyxy_M4.shape == (0, 4)
    assert moved_boxes(np.array([[1.0, 1, 1.9, 8]]), STILL, (9, 9)).kept_M.tolist() == []
    assert moved_boxes(np.array([[1.0, 1, 2.0, 8]]), STILL, (9, 9)).kept_M.tolist() == [0]


def test_given_boxes_are_not_changed():
    boxes = np.array([[-3.0, 1, 5, 8]])
    assert moved_boxes(boxes, STILL, (9, 9)).xyxy_M4.tolist() == [[0, 1, 5, 8]]
    assert boxes.tolist() == [[-3, 1, 5, 8]]


@pytest.mark.parametrize("text", ["flip, vflip, crop 5", "resizedcrop 0.3:1, flip", "shift 0.2, scale 0.4"])
def test_boxes_of_drawn_rectangles_and_discs_stay_tight_where_nothing_turns(text):
    side, chance = 64, np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] + 0.5
    masks = np.zeros((60, side, side), np.int32)
    for number in range(60):
        left, top, reach = *chance.integers(4, 40, 2), chance.integers(6, 20)
        if number % 2:
            masks[number, top : top + reach, left : left + reach // 2 + 3] = 1
        else:
            masks[number] = np.hypot(x - left - reach, y - top - reach) <= reach
    boxes = [np.array([box_of(mask == 1)], dtype=float) for mask in masks]
    pixels = torch.zeros(60, 1, side, side, dtype=torch.uint8)
    seen = augmented(parse_augment(text), pixels, np.arange(60), 0, 0, (0,), (1,), boxes, torch.from_numpy(masks))
    assert seen.boxes is not None and seen.masks_NHW is not None
    looked_at = 0
    for found, mask in zip(seen.boxes, seen.masks_NHW.numpy(), strict=True):
        if len(found.kept_M) and (mask == 1).any():
            # A pixel is 2 across where 0.3 of the picture fills it; the nearest one is taken.
            assert np.abs(found.xyxy_M4[0] - box_of(mask == 1)).max() <= 1.01
            looked_at += 1
    assert looked_at > 40


def test_boxes_and_masks_of_the_drawn_shapes_agree_after_every_movement():
    source = shapes.read()
    assert source.masks is not None
    chosen = np.arange(24)
    masks = torch.from_numpy(np.stack([source.masks.mask(number) for number in chosen]))
    pixels = torch.from_numpy(np.stack([np.asarray(source.pictures.image(number)) for number in chosen]))
    told = [source.records[number].boxes for number in chosen]
    boxes = [own.xyxy_N4 for own in told if own is not None]
    assert len(boxes) == 24
    text = parse_augment("flip, crop 6, rotate 20, scale 0.2")
    size = (masks.shape[2], masks.shape[1])
    seen = augmented(text, pixels.permute(0, 3, 1, 2), chosen, 0, 1, (0,) * 3, (1,) * 3, boxes, masks)
    assert seen.boxes is not None and seen.masks_NHW is not None
    by = maps(text, size, chosen, 0, 1)
    for number, (found, mask) in enumerate(zip(seen.boxes, seen.masks_NHW.numpy(), strict=True)):
        own = told[number]
        assert own is not None
        for box, kept in zip(found.xyxy_M4, found.kept_M, strict=True):
            # The middle of each box lies in its shape, before and after.
            middle = own.xyxy_N4[kept].reshape(2, 2).mean(0)
            there = by[number, :2, :2] @ middle + by[number, :2, 2]
            if not (0 <= there[0] < size[0] and 0 <= there[1] < size[1]):
                continue
            assert box[0] <= there[0] <= box[2] and box[1] <= there[1] <= box[3]
            before = int(masks[number, int(middle[1]), int(middle[0])])
            assert before == own.labels_N[kept] + 1
            around = mask[max(0, int(there[1]) - 1) : int(there[1]) + 2, max(0, int(there[0]) - 1) : int(there[0]) + 2]
            assert before in around
        # No pixel of a class lies outside all kept boxes, but for what was dropped.
        if len(found.kept_M) == len(own):
            y, x = np.nonzero(mask > 0)
            left, top, right, bottom = found.xyxy_M4.T[:, :, None]
            covered = (left <= x + 1) & (x <= right) & (top <= y + 1) & (y <= bottom)
            assert covered.any(0).all()
