r"""Lines of the generic acquisition protocol: text that ends in CR, fields parted by ``;``.

``01539;22-09-2011 02:41:30.620;0A;559;;0``: chip, local date and time, device (loop, antenna), its
running number, battery of the transponder in per cent, and 1 behind what is sent again. Only the
first two are never empty. There is no checksum, so the shape is all there is to check.

Source: csutorasa/wiclax4j, docs/protocol.md.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Clock, Control, Kept, Marker, Reason, Rejected, Sighting

HEARTBEAT: Final = b"*\r"
FAR: Final = 4_102_444_799 * NS_PER_S
"""31-12-2099 23:59:59: the end of a period that has none."""
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the device's wall clock has no zone
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261
_CACHE_LIMIT: Final = 4_096
_MOST_CHIP: Final = 64
_WHEN: Final = rb"(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)"
_RECORD: Final = re.compile(
    rb"\n*\**([^;*\r\n][^;\r\n]{0,255});" + _WHEN + rb"(?:[.,](\d{1,9}))?"
    rb"(?:;([^;\r\n]{0,255}))?(?:;(\d{0,9}))?(?:;(\d{0,3}))?(?:;([01]?))?;?[\r\n]"
)
_CLOCK: Final = re.compile(rb"\n*\**CLOCK " + _WHEN + rb"(?:[.,]\d{1,9})?[\r\n]")
_GUN: Final = re.compile(rb"\n*\**RACESTART (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?[\r\n]")
_CHIP, _TIME, _FRACTION, _DEVICE, _NUMBER, _BATTERY, _AGAIN = range(1, 8)


class Record(NamedTuple):
    """What one line told."""

    event: Kept
    number: int | None = None
    """The device's running number of a read."""
    again: bool = False
    """It was sent again for a rewind."""


class LineReader:
    """Decodes lines; remembers the seconds it has seen."""

    def __init__(self) -> None:
        self._seconds: dict[bytes, int] = {}

    def read(self, raw: bytes) -> Record:
        """Return what a line says, its end included."""
        found = _RECORD.fullmatch(raw)
        if found is None:
            return Record(self._other(raw))
        second = self.second(found[_TIME])
        chip = found[_CHIP].decode("utf-8", "replace").strip()
        if second is None or not chip or not chip.isprintable():
            why = "no chip" if second is not None else "no such time"
            return Record(Rejected(raw, Reason.FIELD, why))
        stamp = second + int((found[_FRACTION] or b"0").ljust(9, b"0"))
        device = (found[_DEVICE] or b"").decode("utf-8", "replace").strip()
        number = int(found[_NUMBER]) if found[_NUMBER] else None
        antenna = int(device) if device.isascii() and device.isdecimal() and len(device) < 4 else 0  # noqa: PLR2004
        read = Read(
            raw,
            Chip(chip),
            stamp,
            StampForm.NAIVE,
            antenna or None,
            None,
            device or None,
            number,
            # Two loops of one device may see a chip at the same moment.
            f"{device}/{chip}/{stamp}" if device else None,
        )
        return Record(read, number, found[_AGAIN] == b"1")

    def second(self, text: bytes) -> int | None:
        """Return the naive ns of ``dd-mm-yyyy hh:mm:ss``, None if there is no such second."""
        known = self._seconds.get(text)
        if known is None:
            known = _second_ns(text.decode("ascii"))
            if known is not None:
                if len(self._seconds) >= _CACHE_LIMIT:
                    self._seconds.clear()
                self._seconds[text] = known
        return known

    def _other(self, raw: bytes) -> Kept:
        if found := _CLOCK.fullmatch(raw):
            stamp = self.second(found[1])
            if stamp is None:
                return Rejected(raw, Reason.FIELD, "no such time")
            return Clock(raw, stamp, StampForm.NAIVE, asked=False, extra={"resolution_ms": 1000})
        if found := _GUN.fullmatch(raw):
            hour, minute, second = (int(part) for part in found.groups()[:3])
            if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
                return Rejected(raw, Reason.FIELD, "no such time")
            stamp = ((hour * 60 + minute) * 60 + second) * NS_PER_S
            stamp += int((found[4] or b"0").ljust(9, b"0"))
            return Marker(raw, "gun", stamp, StampForm.TIME_OF_DAY)
        return _said(raw)


def _said(raw: bytes) -> Kept:
    text = raw.strip(b"\r\n")
    if not raw.endswith((b"\r", b"\n")):
        return Rejected(raw, Reason.OVERLONG, "no end of a line")
    if not text:
        return Control(raw, "empty line")
    if not text.strip(b"*"):
        return Control(raw, "heartbeat")
    if text in {b"READOK", b"CLOCKOK"}:
        return Control(raw, "acknowledgement", {"of": text.decode("ascii")})
    return Rejected(raw, Reason.FRAMING, "not chip;date and time;device;number;battery;rewind")


def _second_ns(text: str) -> int | None:
    day, month, year = int(text[:2]), int(text[3:5]), int(text[6:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    if hour > 23 or minute > 59 or second > 59 or not _FIRST_YEAR <= year <= _LAST_YEAR:  # noqa: PLR2004
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    return days * DAY_NS + ((hour * 60 + minute) * 60 + second) * NS_PER_S


def print_second(stamp: int) -> str:
    """Return ``dd-mm-yyyy hh:mm:ss`` of a NAIVE stamp."""
    moment = _EPOCH + timedelta(seconds=max(stamp, 0) // NS_PER_S)
    return f"{moment:%d-%m-%Y %H:%M:%S}"


def record_line(sighting: Sighting, *, device: str, again: bool = False) -> bytes:
    """Return the line of a sighting with its `seq` as the device's number; ms, NAIVE stamp."""
    ms = max(sighting.stamp, 0) % NS_PER_S // NS_PER_MS
    when = f"{print_second(sighting.stamp)}.{ms:03d}"
    chip = _clean(sighting.chip)
    return f"{chip};{when};{_clean(device)};{sighting.seq};;{int(again)}\r".encode()


def encode(sighting: Sighting) -> bytes:
    """Return the live line of a sighting, its antenna as the device."""
    return record_line(sighting, device=str(sighting.antenna))


def gun_line(stamp: int) -> bytes:
    """Return the line of a gun fired at a NAIVE stamp."""
    moment = _EPOCH + timedelta(seconds=max(stamp, 0) // NS_PER_S)
    return f"RACESTART {moment:%H:%M:%S},{stamp % NS_PER_S // NS_PER_MS:03d}\r".encode()


def details(raw: bytes) -> Mapping[str, object]:
    """Return what a record says beyond a `Read`."""
    found = _RECORD.fullmatch(raw)
    if found is None:
        return {}
    told: dict[str, object] = {"rewound": found[_AGAIN] == b"1"}
    return {**told, "chip_battery_pct": int(found[_BATTERY])} if found[_BATTERY] else told


def _clean(text: str) -> str:
    """Return a text without what would end or part fields; a ``*`` in front is a heartbeat."""
    letters = ("_" if one == ";" or not one.isprintable() else one for one in text)
    kept = "".join(letters).strip()[:_MOST_CHIP]
    return f"_{kept[1:]}" if kept[:1] in {"*", ""} else kept
