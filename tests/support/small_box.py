"""A box with one event, people from a file, and one mat of software at the finish."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.adapters.config_files import load_config
from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.system_clock import SystemClock
from bridge.app.config import Loaded
from bridge.app.ports import Clock
from bridge.app.registry import Registry
from bridge.bootstrap.core import Core, open_core
from bridge.domain.reads import NS_PER_MS, NS_PER_S
from bridge.driver_api import Sighting
from drivers import BUILTIN, race_result
from tests.support.race_box import Box

GUN = "2026-11-21T08:30:00"
PEOPLE = """bib,first_name,last_name,chip,wave
1,Ann,Lee,ZCAA001,Early
2,Bob,Ray,ZCAA002,Early
3,Cem,Oz,ZCAA003,Late
4,Dia,Fox,,Late
"""
CONFIG = """
[bridge]
site = "finish-a"
data_dir = "data"
secrets_dir = "secrets"
timezone = "{zone}"
min_free_mb = 10

[[event]]
id = 7
name = "10K"
gun = {gun}
course = [
  {{ location = "5k", split = "5K", min_time_s = 1 }},
  {{ location = "finish", min_time_s = 2 }},
]
start_window_s = 1
"""
PROVIDER = """
[provider]
kind = "file"
participants_file = "people.csv"
participants_every_s = 5
"""
READER = """
[[reader]]
name = "finish-main"
driver = "race-result"
location = "finish"
url = "tcp://127.0.0.1:{port}"
"""


def written(
    folder: Path,
    *,
    more: str = "",
    provider: str = PROVIDER,
    people: str = PEOPLE,
    gun: str = GUN,
    zone: str = "America/Denver",
    secrets: Mapping[str, str] | None = None,
) -> Box:
    """Write configuration and people; nothing runs yet."""
    text = CONFIG.format(gun=gun, zone=zone) + provider + more
    box = Box(folder, text, dict(secrets or {}), folder / "data")
    (folder / "people.csv").write_text(people)
    return box


def loaded(box: Box) -> Loaded:
    return load_config(box.config, {}, Registry(BUILTIN))


@asynccontextmanager
async def opened(box: Box, clock: Clock | None = None) -> AsyncIterator[Core]:
    """Open the race of a box in this process, brought up to its journal."""
    core = open_core(loaded(box), Registry(BUILTIN), clock or SystemClock())
    try:
        if core.people is not None:
            await core.people.pull()
        await core.recall()
        yield core
    finally:
        await core.store.close()


class Mat:
    """A RACE RESULT decoder of software, its clock in UTC."""

    def __init__(self, host: EmulatorHost, port: int) -> None:
        self.host = host
        self.port = port

    async def cross(self, bib: int, *, ago_s: float = 0.0) -> None:
        now = self.host.now_ns // (10 * NS_PER_MS) * (10 * NS_PER_MS)
        await self.host.sight(
            Sighting(
                chip=race_result.DRIVER.example_chip(bib),
                stamp=now - int(ago_s * NS_PER_S),
                antenna=1,
                rssi=-60.0,
                seq=self.host.sighted + 1,
            )
        )


@asynccontextmanager
async def mat() -> AsyncIterator[Mat]:
    host = EmulatorHost(
        race_result.DRIVER.emulator({"operating": True}), SystemClock(), paced=False
    )
    port = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        try:
            yield Mat(host, port)
        finally:
            running.cancel()
