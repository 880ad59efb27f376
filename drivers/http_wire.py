"""HTTP/1.1 as bytes: a stream taken apart into heads, bodies and framing; messages written.

Sans-I/O, incremental and total. What is no HTTP passes through as body, so the same stream may
hold bare text: a message is recognised by its head line, at the beginning of any line outside a
body of known length. Pipelined messages, ``Content-Length``, chunks and bodies that last until the
connection ends are understood; requests and responses alike.

Source: RFC 9110 and RFC 9112.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

MOST_HEAD: Final = 16_384
"""Bytes of a head, and of a chunk's trailer; longer ones are junk."""
MOST_BODY: Final = 1 << 26
"""A ``Content-Length`` beyond it is not believed."""
_MOST_SIZE_LINE: Final = 256

_METHODS: Final = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_REQUEST = re.compile(rf"({_METHODS}) (\S+) HTTP/1\.([01])".encode())
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,11}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,7})[ \t]*(?:;[^\r\n]*)?")
_BEGINNINGS: Final = tuple(
    word.encode() for word in (*(f"{m} " for m in _METHODS.split("|")), "HTTP/1.")
)
_LONGEST: Final = max(map(len, _BEGINNINGS))
_FIRST_BYTES: Final = frozenset(word[0] for word in _BEGINNINGS)
_BODILESS: Final = (204, 304)
_LEAST_FINAL: Final = 200


@dataclass(frozen=True, slots=True)
class Head:
    """Of a request `method` and `target`, of a response `status` and `phrase`."""

    method: str = ""
    target: str = ""
    status: int = 0
    phrase: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name; of repeated ones the last."""
    keep_alive: bool = True
    """Whether the connection stays open after this message."""


class Kind(Enum):
    """What a `Part` is."""

    HEAD = "head"
    BODY = "body"
    """A stretch of a body, or of what is no HTTP, as it came: cut anywhere."""
    FRAMING = "framing"
    """A whole chunk-size line, chunk end or trailer line."""
    JUNK = "junk"
    """A line, or an over-long piece of one, of something that began like a head."""
    END = "end"
    """The message is complete; no bytes."""


class Part(NamedTuple):
    """A stretch of the wire; those of all parts in order are the wire."""

    kind: Kind
    data: bytes
    head: Head | None = None


class _State(Enum):
    BARE = 0
    """Body until a head line begins a line: between messages, until close, or no HTTP at all."""
    HEAD = 1
    SIZED = 2
    CHUNK_SIZE = 3
    CHUNK = 4
    CHUNK_END = 5
    TRAILER = 6


class HttpReader:
    """Takes one direction of a connection apart."""

    def __init__(self) -> None:
        self._state = _State.BARE
        self._line_begins = True
        """In BARE: the next byte is the first of a line."""
        self._buffer = b""
        self._at = 0
        """How much of the buffer is in parts already."""
        self._lines: list[bytes] = []
        """Of a head that is not complete."""
        self._size = 0
        """Bytes of `_lines` or of the trailer."""
        self._left = 0
        """Bytes of body or chunk to come."""

    @property
    def pending(self) -> bytes:
        """Bytes that are in no part yet: of a head, a framing line, or what might begin one."""
        return b"".join(self._lines) + self._buffer

    def feed(self, data: bytes) -> list[Part]:
        """Take bytes as they came; return what is settled, in wire order."""
        self._buffer += data
        parts: list[Part] = []
        while self._at < len(self._buffer) and self._step(parts):
            pass
        self._buffer = self._buffer[self._at :]
        self._at = 0
        return parts

    def _step(self, parts: list[Part]) -> bool:
        """Take one stretch off the buffer; False if more bytes are needed."""
        match self._state:
            case _State.BARE:
                return self._bare(parts)
            case _State.HEAD:
                return self._head_line(parts)
            case _State.SIZED | _State.CHUNK:
                return self._body(parts)
            case _:
                return self._framing(parts)

    def _take(self, size: int) -> bytes:
        taken = self._buffer[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def _bare(self, parts: list[Part]) -> bool:
        buffer, at, begins = self._buffer, self._at, self._line_begins
        while True:
            if begins and buffer[at] in _FIRST_BYTES and _may_begin(buffer, at):
                if at > self._at:
                    parts.append(Part(Kind.BODY, self._take(at - self._at)))
                self._line_begins = True
                self._state = _State.HEAD
                return True
            at = buffer.find(b"\n", at) + 1
            begins = True
            if at in (0, len(buffer)):
                parts.append(Part(Kind.BODY, self._take(len(buffer))))
                self._line_begins = at != 0
                return False

    def _head_line(self, parts: list[Part]) -> bool:
        buffer, most = self._buffer, MOST_HEAD - self._size
        end = buffer.find(b"\n", self._at, self._at + most) + 1
        if not end:
            return self._head_unended(parts, most)
        line = buffer[self._at : end]
        if not self._lines and not _first_line(line):
            self._bare_again(line_begins=True)
            parts.append(Part(Kind.BODY, self._take(len(line))))
            return True
        text = line.rstrip(b"\r\n")
        if self._lines and text and (_first_line(line) or not _FIELD.fullmatch(text)):
            self._drop_lines(parts)
            self._bare_again(line_begins=True)
            return True
        self._lines.append(self._take(len(line)))
        self._size += len(line)
        if not text:
            self._head_complete(parts)
        return True

    def _head_unended(self, parts: list[Part], most: int) -> bool:
        if len(self._buffer) - self._at >= most:
            self._drop_lines(parts)
            self._bare_again(line_begins=False)
            parts.append(Part(Kind.JUNK, self._take(most)))
            return True
        if self._lines or _may_begin(self._buffer, self._at):
            return False
        self._bare_again(line_begins=False)  # it only looked like a head line so far
        return True

    def _bare_again(self, *, line_begins: bool) -> None:
        self._state, self._line_begins = _State.BARE, line_begins

    def _drop_lines(self, parts: list[Part]) -> None:
        parts += [Part(Kind.JUNK, line) for line in self._lines]
        self._lines = []
        self._size = 0

    def _head_complete(self, parts: list[Part]) -> None:
        head = _head_of(self._lines)
        parts.append(Part(Kind.HEAD, b"".join(self._lines), head))
        self._lines = []
        self._size = 0
        self._line_begins = True
        coding = head.fields.get("transfer-encoding", "").lower()
        length = head.fields.get("content-length", "")
        if head.status and (head.status < _LEAST_FINAL or head.status in _BODILESS):
            self._end(parts)
        elif coding.endswith("chunked"):
            self._state = _State.CHUNK_SIZE
        elif _LENGTH.fullmatch(length) and int(length) <= MOST_BODY:
            self._left = int(length)
            self._state = _State.SIZED
            if not self._left:
                self._end(parts)
        elif head.status or length or coding:
            self._bare_again(line_begins=True)  # until the connection ends
        else:
            self._end(parts)

    def _end(self, parts: list[Part]) -> None:
        self._bare_again(line_begins=True)
        parts.append(Part(Kind.END, b""))

    def _body(self, parts: list[Part]) -> bool:
        data = self._take(self._left)
        self._left -= len(data)
        parts.append(Part(Kind.BODY, data))
        if not self._left:
            if self._state is _State.CHUNK:
                self._state = _State.CHUNK_END
            else:
                self._end(parts)
        return True

    def _framing(self, parts: list[Part]) -> bool:
        most = MOST_HEAD if self._state is _State.TRAILER else _MOST_SIZE_LINE
        end = self._buffer.find(b"\n", self._at, self._at + most) + 1
        if not end and len(self._buffer) - self._at < most:
            return False
        line = self._buffer[self._at : end or self._at + most]
        text = line.rstrip(b"\r\n")
        if not self._accept(text, len(line)):
            self._bare_again(line_begins=True)
            return True
        parts.append(Part(Kind.FRAMING, self._take(len(line))))
        if self._state is _State.TRAILER and not text:
            self._end(parts)
        elif self._state is _State.CHUNK_END:
            self._state = _State.CHUNK_SIZE
        elif self._state is _State.CHUNK_SIZE:
            self._state = _State.CHUNK if self._left else _State.TRAILER
        return True

    def _accept(self, text: bytes, size: int) -> bool:
        """Tell whether a framing line is one; note a chunk's size."""
        if self._state is _State.CHUNK_END:
            return not text
        if self._state is _State.CHUNK_SIZE:
            found = _SIZE.fullmatch(text)
            self._left = int(found[1], 16) if found else 0
            self._size = 0
            return found is not None and self._left <= MOST_BODY
        self._size += size
        return self._size <= MOST_HEAD and (not text or _FIELD.fullmatch(text) is not None)


def _may_begin(buffer: bytes, at: int) -> bool:
    """Tell whether a line at `at` is, or may become with more bytes, a head line."""
    if buffer.startswith(_BEGINNINGS, at):
        return True
    rest = buffer[at : at + _LONGEST]
    return len(rest) < _LONGEST and any(word.startswith(rest) for word in _BEGINNINGS)


def _first_line(line: bytes) -> bool:
    text = line.rstrip(b"\r\n")
    return bool(_REQUEST.fullmatch(text) or _RESPONSE.fullmatch(text))


def _head_of(lines: list[bytes]) -> Head:
    fields: dict[str, str] = {}
    for line in lines[1:-1]:
        found = _FIELD.fullmatch(line.rstrip(b"\r\n"))
        if found:
            fields[found[1].decode("ascii").lower()] = found[2].decode("latin-1")
    first = lines[0].rstrip(b"\r\n")
    request, response = _REQUEST.fullmatch(first), _RESPONSE.fullmatch(first)
    minor = (request[3] if request else response[1] if response else b"0") == b"1"
    wish = fields.get("connection", "").lower()
    keep_alive = "close" not in wish and (minor or "keep-alive" in wish)
    if request:
        method, target = request[1].decode("ascii"), request[2].decode("latin-1")
        return Head(method=method, target=target, fields=fields, keep_alive=keep_alive)
    status, phrase = (int(response[2]), response[3] or b"") if response else (0, b"")
    return Head(
        status=status, phrase=phrase.decode("latin-1"), fields=fields, keep_alive=keep_alive
    )


_PHRASES: Final = {
    100: "Continue",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    503: "Service Unavailable",
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def basic(user: str, password: str) -> str:
    """Return the value of an ``Authorization`` field for the Basic scheme."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


def request(
    method: str,
    target: str,
    host: str,
    fields: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """Return a request, with its length where it has a body."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    return _message(lines, fields, body)


def response(
    status: int, body: bytes | None = b"", fields: Mapping[str, str] | None = None
) -> bytes:
    """Return a response; with `body` None only its head, for a body of unknown length."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Status')}"]
    return _message(lines, fields, body)


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk; without data the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _message(lines: list[str], fields: Mapping[str, str] | None, body: bytes | None) -> bytes:
    told = dict(fields or {})
    if body is not None:
        told["Content-Length"] = str(len(body))
    lines += [f"{name}: {_safe(value)}" for name, value in told.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (body or b"")


def _safe(value: str) -> str:
    """Return a field's value without anything that would end its line."""
    return "".join(c if c.isprintable() else "?" for c in value)
