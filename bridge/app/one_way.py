"""The offset of a clock that cannot be asked, from what a reader says at once and unasked.

Arrival minus stamp is the true offset and a delay, which is never negative. So the smallest of
many is the best estimate there is: the lower envelope. A network that stalls only adds arrivals
above it.
"""

from typing import NamedTuple

from bridge.domain.reads import NS_PER_MS, NS_PER_S

DELAY_NS = 20 * NS_PER_MS
"""The smallest delay of many is not above this: a reader's own and that of a local network."""
WINDOW_NS = 60 * NS_PER_S
"""Arrivals older than this say nothing about a clock that drifts."""
JUMP_NS = 100 * NS_PER_MS
JUMP_WINDOW_NS = 5 * NS_PER_S
"""An envelope that lies higher by a jump for this long was moved there: the clock was set back."""


class Moment(NamedTuple):
    """One arrival that is worth a sample."""

    utc_ns: int
    boot_ns: int
    """The same on the host's monotonic clock, by which arrivals are compared: it never jumps."""
    stamp: int

    @property
    def lag_ns(self) -> int:
        """What arrivals are compared by: offset and delay."""
        return self.boot_ns - self.stamp


class LeastDelay:
    """Chooses, of the arrivals of one connection, those that say something new."""

    def __init__(self) -> None:
        self._form = 0
        self._told: Moment | None = None
        self._told_ns = 0
        """When it was told."""
        self._best: list[Moment] = []
        """The least delayed arrival of each second of the window."""

    def heard(self, utc_ns: int, boot_ns: int, stamp: int, form: int) -> Moment | None:
        """Take an arrival; return the one to make a sample of, if it is time for a sample."""
        moment = Moment(utc_ns, boot_ns, stamp)
        if self._told is None or form != self._form:
            self._form, self._best = form, [moment]
            return self._tell(moment, boot_ns)
        self._keep(moment)
        least = min(self._best, key=_lag)
        if least.lag_ns < self._told.lag_ns - DELAY_NS or boot_ns - self._told_ns >= WINDOW_NS:
            return self._tell(least, boot_ns)
        recent = [kept for kept in self._best if boot_ns - kept.boot_ns <= JUMP_WINDOW_NS]
        lately = min(recent, key=_lag)
        long_enough = boot_ns - recent[0].boot_ns >= JUMP_WINDOW_NS - NS_PER_S
        if long_enough and lately.lag_ns > self._told.lag_ns + JUMP_NS:
            self._best = recent
            return self._tell(lately, boot_ns)
        return None

    def _keep(self, moment: Moment) -> None:
        last = self._best[-1]
        if moment.boot_ns // NS_PER_S == last.boot_ns // NS_PER_S:
            self._best[-1] = min(last, moment, key=_lag)
        else:
            self._best.append(moment)
        oldest = moment.boot_ns - WINDOW_NS
        while self._best[0].boot_ns < oldest:
            del self._best[0]

    def _tell(self, moment: Moment, boot_ns: int) -> Moment:
        self._told, self._told_ns = moment, boot_ns
        return moment


def _lag(moment: Moment) -> int:
    return moment.lag_ns
