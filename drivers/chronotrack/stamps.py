"""Times as ChronoTrack writes them. None of them carries a zone; resolution is 1/100 s."""

import re
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, StampForm

CENTISECOND_NS: Final = 10 * NS_PER_MS
_DAY_ONE: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: the clock has no zone
_CLOCK: Final = re.compile(rb"(?:(\d{4}-\d\d-\d\d)T)?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?")
_NUMBER: Final = re.compile(rb"(\d{1,11})(?:[.,](\d{1,9}))?")
_COMPACT: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")
_HOURS, _SIXTY = 24, 60
_DAY_MS: Final = 86_400_000
_CENTURY: Final = 70
"""Two-digit years from here on are of the last century: a lost clock starts in 1980."""


class TimeFormat(Enum):
    """What a scoring program may ask a sender for: ``time-format=``."""

    NORMAL = "normal"
    ISO = "iso"
    UNIX = "unix"
    MSECS = "msecs"


class Days:
    """Turns dates into nanoseconds, and knows the last one: most reads are of one day."""

    def __init__(self) -> None:
        self._text = b""
        self._ns = 0

    def ns_of(self, text: bytes) -> int | None:
        """Return the NAIVE ns of midnight of ``YYYY-MM-DD``, or None if there is no such day."""
        if text != self._text:
            try:
                day = date.fromisoformat(text.decode())
            except ValueError:
                return None
            self._text, self._ns = text, (day.toordinal() - _DAY_ONE) * DAY_NS
        return self._ns


def clock_ns(text: bytes, days: Days) -> tuple[int, StampForm] | None:
    """Return what any of the four time formats says, or None.

    Seconds since 1970 are told from milliseconds since midnight by their size.
    """
    found = _CLOCK.fullmatch(text)
    if found is None:
        return _bare(text)
    day, hour, minute, second, part = found.groups()
    h, m, s = int(hour), int(minute), int(second)
    if h >= _HOURS or m >= _SIXTY or s >= _SIXTY:
        return None
    of_day = (h * 3600 + m * 60 + s) * NS_PER_S + fraction_ns(part)
    if day is None:
        return of_day, StampForm.TIME_OF_DAY
    midnight = days.ns_of(day)
    return None if midnight is None else (midnight + of_day, StampForm.NAIVE)


def _bare(text: bytes) -> tuple[int, StampForm] | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    number = int(found[1])
    if number < _DAY_MS and found[2] is None:
        return number * NS_PER_MS, StampForm.TIME_OF_DAY
    return epoch_ns(found[1], found[2]), StampForm.NAIVE


def epoch_ns(seconds: bytes, part: bytes | None) -> int:
    """Return ns of whole seconds and the digits behind the point."""
    return int(seconds) * NS_PER_S + fraction_ns(part)


def fraction_ns(part: bytes | None) -> int:
    """Return ns of the digits behind the decimal point."""
    return int(part.ljust(9, b"0")) if part else 0


def compact_ns(text: bytes) -> int | None:
    """Return the NAIVE ns of ``yyMMddHHmmsscc`` in markers, or None."""
    found = _COMPACT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, part = map(int, found.groups())
    try:
        moment = datetime(  # noqa: DTZ001 - as `_EPOCH`
            year + (1900 if year >= _CENTURY else 2000), month, day, hour, minute, second
        )
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) * NS_PER_S + part * CENTISECOND_NS


def print_compact(stamp: int) -> str:
    """Return a NAIVE stamp as markers write it."""
    moment = _EPOCH + timedelta(seconds=stamp // NS_PER_S)
    return f"{moment:%y%m%d%H%M%S}{stamp % NS_PER_S // CENTISECOND_NS:02d}"


def print_clock(stamp: int, form: TimeFormat) -> str:
    """Return a NAIVE stamp in the format a scoring program asked for."""
    parts = stamp % NS_PER_S // CENTISECOND_NS
    match form:
        case TimeFormat.UNIX:
            return f"{stamp // NS_PER_S}.{parts:02d}"
        case TimeFormat.MSECS:
            return str(stamp % DAY_NS // CENTISECOND_NS * 10)
        case TimeFormat.ISO | TimeFormat.NORMAL:
            moment = _EPOCH + timedelta(seconds=stamp // NS_PER_S)
            day = f"{moment:%Y-%m-%d}T" if form is TimeFormat.ISO else ""
            return f"{day}{moment:%H:%M:%S}.{parts:02d}"
