"""One connection to a device: its clock, what it missed to tell, and whether it still lives.

Nothing but ``CLOCK`` and ``REWIND`` is ever sent: reading is started at the device.
"""

import json
from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Clock,
    Event,
    Hangup,
    Opening,
    PassiveSession,
    Reason,
    Rejected,
    Remember,
    Send,
)
from drivers.clock_steps import ClockSteps
from drivers.timer_lines import TimerLines
from drivers.wiclax.options import backfill_of
from drivers.wiclax.records import FAR, LineReader, Record, print_second

MAX_LINE: Final = 1024
CLOCK_NS: Final = 4 * NS_PER_S
SILENCE_NS: Final = 9 * NS_PER_S
MARGIN_NS: Final = 30 * NS_PER_S
"""Reads are asked for from so long before the last known one: their order is not promised."""
QUIET_NS: Final = 6 * NS_PER_S
"""A rewind has no end mark: it is over when nothing came of it for so long."""
PAUSE_NS: Final = 10 * NS_PER_S
"""Between two rewinds for numbers that did not come."""
MOST_FRUITLESS: Final = 3
"""Rewinds for a number that did not bring it, after which numbers are no longer believed: a device
may leave some out, or count for each loop."""
FAR_AHEAD: Final = 5_000
"""A number further ahead than this is no hole: the device counts anew."""


class WiclaxSession(PassiveSession):
    """Decode lines and, once `opened`, converse."""

    def __init__(self, opening: Opening) -> None:
        self._lines = TimerLines(MAX_LINE, waits=_never)
        self._reader = LineReader()
        self._steps = ClockSteps()
        self._repairs = backfill_of(opening.options) != "never"
        self._owed = self._owed_from(opening)
        """From which of the device's stamps on reads may be missing; None: none are."""
        self._noted = opening.memory
        self._is_open = self._is_heard = False
        self._now_ns = self._heard_ns = self._clock_ns = 0
        self._asked_ns: int | None = None
        self._rewound_ns: int | None = None
        """When something last came of the rewind that is under way; None: none is."""
        self._under_way = 0
        """Where that rewind began."""
        self._next_ns = 0
        self._newest: tuple[int, int] | None = None
        """Newest running number and its stamp."""
        self._missing: int | None = None
        """The first number of the newest hole, until it comes or is asked for."""
        self._sought: int | None = None
        """The one that the rewind under way is for, until it comes."""
        self._fruitless = 0

    @staticmethod
    def _owed_from(opening: Opening) -> int | None:
        backfill = backfill_of(opening.options)
        if backfill == "never":
            return None
        owed: object = None
        if opening.memory is not None:
            try:
                owed = json.loads(opening.memory)
            except (ValueError, RecursionError):
                owed = None
        stamps = (owed, opening.last_stamp)
        known = [n for n in stamps if isinstance(n, int) and 0 <= n <= FAR]
        return min(known) if known else (0 if backfill == "all" else None)

    @property
    def pending(self) -> bytes:
        """Bytes of a line that has not ended yet."""
        return self._lines.pending

    def opened(self, now_ns: int) -> list[Event]:
        """Ask for the time, and for what was missed."""
        self._is_open = True
        self._now_ns = self._heard_ns = self._next_ns = now_ns
        return [*self._ask_clock(), *self._rewind(), *self._remember()]

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        self._is_heard = self._is_heard or bool(data)
        events: list[Event] = []
        for raw in self._lines.feed(data):
            record = self._reader.read(raw)
            event = record.event
            if not self._is_open:
                events.append(event)
            elif type(event) is Read:
                events.append(event)
                self._came(record, event)
            elif isinstance(event, Clock):
                events += self._told(event)
            else:
                events.append(event)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: polls, the end of a rewind, the next one, a dead link."""
        self._now_ns = now_ns
        if not self._is_open:
            return []
        if self._is_heard:
            self._is_heard, self._heard_ns = False, now_ns
        silent_ns = now_ns - self._heard_ns
        if silent_ns >= SILENCE_NS:
            self._is_open = False
            return [Hangup(f"nothing came for {silent_ns // NS_PER_S} s")]
        events: list[Event] = []
        if now_ns - self._clock_ns >= CLOCK_NS:
            events += self._ask_clock()
        if self._rewound_ns is not None and now_ns - self._rewound_ns >= QUIET_NS:
            self._end_rewind()
        elif self._rewound_ns is None:
            events += self._rewind()
        return [*events, *self._remember()]

    def _ask_clock(self) -> list[Event]:
        self._clock_ns = self._now_ns
        if self._asked_ns is None:
            self._asked_ns = self._now_ns
        return [Send(b"CLOCK\r", asks_clock=True)]

    def _told(self, event: Clock) -> list[Event]:
        if self._asked_ns is None:
            return [event]
        steps = self._steps.told(event.stamp, self._asked_ns, self._now_ns)
        self._asked_ns = None
        return [*steps, replace(event, asked=True)]

    def _rewind(self) -> list[Event]:
        """Ask for everything since a moment; live reads may come in between."""
        if self._owed is None or self._now_ns < self._next_ns:
            return []
        begin, self._owed = max(self._owed - MARGIN_NS, 0), None
        self._rewound_ns = self._now_ns
        self._under_way = begin
        self._sought, self._missing = self._missing, None
        return [Send(f"REWIND {print_second(begin)} {print_second(FAR)}\r".encode("ascii"))]

    def _came(self, record: Record, read: Read) -> None:
        """Take the number of a read; a hole behind the newest one has to be filled."""
        if record.number is not None and record.number in (self._sought, self._missing):
            self._fruitless = 0
            self._sought = None if record.number == self._sought else self._sought
            self._missing = None if record.number == self._missing else self._missing
        if record.again:
            if self._rewound_ns is not None:
                self._rewound_ns = self._now_ns
            return
        if record.number is None:
            return
        newest, stamp = self._newest or (record.number - 1, read.stamp)
        if newest + 1 < record.number <= newest + FAR_AHEAD and self._repairs:
            self._missing = newest + 1
            begin = min(stamp, read.stamp)
            self._owed = begin if self._owed is None else min(self._owed, begin)
        if record.number > newest or record.number + FAR_AHEAD < newest or record.number == 1:
            self._newest = (record.number, read.stamp)  # or it counts anew

    def _end_rewind(self) -> None:
        self._rewound_ns = None
        self._next_ns = self._now_ns + PAUSE_NS
        if self._sought is not None:
            self._sought = None
            self._fruitless += 1
            self._repairs = self._repairs and self._fruitless < MOST_FRUITLESS

    def _remember(self) -> list[Event]:
        """Let the next session know from when on reads may be missing."""
        owed = self._owed
        if owed is None and self._rewound_ns is not None:
            owed = self._under_way
        memory = json.dumps(owed)
        if memory == (self._noted or "null"):
            return []
        self._noted = memory
        return [Remember(memory)]


def _never(text: bytes) -> bool:  # noqa: ARG001 - the question is `TimerLines`'
    return False
