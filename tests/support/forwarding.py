"""What tests of forwarding share: outlets on a line in memory, and clients on real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from bridge.driver_api import (
    MAIN,
    Driver,
    Hangup,
    Opening,
    Out,
    Outlet,
    Read,
    Remember,
    Send,
    Sighting,
)

OPTIONS: Mapping[str, Mapping[str, object]] = {"ipico": {"kind": "lite"}}
"""Options our own driver of a name needs to read the outlet of that name at an odd port."""


class OutletReader:
    """An outlet as the reader that `Loopback` talks to."""

    def __init__(self, outlet: Outlet) -> None:
        self.channels: Mapping[str, int] = {MAIN: 1}
        self.piece: tuple[int, int] | None = None
        self.outlet = outlet
        self._clients: list[int] = []

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:
        assert channel == MAIN
        self._clients.append(client)
        return [*self.outlet.connected(client, now_ns), *self._due(now_ns)]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        return [*self.outlet.received(client, data, now_ns), *self._due(now_ns)]

    def disconnected(self, client: int) -> None:
        self._clients.remove(client)
        self.outlet.disconnected(client)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        raise AssertionError(sighting)  # an outlet's reads are in its archive

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        raise AssertionError(name, stamp)  # an outlet has no button

    def tick(self, now_ns: int) -> Sequence[Out]:
        return [*self.outlet.tick(now_ns), *self._due(now_ns)]

    def _due(self, now_ns: int) -> list[Out]:
        outs = []
        for client in self._clients:
            while data := self.outlet.due(client, now_ns):
                assert len(data) <= 256 * 1024
                outs.append(Out(data, client))
        return outs


class Client:
    """Our own driver on a real socket, through one connection after another."""

    def __init__(self, driver: Driver, options: Mapping[str, object] | None = None) -> None:
        self._driver = driver
        self._options = options if options is not None else OPTIONS.get(driver.name, {})
        self.memory: str | None = None
        self.reads: list[Read] = []
        self.connections = 0

    @property
    def chips(self) -> set[str]:
        return {read.chip for read in self.reads}

    async def dial(self, port: int) -> None:
        """Connect again and again until cancelled."""
        while True:
            with contextlib.suppress(OSError):
                await self.serve(*await asyncio.open_connection("127.0.0.1", port))
            await asyncio.sleep(0.05)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the bridge on one connection, whoever made it."""
        last = max((read.stamp for read in self.reads), default=None)
        session = self._driver.session(
            Opening(memory=self.memory, last_stamp=last, options=self._options)
        )
        self.connections += 1
        loop = asyncio.get_running_loop()

        def obey(events: Sequence[object]) -> bool:
            for event in events:
                match event:
                    case Read():
                        self.reads.append(event)
                    case Remember():
                        self.memory = event.memory
                    case Send():
                        writer.write(event.data)
                    case Hangup():
                        return False
                    case _:
                        pass
            return True

        up = obey(session.opened(int(loop.time() * 1e9)))
        try:
            while up:
                try:
                    async with asyncio.timeout(0.2):
                        data = await reader.read(65_536)
                except TimeoutError:
                    up = obey(session.tick(int(loop.time() * 1e9)))
                    continue
                if not data:
                    return
                up = obey(session.feed(data)) and obey(session.tick(int(loop.time() * 1e9)))
        finally:
            writer.transport.abort()


class Dials(Protocol):
    """A client that connects and may be connected to."""

    async def dial(self, port: int) -> None:
        """Connect again and again until cancelled."""
        ...


@asynccontextmanager
async def connected(client: Dials, *, dials: bool, port: int) -> AsyncIterator[None]:
    """Run a client: it dials `port`, or listens there."""
    async with asyncio.TaskGroup() as group:
        if dials or not isinstance(client, Client):
            task = group.create_task(client.dial(port))
            try:
                yield
            finally:
                task.cancel()
            return
        server = await asyncio.start_server(client.serve, "127.0.0.1", port)
        async with server:
            yield


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
