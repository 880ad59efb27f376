"""A reader made of software on real sockets and ptys, with the faults of the field."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.adapters.emulator_host import EmulatorHost, Faults, parse_listen
from bridge.adapters.system_clock import SystemClock
from bridge.domain.reads import NS_PER_S, Chip
from bridge.driver_api import MAIN, Emulator, Out, Sighting
from bridge.errors import UsageError
from drivers.ipico import DRIVER as IPICO
from tests.support.mat import MatClock
from tests.support.store import until


class Parrot:
    """Answers what it is told, shouts what it sights."""

    def __init__(self, piece: tuple[int, int] | None = None) -> None:
        self.channels: Mapping[str, int] = {MAIN: 5000}
        self.piece = piece
        self.gone: list[int] = []
        self.ticks: list[int] = []

    def connected(self, client: int, channel: str, now_ns: int) -> Sequence[Out]:
        assert now_ns > 0
        return [Out(f"hello {channel}\n".encode(), client)]

    def received(self, client: int, data: bytes, now_ns: int) -> Sequence[Out]:
        assert now_ns > 0
        if data == b"bye":
            return [Out(b"ciao\n", client, close=True)]
        return [Out(data, client)]

    def disconnected(self, client: int) -> None:
        self.gone.append(client)

    def sighted(self, sighting: Sighting) -> Sequence[Out]:
        return [Out(f"read {sighting.chip}\n".encode())]

    def marked(self, name: str, stamp: int) -> Sequence[Out]:
        return [Out(f"{name} {stamp}\n".encode())]

    def tick(self, now_ns: int) -> Sequence[Out]:
        self.ticks.append(now_ns)
        return []


class Visitor:
    """A client that keeps what it gets, segment by segment."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readline()

    async def rest(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.read()


@asynccontextmanager
async def serving(emulator: Emulator, **options: object) -> AsyncIterator[tuple[EmulatorHost, int]]:
    host = EmulatorHost(emulator, SystemClock(), **options)  # type: ignore[arg-type]
    port = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        try:
            yield host, port
        finally:
            running.cancel()
    await until(lambda: host.clients == 0)


@asynccontextmanager
async def visiting(port: int) -> AsyncIterator[Visitor]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Visitor(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


def chip(number: int) -> Sighting:
    return Sighting(chip=Chip(f"C{number}"), stamp=0)


async def test_each_client_is_answered_and_all_see_the_reads() -> None:
    parrot = Parrot()
    async with (
        serving(parrot) as (host, port),
        visiting(port) as one,
        visiting(port) as two,
    ):
        assert await one.line() == await two.line() == b"hello main\n"
        one.writer.write(b"just me\n")
        assert await one.line() == b"just me\n"
        await host.sight(chip(7))
        await host.mark("gun", 5)
        for visitor in (one, two):
            assert await visitor.line() == b"read C7\n"
            assert await visitor.line() == b"gun 5\n"
        assert (host.sighted, host.clients) == (1, 2)
        two.writer.write(b"bye")
        assert await two.rest() == b"ciao\n"
        await until(lambda: host.clients == 1)
        assert len(parrot.gone) == 1
        assert host.met.is_set()


async def test_frames_go_out_in_small_pieces_and_never_inside_one_another() -> None:
    parrot = Parrot((1, 3))
    async with serving(parrot) as (host, port), visiting(port) as one:
        await one.line()
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(host.sight(chip(100 + number)))
        assert {await one.line() for _ in range(8)} == {b"read C%d\n" % n for n in range(100, 108)}


async def test_unpaced_a_frame_goes_out_whole() -> None:
    host = EmulatorHost(Parrot((1, 3)), MatClock(), paced=False)
    port = await host.listen("127.0.0.1", 0)
    async with visiting(port) as one:
        assert await one.line() == b"hello main\n", "no pause on a clock that stands still"
    await until(lambda: host.clients == 0)
    host.close()
    await asyncio.sleep(0)


async def test_the_reader_s_clock_is_wrong_by_its_skew() -> None:
    clock = SystemClock()
    host = EmulatorHost(Parrot(), clock, skew_ns=-3600 * NS_PER_S)
    assert abs(host.now_ns - clock.utc_ns() + 3600 * NS_PER_S) < NS_PER_S


async def test_a_connection_is_cut_in_mid_frame_again_and_again() -> None:
    async with serving(Parrot(), faults=Faults(drop_after=3)) as (host, port):
        for _ in range(3):
            async with visiting(port) as one:
                assert await one.line() == b"hello main\n"
                await host.sight(chip(1))
                await host.sight(chip(2))
                assert await one.rest() == b"read C1\n" + b"read C2\n"[:4]


async def test_garbage_stands_in_front_of_whole_frames() -> None:
    async with (
        serving(Parrot(), faults=Faults(garbage=1.0, seed=4)) as (host, port),
        visiting(port) as one,
    ):
        await until(lambda: host.clients == 1)
        await host.sight(chip(1))
        host_bytes = b""
        while not host_bytes.endswith(b"read C1\n"):
            host_bytes += await one.line()
        assert len(host_bytes) > len(b"hello main\nread C1\n")
        assert b"\r\nread C1\n" in host_bytes


async def test_some_sightings_come_late_and_none_is_lost() -> None:
    clock = MatClock()
    host = EmulatorHost(Parrot(), clock, faults=Faults(out_of_order=0.5, seed=1))
    port = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        async with visiting(port) as one:
            await one.line()
            for number in range(20):
                await host.sight(chip(number))
            for _ in range(120):
                clock.turn(0.1)
                await asyncio.sleep(0.001)
            seen = [await one.line() for _ in range(20)]
        running.cancel()
    assert sorted(seen) == sorted(b"read C%d\n" % number for number in range(20))
    assert seen != [b"read C%d\n" % number for number in range(20)]
    await until(lambda: host.clients == 0)


async def test_a_pulled_cable_cuts_and_refuses() -> None:
    async with serving(Parrot()) as (host, port):
        async with visiting(port) as one:
            await one.line()
            host.blocked = True
            host.cut()
            assert await one.rest() == b""
        async with visiting(port) as two:
            assert await two.rest() == b""
        host.blocked = False
        async with visiting(port) as three:
            assert await three.line() == b"hello main\n"


async def test_time_passes_for_the_emulator() -> None:
    parrot = Parrot()
    async with serving(parrot):
        await until(lambda: len(parrot.ticks) >= 2)
    assert parrot.ticks == sorted(parrot.ticks)


async def test_a_lite_resets_whoever_connects_to_9999() -> None:
    host = EmulatorHost(IPICO.emulator({"kind": "lite"}), SystemClock(), paced=False)
    for base in range(21_000, 29_000, 97):
        try:
            main = await host.listen("127.0.0.1", base)
        except UsageError:
            host.close()
            continue
        break
    control = main + 9999 - 10_000
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        async with visiting(control) as one:
            with pytest.raises(ConnectionResetError):
                await one.rest()
        running.cancel()
    await until(lambda: host.clients == 0)


async def test_a_port_in_use_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host = EmulatorHost(Parrot(), SystemClock())
        with pytest.raises(UsageError, match="another --listen"):
            await host.listen("127.0.0.1", taken.getsockname()[1])


async def test_on_a_pty_it_is_a_serial_port_under_a_name(tmp_path: Path) -> None:
    link = tmp_path / "tty-mat"
    link.symlink_to("/dev/null")  # left behind by an earlier run
    host = EmulatorHost(Parrot(), SystemClock(), paced=False)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.serve_pty(link))
        await until(lambda: link.exists() and str(link.resolve()).startswith("/dev/pts"))
        port = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        got = b""

        def heard(wanted: bytes) -> bool:
            nonlocal got
            try:
                got += os.read(port, 4096)
            except BlockingIOError:
                return False
            return wanted in got

        await until(lambda: heard(b"hello main\n"))
        os.write(port, b"ab00000222")
        await until(lambda: heard(b"ab00000222"))
        await host.sight(chip(3))
        await until(lambda: heard(b"read C3\n"))
        os.close(port)
        running.cancel()
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:10000", ("127.0.0.1", 10_000)),
        (":3097", ("0.0.0.0", 3097)),  # noqa: S104 - that is the point
        ("[::1]:5", ("::1", 5)),
    ],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert parse_listen(text) == found


@pytest.mark.parametrize("text", ["", "10000", "host:", "host:x", "host:70000"])
def test_what_is_no_address_says_what_one_is(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse_listen(text)
