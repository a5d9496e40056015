"""Points into a text: the line with a caret under the place, and the errors that show it."""

import re

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from torchbeam.design.arguments import short
from torchbeam.errors import NotationError

_READABLE = {
    "NAME": "a word",
    "NUMBER": "a number",
    "SIZE": "a size",
    "_ARROW": "->",
    "_WHERE": "where",
    "COLON": ":",
    "LSQB": "[",
    "RSQB": "]",
    "LPAR": "(",
    "RPAR": ")",
    "VBAR": "|",
    "PLUS": "+",
    "EQUAL": "=",
    "SEMICOLON": ";",
    "STAR": "*",
    "$END": "the end",
}


_LONG = re.compile(r"\w{41,}")


def caret(text: str, line: int, column: int, width: int) -> str:
    """The line with carets under the place, cut to a window of 76 characters around it."""
    lines = text.split("\n")
    row = "".join(letter if letter.isprintable() else " " for letter in lines[min(line, len(lines)) - 1])
    start = max(0, column - 40)
    shown = row[start : start + 76]
    carets = "^" * max(1, min(width, 76 - (column - 1 - start)))
    return shown + "\n" + " " * (column - 1 - start) + carets


def error_at(text: str, at: Token, what: str, *, expected: str = "", got: str = "", remedy: str = "") -> NotationError:
    """The error with a caret under the token."""
    line, column = at.line or 1, at.column or 1
    shown = caret(text, line, column, len(at))
    what, expected, got, remedy = (
        _LONG.sub(lambda word: short(word[0]), said) for said in (what, expected, got, remedy)
    )
    return NotationError(what, line=line, column=column, shown=shown, expected=expected, got=got, remedy=remedy)


def syntax_error(text: str, error: UnexpectedInput) -> NotationError:
    """What the parser stumbled over, in the notation's own signs."""
    if isinstance(error, UnexpectedCharacters):
        found, width = repr(text[error.pos_in_stream]), 1
    elif isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found, width = repr(short(error.token)), len(error.token)
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
        shown=caret(text, line, column, width),
        expected=" or ".join(sorted(_READABLE.get(name, name) for name in accepted)),
    )
