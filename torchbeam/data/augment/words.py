"""The words of augmentation: text <-> Augmentation. Nothing here needs torch, so a text is refused at once.

`flip, crop 4, rotate 10, color 0.2` names what may happen to a picture each time it is learnt from, words between
commas in any order. They act in the order of Augmentation's fields, so the same augmentation has one text.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from torchbeam.design.arguments import nearest, short
from torchbeam.errors import SettingError

# The text of an augmentation that does nothing.
NONE = "none"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What may happen to a picture each time it is learnt from; every draw is a function of (seed, epoch, sample).

    Where it comes to lie, in this order:
      resizedcrop: a part of that share of the area (low, high), 3:4 to 4:3 in shape, comes to fill the picture
      (Szegedy et al. 2014). flip, vflip: mirrored left to right, top to bottom, one time in two. altflip: mirrored
      left to right in every second epoch, half of the pictures in the even ones, so that two epochs show each both
      ways (Jordan 2024, arXiv 2404.00498). crop: moved by up to that many whole pixels, what comes in is the picture
      mirrored at its edge (He et al. 2015, with zeros).
      shift: moved by up to that share of each side. rotate: turned by up to that many degrees.
      scale: 0.1 is 1/1.1 to 1.1 times the size. Shift, rotate and scale repeat the edge, with crop they mirror it.
    Its colours: color: brightness, contrast and saturation each times 1 - color to 1 + color. hue: turned by up to
    that share of the colour circle. grayscale: how likely colour is taken away.
    After normalisation: cutout: a square of that many pixels becomes the mean (DeVries & Taylor 2017).
    mixup: laid over the next picture of the batch, its share drawn from Beta(mixup, mixup) (Zhang et al. 2017).
    cutmix: a rectangle of the next picture is pasted in (Yun et al. 2019). With both, each sample gets one of them.

    Raises SettingError where a number is beyond reason, and where flip and altflip are both said.
    """

    resizedcrop: tuple[float, float] | None = None
    flip: bool = False
    altflip: bool = False
    vflip: bool = False
    crop: int = 0
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    color: float = 0.0
    hue: float = 0.0
    grayscale: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, word in WORDS.items():
            value = getattr(self, name)
            if not word.takes(value):
                raise _refused(name, str(value))
        if self.flip and self.altflip:
            raise SettingError(
                "the augmentation mirrors left to right in two ways",
                got="flip and altflip",
                remedy="say one: flip is drawn anew each epoch, altflip takes turns",
            )

    def __str__(self) -> str:
        """The text that parse_augment reads back: 'flip, crop 4', or 'none'."""
        said = [f"{name} {_written(value)}".rstrip() for name in WORDS if (value := getattr(self, name))]
        return ", ".join(said) or NONE

    @property
    def mixes(self) -> bool:
        """Whether pictures are mixed with others, so that a picture has two labels."""
        return bool(self.mixup or self.cutmix)


def parse_augment(text: str) -> Augmentation:
    """The augmentation a text names; 'none' is nothing. Raises SettingError."""
    if text.strip().lower() == NONE:
        return Augmentation()
    told: dict[str, Any] = {}
    for piece in text.split(","):
        name, *rest = piece.lower().split() or [""]
        if name not in WORDS:
            raise _unknown(name, text)
        if name in told:
            raise SettingError(
                f"the augmentation says {name} twice",
                got=short(text),
                remedy="say it once, with the wider limit",
            )
        told[name] = _read(name, rest)
    return Augmentation(**told)


@dataclass(frozen=True, slots=True)
class Word:
    """What may stand behind a word: nothing (bool), a whole number (int), a number (float) or low:high (tuple).

    expected: in words. example: as typed. high: the most; with `below` the number must be less.
    """

    kind: type[bool] | type[int] | type[float] | type[tuple]
    example: str
    expected: str
    high: float = 1.0
    below: bool = False

    def takes(self, value: Any) -> bool:
        """Whether a field may have that value; 0, False and None are 'not at all'."""
        if self.kind is bool:
            return isinstance(value, bool)
        if self.kind is tuple:
            return value is None or (isinstance(value, tuple) and len(value) == 2 and 0 < value[0] <= value[1] <= 1)
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            return False
        return 0 <= value < self.high or (value == self.high and not self.below)


# Every word, in the order in which they act.
WORDS = {
    "resizedcrop": Word(
        tuple, "resizedcrop 0.08:1", "the least and the largest share of the area, above 0 and at most 1"
    ),
    "flip": Word(bool, "flip", "no number: one picture in two is mirrored"),
    "altflip": Word(bool, "altflip", "no number: each picture is mirrored every second epoch"),
    "vflip": Word(bool, "vflip", "no number: one picture in two is mirrored"),
    "crop": Word(int, "crop 4", "a whole number of pixels from 0 to 1,000", 1000),
    "shift": Word(float, "shift 0.1", "a share of the side, from 0 to below 1", below=True),
    "rotate": Word(float, "rotate 10", "degrees from 0 to 180", 180),
    "scale": Word(float, "scale 0.1", "a number from 0 to below 10; 0.1 is 1/1.1 to 1.1 times the size", 10, True),
    "color": Word(float, "color 0.2", "a number from 0 to 1; 0.2 is 0.8 to 1.2 times the brightness"),
    "hue": Word(float, "hue 0.05", "a share of the colour circle, from 0 to 0.5", 0.5),
    "grayscale": Word(float, "grayscale 0.1", "a probability from 0 to 1"),
    "cutout": Word(int, "cutout 8", "a whole number of pixels from 0 to 10,000", 10_000),
    "mixup": Word(float, "mixup 0.2", "the Beta distribution's parameter, from 0 to 100", 100),
    "cutmix": Word(float, "cutmix 1", "the Beta distribution's parameter, from 0 to 100", 100),
}
_NUMBER = re.compile(r"(\d{1,20}(\.\d{0,20})?|\.\d{1,20})(e[+-]?\d{1,3})?", re.ASCII)


def _read(name: str, pieces: list[str]) -> Any:
    """The value behind a word."""
    kind, said = WORDS[name].kind, " ".join(pieces)
    if kind is bool:
        if pieces:
            raise _refused(name, said)
        return True
    parts = pieces[0].split(":") if len(pieces) == 1 else []
    if len(parts) != (2 if kind is tuple else 1) or not all(_NUMBER.fullmatch(part) for part in parts):
        raise _refused(name, said)
    if kind is int and not parts[0].isdecimal():
        raise _refused(name, said)
    value = tuple(map(float, parts)) if kind is tuple else kind(parts[0])
    if not WORDS[name].takes(value):
        raise _refused(name, said)
    return value


def _written(value: Any) -> str:
    """A value as short as it can be read back: 4, 0.1, 0.08:1; nothing for True."""
    if isinstance(value, tuple):
        return ":".join(_written(part) for part in value)
    if value is True:
        return ""
    return f"{value:g}" if math.isclose(float(f"{value:g}"), value, rel_tol=0) else repr(value)


def _refused(name: str, said: str) -> SettingError:
    example = WORDS[name].example
    return SettingError(
        f"the augmentation {name} cannot be {short(said)}" if said else f"the augmentation {name} lacks its number",
        expected=WORDS[name].expected,
        remedy=f"for example {example}; words stand between commas",
    )


def _unknown(name: str, text: str) -> SettingError:
    if not name:
        return SettingError(
            "the augmentation has a comma with no word beside it" if text.strip() else "the augmentation is empty",
            expected=f"words between commas, such as flip, crop 4; or {NONE}",
            got=short(text) or "no text",
        )
    return SettingError(
        f"the augmentation has no word {short(name)}",
        expected=f"{', '.join(WORDS)}; or {NONE} alone",
        remedy=nearest(name, list(WORDS)) or "for example --augment 'flip, crop 4'",
    )
