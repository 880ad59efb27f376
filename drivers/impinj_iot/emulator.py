"""An R700 in IoT mode made of software: an HTTP server with an event stream, or a webhook's client.

It answers what a client of the real interface asks: stream, status, system, time, settings, start
and stop. Events that nobody took wait in its buffer and come first on the next stream.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from bridge.domain.reads import NS_PER_S
from bridge.driver_api import MAIN, Out, Sighting
from drivers import http_wire
from drivers.emulator_options import setup_from
from drivers.http_poster import Poster, Posting
from drivers.http_wire import Head, HttpReader, Kind
from drivers.impinj_iot.events import STAMP_DIGITS, event_bytes, tag_event
from drivers.impinj_iot.options import DEFAULT_PASSWORD, DEFAULT_USER, EDGES
from drivers.iso_stamp import print_stamp
from drivers.json_stream import object_in

_PORT: Final = 443
_JSON: Final = {"Content-Type": "application/json"}
_LINE_END: Final = b"\r\n"
_MOST_STREAMS: Final = 2
"""Streams one login may have open; the oldest gives way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of an emulated reader."""

    mode: str = "stream"
    """``stream``: it is asked; ``webhook``: it posts arrays of events."""
    hostname: str = ""
    """Named in every event if given."""
    user: str = DEFAULT_USER
    password: str = DEFAULT_PASSWORD
    keepalive_s: int = 5
    buffer: int = 100_000
    """`eventBufferSize`; 0: what nobody takes is lost."""
    chunked: bool = True
    """The endless answer comes in chunks; else it lasts until the connection ends."""
    last_seen: bool = True
    """`lastSeenTime` is switched on."""
    running: bool = True
    """The inventory preset is running."""


def setup_of(options: Mapping[str, object]) -> Setup:
    """Return the options as a `Setup`.

    Raises:
        ValueError: Something is unknown or of the wrong type; the text says what is allowed.
    """
    setup = setup_from(options, Setup())
    if setup.mode not in {"stream", "webhook"}:
        raise ValueError(f"emulator option 'mode' is {setup.mode!r}; allowed: stream, webhook")
    return setup


@dataclass(slots=True)
class _Client:
    reader: HttpReader = field(default_factory=HttpReader)
    head: Head | None = None
    body: bytes = b""
    streaming: bool = False
    spoken_ns: int = 0
    """When the stream was last written to."""


class ImpinjEmulator:
    """One reader with any number of clients."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._setup = setup_of(options)
        self.channels: Mapping[str, int] = {MAIN: _PORT}
        self.piece: tuple[int, int] | None = None
        self._clients: dict[int, _Client] = {}
        self._buffer: deque[bytes] = deque()
        self._purged: list[bytes] = []
        """The first and the last event that the buffer had no room for."""
        self._purges = 0
        self._state = "running" if self._setup.running else "idle"
        self._now_ns = 0
        login = http_wire.basic(self._setup.user, self._setup.password)
        self._login = login
        self._poster = Poster(
            Posting(
                target=lambda _: "/",
                body=lambda batch: b"[" + b",".join(batch) + b"]",
                fields={**_JSON, "Authorization": login},
                chunked=self._setup.chunked,
            )
        )
        self._routes: Mapping[tuple[str, str], Callable[[], tuple[int, object]]] = {
            ("GET", "/api/v1/status"): self._status,
            ("GET", "/api/v1/system"): lambda: (200, _SYSTEM),
            ("GET", "/api/v1/system/time"): lambda: (200, {"systemTime": self._time(0)}),
            ("GET", "/api/v1/http-stream"): lambda: (200, self._stream_settings()),
            ("POST", "/api/v1/profiles/inventory/start"): lambda: self._enter("running"),
            ("POST", "/api/v1/profiles/stop"): lambda: self._enter("idle"),
        }

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:  # noqa: ARG002
        """Say nothing as a server; as a client post what waits."""
        self._now_ns = now_ns
        if self._setup.mode == "webhook":
            return self._poster.connected(client) or self._poster.go_on(empty=True)
        self._clients[client] = _Client()
        return []

    def disconnected(self, client: int) -> None:
        """Forget the client; events wait for the next one."""
        self._clients.pop(client, None)
        self._poster.disconnected(client)

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        """Answer requests."""
        self._now_ns = now_ns
        if self._setup.mode == "webhook":
            return self._poster.received(client, data, now_ns)
        state = self._clients.get(client)
        if state is None:
            return []
        outs: list[Out] = []
        for part in state.reader.feed(data):
            match part.kind:
                case Kind.HEAD:
                    state.head, state.body = part.head, b""
                case Kind.BODY if state.head:
                    state.body = (state.body + part.data)[:65_536]
                case Kind.END if state.head:
                    outs += self._answer(client, state, state.head)
                    state.head = None
                case Kind.FRAMING:
                    pass
                case _:
                    return [*outs, Out(http_wire.response(400), client, close=True)]
        return outs

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        """Send the read, or keep it until somebody takes it."""
        if self._state == "idle":
            return []
        setup = self._setup
        return self._tell(tag_event(sighting, setup.hostname, last_seen=setup.last_seen))

    def marked(self, name: str, stamp: int) -> Sequence[Out]:  # noqa: ARG002
        """Close the contact at input 1."""
        told = {"gpi": 1, "transition": EDGES["fall"]}
        when = print_stamp(stamp, STAMP_DIGITS)
        return self._tell(event_bytes("gpiTransition", told, when, self._setup.hostname))

    def tick(self, now_ns: int) -> Sequence[Out]:
        """Send keepalives; post again what was refused."""
        self._now_ns = now_ns
        outs = self._poster.tick(now_ns)
        for client, state in self._clients.items():
            due_ns = state.spoken_ns + self._setup.keepalive_s * NS_PER_S
            if state.streaming and now_ns >= due_ns:
                outs.append(self._line(client, state, b""))
        return outs

    def _tell(self, event: bytes) -> list[Out]:
        if self._setup.mode == "webhook":
            return self._poster.add(event)
        outs = [
            self._line(client, state, event)
            for client, state in self._clients.items()
            if state.streaming
        ]
        if not outs and self._setup.buffer:
            self._buffer.append(event)
            while len(self._buffer) > self._setup.buffer:
                self._purged = [*self._purged[:1], self._buffer.popleft()]
                self._purges += 1
        return outs

    def _line(self, client: int, state: _Client, event: bytes) -> Out:
        state.spoken_ns = self._now_ns
        line = event + _LINE_END
        return Out(http_wire.chunk(line) if self._setup.chunked else line, client)

    def _answer(self, client: int, state: _Client, head: Head) -> list[Out]:
        close = not head.keep_alive
        if head.fields.get("authorization") != self._login:
            fields = {"WWW-Authenticate": 'Basic realm="reader"'}
            return [Out(http_wire.response(401, b"", fields), client, close=close)]
        path = head.target.partition("?")[0]
        if path == "/api/v1/data/stream" and head.method == "GET":
            return self._stream(client, state)
        route = self._routes.get((head.method, path))
        status, body = route() if route else (404, {"message": "no such resource"})
        data = b"" if body is None else orjson.dumps(body)
        return [Out(http_wire.response(status, data, _JSON), client, close=close)]

    def _stream(self, client: int, state: _Client) -> list[Out]:
        streams = [number for number, other in self._clients.items() if other.streaming]
        outs = (
            [Out(client=old, close=True) for old in streams[: len(streams) - _MOST_STREAMS + 1]]
            if len(streams) >= _MOST_STREAMS
            else []
        )
        state.streaming = True
        fields = {**_JSON, **({"Transfer-Encoding": "chunked"} if self._setup.chunked else {})}
        outs.append(Out(http_wire.response(200, None, fields), client))
        if self._purged:
            told = {
                "firstEventTimestamp": object_in(self._purged[0])["timestamp"],
                "lastEventTimestamp": object_in(self._purged[-1])["timestamp"],
                "eventsPurged": self._purges,
                "eventsRemaining": len(self._buffer),
            }
            when = self._time(STAMP_DIGITS)
            event = event_bytes("overflow", told, when, self._setup.hostname)
            outs.append(self._line(client, state, event))
            self._purged, self._purges = [], 0
        while self._buffer:
            outs.append(self._line(client, state, self._buffer.popleft()))
        outs.append(self._line(client, state, b""))
        return outs

    def _time(self, digits: int) -> str:
        return print_stamp(self._now_ns, digits)

    def _status(self) -> tuple[int, object]:
        return 200, {
            "status": self._state,
            "time": self._time(STAMP_DIGITS),
            "serialNumber": "370-00-00-0001",
            "mqttBrokerConnectionStatus": "disconnected",
        }

    def _stream_settings(self) -> object:
        return {
            "eventBufferSize": self._setup.buffer,
            "eventPerSecondLimit": 0,
            "eventAgeLimitMinutes": 0,
            "keepAliveIntervalSeconds": self._setup.keepalive_s,
        }

    def _enter(self, state: str) -> tuple[int, object]:
        self._state = state
        return 204, None


_SYSTEM: Final = {"hostname": "impinj-00-00-01", "productModel": "R700", "manufacturer": "Impinj"}
