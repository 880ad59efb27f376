"""One connection to a Macsha reader: a One4All is talked to, an Ocelot is listened to."""

from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import (
    MAIN,
    Clock,
    Event,
    Hangup,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
    Remember,
    Session,
    Status,
)
from drivers.alarm_book import AlarmBook
from drivers.clock_steps import ClockSteps
from drivers.macsha import options
from drivers.macsha.conversation import Conversation
from drivers.macsha.decoder import Line, MacshaDecoder
from drivers.macsha.ledger import Ledger

SILENCE_NS: Final = 9 * NS_PER_S
OCELOT_SILENCE_NS: Final = 30 * NS_PER_S
"""Its heartbeat, how often is not known, is given up after this by the one public client."""
LOW_PCT: Final = 20


def open_session(opening: Opening) -> Session:
    """Return the session the options and the kind of link ask for."""
    chosen = options.parse(opening.options)
    if opening.link == "file":
        return MacshaFile(chosen.time)
    if chosen.kind == "ocelot":
        return OcelotSession(chosen.time)
    return One4AllSession(opening, chosen.time)


class MacshaFile(PassiveSession):
    """A backup file of either generation, or any capture."""

    def __init__(self, time: str) -> None:
        self._decoder = MacshaDecoder(time)

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        return [line.event for line in self._decoder.feed(data)]

    @property
    def pending(self) -> bytes:
        """Bytes of a frame without its end."""
        return self._decoder.pending


class OcelotSession(MacshaFile):
    """An Ocelot tells what it reads and that it lives; there is nothing to ask it."""

    def __init__(self, time: str) -> None:
        super().__init__(time)
        self._heard = True
        self._heard_at: int | None = None

    def opened(self, now_ns: int) -> list[Event]:
        """Begin to watch the silence."""
        self._heard_at = now_ns
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        self._heard = self._heard or bool(data)
        return super().feed(data, channel)

    def tick(self, now_ns: int) -> list[Event]:
        """Hang up on a reader whose heartbeat stopped."""
        if self._heard_at is None:
            return []
        if self._heard:
            self._heard, self._heard_at = False, now_ns
        if now_ns - self._heard_at < OCELOT_SILENCE_NS:
            return []
        self._heard_at = None
        return [Hangup(f"no heartbeat for {OCELOT_SILENCE_NS // NS_PER_S} s")]


class One4AllSession(PassiveSession):
    """Decode a One4All's lines and, once `opened`, converse with it."""

    def __init__(self, opening: Opening, time: str) -> None:
        self._decoder = MacshaDecoder(time)
        self._ledger = Ledger(opening.memory)
        self._talk = Conversation(self._ledger, trial=opening.trial)
        self._remembered = opening.memory
        self._steps = ClockSteps()
        self._alarms = AlarmBook()
        self._opened = self._over = self._heard = self._had_mains = False
        self._now = self._heard_at = 0
        self._asked_at: int | None = None

    def opened(self, now_ns: int) -> list[Event]:
        """Begin the conversation."""
        self._opened = True
        self._now = self._heard_at = now_ns
        return self._noting_clock(self._talk.begin(now_ns))

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
            if line.number is not None and isinstance(event, Read):
                events.append(event)
                events += self._noting_clock(self._talk.came(line.number, event))
            else:
                events += self._other(line)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let time pass: silence, polls, and what to remember."""
        if not self._opened or self._over:
            return []
        self._now = now_ns
        if self._heard:
            self._heard, self._heard_at = False, now_ns
        silence = now_ns - self._heard_at
        if silence >= SILENCE_NS:
            self._over = True
            return [*self._remember(), Hangup(f"nothing came for {silence // NS_PER_S} s")]
        events = [*self._remember(), *self._noting_clock(self._talk.tick(now_ns))]
        if self._ledger.lost:
            text = (
                f"{self._ledger.lost} passings could not be fetched from the reader. Copy its "
                "session file and import it."
            )
            events += self._alarms.tell("missed", text)
        if self._ledger.is_left_behind:
            text = (
                "the reader has begun another session file; passings that did not come out of the "
                "one before cannot be asked for. Copy that file from the reader and import it."
            )
            events += self._alarms.tell("session_file", text)
        return events

    @property
    def pending(self) -> bytes:
        """Bytes of a frame without its end."""
        return self._decoder.pending

    def _noting_clock(self, events: list[Event]) -> list[Event]:
        if events and self._talk.asks_clock and self._asked_at is None:
            self._asked_at = self._now
        return events

    def _other(self, line: Line) -> list[Event]:
        event = line.event
        told: list[Event] = [event]
        match event:
            case Clock(stamp=stamp) if self._asked_at is not None:
                steps = self._steps.told(stamp, self._asked_at, self._now)
                self._asked_at = None
                told = [*steps, replace(event, asked=True)]
            case Status(fields=fields):
                told += self._health(dict(fields))
            case _:
                pass
        return told + self._noting_clock(self._talk.heard(line))

    def _health(self, fields: dict[str, object]) -> list[Event]:
        left, mains = fields.get("battery_pct"), fields.get("mains")
        events: list[Event] = []
        if isinstance(left, int):
            low = left < LOW_PCT and mains is not True
            text = f"the reader's battery is below {LOW_PCT} %: connect mains"
            events += self._alarms.tell("battery_low", text if low else "")
        if isinstance(mains, bool):
            self._had_mains = self._had_mains or mains
            lost = self._had_mains and not mains
            text = "the reader lost mains power and runs on its battery"
            events += self._alarms.tell("mains_lost", text if lost else "")
        return events

    def _remember(self) -> list[Event]:
        memory = self._ledger.memory()
        if memory == self._remembered or not self._ledger.newest:
            return []
        self._remembered = memory
        return [Remember(memory)]
