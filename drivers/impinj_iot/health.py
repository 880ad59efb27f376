"""What a person must know of an Impinj reader: alarms, and the state of its antennas."""

from collections.abc import Mapping
from typing import Final

from bridge.driver_api import Alarm, Clock, Control, Event, Kept, Status
from drivers.impinj_iot.events import is_operating
from drivers.json_fields import text, whole

_PORTS: Final = 4
_MOST_PORTS: Final = 64
_IDLE: Final = (
    "the reader reads nothing: start its inventory preset (it starts by itself after a reboot only "
    "if it was stored as a preset)"
)
_NO_TIME: Final = (
    "the reader does not tell when a tag was read: set eventConfig.tagInventory.lastSeenTime to "
    "enabled; until then times are those at which it queued the reads"
)


class HealthWatch:
    """Follows the reader's state over one connection."""

    def __init__(self) -> None:
        self._antennas: dict[int, bool] = {}
        self._operating: bool | None = None
        self._timeless = False
        self._fields: dict[str, object] = {}

    def told(self, event: Kept) -> list[Event]:
        """Return what an event that is no read means for whoever looks after the reader."""
        match event:
            case Status(fields=fields):
                return self._state(text(fields.get("mode")))
            case Clock(extra=extra):
                return [*self._news(extra), *self._state(text(extra.get("mode")))]
            case Control(note="antennaConnected", extra=extra):
                return self._antenna(whole(extra.get("antennaPort")), up=True)
            case Control(note="antennaDisconnected", extra=extra):
                return self._antenna(whole(extra.get("antennaPort")), up=False)
            case Control(note="overflow", extra=extra):
                return [_overflow(extra)]
            case _:
                return []

    def timed(self, *, by_reader: bool) -> list[Event]:
        """Take note of whether a read has its own time."""
        if by_reader is not self._timeless:
            return []
        self._timeless = not by_reader
        return [Alarm("read_times", _NO_TIME, on=self._timeless)]

    def _news(self, extra: Mapping[str, object]) -> list[Event]:
        """Return what an answer told beside the time, if it is not what the last one told."""
        fields = {name: value for name, value in extra.items() if name != "resolution_ms"}
        if fields == self._fields:
            return []
        self._fields = fields
        return [Status(b"", fields)]

    def _state(self, state: str) -> list[Event]:
        operating = is_operating(state)
        if not state or operating is self._operating:
            return []
        self._operating = operating
        return [Alarm("not_operating", _IDLE, on=not operating)]

    def _antenna(self, port: int | None, *, up: bool) -> list[Event]:
        if port is None or not 1 <= port <= _MOST_PORTS:
            return []
        self._antennas[port] = up
        # Ports nobody spoke of are as they were at the start, which the reader does not tell.
        ports = range(1, max(_PORTS, *self._antennas) + 1)
        shown = "".join(str(int(self._antennas.get(number, True))) for number in ports)
        words = f"antenna {port} is disconnected: check its cable"
        return [Status(b"", {"antennas": shown}), Alarm(f"antenna_{port}", words, on=not up)]


def _overflow(extra: object) -> Alarm:
    told = extra if isinstance(extra, dict) else {}
    first, last = text(told.get("firstEventTimestamp")), text(told.get("lastEventTimestamp"))
    count = whole(told.get("eventsPurged"))
    lost = "events" if count is None else f"{count} events"
    return Alarm(
        "overflow",
        f"the reader's buffer overflowed: {lost} from {first or '?'} to {last or '?'} are lost; "
        "use the backup for this stretch",
    )
