"""JSON captures: one object per line, by itself or in an array, with who sent what.

``dir`` or ``direction`` says who sent it, ``hex`` has the bytes or ``raw`` the text (UTF-8);
``conn`` tells connections apart. Other members, and objects without bytes, say nothing here.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from bridge.app.capture_forms.piece import Piece, Readable, each_line, source_of

_MEMBER: Final = re.compile(rb'"(hex|raw)"\s*:\s*("(?:[^"\\]|\\.)*")')


def is_json(lines: list[bytes]) -> bool:
    """Tell whether the first object among these lines says who sent which bytes."""
    for line in lines:
        body = _body(line)
        if body:
            try:
                row = _object(body)
                source_of(_direction(row), reader_dials=False)
            except ValueError:
                return False
            return isinstance(row.get("hex", row.get("raw")), str)
    return False


def rows(file: Readable, *, reader_dials: bool) -> Iterator[Piece]:
    """Yield the bytes of each object."""
    return each_line(file, lambda line: _piece(line, reader_dials=reader_dials))


def _piece(line: bytes, *, reader_dials: bool) -> Piece:
    body = _body(line)
    row = _object(body) if body else {}
    key = "hex" if "hex" in row else "raw"
    if key not in row:
        return Piece(container=len(line))
    value = row[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")  # noqa: TRY004 - as all that is wrong with a line
    written = _written(body, key, value)
    return Piece(
        container=len(line) - written,
        written=written,
        data=bytes.fromhex(value) if key == "hex" else value.encode(),
        source=source_of(_direction(row), reader_dials=reader_dials),
        connection=str(row.get("conn", "")),
    )


def _body(line: bytes) -> bytes:
    """Return the object in a line of an array, or of nothing but objects."""
    return line.strip().lstrip(b"[,").rstrip(b",]").strip()


def _object(body: bytes) -> dict[str, object]:
    try:
        row = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(row, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as all that is wrong with a line
    return row


def _direction(row: dict[str, object]) -> str:
    return str(row.get("dir", row.get("direction")))


def _written(body: bytes, key: str, value: str) -> int:
    """Return how many bytes of the file stand for the value, its quotes not counted."""
    for found in _MEMBER.finditer(body):
        if found[1].decode() == key and json.loads(found[2]) == value:
            return len(found[2]) - 2
    raise ValueError(f"{key} is written in an unusual way")
