"""A whole race on one machine, everything around the service made of software.

Readers, broker and results service are ours; the real service stands between them, as a process of
its own, and everything goes over real sockets in the real protocols.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.adapters.embedded_broker import require_amqtt
from bridge.adapters.http_server import bind
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.race import SandboxRace, standing
from bridge.adapters.sandbox.server import serve
from bridge.adapters.system_clock import SystemClock
from bridge.adapters.web.client import NotRunning, ask
from bridge.app.registry import Registry
from bridge.app.simulation import Plan, Sight, people, plan
from bridge.bootstrap.rehearsal_books import Books, Told, balance, by_reader
from bridge.bootstrap.rehearsal_cast import BEAM_NS, KNOWN, Cast, Clock, antenna_of, chip_of
from bridge.bootstrap.rehearsal_links import Reader, open_reader
from bridge.domain.reads import NS_PER_S
from bridge.domain.times import parse_duration
from bridge.driver_api import Sighting
from bridge.errors import BridgeError, UsageError

EVENT = 1
RACE = 12345
SETTLE_S = 30.0
_UP_TRIES = 300


class Rehearsal:
    """Sets everything up in a folder, runs the race, and balances the books."""

    def __init__(
        self,
        folder: Path,
        drivers: Registry,
        *,
        cast: Cast,
        runners: int,
        seconds: float,
        port: int,
        seed: int,
    ) -> None:
        """`port`: of the web page; the broker takes the one above it."""
        self.folder = folder
        self.seconds = seconds
        self.port = port
        self.cast = cast
        kinds = {KNOWN, *(reader.driver for reader in cast.readers)}
        self._drivers = {name: drivers.find(name) for name in kinds}
        self._clock = SystemClock()
        self._people = people(runners, seed)
        self.race: Plan = plan(self._people, cast.mats, seconds=seconds, seed=seed)
        self.gun_ns = 0
        self.readers: dict[str, Reader] = {}
        self.sandbox = self._sandbox()
        self.service: asyncio.subprocess.Process | None = None
        self.told = Told()
        """What the service said after the last post."""

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
        chips = self._drivers[KNOWN].example_chip
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
                await self._open_readers(group, stage)
                self._configure(int(sock.getsockname()[1]))
                await self._start_service()
                await self._hand_out_chips()
                await self._play()
                await self._settled()
                self.told = await self._books()
            finally:
                await self._stop_service()
                for task in stage:
                    task.cancel()

    async def _open_readers(
        self, group: asyncio.TaskGroup, stage: list["asyncio.Task[None]"]
    ) -> None:
        for part in self.cast.readers:
            driver = self._drivers[part.driver]
            reader, tasks = await open_reader(
                part, driver, self._clock, self.folder, self.port + 1, group
            )
            self.readers[part.name] = reader
            stage += tasks

    def _configure(self, service_port: int) -> None:
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
            course=self.cast.course(round(self.seconds * 0.25, 1)),
        )
        for reader in self.readers.values():
            text += _READER.format(reader=reader.part, url=reader.url)
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
        for _ in range(_UP_TRIES):
            await asyncio.sleep(0.1)
            if self.service.returncode is not None:
                raise BridgeError(f"the service ended at its start; see {self.folder}/service.log")
            status = self.status()
            if status and all(map(self._is_up, status["readers"])):
                return
        raise BridgeError(f"the readers did not come up in 30 s; see {self.folder}/service.log")

    def _is_up(self, reader: Mapping[str, Any]) -> bool:
        part = self.readers[reader["name"]].part
        tells = self._drivers[part.driver].can_tell_time
        return reader["state"] == "connected" and (
            reader["clock_offset_ms"] is not None or not tells
        )

    def status(self) -> Any:  # noqa: ANN401 - JSON
        """Return the service's status, or None while it does not answer."""
        try:
            return ask(self.data_dir, "status", {}, changes=False)
        except (NotRunning, BridgeError):
            return None

    async def _play(self) -> None:
        """Let the field run: every read at its moment, by each reader of its mat."""
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
            for reader in self.readers.values():
                await self._see(reader, sight, due_ns)

    async def _see(self, reader: Reader, sight: Sight, due_ns: int) -> None:
        """Let a reader see a runner, if it does."""
        part = reader.part
        is_beam = part.clock is Clock.OF_NOBODY
        if not self.cast.sees(part, sight) or (is_beam and due_ns - reader.last_ns < BEAM_NS):
            return
        reader.last_ns = due_ns
        await reader.host.sight(
            Sighting(
                chip=chip_of(self._drivers, part, sight.bib),
                stamp=due_ns + int(part.ahead_s * NS_PER_S),
                antenna=antenna_of(part, sight),
                rssi=sight.rssi,
                seq=reader.host.sighted + 1,
            )
        )

    async def _settled(self) -> None:
        """Wait until every read is in and every finisher posted, as long as that gets on."""
        wanted = sum(1 for e in self.race.expected.values() if e.clock_ns is not None)
        sent = {name: reader.host.sighted for name, reader in self.readers.items()}
        before = -1
        for _ in range(int(SETTLE_S * 4)):
            await asyncio.sleep(0.25)
            status = self.status()
            if status is None:
                continue
            reads = sum(reader["reads"] for reader in status["readers"])
            before, is_more = reads, reads != before
            results = status["link_facts"].get("results", {})
            broker = status["link_facts"].get("broker", {})
            finished = sum(1 for row in self.posted() if row.get("clock_time"))
            is_read = all(r["reads"] >= sent[r["name"]] for r in status["readers"])
            is_told = not results.get("pending") and not broker.get("queued")
            if finished >= wanted and is_read and is_told and not is_more:
                return

    async def _hand_out_chips(self) -> None:
        """Give each runner the chips that the results service knows nothing of."""
        rows = [
            f"{runner.bib},{chip}"
            for runner in self._people
            for chip in self.cast.worn(self._drivers, runner.bib)
        ]
        for _ in range(_UP_TRIES):
            if len(self._ask("participants", {})) >= len(self._people):
                break
            await asyncio.sleep(0.1)
        if rows:
            text = "\n".join(["bib,chip", *rows])
            found = ask(self.data_dir, "participants/import", {"csv": text}, changes=True)
            if found["complaints"]:
                raise BridgeError(f"chips could not be given out: {found['complaints'][0]}")

    async def _books(self) -> Told:
        """Ask what became of the reads, of each alone too."""
        status, books = self._ask("status", {}), self._ask("books", {})
        asked: list[dict[str, object]] = [{"bib": runner.bib} for runner in self._people]
        strangers = self._ask("participants/unmatched", {})["chips"]
        asked += [{"chip": chip} for chip in strangers]
        rows: list[Mapping[str, Any]] = []
        for who in asked:
            await asyncio.sleep(0)
            rows += [row for found in self._ask("why", who) for row in found["reads"]]
        return Told(
            reads=books["reads"],
            states=books["states"],
            readers={reader["name"]: reader for reader in status["readers"]},
            by_reader=by_reader(rows),
        )

    def _ask(self, action: str, asked: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        return ask(self.data_dir, action, asked, changes=False)

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

    def balance(self) -> Books:
        """Compare what was sent with what was read, and what is posted with what is right."""
        splits = {
            f"split-{split['split_id']}": split["split_name"]
            for each in self.sandbox.race.sets_of(EVENT)
            for split in each.splits
        }
        posted = {
            self._bib(row): {splits.get(name, name): value for name, value in row.items()}
            for row in self.posted()
        }
        return balance(self.cast, self.race, self.readers, self.told, posted)


def _must_be_free(port: int) -> None:
    try:
        bind("127.0.0.1", port).close()
    except UsageError:
        raise UsageError(
            f"port {port} of this machine is taken; choose others with --port (it takes two)"
        ) from None


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
course = {course}
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
url = "{url}"
priority = {reader.priority}
{reader.settings}
"""
