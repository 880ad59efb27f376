"""How fast one of several readers is listened to, so that none starves the others.

A memory played back, a large file or a reader gone mad bring more than the displays can be told of.
They lose nothing by waiting in their sockets, while live reads of other mats would wait behind
them: crossings go out in one order. So as long as the displays keep up everybody may come as fast
as he can; when they fall behind, each reader has a share that no mat with runners on it needs.
"""

from collections.abc import Callable

from bridge.domain.reads import NS_PER_S

FREE_RATE = 10_000
"""Events a second that one reader may bring for ever while there is room for them."""
SHARE = 1_000
"""And while there is not: 50 runners a second, each read twenty times."""
BURST = 2_000
"""Events it may bring at once: a whole field over one mat, or a short gap repaired."""
LONGEST_S = 2.0
"""Of one pause: drivers take ten seconds of silence for a dead link."""


class Pace:
    """A bucket of events of one reader that fills up again by its rate."""

    def __init__(self) -> None:
        self.crowded: Callable[[], bool] = lambda: False
        """Asked whether the displays are behind."""
        self._left = float(BURST)
        self._at_ns: int | None = None

    def pause_s(self, events: int, now_ns: int) -> float:
        """Take what came at `now_ns` out of the bucket; return how long not to listen."""
        rate = SHARE if self.crowded() else FREE_RATE
        if self._at_ns is not None:
            refilled = self._left + (now_ns - self._at_ns) * rate / NS_PER_S
            self._left = min(float(BURST), refilled)
        self._at_ns = now_ns
        self._left -= events
        return min(LONGEST_S, max(0.0, -self._left / rate))
