"""Readers that make many connections: side by side, bounded, each for itself, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bridge.adapters.system_clock import SystemClock
from bridge.adapters.tcp import TcpListener
from bridge.app.crowd import MOST, QUIET, QUIET_S, Crowd
from bridge.app.link import ReaderState
from bridge.app.ports import Transport
from bridge.app.supervise import Reader, supervise
from bridge.driver_api import Event, ListenLink, Opening, Remember, Send, Session, no_options
from drivers.ipico import DRIVER
from tests.app.test_link import Pipe, Scripted, lines
from tests.app.test_supervise import Desk
from tests.support.mat import MatClock
from tests.support.mosquitto import free_port
from tests.support.store import until


def posted(data: bytes, _channel: str = "main") -> list[Event]:
    """What a session makes of a post: its reads, an answer once they are safe, a memory."""
    if data == b"fail\n":
        raise ZeroDivisionError
    return [*lines(data), Remember(data.decode().strip()), Send(b"ok " + data)]


class Served:
    """A reader that listens for many, under supervision."""

    def __init__(self) -> None:
        self.port = free_port()
        self.desk = Desk()
        self.state = ReaderState("mat", "finish", "x", "http-listen://x")
        self.openings: list[Opening] = []
        self.reader = Reader(
            name="mat",
            location="finish",
            driver=replace(
                DRIVER,
                links=(ListenLink(80, many=True),),
                session=self._session,
                check_options=no_options,
            ),
            link="tcp-listen",
            options={},
            connector=TcpListener("127.0.0.1", self.port, many=True),
            many=True,
            target="/reads",
            password="sesame",  # noqa: S106 - a test's
        )

    def _session(self, opening: Opening) -> Session:
        self.openings.append(opening)
        return Scripted(posted)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(10):
            while True:
                try:
                    return await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    made = Served()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise(made.reader, made.desk, SystemClock(), made.state))
        try:
            yield made
        finally:
            task.cancel()


async def post(to: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> bytes:
    read, write = to
    write.write(text)
    return await asyncio.wait_for(read.readline(), 10)


async def test_connections_stand_side_by_side_in_one_session_of_the_journal() -> None:
    async with served() as box:
        first, second = await box.connect(), await box.connect()
        assert await post(first, b"a\n") == b"ok a\n"
        assert await post(second, b"b\n") == b"ok b\n"
        assert await post(first, b"c\n") == b"ok c\n"
        assert (box.state.state, box.state.connections, box.state.reads) == ("connected", 2, 3)
        assert box.desk.opened == ["mat"]
        for _, writer in (first, second):
            writer.close()
        third = await box.connect()
        assert await post(third, b"d\n") == b"ok d\n"
        assert box.state.connections == 3
        assert box.desk.opened == ["mat"]
        third[1].close()
    assert [opening.memory for opening in box.openings] == ["memory 0", "memory 0", "c"]
    opening = box.openings[0]
    assert (opening.link, opening.target, opening.password) == ("tcp-listen", "/reads", "sesame")
    assert opening.last_stamp == 77
    assert "sesame" not in repr(box.reader)


async def test_a_post_the_driver_fails_on_stops_no_other() -> None:
    async with served() as box:
        good, bad = await box.connect(), await box.connect()
        assert await post(good, b"a\n") == b"ok a\n"
        assert await post(bad, b"fail\n") == b""
        assert await post(good, b"b\n") == b"ok b\n"
        assert [event.raw for event in box.desk.kept].count(b"fail\n") == 1
        good[1].close()
        bad[1].close()


async def test_more_than_there_is_room_for_push_out_the_one_silent_for_longest() -> None:
    async with served() as box:
        peers = [await box.connect() for _ in range(MOST)]
        for peer in peers:
            assert await post(peer, b"x\n") == b"ok x\n"
        assert await post(peers[0], b"y\n") == b"ok y\n"
        late = await box.connect()
        assert await post(late, b"z\n") == b"ok z\n"
        assert await asyncio.wait_for(peers[1][0].read(), 10) == b""
        assert await post(peers[0], b"still here\n") == b"ok still here\n"
        for _, writer in (*peers, late):
            writer.close()


async def test_a_disk_in_trouble_does_not_pile_up_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.app.crowd.CROWDED_S", 0.01)
    async with served() as box:
        box.desk.full.clear()
        peers = []
        for _ in range(MOST + 6):
            peers.append(await box.connect())
            assert await post(peers[-1], b"x\n") == b"ok x\n"
        for reader, _ in peers[:6]:
            assert await asyncio.wait_for(reader.read(), 10) == b""
        for _, writer in peers:
            writer.close()


async def test_at_the_end_nothing_stays_open() -> None:
    async with served() as box:
        peer = await box.connect()
        assert await post(peer, b"a\n") == b"ok a\n"
    assert await asyncio.wait_for(peer[0].read(), 10) == b""
    peer[1].close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", box.port)


async def test_a_port_in_use_is_a_failure_like_any_other() -> None:
    box = Served()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", box.port))
        taken.listen()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(supervise(box.reader, box.desk, SystemClock(), box.state))
            await until(lambda: box.state.state == "failed")
            assert "another program" in box.state.detail
            task.cancel()


async def test_a_reader_that_has_not_connected_for_long_is_not_called_connected() -> None:
    clock = MatClock()
    state = ReaderState("mat", "finish", "x", "http-listen://x")
    arriving: asyncio.Queue[Transport] = asyncio.Queue()
    crowd = Crowd(
        connect=arriving.get,
        session=lambda _: Scripted(lines),
        session_id=lambda: 3,
        memory=None,
        desk=Desk(),
        clock=clock,
        state=state,
        coalesce=False,
        pace=None,
    )

    async def turn(seconds: Sequence[float]) -> None:
        for second in seconds:
            for _ in range(8):
                await asyncio.sleep(0)
            clock.turn(second)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(crowd.run())
        pipe = Pipe()
        arriving.put_nowait(pipe)
        await until(lambda: state.state == "connected")
        await turn([1.0] * int(QUIET_S + 5))
        assert state.state == "connected"
        pipe.fail("done")
        await until(lambda: pipe.closed)
        await turn([1.0] * int(QUIET_S - 5))
        assert state.state == "connected"
        await turn([1.0] * 10)
        assert (state.state, state.detail) == ("connecting", QUIET)
        task.cancel()
