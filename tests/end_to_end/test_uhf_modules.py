"""UHF modules on real sockets and a real serial line: asked round after round, found silent."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.command import COMMAND, clean_environ
from tests.support.mosquitto import free_port
from tests.support.race_box import Status
from tests.support.small_box import written

SERIAL = ("yrm100", "thingmagic")
NETWORK = ("invelion", "chafon")
READER = """
[[reader]]
name = "{name}"
driver = "{name}"
location = "finish"
url = "{url}"
"""


def of(status: Status, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in status["readers"] if one["name"] == name)
    return found


@asynccontextmanager
async def emulating(name: str, *where: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "emulate",
        name,
        *map(str, where),
        "--rate",
        "20",
        env=clean_environ(),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_four_modules_at_once_and_one_that_falls_silent(tmp_path: Path) -> None:
    wheres: dict[str, tuple[str | Path, ...]] = {}
    urls: dict[str, str] = {}
    for name in SERIAL:
        wheres[name] = ("--pty", tmp_path / name)
        urls[name] = f"serial://{tmp_path / name}"
    for name in NETWORK:
        port = free_port()
        wheres[name] = ("--listen", f"127.0.0.1:{port}")
        urls[name] = f"tcp://127.0.0.1:{port}"
    readers = "".join(READER.format(name=name, url=url) for name, url in urls.items())
    box = written(tmp_path, more=readers)
    async with AsyncExitStack() as stack:
        processes = {
            name: await stack.enter_async_context(emulating(name, *where))
            for name, where in wheres.items()
        }
        box.start()
        stack.callback(box.put_down)
        status = await box.until(
            lambda status: all(of(status, name)["reads"] >= 10 for name in wheres)
        )
        assert not any(of(status, name)["rejected"] for name in wheres)
        processes["chafon"].send_signal(signal.SIGSTOP)  # the link stands, and nobody answers
        await box.until_alarmed("nothing understood for")
        processes["chafon"].send_signal(signal.SIGCONT)
        before = of(status, "chafon")["reads"]
        await box.until(lambda status: of(status, "chafon")["reads"] > before + 50)
        await box.stop()
