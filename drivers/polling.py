"""Sessions of modules that read only while they are asked to, and how their silence is noticed.

Nothing a session sends here acknowledges anything: these modules remember no reads. So commands
stand in front of the reads of the same bytes and need not wait until those are on disk; the next
round begins sooner.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Final, NamedTuple, Protocol

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import (
    MAIN,
    Event,
    Hangup,
    Kept,
    PassiveSession,
    Reason,
    Rejected,
    Send,
)
from drivers.binary_frames import FrameBuffer, Piece, Shape

DEAD_NS: Final = 7 * NS_PER_S
"""Silence after which the link is given up: with the ticks on both sides below ten seconds."""
QUIET_NS: Final = 2 * NS_PER_S
"""Silence after which a module that should be reading is asked again."""
SLACK_NS: Final = NS_PER_S // 4
"""A tick that comes this much early counts as on time."""


class Talk(Protocol):
    """What is said to one module, and when; the session feeds it what it hears."""

    def begin(self, now_ns: int) -> list[Event]:
        """Start: the link is up."""
        ...

    def heard(self, frame: bytes) -> list[Event]:
        """Take a whole frame whose check is right."""
        ...

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:
        """Let time pass; nothing was understood for `silent_ns`."""
        ...


class Asking:
    """A talk that only asks who is there: for a check, which sets nothing up and starts nothing."""

    def __init__(self, *questions: bytes) -> None:
        self._questions = cycle(questions)

    def begin(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Listen first: it may talk by itself."""
        return []

    def heard(self, frame: bytes) -> list[Event]:  # noqa: ARG002
        """Say nothing: that it talks is all there is to know."""
        return []

    def tick(self, now_ns: int, silent_ns: int) -> list[Event]:  # noqa: ARG002
        """Ask where nothing came, one question after another."""
        return [Send(next(self._questions))] if silent_ns >= NS_PER_S - SLACK_NS else []


class Step(NamedTuple):
    """One command of a set-up and the code of the frame that answers it."""

    data: bytes
    code: int


class Script:
    """Commands sent one by one, each when the one before is answered or was waited for enough."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._left = deque(steps)
        self._ticks = 0
        self.asked: Step | None = None
        """What is waited for; None: nothing, the script has ended or has not begun."""

    def next(self) -> list[Event]:
        """Send the next command; nothing where there is none left."""
        self._ticks = 0
        self.asked = self._left.popleft() if self._left else None
        return [Send(self.asked.data)] if self.asked is not None else []

    def answers(self, code: int) -> bool:
        """Tell whether a frame answers what was asked."""
        return self.asked is not None and self.asked.code == code

    def is_late(self) -> bool:
        """Count a tick; tell whether the answer was waited for long enough."""
        self._ticks += 1
        return self.asked is not None and self._ticks > 1


class PolledSession(PassiveSession):
    """One connection to a module. Total; every byte comes back once.

    Never opened, it decodes and says nothing.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        decode: Callable[[bytes], list[Kept]],
        talk: Talk,
        advice: str,
        noise: Callable[[Piece], Kept] | None = None,
    ) -> None:
        """Set up; `advice` says what to look at where a link falls silent."""
        self._frames = FrameBuffer(shape)
        self._decode = decode
        self._noise = noise or rejected
        self._talk = talk
        self._advice = advice
        self._is_open = False
        self._is_heard = False
        self._heard_ns = 0

    @property
    def pending(self) -> bytes:
        """Bytes of an incomplete frame, and noise that is not a whole piece."""
        return self._frames.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Start talking."""
        self._is_open = True
        self._heard_ns = now_ns
        return self._talk.begin(now_ns)

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:  # noqa: ARG002
        """Take bytes as they came; return what is complete, in wire order."""
        said: list[Event] = []
        kept: list[Event] = []
        for piece in self._frames.feed(data):
            if piece.damage is not None:
                kept.append(self._noise(piece))
                continue
            kept += self._decode(piece.raw)
            if self._is_open:
                self._is_heard = True
                said += self._talk.heard(piece.raw)
        return said + kept if said else kept

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: ask again, or give up a link on which nothing is understood."""
        if self._is_heard:
            self._heard_ns, self._is_heard = now_ns, False
        self._frames.doubt()
        silent_ns = now_ns - self._heard_ns
        if silent_ns >= DEAD_NS - SLACK_NS:
            return [Hangup(f"nothing understood for {silent_ns // NS_PER_S} s: {self._advice}")]
        return self._talk.tick(now_ns, silent_ns)


def rejected(piece: Piece) -> Kept:
    """Return bytes that are no frame as what they are: damage."""
    return Rejected(piece.raw, piece.damage or Reason.FRAMING)
