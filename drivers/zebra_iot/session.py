"""One connection of a Zebra reader with the IoT Connector: HTTP posts, MQTT, TCP or a recording.

The reader is only listened to: its modes and endpoints are set by whoever looks after it.
"""

from collections.abc import Iterator
from typing import Final

from bridge.driver_api import (
    MAIN,
    Alarm,
    Control,
    Event,
    Opening,
    PassiveSession,
    Read,
    Reason,
    Rejected,
)
from drivers.http_body import Began, Broken, Cut, Ended, Item, Shape, Unwrapper
from drivers.http_push import PushDesk, gate_of
from drivers.json_fields import text
from drivers.json_stream import JsonCutter
from drivers.zebra_iot.events import EventReader, Tag
from drivers.zebra_iot.numbers import EventNumbers
from drivers.zebra_iot.options import DEFAULT_USER, gun_state

_MOST_UNITS: Final = 64
_SUMMED: Final = (
    "the reader sums reads up, so their times are not those of the reads: set mode CUSTOM or "
    'SIMPLE with reportFilter {"duration": 0, "type": "PER_ANTENNA"}'
)
_BARE: Final = "the reader does not tell antennas: add ANTENNA and RSSI to tagMetaData"


class ZebraSession(PassiveSession):
    """Decodes a reader's events; once `opened` it answers those that come by HTTP."""

    def __init__(self, opening: Opening) -> None:
        self._items = Unwrapper(JsonCutter())
        self._events = EventReader(gun_state(opening.options))
        self._desk = PushDesk(gate_of(opening, DEFAULT_USER))
        # In a check nothing is answered: what was is not posted again.
        self._answers = opening.link in ("tcp-listen", "tcp") and not opening.trial
        self._numbers: dict[str | None, EventNumbers] = {}
        self._alarms: dict[str, bool] = {}
        self._missing = 0

    def opened(self, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Say nothing; answer what is posted."""
        self._desk.talking = self._answers
        return []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel != MAIN:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        events: list[Event] = []
        for item in self._items.feed(data):
            events += self._item(item)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Take an object that nothing followed for a second; count what is missing."""
        events: list[Event] = []
        for cut in self._items.flush():
            events += self._item(cut)
        missing = sum(numbers.missing(now_ns) for numbers in self._numbers.values())
        if missing != self._missing:
            self._missing = missing
            words = (
                f"{missing} events of the reader did not come, by their numbers: reads may be "
                "missing; use the backup if runners are"
            )
            events.append(Alarm("lost_events", words, on=missing > 0))
        return events

    @property
    def pending(self) -> bytes:
        """Bytes that are in no event yet."""
        return self._items.pending

    def _item(self, item: Item) -> Iterator[Event]:
        match item:
            case Cut():
                yield from self._cut(item)
            case Began(raw=raw, head=head) if head.method:
                yield from self._desk.begin(raw, head)
            case Began(raw=raw, head=head):
                yield Control(raw, "http answer", {"status": head.status})
            case Broken(raw=raw):
                yield Rejected(raw, Reason.FRAMING, "began like HTTP and went on otherwise")
            case Ended():
                yield from self._desk.end()

    def _cut(self, cut: Cut) -> list[Event]:
        if cut.shape is Shape.BLANK:
            return [Control(cut.raw, "empty line")]
        if self._desk.refusing:
            return [Rejected(cut.raw, Reason.UNKNOWN, "in a request that is not welcome")]
        if cut.shape is Shape.FRAME:
            return self._told(self._events.read(cut.raw, cut.value))
        reason = Reason.OVERLONG if cut.shape is Shape.OVERLONG else Reason.FRAMING
        event = Rejected(cut.raw, reason, "no JSON object")
        self._desk.count(event)
        return [event]

    def _told(self, tags: list[Tag]) -> list[Event]:
        events: list[Event] = []
        for event, number, summed in tags:
            events.append(event)
            self._desk.count(event)
            if isinstance(event, Read):
                if number is not None:
                    self._counted(event, number)
                events += self._alarm("report_filter", _SUMMED, on=summed)
                events += self._alarm("tag_metadata", _BARE, on=event.antenna is None)
            elif isinstance(event, Control) and event.note == "event":
                events += self._trouble(event)
        return events

    def _counted(self, read: Read, number: int) -> None:
        numbers = self._numbers.get(read.unit)
        if numbers is None:
            if len(self._numbers) >= _MOST_UNITS:
                return
            numbers = self._numbers[read.unit] = EventNumbers()
        numbers.seen(number, read.stamp)

    def _trouble(self, event: Control) -> list[Event]:
        kind = text(event.extra.get("type")).lower()
        if "error" not in kind and "warning" not in kind:
            return []
        words = text(event.extra.get("text")) or "see the reader's own page"
        return [Alarm(f"reader_{'error' if 'error' in kind else 'warning'}", words)]

    def _alarm(self, name: str, words: str, *, on: bool) -> list[Event]:
        if on is self._alarms.get(name, False):
            return []
        self._alarms[name] = on
        return [Alarm(name, words, on=on)]
