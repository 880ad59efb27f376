"""One tag report: all that it tells, for `decode`; and as a reader writes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

from bridge.driver_api import Sighting
from drivers.llrp.layouts import NS_PER_US, walk
from drivers.llrp.wire import (
    HEADER_LEN,
    IMPINJ,
    TYPE_BITS,
    Impinj,
    Msg,
    Par,
    custom,
    message,
    tlv,
    u16,
    u32,
    u64,
)

_S16: Final = Struct(">h")
_DEGREES: Final = 360 / 4096
_PER_HZ: Final = 16
_PER_DBM: Final = 100
_EPC_96: Final = 12
_MOST_U64: Final = (1 << 64) - 1


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


_FIELDS: Final[Mapping[str, tuple[str, Callable[[bytes], object]]]] = {
    "first_utc": ("first_utc_us", _unsigned),
    "first_uptime": ("first_uptime_us", _unsigned),
    "last_utc": ("last_utc_us", _unsigned),
    "last_uptime": ("last_uptime_us", _unsigned),
    "rssi": ("rssi_dbm", _signed),
    "peak_rssi": ("peak_rssi_dbm", lambda data: _signed(data) / _PER_DBM),
    "phase": ("phase_deg", lambda data: round(_unsigned(data) * _DEGREES, 3)),
    "doppler": ("doppler_hz", lambda data: _signed(data) / _PER_HZ),
    "tid": ("tid", lambda data: data[2:].hex().upper()),
}


def extra(raw: bytes) -> Mapping[str, object]:
    """Return what a read's bytes tell besides chip, time, antenna and strength."""
    first = int.from_bytes(raw[:2], "big")
    told: dict[str, object] = {}
    if first & TYPE_BITS == Msg.RO_ACCESS_REPORT:
        told["message_id"] = int.from_bytes(raw[6:HEADER_LEN], "big")
        raw = raw[HEADER_LEN:]
    at = 0
    for segment in walk(raw).segments:
        value = raw[at + len(segment.constant) : at + len(segment.constant) + segment.size]
        at += len(segment.constant) + segment.size
        if segment.name == "epc":
            told["epc_bits"] = _bits(segment.constant, segment.size)
        elif segment.name and segment.name != "antenna":
            name, convert = _FIELDS.get(segment.name, (segment.name, _unsigned))
            told[name] = convert(value)
    return told


def _bits(constant: bytes, size: int) -> int:
    """Return the length of an EPC; that of EPCData stands right before it."""
    return int.from_bytes(constant[-2:], "big") if constant[-1:] != b"\x8d" else 8 * size


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a reader was asked to put into its reports."""

    antenna: bool = True
    channel: bool = False
    rssi: bool = True
    first_seen: bool = True
    last_seen: bool = True
    count: bool = True
    peak_rssi: bool = True
    """Impinj's, in hundredths of dBm."""
    phase: bool = False
    doppler: bool = False
    tid: bool = False
    uptime: bool = False
    """The reader has no UTC clock: times are since it was switched on."""
    epc_data: bool = False
    """EPCs of 96 bits come as EPCData too."""


_USUAL: Final = Content()


def tag(sighting: Sighting, content: Content = _USUAL) -> bytes:
    """Return TagReportData of a sighting."""
    parts = [_epc(sighting.chip, as_data=content.epc_data)]
    stamp = u64(min(max(sighting.stamp // NS_PER_US, 0), _MOST_U64))
    dbm = min(max(sighting.rssi, -128), 127)
    first, last = (b"\x83", b"\x85") if content.uptime else (b"\x82", b"\x84")
    if content.antenna:
        parts.append(b"\x81" + u16(sighting.antenna & 0xFFFF))
    if content.rssi:
        parts.append(b"\x86" + round(dbm).to_bytes(1, "big", signed=True))
    if content.channel:
        parts.append(b"\x87" + u16(1 + sighting.seq % 50))
    if content.first_seen:
        parts.append(first + stamp)
    if content.last_seen:
        parts.append(last + stamp)
    if content.count:
        parts.append(b"\x88" + u16(1))
    return tlv(Par.TAG_REPORT, *parts, *_octane(sighting, content, dbm))


def _octane(sighting: Sighting, content: Content, dbm: float) -> list[bytes]:
    """Return what Impinj readers tell besides."""
    parts = []
    if content.peak_rssi:
        parts.append(custom(IMPINJ, Impinj.PEAK_RSSI, _S16.pack(round(dbm * _PER_DBM))))
    if content.phase:
        parts.append(custom(IMPINJ, Impinj.PHASE, u16(sighting.seq * 407 % 4096)))
    if content.doppler:
        parts.append(custom(IMPINJ, Impinj.DOPPLER, _S16.pack(sighting.seq * 31 % 640 - 320)))
    if content.tid:
        words = b"\xe2\x80\x11\x05" + u32(0) + u32(sighting.seq & 0xFFFFFFFF)
        parts.append(custom(IMPINJ, Impinj.TID, u16(len(words) // 2), words))
    return parts


def _epc(chip: str, *, as_data: bool) -> bytes:
    try:
        epc = bytes.fromhex(chip)
    except ValueError:
        epc = chip.encode()  # a chip of another protocol: its text is as good an EPC as any
    epc = epc or b"\0"
    if len(epc) == _EPC_96 and not as_data:
        return b"\x8d" + epc
    return tlv(Par.EPC_DATA, u16(8 * len(epc)), epc)


def report(tags: bytes, number: int = 0) -> bytes:
    """Return a report of tags one behind the other."""
    return message(Msg.RO_ACCESS_REPORT, number, tags)


def encode(sighting: Sighting) -> bytes:
    """Return the report an Impinj reader sends for one observation, asked as we ask it."""
    return report(tag(sighting), sighting.seq)
