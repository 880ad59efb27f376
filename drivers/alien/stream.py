r"""Cut what an Alien reader says into lines and tag elements.

Lines end in CR LF on data connections; all that the command channel says ends in NUL, prompts in
nothing else; and NULs stand in front of lines too. A tag in XML goes over several lines, or shares
one with others, and is no document: it is cut out at its own tags.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

MAX_LINE: Final = 1_024
MAX_ELEMENT: Final = 4_096
OPEN: Final = b"<Alien-RFID-Tag>"
CLOSE: Final = b"</Alien-RFID-Tag>"
_EDGE: Final = re.compile(rb"[\n\0]|<Alien-RFID-Tag>")


class Kind(Enum):
    """What a piece of the stream is."""

    LINE = "line"
    """With the LF or NUL that ends it, or up to a tag element that begins in it."""
    ELEMENT = "element"
    """A whole tag in XML."""
    BROKEN = "broken"
    """A tag in XML without its end."""
    OVERLONG = "overlong"


class Piece(NamedTuple):
    """Bytes that belong together."""

    raw: bytes
    kind: Kind


class Cutter:
    """Bytes in, pieces out; how they were cut into chunks changes nothing."""

    def __init__(self) -> None:
        self.pending = b""
        """Bytes of a piece that is not complete yet."""

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes as they came; return what is complete, in order."""
        buffer = self.pending + data
        pieces: list[Piece] = []
        at = 0
        while (piece := _next(buffer, at)) is not None:
            pieces.append(piece)
            at += len(piece.raw)
        self.pending = buffer[at:]
        return pieces


def _next(buffer: bytes, at: int) -> Piece | None:
    if buffer.startswith(OPEN, at):
        return _element(buffer, at)
    limit = at + MAX_LINE
    # An element may begin before the limit and be recognised behind it.
    edge = _EDGE.search(buffer, at, limit + len(OPEN) - 1)
    if edge is not None and edge.start() < limit:
        is_end = edge.end() - edge.start() == 1
        return Piece(buffer[at : edge.end() if is_end else edge.start()], Kind.LINE)
    if len(buffer) < limit + len(OPEN) - 1:
        return None
    return Piece(buffer[at:limit], Kind.OVERLONG)


def _element(buffer: bytes, at: int) -> Piece | None:
    limit = at + MAX_ELEMENT
    inside = at + len(OPEN)
    end = buffer.find(CLOSE, inside, limit)
    other = buffer.find(OPEN, inside, limit if end < 0 else end)
    if other >= 0:
        return Piece(buffer[at:other], Kind.BROKEN)
    if end >= 0:
        return Piece(buffer[at : end + len(CLOSE)], Kind.ELEMENT)
    return Piece(buffer[at:inside], Kind.BROKEN) if len(buffer) >= limit else None
