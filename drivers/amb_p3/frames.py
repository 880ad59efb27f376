"""P3 frames: escaping, CRC and fields. All integers are little-endian.

Source: the vendor's CRC code as quoted by vmindru/ambp3client, and 1,388 captured frames.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from bridge.driver_api import Reason

SOR: Final = 0x8E
EOR: Final = 0x8F
ESCAPE: Final = 0x8D
_SHIFT: Final = 0x20
_HEADER: Final = 10
_VERSION: Final = 2
_SHORTEST: Final = _HEADER + 1
_ESCAPED: Final = re.compile(rb"\x8d(.)", re.DOTALL)
_TO_ESCAPE: Final = re.compile(rb"[\x8d-\x8f]")
_AFTER_START: Final = 0x1D0F
"""What the CRC register FFFFh has become once two zero bytes went through it."""


class Kind(IntEnum):
    """Types of record (TOR) that are told apart."""

    RESET = 0x0000
    PASSING = 0x0001
    STATUS = 0x0002
    VERSION = 0x0003
    RESEND = 0x0004
    CLEAR_PASSING = 0x0005
    SERVER_SETTINGS = 0x0013
    SESSION = 0x0015
    NETWORK_SETTINGS = 0x0016
    WATCHDOG = 0x0018
    PING = 0x0020
    GET_TIME = 0x0024
    GENERAL_SETTINGS = 0x0028
    SIGNALS = 0x002D
    LOOP_TRIGGER = 0x002F
    GPS_INFO = 0x0030
    FIRST_CONTACT = 0x0045
    TIMELINE = 0x004A
    ERROR = 0xFFFF


DECODER_ID: Final = 0x81


class Frame(NamedTuple):
    """A frame that checks."""

    kind: int
    """A `Kind`, or a number that has no name here."""
    fields: dict[int, bytes]
    """By tag; a tag that comes twice keeps its last value."""

    def number(self, tag: int) -> int | None:
        """Return a field as an unsigned number, or None where it is absent or empty."""
        value = self.fields.get(tag)
        return int.from_bytes(value, "little") if value else None

    @property
    def decoder(self) -> str:
        """The decoder's name as on its box: the bytes of its id in wire order, hexadecimal."""
        return self.fields.get(DECODER_ID, b"").hex().upper()


class Broken(NamedTuple):
    """Why bytes between SOR and EOR are no frame."""

    reason: Reason
    detail: str


def crc(data: bytes) -> int:
    """Return the CRC-16 of an unescaped frame whose own CRC bytes are zero, or of ASCII text.

    Polynomial 1021h, start FFFFh, each byte added *behind* the shift. The usual CRC-CCITT adds it
    before, so it is two bytes ahead: it runs over all but the last two, which are added plainly.
    `data` has two bytes at least.
    """
    return crc_hqx(data[:-2], _AFTER_START) ^ int.from_bytes(data[-2:], "big")


def unescape(wire: bytes) -> bytes:
    """Undo any ``8D xx``."""
    if ESCAPE not in wire:
        return wire
    return _ESCAPED.sub(lambda found: bytes([(found[1][0] - _SHIFT) & 0xFF]), wire)


def escape(frame: bytes) -> bytes:
    """Escape what lies between SOR and EOR; decoders send 8A to 8C as they are."""
    inner = _TO_ESCAPE.sub(lambda found: bytes([ESCAPE, found[0][0] + _SHIFT]), frame[1:-1])
    return frame[:1] + inner + frame[-1:]


def parse(wire: bytes, *, zero_crc: bool = False) -> Frame | Broken:
    """Return the frame in `wire`, which begins with SOR and ends with EOR.

    `zero_crc`: a CRC of 0000 stands for "not computed". A length of 0 is accepted: requests of a
    working program have it.
    """
    frame = unescape(wire)
    if len(frame) < _SHORTEST:
        return Broken(Reason.FRAMING, f"a frame of {len(frame)} bytes has no header")
    told = frame[4] | frame[5] << 8
    if not (zero_crc and told == 0):
        computed = crc(frame[:4] + b"\0\0" + frame[6:])
        if told != computed:
            return Broken(Reason.CHECKSUM, f"CRC {told:04X}, computed {computed:04X}")
    length = frame[2] | frame[3] << 8
    if length not in (0, len(frame)):
        return Broken(Reason.FIELD, f"length {length} in a frame of {len(frame)} bytes")
    fields: dict[int, bytes] = {}
    at, end = _HEADER, len(frame) - 1
    while at < end:
        if at + 2 > end or (after := at + 2 + frame[at + 1]) > end:
            return Broken(Reason.FIELD, f"field {frame[at]:02X} is longer than its frame")
        fields[frame[at]] = frame[at + 2 : after]
        at = after
    return Frame(frame[8] | frame[9] << 8, fields)


def build(kind: int, fields: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the bytes on the wire of a frame."""
    body = b"".join(bytes([tag, len(value)]) + value for tag, value in fields)
    length = _SHORTEST + len(body)
    head = bytes([SOR, _VERSION]) + length.to_bytes(2, "little")
    rest = b"\0\0" + kind.to_bytes(2, "little") + body + bytes([EOR])
    check = crc(head + b"\0\0" + rest)
    return escape(head + check.to_bytes(2, "little") + rest)


def name_of(kind: int) -> str:
    """Return the name of a type of record as people read it."""
    try:
        return Kind(kind).name.lower().replace("_", " ")
    except ValueError:
        return f"record {kind:04X}"
