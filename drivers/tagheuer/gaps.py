"""Which times of a CP 540 are missing, by their sequence numbers, and the asking for them.

Whether the numbers count per channel or over all of them is not published. They are taken to count
over all until the times prove otherwise; then per channel. A missing number is asked for on each
channel it may be of, one question at a time, until one is answered.
"""

import json
from collections import deque
from typing import Final, NamedTuple

from bridge.domain.reads import NS_PER_S

WAIT_NS: Final = 2 * NS_PER_S
MOST: Final = 500
"""Two times further apart than this are of two numberings: nothing is missing between them."""
_WRAP: Final = 10_000
_MOST_LOST: Final = 10
_MOST_WANTED: Final = 5_000
_KEPT: Final = 2 * MOST
"""So far behind the newest a number is remembered to have come; once round, it will come again."""


class Recall(NamedTuple):
    """One question: the time of this sequence number on this channel."""

    sequence: int
    channel: str
    is_tail: bool = False
    """It is behind the newest known, so perhaps there is none yet."""


class Gaps:
    """What is known of the numbering, what is wanted, and the one question that is open.

    Attributes:
        per_channel: Each channel has its own numbers.
        lost: The newest numbers that the timer did not give.
    """

    def __init__(self, memory: str | None, *, is_wanted: bool) -> None:
        self.per_channel = False
        self.lost: list[int] = []
        self._is_wanted = is_wanted
        self._newest: dict[str, int] = {}
        """Channel -> its newest number; the newest of all stands last."""
        self._known: dict[int, set[str]] = {}
        self._noted = 0
        self._queue: deque[Recall] = deque(maxlen=_MOST_WANTED)
        self._open: Recall | None = None
        self._asked_ns = 0
        self._remember(memory)

    def memory(self) -> str:
        """Return what the next session must know."""
        book: dict[str, object] = {"newest": self._newest, "per_channel": self.per_channel}
        if owed := self._owed():
            book["owed"] = owed
        return json.dumps(book, separators=(",", ":"))

    def begin(self) -> None:
        """Ask for what came behind the newest while the link was down."""
        self._ask_behind(list(self._newest))

    def came(self, sequence: int, channel: str) -> None:
        """Enter a new time; what lies between it and the one before it is missing."""
        newest = self._last(channel)
        gap = MOST + 1 if newest is None else (sequence - newest) % _WRAP
        if not self.per_channel and self._proves_otherwise(sequence, channel, gap):
            self.per_channel = True
            newest = self._last(channel)
            gap = MOST + 1 if newest is None else (sequence - newest) % _WRAP
        if newest is not None and gap > MOST:
            self._known.clear()  # numbered anew
        elif newest is not None:
            self._want([(newest + step) % _WRAP for step in range(1, gap)], channel)
        self._note(sequence, channel)

    def recalled(self, sequence: int, channel: str) -> None:
        """Enter a time we asked for."""
        if self._known.get(sequence, set()) - {channel}:
            self.per_channel = True
        newest = self._last(channel)
        if newest is None or (sequence - newest) % _WRAP <= MOST:
            self._note(sequence, channel)
        else:
            self._known.setdefault(sequence, set()).add(channel)
        was, self._open = self._open, None
        if was is not None and was.is_tail and was.sequence == sequence:
            self._ask_behind([channel] if self.per_channel else list(self._newest))

    def refused(self) -> None:
        """Take note that the timer has no such time."""
        was, self._open = self._open, None
        if was is None or was.is_tail or any(r.sequence == was.sequence for r in self._queue):
            return
        self.lost = [*self.lost, was.sequence][-_MOST_LOST:]

    def next(self, now_ns: int) -> Recall | None:
        """Return what to ask for now, if anything; an unanswered question counts as refused."""
        if self._open is not None:
            if now_ns < self._asked_ns + WAIT_NS:
                return None
            self.refused()
        while self._queue:
            wanted = self._queue.popleft()
            if not self._has(wanted):
                self._open, self._asked_ns = wanted, now_ns
                return wanted
        return None

    def _proves_otherwise(self, sequence: int, channel: str, gap: int) -> bool:
        """Say whether a number can only be the channel's own.

        It has come on another channel, or goes on where this channel was although others are far.
        """
        if gap > MOST:
            own = self._newest.get(channel)
            return own is not None and (sequence - own) % _WRAP == 1
        return bool(self._known.get(sequence, set()) - {channel})

    def _last(self, channel: str) -> int | None:
        if self.per_channel or not self._newest:
            return self._newest.get(channel)
        return self._newest[next(reversed(self._newest))]

    def _has(self, wanted: Recall) -> bool:
        channels = self._known.get(wanted.sequence, set())
        if self.per_channel or wanted.is_tail:
            return wanted.channel in channels
        return bool(channels)

    def _note(self, sequence: int, channel: str) -> None:
        self._known.setdefault(sequence, set()).add(channel)
        self._newest.pop(channel, None)
        self._newest[channel] = sequence
        self._noted += 1
        if self._noted % MOST == 0:
            self._forget()

    def _forget(self) -> None:
        """Let go of numbers far behind, which the numbering comes round to."""
        for sequence, channels in list(self._known.items()):
            channels -= {name for name in channels if self._behind(sequence, name) > _KEPT}
            if not channels:
                del self._known[sequence]

    def _behind(self, sequence: int, channel: str) -> int:
        last = self._last(channel)
        return 0 if last is None else (last - sequence) % _WRAP

    def _owed(self) -> dict[str, list[list[int]]]:
        """Return what is still to be asked for: by channel, runs of first number and how many."""
        owed: dict[str, list[list[int]]] = {}
        for recall in (*filter(None, (self._open,)), *self._queue):
            if recall.is_tail:
                continue
            runs = owed.setdefault(recall.channel, [])
            if runs and sum(runs[-1]) % _WRAP == recall.sequence:
                runs[-1][1] += 1
            else:
                runs.append([recall.sequence, 1])
        return owed

    def _want(self, sequences: list[int], channel: str) -> None:
        channels = [channel]
        if not self.per_channel:
            channels += [name for name in self._newest if name != channel]
        if self._is_wanted:
            self._queue += [Recall(sequence, name) for sequence in sequences for name in channels]

    def _ask_behind(self, channels: list[str]) -> None:
        """Ask each channel for the number behind its own newest and behind the newest of all."""
        for channel in channels if self._is_wanted else ():
            for last in dict.fromkeys((self._newest.get(channel), self._last(channel))):
                if last is None:
                    continue
                tail = Recall((last + 1) % _WRAP, channel, is_tail=True)
                if tail != self._open and tail not in self._queue:
                    self._queue.append(tail)

    def _remember(self, memory: str | None) -> None:
        try:
            book = json.loads(memory or "null")
            newest = {
                str(int(name)): int(number) % _WRAP for name, number in book["newest"].items()
            }
            per_channel = book["per_channel"] is True
            owed = [
                Recall((int(first) + step) % _WRAP, str(int(name)))
                for name, runs in book.get("owed", {}).items()
                for first, count in runs
                for step in range(min(int(count), MOST))
            ]
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return
        self.per_channel = per_channel
        for channel, sequence in newest.items():
            self._note(sequence, channel)
        if self._is_wanted:
            self._queue += owed
