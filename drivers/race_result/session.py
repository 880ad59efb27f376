"""One connection to a decoder: lines in, events out, commands where the conversation wants them."""

from dataclasses import replace
from typing import Final

from bridge.driver_api import (
    MAIN,
    Control,
    Event,
    Kept,
    Marker,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
)
from drivers.framing import LineBuffer, is_line
from drivers.race_result import exporter, replies
from drivers.race_result.conversation import Conversation
from drivers.race_result.health import ClockWatch, HealthWatch
from drivers.race_result.records import PUSH_PREFIX, Record, RecordReader

MAX_FRAME: Final = 4096
"""Bytes; a record has about 120, an exporter's JSON line with its tail below 1,000."""
_PUSH: Final = PUSH_PREFIX.encode()


class RaceResultSession(PassiveSession):
    """Decode a decoder's lines and, once `opened`, converse with it.

    Never opened, it only decodes: captures, exporter files and streams. It never starts, stops,
    sets or clears anything on a decoder.
    """

    def __init__(self, opening: Opening) -> None:
        self._lines = LineBuffer(MAX_FRAME)
        self._records = RecordReader()
        self._talk = Conversation(opening.memory)
        self._health = HealthWatch()
        self._clock = ClockWatch()

    def opened(self, now_ns: int) -> list[Event]:
        """Begin the conversation."""
        return self._talk.begin(now_ns)

    def tick(self, now_ns: int) -> list[Event]:
        """Let the conversation see the time."""
        return self._talk.tick(now_ns)

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        talk, recovery, read = self._talk, self._talk.recovery, self._records.read
        events: list[Event] = []
        if data:
            talk.exchange.heard()
        for raw in self._lines.feed(data):
            if raw.rfind(_PUSH) != 0 or not is_line(raw):  # -1 or in the middle: not plainly a push
                events += self._line(raw)
                continue
            record = read(raw, recovery.numbering)
            if not talk.started or recovery.came_in_order(record):
                events.append(record.event)
            else:
                events += self._pushed(record)
        return events

    @property
    def pending(self) -> bytes:
        """Bytes of a line without its end."""
        return self._lines.pending

    def _pushed(self, record: Record) -> list[Event]:
        event = record.event
        if not self._talk.recovery.pushed(record, good=not isinstance(event, Rejected)):
            event = _without_key(event)
        return [event, *self._talk.go_on()]

    def _line(self, raw: bytes) -> list[Event]:
        if not is_line(raw):
            return [Rejected(raw, Reason.OVERLONG, f"no line end within {MAX_FRAME} bytes")]
        glued = raw.rfind(_PUSH, 1)
        if raw[: max(glued, 0)].strip(b"\0"):  # bytes between two lines were lost: one is whole
            cut = Rejected(raw[:glued], Reason.FRAMING, "a push begins in the middle of the line")
            return [cut, *self._line(raw[glued:])]
        text = raw.decode("latin-1").strip("\0\r\n")
        if text.startswith(PUSH_PREFIX):
            record = self._records.read(raw, self._talk.recovery.numbering)
            return self._pushed(record) if self._talk.started else [record.event]
        reply = replies.parse(text)
        told = self._replied(raw, reply) if reply else [self._unnamed(raw, text)]
        return [*told, *self._talk.go_on()]

    def _replied(self, raw: bytes, reply: replies.Reply) -> list[Event]:
        if not self._talk.started:
            return [replies.event_of(raw, reply, asked=False)]
        event = replies.event_of(raw, reply, asked=self._talk.answered(reply))
        match reply.fact:
            case replies.Told() as clock:
                return [*self._clock.told(clock), event]
            case replies.Health(clock=clock) as health:
                steps = self._clock.told(clock) if clock else []
                return [*steps, event, *self._health.told(health)]
            case _:
                return [event]

    def _unnamed(self, raw: bytes, text: str) -> Kept:
        """Take a line that begins with no word we know: a record, the end of some, or noise."""
        talk = self._talk
        if not text:
            talk.block_ended()
            return Control(raw, "empty line")
        if text.startswith("{"):
            return exporter.decode(raw)
        ask = talk.exchange.ask
        if ask and text.partition(";")[0] == ask.text:
            talk.block_ended()
            return Control(raw, "error", {"text": text})
        if text[0].isdecimal() or (talk.expects_records and ";" in text):
            record = self._records.read(raw, talk.answer_numbering)
            if talk.expects_records:
                talk.fetched(record, good=not isinstance(record.event, Rejected))
            return record.event
        return Rejected(raw, Reason.UNKNOWN, "neither a record nor a reply the sheet knows")


def _without_key(event: Read | Marker | Rejected) -> Read | Marker | Rejected:
    match event:
        case Read():
            return event._replace(key=None)
        case Marker():
            return replace(event, key=None)
        case Rejected():
            return event
