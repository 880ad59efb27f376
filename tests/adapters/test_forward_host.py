"""The sockets of a forward: slow clients, many clients, taken ports, absent programs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bridge.adapters.forward_host import MOST_CLIENTS, ForwardHost
from bridge.app.endpoint import TcpEndpoint
from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Out
from tests.support.forwarding import free_port
from tests.support.store import HostClock, until

PAGE = b"x" * 30_000


class Talker:
    """An outlet that echoes, and has `pages` to tell to everybody."""

    acknowledged: int | None = None
    handed = 0

    def __init__(self, pages: int = 0) -> None:
        self.pages = pages
        self.left: dict[int, int] = {}
        self.fails = False

    def connected(self, client: int, now_ns: int) -> Sequence[Out]:
        assert now_ns > 0
        self.left[client] = self.pages
        return [Out(b"hello\n", client)]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        assert now_ns > 0
        if b"fail" in data:
            raise ValueError(data)
        return [Out(data * 100, client, close=b"bye" in data)]

    def disconnected(self, client: int) -> None:
        del self.left[client]

    def due(self, client: int, now_ns: int) -> bytes:
        assert now_ns > 0
        if self.fails:
            raise ValueError(client)
        if self.left[client] == 0:
            return b""
        self.left[client] -= 1
        return PAGE

    def tick(self, now_ns: int) -> Sequence[Out]:
        assert now_ns > 0
        return [Out(b".", client) for client in self.left]


class Rig:
    def __init__(self, outlet: Talker, *, one_offset: bool = False) -> None:
        self.clock = HostClock()
        self.shift_ns = 0
        self.alarm: str | None = None
        self.turns = 0
        self.outlet = outlet
        self.writers: list[asyncio.StreamWriter] = []
        self.host = ForwardHost(
            outlet,
            self.clock,
            now=lambda: self.clock.utc_ns() + self.shift_ns,
            alarm=lambda text: setattr(self, "alarm", text),
            before_turn=lambda: setattr(self, "turns", self.turns + 1),
            one_offset=one_offset,
        )

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.host.listen("127.0.0.1", port))
            try:
                yield
            finally:
                task.cancel()
                for writer in self.writers:
                    writer.transport.abort()

    async def client(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await until(lambda: self.host.port is not None)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.host.port, limit=4096)
        self.writers.append(writer)
        assert await reader.readline() == b"hello\n"
        return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        while await reader.read(65_536):
            pass
    except ConnectionError:
        pass
    return True


async def test_who_does_not_read_is_cut_off_and_slows_nobody() -> None:
    rig = Rig(Talker(pages=1_000))
    async with rig.listening():
        slow, _ = await rig.client()
        fast, _ = await rig.client()
        got = 0
        while got < 1_000 * len(PAGE):
            got += len(await fast.read(1 << 20))
        assert rig.outlet.left[1] > 0  # bounded: it was not given what it does not take
        assert rig.host.clients == 2
        rig.clock.ahead_ns += 31 * NS_PER_S
        await until(lambda: rig.host.clients == 1)
        assert await ended(slow)


async def test_who_asks_and_does_not_read_is_cut_off() -> None:
    rig = Rig(Talker())
    async with rig.listening():
        reader, writer = await rig.client()
        while rig.host.clients:
            writer.write(b"?" * 1_000)
            await asyncio.sleep(0)
        assert await ended(reader)


async def test_a_fault_costs_one_connection() -> None:
    rig = Rig(Talker())
    async with rig.listening():
        (one, writer), (other, second) = await rig.client(), await rig.client()
        writer.write(b"fail")
        assert await ended(one)
        second.write(b"!")
        assert b"!" in await other.readuntil(b"!" * 100)
        rig.outlet.fails = True
        rig.host.news()
        assert await ended(other)
        rig.outlet.fails = False
        third, last = await rig.client()
        last.write(b"bye")
        assert (await third.read()).replace(b".", b"") == b"bye" * 100


async def test_so_many_clients_and_no_more() -> None:
    rig = Rig(Talker())
    async with rig.listening():
        clients = [await rig.client() for _ in range(MOST_CLIENTS)]
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.host.port)
        rig.writers.append(writer)
        assert await ended(reader)
        assert rig.host.clients == MOST_CLIENTS
        for _, other in clients:
            other.close()
        await until(lambda: rig.host.clients == 0)


async def test_a_port_that_is_taken_is_told_and_tried_again() -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    rig = Rig(Talker())
    async with rig.listening(port):
        await until(lambda: rig.alarm is not None)
        assert "another program" in str(rig.alarm)
        taken.close()
        await taken.wait_closed()
        await rig.client()
        assert rig.alarm is None


async def test_a_program_that_is_not_there_is_dialled_for_ever() -> None:
    rig = Rig(Talker())
    port = free_port()
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.close()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(rig.host.dial(TcpEndpoint("127.0.0.1", port)))
        await asyncio.sleep(0)
        rig.clock.ahead_ns += 11 * NS_PER_S
        await until(lambda: rig.alarm is not None)
        assert f"127.0.0.1:{port}" in str(rig.alarm)
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            await until(lambda: len(heard) >= 2)
            assert heard[0] == b"hello\n"
            assert rig.alarm is None
            task.cancel()


@pytest.mark.parametrize("one_offset", [True, False])
async def test_a_moved_clock_is_compared_anew_where_that_happens_once(one_offset: bool) -> None:  # noqa: FBT001
    rig = Rig(Talker(), one_offset=one_offset)
    async with rig.listening():
        reader, _ = await rig.client()
        rig.shift_ns = NS_PER_S
        if one_offset:
            assert await ended(reader)
        else:
            before = rig.turns
            await until(lambda: rig.turns > before + 2)
            assert rig.host.clients == 1


async def test_connections_are_closed_at_the_end() -> None:
    rig = Rig(Talker(pages=3))
    async with rig.listening():
        reader, _ = await rig.client()
        assert len(await reader.readexactly(3 * len(PAGE))) == 3 * len(PAGE)
    assert await ended(reader)
