"""Answers of newer Chafon readers ("UHF Prime"): ``CF Adr Cmd(2) Len Status data CRC(2)``.

The fields of a tag are those of the vendor's header, and the one frame described from a packet
capture (length 0E) fits them with an EPC of eight bytes.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Control, Kept, Reason, Rejected, Sighting, Status
from drivers.binary_frames import chip_of, epc_of
from drivers.chafon import wire

INVENTORY: Final = 0x0001
STOP: Final = 0x0002
POWER: Final = 0x0053
INFO: Final = 0x0070
PARAMETERS: Final = 0x0072
NO_MORE: Final = 0x12
"""Status of an inventory that finds nothing, or is over."""
MODES: Final = MappingProxyType({0: "answer", 1: "active", 2: "trigger"})
ANSWER_MODE: Final = 0
START: Final = bytes(5)
"""Take inventory by time, for ever: until told to stop or switched off."""
_TAG_FIELDS: Final = 6
"""Status, RSSI (2), antenna, channel and length in front of an EPC."""
_PARAMETERS_SIZE: Final = 25
_TEXT: Final = re.compile(rb"[ -~]{4,}")


def code_of(frame: bytes) -> int:
    """Return the command a frame belongs to."""
    return frame[2] << 8 | frame[3]


def _has_tag(frame: bytes) -> bool:
    size = frame[4] - _TAG_FIELDS
    return size > 0 and frame[5] == 0 and frame[10] == size


def is_proven(frame: bytes) -> bool:
    """Tell whether the inside of a frame fits its kind."""
    return code_of(frame) != INVENTORY or frame[4] in (0, 1, len(START)) or _has_tag(frame)


def parameters_of(frame: bytes) -> bytes:
    """Return the settings in an answer to 0072; empty: they are not there."""
    is_right = code_of(frame) == PARAMETERS and frame[4] == _PARAMETERS_SIZE + 1 and not frame[5]
    return frame[6:-2] if is_right else b""


def filter_of(settings: bytes) -> int:
    """Return the seconds in which the reader tells of a tag once only."""
    return settings[21]


def mode_of(settings: bytes) -> int:
    """Return the work mode, a key of `MODES`."""
    return settings[2]


def decode(frame: bytes) -> list[Kept]:
    """Decode one whole frame."""
    code = code_of(frame)
    if frame[4] == 0 or (code == INVENTORY and frame[4] == len(START)):
        return [Control(frame, "command", {"command": f"{code:04X}"})]
    if code == INVENTORY:
        return [_inventory(frame)]
    settings = parameters_of(frame)
    if settings:
        return [_settings(frame, settings)]
    if code == INFO and frame[5] == 0:
        # Three texts with zeros between; which of them is what is not known for every model.
        texts = [text.decode("ascii").strip() for text in _TEXT.findall(frame[6:-2])]
        return [Status(frame, {"firmware": ", ".join(texts)})]
    data = {"command": f"{code:04X}", "status": frame[5], "data": frame[6:-2].hex().upper()}
    return [Control(frame, "refused" if frame[5] else "done", data)]


def _inventory(frame: bytes) -> Kept:
    if frame[5]:
        note = "no tag" if frame[5] == NO_MORE else "inventory failed"
        return Control(frame, note, {"status": frame[5]})
    if frame[4] == 1:
        return Control(frame, "done", {"command": f"{INVENTORY:04X}"})
    if not _has_tag(frame):
        return Rejected(frame, Reason.FIELD, "length and EPC length do not agree")
    # In units of 0.1 dBm by the vendor's header.
    rssi = int.from_bytes(frame[6:8], "big", signed=True) / 10
    return Read(frame, chip_of(frame[11:-2]), 0, StampForm.ABSENT, frame[8] or None, rssi)


def _settings(frame: bytes, settings: bytes) -> Status:
    mode = mode_of(settings)
    fields: dict[str, object] = {
        "mode": MODES.get(mode, f"mode {mode}"),
        "antennas": "".join("1" if settings[6] >> port & 1 else "0" for port in range(4)),
        "power_dbm": settings[15],
        "session": settings[18],
        "filter_s": filter_of(settings),
    }
    return Status(frame, fields)


def fields_of(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a read's frame."""
    is_tag = len(raw) > wire.HEADER + _TAG_FIELDS and _has_tag(raw)
    return {"command": f"{code_of(raw):04X}", "channel": raw[9]} if is_tag else {}


def answer(code: int, status: int, data: bytes = b"") -> bytes:
    """Return what a reader with address 0 answers."""
    return wire.newer(code, bytes((status,)) + data, 0)


def encode(sighting: Sighting) -> bytes:
    """Return the frame of one tag."""
    epc = epc_of(sighting.chip)
    rssi = max(-32768, min(round(sighting.rssi * 10), 32767))
    antenna = min(max(sighting.antenna, 1), 255)
    data = rssi.to_bytes(2, "big", signed=True) + bytes((antenna, 0, len(epc))) + epc
    return answer(INVENTORY, 0, data)
