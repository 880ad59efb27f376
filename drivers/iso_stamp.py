"""Instants as ISO 8601 text, to nanoseconds and back.

Shapes read: ``2026-11-21T10:00:00`` with a ``T`` or a space, up to nine digits of fraction (finer
ones are cut off), and ``Z``, ``+00:00``, ``+0000`` or no zone behind it.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.domain.reads import NS_PER_S, StampForm

_WHOLE_LENGTH: Final = len("2026-11-21T10:00:00")
_WHOLE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}")
_REST = re.compile(r"(?:[.,]([0-9]{1,9})[0-9]{0,9})?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = 2261
"""Beyond it nanoseconds since 1970 do not fit 64 bits."""
_CACHE_LIMIT: Final = 1_024
Stamp = tuple[int, StampForm]


class StampReader:
    """Reads stamps; remembers the seconds it has seen, so that most cost a look-up."""

    def __init__(self) -> None:
        self._seconds: dict[str, int] = {}

    def read(self, text: object) -> Stamp | None:
        """Return (ns since 1970, UTC or, without a zone, NAIVE), or None if it is no instant."""
        if not isinstance(text, str):
            return None
        whole = text[:_WHOLE_LENGTH]
        second = self._seconds.get(whole)
        if second is None:
            second = _second(whole)
            if second is None:
                return None
            if len(self._seconds) >= _CACHE_LIMIT:
                self._seconds.clear()
            self._seconds[whole] = second
        found = _REST.fullmatch(text, _WHOLE_LENGTH)
        if found is None:
            return None
        fraction, zulu, sign, hours, minutes = found.groups()
        stamp = second + int(fraction.ljust(9, "0")) if fraction else second
        if zulu:
            return stamp, StampForm.UTC
        if not sign:
            return stamp, StampForm.NAIVE
        east = (int(hours) * 60 + int(minutes)) * 60 * NS_PER_S
        stamp -= east if sign == "+" else -east
        return (stamp, StampForm.UTC) if stamp >= 0 else None


def _second(text: str) -> int | None:
    if not text.isascii() or not _WHOLE.fullmatch(text):
        return None
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
    if not _EPOCH.year <= when.year <= _LAST_YEAR:
        return None
    return (when - _EPOCH) // timedelta(seconds=1) * NS_PER_S


def print_stamp(stamp: int, digits: int, zone: str = "Z") -> str:
    """Return a stamp (ns since 1970) with 0 to 9 `digits` of fraction, the rest cut off."""
    seconds, ns = divmod(stamp, NS_PER_S)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{ns:09d}"[: digits + 1] if digits else ""
    return f"{whole}{fraction}{zone}"
