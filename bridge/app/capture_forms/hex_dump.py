"""Hex dumps: one frame per line, ``#`` before comments."""

import re
from collections.abc import Iterator

from bridge.app.capture_forms.piece import Piece, Readable, each_line

_LINE = re.compile(rb"(?:[ \t]*[0-9A-Fa-f]{2})*[ \t]*(?:#.*)?")


def is_hex(lines: list[bytes]) -> bool:
    """Tell whether each line is whole bytes in hex or a comment, and not all of them comments."""
    bodies = [line.rstrip(b"\r\n") for line in lines]
    has_bytes = any(body.partition(b"#")[0].strip() for body in bodies)
    return has_bytes and all(_LINE.fullmatch(body) for body in bodies)


def frames(file: Readable) -> Iterator[Piece]:
    """Yield the bytes of each line."""
    return each_line(file, _piece)


def _piece(line: bytes) -> Piece:
    digits = b"".join(line.partition(b"#")[0].split())
    data = bytes.fromhex(digits.decode("ascii"))
    return Piece(container=len(line) - len(digits), written=len(digits), data=data)
