"""Notice that somebody moved a reader's clock, from what it answers to our questions."""

from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import ClockStep

_SLACK_NS: Final = 2 * NS_PER_S
"""What a session's idea of now is behind (a tick per second), and a whole-second answer's doubt."""


class ClockSteps:
    """Compare each answer with the one before it and the time that passed meanwhile.

    An answer was made between the question and its arrival, and both are known on a monotonic
    clock, so however long it took on the way never looks like a step.
    """

    def __init__(self) -> None:
        self._stamp: int | None = None
        self._asked_ns = self._came_ns = 0

    def told(self, stamp: int, asked_ns: int, now_ns: int) -> list[ClockStep]:
        """Take the answer to what was asked at `asked_ns`; return the step, if there was one."""
        before = self._stamp
        shortest = asked_ns - self._came_ns - _SLACK_NS
        longest = now_ns - self._asked_ns + _SLACK_NS
        self._stamp, self._asked_ns, self._came_ns = stamp, asked_ns, now_ns
        if before is None or shortest <= stamp - before <= longest:
            return []
        way = "forward" if stamp - before > longest else "back"
        return [ClockStep(b"", before, stamp, f"the clock was set {way}")]
