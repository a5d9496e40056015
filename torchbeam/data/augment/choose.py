"""Which augmentation pictures get where nobody names one, and why."""

import re
from collections.abc import Sequence

from torchbeam.data.augment.words import Augmentation
from torchbeam.design.arguments import listed, nearest
from torchbeam.errors import SettingError

TASKS = ("classify", "localise", "detect", "segment")
# Pictures of at most this side are taken to be drawn to size: cropping a part would leave little of them.
SMALL = 48
# Words in a class's name that a mirrored picture no longer shows.
SIDED = {"left", "right", "clockwise", "counterclockwise", "anticlockwise", "east", "west", "mirrored"}
DIGITS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}


def default_for(
    classes: Sequence[str], grey: bool, size: tuple[int, int], task: str = "classify"
) -> tuple[Augmentation, str]:
    """The augmentation for pictures of these classes, and the reason in words.

    grey: no picture has colour. size: (width, height) the network takes. task: 'classify', 'localise', 'detect' or
    'segment'. Raises SettingError for another task.
    """
    if task not in TASKS:
        raise SettingError(f"no task {task}", expected=listed(TASKS), remedy=nearest(task, TASKS))
    sided = _sided(classes)
    flip = sided is None
    small = max(size) <= SMALL
    if small and grey:
        why = "small grey pictures are mostly signs, which a mirror changes: moved, turned and scaled a little"
        return Augmentation(shift=0.1, rotate=10.0, scale=0.1), why
    mirror = "mirrored and " if flip else ""
    but = "" if flip else f"; not mirrored, for it would change what {sided} means"
    if task == "classify" and small:
        pad = max(1, min(size) // 8)
        return Augmentation(flip=flip, crop=pad), f"small colour pictures: {mirror}moved by up to {pad} pixels{but}"
    if task == "classify":
        why = f"photos: {mirror}cut to a part of 35 % or more, with mild changes of light{but}"
        return Augmentation(resizedcrop=(0.35, 1.0), flip=flip, color=0.2), why
    if task == "segment":
        why = f"masks move with their pictures: {mirror}moved, turned and scaled, with mild changes of light{but}"
        return Augmentation(flip=flip, shift=0.1, rotate=10.0, scale=0.2, color=0.2), why
    why = f"boxes stay tight: {mirror}moved and scaled but not turned, with mild changes of light{but}"
    return Augmentation(flip=flip, shift=0.1, scale=0.2, color=0.2), why


def _sided(classes: Sequence[str]) -> str | None:
    """The first class whose pictures mirrored would be another's or none's: a digit, a letter, left or right."""
    for name in classes:
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)
        plain = name.strip().lower()
        if plain in DIGITS or len(plain) == 1 or plain.isdecimal() or SIDED & {word.lower() for word in words}:
            return name
    return None
