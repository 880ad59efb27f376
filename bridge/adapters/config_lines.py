"""Where each key of a TOML document stands, which `tomllib` does not tell."""

import re
import tomllib

Key = tuple[str | int, ...]
"""Path of a key: table and key names, and positions (from 0) in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRINGS = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[Key, int]:
    """Return the line, from 1, on which each key, table and array element begins.

    `text` has to be TOML that `tomllib` accepts.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


class _Scanner:
    """Walks over a valid document; knows only as much of TOML as it takes not to get lost."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._tables: dict[Key, int] = {}
        """Arrays of tables met so far, and how many tables each has."""

    def document(self) -> None:
        table: Key = ()
        while self._peek():
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._peek() == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _header(self, brackets: int) -> Key:
        line = self._line_here()
        self._at += brackets
        names = self._names()
        self._peek()
        self._at += brackets
        table: Key = ()
        for name in names[:-1]:
            table = self._newest((*table, name))
        table = (*table, names[-1])
        if brackets == 1:
            table = self._newest(table)
        else:
            position = self._tables.get(table, 0)
            self._tables[table] = position + 1
            self.lines.setdefault(table, line)
            table = (*table, position)
        self.lines.setdefault(table, line)
        return table

    def _newest(self, table: Key) -> Key:
        return (*table, self._tables[table] - 1) if table in self._tables else table

    def _pair(self, table: Key) -> None:
        self._peek()
        line = self._line_here()
        path = table
        for name in self._names():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self._peek()
        self._at += 1  # the equals sign
        self._value(path)

    def _names(self) -> list[str]:
        names = [self._name()]
        while self._peek() == ".":
            self._at += 1
            names.append(self._name())
        return names

    def _name(self) -> str:
        quoted = self._peek() in "\"'"
        raw = self._take(_STRINGS if quoted else _BARE)
        return str(tomllib.loads(f"name = {raw}")["name"]) if quoted else raw

    def _value(self, path: Key) -> None:
        first = self._peek()
        if first == "[":
            self._array(path)
        elif first == "{":
            self._at += 1
            while self._peek() != "}":
                self._pair(path)
                self._comma()
            self._at += 1
        else:
            self._take(_STRINGS if first in "\"'" else _SCALAR)

    def _array(self, path: Key) -> None:
        self._at += 1
        position = 0
        while self._peek() != "]":
            element = (*path, position)
            self.lines.setdefault(element, self._line_here())
            self._value(element)
            self._comma()
            position += 1
        self._at += 1

    def _comma(self) -> None:
        if self._peek() == ",":
            self._at += 1

    def _peek(self) -> str:
        """Skip white space and comments; return the next character, "" at the end."""
        self._take(_SPACE)
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            msg = f"not TOML at character {self._at}"
            raise ValueError(msg)
        self._at = found.end()
        return found.group()

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
