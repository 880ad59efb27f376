"""Durations as text and back (timing rule 9)."""

import re

from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.domain.rules import Rounding

MAX_DECIMALS = 3
_DURATION = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d{1,2})(?:[.,](\d{1,9}))?", re.ASCII)
_SIXTY = 60


def clock_text(ns: int, decimals: int = 1, rounding: Rounding = Rounding.UP) -> str:
    """Return ``H:MM:SS.t``: hours always shown and unbounded, rounded once from the raw value.

    Args:
        ns: The duration; a negative one gets a leading ``-`` and its size is rounded.
        decimals: 0 to 3 digits after the second; with 0 there is no point.
        rounding: ``UP`` is the road rule: not exactly on the unit means the next longer one.

    Raises:
        ValueError: `decimals` is not 0 to 3.
    """
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"decimals must be 0 to {MAX_DECIMALS}, not {decimals}")
    units = _units(abs(ns), 10 ** (9 - decimals), rounding)
    seconds, fraction = divmod(units, 10**decimals)
    minutes, second = divmod(seconds, _SIXTY)
    hour, minute = divmod(minutes, _SIXTY)
    tail = f".{fraction:0{decimals}d}" if decimals else ""
    return f"{'-' if ns < 0 else ''}{hour}:{minute:02d}:{second:02d}{tail}"


def parse_duration(text: str) -> int:
    """Return the ns of ``H:MM:SS.t``, ``M:SS.t`` or ``S.t``, to compare what was read back.

    Raises:
        ValueError: It is none of these, or minutes or seconds exceed 59 behind a larger unit.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a duration like 0:17:00.1")
    hours, minutes, seconds, fraction = found.groups()
    too_many_minutes = hours is not None and int(minutes) >= _SIXTY
    if too_many_minutes or (minutes is not None and int(seconds) >= _SIXTY):
        raise ValueError(f"{text!r} has more than 59 minutes or seconds")
    whole = (int(hours or 0) * _SIXTY + int(minutes or 0)) * _SIXTY + int(seconds)
    return whole * NS_PER_S + int((fraction or "").ljust(9, "0"))


def seconds_text(ns: int) -> str:
    """Return seconds to the millisecond without trailing zeros (``12.3 s``), for reasons."""
    sign = "-" if ns < 0 else ""
    whole, rest = divmod(abs(ns), NS_PER_S)
    fraction = f".{rest // NS_PER_MS:03d}".rstrip("0").rstrip(".")
    return f"{sign}{whole}{fraction} s"


def _units(ns: int, unit: int, rounding: Rounding) -> int:
    match rounding:
        case Rounding.UP:
            return -(-ns // unit)
        case Rounding.DOWN:
            return ns // unit
        case Rounding.NEAREST:
            return (2 * ns + unit) // (2 * unit)
