"""parse: text -> Design, and write: Design -> text, so that parse(write(d)) == d.

The grammar is notation.lark. Nothing here knows sizes: a text that parses may still name a network that
does not fit together, which `complete` and `unfold` tell.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedInput

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.design.arguments import (
    RESERVED,
    VOCABULARY,
    ArgumentError,
    listed,
    names_of,
    nearest,
    plain,
    read_word,
    real,
    whole,
    write_word,
)
from torchbeam.design.expand import ExpansionError, expanded, wrong_number
from torchbeam.design.nets import Aux, Branches, Call, Define, Design, Group, Link, Net, Open, Step
from torchbeam.design.pointing import error_at, syntax_error
from torchbeam.errors import DesignError, NotationError

WORDS_TOLD = tuple(word for word in VOCABULARY if word not in ACTIVATIONS)
MAX_CHARACTERS = 200_000
MAX_DEPTH = 32
MAX_PIECES = 32  # behind one word: the parameters of a definition, the arguments of a step
LINE_WIDTH = 100

Node = Any  # lark types the children of its trees no further


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
        raise syntax_error(text, error) from None
    return _Reader(text).design(tree)


@cache
def _parser() -> Lark:
    grammar = files("torchbeam.design").joinpath("notation.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True)


class _Reader:
    """Turns the parse tree of one text into a Design; holds the text to point into it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.defines: dict[str, Define] = {}  # by name in small letters; bodies are read later
        self.scope: dict[str, str] = {}  # the names that stand for values here, as they were spelt first
        self.places: dict[int, tuple[Step, list[Token]]] = {}  # where a step stands, by its identity

    def error(self, what: str, at: Token, *, expected: str = "", got: str = "", remedy: str = "") -> NotationError:
        return error_at(self.text, at, what, expected=expected, got=got, remedy=remedy)

    def design(self, tree: Node) -> Design:
        self.check_depth()
        net, *defines = tree.children
        first, *rest = net.children
        name, step = first.children
        start = next(first.scan_values(_is_token))
        if step.data != "word" or step.children[0].upper() != "INPUT":
            remedy = "take INPUT out of the brackets" if start.upper() == "INPUT" else f"write INPUT -> {start} ..."
            raise self.error("a network begins with INPUT", start, remedy=remedy)
        if name is not None:
            raise self.error("INPUT takes no name", start, remedy="write INPUT without a name before it")
        if not rest:
            raise self.error("nothing follows INPUT", start, expected="at least one layer, as in 'INPUT -> FC'")
        if step.children[-1] is not None:
            raise self.error("INPUT takes no network in brackets", start, expected="-> before the bracket")
        self.check_names(net, set())
        defines = [define for define in defines if define is not None]
        for define in defines:
            self.declare(define)
        values = {low: d.name for low, d in self.defines.items() if isinstance(d.body, str)}
        where = tuple(self.define(define, values) for define in defines)
        self.scope = values
        word = self.literal("INPUT", step.children[0], [part.children[0] for part in step.children[1:-1]])
        design = Design(word, self.net(rest), where)
        try:
            expanded(design)
        except ExpansionError as error:
            raise self.at_step(error) from None
        return design

    def at_step(self, error: ExpansionError) -> NotationError:
        """The error of an expansion, at the place of its step."""
        _, tokens = self.places[id(error.step)]
        at = tokens[error.piece + 1] if error.piece + 1 < len(tokens) else tokens[0]
        return self.error(error.what, at, expected=error.expected, got=error.got, remedy=error.remedy)

    def check_depth(self) -> None:
        """Refuses brackets nested deeper than MAX_DEPTH, before anything walks down them."""
        depth = 0
        for row, line in enumerate(self.text.split("\n"), 1):
            for column, letter in enumerate(line.partition("#")[0], 1):
                depth += (letter in "[(") - (letter in "])")
                if depth > MAX_DEPTH:
                    at = Token("LSQB", letter, line=row, column=column)
                    raise self.error(f"brackets nest deeper than {MAX_DEPTH}", at)

    def check_names(self, net: Node, seen: set[str]) -> None:
        """Refuses a name said twice in one scope; only a named bracket opens a scope of its own."""
        for link in net.children:
            name, step = link.children
            if name is not None and str(name) in seen:
                raise self.error(f"two layers are named {name}", name, remedy="give each its own name")
            if name is not None:
                seen.add(str(name))
            inside = seen if name is None and step.data != "word" else set()
            for child in step.children:
                if not _is_token(child) and child is not None and child.data == "net":
                    self.check_names(child, inside)

    def declare(self, define: Node) -> None:
        """Notes a definition's name and parameters, so that others may use it before it is read."""
        name, *parameters, body = define.children
        self.check_pieces(name, parameters)
        for at in (name, *parameters):
            if at.upper() in VOCABULARY or at.lower() in RESERVED:
                raise self.error(
                    f"{at} means something in the notation already",
                    at,
                    remedy=f"choose another name, as in my_{at.lower()}",
                )
        if name.lower() in self.defines:
            raise self.error(f"{name} is defined twice", name, remedy="give each its own name")
        lows = [parameter.lower() for parameter in parameters]
        for low, at in zip(lows, parameters, strict=True):
            if lows.count(low) > 1:
                raise self.error(f"two parameters are named {at}", at, remedy="give each its own name")
        is_value = body.data == "value"
        if is_value and parameters:
            raise self.error(f"{name} is a value and takes no parameters", parameters[0])
        said: Any = plain(body.children[0]) if is_value else ()
        self.defines[name.lower()] = Define(str(name), tuple(map(str, parameters)), said)

    def define(self, define: Node, values: dict[str, str]) -> Define:
        known = self.defines[define.children[0].lower()]
        if isinstance(known.body, str):
            return known
        self.scope = values | {parameter.lower(): parameter for parameter in known.parameters}
        body = define.children[-1]
        self.check_names(body, set())
        return Define(known.name, known.parameters, self.net(body.children))

    def net(self, links: list[Node]) -> Net:
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
            return Link(self.word(step), label)
        *nets, times = step.children
        if step.data == "single":
            at = next(step.scan_values(_is_token))
            raise self.error("one branch alone is joined with nothing", at, expected="( a | b ), ( a + b ) or [ a ]")
        inside = tuple(self.net(net.children) for net in nets)
        start = next(step.scan_values(_is_token))
        if step.data == "group":
            return Link(self.group(inside[0], times, start), label)
        branches = Branches(step.data, inside)
        self.places[id(branches)] = (branches, [start])
        return Link(branches if times is None else self.group((Link(branches),), times, start), label)

    def group(self, net: Net, times: Node, start: Token) -> Group:
        at = start if times is None else times.children[0]
        count: int | str = 1
        try:
            if times is not None:
                count = self.scope[at.lower()] if at.lower() in self.scope else whole(at, "a repeat")
            group = Group(net, count)
        except DesignError as error:
            raise self.error(error.what, at, expected=error.expected) from None
        self.places[id(group)] = (group, [at])
        return group

    def word(self, tree: Node) -> Step:
        name, *given, net = tree.children
        tokens = [part.children[0] for part in given]
        word = name.upper()
        if net is not None and word != "AUX":
            raise self.error(f"{name} takes no network in brackets", name, expected="-> before the bracket")
        step: Step
        if word == "AUX":
            step = self.aux(name, tokens, net)
        elif word == "INPUT":
            raise self.error("INPUT stands only at the beginning", name, remedy="take the second INPUT out")
        elif word in VOCABULARY:
            own = names_of(word)
            is_open = any(token.lower() in self.scope and token.lower() not in own for token in tokens)
            step = self.open(word, tokens) if is_open else self.literal(word, name, tokens)
        else:
            step = self.call(name, tokens)
        self.places[id(step)] = (step, [name, *tokens])
        return step

    def literal(self, word: str, name: Token, tokens: list[Token]) -> Any:
        try:
            return read_word(word, tokens)
        except ArgumentError as error:
            at = name if error.piece < 0 else tokens[error.piece]
            raise self.error(error.what, at, expected=error.expected, remedy=error.remedy) from None

    def open(self, word: str, tokens: list[Token]) -> Open:
        """A word with names among its arguments; all but those names are checked now, their values when used."""
        self.check_pieces(word, tokens)
        for token in tokens:
            if token.type == "NAME" and token.lower() not in self.scope and token.lower() not in names_of(word):
                known = [*sorted(names_of(word)), *self.scope.values()]
                raise self.error(
                    f"{word} does not understand {token}",
                    token,
                    expected=listed(known),
                    remedy=nearest(token.lower(), known),
                )
        own = names_of(word)
        return Open(word, tuple(plain(t) if t.lower() in own else self.scope.get(t.lower(), plain(t)) for t in tokens))

    def call(self, name: Token, tokens: list[Token]) -> Call:
        define = self.defines.get(name.lower())
        if define is None:
            known = [define.name for define in self.defines.values() if not isinstance(define.body, str)]
            raise self.error(
                f"unknown word {name}",
                name,
                expected="one of " + " ".join((*WORDS_TOLD, *known[:20])) + ", or an activation such as RELU",
                remedy=nearest(name, known) or nearest(name.upper(), VOCABULARY),
            )
        if isinstance(define.body, str):
            raise self.error(f"{name} is a value, not a layer", name, expected="a word, as in FC " + define.name)
        if len(tokens) != len(define.parameters):
            error = wrong_number(define, len(tokens))
            raise self.error(error.what, name, expected=error.expected)
        return Call(define.name, self.pieces(tokens))

    def aux(self, name: Token, tokens: list[Token], net: Node) -> Aux:
        if len(tokens) != 1 or net is None:
            raise self.error("AUX takes a weight and a network in brackets", name, expected="as in AUX 0.3 [FC]")
        inside = self.net(net.children)
        try:
            token = tokens[0]
            return Aux(self.scope[token.lower()] if token.lower() in self.scope else real(token), inside)
        except DesignError as error:
            raise self.error(error.what, tokens[0], expected=error.expected) from None

    def check_pieces(self, name: str, tokens: list[Token]) -> None:
        """Refuses more than MAX_PIECES behind a word, before they are read again wherever a definition is used."""
        if len(tokens) > MAX_PIECES:
            raise self.error(f"too many words behind {name}", tokens[MAX_PIECES], expected=f"at most {MAX_PIECES}")

    def pieces(self, tokens: list[Token]) -> tuple[str, ...]:
        """The arguments in their one spelling; names as they were spelt first."""
        return tuple(self.scope.get(token.lower()) or plain(token) for token in tokens)


def write(design: Design) -> str:
    """The text of a design, in lines of at most about 100 characters, its definitions behind 'where'.

    >>> write(parse("input 8x8x1 -> [conv 4 3x3, relu -> pool]*2 -> fc 10".replace(", relu", " -> relu")))
    'INPUT 8x8x1 -> [CONV 4 3x3 -> RELU -> POOL]*2 -> FC 10'
    """
    text = "\n".join(_fill([write_word(design.input)], design.net))
    if not design.where:
        return text
    return f"{text}\nwhere\n" + ";\n".join(map(_write_define, design.where))


def _fill(lines: list[str], net: Net) -> list[str]:
    """The lines, the links behind them: broken before arrows and, where a link alone is too long for a line, inside
    its brackets."""
    for link in net:
        arrow = "-> " if lines else ""
        step = _write_link(link)
        if lines and len(lines[-1]) + len(step) + 4 <= LINE_WIDTH:
            lines[-1] += f" -> {step}"
        elif len(step) + 3 <= LINE_WIDTH or not isinstance(link.step, Group | Branches | Aux):
            lines.append(arrow + step)
        else:
            first, *rest = _open_lines(link)
            lines += [arrow + first, *(" " * len(arrow) + line for line in rest)]
    return lines


def _open_lines(link: Link) -> list[str]:
    """A bracket over several lines, its insides indented."""
    name, step = f"{link.name}: " if link.name else "", link.step
    if isinstance(step, Group | Aux):
        before, after = ("", _times(step)) if isinstance(step, Group) else (f"AUX {step.weight} ", "")
        return [f"{name}{before}[", *(f"  {line}" for line in _fill([], step.net)), f"]{after}"]
    if not isinstance(step, Branches):
        return [_write_link(link)]
    lines = [f"{name}("]
    for at, net in enumerate(step.nets):
        first, *rest = _fill([], net)
        lines += [("  " if at == 0 else f"{_SIGNS[step.kind]} ") + first, *(f"  {line}" for line in rest)]
    return [*lines, ")"]


_SIGNS = {"concat": "|", "sum": "+"}


def _times(group: Group) -> str:
    return "" if group.count == 1 else f"*{group.count}"


def _write_define(define: Define) -> str:
    head = " ".join((define.name, *define.parameters)) + " = "
    if isinstance(define.body, str):
        return head + define.body
    first, *rest = _fill([], define.body)
    return "\n".join((head + first, *(f"  {line}" for line in rest)))


def _write_link(link: Link) -> str:
    match link.step:
        case Group(net=(Link(step=Branches() as branches, name=""),)) if link.step.count != 1:
            text = _write_branches(branches) + _times(link.step)
        case Group(net=net):
            text = f"[{_write_net(net)}]{_times(link.step)}"
        case Branches():
            text = _write_branches(link.step)
        case Aux(weight=weight, net=net):
            text = f"AUX {weight} [{_write_net(net)}]"
        case Call(name=name, arguments=pieces) | Open(word=name, arguments=pieces):
            text = " ".join((name, *pieces))
        case word:
            text = write_word(word)
    return f"{link.name}: {text}" if link.name else text


def _write_net(net: Net) -> str:
    return " -> ".join(map(_write_link, net))


def _write_branches(branches: Branches) -> str:
    return f"( {f' {_SIGNS[branches.kind]} '.join(map(_write_net, branches.nets))} )"


def _is_token(node: Node) -> bool:
    return isinstance(node, Token)
