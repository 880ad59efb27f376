"""The fields of a request, checked: what is wrong is said in the caller's terms."""

from collections.abc import Mapping
from datetime import datetime

from bridge.domain.reads import NS_PER_MS, UtcNs
from bridge.errors import UsageError

LATEST_MS = 7_258_118_400_000
"""The year 2200: no race is later, and the journal holds it in 64 bits."""


def flag(request: Mapping[str, object], name: str) -> bool:
    """Return a yes or no, no where it is absent.

    Raises:
        UsageError: It is neither.
    """
    value = request.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise UsageError(f"{name} must be true or false")


def text(request: Mapping[str, object], name: str) -> str | None:
    """Return a text, None where it is absent or empty.

    Raises:
        UsageError: It is something else.
    """
    value = request.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise UsageError(f"{name} must be text")


def number(request: Mapping[str, object], name: str) -> int:
    """Return a whole number; digits as text will do.

    Raises:
        UsageError: It is absent or something else.
    """
    value = request.get(name)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UsageError(f"{name} must be a whole number")


def exact_instant(request: Mapping[str, object]) -> UtcNs | None:
    """Return the instant of ``at_ms`` (ms since 1970, UTC) and ``at_sub_ns``, if it is given.

    Raises:
        UsageError: It is no whole number, or no time of a race.
    """
    at_ms, sub_ns = request.get("at_ms"), request.get("at_sub_ns", 0)
    if at_ms is None:
        return None
    if type(at_ms) is int and type(sub_ns) is int and 0 < at_ms < LATEST_MS:
        return UtcNs(at_ms * NS_PER_MS + sub_ns)
    raise UsageError("at_ms must be a whole number of ms since 1970, UTC")


def nothing_more(request: Mapping[str, object], what: str, *names: str) -> None:
    """Refuse fields that would be without effect.

    Raises:
        UsageError: One of `names` is given.
    """
    given = [name for name in names if request.get(name) not in (None, "")]
    if given:
        raise UsageError(f"{given[0]} has no meaning with {what}; leave it out")


def wall_time(wanted: str, race_day: str) -> datetime:
    """Return ``HH:MM:SS[.mmm]`` of the race day (ISO), or an ISO date and time as it stands.

    Raises:
        UsageError: It is neither.
    """
    dated = len(wanted) > 10 and wanted[10] in "T "  # noqa: PLR2004 - length of a date
    padded = f"0{wanted}" if wanted[1:2] == ":" else wanted
    try:
        wall = datetime.fromisoformat(wanted if dated else f"{race_day}T{padded}")
    except ValueError:
        wall = None
    if wall is None or not 1970 <= wall.year < 2200:  # noqa: PLR2004 - see LATEST_MS
        raise UsageError(
            f"{wanted!r} is no time; write HH:MM:SS, HH:MM:SS.mmm or YYYY-MM-DDTHH:MM:SS"
        )
    return wall
