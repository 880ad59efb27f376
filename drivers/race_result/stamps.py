"""Dates and times of day as RACE RESULT decoders write them, to nanoseconds and back.

A decoder stamps in its own naive wall clock, to the millisecond. One that nobody told the date
writes ``0000-00-00`` and, a day later, ``0000-00-01``: such stamps are times of day with days
counted, never an error.
"""

import re
from datetime import date
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_MS, NS_PER_S, StampForm

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?")
_SECONDS = re.compile(r"([0-9]{1,7})[.,]([0-9]{1,9})")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""
_CACHE_LIMIT: Final = 8192
_SECONDS_LENGTH: Final = len("hh:mm:ss")


def parse_date(text: str) -> tuple[int, StampForm] | None:
    """Return the midnight of a date field in ns and its form, or None if it cannot be a date.

    Empty and ``0000-00-nn`` mean a clock without a date: TIME_OF_DAY, nn days after its start.
    """
    if not text:
        return 0, StampForm.TIME_OF_DAY
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(part) for part in found.groups())
    if year == 0 and month == 0:
        return day * DAY_NS, StampForm.TIME_OF_DAY
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError:
        return None
    if ordinal < _EPOCH_DAY or year > _LAST_YEAR:
        return None
    return (ordinal - _EPOCH_DAY) * DAY_NS, StampForm.NAIVE


def parse_clock(text: str) -> int | None:
    """Return a time field in ns since midnight, or None if it cannot be one.

    Shapes: ``hh:mm:ss`` with or without a fraction, and the ``seconds.milliseconds`` of old
    passing files, which may run past a day. The decimal mark is a point or a comma.
    """
    found = _CLOCK.fullmatch(text)
    if found:
        hour, minute, second = (int(part) for part in found.groups()[:3])
        if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
            return None
        return ((hour * 60 + minute) * 60 + second) * NS_PER_S + _fraction(found[4] or "0")
    found = _SECONDS.fullmatch(text)
    return int(found[1]) * NS_PER_S + _fraction(found[2]) if found else None


def parse_stamp(date_text: str, clock_text: str) -> tuple[int, StampForm] | None:
    """Return a date field and a time field as one stamp, or None if either cannot be."""
    midnight = parse_date(date_text)
    clock = parse_clock(clock_text)
    if midnight is None or clock is None:
        return None
    if midnight[1] is StampForm.NAIVE and clock >= DAY_NS:
        return None
    return midnight[0] + clock, midnight[1]


def print_date(stamp: int) -> str:
    """Return the date field of a NAIVE stamp."""
    return date.fromordinal(stamp // DAY_NS + _EPOCH_DAY).isoformat()


def print_dateless(stamp: int) -> str:
    """Return the date field of a clock that only counts days, ``0000-00-00`` on the first."""
    return f"0000-00-{stamp // DAY_NS:02d}"


def print_clock(stamp: int) -> str:
    """Return the time field of a stamp, cut to the millisecond below."""
    minutes, millis = divmod(stamp % DAY_NS // NS_PER_MS, 60_000)
    hours, minute = divmod(minutes, 60)
    second, milli = divmod(millis, 1000)
    return f"{hours:02d}:{minute:02d}:{second:02d}.{milli:03d}"


def _fraction(digits: str) -> int:
    return int(digits.ljust(9, "0"))


class StampReader:
    """`parse_stamp` for the hot path: remembers the days, seconds and fractions it has seen."""

    def __init__(self) -> None:
        self._days: dict[str, tuple[int, StampForm]] = {}
        self._seconds: dict[str, int] = {}
        self._fractions: dict[str, int] = {}

    def read(self, date_text: str, clock_text: str) -> tuple[int, StampForm] | None:
        """Return what `parse_stamp` returns."""
        try:
            midnight, form = self._days[date_text]
            return (
                midnight
                + self._seconds[clock_text[:_SECONDS_LENGTH]]
                + self._fractions[clock_text[_SECONDS_LENGTH:]],
                form,
            )
        except KeyError:
            return self._read_new(date_text, clock_text)

    def _read_new(self, date_text: str, clock_text: str) -> tuple[int, StampForm] | None:
        stamp = parse_stamp(date_text, clock_text)
        midnight = parse_date(date_text)
        if stamp is None or midnight is None:
            return None
        second, fraction = clock_text[:_SECONDS_LENGTH], clock_text[_SECONDS_LENGTH:]
        whole = parse_clock(second)
        if whole is not None and ":" in second and len(second) == _SECONDS_LENGTH:
            for cache in (self._days, self._seconds, self._fractions):
                if len(cache) >= _CACHE_LIMIT:
                    cache.clear()
            self._days[date_text] = midnight
            self._seconds[second] = whole
            self._fractions[fraction] = stamp[0] - midnight[0] - whole
        return stamp
