"""Which of a reader's running numbers have come, and where the next hole is."""

from typing import Final

MOST_AHEAD: Final = 8_192
"""Numbers kept beyond a hole; with more the hole is given up, so that memory stays bounded."""


class Sequence:
    """Numbers counted upwards from 1, in any order, with repeats.

    `last` is the highest number up to which nothing is missing or worth waiting for any more.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = max(last, 0)
        self.top = self.last
        """The highest number that came."""
        self._ahead: set[int] = set()

    @property
    def hole(self) -> tuple[int, int] | None:
        """First and last number of the first hole, or None."""
        return (self.last + 1, min(self._ahead) - 1) if self._ahead else None

    def has(self, number: int) -> bool:
        """Tell whether a number came, or is no longer waited for."""
        return number <= self.last or number in self._ahead

    def mark(self, number: int) -> None:
        """Take a number that came."""
        self.top = max(self.top, number)
        if number == self.last + 1 and not self._ahead:
            self.last = number
        elif number > self.last:
            self._ahead.add(number)
            self._settle()
            if len(self._ahead) > MOST_AHEAD:
                self.skip()

    def skip(self, last: int | None = None) -> int:
        """Give the first hole up, or only its numbers to `last`; return how many those were."""
        if self.hole is None:
            return 0
        first, end = self.hole
        self.last = end if last is None else min(max(last, self.last), end)
        self._settle()
        return min(end, self.last) - first + 1

    def settle(self, last: int) -> None:
        """Wait for nothing up to `last`, which came, any more."""
        if last > self.last:
            self.last = last
            self._ahead = {number for number in self._ahead if number > last}
            self._settle()

    def begin_at(self, number: int) -> None:
        """Begin anew: everything before `number` is not waited for."""
        self.last = self.top = max(number - 1, 0)
        self._ahead.clear()

    def _settle(self) -> None:
        while self.last + 1 in self._ahead:
            self.last += 1
            self._ahead.discard(self.last)
