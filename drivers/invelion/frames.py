"""Frames of Invelion, Rodinbell and YR readers (Impinj R2000 and E710 modules), head A0.

A0, length of what follows, address, command, data, check: the two's complement of the sum of all
bytes before it. Commands and answers have the same form; A0 occurs inside EPCs.

Source: hex-in/pyImpinj; russss/rust-invelion; vayutech/InvelionPython; the vendor's serial protocol
documents quoted there.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Control, Kept, Reason, Rejected, Sighting, Status
from drivers.binary_frames import Shape, chip_of, epc_of, negated_sum, pc_of

RESET: Final = 0x70
VERSION: Final = 0x72
WORK_ANTENNA: Final = 0x74
SET_POWER: Final = 0x76
POWER_FOR_NOW: Final = 0x66
TEMPERATURE: Final = 0x7B
PLAIN: Final = 0x89
CYCLE: Final = 0x8A
WITH_SESSION: Final = 0x8B
INVENTORIES: Final = (PLAIN, CYCLE, WITH_SESSION)

ANY: Final = 0xFF
"""Address that every reader answers to; it answers with its own."""
END: Final = 0x0A
ERROR: Final = 0x04
CYCLE_ERROR: Final = 0x05
"""Lengths of the frames that are no tags."""

SUCCESS: Final = 0x10
FAIL: Final = 0x11
NO_ANTENNA: Final = 0x22
NO_TAG: Final = 0x36
BAD_PARAMETER: Final = 0x41
CODES: Final = MappingProxyType(
    {
        SUCCESS: "done",
        FAIL: "failed",
        NO_ANTENNA: "antenna missing",
        0x31: "inventory error",
        NO_TAG: "no tag",
        0x40: "access error",
        BAD_PARAMETER: "bad parameter",
    }
)
_TAG_AROUND: Final = 7
"""What the length counts besides the EPC: address, command, antenna, PC (2), RSSI, check."""
_RSSI_ZERO: Final = 129
"""A raw RSSI of 0 is -129 dBm; a second source has -130 below 90."""
_HIGH_PORTS: Final = 0x80
_SIMPLE: Final = (RESET, WORK_ANTENNA, SET_POWER, POWER_FOR_NOW)
_HEAD: Final = re.compile(
    rb"\xa0[\x03-\xff].[\x66\x70\x72\x74\x76\x77\x7b\x80\x89-\x8b\x90-\x93]", re.DOTALL
)


def build(command: int, data: bytes = b"", address: int = ANY) -> bytes:
    """Return a whole frame."""
    frame = bytes((0xA0, len(data) + 3, address, command)) + data
    return frame + bytes((negated_sum(frame),))


def _length(buffer: bytes, at: int) -> int:
    is_possible = buffer[at] == 0xA0 and buffer[at + 1] > 2  # noqa: PLR2004
    return buffer[at + 1] + 2 if is_possible else 0


def _is_sound(frame: bytes) -> bool:
    return negated_sum(frame[:-1]) == frame[-1]


def _is_proven(frame: bytes) -> bool:
    length, command = frame[1], frame[3]
    if command not in INVENTORIES:
        return length <= END
    if length == ERROR:
        return frame[4] in CODES
    return length == END or (length == CYCLE_ERROR and command == CYCLE) or _has_epc(frame)


SHAPE: Final = Shape(_HEAD, 4, _length, _is_sound, _is_proven)
COMMANDS: Final = Shape(re.compile(rb"\xa0"), 4, _length, _is_sound, lambda _: True)
"""What an emulated reader listens for."""


def _has_epc(frame: bytes) -> bool:
    """Tell whether the PC word and the length agree on an EPC."""
    size = frame[1] - _TAG_AROUND
    return size > 0 and frame[5] >> 3 << 1 == size


def decode(frame: bytes) -> list[Kept]:
    """Decode one whole frame."""
    length, command = frame[1], frame[3]
    if command in INVENTORIES:
        return [_inventory(frame)]
    if command == VERSION and length == 5:  # noqa: PLR2004
        return [Status(frame, {"firmware": f"{frame[4]}.{frame[5]}"})]
    if command == TEMPERATURE and length == 5:  # noqa: PLR2004
        # Documents contradict each other on the sign byte; a reader at work is above freezing.
        return [Status(frame, {"temperature_c": frame[5]})]
    if command == TEMPERATURE or length == 3:  # noqa: PLR2004
        return [Control(frame, "command", {"command": f"{command:02X}"})]
    if command in _SIMPLE:
        return [Control(frame, _code(frame[4]), {"command": f"{command:02X}"})]
    return [Rejected(frame, Reason.UNKNOWN, f"answer to command {command:02X}")]


def _code(code: int) -> str:
    return CODES.get(code, f"code {code:02X}")


def _inventory(frame: bytes) -> Kept:
    """Decode what an inventory brings; the same length has two meanings by command."""
    length, command = frame[1], frame[3]
    if length == END:
        return Control(frame, "end of round", _totals(frame))
    if length == ERROR:
        return Control(frame, _code(frame[4]), {"command": f"{command:02X}"})
    if command == CYCLE and length == CYCLE_ERROR:
        return Control(frame, _code(frame[5]), {"antenna": frame[4] + 1})
    if command == WITH_SESSION and length == 6:  # noqa: PLR2004
        return Control(frame, "command", {"command": f"{command:02X}"})
    if not _has_epc(frame):
        return Rejected(frame, Reason.FIELD, "PC word and length do not agree on an EPC")
    raw_rssi = frame[-2]
    # Readers with eight ports are said to mark ports 5 to 8 in the top bit of the RSSI.
    antenna = (frame[4] & 3) + 1 + (4 if raw_rssi & _HIGH_PORTS else 0)
    rssi = float((raw_rssi & ~_HIGH_PORTS) - _RSSI_ZERO)
    return Read(frame, chip_of(frame[7:-2]), 0, StampForm.ABSENT, antenna, rssi)


def _totals(frame: bytes) -> Mapping[str, object]:
    if frame[3] == CYCLE:
        reads, took_ms = int.from_bytes(frame[4:7], "big"), int.from_bytes(frame[7:11], "big")
        return {"reads": reads, "took_ms": took_ms}
    return {
        "antenna": frame[4] + 1,
        "reads_per_s": int.from_bytes(frame[5:7], "big"),
        "reads": int.from_bytes(frame[7:11], "big"),
    }


def extra(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a read's frame."""
    index = raw[4] >> 2
    first, start_mhz = (0, 865.0) if index < 7 else (7, 902.0)  # noqa: PLR2004 - EU, then US plan
    return {
        "frequency_mhz": start_mhz + 0.5 * (index - first),
        "pc": raw[5:7].hex().upper(),
        "rssi_raw": raw[-2],
    }


def tag(sighting: Sighting, command: int, address: int) -> bytes:
    """Return the frame of a tag found by an inventory."""
    epc = epc_of(sighting.chip)
    port = min(max(sighting.antenna, 1), 8) - 1
    rssi = min(max(round(sighting.rssi) + _RSSI_ZERO, 0), 127) | (_HIGH_PORTS if port > 3 else 0)  # noqa: PLR2004
    data = bytes((1 << 2 | port & 3,)) + pc_of(epc) + epc + bytes((rssi,))
    return build(command, data, address)


def encode(sighting: Sighting) -> bytes:
    """Return the frame a reader with address 1 sends for a tag in a real-time inventory."""
    return tag(sighting, PLAIN, 1)
