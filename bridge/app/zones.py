"""Local wall clock and instants: zones by IANA name, folds and gaps included."""

import difflib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from bridge.domain.reads import NS_PER_S, UtcNs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_mistake(name: str | None) -> str | None:
    """Return what is wrong with the name of a zone, or None."""
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "for example 'America/Denver'"
        return f"{name!r} is no time zone; {hint}"
    return None


def instant(wall: datetime, zone: str) -> UtcNs:
    """Return the instant of a wall-clock time in `zone`; a time with an offset keeps its own.

    A time that comes twice (clocks go back) is its first coming; one that never comes (clocks go
    forward) is as long after the change as it says.
    """
    aware = wall if wall.tzinfo is not None else wall.replace(tzinfo=ZoneInfo(zone))
    since = aware.astimezone(UTC) - _EPOCH
    micros = since // timedelta(microseconds=1)
    return UtcNs(micros * (NS_PER_S // 1_000_000))


def wall_mistake(wall: datetime, zone: str) -> str | None:
    """Return why a wall-clock time does not name one instant in `zone`, or None."""
    if wall.tzinfo is not None:
        return None
    first, second = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return None
    if first.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall:
        return f"never comes in {zone}: the clocks go forward over it"
    choices = " or ".join(choice.isoformat() for choice in (first, second))
    return f"comes twice in {zone}, when the clocks go back; write {choices}"
