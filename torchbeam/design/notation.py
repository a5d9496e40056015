"""parse: text -> Design, and write: Design -> text, so that parse(write(d)) == d.

The grammar is notation.lark. Nothing here knows sizes: a text that parses may still name a network that
does not fit together, which `complete` and `unfold` tell.
"""

import difflib
import math
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from torchbeam.design.volume import Volume
from torchbeam.design.words import (
    ACTIVATIONS,
    MAX_NUMBER,
    WORDS,
    Activation,
    Argument,
    Design,
    Group,
    Input,
    Link,
    Net,
    Word,
    arguments,
    spelling,
)
from torchbeam.errors import DesignError, NotationError

MAX_CHARACTERS = 200_000
MAX_DEPTH = 32
MAX_LAYERS = 10_000
LINE_WIDTH = 100

Node = Any  # lark types the children of its trees no further

VOCABULARY = ("INPUT", *WORDS, *ACTIVATIONS)


def parse(text: str) -> Design:
    """Read a network in the textbooks' notation.

    Case, line breaks, commas and the words 'filters', 'with', 'at', 'of' do not matter; # starts a comment.
    Raises NotationError, with line, column and a caret under the place.

    >>> parse("INPUT 32x32x3 -> CONV 10 5x5 stride 1 pad 2").input.volume
    Volume(channels=3, height=32, width=32)
    """
    if len(text) > MAX_CHARACTERS:
        what, expected = f"a text of {len(text):,} characters is too long", f"at most {MAX_CHARACTERS:,} characters"
        raise NotationError(what, line=1, column=1, shown="", expected=expected)
    if not text.strip():
        expected = "a network, as in 'INPUT -> [CONV -> RELU -> POOL]*2 -> FC'"
        raise NotationError("the text of the network is empty", line=1, column=1, shown="", expected=expected)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    return _Reader(text).design(tree)


def write(design: Design) -> str:
    """The text of a design, in lines of at most about 100 characters.

    >>> write(parse("input 8x8x1 -> [conv 4 3x3, relu -> pool]*2 -> fc 10".replace(", relu", " -> relu")))
    'INPUT 8x8x1 -> [CONV 4 3x3 -> RELU -> POOL]*2 -> FC 10'
    """
    steps = [write_word(design.input), *(_write_link(link) for link in design.net)]
    lines = [steps[0]]
    for step in steps[1:]:
        longer = f"{lines[-1]} -> {step}"
        if len(longer) <= LINE_WIDTH:
            lines[-1] = longer
        else:
            lines.append(f"-> {step}")
    return "\n".join(lines)


def write_word(word: Word | Input) -> str:
    """The text of one word: 'CONV 96 11x11 stride 4 pad 0'."""
    parts = [spelling(word)]
    for argument in arguments(word):
        value = getattr(word, argument.field)
        if value is None or value == _default(word, argument.field):
            continue
        if argument.keyword:
            parts.append(argument.keyword)
        parts.append(_write_value(argument, value))
    return " ".join(parts)


@cache
def _parser() -> Lark:
    grammar = files("torchbeam.design").joinpath("notation.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True)


class _Reader:
    """Turns the parse tree of one text into a Design; holds the text to point into it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def error(self, what: str, at: Token, *, expected: str = "", remedy: str = "") -> NotationError:
        line, column = at.line or 1, at.column or 1
        shown = _caret(self.text, line, column, len(at))
        what, remedy = (said.replace(str(at), _short(at)) for said in (what, remedy))
        return NotationError(what, line=line, column=column, shown=shown, expected=expected, remedy=remedy)

    def design(self, tree: Node) -> Design:
        self.check_depth()
        first, *rest = tree.children[0].children
        name, step = first.children
        start = next(first.scan_values(_is_token))
        if step.data != "word" or step.children[0].upper() != "INPUT":
            remedy = "take INPUT out of the brackets" if start.upper() == "INPUT" else f"write INPUT -> {start} ..."
            raise self.error("a network begins with INPUT", start, remedy=remedy)
        if name is not None:
            raise self.error("INPUT takes no name", start, remedy="write INPUT without a name before it")
        if not rest:
            raise self.error(
                "nothing follows INPUT",
                start,
                expected="at least one layer, as in 'INPUT -> FC'",
            )
        self.count_layers(rest)
        self.check_names(tree.children[0], set())
        return Design(self.word(step), self.net(rest))

    def check_depth(self) -> None:
        """Refuses brackets nested deeper than MAX_DEPTH, before anything walks down them."""
        depth = 0
        for row, line in enumerate(self.text.split("\n"), 1):
            for column, letter in enumerate(line.partition("#")[0], 1):
                depth += (letter == "[") - (letter == "]")
                if depth > MAX_DEPTH:
                    at = Token("LSQB", "[", line=row, column=column)
                    raise self.error(f"brackets nest deeper than {MAX_DEPTH}", at)

    def count_layers(self, links: list[Node]) -> int:
        """How many layers the links unroll to; refuses more than MAX_LAYERS."""
        total = 0
        for link in links:
            step = link.children[1]
            at = next(step.scan_values(_is_token))
            if step.data == "word":
                total += 1
            else:
                body, times = step.children
                at = at if times is None else times
                total += (1 if times is None else self.whole(times, "a repeat")) * self.count_layers(body.children)
            if total > MAX_LAYERS:
                raise self.error(
                    f"the network has more than {MAX_LAYERS:,} layers", at, expected=f"at most {MAX_LAYERS:,}"
                )
        return total

    def check_names(self, net: Node, seen: set[str]) -> None:
        """Refuses a name said twice in one scope; only a named group opens a scope of its own."""
        for link in net.children:
            name, step = link.children
            if name is not None and str(name) in seen:
                raise self.error(f"two layers are named {name}", name, remedy="give each its own name")
            if name is not None:
                seen.add(str(name))
            if step.data == "group":
                self.check_names(step.children[0], seen if name is None else set())

    def net(self, links: list[Any]) -> Net:
        return tuple(self.link(link) for link in links)

    def link(self, link: Node) -> Link:
        name, step = link.children
        label = "" if name is None else str(name)
        if name is not None and label.upper() in VOCABULARY:
            raise self.error(
                f"a layer cannot be named {label}, which is a word of the notation",
                name,
                remedy=f"choose another name, as in '{label.lower()}_1: ...'",
            )
        if step.data == "word":
            word = self.word(step)
            if isinstance(word, Input):
                raise self.error(
                    "INPUT stands only at the beginning",
                    step.children[0],
                    remedy="take the second INPUT out",
                )
            return Link(word, label)
        body, times = step.children
        net = self.net(body.children)
        if times is None:
            return Link(Group(net), label)
        try:
            return Link(Group(net, self.whole(times, "a repeat")), label)
        except DesignError as error:
            raise self.error(error.what, times, expected=error.expected) from None

    def word(self, tree: Node) -> Any:
        name, *given = tree.children
        word = name.upper()
        if word not in VOCABULARY:
            raise self.error(
                f"unknown word {name}",
                name,
                expected="one of " + " ".join(VOCABULARY),
                remedy=_nearest(word, VOCABULARY),
            )
        kind: Any = Input if word == "INPUT" else WORDS.get(word, Activation)
        takes = arguments(Activation(word) if kind is Activation else kind())
        fields = self.fields(word, takes, [part.children[0] for part in given])
        if kind is Activation:
            fields["kind"] = word
        try:
            return kind(**fields)
        except DesignError as error:
            raise self.error(
                error.what,
                name,
                expected=error.expected,
                remedy=error.remedy,
            ) from None

    def fields(self, word: str, takes: tuple[Argument, ...], given: list[Token]) -> dict[str, Any]:
        keywords = {argument.keyword: argument for argument in takes if argument.keyword}
        found: dict[str, Any] = {}
        tokens = iter(given)
        for token in tokens:
            argument = keywords.get(token.lower()) if token.type == "NAME" else None
            if argument is not None:
                value_at = next(tokens, None)
                if value_at is None:
                    raise self.error(f"{token} of {word} has no value", token, expected=_EXPECTED[argument.kind])
            else:
                argument, value_at = self.positional(word, takes, token), token
            if argument.field in found:
                raise self.error(f"{word} is told its {argument.noun} twice", token)
            found[argument.field] = self.value(argument, value_at)
        return found

    def positional(self, word: str, takes: tuple[Argument, ...], token: Token) -> Argument:
        """The argument a bare token stands for, told by its form: a number, a size or a name."""
        for argument in takes:
            if argument.keyword:
                continue
            if token.type == "NAME" and token.lower() in argument.choices:
                return argument
            if token.type == "SIZE" and argument.kind in ("size", "volume"):
                return argument
            if token.type == "NUMBER" and argument.kind in ("count", "number"):
                return argument
        understood = [argument.keyword or "|".join(argument.choices) or _EXPECTED[argument.kind] for argument in takes]
        names = [a.keyword for a in takes if a.keyword] + [c for a in takes for c in a.choices]
        raise self.error(
            f"{word} does not understand {token}",
            token,
            expected=", ".join(understood) or f"nothing behind {word}",
            remedy=_nearest(token.lower(), names) if token.type == "NAME" else "",
        )

    def value(self, argument: Argument, token: Token) -> Any:
        match argument.kind:
            case "count":
                return self.whole(token, argument.noun)
            case "size":
                width, height = self.numbers(token, 2)
                return (height, width)
            case "pads":
                (left, right), (top, bottom) = self.pads(token)
                return ((top, bottom), (left, right))
            case "volume":
                return self.volume(token)
            case "number":
                return self.real(token)
            case "yes or no":
                if token.lower() not in ("yes", "no"):
                    raise self.error(f"{argument.noun} cannot be {token}", token, expected="yes or no")
                return token.lower() == "yes"
            case "choice":
                if token.lower() not in argument.choices:
                    raise self.error(
                        f"{argument.noun} cannot be {token}",
                        token,
                        expected=" or ".join(argument.choices),
                        remedy=_nearest(token.lower(), argument.choices),
                    )
                return token.lower()

    def whole(self, token: Token, what: str) -> int:
        if token.type != "NUMBER" or not token.isdigit():
            raise self.error(f"{what} cannot be {token}", token, expected="a whole number")
        return self.integer(token, token)

    def real(self, token: Token) -> float:
        if token.type != "NUMBER" or not math.isfinite(float(token)):
            raise self.error(f"{token} is not a number here", token, expected="a number, as in 0.5")
        return float(token)

    def integer(self, digits: str, at: Token) -> int:
        if len(digits) > 10 or int(digits) > MAX_NUMBER:
            raise self.error(f"{digits[:12]} is too large", at, expected=f"at most {MAX_NUMBER:,}")
        return int(digits)

    def numbers(self, token: Token, count: int) -> tuple[int, ...]:
        """A size of `count` numbers, or one number for all of them."""
        if token.type == "NUMBER" and token.isdigit():
            return (self.integer(token, token),) * count
        parts = token.lower().replace("×", "x").split("x")
        if token.type != "SIZE" or len(parts) != count or ":" in token:
            raise self.error(f"{token} is not a size here", token, expected=_EXPECTED["size"], remedy="")
        return tuple(self.integer(part, token) for part in parts)

    def pads(self, token: Token) -> list[tuple[int, int]]:
        """[(left, right), (top, bottom)] from '2', '0:1', '3x1' or '0:1x2'."""
        parts = token.lower().replace("×", "x").split("x") if token.type in ("SIZE", "NUMBER") else []
        if not 1 <= len(parts) <= 2 or not all(p.replace(":", "").isdigit() for p in parts):
            raise self.error(f"a pad cannot be {token}", token, expected=_EXPECTED["pads"])
        sides = [tuple(self.integer(side, token) for side in part.split(":")) for part in parts]
        pairs = [(side[0], side[-1]) for side in sides]
        return pairs * 2 if len(pairs) == 1 else pairs

    def volume(self, token: Token) -> Volume:
        parts = token.lower().replace("×", "x").split("x")
        if len(parts) != 3 or ":" in token:
            raise self.error(f"{token} is not a volume", token, expected="width x height x depth, as in 32x32x3")
        width, height, channels = (self.integer(part, token) for part in parts)
        try:
            return Volume(channels, height, width)
        except DesignError as error:
            raise self.error(error.what, token, expected=error.expected) from None


_EXPECTED = {
    "count": "a whole number",
    "size": "a size as in 3x3 (width x height)",
    "pads": "a pad as in 2, 3x1 (across x down) or 0:1 (near:far)",
    "number": "a number, as in 0.5",
    "yes or no": "yes or no",
    "choice": "one of its choices",
    "volume": "width x height x depth, as in 32x32x3",
}

_READABLE = {
    "NAME": "a word",
    "NUMBER": "a number",
    "SIZE": "a size",
    "_ARROW": "->",
    "COLON": ":",
    "LSQB": "[",
    "RSQB": "]",
    "STAR": "*",
    "$END": "the end",
}


def _syntax_error(text: str, error: UnexpectedInput) -> NotationError:
    if isinstance(error, UnexpectedCharacters):
        found, width = repr(text[error.pos_in_stream]), 1
    elif isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found, width = repr(_short(error.token)), len(error.token)
    else:
        found, width = "the end of the text", 1
    accepted: set[str] = getattr(error, "expected", None) or getattr(error, "allowed", None) or set()
    line, column = error.line, error.column
    if found == "the end of the text" or line < 1:
        lines = text.rstrip().split("\n")
        line, column = len(lines), len(lines[-1]) + 1
    return NotationError(
        f"did not expect {found} here",
        line=line,
        column=column,
        shown=_caret(text, line, column, width),
        expected=" or ".join(sorted(_READABLE.get(name, name) for name in accepted)),
    )


def _caret(text: str, line: int, column: int, width: int) -> str:
    """The line with carets under the place, cut to a window of 76 characters around it."""
    lines = text.split("\n")
    row = "".join(letter if letter.isprintable() else " " for letter in lines[min(line, len(lines)) - 1])
    start = max(0, column - 40)
    shown = row[start : start + 76]
    carets = "^" * max(1, min(width, 76 - (column - 1 - start)))
    return shown + "\n" + " " * (column - 1 - start) + carets


def _short(token: str) -> str:
    return str(token) if len(token) <= 40 else f"{token[:40]}..."


def _nearest(word: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""


def _is_token(node: Node) -> bool:
    return isinstance(node, Token)


def _default(word: Word | Input, field: str) -> Any:
    return type(word).__dataclass_fields__[field].default


def _write_link(link: Link) -> str:
    if isinstance(link.step, Group):
        inner = " -> ".join(_write_link(inside) for inside in link.step.net)
        text = f"[{inner}]" + (f"*{link.step.count}" if link.step.count > 1 else "")
    else:
        text = write_word(link.step)
    return f"{link.name}: {text}" if link.name else text


def _write_value(argument: Argument, value: Any) -> str:
    match argument.kind:
        case "yes or no":
            return "yes" if value else "no"
        case "number":
            return repr(value)
        case "size":
            height, width = value
            square = argument.keyword and height == width
            return str(width) if square else f"{width}x{height}"
        case "pads":
            down, across = (str(n) if n == f else f"{n}:{f}" for n, f in value)
            return across if across == down else f"{across}x{down}"
        case _:
            return str(value)
