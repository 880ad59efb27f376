"""Readers that are not dialled: they connect, publish or write a file, and nothing is lost."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from bridge.app.registry import Registry
from bridge.driver_api import Sighting
from drivers import BUILTIN
from tests.support.command import COMMAND, chip_bridge, clean_environ
from tests.support.mosquitto import free_port, mosquitto
from tests.support.race_box import Box, Status
from tests.support.small_box import written

READER = """
[[reader]]
name = "gate"
driver = "{driver}"
location = "finish"
url = "{url}"
clock = "reader"
timezone = "UTC"
"""


def reads(status: Status, name: str = "gate") -> int:
    count: int = next(reader["reads"] for reader in status["readers"] if reader["name"] == name)
    return count


def durable(status: Status) -> bool:
    return not status["queues"]["not_yet_durable"]


def state(status: Status, name: str = "gate") -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in status["readers"] if r["name"] == name)
    return found


@asynccontextmanager
async def running(box: Box) -> AsyncIterator[Box]:
    box.start()
    try:
        yield box
        await box.stop()
    finally:
        box.put_down()


@asynccontextmanager
async def emulating(*words: str | Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "emulate",
        *map(str, words),
        env=clean_environ(),
        stderr=subprocess.PIPE,
    )
    try:
        yield
    finally:
        process.kill()
        await process.communicate()


def record(driver: str, number: int) -> bytes:
    """What a reader of this kind says of one chip, each time another."""
    found = Registry(BUILTIN).find(driver)
    stamp = (1_763_710_000 + number) * 1_000_000_000
    chip = found.example_chip(number)
    return found.encode(Sighting(chip=chip, stamp=stamp, seq=number))


async def stored(box: Box) -> list[str]:
    """Every chip in the journal, in order."""
    done = await asyncio.to_thread(chip_bridge, "reads", "export", "-", "--config", box.config)
    assert done.returncode == 0, done.stderr.decode()
    rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    return [row["chip"] for row in rows if row.get("chip")]


async def until_stored(box: Box, wanted: list[str]) -> None:
    """Wait until each of these is in the journal, once or, if it was on its way, twice."""
    found: list[str] = []
    for _ in range(100):
        found = await stored(box)
        if sorted(set(found)) == sorted(wanted):
            break
        await asyncio.sleep(0.2)
    assert sorted(set(found)) == sorted(wanted)


async def test_a_file_is_followed_over_a_power_cut_and_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "reads.log"
    box = written(tmp_path, more=READER.format(driver="foxberry", url=f"file://{log}"))
    lines = [record("foxberry", number) for number in range(1, 61)]
    async with running(box):
        await box.until(lambda status: "is not there" in state(status)["detail"])
        put(log, lines[:20])
        await box.until(lambda status: reads(status) == 20 and durable(status))
        box.kill()
        put(log, lines[20:30])
        rotate(log)
        put(log, lines[30:40])
        box.start()
        await box.until(lambda status: reads(status) == 20)  # and not those it had before
        rotate(log)
        put(log, lines[40:])
        await box.until(lambda status: reads(status) == 40)
    driver = Registry(BUILTIN).find("foxberry")
    assert await stored(box) == [driver.example_chip(number) for number in range(1, 61)]


def put(log: Path, lines: list[bytes]) -> None:
    with log.open("ab") as file:
        file.write(b"".join(lines))


def rotate(log: Path) -> None:
    for age in (2, 1):
        old = log.with_name(f"{log.name}.{age}")
        if old.exists():
            old.rename(log.with_name(f"{log.name}.{age + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


async def test_what_is_published_while_we_are_dead_waits_at_the_broker(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        url = f"{broker.url}/gates/+"
        box = written(tmp_path, more=READER.format(driver="zebra-iot", url=url))
        async with running(box):
            await box.until(lambda status: state(status)["state"] == "connected")
            await asyncio.to_thread(publish, broker.port, range(1, 51))
            await box.until(lambda status: reads(status) > 0)
            box.kill()  # whatever was on its way
            await asyncio.to_thread(publish, broker.port, range(51, 101))
            box.start()
            await box.until(lambda status: state(status)["state"] == "connected")
            await asyncio.to_thread(publish, broker.port, range(101, 121))
            driver = Registry(BUILTIN).find("zebra-iot")
            wanted = [str(driver.example_chip(number)) for number in range(1, 121)]
            await until_stored(box, wanted)
            broker.stop()
            await box.until_alarmed("reader gate is not connected: the broker ended")
            broker.start()
            await box.until(lambda status: state(status)["state"] == "connected")


def publish(port: int, numbers: range) -> None:
    for number in numbers:
        payload = record("zebra-iot", number).rstrip(b"\r\n")
        where = ["-h", "127.0.0.1", "-p", str(port), "-t", "gates/a", "-q", "1"]
        subprocess.run(["mosquitto_pub", *where, "-s"], input=payload, check=True)


async def test_a_reader_of_software_posts_publishes_and_writes(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "reads.log"
    with mosquitto(tmp_path) as broker:
        config = READER.format(driver="zebra-iot", url=f"http-listen://127.0.0.1:{port}")
        topic = f"{broker.url}/gates/a"
        config += READER.format(driver="zebra-iot", url=topic).replace("gate", "sub", 1)
        config += READER.format(driver="foxberry", url=f"file://{log}").replace("gate", "log", 1)
        box = written(tmp_path, more=config)
        async with (
            running(box),
            emulating("zebra-iot", "--connect", f"127.0.0.1:{port}", "--rate", "20"),
            emulating("zebra-iot", "--connect", topic, "--rate", "20"),
            emulating("foxberry", "--append", log, "--rate", "20"),
        ):
            await box.until(
                lambda status: min(reads(status, name) for name in ("gate", "sub", "log")) > 20
            )
            status = await box.status()
            assert status is not None
            assert [reader["rejected"] for reader in status["readers"]] == [0, 0, 0]
