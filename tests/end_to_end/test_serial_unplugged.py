"""Every serial reader on a line that is pulled out and plugged in again: it reads on by itself."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bridge.app.registry import Registry
from bridge.driver_api import SerialLink
from drivers import BUILTIN
from tests.support.command import COMMAND, clean_environ
from tests.support.race_box import Status
from tests.support.small_box import written

READER = """
[[reader]]
name = "{name}"
driver = "{name}"
location = "finish"
url = "serial://{tty}"
"""
SERIAL = [
    name
    for name in BUILTIN
    if any(isinstance(link, SerialLink) for link in Registry(BUILTIN).find(name).links)
]


@asynccontextmanager
async def plugged_in(folder: Path) -> AsyncIterator[None]:
    """Emulate them all, each on a line of its own name; in the end pull all the cables at once."""
    processes = [
        await asyncio.create_subprocess_exec(
            COMMAND,
            *("emulate", name, "--pty", folder / name, "--rate", "5"),
            env=clean_environ(),
            stderr=subprocess.DEVNULL,
        )
        for name in SERIAL
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            await process.wait()
        for name in SERIAL:  # as udev does; a link left behind may lead to another's new line
            (folder / name).unlink(missing_ok=True)


def counts(status: Status) -> dict[str, int]:
    return {reader["name"]: reader["reads"] for reader in status["readers"]}


async def test_reads_go_on_after_the_cable_was_pulled(tmp_path: Path) -> None:
    lines = tmp_path / "by-id"
    lines.mkdir()
    readers = "".join(READER.format(name=name, tty=lines / name) for name in SERIAL)
    box = written(tmp_path, more=readers)
    async with AsyncExitStack() as stack:
        box.start()
        stack.callback(box.put_down)
        async with plugged_in(lines):
            await box.until(lambda status: min(counts(status).values()) >= 3)
        before = await box.until(
            lambda status: all(reader["state"] != "connected" for reader in status["readers"])
        )
        async with plugged_in(lines):
            after = await box.until(
                lambda status: all(
                    reads >= counts(before)[name] + 3 for name, reads in counts(status).items()
                )
            )
            assert {reader["state"] for reader in after["readers"]} == {"connected"}
            await box.stop()
