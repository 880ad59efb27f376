"""Which passings of a One4All's session file have come.

Numbers begin again at 1 with every session file, and no reply tells which file it is. So one row
that has come, the anchor, is kept and compared: the same number with another chip or time means
another session.
"""

import json
from typing import Final

from bridge.domain.reads import Read
from drivers.holes import Holes

MOST_ASKED: Final = 3
FAR: Final = 2_000
"""A number so far ahead is not believed, as nothing checks it: the reader's count will tell."""

Sign = tuple[int, str]
"""Number of a row, and its chip and time."""


class Ledger:
    """The passing numbers of one session file.

    Attributes:
        newest: Highest number known, 0 before the first.
        holes: What is missing below it.
        anchor: The row that tells one session from another.
        lost: Passings given up: the reader did not send them however often it was asked.
        is_left_behind: Passings of an earlier session file may not have come, and cannot be asked
            for: requests go to the file that is being written.
    """

    def __init__(self, memory: str | None) -> None:
        self.newest = 0
        self.holes = Holes()
        self.lost = 0
        self.anchor: Sign | None = None
        self.is_left_behind = False
        if memory is not None:
            self._recall(memory)

    def came(self, number: int, read: Read) -> bool:
        """Take a row; say whether it was news or filled a hole."""
        if number == self.newest + 1:
            self.newest = number
        elif number > self.newest + FAR:
            return True
        elif number > self.newest:
            self.holes.add(self.newest + 1, number - 1)
            self.newest = number
        else:
            return self.holes.fill(number)
        self.anchor = sign_of(number, read)
        return True

    def counted(self, count: int) -> None:
        """Take how many passings there are; a smaller number than known is not for us to judge."""
        self.holes.add(self.newest + 1, count)
        self.newest = max(self.newest, count)

    def restart(self, *, was_away: bool = False) -> None:
        """Begin again: the reader writes another session file, maybe begun while we were away."""
        self.is_left_behind = self.is_left_behind or was_away or bool(self.holes.pairs())
        self.newest, self.anchor = 0, None
        self.holes.clear()

    def memory(self) -> str:
        """Return what the next session must know."""
        noted = {"newest": self.newest, "anchor": self.anchor, "holes": self.holes.pairs()}
        return json.dumps(noted)

    def _recall(self, memory: str) -> None:
        """Take the memory of an earlier session; one that cannot be read counts as none."""
        try:
            noted = json.loads(memory)
            newest, anchor = int(noted["newest"]), noted["anchor"]
            holes = Holes((int(first), int(last)) for first, last in noted["holes"])
            self.anchor = None if anchor is None else (int(anchor[0]), str(anchor[1]))
        except (ValueError, TypeError, KeyError, IndexError):
            self.anchor = None
            return
        self.newest, self.holes = newest, holes


def sign_of(number: int, read: Read) -> Sign:
    """Return what tells this row from one of the same number in another session."""
    return number, f"{read.chip} {read.stamp}"
