"""One box put together as the service does it, on a real store, with a clock that tests turn."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from pathlib import Path

import orjson

from bridge.adapters.config_files import config_of
from bridge.app.ports import ClockSample, CrossingRow
from bridge.app.registry import Registry
from bridge.app.timing import Emission
from bridge.bootstrap.core import Core, open_core
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.pure import Outcome, compute
from bridge.domain.reads import NS_PER_MS, NS_PER_S, Chip, Read, StampForm, UtcNs
from bridge.domain.results import Result
from bridge.domain.rules import EventId
from bridge.driver_api import Kept
from drivers import BUILTIN

START = 1_795_250_000 * NS_PER_S
"""2026-11-21T08:33:20Z: when the box is switched on."""
EVENT = EventId(1)
CONFIG = """
[bridge]
site = "box"
data_dir = "data"
timezone = "UTC"

[[event]]
id = 1
name = "10K"
gun = 2026-11-21T08:40:00
course = [
  {{ location = "start" }},
  {{ location = "half", split = "Half", distance_m = 5000, min_time_s = 10 }},
  {{ location = "finish", distance_m = 10000, min_time_s = 60 }},
]
start_window_s = 50
{more}
[[reader]]
name = "start-mat"
driver = "ipico"
location = "start"
url = "tcp://127.0.0.1:10001"

[[reader]]
name = "half-mat"
driver = "ipico"
location = "half"
url = "tcp://127.0.0.1:20002"
clock = "arrival"

[[reader]]
name = "finish-mat"
driver = "ipico"
location = "finish"
url = "tcp://127.0.0.1:30003"
{finish}
"""
GUN = START + 400 * NS_PER_S


class MatClock:
    """Host clocks that stand still until a test turns them."""

    def __init__(self, utc_ns: int = START) -> None:
        self.now_ns = 1_000 * NS_PER_S
        self.base_ns = utc_ns - self.now_ns
        self.error: int | None = 0
        self.boot_id = "boot-1"
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def utc_ns(self) -> UtcNs:
        return UtcNs(self.now_ns + self.base_ns)

    def boot_ns(self) -> int:
        return self.now_ns

    def error_ns(self) -> int | None:
        return self.error

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        due = self.now_ns + int(seconds * NS_PER_S)
        heappush(self._sleepers, (due, self._count, future))
        await future

    @property
    def sleeping(self) -> int:
        return sum(1 for _, _, future in self._sleepers if not future.done())

    def turn(self, seconds: float) -> None:
        """Let time pass for whoever sleeps."""
        self.now_ns += int(seconds * NS_PER_S)
        while self._sleepers and self._sleepers[0][0] <= self.now_ns:
            future = heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


class Listener:
    """Stands in for broker and results service: keeps what it is told."""

    def __init__(self, core: Core) -> None:
        self.crossings: list[CrossingRow] = []
        self.changed: list[RegistrationId] = []
        core.herald.feed = self
        core.herald.poster = self

    def offer(self, rows: Sequence[CrossingRow]) -> None:
        self.crossings += rows

    def touch(self, key: str) -> None:
        raise AssertionError(key)

    def note_changed(self, registration_ids: Iterable[RegistrationId]) -> None:
        self.changed += registration_ids


@asynccontextmanager
async def mat(
    folder: Path, clock: MatClock, *, finish: str = "", more: str = "", text: str = CONFIG
) -> AsyncIterator[Core]:
    """An open box; `finish` goes into the finish reader's table."""
    written = text.format(finish=finish, more=more)
    loaded = config_of(written, folder / "bridge.toml", {}, Registry(BUILTIN), serving=False)
    core = open_core(loaded, Registry(BUILTIN), clock)
    try:
        yield core
    finally:
        await core.store.close()


async def enter(core: Core, bibs: Iterable[int]) -> None:
    """Register runners whose chip is C<bib>."""
    await core.store.merge(EVENT, [entrant(bib) for bib in bibs], (), cursor=None)
    await core.operations.entrants_changed()


def entrant(bib: int, event_id: EventId = EVENT) -> Entrant:
    return Entrant(
        registration_id=RegistrationId(1000 + bib),
        event_id=event_id,
        bib=bib,
        chips=(f"C{bib}",),
        first_name="Bib",
        last_name=str(bib),
    )


def read(chip: str, stamp: int, form: StampForm = StampForm.NAIVE) -> Read:
    return Read(f"{chip} {stamp}\r\n".encode(), Chip(chip), stamp, form, 1, -60.0)


def take(
    core: Core,
    session: int,
    kept: Sequence[Kept],
    *,
    arrived: int | None = None,
    samples: Sequence[ClockSample] = (),
    memory: str | None = None,
) -> "asyncio.Future[None]":
    """Hand in as a link does; `arrived`: UTC ns, default now."""
    utc = int(core.clock.utc_ns()) if arrived is None else arrived
    boot = core.clock.boot_ns() + utc - core.clock.utc_ns()
    durable = core.intake.take(session, list(kept), utc, boot, memory=memory, samples=list(samples))
    assert isinstance(durable, asyncio.Future)
    return durable


def sample(
    core: Core, session: int, ahead_ns: int, *, rtt_ms: int = 4, step: bool = False
) -> ClockSample:
    """What a clock query of a reader that is `ahead_ns` before the host brings now."""
    utc = int(core.clock.utc_ns())
    boot = core.clock.boot_ns()
    return ClockSample(session, utc, boot, rtt_ms * NS_PER_MS, utc + ahead_ns, 1, step)


def told(core: Core) -> list[dict[str, object]]:
    """Every crossing message in the journal; fails if their numbers have a gap."""
    rows = list(core.store.crossings(1, 1 << 60))
    gaps = [row.seq for number, row in enumerate(rows, 1) if row.seq != number]
    assert not gaps, (gaps[:3], len(rows))
    messages = [orjson.loads(row.payload) for row in rows]
    assert [message["seq"] for message in messages] == [row.seq for row in rows]
    return messages


def latest(core: Core) -> dict[str, dict[str, object]]:
    """Return by id what was last told of each crossing that stands."""
    newest = {str(message["id"]): message for message in told(core)}
    return {key: message for key, message in newest.items() if message["state"] != "withdrawn"}


def truth(core: Core) -> Outcome:
    """Compute the race from nothing but the store."""
    timing = core.timing
    return compute(
        timing.rules,
        timing.timebase.timed(core.store.rows()),
        core.store.entrants(),
        core.store.marks(),
        list(core.store.remote()),
    )


def check(core: Core) -> None:
    """Standings and messages are what the pure computation over the journal gives."""
    outcome = truth(core)
    right: dict[RegistrationId, Result] = {r.registration_id: r for r in outcome.results.values()}
    standing = {result.registration_id: result for result in core.standings.results(EVENT)}
    assert standing == right
    shown = {
        key: (m["at_ms"], m["reason"], m["registration_id"], m["clock_ms"], m["chip_ms"])
        for key, m in latest(core).items()
    }
    assert shown == {
        key: (
            crossing.at // NS_PER_MS,
            crossing.state.value,
            crossing.registration_id,
            None if crossing.clock_ns is None else crossing.clock_ns // NS_PER_MS,
            None if crossing.chip_ns is None else crossing.chip_ns // NS_PER_MS,
        )
        for key, crossing in outcome.crossings.items()
    }
    assert len(outcome.read_states) == len(list(core.store.rows()))


async def settled(core: Core) -> None:
    """Do what the housekeeper does, until nothing more follows."""
    while core.timing.stale:
        await core.recall()
    await core.intake.tell(core.timing.advance())


def nothing(emission: Emission) -> bool:
    return not emission
