"""The rules in words: one function per reason, given its numbers (ns; clock times from T0)."""

from bridge.domain.rules import Rounding
from bridge.domain.times import clock_text, seconds_text


def counts() -> str:
    """Say that a crossing counts."""
    return "counts"


def started() -> str:
    """Say that this is the runner's start."""
    return "the runner's start: the last start crossing in the window"


def started_before() -> str:
    """Say that a later start crossing replaced this one."""
    return "an earlier start crossing; the last one in the window counts"


def ignored() -> str:
    """Say that an operator took it out."""
    return "the operator said so"


def after_dnf(late: int) -> str:
    """Say how long after a DNF or DQ it was."""
    return f"{seconds_text(late)} after the runner was out of the race"


def before_start(early: int) -> str:
    """Say how long before T0 it was."""
    return f"{seconds_text(early)} before the gun"


def too_soon(gap: int, used: int, dead: int) -> str:
    """Say which crossing the dead time counts from."""
    since = f"{seconds_text(gap)} after the crossing used at {race_time(used)}"
    return f"{since}; dead time is {seconds_text(dead)}"


def too_soon_without_gun(gap: int, dead: int) -> str:
    """Say the same while nobody knows T0."""
    since = f"{seconds_text(gap)} after the crossing used before it"
    return f"{since}; dead time is {seconds_text(dead)}"


def after_finish(late: int, finish: int) -> str:
    """Say when the runner had finished."""
    return f"{seconds_text(late)} after the finish at {race_time(finish)}"


def start_closed(at: int, until: int) -> str:
    """Say until when the start mat starts."""
    return f"at {race_time(at)}; a start counts until {race_time(until)}"


def nothing_left(at: int) -> str:
    """Say that the course does not come here any more."""
    return f"at {race_time(at)}; the runner was already past every point of the course here"


def too_early(at: int, opens: int, point: int) -> str:
    """Say when the next point opens."""
    return f"at {race_time(at)}; point {point} of the course opens at {race_time(opens)}"


def before_own_start(early: int, start: int) -> str:
    """Say when the runner started."""
    return f"{seconds_text(early)} before the runner's own start at {race_time(start)}"


def too_late(at: int, closes: int, point: int) -> str:
    """Say when the next point closes."""
    return f"at {race_time(at)}; point {point} of the course closes at {race_time(closes)}"


def unknown_chip() -> str:
    """Say that nobody has the chip."""
    return "no participant has this chip"


def ambiguous_chip() -> str:
    """Say that several could have been meant."""
    return "several participants have this chip and pass here"


def wrong_event() -> str:
    """Say that the runner's course does not come here."""
    return "the event of the chip's participant does not pass here"


def race_time(ns: int) -> str:
    """Return a clock time to the millisecond, cut and not rounded."""
    return clock_text(ns, 3, Rounding.DOWN)
