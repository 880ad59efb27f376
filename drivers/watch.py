"""Whether the reader at the other end still lives: when to ask it, when to give the link up.

For readers that talk by themselves and may be wired so that they cannot hear us: those are asked a
few times, then rarely, and their silence proves nothing.
"""

from enum import Enum
from typing import Final

from bridge.domain.reads import NS_PER_S

POLL_NS: Final = 3 * NS_PER_S
DEAD_NS: Final = 9 * NS_PER_S
MUTE_NS: Final = 60 * NS_PER_S
"""How often a reader is asked that has never answered."""
_TRIES: Final = 3


class Verdict(Enum):
    """What silence means so far."""

    FINE = "fine"
    POLL = "poll"
    DEAD = "dead"


class Watch:
    """The silence of one connection.

    Attributes:
        answers: The reader has answered on this connection: its silence means something.
    """

    def __init__(self) -> None:
        self.answers = False
        self._now_ns = self._heard_ns = self._polled_ns = 0
        self._vain = 0

    @property
    def is_mute(self) -> bool:
        """Whether it was asked often enough and has never answered."""
        return not self.answers and self._vain >= _TRIES

    def begin(self, now_ns: int) -> None:
        """Start: the link is up, and something is being asked."""
        self._now_ns = self._heard_ns = self._polled_ns = now_ns

    def heard(self, *, answer: bool) -> None:
        """Note that bytes came; `answer`: such as come only when the reader hears us."""
        self._heard_ns = self._now_ns
        if answer:
            self.answers, self._vain = True, 0

    def tick(self, now_ns: int, *, every_ns: int | None = None) -> Verdict:
        """Let time pass; with `every_ns` it is asked that often also while it talks."""
        self._now_ns = now_ns
        silent_ns, asked_ns = now_ns - self._heard_ns, now_ns - self._polled_ns
        if self.answers and silent_ns >= DEAD_NS:
            return Verdict.DEAD
        if self.is_mute:
            due = asked_ns >= MUTE_NS
        elif every_ns is not None:
            due = asked_ns >= every_ns
        else:
            due = min(silent_ns, asked_ns) >= POLL_NS
        if not due:
            return Verdict.FINE
        self._polled_ns = now_ns
        self._vain += 1
        return Verdict.POLL
