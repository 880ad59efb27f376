r"""Regular expressions somebody else wrote, refused if a hostile line could hang them.

Python's engine tries again and again where a line can be divided in several ways. So the expression
is taken apart here, and wherever it has a choice (repeat or go on, take or skip, this alternative
or that) the next character has to settle it. What is left open multiplies: one open repetition over
a line of 1,000 characters is a million steps at worst, since each of its ends may be followed by a
run to the end of the line. A second one is refused, and so is a repetition of something that has a
choice within, which would be exponential.

Taken: characters, ``.``, ``[…]``, ``\d \w \s`` and their opposites, ``(…)``, ``(?:…)``,
``(?P<name>…)``, ``|``, ``? * + {m,n}`` and their lazy forms, ``^`` and ``$``, ``(?i)`` in front.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

MAX_LINE: Final = 1_000
"""Characters of the longest line an expression is ever tried on."""
MOST_WAYS: Final = 4 * MAX_LINE
"""Ways to divide a line that may stay open: one repetition and two lesser choices.

The worst lines found for such expressions take a fifth of a second; lines that occur, microseconds.
"""
_OTHER: Final = 1 << 128
"""Stands for every character that is not ASCII."""
_ALL: Final = (1 << 129) - 1
_UNBOUNDED: Final = 1_000_000
_REPEAT: Final = re.compile(r"([*+?])|\{([0-9]*)(?:(,)([0-9]*))?\}")
_NAMED: Final = re.compile(r"\?P<([^>]*)>")
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}


def _mask(claim: Callable[[str], bool]) -> int:
    return sum(1 << code for code in range(128) if claim(chr(code)))


_CLASSES: Final = {
    "d": _mask(str.isdecimal),
    "w": _mask(lambda char: char.isalnum() or char == "_"),
    "s": _mask(lambda char: char in " \t\n\r\f\v"),
}


class PatternError(ValueError):
    """An expression is refused; the text says why and at which position, from 0."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of an expression.

    Attributes:
        kind: ``set``, ``seq``, ``alt`` or ``repeat``.
        at: Position in the expression, from 0.
        chars: Of a set.
        parts: Of a sequence, an alternative; what is repeated.
        low: Fewest repetitions.
        high: Most repetitions.
    """

    kind: str
    at: int
    chars: int = 0
    parts: "tuple[_Node, ...]" = ()
    low: int = 1
    high: int = 1

    @property
    def nullable(self) -> bool:
        """Whether it can match nothing."""
        match self.kind:
            case "set":
                return False
            case "alt":
                return any(part.nullable for part in self.parts)
            case "repeat":
                return self.low == 0 or self.parts[0].nullable
            case _:
                return all(part.nullable for part in self.parts)

    @property
    def first(self) -> int:
        """Characters it can begin with."""
        if self.kind == "set":
            return self.chars
        found = 0
        for part in self.parts:
            found |= part.first
            if self.kind == "seq" and not part.nullable:
                break
        return found

    @property
    def has_choice(self) -> bool:
        """Whether there is more than one way through it."""
        own = self.kind == "alt" or (self.kind == "repeat" and self.low != self.high)
        return own or any(part.has_choice for part in self.parts)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._folds = text.startswith("(?i)")
        self.names: dict[str, int] = {}
        """Name of a group -> its position."""

    def whole(self) -> _Node:
        """Return the expression taken apart."""
        self._at = len("(?i)") if self._folds else 0
        return self._alternatives()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _alternatives(self) -> _Node:
        at = self._at
        found = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._sequence())
        return found[0] if len(found) == 1 else _Node("alt", at, parts=tuple(found))

    def _sequence(self) -> _Node:
        at = self._at
        items: list[_Node] = []
        while self._peek() not in {"", "|", ")"}:
            items.append(self._repeated(self._item()))
        return _Node("seq", at, parts=tuple(items))

    def _repeated(self, node: _Node) -> _Node:
        found = _REPEAT.match(self._text, self._at)
        if found is None or found[0] in {"{}", "{,}"}:
            return node
        sign, low, comma, high = found.groups()
        if sign is not None:
            fewest, most = int(sign == "+"), 1 if sign == "?" else _UNBOUNDED
        else:
            fewest = int(low or 0)
            most = int(high) if high else (_UNBOUNDED if comma else fewest)
        at, self._at = self._at, found.end()
        if self._peek() == "?":
            self._at += 1
        if self._peek() == "+":
            raise PatternError(f"no possessive repetition is taken (position {self._at})")
        return _Node("repeat", at, parts=(node,), low=fewest, high=most)

    def _item(self) -> _Node:
        at, char = self._at, self._peek()
        self._at += 1
        match char:
            case "(":
                return self._group(at)
            case "[":
                return _Node("set", at, self._class())
            case ".":
                return _Node("set", at, _ALL & ~(1 << ord("\n")))
            case "^" | "$":
                return _Node("seq", at)
            case "\\":
                return _Node("set", at, self._folded(self._escape()))
            case _:
                return _Node("set", at, self._folded(_bit(char)))

    def _group(self, at: int) -> _Node:
        if self._peek() == "?":
            named = _NAMED.match(self._text, self._at)
            if named:
                self.names[named[1]] = self._at + len("?P<")
                self._at = named.end()
            elif self._text.startswith("?:", self._at):
                self._at += 2
            else:
                raise PatternError(
                    f"no look-around, back-reference or other extension is taken (position {at})"
                )
        node = self._alternatives()
        self._at += 1  # ")": `re` has seen that it is there
        return node

    def _escape(self) -> int:
        char, at = self._peek(), self._at - 1
        self._at += 1
        if char.lower() in _CLASSES:
            chars = _CLASSES[char.lower()]
            return chars if char.islower() else _ALL & ~chars
        if char == "x":
            self._at += 2
            return _bit(chr(int(self._text[self._at - 2 : self._at], 16)))
        if char in _CONTROLS:
            return _bit(_CONTROLS[char])
        if char.isalnum():
            raise PatternError(f"\\{char} at position {at} is not taken")
        return _bit(char)

    def _class(self) -> int:
        negated = self._peek() == "^"
        self._at += negated
        chars, begun = 0, False
        while self._peek() != "]" or not begun:
            begun = True
            low = self._one()
            if self._peek() == "-" and self._text[self._at + 1] != "]":
                self._at += 1
                chars |= _between(low, self._one())
            else:
                chars |= low
        self._at += 1
        chars = self._folded(chars)
        # A character that is not ASCII may be in both a set and its opposite.
        return (_ALL & ~chars) | _OTHER if negated else chars

    def _one(self) -> int:
        char = self._peek()
        self._at += 1
        return self._escape() if char == "\\" else _bit(char)

    def _folded(self, chars: int) -> int:
        if not self._folds:
            return chars
        letters = [chr(code) for code in range(128) if chars >> code & 1]
        # With re.ASCII no other letter folds to one of these, as the Kelvin sign else would.
        return reduce(or_, (_bit(letter.swapcase()) for letter in letters), chars)


def _bit(char: str) -> int:
    return 1 << ord(char) if char.isascii() else _OTHER


def _between(low: int, high: int) -> int:
    """Return the characters between two of which each is the only one of its set."""
    return ((high << 1) - 1) & ~(low - 1)


def _ways(node: _Node, follow: int) -> int:
    """Return how many ways through `node` stay open, with `follow` the characters behind it.

    Raises:
        PatternError: A repetition has a choice within.
    """
    match node.kind:
        case "seq":
            ways = 1
            for part in reversed(node.parts):
                ways *= _ways(part, follow)
                follow = part.first | (follow if part.nullable else 0)
            return ways
        case "alt":
            firsts = [part.first | (follow if part.nullable else 0) for part in node.parts]
            settled = sum(map(int.bit_count, firsts)) == reduce(or_, firsts).bit_count()
            most = max(_ways(part, follow) for part in node.parts)
            return most if settled else most * len(node.parts)
        case "repeat":
            return _repeat_ways(node, follow)
        case _:
            return 1


def _repeat_ways(node: _Node, follow: int) -> int:
    body = node.parts[0]
    if node.high > 1 and (body.has_choice or body.nullable):
        raise PatternError(
            f"the repetition at position {node.at} repeats something that is repeated, optional or "
            "has alternatives; such an expression can hang on a damaged line"
        )
    ways = _ways(body, follow)
    if node.low == node.high or not body.first & follow:
        return ways
    return ways * (min(node.high - node.low, MAX_LINE) + (node.high == 1))


def compile_safely(text: str) -> tuple[re.Pattern[str], dict[str, int]]:
    """Return an expression to be tried on whole lines, and the position of each of its names.

    Raises:
        PatternError: It is none, or could hang.
    """
    try:
        compiled = re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        where = getattr(error, "pos", None)
        place = "" if where is None else f" at position {where}"
        raise PatternError(f"{getattr(error, 'msg', error)}{place}") from None
    parser = _Parser(text)
    if _ways(parser.whole(), 0) > MOST_WAYS:
        raise PatternError(
            "more than one repetition whose end the next character does not settle; write what "
            "cannot be in a field, as [^,]* instead of .*"
        )
    return compiled, parser.names
