"""Capture files: what was recorded of a connection, in the containers people keep it in.

Each container is taken apart into pieces, so that every byte of the file is accounted for: as
container, as what the reader sent, or as what the host sent.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bridge.errors import UsageError

_BLOCK = 65_536
_LONGEST_LINE = 1_000_000
_MOST_NULS = 1_000_000


class Form(Enum):
    """A container."""

    RAW = "raw"
    """The reader's bytes and nothing else."""
    LINES = "lines"
    """Tab-separated, one line of the wire per row, its CR LF left out."""
    SEGMENTS = "segments"
    """Tab-separated, one TCP segment per row, escaped (``\\r``, ``\\n``, ``NUL*n``)."""
    TRANSCRIPT = "transcript"
    """``H> `` and ``D> `` or ``B> `` before each line, ``# `` before comments."""
    HEX = "hex"
    """One frame per line in hex, ``#`` before comments."""


class Source(Enum):
    """Who sent the bytes."""

    READER = "reader"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One stretch of the file."""

    container: int
    """Bytes of the file that carry nothing: columns, comments, line ends of the container."""
    written: int = 0
    """Bytes of the file that stand for `data`; escaped or in hex it is more than `data` has."""
    data: bytes = b""
    """Bytes as they were on the wire."""
    source: Source = Source.READER
    connection: str = ""
    """Whatever tells one connection from another; only tab-separated containers have it."""


class Readable(Protocol):
    """A binary file or pipe."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Return the next line."""
        ...

    def read1(self, size: int = -1, /) -> bytes:
        """Return what is there, waiting only if there is nothing."""
        ...


def form_of(head: bytes, name: str) -> Form:
    """Return which container a file with these first bytes and this name is.

    Hex has to be told by the name (``.hex``): readers send hex digits too.
    """
    first = head.split(b"\n", 1)[0]
    if first.startswith(b"# t_"):
        return Form.SEGMENTS if b"\tpayload" in first else Form.LINES
    if name.endswith(".hex"):
        return Form.HEX
    if re.match(rb"# |[HDB]> ", first):
        return Form.TRANSCRIPT
    return Form.RAW


def pieces(form: Form, file: Readable, head: bytes = b"") -> Iterator[Piece]:
    """Yield the pieces of a capture in order, holding no more than a block or line of it.

    `head` are its first bytes, as far as they are known (they are read again from `file`).

    Raises:
        UsageError: The file is not of that form; the text names the line.
    """
    match form:
        case Form.RAW:
            return _raw(file)
        case Form.LINES | Form.SEGMENTS:
            return _rows(file)
        case Form.TRANSCRIPT:
            return _each(file, _Transcript(head).piece)
        case Form.HEX:
            return _each(file, _hex)


def _raw(file: Readable) -> Iterator[Piece]:
    while data := file.read1(_BLOCK):
        yield Piece(container=0, written=len(data), data=data)


def _each(file: Readable, piece_of: Callable[[bytes], Piece]) -> Iterator[Piece]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise UsageError(
                f"Line {number} has no end: the file is no such capture; --format raw?"
            )
        try:
            yield piece_of(line)
        except ValueError as error:
            raise UsageError(
                f"Line {number} is not what this kind of capture has ({error}); try --format raw."
            ) from error


def _rows(file: Readable) -> Iterator[Piece]:
    columns = file.readline(_LONGEST_LINE)
    names = [name.strip() for name in columns.decode(errors="replace").lstrip("# ").split("\t")]
    if len(names) < 3 or "dir" not in names:  # noqa: PLR2004 -- direction, event, payload
        raise UsageError("The first line names no columns t_ms, dir, … payload; try --format raw.")
    yield Piece(container=len(columns))
    yield from _each(file, _Rows(names).piece)


class _Rows:
    """Reads the rows of a tab-separated capture by the names in its first line."""

    def __init__(self, names: list[str]) -> None:
        self._direction = names.index("dir")
        self._connection = names.index("conn") if "conn" in names else None
        self._event = names.index("event") if "event" in names else None
        self._count = len(names)

    def piece(self, line: bytes) -> Piece:
        body = line.removesuffix(b"\n").removesuffix(b"\r")
        if not body or body.startswith(b"#"):
            return Piece(container=len(line))
        cells = body.split(b"\t", self._count - 1)
        if len(cells) < self._count:
            raise ValueError(f"{len(cells)} columns in place of {self._count}")
        event = "DATA" if self._event is None else cells[self._event].decode(errors="replace")
        written = len(cells[-1]) if event in _PAYLOADS else 0
        connection = b"" if self._connection is None else cells[self._connection]
        return Piece(
            container=len(line) - written,
            written=written,
            data=_PAYLOADS[event](cells[-1]) if event in _PAYLOADS else b"",
            source=_source(cells[self._direction]),
            connection=connection.decode(errors="replace"),
        )


def _source(direction: bytes) -> Source:
    match direction:
        case b"R>H":
            return Source.READER
        case b"H>R":
            return Source.HOST
        case _:
            raise ValueError(f"direction {direction!r} in place of R>H or H>R")


_ESCAPE = re.compile(rb"NUL\*(\d{1,7})|\\(x[0-9A-Fa-f]{2}|[rnt0\\])")
_ESCAPED = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


def _unescape(text: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        count, escape = found.groups()
        if escape is None:
            return _nuls(count)
        return _ESCAPED.get(escape) or bytes([int(escape[1:], 16)])

    return _ESCAPE.sub(plain, text)


def _nuls(count: bytes) -> bytes:
    if not count.isdigit() or int(count) > _MOST_NULS:
        raise ValueError(f"{count!r} NUL bytes")
    return bytes(int(count))


_PAYLOADS: dict[str, Callable[[bytes], bytes]] = {
    "LINE": lambda text: text + b"\r\n",
    "DATA": _unescape,
    "NUL": _nuls,
}
"""Rows that carry bytes; others (SYN, FIN, RST) tell of the connection."""


class _Transcript:
    """Reads a transcript, whose lines end on the wire as its device ends them."""

    def __init__(self, head: bytes) -> None:
        usb_box = head.startswith(b"B> ") or b"\nB> " in head
        self._end = b"\n" if usb_box else b"\r\n"

    def piece(self, line: bytes) -> Piece:
        if line.startswith(b"# ") or line.rstrip() == b"#":
            return Piece(container=len(line))
        mark = line[:2]
        if mark not in (b"H>", b"D>", b"B>"):
            return Piece(container=0, written=len(line), data=line)
        body = line[2:].removeprefix(b" ")
        text = body.rstrip(b"\r\n")
        return Piece(
            container=len(line) - len(body),
            written=len(body),
            data=text + self._end,
            source=Source.HOST if mark == b"H>" else Source.READER,
        )


def _hex(line: bytes) -> Piece:
    text = line.partition(b"#")[0]
    digits = b"".join(text.split())
    data = bytes.fromhex(digits.decode("ascii"))
    return Piece(container=len(line) - len(digits), written=len(digits), data=data)
