"""One connection of a Zebra reader with the IoT Connector: HTTP posts, MQTT, TCP or a recording.

The reader is only listened to: its modes and endpoints are set by whoever looks after it.
"""

from typing import Final

from bridge.driver_api import Alarm, Control, Event, Opening, Read, Reason, Rejected
from drivers.http_body import Cut, Shape, Unwrapper
from drivers.http_push import PushDesk, gate_of
from drivers.json_fields import text
from drivers.json_stream import JsonCutter
from drivers.push_session import PushSession
from drivers.zebra_iot.events import EventReader, Tag
from drivers.zebra_iot.numbers import EventNumbers
from drivers.zebra_iot.options import DEFAULT_USER, gun_state

_MOST_UNITS: Final = 64
_SUMMED: Final = (
    "the reader sums reads up, so their times are not those of the reads: set mode CUSTOM or "
    'SIMPLE with reportFilter {"duration": 0, "type": "PER_ANTENNA"}'
)
_BARE: Final = "the reader does not tell antennas: add ANTENNA and RSSI to tagMetaData"


class ZebraSession(PushSession):
    """Decodes a reader's events; once `opened` it answers those that come by HTTP."""

    def __init__(self, opening: Opening) -> None:
        desk = PushDesk(gate_of(opening, DEFAULT_USER))
        super().__init__(opening, Unwrapper(JsonCutter()), desk)
        self._events = EventReader(gun_state(opening.options))
        self._numbers: dict[str | None, EventNumbers] = {}
        self._alarms: dict[str, bool] = {}
        self._missing = 0

    def tick(self, now_ns: int) -> list[Event]:
        """Take an object that nothing followed for a second; count what is missing."""
        events = self.flush()
        missing = sum(numbers.missing(now_ns) for numbers in self._numbers.values())
        if missing != self._missing:
            self._missing = missing
            words = (
                f"{missing} events of the reader did not come, by their numbers: reads may be "
                "missing; use the backup if runners are"
            )
            events.append(Alarm("lost_events", words, on=missing > 0))
        return events

    def read(self, cut: Cut) -> list[Event]:
        """Return what an event of the reader tells."""
        if cut.shape is Shape.FRAME:
            return self._told(self._events.read(cut.raw, cut.value))
        reason = Reason.OVERLONG if cut.shape is Shape.OVERLONG else Reason.FRAMING
        event = Rejected(cut.raw, reason, "no JSON object")
        self.desk.count(event)
        return [event]

    def _told(self, tags: list[Tag]) -> list[Event]:
        events: list[Event] = []
        for event, number, summed in tags:
            events.append(event)
            self.desk.count(event)
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
