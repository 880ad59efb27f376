"""Answers of older Chafon readers: ``Len Adr Cmd Status data CRC``.

Tags come in answers to an inventory, several in one frame, in one of two forms: UHFReader18 tells
``Num, Num x {length, EPC}``; the 86 and 288 series ``Ant, Num, Num x {length, EPC, RSSI}``. In
real-time mode each comes by itself under EE.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bridge.domain.reads import Read, StampForm
from bridge.driver_api import Control, Kept, Reason, Rejected, Sighting, Status
from drivers.binary_frames import chip_of, epc_of
from drivers.chafon import wire

UNKNOWN: Final = 0x00
INVENTORY: Final = 0x01
TO_BUFFER: Final = 0x18
INFO: Final = 0x21
READ_BUFFER: Final = 0x72
CLEAR_BUFFER: Final = 0x73
COUNT_BUFFER: Final = 0x74
SERIAL: Final = 0x4C
MODE: Final = 0x76
HEARTBEAT: Final = 0x78
LIVE: Final = 0xEE

DONE: Final = 0x01
MORE: Final = 0x03
WITH_TAGS: Final = (DONE, 0x02, MORE, 0x04)
STATISTICS: Final = 0x26
BEAT: Final = 0x28
NO_ANTENNA: Final = 0xF8
NO_TAG: Final = 0xFB
ILLEGAL: Final = 0xFE
STATUSES: Final = MappingProxyType(
    {
        0x00: "done",
        DONE: "done",
        0x02: "stopped by time-out",
        MORE: "more follow",
        0x04: "memory full",
        NO_ANTENNA: "antenna fault",
        0xF9: "command failed",
        0xFA: "poor communication",
        NO_TAG: "no tag",
        0xFC: "tag error",
        0xFD: "wrong length",
        ILLEGAL: "illegal command",
        0xFF: "parameter error",
    }
)
WITHOUT_RSSI: Final = frozenset({0x03, 0x08, 0x09})
"""Types whose inventory has the form of UHFReader18."""
_TYPES: Final = MappingProxyType(
    {0x03: "RU5102", 0x08: "RU5102", 0x09: "UHFReader18", 0x0C: "288M", 0x0F: "86", 0x10: "86"}
)
_TYPES_288MP: Final = (0x16, 0x20)
_FAST_ID: Final = 0x80
_TID_SIZE: Final = 12
_SHORTEST_EPC: Final = 2


class Tag(NamedTuple):
    """One tag of a frame and where its block ends."""

    epc: bytes
    rssi: int | None
    end: int


def tags_of(frame: bytes, *, with_rssi: bool) -> tuple[int, list[Tag]] | None:
    """Return antenna byte and tags of an inventory frame; None: it has another form.

    The antenna byte is 0 where there is none. Blocks have to fill the frame exactly.
    """
    at = 4 + with_rssi
    stop = len(frame) - 2
    if at >= stop:
        return None
    count, at = frame[at], at + 1
    tags: list[Tag] = []
    while at < stop:
        epc, end = _block(frame, at)
        end += with_rssi
        if end > stop or len(epc) < _SHORTEST_EPC:
            return None
        tags.append(Tag(epc, frame[end - 1] if with_rssi else None, end))
        at = end
    return (frame[4] if with_rssi else 0, tags) if len(tags) == count else None


def _block(frame: bytes, at: int) -> tuple[bytes, int]:
    """Return the EPC of a block that begins with its length, and where it ends.

    With the top bit set the tag's 12 bytes of TID follow its EPC (FastID).
    """
    size = frame[at] & ~_FAST_ID
    epc_size = max(size - _TID_SIZE, 0) if frame[at] & _FAST_ID else size
    return frame[at + 1 : at + 1 + epc_size], at + 1 + size


def live_tag(frame: bytes) -> tuple[int, Tag] | None:
    """Return the antenna value and tag of a report in real-time mode.

    Readers with more than eight ports may tell the antenna in two bytes: the length decides.
    """
    for wide in (1, 2):
        start = 4 + wide
        if start < len(frame) - 2:
            epc, end = _block(frame, start)
            if end + 1 == len(frame) - 2 and len(epc) >= _SHORTEST_EPC:
                antenna = int.from_bytes(frame[4:start], "big")
                return antenna, Tag(epc, frame[end], end + 1)
    return None


def is_proven(frame: bytes) -> bool:
    """Tell whether the inside of a frame fits its kind."""
    code, status = frame[2], frame[3]
    if code == INVENTORY and status in WITH_TAGS:
        return any(tags_of(frame, with_rssi=form) for form in (True, False))
    if code == LIVE and status == 0:
        return live_tag(frame) is not None
    return len(frame) <= 32  # noqa: PLR2004 - longer than any other answer we know the length of


class OlderDecoder:
    """Decodes frames of one connection; what the reader is may come with them (21)."""

    def __init__(self, dialect: str, *, has_16_ports: bool) -> None:
        self._dialect = dialect
        self._port_of: Callable[[int], int | None] = _numbered if has_16_ports else _masked
        self._type: int | None = None

    @property
    def with_rssi(self) -> bool:
        """The form of tags to be expected, and of the command that asks for them."""
        if self._dialect == "auto":
            return self._type not in WITHOUT_RSSI
        return self._dialect != "uhfreader18"

    def decode(self, frame: bytes) -> list[Kept]:
        """Decode one whole frame."""
        if len(frame) == 5:  # noqa: PLR2004 - no status
            return [Control(frame, "command", {"command": f"{frame[2]:02X}"})]
        code, status = frame[2], frame[3]
        if code == INVENTORY:
            return self._inventory(frame)
        if code == LIVE:
            return [self._live(frame)]
        if code == INFO and status == 0 and len(frame) >= 14:  # noqa: PLR2004
            self._type = frame[6]
            return [_info(frame)]
        return [_told(frame)]

    def _inventory(self, frame: bytes) -> list[Kept]:
        status = frame[3]
        if status == STATISTICS:
            return [Control(frame, "statistics", {"data": frame[4:-2].hex().upper()})]
        if status not in WITH_TAGS:
            return [Control(frame, STATUSES.get(status, f"status {status:02X}"))]
        found = tags_of(frame, with_rssi=self.with_rssi)
        if found is None and self._dialect == "auto":
            found = tags_of(frame, with_rssi=not self.with_rssi)
        if found is None:
            return [_without_tags(frame)]
        value, tags = found
        if not tags:
            return [Control(frame, "no tag")]
        antenna = self._port_of(value)
        kept: list[Kept] = []
        start = 0
        for tag in tags:
            # Each read has its own block; the frame's head goes with the first, its CRC with the
            # last, so that all bytes are there once.
            end = len(frame) if tag is tags[-1] else tag.end
            kept.append(_read(frame[start:end], tag, antenna))
            start = end
        return kept

    def _live(self, frame: bytes) -> Kept:
        if frame[3] == BEAT and len(frame) > 14:  # noqa: PLR2004
            ports = frame[8:-6]
            fields = {"antennas": "".join("1" if port else "0" for port in ports)}
            return Status(frame, fields)
        found = live_tag(frame) if frame[3] == 0 else None
        if found is None:
            return Rejected(frame, Reason.UNKNOWN, "a report of another form")
        value, tag = found
        return _read(frame, tag, self._port_of(value))


def _told(frame: bytes) -> Kept:
    """Decode an answer that is about the reader, or about nothing."""
    code, status = frame[2], frame[3]
    data = frame[4:-2].hex().upper()
    if code == SERIAL and status == 0 and data:
        return Status(frame, {"serial": data})
    if code == READ_BUFFER and status in WITH_TAGS:
        # No times are stored with them: to take them for reads now would make up passings.
        return Control(frame, "buffered tags", {"data": data})
    if code == UNKNOWN:
        return Control(frame, "command not known")
    note = STATUSES.get(status)
    if note is None:
        return Rejected(frame, Reason.UNKNOWN, f"status {status:02X} of {code:02X}")
    return Control(frame, note, {"command": f"{code:02X}", "data": data})


def _without_tags(frame: bytes) -> Kept:
    if len(frame) == 6:  # noqa: PLR2004 - a status and nothing else
        return Control(frame, STATUSES[frame[3]])
    if len(frame) == 10 and frame[6] & 0x80:  # noqa: PLR2004 - Q, session, target, antenna, time
        return Control(frame, "command", {"command": f"{INVENTORY:02X}"})
    return Rejected(frame, Reason.FIELD, "tags do not fill the frame")


def _read(raw: bytes, tag: Tag, antenna: int | None) -> Read:
    # The unit of the RSSI is not documented; larger is stronger.
    rssi = None if tag.rssi is None else float(tag.rssi)
    return Read(raw, chip_of(tag.epc), 0, StampForm.ABSENT, antenna, rssi)


def _masked(mask: int) -> int | None:
    """Return the port of a mask; None where there is none or more than one saw the tag."""
    return mask.bit_length() if mask and not mask & (mask - 1) else None


def _numbered(number: int) -> int:
    return number + 1


def _info(frame: bytes) -> Status:
    kind = frame[6]
    model = "288MP" if kind in _TYPES_288MP else _TYPES.get(kind, f"type {kind:02X}")
    return Status(
        frame,
        {
            "firmware": f"{frame[4]}.{frame[5]}",
            "model": model,
            "power_dbm": frame[10],
            "scan_s": frame[11] / 10,
        },
    )


def fields_of(raw: bytes) -> Mapping[str, object]:
    """Return the protocol fields of a read whose raw bytes are a frame of its own."""
    if len(raw) != raw[0] + 1 or not wire.is_sound(raw):
        return {}
    fields: dict[str, object] = {"command": f"{raw[2]:02X}"}
    if raw[2] == LIVE or tags_of(raw, with_rssi=True) is not None:
        fields["antenna_byte"] = raw[4]
    return fields


def answer(code: int, status: int, data: bytes = b"") -> bytes:
    """Return what a reader with address 0 answers."""
    return wire.older(code, bytes((status,)) + data, 0)


def block(sighting: Sighting, *, with_rssi: bool) -> bytes:
    """Return the block of one tag."""
    epc = epc_of(sighting.chip)
    tail = bytes((round(sighting.rssi) & 0xFF,)) if with_rssi else b""
    return bytes((len(epc),)) + epc + tail


def antenna_mask(antenna: int) -> int:
    """Return the byte that stands for a port."""
    return 1 << min(max(antenna, 1), 8) - 1


def encode(sighting: Sighting) -> bytes:
    """Return the frame with which an 86 or 288 reader tells of one tag in a longer answer."""
    data = bytes((antenna_mask(sighting.antenna), 1)) + block(sighting, with_rssi=True)
    return answer(INVENTORY, MORE, data)
