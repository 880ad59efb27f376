"""One connection to a box: lines in, events out, questions where they are due."""

from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import (
    MAIN,
    Clock,
    Event,
    Hangup,
    Marker,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
    Remember,
    Send,
    Status,
)
from drivers.alarm_book import AlarmBook
from drivers.clock_steps import ClockSteps
from drivers.ultra import options
from drivers.ultra.decoder import UltraDecoder, is_damaged_read
from drivers.ultra.log_book import LogBook
from drivers.ultra.records import Line, seconds_of
from drivers.ultra.rewinding import OVERLAP_S, Rewinding

ASK_NS: Final = 4 * NS_PER_S
EXTENDED_NS: Final = 30 * NS_PER_S
SILENCE_NS: Final = 9 * NS_PER_S
STARTING_NS: Final = 24 * NS_PER_S
"""A box that was stopped is silent for up to 12 s while its radio starts."""
DAMAGE_NS: Final = 30 * NS_PER_S
LOW_V: Final = 23.0
_LEAST_V: Final = 16.0
"""Below it this is not the 24 V pack whose limit is known."""
_STATUS: Final = b"?\n"
_CLOCK: Final = b"r\n"
_SEND_READS: Final = b"700\n"
_EXTENDED: Final = b"\x03\x00\x00\x03\r\n"


class UltraSession(PassiveSession):
    """Decode a box's lines and, once `opened`, ask for its clock, health and what was missed.

    It never starts or stops reading and sets nothing.
    """

    def __init__(self, opening: Opening) -> None:
        self._options = options.parse(opening.options)
        self._trial = opening.trial
        self._decoder = UltraDecoder()
        last = None if opening.last_stamp is None else seconds_of(opening.last_stamp)
        self._book = LogBook(opening.memory, last)
        self._remembered = opening.memory
        self._rewinding = Rewinding(self._book, self._box_now_s)
        self._steps = ClockSteps()
        self._alarms = AlarmBook()
        self._opened = self._over = False
        self._heard = False
        self._stopped = False
        self._now = self._heard_at = self._ask_at = self._extended_at = 0
        self._damage_at: int | None = None
        self._asked_at: int | None = None
        """When the clock was asked for without an answer yet."""
        self._told: tuple[int, int] | None = None
        """The box's seconds, and when it told them."""

    def opened(self, now_ns: int) -> list[Event]:
        """Ask for status and clock, and for what may have been missed."""
        if self._options.one_way:
            return []
        self._opened = True
        self._now = self._heard_at = now_ns
        self._extended_at = now_ns
        self._rewinding.begin(now_ns)
        if self._options.backfill == "never" or self._trial:
            self._book.owed_s = None
        elif self._book.seen_s is not None:
            self._book.owe(max(self._book.seen_s - OVERLAP_S, 0))
        elif self._options.backfill == "all":
            self._book.owe(0)
        first = [Send(_SEND_READS)] if self._options.on_request and not self._trial else []
        return [*first, *self._ask(now_ns)]

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        lines = self._decoder.feed(data)
        if not self._opened:
            return [line.event for line in lines]
        self._heard = self._heard or bool(data)
        events: list[Event] = []
        for line in lines:
            event = line.event
            if isinstance(event, Read | Marker):
                self._count(line, event.stamp)
                events.append(event)
            else:
                events += self._other(line)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: silence, questions, rewinds, and what to remember."""
        if not self._opened or self._over:
            return []
        self._now = now_ns
        if self._heard:
            self._heard, self._heard_at = False, now_ns
        silence = now_ns - self._heard_at
        if silence >= (STARTING_NS if self._stopped else SILENCE_NS):
            self._over = True
            return [*self._remember(), Hangup(f"nothing came for {silence // NS_PER_S} s")]
        events: list[Event] = []
        if now_ns >= self._ask_at:
            events += self._ask(now_ns)
        if self._options.backfill != "never":
            events += self._rewind(now_ns)
        return [*self._remember(), *events]

    @property
    def pending(self) -> bytes:
        """Bytes of a frame without its end."""
        return self._decoder.pending

    def _count(self, line: Line, stamp: int) -> None:
        if line.rewound:
            self._rewinding.rewound()
        if line.log is not None:
            self._book.came(line.log, seconds_of(stamp), rewound=line.rewound)

    def _other(self, line: Line) -> list[Event]:
        event = line.event
        match event:
            case Clock(stamp=stamp):
                return self._clock(event, stamp)
            case Status(fields=fields):
                return [event, *self._health(dict(fields))]
            case Rejected() if is_damaged_read(event) and self._damage_at is None:
                self._damage_at = self._now + DAMAGE_NS
        return [event]

    def _clock(self, event: Clock, stamp: int) -> list[Event]:
        self._told = (seconds_of(stamp), self._now)
        asked_at, self._asked_at = self._asked_at, None
        if asked_at is None:
            return [event]
        return [*self._steps.told(stamp, asked_at, self._now), replace(event, asked=True)]

    def _box_now_s(self, now_ns: int) -> int | None:
        if self._told is None:
            return None
        seconds, told_ns = self._told
        return seconds + (now_ns - told_ns) // NS_PER_S

    def _ask(self, now_ns: int) -> list[Event]:
        self._ask_at = now_ns + ASK_NS
        if self._asked_at is None:
            self._asked_at = now_ns
        asked: list[Event] = [Send(_STATUS), Send(_CLOCK, asks_clock=True)]
        if self._options.extended_status and now_ns >= self._extended_at:
            self._extended_at = now_ns + EXTENDED_NS
            asked.append(Send(_EXTENDED))
        return asked

    def _rewind(self, now_ns: int) -> list[Event]:
        if self._damage_at is not None and now_ns >= self._damage_at:
            # A damaged read in front of the next one leaves a hole; the last one of all does not.
            self._damage_at = None
            if self._book.seen_s is not None:
                self._book.owe(max(self._book.seen_s - OVERLAP_S, 0))
        events: list[Event] = [*self._rewinding.step(now_ns)]
        if self._rewinding.lost:
            text = (
                f"{self._rewinding.lost} records of the box's log could not be had again. Save the "
                "log from the box and import it."
            )
            events += self._alarms.tell("missed", text)
        return events

    def _health(self, fields: dict[str, object]) -> list[Event]:
        events: list[Event] = []
        operating, volts = fields.get("operating"), fields.get("battery_v")
        if isinstance(operating, bool):
            self._stopped = not operating
            text = "" if operating else "the box is not reading: press start on it"
            events += self._alarms.tell("not_recording", text)
        if isinstance(volts, float):
            low = _LEAST_V <= volts < LOW_V
            text = f"the box's battery is below {LOW_V:g} V: charge it or connect mains"
            events += self._alarms.tell("battery_low", text if low else "")
        return events

    def _remember(self) -> list[Event]:
        memory = self._book.memory()
        if memory == self._remembered or self._book.seen_s is None:
            return []
        self._remembered = memory
        return [Remember(memory)]
