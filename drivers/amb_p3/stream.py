"""Cut a stream into P3 frames, ASCII records and noise, whichever comes."""

import re
from enum import Enum
from typing import Final, NamedTuple

from drivers.amb_p3.frames import EOR, SOR
from drivers.amb_p3.lines import SOH

MAX_FRAME: Final = 4_096
"""Bytes on the wire; passings have about 60, settings a few hundred."""
_MAX_LINE: Final = 512
_START: Final = re.compile(b"[\x01\x8e]")


class Shape(Enum):
    """What a piece of the stream looks like from outside."""

    FRAME = "frame"
    LINE = "line"
    CUT = "cut"
    """It began as a frame or record and another begins in it."""
    OVERLONG = "overlong"
    NOISE = "noise"
    """It begins with nothing known; up to a line feed, the next beginning or `MAX_FRAME`."""


class Piece(NamedTuple):
    """Some bytes of the stream, and what they look like."""

    shape: Shape
    raw: bytes


class Splitter:
    """Cut a stream; holds back less than `MAX_FRAME` bytes, and how it was fed changes nothing.

    A raw 8F can only be the end of a frame and a raw 8E only the beginning of one, so damage never
    costs more than the frame it is in.
    """

    def __init__(self) -> None:
        self._pending = b""

    @property
    def pending(self) -> bytes:
        """Bytes of a piece that is not complete."""
        return self._pending

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes as they came; return the complete pieces, in order."""
        buffer = self._pending + data
        pieces: list[Piece] = []
        at = 0
        while at < len(buffer):
            if buffer[at] == SOR:
                piece = _bounded(buffer, at, EOR, Shape.FRAME, MAX_FRAME)
            elif buffer[at] == SOH:
                piece = _bounded(buffer, at, 0x0A, Shape.LINE, _MAX_LINE)
            else:
                piece = _noise(buffer, at)
            if piece is None:
                break
            pieces.append(piece)
            at += len(piece.raw)
        self._pending = buffer[at:]
        return pieces


def _bounded(buffer: bytes, at: int, last: int, shape: Shape, most: int) -> Piece | None:
    """Return the piece that begins at `at` and ends with `last`, or what came instead."""
    end = buffer.find(last, at + 1, at + most) + 1
    stop = end or min(len(buffer), at + most)
    cut = buffer.find(SOR, at + 1, stop)
    if shape is Shape.LINE and (again := buffer.find(SOH, at + 1, cut if cut >= 0 else stop)) >= 0:
        cut = again
    if cut >= 0:
        return Piece(Shape.CUT, buffer[at:cut])
    if end:
        return Piece(shape, buffer[at:end])
    return Piece(Shape.OVERLONG, buffer[at:stop]) if stop - at == most else None


def _noise(buffer: bytes, at: int) -> Piece | None:
    limit = at + MAX_FRAME
    start = _START.search(buffer, at, limit)
    stop = start.start() if start else min(len(buffer), limit)
    end = buffer.find(0x0A, at, stop) + 1
    if not end and start is None and stop < limit:
        return None
    return Piece(Shape.NOISE, buffer[at : end or stop])
