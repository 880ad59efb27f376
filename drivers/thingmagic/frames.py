"""Frames of ThingMagic modules (M6e, M6e Nano, M7e) on their serial port.

FF, length of the data, opcode, from the module a status (2), data, CRC (2, big-endian) over all but
the FF. Nothing is escaped. A tag found in continuous reading comes by itself under opcode 22.

Source: sparkfun/SparkFun_Simultaneous_RFID_Tag_Reader_Library; Mercury API (serial_reader_l3.c);
M6e user guide 8.8.3.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read, StampForm
from bridge.driver_api import Control, Kept, Reason, Rejected, Sighting, Status
from drivers.binary_frames import Shape, chip_of, crc_gen2, crc_mercury, epc_of, pc_of

VERSION: Final = 0x03
STREAM: Final = 0x22
MULTI: Final = 0x2F
ANTENNA: Final = 0x91
POWER: Final = 0x92
PROTOCOL: Final = 0x93
REGION: Final = 0x97
SETTING: Final = 0x9A

KEEPALIVE: Final = 0x0400
TOO_HOT: Final = 0x0504
BAD_MATCH: Final = 0x0505
STATUSES: Final = MappingProxyType(
    {KEEPALIVE: "keepalive", TOO_HOT: "too hot", BAD_MATCH: "antenna does not match"}
)
TAG_FLAGS: Final = bytes.fromhex("10001b01ff0101")
"""What stands before the fields of a tag for our start command; 01FF says which fields follow."""
_FIELDS: Final = TAG_FLAGS[3:5]
_ENVELOPE: Final = 7
_COMMAND_ENVELOPE: Final = 5
_LONGEST: Final = 248
_LONGEST_COMMAND: Final = 250
_SHORTEST_TAG: Final = 31
"""Bytes up to the PC word of a tag without extra data, and that word."""
_AROUND_EPC: Final = 4
_REPORTS: Final = MappingProxyType({0x08: "report", 0x0A: "temperature report"})
_VERSION_SIZE: Final = 20
_HEAD: Final = re.compile(
    rb"\xff[\x00-\xf8][\x03\x04\x06\x0c\x22\x29\x2a\x2f\x61-\x72\x91-\x9e][\x00-\x07]", re.DOTALL
)
_COMMAND_HEAD: Final = re.compile(rb"\xff[\x00-\xfa]", re.DOTALL)


def command(opcode: int, data: bytes = b"") -> bytes:
    """Return a frame from the host."""
    body = bytes((len(data), opcode)) + data
    return b"\xff" + body + crc_mercury(body).to_bytes(2, "big")


def reply(opcode: int, data: bytes = b"", status: int = 0) -> bytes:
    """Return a frame from the module."""
    body = bytes((len(data), opcode)) + status.to_bytes(2, "big") + data
    return b"\xff" + body + crc_mercury(body).to_bytes(2, "big")


def status_of(frame: bytes) -> int:
    """Return the status of a frame from the module; 0: success."""
    return frame[3] << 8 | frame[4]


def _length(buffer: bytes, at: int) -> int:
    is_possible = buffer[at] == 0xFF and buffer[at + 1] <= _LONGEST  # noqa: PLR2004
    return buffer[at + 1] + _ENVELOPE if is_possible else 0


def _command_length(buffer: bytes, at: int) -> int:
    is_possible = buffer[at] == 0xFF and buffer[at + 1] <= _LONGEST_COMMAND  # noqa: PLR2004
    return buffer[at + 1] + _COMMAND_ENVELOPE if is_possible else 0


def _is_sound(frame: bytes) -> bool:
    return crc_mercury(frame[1:-2]) == frame[-2] << 8 | frame[-1]


def _is_proven(frame: bytes) -> bool:
    return frame[2] != STREAM or frame[1] == 0 or frame[1] in _REPORTS or _tag_of(frame) is not None


SHAPE: Final = Shape(_HEAD, 4, _length, _is_sound, _is_proven)
COMMANDS: Final = Shape(_COMMAND_HEAD, 2, _command_length, _is_sound, lambda _: True)
"""What an emulated module listens for."""


class Tag(NamedTuple):
    """Where the parts of a tag frame are, and the tag's own check."""

    extra: bytes
    pc: bytes
    epc: bytes
    crc: bytes

    @property
    def is_right(self) -> bool:
        """The tag's own CRC fits what was read of it."""
        return crc_gen2(self.pc + self.epc) == int.from_bytes(self.crc, "big")


def _tag_of(frame: bytes) -> Tag | None:
    """Return the parts of a tag frame; None: its lengths contradict each other."""
    if len(frame) < _SHORTEST_TAG + _AROUND_EPC or frame[8:10] != _FIELDS:
        return None
    first = 26 + ((frame[24] << 8 | frame[25]) + 7) // 8
    told = frame[first + 1 : first + 3]
    rest = frame[first + 3 : -2]
    if len(rest) < _AROUND_EPC or int.from_bytes(told, "big") != len(rest) * 8:
        return None
    return Tag(frame[26:first], rest[:2], rest[2:-2], rest[-2:])


def decode(frame: bytes) -> list[Kept]:
    """Decode one whole frame from the module."""
    opcode, size, status = frame[2], frame[1], status_of(frame)
    if opcode == STREAM and size in _REPORTS:
        return [Control(frame, _REPORTS[size], {"data": frame[5:-2].hex()})]
    if opcode == STREAM and size:
        return [_tag(frame)]
    if status:
        note = STATUSES.get(status, "refused")
        return [Control(frame, note, {"opcode": f"{opcode:02X}", "status": f"{status:04X}"})]
    if opcode == VERSION and size == _VERSION_SIZE:
        return [
            Status(frame, {"firmware": frame[17:21].hex("."), "hardware": frame[9:13].hex(".")})
        ]
    return [Control(frame, "done", {"opcode": f"{opcode:02X}"})]


def _tag(frame: bytes) -> Kept:
    if frame[8:10] != _FIELDS:
        return Rejected(frame, Reason.UNKNOWN, "fields of another start command")
    tag = _tag_of(frame)
    if tag is None:
        return Rejected(frame, Reason.FIELD, "lengths contradict each other")
    if not tag.epc:
        return Rejected(frame, Reason.FIELD, "a tag without an EPC")
    if not tag.is_right:
        return Rejected(frame, Reason.CHECKSUM, "the tag's own CRC is wrong")
    rssi = frame[12] - 256 if frame[12] > 127 else frame[12]  # noqa: PLR2004 - int8
    return Read(frame, chip_of(tag.epc), 0, StampForm.ABSENT, frame[13] >> 4, float(rssi))


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a read's frame.

    `ms` is good for the order inside one reading cycle only: sources disagree on what it counts
    from.
    """
    tag = _tag_of(raw)
    if tag is None:
        return {}
    fields: dict[str, object] = {
        "receiving_antenna": raw[13] & 0x0F,
        "frequency_khz": int.from_bytes(raw[14:17], "big"),
        "ms": int.from_bytes(raw[17:21], "big"),
        "phase": raw[21] << 8 | raw[22],
        "protocol": raw[23],
        "pc": tag.pc.hex().upper(),
        "tag_crc": tag.crc.hex().upper(),
    }
    if tag.extra:
        fields["data"] = tag.extra.hex().upper()
    return fields


def encode(sighting: Sighting) -> bytes:
    """Return the frame a module in continuous reading sends for a tag."""
    epc = epc_of(sighting.chip)
    body = pc_of(epc) + epc
    body += crc_gen2(body).to_bytes(2, "big")
    antenna = min(max(sighting.antenna, 1), 15)
    data = (
        TAG_FLAGS
        + bytes((max(-128, min(round(sighting.rssi), 127)) & 0xFF, antenna << 4 | antenna))
        + (865_700).to_bytes(3, "big")
        + (sighting.stamp % NS_PER_S // NS_PER_MS).to_bytes(4, "big")
        + b"\x00\x00\x05\x00\x00\x0f"
        + (len(body) * 8).to_bytes(2, "big")
        + body
    )
    return reply(STREAM, data)
