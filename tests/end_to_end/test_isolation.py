"""One reader misbehaves in every way it can; another beside it must not notice."""

import asyncio
import random
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import aiomqtt
import orjson
import pytest

from bridge.domain.reads import Chip
from bridge.driver_api import Sighting
from drivers.foxberry import DRIVER
from tests.support.mosquitto import Mosquitto, mosquitto
from tests.support.race_box import Box
from tests.support.small_box import written
from tests.support.store import HostClock

READERS = """
[[reader]]
name = "good"
driver = "foxberry"
location = "finish"
url = "tcp://127.0.0.1:{good}"

[[reader]]
name = "bad"
driver = "foxberry"
location = "5k"
url = "tcp://127.0.0.1:{bad}"

[mqtt]
url = "{broker}"
"""
RATE = 200
BURST = 10
READS = 600
"""Three seconds of the good reader."""
MORE_S = 1.5
"""What the misbehaviour may add to the worst per cent, on a machine with other things to do."""

Writer = asyncio.StreamWriter
Behaviour = Callable[[asyncio.StreamReader, Writer], Awaitable[None]]


def frame(number: int, clock: HostClock) -> bytes:
    stamp = clock.utc_ns() // 1_000_000 * 1_000_000
    return DRIVER.encode(Sighting(chip=Chip(f"E2{number:022X}"), stamp=stamp, seq=number))


async def silence(read: asyncio.StreamReader, _: Writer) -> None:
    await read.read()


async def flood(_: asyncio.StreamReader, write: Writer) -> None:
    """Reads, as fast as they are taken."""
    clock = HostClock()
    for first in count(1_000_000, 1000):
        write.write(b"".join(frame(number % 5000, clock) for number in range(first, first + 1000)))
        await write.drain()


async def garbage(_: asyncio.StreamReader, write: Writer) -> None:
    """Noise without lines, and lines that are no reads, as fast as they are taken."""
    chance = random.Random(7)
    while not write.is_closing():
        write.write(chance.randbytes(20_000) + b"x,y\n" * 2000)
        await write.drain()


async def half_a_line(read: asyncio.StreamReader, write: Writer) -> None:
    """The beginning of a read, and then nothing for ever."""
    write.write(b"reader_1,1,E2")
    await read.read()


async def flap(_: asyncio.StreamReader, write: Writer) -> None:
    """Hang up as soon as somebody is there."""
    write.transport.abort()


class Bad:
    """The reader beside; `behave` is what its connections do from now on."""

    def __init__(self) -> None:
        self.behave: Behaviour = silence
        self.connections = 0
        self._writers: set[Writer] = set()

    async def serve(self, read: asyncio.StreamReader, write: Writer) -> None:
        self.connections += 1
        self._writers.add(write)
        with suppress(ConnectionError):
            await self.behave(read, write)
        self._writers.discard(write)
        write.close()

    def turn(self, behave: Behaviour) -> None:
        self.behave = behave
        self.cut()

    def cut(self) -> None:
        for write in self._writers:
            write.transport.abort()


class Good:
    """The reader that does its work: its reads, and when each came out at the broker."""

    def __init__(self) -> None:
        self.clock = HostClock()
        self.writer: Writer | None = None
        self.sent: dict[str, int] = {}
        self.came: dict[str, int] = {}
        self._numbers = count(1)

    async def serve(self, read: asyncio.StreamReader, write: Writer) -> None:
        self.writer = write
        with suppress(ConnectionError):
            await read.read()
        write.close()

    async def listen(self, broker: Mosquitto, ready: asyncio.Event) -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port, max_queued_incoming_messages=0) as it:
            await it.subscribe("chip-bridge/local/crossing/finish", qos=1)
            ready.set()
            async for message in it.messages:
                told = orjson.loads(bytes(message.payload))  # type: ignore[arg-type]
                self.came.setdefault(told["chip"], self.clock.boot_ns())

    async def run(self) -> list[float]:
        """Send three seconds of reads; return how long each took, in seconds, sorted."""
        assert self.writer is not None
        mine: list[str] = []
        for _ in range(READS // BURST):
            for _ in range(BURST):
                number = next(self._numbers)
                chip = f"E2{number:022X}"
                mine.append(chip)
                self.sent[chip] = self.clock.boot_ns()
                self.writer.write(frame(number, self.clock))
            await asyncio.sleep(BURST / RATE)
        async with asyncio.timeout(60):
            for chip in mine:
                while chip not in self.came:  # noqa: ASYNC110 - another task hears of it
                    await asyncio.sleep(0.01)
        return sorted((self.came[chip] - self.sent[chip]) / 1e9 for chip in mine)


@asynccontextmanager
async def side_by_side(folder: Path) -> AsyncIterator[tuple[Box, Good, Bad]]:
    good, bad = Good(), Bad()
    servers = [await asyncio.start_server(one.serve, "127.0.0.1", 0) for one in (good, bad)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    with mosquitto(folder) as broker:
        more = READERS.format(good=ports[0], bad=ports[1], broker=broker.url)
        box = written(folder, more=more)
        box.start()
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(good.listen(broker, ready))
            try:
                await ready.wait()
                await box.until(
                    lambda status: (
                        all(reader["state"] == "connected" for reader in status["readers"])
                        and status["link_facts"].get("broker", {}).get("connected")
                    )
                )
                yield box, good, bad
                await box.stop()
            finally:
                box.put_down()
                listening.cancel()
                bad.cut()
                for server in servers:
                    server.close()


def p99(times: list[float]) -> float:
    return times[len(times) * 99 // 100]


@pytest.mark.parametrize("behaviour", [flood, garbage, half_a_line, flap])
async def test_a_reader_beside_a_bad_one_loses_nothing_and_waits_for_nobody(
    behaviour: Behaviour, tmp_path: Path
) -> None:
    async with side_by_side(tmp_path) as (_, good, bad):
        alone = await good.run()
        before = bad.connections
        bad.turn(behaviour)
        async with asyncio.timeout(30):
            while bad.connections == before:  # noqa: ASYNC110 - the service connects again
                await asyncio.sleep(0.01)
        beside = await good.run()
        bad.turn(silence)
    assert len(beside) == len(alone) == READS
    assert p99(beside) < p99(alone) + MORE_S, (p99(alone), p99(beside))
    assert statistics.median(beside) < statistics.median(alone) + MORE_S / 2
