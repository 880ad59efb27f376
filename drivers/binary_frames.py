"""Pure helpers for binary protocols: check sums, EPC fields, and frames cut out of a stream.

None of the UHF modules escapes anything: the byte that begins a frame occurs inside frames too, so
a frame is found by its length and proven by its check, and after damage the search goes on from
the next byte.
"""

import re
from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

from bridge.domain.reads import Chip
from bridge.driver_api import Reason

NOISE_PIECE: Final = 256
"""Bytes that belong to no frame come back in pieces of at most this many."""
LONGEST_EPC: Final = 62
"""Bytes: 31 words are all that the five length bits of a Gen2 PC word can tell."""
_REVERSED: Final = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))
_WORD_DIGITS: Final = 4


def low_sum(data: bytes) -> int:
    """Return the low byte of the sum of `data`: the check of M100 modules."""
    return sum(data) & 0xFF


def negated_sum(data: bytes) -> int:
    """Return the two's complement of `low_sum`: the check of Rodinbell and Invelion readers."""
    return -sum(data) & 0xFF


def crc_mcrf4xx(data: bytes) -> int:
    """Return the CRC-16 of Chafon readers: polynomial 0x8408 reflected, start 0xFFFF, no XOR.

    It is the unreflected CRC of mirrored bytes, mirrored; that one is computed in C.
    """
    mirrored = crc_hqx(data.translate(_REVERSED), 0xFFFF)
    return _REVERSED[mirrored & 0xFF] << 8 | _REVERSED[mirrored >> 8]


def crc_mercury(data: bytes) -> int:
    """Return the CRC-16 of ThingMagic modules over two bytes or more.

    Their code feeds half bytes in at the low end of the register, so the last two bytes have been
    added but not divided by 0x1021 when it stops. Start 0xFFFF at the low end is 0x1D0F at the top.
    """
    return crc_hqx(data[:-2], 0x1D0F) ^ int.from_bytes(data[-2:], "big")


def crc_gen2(data: bytes) -> int:
    """Return the CRC-16 that a Gen2 tag stores over its PC word and EPC."""
    return crc_hqx(data, 0xFFFF) ^ 0xFFFF


def chip_of(epc: bytes) -> Chip:
    """Return the whole EPC as upper-case hex, its length kept."""
    return Chip(epc.hex().upper())


def epc_of(chip: str) -> bytes:
    """Return the EPC for any chip text, in whole words, so that every chip can be forwarded.

    What is not hex counts as its UTF-8 bytes; a part word is filled with zeros in front.
    """
    text = chip
    if not re.fullmatch(r"[0-9A-Fa-f]+", text):
        text = text.encode("utf-8").hex()
    words = max(-(-len(text) // _WORD_DIGITS), 1)
    return bytes.fromhex(text.rjust(words * _WORD_DIGITS, "0"))[-LONGEST_EPC:]


def pc_of(epc: bytes) -> bytes:
    """Return the PC word of a plain EPC in whole words: its length in the top five bits."""
    return (len(epc) // 2 << 11).to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Shape:
    """What frames of one protocol look like.

    Attributes:
        head: Matches where a frame of a kind we know may begin. Looks at `header` bytes at most.
        header: Bytes that have to be there before `length` can be asked; no frame is shorter.
        length: (buffer, start) -> bytes of the whole frame, or 0: none can begin there.
        sound: Whether the check of a frame is right.
        proven: Whether more than its check speaks for a frame: asked where it was not known that
            a frame begins. A short check is right by chance once in 256 or 65,536 places, and a
            tag made of noise is a runner who does not exist.
    """

    head: re.Pattern[bytes]
    header: int
    length: Callable[[bytes, int], int]
    sound: Callable[[bytes], bool]
    proven: Callable[[bytes], bool]


class Piece(NamedTuple):
    """A frame, or what lies between frames."""

    raw: bytes
    damage: Reason | None = None
    """None: a frame whose check is right."""


class FrameBuffer:
    """Cut a stream into frames and noise; how it was cut into chunks changes nothing.

    In step, that is right behind a frame, the length of a familiar head is believed until the
    frame is complete. Otherwise every place where a frame may begin is tried, and the first frame
    to be *complete* is taken, so that a false length never holds a true frame back. Cost is linear.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._pending = b""
        self._searching = False
        self._next = 0
        """Where the search goes on."""
        self._open: list[tuple[int, int]] = []
        """Heap of (end, start) of frames that may be."""
        self._step = 0
        """Where the search began: there a frame was to be expected, whatever its kind."""
        self._failed = 0
        """End of a familiar frame at `_step` whose check was wrong; 0: none."""
        self._is_suspect = False

    @property
    def pending(self) -> bytes:
        """Bytes whose frame is incomplete, and noise that is not a whole piece."""
        return self._pending

    def doubt(self) -> None:
        """Believe a length no longer that was waited for since the last call.

        To be called about once a second. Nothing is thrown away: the frame is still taken if it
        becomes complete, but a whole frame inside or behind it no longer waits.
        """
        is_waiting = bool(self._pending) and not self._searching
        if is_waiting and self._is_suspect:
            self._begin_search(0)
            self._is_suspect = False
        else:
            self._is_suspect = is_waiting

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes as they came; return what is complete, in wire order."""
        shape = self._shape
        buffer = self._pending + data
        size = len(buffer)
        pieces: list[Piece] = []
        at = 0
        while True:
            if not self._searching:
                if at + shape.header > size:
                    break
                end = at + shape.length(buffer, at) if shape.head.match(buffer, at) else at
                if end > size:
                    break
                if end > at and shape.sound(buffer[at:end]):
                    pieces.append(Piece(buffer[at:end]))
                    self._is_suspect = False
                    at = end
                    continue
                self._begin_search(at)
                self._failed = end if end > at else 0
            found = self._search(buffer)
            if found is None:
                break
            end, start = found
            pieces += self._noise(buffer, at, start)
            pieces.append(Piece(buffer[start:end]))
            self._searching = self._is_suspect = False
            at = end
        if self._searching:
            known = min([self._next, *(start for _, start in self._open)])
            whole = at + (known - at) // NOISE_PIECE * NOISE_PIECE
            pieces += self._noise(buffer, at, whole)
            at = max(at, whole)
            self._move(at)
        self._pending = buffer[at:]
        return pieces

    def _begin_search(self, at: int) -> None:
        self._searching = True
        self._next = self._step = at
        self._failed = 0
        self._open.clear()

    def _search(self, buffer: bytes) -> tuple[int, int] | None:
        """Return (end, start) of the frame that is complete first; None: none is."""
        shape, waiting = self._shape, self._open
        size = len(buffer)
        while True:
            while self._next + shape.header <= size:
                if waiting and self._next >= waiting[0][0]:
                    break  # what begins here cannot be complete before that one
                self._try(buffer)
            if not waiting or waiting[0][0] > size:
                return None
            end, start = heappop(waiting)
            frame = buffer[start:end]
            if shape.sound(frame) and (start == self._step or shape.proven(frame)):
                return end, start

    def _try(self, buffer: bytes) -> None:
        """Find the next place where a frame may begin."""
        shape = self._shape
        start = self._next
        if start != self._step:  # at the step a frame of any kind may begin
            last = len(buffer) - shape.header
            stop = min(last + 1, self._open[0][0]) if self._open else last + 1
            head = shape.head.search(buffer, start)
            if head is None or head.start() >= stop:
                self._next = stop
                return
            start = head.start()
        length = shape.length(buffer, start)
        if length:
            heappush(self._open, (start + length, start))
        self._next = start + 1

    def _noise(self, buffer: bytes, start: int, end: int) -> list[Piece]:
        pieces = []
        for first in range(start, end, NOISE_PIECE):
            last = min(first + NOISE_PIECE, end)
            is_frame = (first, last) == (self._step, self._failed)
            damage = Reason.CHECKSUM if is_frame else Reason.FRAMING
            pieces.append(Piece(buffer[first:last], damage))
        return pieces

    def _move(self, by: int) -> None:
        """Count from a new beginning of the buffer."""
        self._next -= by
        self._step -= by
        self._failed -= by
        self._open = [(end - by, start - by) for end, start in self._open]
