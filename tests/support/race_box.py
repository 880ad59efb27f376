"""One box of a race: `chip-bridge run` as a process of its own, to be killed and asked."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from bridge.adapters.web.client import NotRunning, ask
from bridge.errors import BridgeError
from tests.support.command import clean_environ

TAIL = 4_000
Status = dict[str, Any]


class Box:
    """A folder with configuration, secrets and data, and the service that runs on it."""

    def __init__(self, folder: Path, config: str, secrets: dict[str, str], data_dir: Path) -> None:
        self.data_dir = data_dir
        self.config = folder / "bridge.toml"
        self.starts = 0
        self._log = folder / "service.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(parents=True, exist_ok=True)
        hidden = folder / "secrets"
        hidden.mkdir(mode=0o700)
        for name, text in secrets.items():
            (hidden / name).write_text(text)
        self.config.write_text(config)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bridge", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                env=clean_environ() | {"PYTHONSAFEPATH": "1", "COLUMNS": "200"},
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        assert self._process.poll() is None, f"the service ended by itself:\n{self.log[-TAIL:]}"
        self._process.kill()
        self._process.wait()
        self._process = None

    async def stop(self) -> None:
        """End it in order; it has to end well."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the service does not stop:\n{self.log[-TAIL:]}") from None
        assert code == 0, f"the service ended with {code}:\n{self.log[-TAIL:]}"

    def put_down(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def ask(self, action: str, **asked: object) -> Any:  # noqa: ANN401 - JSON
        return await asyncio.to_thread(ask, self.data_dir, action, asked, changes=False)

    async def tell(self, action: str, **asked: object) -> Any:  # noqa: ANN401 - JSON
        return await asyncio.to_thread(ask, self.data_dir, action, asked, changes=True)

    async def status(self) -> Status | None:
        """Return the status, or None while the service does not answer."""
        try:
            found: Status = await self.ask("status")
        except (NotRunning, BridgeError):
            return None
        return found

    async def until(self, condition: Callable[[Status], object], within_s: float = 60.0) -> Status:
        """Wait until the status is as wanted; show it when that does not come."""
        status: Status | None = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    process = self._process
                    assert process is None or process.poll() is None, self.log[-TAIL:]
                    status = await self.status()
                    if status is not None and condition(status):
                        return status
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"it never came to that:\n{self.report(status)}") from None

    async def until_alarmed(self, words: str) -> Status:
        """Wait until an alarm says this."""
        return await self.until(lambda status: any(words in text for text in status["alarms"]))

    async def until_reading(self, *names: str) -> Status:
        """Wait until these readers (none named: all) are connected and have told their clocks."""
        return await self.until(
            lambda status: (
                not status["queues"]["rebuilding"]
                and all(
                    reader["state"] == "connected" and reader["clock_offset_ms"] is not None
                    for reader in status["readers"]
                    if not names or reader["name"] in names
                )
            )
        )

    async def command(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command line against this box; return what its `--json` says."""
        line = [sys.executable, "-m", "bridge", *words, "--json", "--config", str(self.config)]
        done = await asyncio.to_thread(
            subprocess.run, line, capture_output=True, check=False, timeout=60, env=clean_environ()
        )
        assert done.returncode == 0, done.stderr.decode()
        return orjson.loads(done.stdout)

    def report(self, status: Status | None) -> str:
        """Return what helps to understand a failure."""
        shown: dict[str, object] = {}
        if status is not None:
            names = ("alarms", "links", "queues", "disk", "events")
            shown = {name: status[name] for name in names}
            shown["readers"] = [
                {key: r[key] for key in ("name", "state", "reads", "rejected", "detail", "fields")}
                for r in status["readers"]
            ]
        text = orjson.dumps(shown, option=orjson.OPT_INDENT_2, default=str).decode()
        return f"{self.config.parent} pid {os.getpid()}\n{text}\n{self.log[-TAIL:]}"
