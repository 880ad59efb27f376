"""Captures as bytes, and a small world of virtual time with one IPICO reader in it."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bridge.domain.reads import NS_PER_MS, NS_PER_S, Read
from bridge.driver_api import (
    MAIN,
    Alarm,
    Dial,
    Event,
    Hangup,
    Kept,
    Opening,
    Out,
    Remember,
    Send,
    Session,
    Sighting,
)
from drivers.ipico import DRIVER

VECTORS = Path(__file__).parent.parent / "vectors" / "ipico"


ALLOWED = {
    b"ab00000222",  # clock
    b"ab00ff118e",  # layout?
    b"ab00ff0995",  # mode?
    b"ab00ff4bc2",  # memory?
    b"ab00000a51",  # statistics, if opted for
    b"ab00014b02b9",  # download: prepare, progress, start, end, progress off
    b"ab00034b07010586",
    b"ab00024b01011a",
    b"ab00024b010019",
    b"ab00024b07001f",
}
"""All that may ever be sent to a Lite: nothing sets, switches or erases."""


def is_harmless(channel: str, data: bytes) -> bool:
    """Whether a bridge may send this in any circumstances."""
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    match channel:
        case "control":
            return line == b"getdate" or line.startswith(b"replay_start file.ttyS")
        case "replay":
            return line == b""
        case _:
            return line in ALLOWED


def reader_bytes(name: str, direction: str = "R>H") -> bytes:
    """What one side of a capture sent, or the whole of a log."""
    path = VECTORS / name
    if path.suffix != ".tsv":
        return path.read_bytes()
    wire = b""
    for row in path.read_text("ascii").splitlines():
        cells = row.split("\t")
        if row.startswith("#"):
            continue
        if ".segments." in name:
            if cells[1] == direction and cells[3] == "DATA":
                wire += cells[4].encode().replace(rb"\r", b"\r").replace(rb"\n", b"\n")
        elif cells[2] == direction and cells[4] == "LINE":
            wire += cells[5].encode() + b"\r\n"
    return wire


def naive(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * NS_PER_S + moment.microsecond * 1000


def kept_only(events: list[Event]) -> list[Kept]:
    return [event for event in events if isinstance(event, Kept)]


class World:
    """One emulated reader, one bridge, a cable that can be cut; time moves by `run` only.

    Whatever happens in it, sending a forbidden command fails the test.
    """

    START = naive("2026-11-21T08:00:00")

    def __init__(
        self,
        reader: Mapping[str, object] | None = None,
        options: Mapping[str, object] | None = None,
        *,
        link: str = "tcp",
        main: str = MAIN,
    ) -> None:
        self.emulator = DRIVER.emulator(reader or {})
        self.options = options or {}
        assert DRIVER.check_options(self.options) == []
        self.link = link
        self.main = main
        self.now = self.START
        self.memory: str | None = None
        self.session: Session | None = None
        self.events: list[Event] = []
        self.sent: list[tuple[str, bytes]] = []
        self.alarms: dict[str, str] = {}
        self.refused: set[int] = set()
        self.deaf = False
        self.resets = True
        self.clients: dict[int, str] = {}
        self._next_client = 0
        self.reads: list[Read] = []
        self._todo: deque[Event | Out] = deque()
        self._is_busy = False
        self._intruder: int | None = None
        self._chips = 0
        self._intruder: int | None = None

    def connect(self) -> None:
        stamps = [read.stamp for read in self.reads]
        self.session = DRIVER.session(
            Opening(
                memory=self.memory,
                last_stamp=max(stamps, default=None),
                options=self.options,
                link=self.link,
            )
        )
        self._open(MAIN, self.main)
        self._do(self.session.opened(self.now))

    def cut(self) -> None:
        for client in self.clients:
            self.emulator.disconnected(client)
        self.clients.clear()
        self.session = None

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.now += 100 * NS_PER_MS
            self._deliver(self.emulator.tick(self.now))
            if self.session and (self.now - self.START) % NS_PER_S == 0:
                self._do(self.session.tick(self.now))

    def cross(self, count: int = 1) -> None:
        """Let chips cross, 100 ms apart."""
        for _ in range(count):
            self._chips += 1
            chip = DRIVER.example_chip(self._chips)
            self._deliver(self.emulator.sighted(Sighting(chip=chip, stamp=self.now)))
            self.run(0.1)

    def hear(self, data: bytes) -> None:
        """Bytes that no emulator sent."""
        if self.session:
            self._do(self.session.feed(data))

    @property
    def chips(self) -> set[str]:
        return {read.chip for read in self.reads}

    @property
    def all_chips(self) -> set[str]:
        return {DRIVER.example_chip(n + 1) for n in range(self._chips)}

    def command(self, data: bytes) -> None:
        """Another program on the same reader sends a command; we hear the answer too."""
        if self._intruder is None:
            self._intruder = 1_000
            self.emulator.connected(self._intruder, MAIN, self.now)
        self._deliver(self.emulator.received(self._intruder, data, self.now))

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def sent_lines(self, channel: str = MAIN) -> list[bytes]:
        return [data.strip() for to, data in self.sent if to == channel]

    def _open(self, channel: str, theirs: str) -> None:
        self._next_client += 1
        self.clients[self._next_client] = channel
        self._deliver(self.emulator.connected(self._next_client, theirs, self.now))

    def _do(self, events: list[Event]) -> None:
        """Carry out events in order; what the reader answers comes after all of them."""
        self._todo.extend(events)
        if self._is_busy:
            return
        self._is_busy = True
        while self._todo:
            item = self._todo.popleft()
            if isinstance(item, Out):
                self._arrive(item)
            else:
                self._carry_out(item)
        self._is_busy = False

    def _carry_out(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Read):
            self.reads.append(event)
        match event:
            case Send(data, channel):
                assert is_harmless(channel, data), data
                self.sent.append((channel, data))
                self._write(data, channel)
            case Dial(channel, port):
                theirs = [n for n, p in self.emulator.channels.items() if p == port]
                if theirs and port not in self.refused:
                    self._open(channel, theirs[0])
                elif self.session:
                    self._do(self.session.closed(channel, refused=True))
            case Hangup(_, channel):
                self._hang_up(channel)
            case Remember(memory):
                self.memory = memory
            case Alarm(name, text, on):
                self.alarms.pop(name, None)
                if on:
                    self.alarms[name] = text

    def _hang_up(self, channel: str) -> None:
        if channel == MAIN:
            self.cut()
        for client in [c for c, ours in self.clients.items() if ours == channel]:
            self.emulator.disconnected(client)
            del self.clients[client]

    def _write(self, data: bytes, channel: str) -> None:
        for client in [c for c, ours in self.clients.items() if ours == channel]:
            if not self.deaf:
                self._deliver(self.emulator.received(client, data, self.now))

    def _deliver(self, outs: Iterable[Out]) -> None:
        self._todo.extend(outs)
        self._do([])

    def _arrive(self, out: Out) -> None:
        for client, ours in list(self.clients.items()):
            theirs = self.main if ours == MAIN else ours
            if self.session is None or out.client not in {None, client} or out.channel != theirs:
                continue
            if out.data and not self.deaf:
                self._do(self.session.feed(out.data, ours))
            if out.close or (out.reset and self.resets):
                self.clients.pop(client, None)
                self._do(self.session.closed(ours, refused=False))


def lite_world(
    options: Mapping[str, object] | None = None, link: str = "tcp", **reader: object
) -> World:
    """A Lite with a quick playback, nobody connected yet."""
    return World({"playback_rate": 1000, **reader}, options, link=link)


def connected_lite(options: Mapping[str, object] | None = None, **reader: object) -> World:
    """A Lite that the bridge has been talking to for 3 s."""
    world = lite_world(options, **reader)
    world.connect()
    world.run(3)
    return world
