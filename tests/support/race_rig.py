"""A whole race around the real service: readers, results service, broker, audience, and the truth.

Readers and results service are ours and live in the test's own loop, mosquitto and the service
are processes of their own. Readers are trusted (`clock = "reader"`), every time is a whole
hundredth, so what comes out is compared to the ms with what the plan of the race alone says.
"""

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.adapters.emulator_host import EmulatorHost, Faults
from bridge.adapters.http_server import bind
from bridge.adapters.sandbox.app import KEY, SECRET, Sandbox
from bridge.adapters.sandbox.race import SandboxRace
from bridge.adapters.sandbox.server import serve
from bridge.adapters.system_clock import SystemClock
from bridge.app.registry import Registry
from bridge.app.simulation import Mat, Plan, people, plan
from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip
from bridge.driver_api import Emulator, Sighting
from bridge.errors import BridgeError, UsageError
from drivers import BUILTIN, ipico
from tests.support.mosquitto import Mosquitto, mosquitto
from tests.support.mqtt_race import running
from tests.support.race_audience import Audience
from tests.support.race_box import Box
from tests.support.race_truth import (
    Row,
    expected_crossings,
    expected_rows,
    posted_rows,
    wrong_crossings,
    wrong_rows,
)

EVENT = 1
RACE = 12345
BASE = f"chip-bridge/{RACE}"
BIB_SET = "6692"
MATS = (Mat("start", 0.0), Mat("half", 0.5), Mat("finish", 1.0))
SETTLE_S = 75.0
LOST_AFTER = 10
"""Rounds of comparing after which a message that did not come is asked for."""
TRUSTED = 'clock = "reader"'


def _as_it_is(emulator: Emulator) -> Emulator:
    return emulator


@dataclass(frozen=True, slots=True, kw_only=True)
class MatReader:
    """One emulated reader and its entry in the configuration."""

    name: str
    driver: str
    location: str
    speaks: str | None = None
    """Driver whose protocol it really speaks; None: the configured one."""
    emulator: Mapping[str, object] = field(default_factory=dict)
    entry: str = TRUSTED
    """More lines of its `[[reader]]` table."""
    priority: int = 1
    skew_ns: int = 0
    faults: Faults | None = None
    wrap: Callable[[Emulator], Emulator] = _as_it_is
    box: str = "mat"
    pty: bool = False


QUICK_LITE: Mapping[str, object] = {"playback_rate": 1_500}
"""A Lite needs half a minute for what a test has seconds for."""
READERS = (
    MatReader(name="start-mat", driver="ipico", location="start", emulator=QUICK_LITE),
    MatReader(name="half-mat", driver="race-result", location="half", emulator={"box": "D-1"}),
    MatReader(name="finish-main", driver="ipico", location="finish", emulator=QUICK_LITE),
    MatReader(
        name="finish-backup",
        driver="race-result",
        location="finish",
        emulator={"box": "D-2"},
        priority=2,
    ),
)


class Rig:
    """Sets the race up, lets it happen, and says what came out wrong."""

    def __init__(
        self,
        folder: Path,
        *,
        runners: int = 120,
        seconds: float = 12.0,
        seed: int = 11,
        readers: Sequence[MatReader] = READERS,
        data_dir: Path | None = None,
        min_free_mb: int = 10,
    ) -> None:
        self.folder = folder
        self.seconds = seconds
        self.readers = readers
        self.clock = SystemClock()
        self.drivers = Registry(BUILTIN)
        self.race: Plan = plan(people(runners, seed), MATS, seconds=seconds, seed=seed)
        self.gun_ns = 0
        self.hosts: dict[str, EmulatorHost] = {}
        self.boxes: dict[str, Box] = {}
        self.sandbox = Sandbox(self._entries(), self.clock, keys={KEY: SECRET})
        self.broker: Mosquitto
        self.audience: Audience
        self.ports: dict[str, int] = {}
        self.first_seq = 1
        """From here on every crossing message is wanted: a store put aside takes some along."""
        self._missing: dict[str, tuple[list[int], int]] = {}
        self._data_dir = data_dir
        self._min_free_mb = min_free_mb
        self.seen: dict[tuple[str, int], list[int]] = defaultdict(list)
        """(location, bib) -> times after the gun at which the mat sees the runner."""
        for sight in self.race.sights:
            self.seen[sight.location, sight.bib].append(sight.at_ns)

    @property
    def box(self) -> Box:
        """The only box."""
        (box,) = self.boxes.values()
        return box

    def chip(self, bib: int, driver: str) -> Chip:
        return ipico.DRIVER.example_chip(bib) if driver == "ipico" else disposable(bib)

    def _entries(self) -> SandboxRace:
        race = SandboxRace(race_id=RACE, timezone="UTC", events={EVENT: "5K"})
        for runner in self.race.runners:
            race.add(
                {
                    "registration_id": runner.registration_id,
                    "event_id": EVENT,
                    "bib_num": runner.bib,
                    "chip_num": self.chip(runner.bib, "ipico"),
                    "age": runner.age,
                    "user": {
                        "first_name": runner.first_name,
                        "last_name": runner.last_name,
                        "gender": runner.gender,
                    },
                },
                now_s=self.clock.utc_ns() // NS_PER_S,
            )
        return race

    # -- setting up ----------------------------------------------------------------------------

    @asynccontextmanager
    async def up(self, *, start: bool = True) -> AsyncIterator["Rig"]:
        """Open everything around the service, and start each box's service unless told not to."""
        with ExitStack() as stack:
            self.broker = stack.enter_context(mosquitto(self.folder))
            self.audience = Audience(self.broker.port, BASE)
            sock = bind("127.0.0.1", 0)
            for reader in self.readers:
                if not reader.pty:
                    self.ports[reader.name] = await self._listen(reader)
                else:
                    self.hosts[reader.name] = self.host_of(reader)
            for name in dict.fromkeys(reader.box for reader in self.readers):
                box = self._box(name, int(sock.getsockname()[1]))
                self.boxes[name] = box
                stack.callback(box.put_down)
            jobs = [host.run() for host in self.hosts.values()]
            async with running(serve(self.sandbox, sock), self.audience.listen(), *jobs):
                if start:
                    for box in self.boxes.values():
                        box.start()
                    for name, box in self.boxes.items():
                        await box.until_reading(*(r.name for r in self.readers_of(name)))
                yield self
                for box in self.boxes.values():
                    await box.stop()

    def host_of(self, reader: MatReader) -> EmulatorHost:
        emulator = self.drivers.find(reader.speaks or reader.driver).emulator(reader.emulator)
        return EmulatorHost(
            reader.wrap(emulator),
            self.clock,
            skew_ns=reader.skew_ns,
            faults=reader.faults,
            paced=False,
        )

    async def _listen(self, reader: MatReader) -> int:
        for _ in range(50):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            host = self.hosts[reader.name] = self.host_of(reader)
            try:
                return await host.listen("127.0.0.1", port)
            except UsageError:
                host.close()  # a port beside the main one is taken
        raise AssertionError("no free ports")

    def readers_of(self, box: str) -> list[MatReader]:
        """Return the readers of a box that speak the protocol it expects."""
        return [r for r in self.readers if r.box == box and r.speaks is None]

    def pty(self, name: str) -> Path:
        return self.folder / f"tty-{name}"

    def _box(self, name: str, service_port: int) -> Box:
        folder = self.folder / name
        data_dir = self._data_dir or folder / "data"
        text = _CONFIG.format(
            site=name,
            data_dir=data_dir,
            secrets_dir=folder / "secrets",
            service=service_port,
            broker=self.broker.url,
            window=max(2, round(self.seconds * 0.2)),
            early=round(self.seconds * 0.25, 1),
            min_free_mb=self._min_free_mb,
        )
        for reader in self.readers:
            if reader.box == name:
                url = (
                    f"serial://{self.pty(reader.name)}?baud=9600"
                    if reader.pty
                    else f"tcp://127.0.0.1:{self.ports[reader.name]}"
                )
                text += _READER.format(reader=reader, url=url)
        secrets = {"provider_api_key": KEY, "provider_api_secret": SECRET}
        return Box(folder, text, secrets, data_dir)

    # -- the race ------------------------------------------------------------------------------

    def choose_gun(self, ahead_s: float = 1.0) -> None:
        """Decide when the gun is fired; the service does not know of it."""
        self.gun_ns = (self.clock.utc_ns() // NS_PER_S + 1) * NS_PER_S + int(ahead_s * NS_PER_S)

    async def fire(self, box: Box | None = None) -> None:
        """Fire the gun a second or two from now and tell a box so."""
        self.choose_gun()
        await (box or self.box).tell("gun", event=EVENT, at_ms=self.gun_ns // NS_PER_MS)

    async def play(self) -> None:
        """Let the field run: every read at its moment, by each reader of its mat."""
        by_location: dict[str, list[MatReader]] = defaultdict(list)
        for reader in self.readers:
            by_location[reader.location].append(reader)
        for sight in self.race.sights:
            at_ns = self.gun_ns + sight.at_ns
            wait_s = (at_ns - self.clock.utc_ns()) / NS_PER_S
            await asyncio.sleep(max(wait_s, 0.0))
            for reader in by_location[sight.location]:
                host = self.hosts[reader.name]
                await host.sight(
                    Sighting(
                        chip=self.chip(sight.bib, reader.driver),
                        stamp=at_ns + reader.skew_ns,
                        antenna=sight.antenna,
                        rssi=sight.rssi,
                        seq=host.sighted + 1,
                    )
                )

    async def after(self, share: float) -> None:
        """Wait until this share of the race is over."""
        wait_s = (self.gun_ns - self.clock.utc_ns()) / NS_PER_S + share * self.seconds
        await asyncio.sleep(max(0.0, wait_s))

    # -- the truth -----------------------------------------------------------------------------

    def expected_rows(self) -> dict[int, Row]:
        """Return by bib what has to stand at the results service."""
        return expected_rows(self.race)

    def posted_rows(self) -> dict[int, Row]:
        """Return by bib what stands at the results service, splits by their names."""
        return posted_rows(self.sandbox.race, EVENT)

    async def agrees(
        self,
        *,
        within_s: float = SETTLE_S,
        rows: Callable[[], dict[int, Row]] | None = None,
        doubled: bool = False,
    ) -> None:
        """Wait until everything is exactly right; show what is not when that does not come.

        `rows`: the truth where it is another than that of the plan. `doubled`: reads may be in the
        journal twice, as `duplicate`.
        """

        async def check() -> list[str]:
            return await self._wrong((rows or self.expected_rows)(), doubled=doubled)

        await self.settles(check, within_s=within_s)

    async def settles(
        self, check: Callable[[], Awaitable[list[str]]], *, within_s: float = SETTLE_S
    ) -> None:
        """Wait until `check` finds nothing wrong; show what it found when that does not come."""
        wrong = ["nothing was compared"]
        try:
            async with asyncio.timeout(within_s):
                while wrong:
                    await asyncio.sleep(0.3)
                    wrong = await check()
        except TimeoutError:
            reports = [box.report(await box.status()) for box in self.boxes.values()]
            shown = "\n".join([*wrong[:25], f"({len(wrong)} differences)", *reports])
            raise AssertionError(shown) from None

    async def _wrong(self, rows: dict[int, Row], *, doubled: bool) -> list[str]:
        wrong = wrong_rows(self.posted_rows(), rows)
        for name, box in self.boxes.items():
            wrong += await self._wrong_books(name, box, doubled=doubled)
        if wrong:
            return wrong  # messages cost more to compare, and the readers live in the same loop
        for name, box in self.boxes.items():
            wrong += await self._wrong_messages(name, box)
        wrong += self.audience.contradictions
        wrong += [
            f"a call a correct client does not make: {exchange.call.path} {exchange.problems}"
            for exchange in self.sandbox.log
            if exchange.problems
        ]
        return wrong

    def sent(self, box: str) -> int:
        """Count the sightings of a box's readers."""
        return sum(self.hosts[reader.name].sighted for reader in self.readers if reader.box == box)

    async def _wrong_books(self, name: str, box: Box, *, doubled: bool) -> list[str]:
        try:
            books = await box.ask("books")
        except BridgeError as error:
            return [f"{name}: no books: {error}"]
        states, reads = books["states"], books["reads"]
        wrong = []
        if sum(states.values()) != reads:
            wrong.append(f"{name}: {reads} reads, {sum(states.values())} in states {states}")
        twice = states.get("duplicate", 0)
        if reads - twice != self.sent(name) or (twice and not doubled):
            wrong.append(f"{name}: {self.sent(name)} reads sent, {reads} in the journal: {states}")
        return wrong

    async def _wrong_messages(self, name: str, box: Box) -> list[str]:
        status = await box.status()
        if status is None:
            return [f"{name}: no status"]
        last_seq = status["queues"]["crossings"]
        missing = self.audience.missing(name, self.first_seq, last_seq)
        if missing:
            before = self._missing.pop(name, (missing, 0))
            rounds = before[1] + 1 if before[0] == missing else 0
            self._missing[name] = (missing, rounds)
            if rounds % LOST_AFTER == LOST_AFTER - 1:
                await self.audience.ask_for(name, missing)
            return [f"{name}: {len(missing)} crossing messages not heard: {missing[:10]}"]
        served = {reader.location for reader in self.readers if reader.box == name}
        return wrong_crossings(
            name,
            self.audience.newest(name),
            {runner.registration_id: runner.bib for runner in self.race.runners},
            expected_crossings(self.seen, self.gun_ns, served),
        )


def disposable(bib: int) -> Chip:
    """Return the disposable transponder of a bib: its number is the bib."""
    return Chip(f"{bib}@{BIB_SET}")


_CONFIG = """
[bridge]
site = "{site}"
data_dir = "{data_dir}"
secrets_dir = "{secrets_dir}"
timezone = "UTC"
commit_linger_ms = 5
min_free_mb = {min_free_mb}

[provider]
kind = "runsignup"
race_id = 12345
base_url = "http://127.0.0.1:{service}/rest"
auth = "api_v2"
participants_every_s = 5

[[event]]
id = 1
name = "5K"
decimals = 3
course = [
  {{ location = "start" }},
  {{ location = "half", split = "Half", distance_m = 2500, min_time_s = 1 }},
  {{ location = "finish", distance_m = 5000, min_time_s = {early} }},
]
start_window_s = {window}

[mqtt]
url = "{broker}"
"""
_READER = """
[[reader]]
name = "{reader.name}"
driver = "{reader.driver}"
location = "{reader.location}"
url = "{url}"
priority = {reader.priority}
{reader.entry}
"""
