"""Tab-separated captures: one line of the wire per row, or one TCP segment.

The first line names the columns, ``# t_ms``, ``dir``, ``conn``, ``event``, and the payload last.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from bridge.app.capture_forms.piece import Piece, Readable, each_line, source_of
from bridge.errors import UsageError

_MOST_NULS: Final = 1_000_000
_HEAD: Final = 4_096
_FEWEST_COLUMNS: Final = 3
"""Direction, event, payload."""
_ESCAPE: Final = re.compile(rb"NUL\*(\d{1,7})|\\(x[0-9A-Fa-f]{2}|[rnt0\\])")
_ESCAPED: Final = MappingProxyType(
    {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
)


def rows(file: Readable, *, reader_dials: bool) -> Iterator[Piece]:
    """Yield the rows, after the line that names their columns.

    Raises:
        UsageError: The columns or a row are not so; the text names the line.
    """
    columns = file.readline(_HEAD)
    names = [name.strip() for name in columns.decode(errors="replace").lstrip("# ").split("\t")]
    if len(names) < _FEWEST_COLUMNS or "dir" not in names:
        raise UsageError("The first line names no columns t_ms, dir, … payload; try --as raw.")
    yield Piece(container=len(columns))
    yield from each_line(file, _Rows(names, reader_dials=reader_dials).piece)


class _Rows:
    """Reads rows by the names of their columns."""

    def __init__(self, names: list[str], *, reader_dials: bool) -> None:
        self._direction = names.index("dir")
        self._connection = names.index("conn") if "conn" in names else None
        self._event = names.index("event") if "event" in names else None
        self._count = len(names)
        self._reader_dials = reader_dials

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
        direction = cells[self._direction].decode(errors="replace")
        return Piece(
            container=len(line) - written,
            written=written,
            data=_PAYLOADS[event](cells[-1]) if event in _PAYLOADS else b"",
            source=source_of(direction, reader_dials=self._reader_dials),
            connection=connection.decode(errors="replace"),
        )


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


_PAYLOADS: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {"LINE": lambda text: text + b"\r\n", "DATA": _unescape, "NUL": _nuls}
)
"""Rows that carry bytes; others (SYN, FIN, RST) tell of the connection."""
