"""Numbers of records that have not come, as ranges, for readers that number what they read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

MOST_HOLES: Final = 200


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers that have not come, both ends included; how often they were asked for."""

    first: int
    last: int
    asked: int = 0

    @property
    def size(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


class Holes:
    """A bounded list of holes: where there are too many, two are asked for as if they were one."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._holes = [Hole(first, last) for first, last in pairs if first <= last][:MOST_HOLES]

    def __iter__(self) -> Iterator[Hole]:
        return iter(tuple(self._holes))

    def pairs(self) -> list[list[int]]:
        """Return first and last of each, for a memory."""
        return [[hole.first, hole.last] for hole in self._holes]

    def add(self, first: int, last: int) -> None:
        """Note that these have not come; none if `last` is before `first`."""
        if first > last:
            return
        self._holes.append(Hole(first, last))
        if len(self._holes) > MOST_HOLES:
            one, two, *rest = self._holes
            joined = Hole(min(one.first, two.first), max(one.last, two.last), two.asked)
            self._holes = [joined, *rest]

    def fill(self, number: int) -> bool:
        """Note that a number came; say whether it was missing."""
        for at, hole in enumerate(self._holes):
            if hole.first <= number <= hole.last:
                parts = (replace(hole, last=number - 1), replace(hole, first=number + 1))
                self._holes[at : at + 1] = [part for part in parts if part.size > 0]
                return True
        return False

    def next(self) -> Hole | None:
        """Return what to ask for next: what was asked for least, then the oldest."""
        return min(self._holes, key=lambda hole: (hole.asked, hole.first), default=None)

    def asked(self, first: int, last: int, most: int) -> int:
        """Note that numbers were asked for and did not come; return how many are given up.

        Those asked for `most` times are forgotten.
        """
        self._holes = [
            replace(hole, asked=hole.asked + 1)
            if first <= hole.last and hole.first <= last
            else hole
            for hole in self._holes
        ]
        lost = sum(hole.size for hole in self._holes if hole.asked >= most)
        self._holes = [hole for hole in self._holes if hole.asked < most]
        return lost

    def clear(self) -> None:
        """Forget them all."""
        self._holes.clear()
