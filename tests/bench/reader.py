"""IPICO readers made of software, in a process of their own, cheap enough to stand beside a test.

The lines are made before the first is sent. What the bridge asks meanwhile (clock, memory, mode,
layout) is answered by the emulator's own logic.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection

from bridge.app.registry import Registry
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import MAIN, Sighting
from drivers import BUILTIN
from tests.bench.field import FIRST_RSSI, RATE, READS_PER_CROSSING, RUNNERS, passings

DRIVER = "ipico"
PATIENCE_S = 60.0
_TICK_NS = 100 * NS_PER_MS
_PIECE = 65_536
_GRAIN_NS = 4 * NS_PER_MS
_ALONE_RATE = 2_000
"""Up to this rate of one reader every read is a TCP segment of its own."""
_GREETING_NS = 10 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be sent."""

    reads: int
    rate: float = RATE
    """Reads a second of the reader's clock."""
    speed: float | None = 1.0
    """How much faster than the reader's clock; None: as fast as the bridge takes it."""
    start_ns: int | None = None
    """The reader's clock at the first read; None: the moment it is sent."""
    per_crossing: int = READS_PER_CROSSING
    runners: int = RUNNERS


@dataclass(frozen=True, slots=True)
class Played:
    """What was sent; moments are ns of `time.perf_counter_ns`, the same in all processes."""

    began_ns: int
    ended_ns: int
    reads: int
    late_ns: int
    """How far behind its plan the last read was."""
    first_sent: dict[tuple[str, int], int]
    """(chip, ms of its stamp) -> when the first read of a passing left."""


@dataclass(slots=True)
class _Port:
    server: socket.socket
    client: socket.socket | None = None
    queue: deque[bytes] = field(default_factory=deque)


class Readers:
    """The parent's side."""

    def __init__(self, link: "Connection[object, object]", ports: list[int]) -> None:
        self._link = link
        self.ports = ports

    def start(self, load: Load) -> None:
        """Return when the first read of `load` is sent; `wait` must follow."""
        self._link.send(load)
        assert self._link.recv() == "began"

    def wait(self) -> Played:
        """Return once all is written to the socket."""
        played = self._link.recv()
        assert isinstance(played, Played)
        return played

    def play(self, load: Load) -> Played:
        """Send `load`."""
        self.start(load)
        return self.wait()

    def greet(self) -> None:
        """On the next connection send a read every 10 ms until `greeted` is called."""
        self._link.send("greet")

    def connected_ns(self) -> int:
        """Return when that connection came."""
        at = self._link.recv()
        assert isinstance(at, int)
        return at

    def hush(self) -> None:
        """End the greeting."""
        self._link.send("hush")


@contextmanager
def readers(count: int = 1) -> Iterator[Readers]:
    """Run `count` readers in a process of their own."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, count), daemon=True)
    process.start()
    ports = here.recv()
    try:
        yield Readers(here, ports)
    finally:
        process.terminate()
        process.join()


def _serve(link: "Connection[object, object]", count: int) -> None:
    with suppress(KeyboardInterrupt, EOFError):
        _Bank(link, count).run()


class _Bank:
    """The child's side: one loop for all readers."""

    def __init__(self, link: "Connection[object, object]", count: int) -> None:
        self._link = link
        self._driver = Registry(BUILTIN).find(DRIVER)
        self._emulators = [self._driver.emulator({"recording": False}) for _ in range(count)]
        self._ports = [_Port(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        self._tick_ns = 0
        self._greeting: int | None = None
        self._greeted = 0
        link.send([port.server.getsockname()[1] for port in self._ports])

    def run(self) -> None:
        while True:
            self._turn(None)
            if not self._link.poll():
                continue
            match self._link.recv():
                case Load() as load:
                    self._link.send(self._play(load))
                case "greet":
                    self._greeting = 0
                case "hush":
                    self._greeting = None

    def _play(self, load: Load) -> Played:
        lead_ns = int(load.reads * 25_000 + NS_PER_S)
        now, wall = time.perf_counter_ns(), time.time_ns()
        start = load.start_ns if load.start_ns is not None else wall + lead_ns
        sightings = passings(
            self._driver,
            start_ns=start,
            reads=load.reads,
            rate=load.rate,
            runners=load.runners,
            per_crossing=load.per_crossing,
        )
        if load.speed is None:
            return self._flood(self._answering(sightings))
        begins = now + lead_ns
        return self._paced(self._answering(sightings), start, begins, load)

    def _answering(self, sightings: Iterable[Sighting]) -> Iterator[Sighting]:
        """Pass sightings on; who asks meanwhile is answered, or the bridge takes us for dead."""
        for number, sighting in enumerate(sightings):
            if number % 1000 == 0:
                self._turn(0)
            yield sighting

    def _flood(self, sightings: Iterable[Sighting]) -> Played:
        lines: list[list[bytes]] = [[] for _ in self._ports]
        home: dict[str, int] = {}
        for sighting in sightings:
            port = home.setdefault(sighting.chip, len(home) % len(lines))
            lines[port].append(self._driver.encode(sighting))
        self._connected()
        for port, mine in zip(self._ports, lines, strict=True):
            whole = b"".join(mine)
            port.queue.extend(whole[i : i + _PIECE] for i in range(0, len(whole), _PIECE))
        self._link.send("began")
        began = time.perf_counter_ns()
        self._empty()
        return Played(began, time.perf_counter_ns(), sum(map(len, lines)), 0, {})

    def _paced(self, sightings: Iterable[Sighting], start: int, begins: int, load: Load) -> Played:
        speed = load.speed or 1.0
        grain = 1 if load.rate * speed / len(self._ports) <= _ALONE_RATE else _GRAIN_NS
        home: dict[str, int] = {}
        chunks: dict[tuple[int, int], list[bytes]] = {}
        firsts: dict[tuple[int, int], list[tuple[str, int]]] = {}
        for sighting in sightings:
            at = begins + int((sighting.stamp - start) / speed)
            port = home.setdefault(sighting.chip, len(home) % len(self._ports))
            key = (at - at % grain, port)
            chunks.setdefault(key, []).append(self._driver.encode(sighting))
            if sighting.rssi == FIRST_RSSI:
                firsts.setdefault(key, []).append((sighting.chip, sighting.stamp // NS_PER_MS))
        plan = [(at, port, b"".join(lines)) for (at, port), lines in sorted(chunks.items())]
        self._connected()
        sent: dict[tuple[str, int], int] = {}
        self._link.send("began")
        began = time.perf_counter_ns()
        for at, number, data in plan:
            while (left := at - time.perf_counter_ns()) > 0:
                self._turn(left)
            if time.perf_counter_ns() - self._tick_ns > _TICK_NS:
                self._turn(0)
            now = time.perf_counter_ns()
            for first in firsts.get((at, number), ()):
                sent[first] = now
            self._put(self._ports[number], data)
        self._empty()
        ended = time.perf_counter_ns()
        return Played(began, ended, load.reads, ended - plan[-1][0], sent)

    def _connected(self) -> None:
        end = time.perf_counter() + PATIENCE_S
        while any(port.client is None for port in self._ports):
            self._turn(10 * NS_PER_MS)
            assert time.perf_counter() < end, "the bridge does not connect"

    def _empty(self) -> None:
        while any(port.queue for port in self._ports):
            self._turn(10 * NS_PER_MS)

    def _put(self, port: _Port, data: bytes) -> None:
        if port.client is None or port.queue:
            port.queue.append(data)
            return
        try:
            sent = port.client.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(data):
            port.queue.append(data[sent:])

    def _turn(self, wait_ns: int | None) -> None:
        """Wait for sockets, and for orders where `wait_ns` is None; answer what is asked."""
        if self._greeting is not None:
            wait_ns = _GREETING_NS
        now = time.perf_counter_ns()
        if now - self._tick_ns > _TICK_NS:
            self._tick_ns = now
            for number, emulator in enumerate(self._emulators):
                self._say(number, emulator.tick(time.time_ns()))
        reading: list[object] = [port.server for port in self._ports]
        reading += [port.client for port in self._ports if port.client is not None]
        writing = [p.client for p in self._ports if p.client is not None and p.queue]
        if wait_ns is None:
            reading.append(self._link)
        timeout = _TICK_NS if wait_ns is None else min(wait_ns, _TICK_NS)
        readable, writable, _ = select.select(reading, writing, [], timeout / NS_PER_S)
        for number, port in enumerate(self._ports):
            if port.server in readable:
                self._accept(number, port)
            elif port.client in readable:
                self._hear(number, port)
            if port.client is not None and port.client in writable:
                self._write(port)
        self._greet()

    def _accept(self, number: int, port: _Port) -> None:
        client, _ = port.server.accept()
        client.settimeout(0)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port.client = client
        port.queue.clear()
        if self._greeting == 0:
            self._greeting = time.perf_counter_ns()
            self._link.send(self._greeting)
        self._say(number, self._emulators[number].connected(1, MAIN, time.time_ns()))

    def _hear(self, number: int, port: _Port) -> None:
        assert port.client is not None
        try:
            data = port.client.recv(4096)
        except OSError:
            data = b""
        if not data:
            port.client.close()
            port.client = None
            self._emulators[number].disconnected(1)
            return
        self._say(number, self._emulators[number].received(1, data, time.time_ns()))

    def _say(self, number: int, outs: object) -> None:
        for out in outs:  # type: ignore[attr-defined]
            if out.data:
                self._put(self._ports[number], out.data)

    def _write(self, port: _Port) -> None:
        assert port.client is not None
        with suppress(OSError):
            sent = port.client.send(port.queue[0])
            rest = port.queue.popleft()[sent:]
            if rest:
                port.queue.appendleft(rest)

    def _greet(self) -> None:
        if not self._greeting or self._ports[0].client is None:
            return
        now = time.time_ns()
        self._greeted += 1
        chip = self._driver.example_chip(1 + self._greeted % RUNNERS)
        self._put(self._ports[0], self._driver.encode(Sighting(chip=chip, stamp=now)))
