"""The service as it really runs: a child process on a configuration of its own."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.adapters.store.runs import RUN
from bridge.adapters.web.client import ask
from bridge.app.ports import Kind
from bridge.domain.reads import NS_PER_S
from bridge.errors import BridgeError
from tests.bench.machine import Usage, usage
from tests.support.mosquitto import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
SETTLE_S = 1.5
MOSQUITTO = "/usr/sbin/mosquitto"
RACE_NS = 4 * 3600 * NS_PER_S
"""The gun of a race in the bench was fired this long ago, so that it takes in any load."""
TOPIC = "chip-bridge/local/crossing/+"

_CONFIG = """[bridge]
site = "bench"
data_dir = "{folder}"
timezone = "UTC"
commit_linger_ms = {linger_ms}

[[event]]
id = 1
name = "10K"
gun = {gun}
course = [{{ location = "start" }}, {{ location = "finish", min_time_s = 1 }}]
start_window_s = 1
"""
_READER = """
[[reader]]
name = "reader-{number}"
driver = "ipico"
location = "finish"
url = "tcp://127.0.0.1:{port}"
clock = "reader"
options = {{ kind = "lite" }}
"""
_MQTT = """
[mqtt]
url = "mqtt://127.0.0.1:{port}"
"""


@dataclass(slots=True)
class Service:
    """One run of the service."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def usage(self) -> Usage:
        """Return what it has used."""
        return usage(self.process.pid)

    def until_connected(self) -> None:
        """Wait until readers and broker are there, and start-up's work is done."""
        end = time.perf_counter() + PATIENCE_S
        while not self._is_connected():
            assert self.process.poll() is None, (self.folder / "service.log").read_text()
            assert time.perf_counter() < end, "the service does not come up"
            time.sleep(0.1)
        time.sleep(SETTLE_S)

    def _is_connected(self) -> bool:
        try:
            status = ask(self.folder, "status", {}, changes=False)
        except BridgeError:
            return False
        readers = all(reader["state"] == "connected" for reader in status["readers"])
        broker = status["link_facts"].get("broker", {"connected": False})
        return readers and bool(broker["connected"])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run mosquitto as it comes, but for what it drops from long queues; give its port."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"
    )
    log = (folder / "mosquitto.log").open("wb")
    with log:
        process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
    try:
        end = time.perf_counter() + PATIENCE_S
        while not _answers(port):
            assert time.perf_counter() < end, (folder / "mosquitto.log").read_text()
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        time.sleep(0.02)
        return False
    return True


def from_start() -> int:
    """Return a moment soon after that gun: the first read of a compressed race."""
    return race_start_ns() + 60 * NS_PER_S


def race_start_ns() -> int:
    """Return a full minute `RACE_NS` ago, in ns UTC."""
    now = time.time_ns() - RACE_NS
    return now - now % (60 * NS_PER_S)


def write_config(
    folder: Path, ports: Sequence[int], broker: int | None, *, linger_ms: float = 0
) -> Path:
    """Write the configuration of a box with these readers; return its path."""
    gun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(race_start_ns() / NS_PER_S))
    text = _CONFIG.format(folder=folder, gun=gun, linger_ms=linger_ms)
    for number, port in enumerate(ports, start=1):
        text += _READER.format(number=number, port=port)
    if broker is not None:
        text += _MQTT.format(port=broker)
    path = folder / "bridge.toml"
    path.write_text(text)
    return path


def environment() -> dict[str, str]:
    """Return the environment of a child: byte code is kept, as an installation has it.

    Beside the sources of a developer it may be missing, and compiling takes longer than running.
    """
    environ = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    return environ | {"PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "bench-pycache")}


def launch(config: Path) -> Service:
    """Start the service."""
    log = (config.parent / "service.log").open("ab")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run", "--config", str(config)],
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=environment(),
        )
    return Service(config.parent, process)


@contextmanager
def running(config: Path) -> Iterator[Service]:
    """Run the service until the end of the block, then stop it as systemd would."""
    service = launch(config)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.send_signal(signal.SIGTERM)
            try:
                service.process.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()


def journal_of(folder: Path) -> Path:
    """Return the journal of a box in `folder`."""
    return folder / "races" / "local" / "journal.db"


def count_reads(folder: Path) -> int:
    """Count the reads in the journal."""
    return _ask(folder, "SELECT sum(iif(kind = ?2, seq, kind = ?1)) FROM events")


def last_read(folder: Path) -> int:
    """Return the highest id of a read, 0 without one."""
    return _ask(
        folder,
        "SELECT id + iif(kind = ?2, seq - 1, 0) FROM events WHERE kind IN (?1, ?2)"
        " ORDER BY id DESC LIMIT 1",
    )


def _ask(folder: Path, sql: str) -> int:
    path = journal_of(folder)
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as base:
        try:
            row = base.execute(sql, (int(Kind.READ), RUN)).fetchone()
        except sqlite3.OperationalError:  # no table yet
            return 0
    return 0 if row is None else int(row[0] or 0)


def until_durable(folder: Path, reads: int) -> None:
    """Wait until the journal has `reads` reads."""
    end = time.perf_counter() + PATIENCE_S
    while (found := count_reads(folder)) < reads:
        assert time.perf_counter() < end, f"{found} of {reads} reads are in the journal"
        time.sleep(0.1)
