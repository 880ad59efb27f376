r"""Frames of SPORTident stations, extended protocol, cut out of the stream.

``[FF] 02 command length data… CRC CRC 03``. FF and further 02 in front wake a station; there is no
byte stuffing. The CRC is a 16-bit one of polynomial 0x8005 over command to data: the first two
bytes are its start value, then two bytes at a time, padded with 0 (even length: two, odd: one).

Sources: sportorg/sireader, Simske/python-sireader, sportorg/pysport.
"""

from typing import Final, NamedTuple

from bridge.driver_api import Reason

STX: Final = 0x02
ETX: Final = 0x03
WAKE: Final = 0xFF
NOISE: Final = -1
_LOWEST: Final = 0x80
"""Commands of the extended protocol have bit 7 set."""
_PUNCH: Final = 0xD3
_PUNCH_BYTES: Final = 13
_RUN: Final = 256
_OVERHEAD: Final = 6


def _shifted(high: int) -> int:
    value = high << 8
    for _ in range(8):
        value = (value << 1 ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


_TABLE: Final = tuple(_shifted(high) for high in range(256))


def crc(body: bytes) -> int:
    """Return the CRC of command, length and data."""
    padded = body + (b"\0\0" if len(body) % 2 == 0 else b"\0")
    value = padded[0] << 8 | padded[1]
    table = _TABLE
    for byte in padded[2:]:
        value = (value << 8 & 0xFFFF | byte) ^ table[value >> 8]
    return value


def build(command: int, data: bytes = b"", *, wake: bool = False) -> bytes:
    """Return a whole frame; `wake` puts FF in front, as hosts do."""
    body = bytes((command, len(data))) + data
    frame = bytes((STX,)) + body + crc(body).to_bytes(2, "big") + bytes((ETX,))
    return bytes((WAKE,)) + frame if wake else frame


class Piece(NamedTuple):
    """A whole frame, or noise between frames (`command` is `NOISE`)."""

    raw: bytes
    command: int
    data: bytes
    reason: Reason = Reason.FRAMING
    """Why it is noise: a frame's bytes with a wrong CRC, or no frame at all."""


class Frames:
    """Cut a stream into frames and noise; after damage the search goes on from the next byte.

    Noise comes in pieces of 256 bytes and the rest with the next frame, so how the stream was cut
    changes nothing.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._at = 0
        """Up to here no frame begins."""
        self._damaged: list[int] = []
        """Where frames with a wrong CRC began."""

    @property
    def pending(self) -> bytes:
        """Noise that may still grow, and an incomplete frame: at most 517 bytes."""
        return self._pending

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes as they came; return frames and noise in order."""
        buffer = self._pending + data
        pieces: list[Piece] = []
        start, at = 0, self._at
        while True:
            at = buffer.find(STX, at)
            at = len(buffer) if at < 0 else at
            start = self._noise(buffer, start, at, pieces)
            size = _size(buffer, at)
            if size is None:
                break
            if size and _is_whole(buffer, at, size):
                front = at
                while front > start and buffer[front - 1] in (WAKE, STX):
                    front -= 1
                if front > start:
                    pieces.append(self._as_noise(buffer, start, front))
                body = buffer[at + 1 : at + size - 3]
                pieces.append(Piece(buffer[front : at + size], body[0], body[2:]))
                start = at = at + size
                self._damaged.clear()
                continue
            if size and buffer[at + size - 1] == ETX:
                self._damaged.append(at)
            at += 1
        self._pending = buffer[start:]
        self._at = at - start
        self._damaged = [place - start for place in self._damaged]
        return pieces

    def _noise(self, buffer: bytes, start: int, end: int, pieces: list[Piece]) -> int:
        """Hand out whole runs of noise; return where the rest begins."""
        while end - start >= _RUN:
            pieces.append(self._as_noise(buffer, start, start + _RUN))
            start += _RUN
        return start

    def _as_noise(self, buffer: bytes, start: int, end: int) -> Piece:
        hurt = any(start <= place < end for place in self._damaged)
        self._damaged = [place for place in self._damaged if place >= end]
        reason = Reason.CHECKSUM if hurt else Reason.FRAMING
        return Piece(buffer[start:end], NOISE, b"", reason)


def _size(buffer: bytes, at: int) -> int | None:
    """Return the size of the frame that begins here, 0 if none does, None: not to be told yet."""
    if at + 1 >= len(buffer):
        return None
    command = buffer[at + 1]
    if command < _LOWEST or command == WAKE:
        return 0
    if at + 2 >= len(buffer):
        return None
    if command == _PUNCH and buffer[at + 2] != _PUNCH_BYTES:
        return 0  # a punch is not held up by what only looks like the head of one
    size = buffer[at + 2] + _OVERHEAD
    return size if at + size <= len(buffer) else None


def _is_whole(buffer: bytes, at: int, size: int) -> bool:
    end = at + size
    if buffer[end - 1] != ETX:
        return False
    return crc(buffer[at + 1 : end - 3]) == buffer[end - 3] << 8 | buffer[end - 2]
