"""Asking an Impinj reader: for its event stream, and beside it for its state and time.

The stream is an endless answer on the main connection. The reader's state is asked on a second one,
which also tells a dead link from a quiet mat: an event stream alone says nothing for half a minute.
Nothing on the reader is ever changed, and its inventory is neither started nor stopped.

In a check the state alone is asked for: whoever opens the stream is given what the reader has
stored, once, and one stream too many ends the oldest.
"""

from dataclasses import replace
from typing import Final

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import (
    Alarm,
    Clock,
    Control,
    Dial,
    Event,
    Hangup,
    Kept,
    Opening,
    Reason,
    Rejected,
    Send,
)
from drivers import http_wire
from drivers.clock_steps import ClockSteps
from drivers.http_body import Began, Broken, Cut, Ended, Item, Shape, Unwrapper
from drivers.http_wire import Head
from drivers.impinj_iot.events import EventReader
from drivers.impinj_iot.options import DEFAULT_PASSWORD, Options
from drivers.json_stream import JsonCutter

STATUS: Final = "status"
SAME_PORT: Final = 0
STREAM_TARGET: Final = "/api/v1/data/stream"
STATUS_TARGET: Final = "/api/v1/status"
_POLL_NS: Final = 4 * NS_PER_S
_DEAF_NS: Final = 9 * NS_PER_S
"""So long nothing on either connection although an answer is owed: the reader is gone."""
_REDIAL_NS: Final = 30 * NS_PER_S
"""Pause after the second connection was refused."""
_LEAST_SILENCE_NS: Final = 15 * NS_PER_S
_MISSED: Final = 3
"""Keepalives missed in a row after which a stream is dead, by the vendor's advice."""
_OK: Final = 200
_REFUSALS: Final = {
    401: "the reader refuses the login: check the option user and the reader's password",
    403: "the reader refuses the event stream: is it in LLRP mode? "
    "Switch it to the IoT Device Interface",
    404: "the reader has no event stream at this path: check the URL, "
    "and that it is in IoT mode and not in LLRP mode",
    409: "the reader refuses the event stream: is it in LLRP mode? "
    "Switch it to the IoT Device Interface",
    503: "the reader cannot serve the event stream now: is it still starting?",
}


class Pull:
    """The conversation with a reader we connected to."""

    def __init__(self, opening: Opening, options: Options, events: EventReader) -> None:
        target = opening.target.lstrip("/")
        self._target = f"/{target}" if target else STREAM_TARGET
        self._host = opening.host or "reader"
        password = DEFAULT_PASSWORD if opening.password is None else opening.password
        self._login = http_wire.basic(options.user, password)
        self._silence_ns = max(_LEAST_SILENCE_NS, round(_MISSED * options.keepalive_s * NS_PER_S))
        self._events = events
        self._trial = opening.trial
        self._status = Unwrapper(JsonCutter())
        self._prefix = b""
        """A status answer's head, which goes with its body."""
        self._dialled = False
        self._steps = ClockSteps()
        self._asked_ns = self._now_ns = 0
        self._owed = False
        """A status answer is owed."""
        self._next_ns = 0
        self._heard_ns = 0
        self._stream_ns = 0

    def begin(self, now_ns: int) -> list[Event]:
        """Ask for the stream, then for the state on a connection of its own."""
        self._heard_ns = self._stream_ns = self._next_ns = self._now_ns = now_ns
        if self._trial:
            return [Send(self._request(STATUS_TARGET), asks_clock=True)]
        return [Send(self._request(self._target)), *self._poll(now_ns)]

    def tick(self, now_ns: int, *, stream: bool, status: bool) -> list[Event]:
        """Poll, and give up a dead link; `stream`, `status`: whether bytes came since last time."""
        self._now_ns = now_ns
        if self._trial:
            return []
        if stream:
            self._stream_ns = now_ns
        if stream or status:
            self._heard_ns = now_ns
        quiet_ns = now_ns - self._heard_ns
        if self._owed and quiet_ns >= _DEAF_NS:
            return [Hangup(f"the reader has not answered for {quiet_ns // NS_PER_S} s")]
        if now_ns - self._stream_ns >= self._silence_ns:
            return [
                Hangup(
                    f"no keepalive on the event stream for {self._silence_ns // NS_PER_S} s; is "
                    "the option keepalive_s what the reader's keepAliveIntervalSeconds is?"
                )
            ]
        return self._poll(now_ns)

    def closed(self, *, refused: bool) -> list[Event]:
        """The second connection ended; it is made again when next needed."""
        self._dialled = self._owed = False
        if refused:
            self._next_ns += _REDIAL_NS
        rest = self._prefix + self._status.pending
        self._prefix = b""
        self._status = Unwrapper(JsonCutter())
        return [Rejected(rest, Reason.FRAMING, "cut off")] if rest else []

    def answered(self, head: Head) -> list[Event]:
        """Take the head of the stream: it goes on, or a person must act."""
        if head.status < _OK:
            return []
        if head.status == _OK:
            return [Alarm("refused", "", on=False)]
        why = _REFUSALS.get(
            head.status, f"the reader answers {head.status} {head.phrase} to the event stream"
        )
        return [Alarm("refused", why), Hangup(why)]

    def status_fed(self, data: bytes) -> list[Kept]:
        """Take bytes of the second connection."""
        told: list[Kept] = []
        for item in self._status.feed(data):
            told += self._status_item(item)
        return told

    def _status_item(self, item: Item) -> list[Kept]:
        match item:
            case Began(raw=raw):
                self._prefix += raw
                return []
            case Ended():
                self._owed = False
                rest, self._prefix = self._prefix, b""
                return [Control(rest, "http answer")] if rest else []
            case Broken(raw=raw):
                raw, self._prefix = self._prefix + raw, b""
                return [Rejected(raw, Reason.FRAMING, "no HTTP")]
            case Cut():
                return self._status_body(item)

    def _status_body(self, cut: Cut) -> list[Kept]:
        raw, self._prefix = self._prefix + cut.raw, b""
        if cut.shape is not Shape.FRAME:
            return [Control(raw, "http answer")]
        event = self._events.read(raw, cut.value)
        if isinstance(event, Clock) and self._owed:
            steps = self._steps.told(event.stamp, self._asked_ns, self._now_ns)
            return [*steps, replace(event, asked=True)]
        return [Control(raw, "http answer") if isinstance(event, Rejected) else event]

    def _poll(self, now_ns: int) -> list[Event]:
        if self._owed or now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + _POLL_NS
        self._owed = True
        self._asked_ns = now_ns
        ask = Send(self._request(STATUS_TARGET), STATUS, asks_clock=True)
        if self._dialled:
            return [ask]
        self._dialled = True
        return [Dial(STATUS, SAME_PORT), ask]

    def _request(self, target: str) -> bytes:
        fields = {"Authorization": self._login, "Accept": "application/json"}
        return http_wire.request("GET", target, self._host, fields)
