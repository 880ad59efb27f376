"""An Impinj reader's event stream pulled by the real service, which dies in the middle of it."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.system_clock import SystemClock
from bridge.domain.reads import NS_PER_S
from bridge.driver_api import Sighting
from drivers.impinj_iot import DRIVER
from tests.support.command import chip_bridge
from tests.support.race_box import Status
from tests.support.small_box import written
from tests.support.store import until

READER = """
[[reader]]
name = "r700"
driver = "impinj-iot"
location = "finish"
url = "http://127.0.0.1:{port}/"
"""
AHEAD_S = 3_600


def state(status: Status) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in status["readers"] if r["name"] == "r700")
    return found


async def test_what_the_reader_kept_while_we_were_dead_is_there_with_its_own_times(
    tmp_path: Path,
) -> None:
    host = EmulatorHost(DRIVER.emulator({}), SystemClock(), skew_ns=AHEAD_S * NS_PER_S)
    port = await host.listen("127.0.0.1", 0)
    chips = [str(DRIVER.example_chip(number)) for number in range(20)]

    async def cross(first: int, last: int) -> None:
        for number in range(first, last):
            await host.sight(Sighting(chip=DRIVER.example_chip(number), stamp=host.now_ns))

    box = written(tmp_path, more=READER.format(port=port))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run())
        box.start()
        try:
            await box.until(lambda status: state(status)["clock_offset_ms"] is not None)
            await cross(0, 10)
            status = await box.until(
                lambda status: (
                    state(status)["reads"] == 10 and not status["queues"]["not_yet_durable"]
                )
            )
            assert abs(state(status)["clock_offset_ms"] + AHEAD_S * 1_000) < 1_000
            box.kill()
            await until(lambda: host.clients == 0)
            await cross(10, 20)
            box.start()
            status = await box.until(lambda status: state(status)["reads"] == 10)
            assert state(status)["rejected"] == 0
            await box.stop()
        finally:
            box.put_down()
            running.cancel()
    done = await asyncio.to_thread(chip_bridge, "reads", "export", "-", "--config", box.config)
    rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [row["chip"] for row in rows if row.get("chip")] == chips
