"""One connection of an Impinj reader in IoT mode: pulled stream, webhook, MQTT or a recording.

What came over HTTP is recognised by its head lines, and bare JSON is taken just as well.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bridge.driver_api import (
    MAIN,
    Alarm,
    Clock,
    Control,
    Event,
    Kept,
    Opening,
    Read,
    Reason,
    Rejected,
)
from drivers.http_body import Began, Broken, Cut, Ended, Item, Shape, Unwrapper
from drivers.http_push import PushDesk, gate_of
from drivers.impinj_iot.events import EventReader
from drivers.impinj_iot.health import HealthWatch
from drivers.impinj_iot.options import DEFAULT_USER, EDGES, parse
from drivers.impinj_iot.pull import STATUS, Pull
from drivers.json_fields import table
from drivers.json_stream import JsonCutter

_ONLINE: Final = {b"connected": False, b"connection lost": True}
"""What the reader's MQTT client lets the broker say of it, and whether that is an alarm."""
_OFFLINE: Final = "the broker says that the reader's connection is lost; see its power and network"


class ImpinjSession:
    """Decodes a reader's events; once `opened` it asks for them, or answers who posts them."""

    def __init__(self, opening: Opening) -> None:
        options = parse(opening.options)
        self._items = Unwrapper(JsonCutter())
        self._events = EventReader(EDGES[options.gun_edge])
        self._health = HealthWatch()
        self._desk = PushDesk(gate_of(opening, DEFAULT_USER))
        self._link = opening.link
        self._trial = opening.trial
        self._pull = Pull(opening, options, self._events)
        self._pulling = False
        self._heard = {MAIN: False, STATUS: False}

    def opened(self, now_ns: int) -> list[Event]:
        """Ask for the stream if the reader waits to be asked."""
        self._pulling = self._link == "tcp"
        self._desk.talking = self._link == "tcp-listen" and not self._trial
        return self._pull.begin(now_ns) if self._pulling else []

    def feed(self, data: bytes, channel: str = MAIN) -> list[Event]:
        """Take bytes as they came; return what is complete, in wire order."""
        if channel not in self._heard:
            return [Rejected(data, Reason.UNKNOWN, f"no channel {channel} was opened")]
        self._heard[channel] = True
        if channel == STATUS:
            told = self._pull.status_fed(data)
            return [event for kept in told for event in (kept, *self._health.told(kept))]
        events: list[Event] = []
        read, refusing = self._events.read, self._desk.refusing
        for item in self._items.feed(data):
            if type(item) is Cut and item.shape is Shape.FRAME and not refusing:
                event = read(item.raw, item.value)
                if type(event) is not Read:
                    events += self._followed(event)
                    continue
                events += self._health.timed(by_reader=_has_time(item.value))
                events.append(event)
                self._desk.count(event)
            else:
                events += self._item(item)
                refusing = self._desk.refusing
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Let the conversation see the time; take an object that nothing followed for a second."""
        events: list[Event] = []
        for cut in self._items.flush():
            events += self._item(cut)
        if self._pulling:
            heard, self._heard = self._heard, {MAIN: False, STATUS: False}
            events += self._pull.tick(now_ns, stream=heard[MAIN], status=heard[STATUS])
        return events

    def closed(self, channel: str, *, refused: bool) -> list[Event]:
        """The second connection ended."""
        return self._pull.closed(refused=refused) if channel == STATUS else []

    @property
    def pending(self) -> bytes:
        """Bytes of the main channel that are in no event yet."""
        return self._items.pending

    def _item(self, item: Item) -> Iterator[Event]:
        match item:
            case Cut():
                yield from self._cut(item)
            case Began(raw=raw, head=head) if head.method:
                yield from self._desk.begin(raw, head)
            case Began(raw=raw, head=head):
                yield Control(raw, "http answer", {"status": head.status})
                if self._pulling:
                    yield from self._pull.answered(head)
            case Broken(raw=raw):
                yield Rejected(raw, Reason.FRAMING, "began like HTTP and went on otherwise")
            case Ended():
                yield from self._desk.end()

    def _cut(self, cut: Cut) -> list[Event]:
        match cut.shape:
            case Shape.BLANK:
                return [Control(cut.raw, "empty line")]
            case _ if self._desk.refusing:
                return [Rejected(cut.raw, Reason.UNKNOWN, "in a request that is not welcome")]
            case Shape.FRAME:
                return self._followed(self._events.read(cut.raw, cut.value))
            case Shape.TEXT if cut.raw.strip() in _ONLINE:
                lost = _ONLINE[cut.raw.strip()]
                return [Control(cut.raw, "message"), Alarm("reader_offline", _OFFLINE, on=lost)]
            case Shape.OVERLONG:
                return self._followed(Rejected(cut.raw, Reason.OVERLONG, "no end of a JSON object"))
            case _:
                return self._followed(Rejected(cut.raw, Reason.FRAMING, "no JSON object"))

    def _followed(self, event: Kept) -> list[Event]:
        self._desk.count(event)
        if isinstance(event, Clock) and self._trial:
            event = replace(event, asked=True)
        return [event, *self._health.told(event)]


def _has_time(value: object) -> bool:
    return bool(table(table(value).get("tagInventoryEvent")).get("lastSeenTime"))
