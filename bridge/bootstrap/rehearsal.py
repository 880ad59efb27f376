"""A whole race on one machine, everything around the service made of software.

Readers, broker and results service are ours; the real service stands between them, as a process of
its own, and everything goes over real sockets in the real protocols.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.adapters.embedded_broker import require_amqtt
from bridge.adapters.emulator_host import EmulatorHost
from bridge.adapters.http_server import bind
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.race import SandboxRace, standing
from bridge.adapters.sandbox.server import serve
from bridge.adapters.system_clock import SystemClock
from bridge.adapters.web.client import NotRunning, ask
from bridge.app.registry import Registry
from bridge.app.simulation import Mat, Plan, people, plan
from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip
from bridge.domain.times import parse_duration
from bridge.driver_api import Sighting
from bridge.errors import BridgeError, UsageError

EVENT = 1
RACE = 12345
BIB_SET = "6692"
"""Set number of disposable transponders, whose number is the bib."""
MATS = (Mat("start", 0.0), Mat("2.5k", 0.5), Mat("finish", 1.0))
TOLERANCE_NS = 150 * NS_PER_MS
"""A tenth is printed, rounded up, and clocks are corrected to a few hundredths."""
SETTLE_S = 30.0
PORT_TRIES = 20


@dataclass(frozen=True, slots=True)
class MatReader:
    """One emulated reader of the rehearsal."""

    name: str
    driver: str
    location: str
    ahead_s: float
    """Its clock is wrong by so much."""
    options: Mapping[str, object] = field(default_factory=dict)
    priority: int = 1


READERS = (
    MatReader("start-mat", "ipico", "start", 37.0),
    MatReader("2.5k-mat", "race-result", "2.5k", -3600.0, {"operating": True, "box": "D-1"}),
    MatReader("finish-main", "ipico", "finish", 0.4),
    MatReader(
        "finish-backup", "race-result", "finish", 2.5, {"operating": True, "box": "D-2"}, priority=2
    ),
)


@dataclass(slots=True)
class Books:
    """Whether everything adds up."""

    sent: int = 0
    reads: int = 0
    states: dict[str, int] = field(default_factory=dict)
    expected: int = 0
    finishers: int = 0
    posted: int = 0
    faults: list[str] = field(default_factory=list)


class Rehearsal:
    """Sets everything up in a folder, runs the race, and balances the books."""

    def __init__(
        self, folder: Path, drivers: Registry, *, runners: int, seconds: float, port: int, seed: int
    ) -> None:
        """`port`: of the web page; the broker takes the one above it."""
        self.folder = folder
        self.seconds = seconds
        self.port = port
        self._drivers = drivers
        self._clock = SystemClock()
        self._people = people(runners, seed)
        self.race: Plan = plan(self._people, MATS, seconds=seconds, seed=seed)
        self.gun_ns = 0
        self.hosts: dict[str, EmulatorHost] = {}
        self.sandbox = self._sandbox()
        self.service: asyncio.subprocess.Process | None = None
        self.before_stop: Callable[[], object] = lambda: None
        """Called while the service still answers, after the last post."""

    @property
    def race_s(self) -> float:
        """Seconds since the gun."""
        return (self._clock.utc_ns() - self.gun_ns) / NS_PER_S if self.gun_ns else 0.0

    def latest(self, count: int) -> list[Mapping[str, Any]]:
        """Return the finishers posted last, newest first, as the results service has them."""
        names = {runner.bib: f"{runner.first_name} {runner.last_name}" for runner in self._people}
        rows = [row for row in self.posted() if row.get("clock_time")]
        rows.sort(key=lambda row: parse_duration(str(row["clock_time"])), reverse=True)
        latest = [(self._bib(row), row) for row in rows[:count]]
        return [{**row, "bib": bib, "name": names[bib]} for bib, row in latest]

    def _bib(self, row: Mapping[str, Any]) -> int:
        return int(self.sandbox.race.participants[int(row["registration_id"])]["bib_num"])

    @property
    def data_dir(self) -> Path:
        """Data folder of the service."""
        return self.folder / "data"

    def _sandbox(self) -> Sandbox:
        race = SandboxRace(race_id=RACE, timezone="UTC", events={EVENT: "5K"})
        now_s = self._clock.utc_ns() // NS_PER_S
        chips = self._drivers.find("ipico").example_chip
        for runner in self.race.runners:
            race.add(
                {
                    "registration_id": runner.registration_id,
                    "event_id": EVENT,
                    "bib_num": runner.bib,
                    "chip_num": chips(runner.bib),
                    "age": runner.age,
                    "user": {
                        "first_name": runner.first_name,
                        "last_name": runner.last_name,
                        "gender": runner.gender,
                    },
                },
                now_s=now_s,
            )
        return Sandbox(race, self._clock, keys={KEY: SECRET})

    async def run(self) -> None:
        """Run the race from the readers' start to the last confirmed post.

        Raises:
            UsageError: A port is taken.
            BridgeError: The service does not come up.
        """
        require_amqtt()
        for port in (self.port, self.port + 1):
            _must_be_free(port)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        sock = bind("127.0.0.1", 0)
        async with asyncio.TaskGroup() as group:
            stage = [group.create_task(serve(self.sandbox, sock), name="sandbox")]
            try:
                ports = await self._readers(group, stage)
                self._configure(ports, int(sock.getsockname()[1]))
                await self._start_service()
                await self._play()
                await self._settled()
                self.before_stop()
            finally:
                await self._stop_service()
                for task in stage:
                    task.cancel()

    async def _readers(
        self, group: asyncio.TaskGroup, stage: list["asyncio.Task[None]"]
    ) -> dict[str, int]:
        ports: dict[str, int] = {}
        for reader in READERS:
            driver = self._drivers.find(reader.driver)
            skew = int(reader.ahead_s * NS_PER_S)
            host = EmulatorHost(
                driver.emulator(reader.options), self._clock, skew_ns=skew, paced=False
            )
            ports[reader.name] = await _listen(host)
            stage.append(group.create_task(host.run(), name=reader.name))
            self.hosts[reader.name] = host
        return ports

    def _configure(self, ports: Mapping[str, int], service_port: int) -> None:
        secrets = self.folder / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        for name, text in {"provider_api_key": KEY, "provider_api_secret": SECRET}.items():
            (secrets / name).write_text(text)
        self.gun_ns = self._clock.utc_ns() // NS_PER_S * NS_PER_S + 5 * NS_PER_S
        gun = datetime.fromtimestamp(self.gun_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        text = _CONFIG.format(
            folder=str(self.folder).replace("\\", "\\\\").replace('"', '\\"'),
            gun=gun,
            service=service_port,
            broker=self.port + 1,
            port=self.port,
            window=max(2, round(self.seconds * 0.2)),
            early=round(self.seconds * 0.25, 1),
        )
        for reader in READERS:
            text += _READER.format(reader=reader, port=ports[reader.name])
        (self.folder / "bridge.toml").write_text(text)

    async def _start_service(self) -> None:
        log = (self.folder / "service.log").open("wb")
        with log:
            self.service = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bridge", "run"),
                *("--config", str(self.folder / "bridge.toml")),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
        for _ in range(300):
            await asyncio.sleep(0.1)
            if self.service.returncode is not None:
                raise BridgeError(f"the service ended at its start; see {self.folder}/service.log")
            status = self.status()
            if status and all(r["clock_offset_ms"] is not None for r in status["readers"]):
                return
        raise BridgeError(f"the readers did not come up in 30 s; see {self.folder}/service.log")

    def status(self) -> Any:  # noqa: ANN401 - JSON
        """Return the service's status, or None while it does not answer."""
        try:
            return ask(self.data_dir, "status", {}, changes=False)
        except (NotRunning, BridgeError):
            return None

    async def _play(self) -> None:
        """Let the field run: every read at its moment, by each reader of its mat."""
        chips = self._drivers.find("ipico").example_chip
        late_s = max(0.0, (self._clock.utc_ns() - self.gun_ns) / NS_PER_S)
        if late_s > 0:  # the service took its time to come up: so does the gun
            self.gun_ns += (int(late_s) + 2) * NS_PER_S
            at = datetime.fromtimestamp(self.gun_ns // NS_PER_S, UTC).isoformat()
            ask(self.data_dir, "gun", {"event": str(EVENT), "time": at}, changes=True)
        for sight in self.race.sights:
            due_ns = self.gun_ns + sight.at_ns
            wait_s = (due_ns - self._clock.utc_ns()) / NS_PER_S
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            for reader in READERS:
                if reader.location != sight.location:
                    continue
                host = self.hosts[reader.name]
                ipico = reader.driver == "ipico"
                chip = chips(sight.bib) if ipico else Chip(f"{sight.bib}@{BIB_SET}")
                await host.sight(
                    Sighting(
                        chip=chip,
                        stamp=due_ns + int(reader.ahead_s * NS_PER_S),
                        antenna=sight.antenna,
                        rssi=sight.rssi,
                        seq=host.sighted + 1,
                    )
                )

    async def _settled(self) -> None:
        """Wait until every finisher is posted, as long as that gets on."""
        wanted = sum(1 for e in self.race.expected.values() if e.clock_ns is not None)
        for _ in range(int(SETTLE_S * 4)):
            await asyncio.sleep(0.25)
            status = self.status()
            if status is None:
                continue
            results = status["link_facts"].get("results", {})
            broker = status["link_facts"].get("broker", {})
            finished = sum(1 for row in self.posted() if row.get("clock_time"))
            if finished >= wanted and not results.get("pending") and not broker.get("queued"):
                return

    def posted(self) -> list[Mapping[str, Any]]:
        """Return what the results service has."""
        return list(standing(self.sandbox.race, EVENT))

    async def _stop_service(self) -> None:
        if self.service is None or self.service.returncode is not None:
            return
        self.service.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await self.service.wait()
        except TimeoutError:
            self.service.kill()
            await self.service.wait()

    def balance(self, reads: int, states: Mapping[str, int]) -> Books:
        """Compare what was sent with what was read, and what is posted with what is right."""
        books = Books(
            sent=sum(host.sighted for host in self.hosts.values()),
            reads=reads,
            states=dict(states),
            expected=sum(1 for e in self.race.expected.values() if e.clock_ns is not None),
        )
        if books.sent != books.reads:
            books.faults.append(f"{books.sent} reads sent, {books.reads} in the journal")
        if sum(states.values()) != reads:
            books.faults.append(f"{reads} reads, {sum(states.values())} reasons")
        by_bib = {self._bib(row): row for row in self.posted()}
        books.posted = len(by_bib)
        for bib, expected in self.race.expected.items():
            row = by_bib.get(bib, {})
            for name, right in (("clock_time", expected.clock_ns), ("chip_time", expected.chip_ns)):
                fault = _wrong(row.get(name), right)
                if fault:
                    books.faults.append(f"bib {bib}: {name} {fault}")
            books.finishers += bool(row.get("clock_time"))
        return books


def _wrong(posted: object, right_ns: int | None) -> str | None:
    """Say what is wrong with a posted time, or None."""
    if not posted:
        return None if right_ns is None else "is missing"
    if right_ns is None:
        return f"is {posted}, but there is no finish"
    off_ns = parse_duration(str(posted)) - right_ns
    if abs(off_ns) > TOLERANCE_NS:
        return f"is {posted}, wrong by {off_ns / NS_PER_S:+.3f} s"
    return None


def _must_be_free(port: int) -> None:
    try:
        bind("127.0.0.1", port).close()
    except UsageError:
        raise UsageError(
            f"port {port} of this machine is taken; choose others with --port (it takes two)"
        ) from None


async def _listen(host: EmulatorHost) -> int:
    """Open a reader's ports at a free place: an IPICO has one below and some above its main one."""
    for _ in range(PORT_TRIES):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        try:
            return await host.listen("127.0.0.1", port)
        except UsageError:
            host.close()
    raise BridgeError("no free TCP ports on this machine")


_CONFIG = """# A rehearsal: everything here is made of software.
[bridge]
site = "rehearsal"
data_dir = "{folder}/data"
secrets_dir = "{folder}/secrets"
timezone = "UTC"
commit_linger_ms = 5

[provider]
kind = "runsignup"
race_id = 12345
base_url = "http://127.0.0.1:{service}/rest"
auth = "api_v2"

[[event]]
id = 1
name = "5K"
gun = {gun}
course = [
  {{ location = "start" }},
  {{ location = "2.5k", split = "2.5K", distance_m = 2500, min_time_s = 1 }},
  {{ location = "finish", distance_m = 5000, min_time_s = {early} }},
]
start_window_s = {window}

[mqtt]
url = "embedded"
listen = "127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{port}"
"""
_READER = """
[[reader]]
name = "{reader.name}"
driver = "{reader.driver}"
location = "{reader.location}"
url = "tcp://127.0.0.1:{port}"
priority = {reader.priority}
"""
