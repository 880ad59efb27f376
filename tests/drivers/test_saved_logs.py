"""Logs that readers and their programs write: followed as files, listened to, never talked to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from bridge.adapters.file_follower import FileFollower, FileTransport
from bridge.app.reader_urls import url_mistake
from bridge.app.registry import Registry
from bridge.driver_api import (
    Alarm,
    Clock,
    Dial,
    Event,
    Hangup,
    Marker,
    Opening,
    Read,
    Rejected,
    Remember,
    Send,
    Session,
    Status,
)
from drivers import BUILTIN

VECTORS = Path(__file__).parents[1] / "vectors"
REGISTRY = Registry(BUILTIN)
HOUR_NS = 3_600_000_000_000
ORDERS = Send | Dial | Hangup | Remember | Alarm
LOGS = [
    ("ipico", "ipico/elite_port10200_fsls_a.log", 856, 0),
    ("ipico", "ipico/lite_usb_TAGDATA_1-2200.txt", 2_200, 0),
    ("ipico", "ipico/lite_usb_TAGDATA_70100-70130_truncated.txt", 30, 1),
    ("ipico", "ipico/lite_usb_TAGDATA_70260-70326_trigger_status.txt", 59, 0),
    ("ultra", "ultra/real_line.txt", 1, 0),
    ("ultra", "ultra/export_csv_lines.txt", 1, 0),
    ("macsha", "macsha/one4all_passings_20191212_1-980.csv", 980, 0),
    ("macsha", "macsha/ocelot_backup_azul_20200315.csv", 767, 0),
    ("chronotrack", "chronotrack/9K_5071949.csv", 849, 0),
    ("chronotrack", "chronotrack/FINISH1_5071909.mrk", 0, 0),
    ("timingsense", "timingsense/backup_ts2_semicolon_1-20.csv", 20, 0),
    ("foxberry", "foxberry/arranque_1-600.csv", 600, 0),
]
PASSINGS = ["old_file_8_fields", "exporter_json", "exporter_v1", "exporter_v2"]


def session_of(driver: str, memory: str | None = None) -> Session:
    return REGISTRY.find(driver).session(Opening(link="file", memory=memory))


def bytes_of(events: list[Event]) -> bytes:
    return b"".join(event.raw for event in events if not isinstance(event, ORDERS))


@pytest.mark.parametrize(("driver", "log", "reads", "rejected"), LOGS)
def test_a_log_is_read_and_nothing_is_said(
    driver: str, log: str, reads: int, rejected: int
) -> None:
    assert url_mistake("file:///var/log/reads.log", REGISTRY.find(driver)) is None
    session, data = session_of(driver), (VECTORS / log).read_bytes()
    events = session.opened(HOUR_NS)
    for at in range(0, len(data), 4_000):
        events += session.feed(data[at : at + 4_000])
        events += session.tick(HOUR_NS * (2 + at))
    assert bytes_of(events) + session.pending == data
    assert sum(isinstance(event, Read) for event in events) == reads
    assert sum(isinstance(event, Rejected) for event in events) == rejected
    assert not [event for event in events if isinstance(event, Send | Dial | Hangup | Alarm)]


@pytest.mark.parametrize("name", PASSINGS)
def test_passing_files_of_race_result(name: str) -> None:
    vector = orjson.loads((VECTORS / "race_result" / f"{name}.json").read_bytes())
    assert url_mistake("file:///logs/177.txt", REGISTRY.find("race-result")) is None
    session = session_of("race-result")
    events = session.feed(bytes.fromhex(vector["wire"]))
    [read] = [event for event in events if isinstance(event, Read)]
    assert read.chip == vector["events"][0]["chip"]
    assert session.tick(HOUR_NS) == session.closed("x", refused=True) == []


def test_what_a_log_tells_of_clock_and_health_is_of_another_time() -> None:
    lines = (VECTORS / "ipico" / "lite_connect_session.lines.tsv").read_text().splitlines()
    said = [line.split("\t") for line in lines]
    heard = [cells[-1] for cells in said if "R>H" in cells]
    data = "".join(f"{text}\r\n" for text in heard).encode()
    live = REGISTRY.find("ipico").session(Opening(link="serial"))
    live.opened(HOUR_NS)
    assert any(isinstance(event, Send | Alarm | Remember) for event in live.feed(data))
    events = session_of("ipico").feed(data)
    assert any(isinstance(event, Status) for event in events)
    assert not [event for event in events if isinstance(event, ORDERS)]
    clocks = [event for event in events if isinstance(event, Clock)]
    assert clocks
    assert not any(clock.asked or clock.live for clock in clocks)


class Followed:
    """A real file, followed into a session, with what is durable and may be gone on from."""

    def __init__(self, driver: str, path: Path) -> None:
        self.driver = driver
        self.path = path
        self.events: list[Event] = []
        self.memory: str | None = None
        self.place: str | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.session = session_of(self.driver, self.memory)
        self.transport: FileTransport = await FileFollower(str(self.path), folder=False).connect()
        self.transport.resume(self.place)
        self.taken = 0
        try:
            yield
        finally:
            self.transport.close()

    async def has(self, reads: int) -> None:
        """Follow until there are so many reads, and keep where that is."""
        async with asyncio.timeout(20):
            while len(self.chips()) < reads:
                data = await self.transport.read()
                for event in self.session.feed(data):
                    self.events.append(event)
                    if isinstance(event, Remember):
                        self.memory = event.memory
                    elif not isinstance(event, ORDERS):
                        self.taken += len(event.raw)
        self.place = self.transport.place(self.taken)

    def chips(self) -> list[str]:
        return [event.chip for event in self.events if isinstance(event, Read)]


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


IPICO = (VECTORS / "ipico" / "elite_port10200_fsls_a.log").read_bytes().splitlines(keepends=True)
CSV = [b"Chip;Time\r\n"] + [b"A%d;2026-05-09 10:00:%02d\r\n" % (n, n) for n in range(1, 60)]


@pytest.mark.parametrize(("driver", "lines", "head"), [("ipico", IPICO, 0), ("file", CSV, 1)])
async def test_a_growing_log_is_followed_over_rotation_and_restart(
    tmp_path: Path, driver: str, lines: list[bytes], head: int
) -> None:
    log = tmp_path / "reads.log"
    header, rows = b"".join(lines[:head]), lines[head : head + 40]
    add(log, header + b"".join(rows[:10]) + rows[10][:7])
    followed = Followed(driver, log)
    async with followed.running():
        await followed.has(10)
        add(log, rows[10][7:])
        await followed.has(11)
        log.rename(tmp_path / "reads.log.1")
        add(log, header + b"".join(rows[11:20]))
        await followed.has(20)
    add(log, b"".join(rows[20:25]))  # while we are away
    async with followed.running():
        await followed.has(25)
        log.rename(tmp_path / "reads.log.2")
        add(log, b"".join(rows[25:]))  # a program that writes its header once only
        await followed.has(40)
    whole = session_of(driver).feed(header + b"".join(rows))
    assert followed.chips() == [event.chip for event in whole if isinstance(event, Read)]
    assert not [event for event in followed.events if isinstance(event, Rejected)]


def test_guns_of_a_log_are_guns() -> None:
    data = (VECTORS / "ipico" / "lite_usb_TAGDATA_46205-46220_trigger.txt").read_bytes()
    [gun] = [event for event in session_of("ipico").feed(data) if isinstance(event, Marker)]
    assert gun.name
