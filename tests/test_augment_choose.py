"""Which augmentation pictures get by themselves, and why."""

import pytest

from torchbeam.data.augment.choose import TASKS, default_for
from torchbeam.data.augment.words import parse_augment
from torchbeam.errors import SettingError

ANIMALS = ("cat", "dog")
DIGITS = tuple("0123456789")


@pytest.mark.parametrize(
    ("classes", "grey", "size", "task", "text"),
    [
        (DIGITS, True, (8, 8), "classify", "shift 0.1, rotate 10, scale 0.1"),
        (DIGITS, True, (28, 28), "classify", "shift 0.1, rotate 10, scale 0.1"),
        (("shirt", "bag"), True, (28, 28), "classify", "shift 0.1, rotate 10, scale 0.1"),
        (ANIMALS, False, (32, 32), "classify", "flip, crop 4"),
        (DIGITS, False, (32, 32), "classify", "crop 4"),
        (ANIMALS, False, (4, 4), "classify", "flip, crop 1"),
        (ANIMALS, False, (64, 64), "classify", "resizedcrop 0.35:1, flip, color 0.2"),
        (ANIMALS, False, (224, 224), "classify", "resizedcrop 0.35:1, flip, color 0.2"),
        (ANIMALS, True, (224, 224), "classify", "resizedcrop 0.35:1, flip, color 0.2"),
        (("left hand", "foot"), False, (224, 224), "classify", "resizedcrop 0.35:1, color 0.2"),
        (ANIMALS, False, (320, 240), "detect", "flip, shift 0.1, scale 0.2, color 0.2"),
        (ANIMALS, False, (320, 240), "localise", "flip, shift 0.1, scale 0.2, color 0.2"),
        (("cell",), True, (256, 256), "segment", "flip, shift 0.1, rotate 10, scale 0.2, color 0.2"),
        (("turn-left",), False, (64, 64), "detect", "shift 0.1, scale 0.2, color 0.2"),
    ],
)
def test_the_default_suits_the_pictures(classes, grey, size, task, text):
    augmentation, why = default_for(classes, grey, size, task)
    assert str(augmentation) == text
    assert parse_augment(text) == augmentation
    assert len(why) > 20


@pytest.mark.parametrize(
    "name",
    [
        "7",
        "12",
        "a",
        "B",
        "Seven",
        "left",
        "turn left ahead",
        "arrowRight",
        "RIGHT_HAND",
        "hand-left",
        "clockwise",
        "é",
    ],
)
def test_what_a_mirror_would_change_is_never_mirrored(name):
    for task in TASKS:
        for size in ((32, 32), (224, 224)):
            augmentation, why = default_for(("cat", name), False, size, task)
            assert not augmentation.flip and not augmentation.vflip
            assert f"would change what {name} means" in why


@pytest.mark.parametrize(
    "name", ["bright", "copyright", "Wright", "cleft", "leftover", "cat", "n01440764", "one-way", "brightness"]
)
def test_names_that_only_look_so_are_mirrored(name):
    assert default_for(("cat", name), False, (64, 64))[0].flip


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(SettingError, match="no task segmnt") as caught:
        default_for(ANIMALS, False, (64, 64), "segmnt")
    assert caught.value.remedy == "did you mean segment?"
    assert caught.value.expected == "classify, localise, detect, segment"
