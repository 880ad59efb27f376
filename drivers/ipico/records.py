r"""Tag records: ``aa RR TTTTTTTTTTTT II QQ yymmdd hhmmss cc [ii pp ss] KK [FS|LS]`` CR LF.

All in hex characters: reader id, tag, I and Q hit counts, date and time as decimal digits,
hundredths as *hex* 00-63, an optional TTO block, the LRC, and on an Elite's port 10200 a literal
``FS`` or ``LS`` that the LRC does not cover. Stripped lengths are 36, 38, 42 and 44.

Source: vendor "Reader Serial Protocol 1.00" (2007), checked against captures of a Lite and an
Elite. The I/Q pair is a hit count per channel, not an antenna; there is no RSSI.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zlib import adler32

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, Chip, Read, StampForm
from bridge.driver_api import Reason, Rejected, Sighting

HUNDREDTH_NS: Final = 10 * NS_PER_MS
LENGTHS: Final = (36, 38, 42, 44)
_EPOCH: Final = date(1970, 1, 1)
_CHIP_DIGITS: Final = 12

_SHAPE: Final = re.compile(
    rb"aa([0-9a-f]{2})([0-9a-f]{12})([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{6})([0-9a-f]{6})"
    rb"([0-9a-f]{2})([0-9a-f]{6})?([0-9a-f]{2})(FS|LS)?",
    re.IGNORECASE,
)


def lrc(body: bytes) -> int:
    """Return the low 8 bits of the sum of `body` (below 257 bytes of any value, or 600 of ASCII).

    The low half of an Adler-32 started at 0 is that sum, modulo 65521: the fastest sum there is.
    """
    return adler32(body, 0) & 0xFF


def day_ns(yy: int, month: int, day: int) -> int | None:
    """Return the ns from 1970 to that day of 20`yy`, or None if there is no such day."""
    try:
        return (date(2000 + yy, month, day) - _EPOCH).days * DAY_NS
    except ValueError:
        return None


def time_ns(hour: int, minute: int, second: int) -> int | None:
    """Return the ns since midnight, or None if there is no such time: leap seconds are unknown."""
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return (hour * 3600 + minute * 60 + second) * NS_PER_S


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one tag record, hex text in lower case."""

    unit: str
    chip: Chip
    i: int
    q: int
    stamp: int
    tto: str | None
    suffix: str | None


def parse(body: bytes) -> Record | tuple[Reason, str]:
    """Take a record without line end apart, or say what is wrong with it.

    The LRC is accepted over the characters as sent and, as the upper-case fixtures of other
    programs were made from lower-case lines, over their lower case.
    """
    shape = _SHAPE.fullmatch(body)
    if shape is None:
        return Reason.FRAMING, "not a tag record"
    unit, chip, i, q, ymd, hms, hundredths, tto, check, suffix = shape.groups()
    covered = body[2 : shape.start(9)]
    if int(check, 16) not in {lrc(covered), lrc(covered.lower())}:
        return Reason.CHECKSUM, f"LRC {check.decode()}, computed {lrc(covered):02x}"
    stamp = stamp_of(ymd.decode(), hms.decode(), int(hundredths, 16))
    if stamp is None:
        return Reason.FIELD, f"no such time: {(ymd + hms + hundredths).decode()}"
    return Record(
        unit=unit.decode().lower(),
        chip=Chip(chip.decode().lower()),
        i=int(i, 16),
        q=int(q, 16),
        stamp=stamp,
        tto=tto.decode().lower() if tto else None,
        suffix=suffix.decode().upper() if suffix else None,
    )


def to_read(raw: bytes, record: Record) -> Read:
    """Make the read of a record; `raw` is its own bytes on the wire.

    Its identity is (chip, stamp): counts, LRC, reader id and FS/LS do not belong to it.
    """
    return Read(raw, record.chip, record.stamp, StampForm.NAIVE, unit=record.unit)


def decode_line(raw: bytes) -> Read | Rejected:
    """Decode one whole line that should be a tag record."""
    result = parse(raw.rstrip(b"\r\n"))
    if isinstance(result, Record):
        return to_read(raw, result)
    return Rejected(raw, *result)


def extra(raw: bytes) -> Mapping[str, object]:
    """Return I and Q counts, suffix and TTO block of a read's frame; binary frames have no more."""
    record = parse(raw.rstrip(b"\r\n"))
    if not isinstance(record, Record):
        return {"i": raw[8], "q": raw[9]} if len(raw) == 20 else {}  # noqa: PLR2004
    fields: dict[str, object] = {"i": record.i, "q": record.q}
    if record.suffix is not None:
        fields["suffix"] = record.suffix
    if record.tto is not None:
        fields["tto"] = record.tto
    return fields


def encode(sighting: Sighting) -> bytes:
    """Return the 36-character record of a sighting with CR LF, reader id 00."""
    return record_line(chip_field(sighting.chip), sighting.stamp)


def record_line(
    chip: str, stamp: int, *, unit: int = 0, i: int = 0, q: int = 1, tto: str = "", suffix: str = ""
) -> bytes:
    """Return a record with CR LF; `stamp` is cut to hundredths, as a reader shows it."""
    body = f"{unit:02x}{chip}{i:02x}{q:02x}{stamp_digits(stamp)}{tto}".encode("ascii")
    return b"aa%s%02x%s\r\n" % (body, lrc(body), suffix.encode("ascii"))


def chip_field(chip: str) -> str:
    """Return 12 lower-case hex digits for any chip text, so that every chip can be forwarded.

    A chip of another protocol keeps its own last 12 hex digits; what is not hex counts as its
    character code, so different short texts stay different.
    """
    text = chip.lower()
    if not re.fullmatch(r"[0-9a-f]+", text):
        text = text.encode("utf-8").hex()
    return text[-_CHIP_DIGITS:].rjust(_CHIP_DIGITS, "0")


def stamp_digits(stamp: int) -> str:
    """Return ``yymmddhhmmsscc`` of a naive stamp, hundredths in hex, truncated."""
    days, rest = divmod(stamp, DAY_NS)
    day = _EPOCH + timedelta(days=days)
    seconds, ns = divmod(rest, NS_PER_S)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day:%y%m%d}{hour:02d}{minute:02d}{second:02d}{ns // HUNDREDTH_NS:02x}"


def stamp_of(ymd: str, hms: str, hundredths: int) -> int | None:
    """Return the naive stamp of ``yymmdd``, ``hhmmss`` and hundredths, or None: no such time."""
    if not (ymd + hms).isdecimal() or hundredths > 99:  # noqa: PLR2004
        return None
    day = day_ns(int(ymd[:2]), int(ymd[2:4]), int(ymd[4:]))
    time = time_ns(int(hms[:2]), int(hms[2:4]), int(hms[4:]))
    if day is None or time is None:
        return None
    return day + time + hundredths * HUNDREDTH_NS
