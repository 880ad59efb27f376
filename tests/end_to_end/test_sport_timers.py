"""A timer on a real serial line: gun and finishers, and what it kept while the box was dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.system_clock import SystemClock
from bridge.app.registry import Registry
from bridge.app.rows import Kind
from bridge.domain.reads import Chip
from bridge.driver_api import Sighting
from drivers import BUILTIN
from tests.support.command import chip_bridge
from tests.support.race_box import Box
from tests.support.small_box import written

READER = """
[[reader]]
name = "timer"
driver = "{driver}"
location = "finish"
url = "serial://{tty}?baud=38400"
timezone = "UTC"
"""


@asynccontextmanager
async def on_a_tty(driver: str, tty: Path) -> AsyncIterator[EmulatorHost]:
    emulator = Registry(BUILTIN).find(driver).emulator({})
    host = EmulatorHost(emulator, SystemClock(), paced=False)
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(host.run()), group.create_task(host.serve_pty(tty))]
        try:
            yield host
        finally:
            for job in jobs:
                job.cancel()


async def finish(host: EmulatorHost, chip: str) -> None:
    await host.sight(Sighting(chip=Chip(chip), stamp=host.now_ns, seq=host.sighted + 1))


async def exported(box: Box) -> list[dict[str, Any]]:
    done = await asyncio.to_thread(chip_bridge, "reads", "export", "-", "--config", box.config)
    assert done.returncode == 0, done.stderr.decode()
    return [orjson.loads(line) for line in done.stdout.splitlines()]


async def until_known(box: Box, chips: set[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _ in range(100):
        rows = await exported(box)
        if {row["chip"] for row in rows if row.get("chip")} >= chips:
            break
        await asyncio.sleep(0.2)
    assert {row["chip"] for row in rows if row.get("chip")} == chips
    return rows


@pytest.mark.parametrize(
    ("driver", "chips", "gun"),
    [
        ("alge", ("1@bib", "2@bib", "3@bib", "4@bib"), True),
        ("tagheuer", ("1@bib", "2@bib", "3@bib", "4@bib"), True),
        ("thbc-protime", ("000001", "000002", "000003", "000004"), True),
        ("sportident", ("8000001", "8000002", "8000003", "8000004"), False),
    ],
)
async def test_what_a_timer_kept_comes_after_a_power_cut(
    tmp_path: Path, driver: str, chips: tuple[str, ...], *, gun: bool
) -> None:
    tty = tmp_path / "tty"
    box = written(tmp_path, more=READER.format(driver=driver, tty=tty))
    async with on_a_tty(driver, tty) as host:
        box.start()  # it comes back for a port that is not there yet
        try:
            await box.until(lambda status: status["readers"][0]["state"] == "connected")
            await host.mark("gun", host.now_ns)
            await finish(host, chips[0])
            await finish(host, chips[1])
            await until_known(box, set(chips[:2]))
            box.kill()
            await finish(host, chips[2])
            box.start()
            await until_known(box, set(chips[:3]))
            await finish(host, chips[3])
            rows = await until_known(box, set(chips))
            await box.stop()
        finally:
            box.put_down()
    events = [row["event"] for row in rows if "event" in row]
    assert any(event["kind"] == Kind.MARKER for event in events) is gun


@pytest.mark.parametrize("driver", ["alge", "tagheuer"])
async def test_a_start_number_is_the_read_of_who_wears_it(tmp_path: Path, driver: str) -> None:
    tty = tmp_path / "tty"
    box = written(tmp_path, more=READER.format(driver=driver, tty=tty))
    async with on_a_tty(driver, tty) as host:
        box.start()
        try:
            await box.until(lambda status: status["readers"][0]["state"] == "connected")
            await finish(host, "2@bib")
            await finish(host, "4@bib")
            await until_known(box, {"2@bib", "4@bib"})
            told = [(await box.ask("why", bib=bib))[0] for bib in (1, 2, 4)]
            await box.stop()
        finally:
            box.put_down()
    # Neither has a chip like it; one has no chip at all.
    assert [one["participant"]["bib"] for one in told] == [1, 2, 4]
    assert [[read["chip"] for read in one["reads"]] for one in told] == [[], ["2@bib"], ["4@bib"]]
