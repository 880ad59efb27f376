r"""JSON values cut out of a stream of them, without trusting it.

The values are objects: one after the other with or without anything between, one per line, or the
elements of arrays (of arrays). A ``data:`` in front of one, as server-sent events have it, is
skipped. Sans-I/O and total; the cost is linear and what is held back is bounded.

A value that is followed by ``,``, ``]`` or a line end has it in its `raw`. So a value waits for the
next byte, unless the stream puts objects end to end: then each comes with its last byte.

After damage the search goes on at the next line, or at an object that cannot be part of the
damaged one.
"""

import re
from typing import Final

import orjson

from drivers.http_body import MOST_FRAMING, MOST_TEXT, Cut, Shape, WireText

MOST_DEPTH: Final = 32
"""Nesting beyond which nothing is a value of any reader."""
_MOST_LINE: Final = 4_096
"""Bytes of a line of text that is no JSON."""
_MOST_TAIL: Final = 64

_LEAD = re.compile(rb"[ \t\r\0,\[\]]*")
_TEXT_STOP = re.compile(rb"[{\[\n]")
_TOKEN = re.compile(rb'[{}\[\]:,"]')
_STRING = re.compile(rb'(?:[^"\\\x00-\x1f]+|\\[^\x00-\x1f])*')
_TAIL = re.compile(rb"[ \t\r]*([,\]\n])?")
_NEWLINE: Final = ord("\n")
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_SSE: Final = b"data:"
_CHUNK_BORDER = re.compile(rb"\r\n[0-9A-Fa-f]{1,7}[^\r\n{}\"]*\r\n")
_OPEN: Final = b"{["
_BEFORE: Final = {ord("{"): b":", ord("["): b"[,"}
"""What must stand before a bracket that opens within an object, within an array."""
_PAIR: Final = {ord("}"): ord("{"), ord("]"): ord("[")}


class JsonCutter:
    """Cuts objects; the value of a FRAME is a dict."""

    def __init__(self) -> None:
        self._wire = WireText()
        self._glued = False
        """The stream puts objects end to end: none waits for what follows it."""
        self._not_quick = 0
        """Text before this was tried as a line that is one object, and is none."""
        self._begin_again(0)

    def _begin_again(self, at: int) -> None:
        self._start = at
        """Where the object begins in the text; before it there may be punctuation."""
        self._scan = at
        """How far the text was looked at."""
        self._open: list[int] = []
        """Brackets that are open."""
        self._last = 0
        """The last token outside strings."""
        self._in_string = False
        self._whole = False
        """The object is complete and waits for its tail."""

    def text(self, data: bytes) -> list[Cut]:
        """Take text."""
        self._wire.add(data)
        cuts: list[Cut] = []
        at = 0
        while True:
            cut, end = self._next(at)
            if cut is None:
                break
            cuts.append(cut)
            at = end
            self._begin_again(at)
        if at:
            self._wire.drop(at)
            self._start -= at
            self._scan -= at
            self._not_quick = max(self._not_quick - at, 0)
        return cuts

    def framing(self, data: bytes) -> list[Cut]:
        """Take chunk framing."""
        self._wire.insert(data)
        if self._wire.framing_size <= MOST_FRAMING:
            return []
        raw = self._wire.take_all(0)
        self._forget()
        return [Cut(Shape.OVERLONG, raw)]

    def end(self) -> list[Cut]:
        """Return everything that is left: the text has ended."""
        wire = self._wire
        text = wire.text
        value = text[self._start : self._scan] if self._whole else b""
        raw = wire.take_all(0)
        self._forget()
        if not raw:
            return []
        if value:
            return [_frame(raw, value)]
        rest = text.strip(b" \t\r\n\0,[]")
        if not rest:
            return [Cut(Shape.BLANK, raw)]
        if rest.startswith(b"{"):
            return [Cut(Shape.DAMAGE, raw)]
        return [Cut(Shape.TEXT, raw, text)]

    def flush(self) -> list[Cut]:
        """Return the object that only waits for what may follow it."""
        return self.end() if self._whole else []

    def _forget(self) -> None:
        self._not_quick = 0
        self._begin_again(0)

    @property
    def pending(self) -> bytes:
        """Wire bytes that are in no cut yet."""
        return self._wire.wire()

    def _next(self, at: int) -> tuple[Cut | None, int]:
        """Return the next cut, which begins at `at`, and its end; None if more is needed."""
        text = self._wire.text
        if not self._open and not self._whole:
            begun = self._find_object(at)
            if begun is not None:
                return begun
            quick = self._quick(at)
            if quick is not None:
                return quick
        if not self._whole:
            damage = self._walk(at)
            if damage is not None:
                return damage
            if not self._whole:
                return None, at
        if self._glued:
            return _frame(
                self._wire.take(at, self._scan), text[self._start : self._scan]
            ), self._scan
        return self._tail(at)

    def _find_object(self, at: int) -> tuple[Cut | None, int] | None:
        """Find where an object begins; return a cut of what cannot belong to one, or None."""
        text = self._wire.text
        while True:
            found = _LEAD.match(text, self._scan, at + _MOST_LINE)
            begin = found.end() if found else self._scan
            self._scan = self._start = begin
            if begin - at >= _MOST_LINE:
                return self._cut(Shape.BLANK, at, at + _MOST_LINE)
            if begin == len(text):
                return None, at
            if text[begin] == _OPEN[0]:
                return None
            if text[begin] == _NEWLINE:
                self._glued = False
                return self._cut(Shape.BLANK, at, begin + 1)
            stop = _TEXT_STOP.search(text, begin, begin + _MOST_LINE)
            if stop is None:
                if len(text) < begin + _MOST_LINE:
                    return None, at
                return self._cut(Shape.OVERLONG, at, begin + _MOST_LINE)
            if text[stop.start()] == _NEWLINE:
                return self._cut(Shape.TEXT, at, stop.end(), text[begin : stop.end()])
            if text[begin : stop.start()].strip() != _SSE:
                return self._cut(Shape.DAMAGE, at, stop.start())
            self._scan = stop.start()

    def _quick(self, at: int) -> tuple[Cut, int] | None:
        """Take an object that has a line of its own, if all of it is here already."""
        text = self._wire.text
        start = self._start
        if self._glued or self._scan != start or start < self._not_quick:
            return None
        end = text.find(b"\n", start, start + MOST_TEXT) + 1
        if not end:
            return None
        line = text[start:end]
        nested = line.count(b"{") + line.count(b"[") > MOST_DEPTH
        if nested or not line.endswith((b"}\n", b"}\r\n")):
            return None
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            self._not_quick = end
            return None
        return Cut(Shape.FRAME, self._wire.take(at, end), value), end

    def _walk(self, at: int) -> tuple[Cut, int] | None:
        """Go on to the end of the object; return a cut if it cannot be one."""
        text = self._wire.text
        limit = self._start + MOST_TEXT
        scan = self._scan
        while True:
            if self._in_string:
                found = _STRING.match(text, scan, limit)
                scan = self._scan = found.end() if found else scan
                if scan >= limit:
                    return self._cut(Shape.OVERLONG, at, limit)
                if scan == len(text) or (text[scan] == _BACKSLASH and scan + 1 == len(text)):
                    return None
                if text[scan] != _QUOTE:
                    return self._damage(at, scan)
                self._in_string = False
                scan += 1
            token = _TOKEN.search(text, scan, limit)
            if token is None:
                self._scan = len(text)
                return self._cut(Shape.OVERLONG, at, limit) if len(text) >= limit else None
            scan = self._scan = token.end()
            if not self._allowed(text[scan - 1]):
                return self._damage(at, scan - 1)
            if not self._open:
                self._whole = True
                return None

    def _allowed(self, token: int) -> bool:
        """Take a token into account; False if no object has it here."""
        last, self._last = self._last, token
        if token == _QUOTE:
            self._in_string = True
        elif token in _OPEN:
            if len(self._open) >= MOST_DEPTH or (
                self._open and last not in _BEFORE[self._open[-1]]
            ):
                return False
            self._open.append(token)
        elif token in _PAIR:
            if self._open[-1] != _PAIR[token]:
                return False
            self._open.pop()
        return True

    def _damage(self, at: int, here: int) -> tuple[Cut, int]:
        """Give up the object: search again at its next line, or `here` at the latest."""
        text = self._wire.text
        if len(self._open) >= MOST_DEPTH:  # or each of its lines would be nested anew
            return self._cut(Shape.DAMAGE, at, here)
        line = text.find(b"\n", self._start, here + 1) + 1
        return self._cut(Shape.DAMAGE, at, line or max(here, self._start + 1))

    def _tail(self, at: int) -> tuple[Cut | None, int]:
        text = self._wire.text
        found = _TAIL.match(text, self._scan, self._scan + _MOST_TAIL)
        end = found.end() if found else self._scan
        if end == len(text) and not (found and found[1]):
            return None, at
        if found and found[1] == b"]":
            more = _TAIL.match(text, end, self._scan + _MOST_TAIL)
            if more and more.end() == len(text) and not more[1]:
                return None, at
            if more and more[1] == b"\n":
                end = more.end()
        if not (found and found[1]) and text[end] == _OPEN[0]:
            self._glued = True
        value = text[self._start : self._scan]
        return _frame(self._wire.take(at, end), value), end

    def _cut(self, shape: Shape, at: int, end: int, value: bytes | None = None) -> tuple[Cut, int]:
        return Cut(shape, self._wire.take(at, end), value), end


def _frame(raw: bytes, text: bytes) -> Cut:
    try:
        return Cut(Shape.FRAME, raw, orjson.loads(text))
    except orjson.JSONDecodeError:
        return Cut(Shape.DAMAGE, raw)


def object_in(raw: bytes) -> dict[str, object]:
    """Return the object in the `raw` of a FRAME, whatever stands around or within; {} if none."""
    text = raw[raw.find(b"{") : raw.rfind(b"}") + 1]
    for candidate in (text, _CHUNK_BORDER.sub(b"", text)):
        try:
            value = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            return value
    return {}
