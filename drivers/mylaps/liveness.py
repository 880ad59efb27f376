"""Whether the other side is alive, and which of its locations are.

Timing & Scoring answers a ``Ping`` with one ``AckPing`` per location, within 0.8 s at worst. It
has nothing to answer with before a location is active, so it is asked only after its first hello.
"""

from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Alarm, Event, Hangup, Status

QUIET_NS: Final = 3 * NS_PER_S
"""It is asked after so long a silence, and again every so often."""
REGULAR_NS: Final = 10 * NS_PER_S
"""It is asked so often even while it talks: the answer tells which locations are there."""
DEAD_NS: Final = 8 * NS_PER_S
"""Silence is noticed up to one second late, and must be within ten."""
_MOST: Final = 64
"""Locations kept: more than any event has, so that noise cannot fill the memory."""
_NAMELESS: Final = "unnamed"
"""What a location is called for a while after a file was opened again."""
_FEWEST_PINGS: Final = 2
"""Unanswered ones before it is given up: our own pause must not look like its silence."""


class Liveness:
    """Watches one connection from `begin` on."""

    def __init__(self) -> None:
        self._has_heard = False
        self._is_identified = False
        self._quiet_since_ns = 0
        self._asked_ns = 0
        self._unanswered = 0
        self._answers: dict[str, None] = {}
        """Who answered the last Ping, in order."""
        self._seen: dict[str, None] = {}
        self._told: list[str] = []
        self._gone: list[str] = []

    def begin(self, now_ns: int) -> None:
        """Begin to watch: the link is up."""
        self._quiet_since_ns = self._asked_ns = now_ns

    def heard(self) -> None:
        """Note that bytes came, whatever they were."""
        self._has_heard = True

    def identified(self) -> None:
        """Note that it has said who it is: from now on it answers."""
        self._is_identified = True

    def answered(self, location: str) -> None:
        """Note the answer of one location to a Ping."""
        self._is_identified = True
        if len(self._answers) < _MOST:
            self._answers[location] = None

    def tick(self, now_ns: int) -> tuple[list[Event], bool]:
        """Return what follows from the time that passed, and whether a Ping is due."""
        if self._has_heard:
            self._has_heard = False
            self._quiet_since_ns = now_ns
            self._unanswered = 0
        if not self._is_identified:
            return [], False
        quiet_ns = now_ns - self._quiet_since_ns
        if quiet_ns >= DEAD_NS and self._unanswered >= _FEWEST_PINGS:
            return [Hangup("no answer to Ping")], False
        since_ns = now_ns - self._asked_ns
        if since_ns < (QUIET_NS if quiet_ns >= QUIET_NS else REGULAR_NS):
            return [], False
        self._asked_ns = now_ns
        self._unanswered += 1
        return self._review(), True

    def _review(self) -> list[Event]:
        """Tell of the locations that answered the last Ping, if they are others than before."""
        answers, self._answers = list(self._answers), {}
        if not answers or answers == self._told:
            return []
        self._told = answers
        for name in answers[: _MOST - len(self._seen)]:
            if name != _NAMELESS:
                self._seen[name] = None
        events: list[Event] = [Status(b"", {"locations": answers})]
        gone = [name for name in self._seen if name not in answers]
        if gone != self._gone:
            self._gone = gone
            text = f"Timing & Scoring no longer serves {', '.join(gone)}: look at it there"
            events.append(Alarm("locations", text if gone else "all are back", on=bool(gone)))
        return events
