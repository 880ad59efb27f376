"""Running numbers of events: which are missing, and when counting began anew."""

from typing import Final

from bridge.domain.reads import NS_PER_S

_MOST_HOLES: Final = 64
_PATIENCE_NS: Final = 30 * NS_PER_S
"""Stored events come between live ones, at up to 500 a second: a hole may still be filled."""


class EventNumbers:
    """What one reader's `eventNum` tells over one connection."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._newest = 0
        """Newest stamp."""
        self._holes: list[tuple[int, int]] = []
        """First and last number of stretches that did not come."""
        self._since_ns: int | None = None

    def seen(self, number: int, stamp: int) -> None:
        """Take the number of an event that came."""
        highest = self._highest
        if highest is None or number == highest + 1:
            self._highest = number
        elif number > highest:
            if stamp < self._newest:
                return  # repeated, from before a restart
            self._holes.append((highest + 1, number - 1))
            del self._holes[:-_MOST_HOLES]
            self._highest = number
        elif not self._fill(number) and stamp > self._newest:
            self._holes.clear()  # a later event with a lower number: the reader was restarted
            self._highest = number
        self._newest = max(self._newest, stamp)

    def missing(self, now_ns: int) -> int:
        """Return how many events did not come although there was time; called every second."""
        if not self._holes:
            self._since_ns = None
            return 0
        if self._since_ns is None:
            self._since_ns = now_ns
        if now_ns - self._since_ns < _PATIENCE_NS:
            return 0
        return sum(last - first + 1 for first, last in self._holes)

    def _fill(self, number: int) -> bool:
        for index, (first, last) in enumerate(self._holes):
            if first <= number <= last:
                rest = [(first, number - 1), (number + 1, last)]
                self._holes[index : index + 1] = [hole for hole in rest if hole[0] <= hole[1]]
                return True
        return False
