"""Frames of M100, QM100, YRM100, JRD-100 modules and of R200 boards.

Head, type, command, parameter length (2, big-endian), parameters, check, tail. The head is BB and
the tail 7E; R200 boards have AA and DD and are otherwise the same. Head and tail occur inside EPCs
and CRCs too, so only the length and the check tell where a frame ends.

Source: M100 protocol manual V2.1; frames in m5stack/M5Unit-UHF-RFID and
playfultechnology/arduino-rfid-R200.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Control, Kept, Reason, Rejected, Sighting, Status
from drivers.binary_frames import Shape, chip_of, crc_gen2, epc_of, low_sum, pc_of

COMMAND: Final = 0
REPLY: Final = 1
NOTICE: Final = 2

INFO: Final = 0x03
REGION: Final = 0x07
SINGLE: Final = 0x22
MULTI: Final = 0x27
STOP: Final = 0x28
SET_POWER: Final = 0xB6
GET_POWER: Final = 0xB7
ERROR: Final = 0xFF

NO_TAG: Final = 0x15
COMMAND_ERROR: Final = 0x17
ERRORS: Final = MappingProxyType(
    {
        0x09: "no tag to read from",
        0x10: "no tag to write to",
        0x12: "no tag to kill",
        0x13: "no tag to lock",
        0x16: "wrong access password",
        COMMAND_ERROR: "command error",
        0x20: "frequency hopping timed out",
    }
)
ENVELOPE: Final = 7
"""Bytes around the parameters."""
MOST_PARAMETERS: Final = 512
"""No documented frame has more; a longer length is damage."""
_INFOS: Final = ("hardware", "firmware", "maker")
_TAILS: Final = MappingProxyType({0xBB: 0x7E, 0xAA: 0xDD})
_HEAD: Final = re.compile(
    rb"[\xaa\xbb](?:\x02[\x22\x27]|\x01[\x03\x07\x22\x27\x28\xb6\xb7\xff])[\x00\x01]", re.DOTALL
)
_COMMAND_HEAD: Final = re.compile(rb"[\xaa\xbb]\x00", re.DOTALL)
_TAG_AROUND: Final = 5
"""RSSI, PC and CRC around an EPC."""


class Dialect(NamedTuple):
    """What differs between the families."""

    name: str
    head: int


M100: Final = Dialect("m100", 0xBB)
R200: Final = Dialect("r200", 0xAA)
DIALECTS: Final = (M100, R200)


def build(dialect: Dialect, kind: int, command: int, parameters: bytes = b"") -> bytes:
    """Return a whole frame."""
    body = bytes((kind, command)) + len(parameters).to_bytes(2, "big") + parameters
    return bytes((dialect.head, *body, low_sum(body), _TAILS[dialect.head]))


def _length(buffer: bytes, at: int) -> int:
    parameters = buffer[at + 3] << 8 | buffer[at + 4]
    if buffer[at] not in _TAILS or buffer[at + 1] > NOTICE or parameters > MOST_PARAMETERS:
        return 0
    return parameters + ENVELOPE


def _is_sound(frame: bytes) -> bool:
    return frame[-1] == _TAILS[frame[0]] and low_sum(frame[1:-2]) == frame[-2]


def _is_proven(frame: bytes) -> bool:
    return frame[2] not in (SINGLE, MULTI) or not _is_tag(frame) or _tag_crc_is_right(frame)


SHAPE: Final = Shape(_HEAD, 5, _length, _is_sound, _is_proven)
COMMANDS: Final = Shape(_COMMAND_HEAD, 5, _length, _is_sound, lambda _: True)
"""What an emulated module listens for."""


def _is_tag(frame: bytes) -> bool:
    # Some modules answer a single poll with a reply instead of a notice; a one-byte reply is the
    # success or failure of a command.
    return frame[1] != COMMAND and frame[2] in (SINGLE, MULTI) and len(frame) > ENVELOPE + 1


def _tag_crc_is_right(frame: bytes) -> bool:
    return crc_gen2(frame[6:-4]) == frame[-4] << 8 | frame[-3]


def decode(frame: bytes) -> list[Kept]:
    """Decode one whole frame."""
    if frame[1] == NOTICE or (frame[1] == REPLY and _is_tag(frame)):
        return [_tag(frame)]
    if frame[1] == COMMAND:
        return [Control(frame, "command of a host", {"command": f"{frame[2]:02X}"})]
    return [_reply(frame)]


def _tag(frame: bytes) -> Kept:
    if not _is_tag(frame):
        return Rejected(frame, Reason.UNKNOWN, "a notice that is no tag")
    epc = frame[8:-4]
    if len(frame) <= ENVELOPE + _TAG_AROUND:
        return Rejected(frame, Reason.FIELD, "a tag without an EPC")
    if not _tag_crc_is_right(frame):
        return Rejected(frame, Reason.CHECKSUM, "the tag's own CRC is wrong")
    rssi = frame[5] - 256 if frame[5] > 127 else frame[5]  # noqa: PLR2004 - int8
    # One antenna port, and no number for it on the wire.
    return Read(frame, chip_of(epc), 0, StampForm.ABSENT, 1, float(rssi))


def _reply(frame: bytes) -> Kept:
    command, parameters = frame[2], frame[5:-2]
    if command == ERROR and parameters:
        code = parameters[0]
        if code == NO_TAG:
            return Control(frame, "no tag")
        return Control(frame, "error", {"code": code, "text": ERRORS.get(code, "unknown")})
    if command == INFO and parameters and parameters[0] < len(_INFOS):
        text = parameters[1:].decode("ascii", "replace").strip("\0 ")
        return Status(frame, {_INFOS[parameters[0]]: text})
    if command == GET_POWER and len(parameters) == 2:  # noqa: PLR2004 - 0.01 dBm
        return Status(frame, {"power_dbm": int.from_bytes(parameters, "big") / 100})
    if command in (REGION, SET_POWER, STOP, SINGLE, MULTI):
        return Control(frame, "done", {"command": f"{command:02X}", "result": parameters.hex()})
    return Rejected(frame, Reason.UNKNOWN, f"reply to command {command:02X}")


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a read's frame."""
    if len(raw) <= ENVELOPE + _TAG_AROUND:
        return {}
    return {"pc": raw[6:8].hex().upper(), "tag_crc": raw[-4:-2].hex().upper()}


def notice(dialect: Dialect, sighting: Sighting) -> bytes:
    """Return the notice of a tag."""
    epc = epc_of(sighting.chip)
    body = pc_of(epc) + epc
    rssi = max(-128, min(round(sighting.rssi), 127)) & 0xFF
    tag = bytes((rssi,)) + body + crc_gen2(body).to_bytes(2, "big")
    return build(dialect, NOTICE, SINGLE, tag)


def encode(sighting: Sighting) -> bytes:
    """Return the notice an M100 module sends for a tag."""
    return notice(M100, sighting)
