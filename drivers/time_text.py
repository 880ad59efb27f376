"""Times as text in whatever form a configuration names, and back.

Forms: ``iso``, ``epoch_s`` to ``epoch_ns`` (with or without decimals), ``time_of_day``
(``H:MM:SS`` with a fraction or none), ``none``, ``auto``, or a pattern of ``strptime`` such as
``%d-%m-%Y %H:%M:%S.%f``. A fraction may have one to nine digits, a comma for its point, or be
missing altogether.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, StampForm
from drivers.iso_stamp import Stamp, StampReader, print_stamp

EPOCHS: Final = MappingProxyType(
    {"epoch_s": NS_PER_S, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}
)
NAMED: Final = ("auto", "iso", *EPOCHS, "time_of_day", "none")
ZONES: Final = ("naive", "utc")
_LAST_NS: Final = (1 << 63) - 1
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS: Final = range(1970, 2262)
"""Those of which nanoseconds since 1970 fit 64 bits."""
_NUMBER: Final = re.compile(r"([0-9]{1,19})(?:[.,]([0-9]{1,9})[0-9]{0,9})?")
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_PARTS: Final = MappingProxyType(
    {
        "Y": r"(?P<Y>[0-9]{4})",
        "y": r"(?P<y>[0-9]{2})",
        "m": r"(?P<m>[0-9]{1,2})",
        "b": rf"(?P<b>{'|'.join(_MONTHS)})",
        "d": r"(?P<d>[0-9]{1,2})",
        "H": r"(?P<H>[0-9]{1,2})",
        "I": r"(?P<I>[0-9]{1,2})",
        "p": r"(?P<p>[AaPp])[Mm]",
        "M": r"(?P<M>[0-9]{1,2})",
        "S": r"(?P<S>[0-9]{1,2})",
        "f": r"(?P<f>[0-9]{1,9})[0-9]{0,9}",
        "z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
        "%": "%",
    }
)
_FRACTION: Final = r"(?:[.,](?P<f>[0-9]{1,9})[0-9]{0,9})?"
_CLOCK: Final = "%H:%M:%S.%f"
_GUESSES: Final = (
    "%Y/%m/%d %H:%M:%S.%f",
    "%Y.%m.%d %H:%M:%S.%f",
    "%d.%m.%Y %H:%M:%S.%f",
    "%Y%m%d%H%M%S.%f",
    _CLOCK,
)
"""What ``auto`` tries after ISO. Days and months with slashes could be either way round."""
_DIGITS_OF: Final = MappingProxyType({10: NS_PER_S, 13: 1_000_000, 16: 1_000, 19: 1})
"""Digits of an epoch between 2001 and 2286 -> its unit in ns."""


def offset_ns(zone: str) -> int | None:
    """Return how far east of UTC ``+02:00`` is in ns, 0 for ``utc``, None for any other."""
    found = _OFFSET.fullmatch(zone)
    if found is None:
        return 0 if zone == "utc" else None
    sign, hours, minutes = found.groups()
    east = (int(hours) * 60 + int(minutes)) * 60 * NS_PER_S
    return east if sign == "+" else -east


def time_mistake(form: str) -> str | None:
    """Return what is wrong with the name or pattern of a form, with its place, or None."""
    if "%" not in form:
        return None if form in NAMED else f"allowed: {', '.join(NAMED)} or a pattern with %"
    used: list[str] = []
    at = form.find("%")
    while at >= 0:
        part = form[at + 1 : at + 2]
        if part not in _PARTS or part in used:
            said = "twice" if part in used else "unknown"
            known = " ".join(f"%{name}" for name in _PARTS)
            return f"%{part} at position {at} is {said}; allowed, once each: {known}"
        used += [part] if part != "%" else []
        at = form.find("%", at + 2)
    if not ({"H", "I"} & set(used) and "M" in used):
        return "needs an hour and a minute; allowed: %H or %I with %p, and %M"
    if ("I" in used) != ("p" in used) or {"H", "I"} <= set(used):
        return "%I and %p go together, without %H"
    has_date = {bool({"Y", "y"} & set(used)), bool({"m", "b"} & set(used)), "d" in used}
    if len(has_date) > 1:
        return "needs year, month and day, or none of them; allowed: %Y %m %d"
    if {"Y", "y"} <= set(used) or {"m", "b"} <= set(used):
        return "names the year or the month twice"
    return None


class TimeText:
    """Reads and prints stamps in one form; `zone` is ``naive``, ``utc`` or ``+02:00``.

    The zone places times that do not tell their own; by default an epoch is UTC, any other the
    wall clock of the reader.
    """

    def __init__(self, form: str, zone: str | None = None) -> None:
        """Take a checked form and zone."""
        self.form = form
        self._zone = zone
        self._iso = StampReader()
        self._read: Callable[[str], Stamp | None]
        if form in EPOCHS:
            self._read = partial(_epoch, unit=EPOCHS[form])
        elif form == "auto":
            guesses = [Pattern(guess) for guess in _GUESSES]
            self._read = partial(_guessed, self._iso, guesses)
        elif form == "none":
            self._read = _absent
        elif form == "iso":
            self._read = self._iso.read
        else:
            self._pattern = Pattern(_CLOCK if form == "time_of_day" else form)
            self._read = self._pattern.read

    def read(self, text: str) -> Stamp | None:
        """Return (ns, form) or None: this is no such time."""
        found = self._read(text)
        if found is None or self._zone is None:
            return found
        stamp, form = found
        if self._zone == "naive":
            return (stamp, StampForm.NAIVE) if self._is_epoch(text) else found
        if form is not StampForm.NAIVE and not (form is StampForm.UTC and self._is_epoch(text)):
            return found
        stamp -= offset_ns(self._zone) or 0
        return (stamp, StampForm.UTC) if 0 <= stamp <= _LAST_NS else None

    def print(self, stamp: int) -> str:
        """Return the text of a stamp (ns since 1970), as this form has it."""
        if self.form == "none":
            return ""
        east = offset_ns(self._zone) if self._zone else 0
        local = stamp + (east or 0)
        if self.form in EPOCHS:
            return str(local // EPOCHS[self.form])
        if self.form in {"auto", "iso"}:
            return print_stamp(local, 6, "" if self._zone else "Z")
        return self._pattern.print(local)

    def _is_epoch(self, text: str) -> bool:
        return self.form in EPOCHS or (self.form == "auto" and _NUMBER.fullmatch(text) is not None)


class Pattern:
    """A pattern of ``strptime``; without a date its times are times of day."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._dated = "%d" in pattern
        self._days: dict[tuple[str, ...], int | None] = {}
        self._matcher = re.compile(self._expression())

    def _expression(self) -> str:
        found, at = "", 0
        while at < len(self._pattern):
            if self._pattern[at : at + 3] in {".%f", ",%f"}:
                found, at = found + _FRACTION, at + 3
            elif self._pattern[at] == "%":
                found, at = found + _PARTS[self._pattern[at + 1]], at + 2
            else:
                found, at = found + re.escape(self._pattern[at]), at + 1
        return found

    def read(self, text: str) -> Stamp | None:
        """Return (ns, form) or None."""
        found = self._matcher.fullmatch(text)
        if found is None:
            return None
        part = found.groupdict("")
        hour = int(part.get("H") or part.get("I") or 0)
        if "p" in part:
            if not 1 <= hour <= 12:  # noqa: PLR2004 - a clock of twelve hours
                return None
            hour = hour % 12 + (12 if part["p"] in "Pp" else 0)
        minute, second = int(part["M"]), int(part.get("S") or 0)
        if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - of a clock
            return None
        stamp = (hour * 3600 + minute * 60 + second) * NS_PER_S
        stamp += int(part.get("f", "").ljust(9, "0") or 0)
        if not self._dated:
            return stamp, StampForm.TIME_OF_DAY
        day = self._day(part)
        if day is None:
            return None
        stamp += day * DAY_NS
        zone = part.get("z")
        if not zone:
            return stamp, StampForm.NAIVE
        stamp -= offset_ns("utc" if zone == "Z" else zone) or 0
        return (stamp, StampForm.UTC) if 0 <= stamp <= _LAST_NS else None

    def _day(self, part: dict[str, str]) -> int | None:
        named = tuple(part.get(name, "") for name in "Yymbd")
        if named not in self._days:
            if len(self._days) > 64:  # noqa: PLR2004 - more days than a race has
                self._days.clear()
            self._days[named] = _day_number(*named)
        return self._days[named]

    def print(self, stamp: int) -> str:
        """Return the text of a stamp (ns since 1970 or midnight)."""
        seconds, ns = divmod(stamp, NS_PER_S)
        when = _EPOCH + timedelta(seconds=seconds)
        known = {
            "Y": f"{when.year:04d}",
            "y": f"{when.year % 100:02d}",
            "m": f"{when.month:02d}",
            "b": _MONTHS[when.month - 1],
            "d": f"{when.day:02d}",
            "H": f"{when.hour:02d}",
            "I": f"{(when.hour + 11) % 12 + 1:02d}",
            "p": "PM" if when.hour > 11 else "AM",  # noqa: PLR2004 - noon
            "M": f"{when.minute:02d}",
            "S": f"{when.second:02d}",
            "f": f"{ns // 1_000:06d}",
            "z": "+00:00",
            "%": "%",
        }
        return re.sub("%(.)", lambda found: known[found[1]], self._pattern)


def _day_number(year: str, short: str, month: str, name: str, day: str) -> int | None:
    number = int(year) if year else 2000 + int(short)
    if number not in _YEARS:
        return None
    month_number = int(month) if month else _MONTHS.index(name) + 1
    try:
        return date(number, month_number, int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None


def _epoch(text: str, unit: int) -> Stamp | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    whole, fraction = found.groups()
    stamp = int(whole) * unit
    if fraction:
        stamp += int(fraction.ljust(9, "0")) * unit // NS_PER_S
    return (stamp, StampForm.UTC) if stamp <= _LAST_NS else None


def _guessed(iso: StampReader, guesses: list[Pattern], text: str) -> Stamp | None:
    found = iso.read(text)
    if found is not None:
        return found
    number = _NUMBER.fullmatch(text)
    if number is not None:
        unit = _DIGITS_OF.get(len(number[1]))
        if unit is not None:
            return _epoch(text, unit)
    return next((stamp for guess in guesses if (stamp := guess.read(text))), None)


def _absent(text: str) -> Stamp:  # noqa: ARG001 - as the others have it
    return 0, StampForm.ABSENT
