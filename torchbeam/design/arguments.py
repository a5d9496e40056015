"""How a word's arguments are read from pieces of text, and written back.

A piece is what stands between blanks: a name, a number ('96', '1e-5') or a size ('3x3', '0:1', '32x32x3').
"""

import difflib
import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    MAX_NUMBER,
    WORDS,
    Activation,
    Argument,
    Input,
    Word,
    arguments,
    spelling,
)
from torchbeam.errors import DesignError

VOCABULARY = ("INPUT", *WORDS, *ACTIVATIONS, "AUX")

EXPECTED = {
    "count": "a whole number",
    "size": "a size as in 3x3 (width x height)",
    "pads": "a pad as in 2, 3x1 (across x down) or 0:1 (near:far)",
    "number": "a number, as in 0.5",
    "yes or no": "yes or no",
    "choice": "one of its choices",
    "volume": "width x height x depth, as in 32x32x3",
}


class ArgumentError(DesignError):
    """A word cannot be read: `piece` is the index of the piece that is wrong, -1 for the word as a whole."""

    def __init__(self, what: str, piece: int, *, expected: str = "", remedy: str = "") -> None:
        self.piece = piece
        super().__init__(what, expected=expected, remedy=remedy)


def read_word(word: str, pieces: Sequence[str]) -> Word | Input:
    """The word of that spelling (in capitals) with its arguments. Raises ArgumentError.

    >>> read_word("CONV", ["10", "5x5", "pad", "2"]).kernel_size
    (5, 5)
    """
    reader = _Reader(word, pieces)
    fields = reader.fields()
    kind: Any = Input if word == "INPUT" else WORDS.get(word, Activation)
    if kind is Activation:
        fields["kind"] = word
    try:
        return kind(**fields)
    except DesignError as error:
        raise ArgumentError(error.what, -1, expected=error.expected, remedy=error.remedy) from None


def write_word(word: Word | Input) -> str:
    """The text of one word: 'CONV 96 11x11 stride 4 pad 0'."""
    parts = [spelling(word)]
    for argument in arguments(word):
        value = getattr(word, argument.field)
        if value is None or value == type(word).__dataclass_fields__[argument.field].default:
            continue
        if argument.keyword:
            parts.append(argument.keyword)
        parts.append(_write_value(argument, value))
    return " ".join(parts)


def plain(piece: str) -> str:
    """The one spelling of a piece: small letters, and 'x' for the multiplication sign."""
    return piece.lower().replace("×", "x")


def whole(piece: str, noun: str) -> int:
    """A whole number of at most MAX_NUMBER. Raises DesignError."""
    if not piece.isascii() or not piece.isdigit():
        raise DesignError(f"{noun} cannot be {short(piece)}", expected="a whole number")
    return _integer(piece)


# Names that a misspelt one is compared with; more would take longer than the answer is worth.
MOST_COMPARED = 400


def nearest(word: str, known: Sequence[str]) -> str:
    """'did you mean CONV?', or nothing where no known word is near."""
    close = difflib.get_close_matches(word[:40], known[:MOST_COMPARED], n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""


def short(piece: str) -> str:
    """A piece as an error shows it."""
    return str(piece) if len(piece) <= 40 else f"{piece[:40]}..."


def listed(names: Sequence[str]) -> str:
    """The names with commas between, the middle ones left out where they are many."""
    return ", ".join(names) if len(names) <= 24 else ", ".join((*names[:16], "...", *names[-4:]))


@cache
def names_of(word: str) -> frozenset[str]:
    """The keywords and choices that may stand behind a word."""
    return frozenset(n for a in takes(word) for n in (a.keyword, *a.choices) if n) | {"yes", "no"}


@cache
def takes(word: str) -> tuple[Argument, ...]:
    """The arguments of the word of that spelling."""
    if word == "INPUT":
        return Input.ARGUMENTS
    return arguments(Activation(word)) if word in ACTIVATIONS else WORDS[word].ARGUMENTS


# Names that a definition or parameter cannot have: what stands behind these words would have two meanings.
# Behind other words their own names go first: in `LRN 5 k k` the first k is LRN's.
RESERVED = frozenset(name for word in ("INPUT", "CONV", "POOL", "FC", "UP") for name in names_of(word))


class _Reader:
    """Reads the pieces behind one word."""

    def __init__(self, word: str, pieces: Sequence[str]) -> None:
        self.word = word
        self.pieces = pieces
        self.takes = takes(word)
        self.keywords = {argument.keyword: argument for argument in self.takes if argument.keyword}

    def error(self, what: str, at: int, *, expected: str = "", remedy: str = "") -> ArgumentError:
        return ArgumentError(what, at, expected=expected, remedy=remedy)

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at = 0
        while at < len(self.pieces):
            piece = self.pieces[at]
            argument, value_at = self.keywords.get(piece.lower()), at + 1
            if argument is None:
                argument, value_at = self.positional(at), at
            elif value_at == len(self.pieces):
                raise self.error(f"{piece} of {self.word} has no value", at, expected=EXPECTED[argument.kind])
            if argument.field in found:
                raise self.error(f"{self.word} is told its {argument.noun} twice", at)
            try:
                found[argument.field] = _value(argument, self.pieces[value_at])
            except DesignError as error:
                raise self.error(error.what, value_at, expected=error.expected, remedy=error.remedy) from None
            at = value_at + 1
        return found

    def positional(self, at: int) -> Argument:
        """The argument a bare piece stands for, told by its form: a number, a size or a name."""
        piece = self.pieces[at]
        form = _form(piece)
        for argument in self.takes:
            if argument.keyword:
                continue
            if form == "name" and piece.lower() in argument.choices:
                return argument
            if form == "size" and argument.kind in ("size", "volume"):
                return argument
            if form == "number" and argument.kind in ("count", "number"):
                return argument
        understood = [a.keyword or "|".join(a.choices) or EXPECTED[a.kind] for a in self.takes]
        raise self.error(
            f"{self.word} does not understand {short(piece)}",
            at,
            expected=", ".join(understood) or f"nothing behind {self.word}",
            remedy=nearest(piece.lower(), sorted(names_of(self.word))) if form == "name" and self.takes else "",
        )


def _form(piece: str) -> str:
    if piece[:1].isalpha() or piece[:1] == "_":
        return "name"
    return "size" if re.search("[xX×:]", piece) else "number"


def _value(argument: Argument, piece: str) -> Any:
    match argument.kind:
        case "count":
            return whole(piece, argument.noun)
        case "size":
            width, height = _pair(piece)
            return (height, width)
        case "pads":
            (left, right), (top, bottom) = _pads(piece)
            return ((top, bottom), (left, right))
        case "volume":
            return _volume(piece)
        case "number":
            return real(piece)
        case "yes or no":
            if piece.lower() not in ("yes", "no"):
                raise DesignError(f"{argument.noun} cannot be {short(piece)}", expected="yes or no")
            return piece.lower() == "yes"
        case "choice":
            if piece.lower() not in argument.choices:
                raise DesignError(
                    f"{argument.noun} cannot be {short(piece)}",
                    expected=" or ".join(argument.choices),
                    remedy=nearest(piece.lower(), argument.choices),
                )
            return piece.lower()


def real(piece: str) -> float:
    """A finite number. Raises DesignError."""
    try:
        number = float(piece)
    except ValueError:
        number = math.nan
    if _form(piece) != "number" or not math.isfinite(number):
        raise DesignError(f"{short(piece)} is not a number here", expected="a number, as in 0.5")
    return number


def _integer(digits: str) -> int:
    if len(digits) > 10 or int(digits) > MAX_NUMBER:
        raise DesignError(f"{digits[:12]} is too large", expected=f"at most {MAX_NUMBER:,}")
    return int(digits)


def _pair(piece: str) -> tuple[int, int]:
    """A size of two numbers, or one number for both."""
    parts = plain(piece).split("x")
    if not 1 <= len(parts) <= 2 or not all(part.isdecimal() for part in parts):
        raise DesignError(f"{short(piece)} is not a size here", expected=EXPECTED["size"])
    return _integer(parts[0]), _integer(parts[-1])


def _pads(piece: str) -> list[tuple[int, int]]:
    """[(left, right), (top, bottom)] from '2', '0:1', '3x1' or '0:1x2'."""
    parts = plain(piece).split("x") if _form(piece) != "name" else []
    if not 1 <= len(parts) <= 2 or not all(part.replace(":", "").isdecimal() for part in parts):
        raise DesignError(f"a pad cannot be {short(piece)}", expected=EXPECTED["pads"])
    sides = [tuple(_integer(side) for side in part.split(":")) for part in parts]
    pairs = [(side[0], side[-1]) for side in sides]
    return pairs * 2 if len(pairs) == 1 else pairs


def _volume(piece: str) -> Volume:
    parts = plain(piece).split("x")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise DesignError(f"{short(piece)} is not a volume", expected="width x height x depth, as in 32x32x3")
    width, height, channels = (_integer(part) for part in parts)
    return Volume(channels, height, width)


def _write_value(argument: Argument, value: Any) -> str:
    match argument.kind:
        case "yes or no":
            return "yes" if value else "no"
        case "number":
            return repr(value)
        case "size":
            height, width = value
            square = argument.keyword not in ("", "to") and height == width
            return str(width) if square else f"{width}x{height}"
        case "pads":
            down, across = (str(n) if n == f else f"{n}:{f}" for n, f in value)
            return across if across == down else f"{across}x{down}"
        case _:
            return str(value)
