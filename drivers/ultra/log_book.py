"""Which records of the box's log have come, and what the next session must know of it.

A box numbers its records from 1 without gaps. Numbers carry no checksum, and they start again
when somebody clears the log, so one number far off is only believed once the next one follows it.
"""

import json
from typing import Final

from drivers.holes import Holes

FAR: Final = 5_000
"""Numbers ahead of the newest that are believed at once: a link down for long, then a read."""
_NEAR: Final = 5


class LogBook:
    """The numbers of one box's records.

    Attributes:
        newest: Highest log number known, None before the first record ever.
        seen_s: The box's seconds of the last record that came, None before the first.
        holes: What is missing.
        owed_s: From which of the box's seconds on its log has to be sent again, None: nothing is
            owed by time. It outlives the session, whatever comes live meanwhile.
    """

    def __init__(self, memory: str | None, last_seen_s: int | None = None) -> None:
        self.newest: int | None = None
        self.seen_s = last_seen_s
        self.owed_s: int | None = None
        self.holes = Holes()
        self._suspect: int | None = None
        self._trusted_s = 0
        if memory is not None:
            self._recall(memory)

    def came(self, log: int, seconds: int, *, rewound: bool) -> None:
        """Take the number of a record that came."""
        newest = self.newest
        seen = self.seen_s
        if not rewound or seen is None or seconds > seen:
            self.seen_s = seconds
        if newest is None or log == newest + 1:
            self.newest, self._suspect = log, None
        elif newest < log <= newest + FAR:
            self.holes.add(newest + 1, log - 1)
            self.newest, self._suspect = log, None
        elif not (log <= newest and self.holes.fill(log)) and not rewound:
            self._doubt(log, newest, seconds if seen is None else seen)

    def owe(self, from_s: int) -> None:
        """Note that the log has to be sent again from a second on."""
        self.owed_s = from_s if self.owed_s is None else min(self.owed_s, from_s)

    def memory(self) -> str:
        """Return what the next session must know."""
        noted = {"newest": self.newest, "seen": self.seen_s, "owed": self.owed_s}
        return json.dumps({**noted, "holes": self.holes.pairs()})

    def _doubt(self, log: int, newest: int, seen_s: int) -> None:
        """Believe a number far ahead or behind as soon as a second one follows it."""
        suspect, self._suspect = self._suspect, log
        if suspect is None:
            self._trusted_s = seen_s
        if suspect is None or not 0 < log - suspect <= _NEAR:
            return
        self._suspect = None
        if log > newest:
            self.holes.add(newest + 1, log - 1)
            self.holes.fill(suspect)
        else:
            self.holes.clear()
            self.owe(self._trusted_s)
        self.newest = log

    def _recall(self, memory: str) -> None:
        """Take the memory of an earlier session; one that cannot be read counts as none."""
        try:
            noted = json.loads(memory)
            holes = Holes((int(first), int(last)) for first, last in noted["holes"])
            newest, seen, owed = noted["newest"], noted["seen"], noted["owed"]
        except (ValueError, TypeError, KeyError):
            return
        self.newest = newest if isinstance(newest, int) else None
        self.seen_s = seen if isinstance(seen, int) else self.seen_s
        self.owed_s = owed if isinstance(owed, int) else None
        self.holes = holes
