"""Messages and parameters of LLRP as bytes: numbers, builders, and a walk that never fails.

Everything is big-endian. A message begins with 3 reserved bits, 3 bits of version, 10 bits of
type, then its whole length and its id; a parameter is a TV (one byte with bit 7 set, its size
known by its type) or a TLV (6 reserved bits, 10 bits of type, its whole length).

Source: GS1 LLRP 1.0.1 and 1.1, chapters 16 and 17; Impinj Octane LLRP definitions 1.18.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

HEADER: Final = Struct(">HII")
HEADER_LEN: Final = 10
VERSION_1: Final = 1 << 10
TYPE_BITS: Final = 0x3FF
TLV: Final = Struct(">HH")
TLV_LEN: Final = 4
IMPINJ: Final = 25_882
ZEBRA: Final = 161


class Msg(IntEnum):
    """Message types; the name says who sends it."""

    GET_READER_CAPABILITIES = 1
    GET_READER_CONFIG = 2
    SET_READER_CONFIG = 3
    CLOSE_CONNECTION_RESPONSE = 4
    GET_READER_CAPABILITIES_RESPONSE = 11
    GET_READER_CONFIG_RESPONSE = 12
    SET_READER_CONFIG_RESPONSE = 13
    CLOSE_CONNECTION = 14
    ADD_ROSPEC = 20
    DELETE_ROSPEC = 21
    START_ROSPEC = 22
    STOP_ROSPEC = 23
    ENABLE_ROSPEC = 24
    DISABLE_ROSPEC = 25
    GET_ROSPECS = 26
    ADD_ROSPEC_RESPONSE = 30
    DELETE_ROSPEC_RESPONSE = 31
    START_ROSPEC_RESPONSE = 32
    STOP_ROSPEC_RESPONSE = 33
    ENABLE_ROSPEC_RESPONSE = 34
    DISABLE_ROSPEC_RESPONSE = 35
    GET_ROSPECS_RESPONSE = 36
    DELETE_ACCESSSPEC = 41
    GET_ACCESSSPECS = 44
    DELETE_ACCESSSPEC_RESPONSE = 51
    GET_ACCESSSPECS_RESPONSE = 54
    GET_REPORT = 60
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100
    CUSTOM_MESSAGE = 1023


class Par(IntEnum):
    """Parameter types: those below 128 are TVs."""

    UTC_TIMESTAMP = 128
    UPTIME = 129
    GENERAL_CAPABILITIES = 137
    GPIO_CAPABILITIES = 141
    LLRP_CAPABILITIES = 142
    REGULATORY_CAPABILITIES = 143
    UHF_BAND_CAPABILITIES = 144
    POWER_LEVEL_ENTRY = 145
    FREQUENCY_INFORMATION = 146
    FREQUENCY_HOP_TABLE = 147
    RO_SPEC = 177
    RO_BOUNDARY_SPEC = 178
    RO_START_TRIGGER = 179
    RO_STOP_TRIGGER = 182
    AI_SPEC = 183
    AI_STOP_TRIGGER = 184
    TAG_OBSERVATION_TRIGGER = 185
    INVENTORY_SPEC = 186
    STATE_VALUE = 217
    IDENTIFICATION = 218
    GPO_WRITE = 219
    KEEPALIVE_SPEC = 220
    ANTENNA_PROPERTIES = 221
    ANTENNA_CONFIGURATION = 222
    RF_TRANSMITTER = 224
    GPI_STATE = 225
    EVENTS_AND_REPORTS = 226
    RO_REPORT_SPEC = 237
    CONTENT_SELECTOR = 238
    TAG_REPORT = 240
    EPC_DATA = 241
    EVENT_SPEC = 244
    EVENT_STATE = 245
    EVENT_DATA = 246
    GPI_EVENT = 248
    RO_EVENT = 249
    BUFFER_WARNING = 250
    BUFFER_OVERFLOW = 251
    READER_EXCEPTION = 252
    AI_EVENT = 254
    ANTENNA_EVENT = 255
    CONNECTION_ATTEMPT = 256
    CONNECTION_CLOSE = 257
    STATUS = 287
    RF_MODE_TABLE = 328
    RF_MODE_ENTRY = 329
    INVENTORY_COMMAND = 330
    RF_CONTROL = 335
    SINGULATION = 336
    C1G2_MEMORY_SELECTOR = 348
    CUSTOM = 1023


class Impinj(IntEnum):
    """Subtypes of vendor 25882: messages below 30 are the two Octane knows, the rest parameters."""

    ENABLE_EXTENSIONS = 21
    ENABLE_EXTENSIONS_RESPONSE = 22
    SEARCH_MODE = 23
    TEMPERATURE = 37
    LINK_MONITOR = 38
    REPORT_CONTENT = 50
    ENABLE_TID = 51
    ENABLE_PHASE = 52
    ENABLE_PEAK_RSSI = 53
    TID = 55
    PHASE = 56
    PEAK_RSSI = 57
    ENABLE_DOPPLER = 67
    DOPPLER = 68


class Zebra(IntEnum):
    """Subtypes of vendor 161."""

    PURGE_TAGS = 3
    TAG_FILTER = 255


TV_SIZES: Final = {
    1: 2, 2: 8, 3: 8, 4: 8, 5: 8, 6: 1, 7: 2, 8: 2, 9: 4, 10: 2, 11: 2, 12: 2, 13: 12, 14: 2,
    15: 2, 16: 4, 17: 2, 18: 4, 19: 2, 20: 2,
}  # fmt: skip
"""Bytes behind the type byte of each TV."""


class Param(NamedTuple):
    """One parameter of a message."""

    kind: int
    body: bytes
    """What follows the type and length; for custom ones what follows vendor and subtype."""
    vendor: int = 0
    subtype: int = 0


def message(kind: int, number: int, body: bytes = b"") -> bytes:
    """Return a message of version 1, which every reader takes."""
    return HEADER.pack(VERSION_1 | kind, HEADER_LEN + len(body), number & 0xFFFFFFFF) + body


def tlv(kind: int, *body: bytes) -> bytes:
    """Return a TLV parameter."""
    content = b"".join(body)
    return TLV.pack(kind, TLV_LEN + len(content)) + content


def custom(vendor: int, subtype: int, *body: bytes) -> bytes:
    """Return a vendor's parameter."""
    return tlv(Par.CUSTOM, u32(vendor), u32(subtype), *body)


def u8(value: int) -> bytes:
    """Return one byte."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """Return two bytes."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Return four bytes."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Return eight bytes."""
    return value.to_bytes(8, "big")


def number(body: bytes, at: int, size: int) -> int | None:
    """Return the unsigned integer of `size` bytes at `at`, or None if the body ends before."""
    return int.from_bytes(body[at : at + size], "big") if at + size <= len(body) else None


def text(body: bytes, at: int) -> tuple[str, int]:
    """Return a ``utf8v`` at `at` and where it ends; what is cut off is left out."""
    length = number(body, at, 2) or 0
    end = min(at + 2 + length, len(body))
    return body[at + 2 : end].decode("utf-8", "replace"), max(end, at)


def params(body: bytes, at: int = 0) -> Iterator[Param]:
    """Walk through parameters from `at`, as far as they can be followed.

    An unknown TV, whose size nobody knows, or a length that cannot be ends the walk.
    """
    end = len(body)
    while at < end:
        first = body[at]
        if first & 0x80:
            size = TV_SIZES.get(first & 0x7F)
            if size is None or at + 1 + size > end:
                return
            yield Param(first & 0x7F, body[at + 1 : at + 1 + size])
            at += 1 + size
            continue
        if at + TLV_LEN > end:
            return
        kind, length = TLV.unpack_from(body, at)
        if length < TLV_LEN or at + length > end or kind > TYPE_BITS:
            return
        yield _tlv(kind, body[at + TLV_LEN : at + length])
        at += length


def _tlv(kind: int, body: bytes) -> Param:
    if kind != Par.CUSTOM or len(body) < 8:  # noqa: PLR2004 - vendor and subtype
        return Param(kind, body)
    vendor, subtype = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    return Param(kind, body[8:], vendor, subtype)


class Outcome(NamedTuple):
    """LLRPStatus of a response."""

    code: int
    """0: done; 100 to 112: message, 200 to 209: parameter, 300, 301: value, 401: device."""
    text: str
    """The reader's words; they may name the field in question."""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.code == 0

    def words(self) -> str:
        """Return what went wrong."""
        return f"status {self.code}: {self.text}" if self.text else f"status {self.code}"


def outcome(body: bytes) -> Outcome:
    """Return how a response says it went; one that says nothing is taken as done."""
    for param in params(body):
        if param.kind == Par.STATUS:
            return Outcome(number(param.body, 0, 2) or 0, text(param.body, 2)[0])
    return Outcome(0, "")


def status(code: int = 0, words: str = "") -> bytes:
    """Return LLRPStatus as a reader sends it."""
    said = words.encode()
    return tlv(Par.STATUS, u16(code), u16(len(said)), said)
