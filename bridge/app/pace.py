"""How fast one of several readers is listened to, so that none starves the others.

No mat makes more than some hundred reads a second for long. What comes faster is a memory played
back, a large file, or a reader gone mad: it loses nothing by waiting in its socket, while live
reads of other mats would wait behind it for the journal and the displays.
"""

from bridge.domain.reads import NS_PER_S

RATE = 2_000
"""Events a second that one reader may bring for ever."""
BURST = 4_000
"""Events it may bring at once: a whole field over one mat, or a short gap repaired."""
LONGEST_S = 2.0
"""Of one pause: drivers take ten seconds of silence for a dead link."""


class Pace:
    """A bucket of events of one reader that fills up again by `RATE`."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at_ns: int | None = None

    def pause_s(self, events: int, now_ns: int) -> float:
        """Take what came at `now_ns` out of the bucket; return how long not to listen."""
        if self._at_ns is not None:
            refilled = self._left + (now_ns - self._at_ns) * RATE / NS_PER_S
            self._left = min(float(BURST), refilled)
        self._at_ns = now_ns
        self._left -= events
        return min(LONGEST_S, max(0.0, -self._left / RATE))
