"""The conversation with an Elite: control port 9999 and the replay of missed reads on 10300.

The main port (10000 or 10200) cannot be asked anything. ``getdate`` on the control port is both
clock, to the full second only, and sign of life. After a reconnect the raw reads of both modules
are replayed from 30 s before the last good stamp. Never sent: setdate, clear_history.
"""

import re
from datetime import date
from typing import Final

from bridge.domain.reads import DAY_NS, NS_PER_S, StampForm
from bridge.driver_api import (
    Clock,
    Control,
    Dial,
    Event,
    Hangup,
    Kept,
    Reason,
    Rejected,
    Send,
)
from drivers.framing import LineBuffer
from drivers.ipico.alarms import Alarms
from drivers.ipico.notes import Notes
from drivers.ipico.records import time_ns
from drivers.ipico.replay import CONTROL, Replay

CONTROL_PORT: Final = 9999
GETDATE: Final = b"getdate\n"
POLL_NS: Final = 3 * NS_PER_S
TIMEOUT_NS: Final = 2 * NS_PER_S
SILENT: Final = 2
"""Waits without an answer and without any byte of the reader: the link is dead."""
LIVELY: Final = 4
"""Waits without an answer while reads come in: only the control port is in trouble."""
REDIAL_NS: Final = 15 * NS_PER_S
BURST: Final = 60
"""Most samples in a row at connect: back to back until the second changes, as only that moment
tells more than a second."""

_MAX_LINE: Final = 512
_TELNET: Final = re.compile(rb"\xff(?:[\xfb-\xfe].|\xfa.*?\xff\xf0|[\xf0-\xf9]|\xff)", re.DOTALL)
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_DATE: Final = re.compile(
    r"date\.\w{3} +(\w{3}) +(\d{1,2}) +(\d{1,2}):(\d\d):(\d\d) +(?:([A-Za-z0-9+:-]+) +)?(\d{4})"
)


class EliteTalk:
    """Speak with one Elite over its control port, beside its main port."""

    def __init__(self, notes: Notes, last_stamp: int | None, backfill: str) -> None:
        self._alarms = Alarms()
        self._lines = LineBuffer(_MAX_LINE)
        self._replay = Replay(notes, last_stamp, backfill, self._alarms)
        self._now_ns = 0
        self._is_up = False
        self._has_answered = False
        self._is_asked = False
        self._missed = self._unanswered = 0
        self._was_alive = False
        self._burst = 0
        self._last_second: int | None = None
        self._next_ns = 0

    def notes(self) -> Notes:
        """Return what the next session must know."""
        return Notes(kind="elite", replay_from=self._replay.owed_from)

    def begin(self, now_ns: int) -> list[Event]:
        """Dial the control port and ask for the date, which tells an Elite from a Lite."""
        self._now_ns = now_ns
        self._is_up = True
        self._lines = LineBuffer(_MAX_LINE)
        self._is_asked, self._missed = True, 0
        self._unanswered = 0
        self._next_ns = now_ns + TIMEOUT_NS
        # Not a clock sample: the round trip would contain the dialling.
        return [Dial(CONTROL, CONTROL_PORT), Send(GETDATE, CONTROL)]

    def heard(self) -> None:
        """Note that bytes came in on any channel: the reader lives."""
        self._was_alive = True

    def control(self, data: bytes) -> list[Event]:
        """Take bytes of the control port."""
        events: list[Event] = []
        for line in self._lines.feed(data):
            event = decode_line(line, asked=self._is_asked and self._has_answered)
            events.append(event)
            if isinstance(event, Clock):
                events += self._told(event)
        return events

    def replay(self, data: bytes) -> list[Event]:
        """Take bytes of the replay port."""
        return [*self._replay.feed(data)]

    def closed(self, channel: str, *, refused: bool) -> list[Event]:
        """Take the end of a channel, or that it was refused."""
        if channel != CONTROL:
            return self._replay.closed(self._now_ns, refused=refused)
        rest = self._lines.flush()
        events: list[Event] = [Rejected(rest, Reason.FRAMING, "cut by the close")] if rest else []
        self._is_up = self._is_asked = False
        self._next_ns = self._now_ns + REDIAL_NS
        return events + self._replay.interrupted(self._now_ns) + self._deaf()

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: ask, notice silence, dial again, replay."""
        self._now_ns = now_ns
        events: list[Event] = []
        if now_ns >= self._next_ns:
            events = self._ask() if self._is_up else self.begin(now_ns)
        if self._is_up and self._has_answered:
            events += self._replay.tick(now_ns)
        return events

    def _ask(self) -> list[Event]:
        if self._is_asked:
            self._unanswered += 1
            self._missed = 0 if self._was_alive else self._missed + 1
            if self._missed >= SILENT or self._unanswered >= LIVELY:
                return self._silent()
        self._was_alive = False
        self._is_asked = True
        self._next_ns = self._now_ns + TIMEOUT_NS
        return [Send(GETDATE, CONTROL, asks_clock=True)]

    def _silent(self) -> list[Event]:
        if self._has_answered and self._missed >= SILENT:
            return [Hangup("the reader fell silent: no reply to two commands in a row")]
        # It accepts but does not answer: no reason to give up the reads of the main port.
        self._is_up = self._is_asked = False
        self._next_ns = self._now_ns + REDIAL_NS
        return [Hangup("no reply on the control port", CONTROL), *self._deaf()]

    def _told(self, clock: Clock) -> list[Event]:
        changed = self._last_second not in {None, clock.stamp}
        if not self._has_answered:
            self._has_answered, self._burst = True, BURST
        elif changed:
            self._burst = 0
        self._last_second = clock.stamp
        self._is_asked, self._missed = False, 0
        self._unanswered = 0
        self._next_ns = self._now_ns + POLL_NS
        events = self._alarms.lower("control")
        if self._burst:
            self._burst -= 1
            self._is_asked = True
            self._next_ns = self._now_ns + TIMEOUT_NS
            events.append(Send(GETDATE, CONTROL, asks_clock=True))
        return events

    def _deaf(self) -> list[Event]:
        return self._alarms.raise_(
            "control",
            "The reader's control port 9999 is not reachable: its clock cannot be checked and "
            "missed reads cannot be fetched until it is. Look for another program that holds it.",
        )


def decode_line(line: bytes, *, asked: bool) -> Kept:
    """Decode one line of the control port; Telnet negotiation in it is skipped.

    The reader is a Linux box and prints a zone; its records do not carry it, so neither does the
    stamp. The stamp is cut to the second: the true time is up to 1 s later.
    """
    text = _TELNET.sub(b"", line).decode("ascii", "replace").strip("\r\n\0 ")
    shape = _DATE.search(text)
    if shape is None:
        if len(line) == _MAX_LINE and not line.endswith(b"\n"):
            return Rejected(line, Reason.OVERLONG, "no line end")
        return Control(line, "control port", {"text": text})
    month, day, hour, minute, second, zone, year = shape.groups()
    day_at = _days(year, month, day)
    time = time_ns(int(hour), int(minute), int(second))
    if day_at is None or time is None:
        return Rejected(line, Reason.FIELD, f"no such time: {text}")
    extra: dict[str, object] = {"resolution_ms": 1000, "zone": zone}
    return Clock(line, day_at * DAY_NS + time, StampForm.NAIVE, asked=asked, extra=extra)


def _days(year: str, month: str, day: str) -> int | None:
    try:
        return (date(int(year), _MONTHS.index(month) + 1, int(day)) - date(1970, 1, 1)).days
    except ValueError:
        return None
