"""Instants as the clocks of readers show them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from bridge.domain.reads import DAY_NS, NS_PER_S, StampForm

_QUARTER_S = 900
"""Zones change their offset at whole quarters of an hour."""


def wall_ns(at_ns: int, zone: tzinfo) -> int:
    """Return the wall clock of `zone` at an instant, as ns since 1970 read without a zone."""
    return at_ns + _offset_ns(at_ns // NS_PER_S // _QUARTER_S, zone)


def stamping(form: StampForm, zone: Callable[[], tzinfo]) -> Callable[[int], int]:
    """Return what makes a stamp of a form of UTC ns; the zone may become known later."""
    match form:
        case StampForm.UTC:
            return int
        case StampForm.TIME_OF_DAY:
            return lambda at_ns: wall_ns(at_ns, zone()) % DAY_NS
        case _:
            return lambda at_ns: wall_ns(at_ns, zone())


@lru_cache(maxsize=64)
def _offset_ns(quarter: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(quarter * _QUARTER_S, UTC).astimezone(zone).utcoffset()
    return int((offset or timedelta()).total_seconds()) * NS_PER_S
