"""How far a reader's clock is off, for people."""

from bridge.domain.clocks import ZoneClock, by_zone
from bridge.domain.reads import NS_PER_MS

RIGHT_MS = 50
"""Half of the tenth that is printed."""
_MS_PER_S = 1000
_S_PER_MIN = 60


def ahead_ns(stamp: int, form: int, host_ns: int, zone: str) -> int:
    """Return how far a reader's clock that shows `stamp` at `host_ns` is ahead, read in its zone.

    `form` is the `StampForm` of the stamp; negative: it is behind.
    """
    return by_zone(stamp, form, host_ns, ZoneClock(zone)) - host_ns


def clock_words(ahead_ms: int) -> str:
    """Return ``right``, ``5.0 s ahead`` or ``1 h 00 min behind``."""
    if abs(ahead_ms) <= RIGHT_MS:
        return "right"
    way = "ahead" if ahead_ms > 0 else "behind"
    seconds = abs(ahead_ms) / _MS_PER_S
    if seconds < _S_PER_MIN:
        return f"{seconds:.1f} s {way}"
    minutes = round(seconds / _S_PER_MIN)
    if minutes < _S_PER_MIN:
        return f"{minutes} min {way}"
    hours, minutes = divmod(minutes, _S_PER_MIN)
    return f"{hours} h {minutes:02d} min {way}"


def to_ms(ns: int) -> int:
    """Return whole ms, towards zero."""
    return int(ns / NS_PER_MS)
