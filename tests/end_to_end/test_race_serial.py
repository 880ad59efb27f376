"""A reader on a serial adapter that is pulled out and plugged in again during the race."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tests.support.mqtt_race import running
from tests.support.race_box import Box
from tests.support.race_rig import READERS, Rig

NAME = "start-mat"
ONLY_READER = """
[bridge]
site = "second"
data_dir = "{data}"
timezone = "UTC"

[[reader]]
name = "start-mat"
driver = "ipico"
location = "start"
url = "serial://{link}"
"""


async def test_an_adapter_pulled_out_and_plugged_in_again(tmp_path: Path) -> None:
    readers = [replace(reader, pty=reader.name == NAME) for reader in READERS]
    async with Rig(tmp_path, seconds=14.0, readers=readers).up(start=False) as rig:
        link = rig.pty(NAME)
        async with AsyncExitStack() as first, AsyncExitStack() as again:
            await first.enter_async_context(running(rig.hosts[NAME].serve_pty(link)))
            rig.box.start()
            await rig.box.until_reading()
            await _refused(tmp_path / "second", link)
            await rig.fire()
            async with asyncio.TaskGroup() as group:
                group.create_task(rig.play(), name="race")
                await rig.after(0.05)
                await first.aclose()
                await rig.box.until_alarmed(f"reader {NAME} is not connected")
                await rig.after(0.2)
                await again.enter_async_context(running(rig.hosts[NAME].serve_pty(link)))
            await rig.box.until_reading()
            await rig.agrees(doubled=True)


async def _refused(folder: Path, link: Path) -> None:
    """Let a second program want the port: it is told in words, and the first one reads on."""
    second = Box(folder, ONLY_READER.format(data=folder / "data", link=link), {}, folder / "data")
    second.start()
    try:
        await second.until_alarmed(f"{link} is in use by another program or by another [[reader]]")
        await second.stop()
    finally:
        second.put_down()
