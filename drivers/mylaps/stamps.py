"""Dates and times as Timing & Scoring writes them, to nanoseconds and back.

``yyMMdd`` and ``hh:mm:ss.mmm`` in the wall clock of the decoder or of the timer's laptop, with no
zone; some devices stamp hundredths only. ``utc`` of version 2 counts milliseconds since 1970.
"""

import re
from datetime import date
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S

_CLOCK: Final = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")
_DAY: Final = re.compile(r"[0-9]{6}")
_ISO_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_YEARS: Final = range(1970, 2262)
"""Outside of them nanoseconds since 1970 do not fit 64 bits."""
_MILLIS: Final = re.compile(r"[0-9]{12,13}")
"""Milliseconds since 1970, from 1973 to 2286: whatever else stands there is no time."""
_SECOND_LENGTH: Final = len("hh:mm:ss")
_CACHE_LIMIT: Final = 8192


def day_ns(text: str) -> int | None:
    """Return the midnight of ``yyMMdd`` or ``yyyy-MM-dd`` in ns, or None: no such day."""
    iso = _ISO_DAY.fullmatch(text)
    if iso:
        year, month, day = (int(part) for part in iso.groups())
    elif _DAY.fullmatch(text):
        year, month, day = 2000 + int(text[:2]), int(text[2:4]), int(text[4:])
    else:
        return None
    if year not in _YEARS:
        return None
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * DAY_NS
    except ValueError:
        return None


def clock_ns(text: str) -> int | None:
    """Return ``hh:mm:ss`` with or without a fraction in ns since midnight, or None."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return (hour * 3600 + minute * 60 + second) * NS_PER_S + _fraction(found[4] or "")


def millis_ns(text: str) -> int | None:
    """Return milliseconds since 1970 in ns, or None for ``-1``, ``n.a.`` and other non-times."""
    return int(text) * NS_PER_MS if _MILLIS.fullmatch(text) else None


def print_day(stamp: int) -> str:
    """Return ``yyMMdd`` of a stamp."""
    return date.fromordinal(stamp // DAY_NS + _EPOCH_DAY).strftime("%y%m%d")


def print_clock(stamp: int) -> str:
    """Return ``hh:mm:ss.mmm`` of a stamp, cut to the millisecond below."""
    minutes, millis = divmod(stamp % DAY_NS // NS_PER_MS, 60_000)
    hour, minute = divmod(minutes, 60)
    second, milli = divmod(millis, 1000)
    return f"{hour:02d}:{minute:02d}:{second:02d}.{milli:03d}"


def print_moment(stamp: int) -> str:
    """Return ``yyyy-MM-dd hh:mm:ss.mmm`` of a stamp, as markers of version 1 have it."""
    return f"{date.fromordinal(stamp // DAY_NS + _EPOCH_DAY).isoformat()} {print_clock(stamp)}"


def _fraction(digits: str) -> int:
    return int(digits.ljust(9, "0")) if digits else 0


class StampReader:
    """Day and time as one stamp for the hot path: many reads fall into one second."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], int] = {}
        self._fractions: dict[str, int] = {}

    def read(self, day: str, clock: str) -> int | None:
        """Return ns since 1970 by that wall clock, or None if either cannot be."""
        second, fraction = clock[:_SECOND_LENGTH], clock[_SECOND_LENGTH:]
        try:
            return self._seconds[day, second] + self._fractions[fraction]
        except KeyError:
            return self._learn(day, second, fraction)

    def _learn(self, day: str, second: str, fraction: str) -> int | None:
        midnight, whole, exact = day_ns(day), clock_ns(second), clock_ns(second + fraction)
        if midnight is None or whole is None or exact is None:
            return None
        for cache in (self._seconds, self._fractions):
            if len(cache) >= _CACHE_LIMIT:
                cache.clear()
        self._seconds[day, second] = midnight + whole
        self._fractions[fraction] = exact - whole
        return midnight + exact
