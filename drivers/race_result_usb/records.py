"""Passings of a USB Timing Box: twelve hexadecimal fields, stamped in ticks of 1/256 s.

``code;wakeup;ticks;hits;rssi;battery;temperature;loop only;loop id;channel;active data;internal``.
Source: raceresult.com support, article 21 (firmware 2.4 and later).
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.domain.reads import DAY_NS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Marker, Sighting

TICK_NS: Final = NS_PER_S // 256
PUSH: Final = b"#P;"
MARKER_CODE: Final = "_____127"
"""The tag of the button."""
_LAST_TICK: Final = 0xFFFFFFFF
_LAST_WAKEUP: Final = 0xFFFF
_BATTERY_BITS: Final = 0x7F
"""In tenths of a volt; what bit 7 means is not told, and without it values are those of a cell."""
_RECORD: Final = re.compile(
    # Nobody shows a pushed line: its number may stand in front as in a decoder's.
    rb"(?:#P;(?:([0-9A-Fa-f]{8});)?)?([!-:<-~]{1,16});"
    + b";".join([rb"([0-9A-Fa-f]{1,8})"] * 10)
    + rb";([0-9A-Fa-f]{0,16})"
)


class Reference(NamedTuple):
    """The moment somebody told the box: `epoch_s` since 1970 was at `ticks` of its counter."""

    epoch_s: int
    ticks: int


class Passing(NamedTuple):
    """One record, numbers as they are on the wire."""

    number: int | None
    """Told in a pushed line alone; else it follows from the position in the reply."""
    code: str
    wakeup: int
    ticks: int
    hits: int
    rssi: int
    battery: int
    temperature: int
    loop_only: int
    loop_id: int
    channel: int
    active_data: int
    internal: str


def stamp_of(ticks: int, reference: Reference | None) -> tuple[int, StampForm]:
    """Return the stamp of a tick: UTC by a reference, else ns since the box was switched on.

    The latter is a time of day of a clock without a date, which began at its own midnight: what
    answers to ``TIMESTAMPGET`` say of it places it.
    """
    if reference is None:
        return ticks * TICK_NS, StampForm.TIME_OF_DAY
    return reference.epoch_s * NS_PER_S + (ticks - reference.ticks) * TICK_NS, StampForm.UTC


def parse(text: bytes) -> Passing | None:
    """Return the record in a line without its end; None if it is none."""
    found = _RECORD.fullmatch(text)
    if found is None:
        return None
    number, code, *digits = found.groups()
    internal = digits.pop()
    wakeup, ticks, hits, rssi, battery, temperature, loop_only, loop_id, channel, active_data = (
        int(each, 16) for each in digits
    )
    return Passing(
        int(number, 16) if number else None, code.decode("ascii"),
        wakeup, ticks, hits, rssi, battery, temperature, loop_only, loop_id, channel, active_data,
        internal.decode("ascii"),
    )  # fmt: skip


def event_of(
    raw: bytes, passing: Passing, number: int | None, reference: Reference | None
) -> Read | Marker | None:
    """Return the read or the button's marker; None if its UTC would lie before 1970.

    A transponder counts its wake-ups, so that code, count and ticks are the identity: the same in
    a pushed line and in a reply, and another after the box was switched off and on.
    """
    stamp, form = stamp_of(passing.ticks, reference)
    if stamp < 0:
        return None
    key = f"{passing.code}/{passing.wakeup:04x}/{passing.ticks:08x}"
    if passing.code == MARKER_CODE:
        return Marker(raw, "trigger", stamp, form, key, _details(passing))
    signal = float(-90 + ((passing.rssi & 0x70) >> 2))
    channel = passing.channel + 1
    seq = number if passing.number is None else passing.number
    return Read(raw, Chip(passing.code), stamp, form, channel, signal, None, seq, key)


def details(raw: bytes) -> Mapping[str, object]:
    """Return what a record says besides; nothing for another line."""
    passing = parse(raw.strip(b"\0\r\n"))
    return _details(passing) if passing else {}


def signed(value: int) -> int:
    """Return a byte as degrees: below zero from 0x80 on."""
    return value - 0x100 if 0x80 <= value <= 0xFF else value  # noqa: PLR2004


def encode(sighting: Sighting) -> bytes:
    """Return the record of a sighting; its ticks are those since midnight of its stamp."""
    return record_of(sighting, sighting.stamp % DAY_NS // TICK_NS)


def record_of(sighting: Sighting, ticks: int) -> bytes:
    """Return the record of a sighting at `ticks` of the box's counter, in 32 bits."""
    code = "".join(letter for letter in sighting.chip if "!" <= letter <= "~" and letter != ";")
    strength = min(max(round(sighting.rssi) + 90, 0) << 2, 0x70) & 0x70
    fields = (
        (code or "0")[:16],
        f"{sighting.seq & _LAST_WAKEUP:04x}",
        f"{ticks & _LAST_TICK:08x}",
        "0c",
        f"{strength | 0x09:02x}",
        "9f",
        "1a",
        "0",
        "0",
        f"{min(max(sighting.antenna, 1), 8) - 1:x}",
        "00",
        "0",
    )
    return ";".join(fields).encode() + b"\n"


def _details(passing: Passing) -> Mapping[str, object]:
    return {
        "ticks": passing.ticks,
        "hits": passing.hits,
        "loop_strength": 1 + (passing.rssi & 0x0F),
        "battery_v": (passing.battery & _BATTERY_BITS) / 10,
        "temperature_c": signed(passing.temperature),
        "loop_only": passing.loop_only,
        "loop_id": passing.loop_id + 1,
        "channel": passing.channel + 1,
        "wakeup_counter": passing.wakeup,
        "active_flags": passing.active_data,
        "internal": passing.internal,
    }
