"""Which records of the box's log have come, and what the next session must know of it.

A box numbers its records from 1 without gaps. Numbers carry no checksum, and they start again
when somebody clears the log, so one number far off is only believed once the next one follows it.
"""

import json
from dataclasses import dataclass, replace
from typing import Final

MOST_HOLES: Final = 200
FAR: Final = 5_000
"""Numbers ahead of the newest that are believed at once: a link down for long, then a read."""
_NEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Hole:
    """Log numbers that have not come, both ends included; how often they were asked for."""

    first: int
    last: int
    asked: int = 0


class LogBook:
    """The numbers of one box's records.

    Attributes:
        newest: Highest log number known, None before the first record ever.
        seen_s: The box's seconds of the last record that came, None before the first.
        owed_s: From which of the box's seconds on its log has to be sent again, None: nothing is
            owed by time. It outlives the session, whatever comes live meanwhile.
    """

    def __init__(self, memory: str | None, last_seen_s: int | None = None) -> None:
        self.newest: int | None = None
        self.seen_s = last_seen_s
        self.owed_s: int | None = None
        self._holes: list[Hole] = []
        self._suspect: int | None = None
        if memory is not None:
            self._recall(memory)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What is missing, in the order of the log."""
        return tuple(self._holes)

    def came(self, log: int, seconds: int, *, rewound: bool) -> None:
        """Take the number of a record that came."""
        newest = self.newest
        seen = self.seen_s
        if not rewound or seen is None or seconds > seen:
            self.seen_s = seconds
        if newest is None or log == newest + 1:
            self.newest, self._suspect = log, None
        elif newest < log <= newest + FAR:
            self._leave_hole(newest + 1, log - 1)
            self.newest, self._suspect = log, None
        elif not (log <= newest and self._fill(log)) and not rewound:
            self._doubt(log, newest, seconds if seen is None else min(seen, seconds))

    def owe(self, from_s: int) -> None:
        """Note that the log has to be sent again from a second on."""
        self.owed_s = from_s if self.owed_s is None else min(self.owed_s, from_s)

    def forget(self, hole: Hole) -> None:
        """Give a hole up."""
        self._holes = [one for one in self._holes if one.first != hole.first]

    def asked(self, first: int, last: int) -> None:
        """Note that numbers were asked for, and did not all come."""
        self._holes = [
            replace(hole, asked=hole.asked + 1)
            if first <= hole.last and hole.first <= last
            else hole
            for hole in self._holes
        ]

    def memory(self) -> str:
        """Return what the next session must know."""
        holes = [[hole.first, hole.last] for hole in self._holes]
        noted = {"newest": self.newest, "seen": self.seen_s, "owed": self.owed_s, "holes": holes}
        return json.dumps(noted)

    def _leave_hole(self, first: int, last: int) -> None:
        self._holes.append(Hole(first, last))
        if len(self._holes) > MOST_HOLES:  # ask for some twice rather than keep a list without end
            one, two, *rest = self._holes
            self._holes = [Hole(one.first, two.last, max(one.asked, two.asked)), *rest]

    def _fill(self, log: int) -> bool:
        for at, hole in enumerate(self._holes):
            if hole.first <= log <= hole.last:
                before, behind = replace(hole, last=log - 1), replace(hole, first=log + 1)
                self._holes[at : at + 1] = [
                    one for one in (before, behind) if one.first <= one.last
                ]
                return True
        return False

    def _doubt(self, log: int, newest: int, seen_s: int) -> None:
        """Believe a number far ahead or behind as soon as a second one follows it."""
        suspect, self._suspect = self._suspect, log
        if suspect is None or not 0 < log - suspect <= _NEAR:
            return
        self._suspect = None
        if log > newest:
            self._leave_hole(newest + 1, log - 1)
            self._fill(suspect)
        else:
            self._holes.clear()
            self.owe(seen_s)
        self.newest = log

    def _recall(self, memory: str) -> None:
        """Take the memory of an earlier session; one that cannot be read counts as none."""
        try:
            noted = json.loads(memory)
            holes = [Hole(int(first), int(last)) for first, last in noted["holes"]]
            newest, seen, owed = noted["newest"], noted["seen"], noted["owed"]
        except (ValueError, TypeError, KeyError):
            return
        self.newest = newest if isinstance(newest, int) else None
        self.seen_s = seen if isinstance(seen, int) else self.seen_s
        self.owed_s = owed if isinstance(owed, int) else None
        self._holes = [hole for hole in holes if hole.first <= hole.last][:MOST_HOLES]
