"""The books of a Lite: what it says it stored against what arrived.

A record has no sequence number. But the write cursor W goes up by one per tag line sent, follow-up
lines included, so between two status replies W must grow by the number of tag lines received,
readable or not.
"""

from collections import deque
from typing import Final

PATIENCE: Final = 10
"""Calm status replies that must agree on a shortage while lines keep coming."""
CALM: Final = 60
"""Most tag lines between two replies of a calm time: about 20 per second of the 85 that fit. Then
a line is under way at one reply in four, at ten in a row practically never. In a rush it always
is, and there would be no room for a playback either."""


class Ledger:
    """Compare the write cursor with the lines received, and confirm what is missing.

    A single comparison proves nothing: a record may be stored and its line still wait behind the
    status reply. A shortage is confirmed when two replies frame a silence (nothing is under way),
    or when it never vanished over `PATIENCE` replies of a calm time.

    Attributes:
        written: W when both last agreed, or None: never compared.
        lines: Tag lines received since.
    """

    def __init__(self, written: int | None, lines: int) -> None:
        self.written = written
        self.lines = lines
        self._last: tuple[int, int] | None = None
        self._shortages: deque[int] = deque(maxlen=PATIENCE)

    def observe(self, written: int) -> int:
        """Take the W of a status reply; return the number of lines proved missing, or 0."""
        if self.written is None:
            self.settle(written)
            return 0
        if written < self.written:
            if self._last is not None:  # erased before our eyes: lines before it are with us
                self.settle(written)
                return 0
            # Erased, or another reader, while we were away: all of it may be new.
            self.written, self.lines = 0, 0
        missing = written - self.written - self.lines
        is_quiet = self._last == (written, self.lines)
        is_calm = self._last is not None and self.lines - self._last[1] <= CALM
        self._last = (written, self.lines)
        if missing == 0 or (missing < 0 and is_quiet):
            # More lines than records: recording was off, or another program had them played.
            self.settle(written)
            return 0
        if missing < 0:
            self._shortages.clear()
            return 0
        if is_quiet or is_calm:
            self._shortages.append(missing)
        if is_quiet or len(self._shortages) == PATIENCE:
            return min(self._shortages)
        return 0

    def settle(self, written: int) -> None:
        """Begin anew from `written`: up to here nothing is owed."""
        self.written, self.lines = written, 0
        self._last = (written, 0)
        self._shortages.clear()
