"""Hand-written stand-ins for the store and the race, as far as MQTT sees them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

import orjson

from bridge.app.ports import CrossingRow
from bridge.domain.results import RemoteCrossing

AT_MS = 1_763_713_800_000


def crossing_fields(
    seq: int, *, site: str = "mat-a", location: str = "finish"
) -> dict[str, object]:
    return {
        "v": 1,
        "id": f"{site}-{seq}",
        "seq": seq,
        "site": site,
        "location": location,
        "chip": f"C{seq}",
        "at_ms": AT_MS + seq,
        "at_sub_ns": 7,
        "state": "final",
        "registration_id": None,
        "reason": "used",
    }


def crossing_row(seq: int, *, site: str = "mat-a", location: str = "finish") -> CrossingRow:
    payload = orjson.dumps(crossing_fields(seq, site=site, location=location))
    return CrossingRow(seq, seq, location, payload)


class Memory:
    """Log, Notes and RemoteStore in dictionaries; every write is durable at once."""

    def __init__(self, site: str = "mat-a") -> None:
        self.site = site
        self.log: list[CrossingRow] = []
        self.notes: dict[str, str] = {}
        self.received: dict[str, dict[int, RemoteCrossing]] = {}
        self.reads_of_log = 0

    @property
    def next_seq(self) -> int:
        return len(self.log) + 1

    def record(self, count: int, location: str = "finish") -> list[CrossingRow]:
        """Append rows as the timing stage would."""
        first = self.next_seq
        rows = [
            crossing_row(seq, site=self.site, location=location)
            for seq in range(first, first + count)
        ]
        self.log += rows
        return rows

    def crossings(self, first_seq: int, last_seq: int) -> Iterator[CrossingRow]:
        self.reads_of_log += 1
        return iter(self.log[first_seq - 1 : last_seq])

    def get(self, name: str) -> str | None:
        return self.notes.get(name)

    async def put(self, name: str, value: str, *, lazy: bool = False) -> None:  # noqa: ARG002
        self.notes[name] = value

    def remote(self) -> Iterator[RemoteCrossing]:
        newest: dict[str, tuple[int, RemoteCrossing]] = {}
        for messages in self.received.values():
            for seq, crossing in messages.items():
                if crossing.id not in newest or newest[crossing.id][0] < seq:
                    newest[crossing.id] = seq, crossing
        return iter([crossing for _, crossing in newest.values()])

    async def keep(self, messages: Sequence[tuple[str, int, RemoteCrossing]]) -> None:
        for site, seq, crossing in messages:
            self.received.setdefault(site, {})[seq] = crossing

    def missing(self, site: str, upto: int) -> list[tuple[int, int]]:
        have = sorted(seq for seq in self.received.get(site, {}) if seq <= upto)
        ranges, expected = [], 1
        for seq in have:
            if seq > expected:
                ranges.append((expected, seq - 1))
            expected = seq + 1
        if expected <= upto:
            ranges.append((expected, upto))
        return ranges


class Fresh(Memory):
    """A store that follows a damaged one: numbered so that nothing lost is ever given again."""

    @property
    def next_seq(self) -> int:
        return 2**40 + len(self.log)

    def crossings(self, first_seq: int, last_seq: int) -> Iterator[CrossingRow]:
        return (row for row in self.log if first_seq <= row.seq <= last_seq)


class Texts:
    """Retained content out of a dictionary."""

    def __init__(self, **content: bytes) -> None:
        self.content: dict[str, bytes] = content
        self.rendered: list[str] = []
        self.always: tuple[str, ...] = ()
        self.left_behind: tuple[str, ...] = ()

    def keys(self, *, sweep: bool) -> Iterable[str]:
        return [*self.content, *(self.left_behind if sweep else ())]

    def heartbeat(self) -> Iterable[str]:
        return self.always

    def render(self, key: str) -> bytes | None:
        self.rendered.append(key)
        return self.content.get(key, b"" if key.startswith("result/") else None)

    def observe(self, rows: Sequence[CrossingRow]) -> Iterable[str]:
        keys = set()
        for row in rows:
            key = f"crossing/{row.location}/last"
            self.content[key] = row.payload
            keys.add(key)
        return keys


class Alarms:
    """What a person was told."""

    def __init__(self) -> None:
        self.on: dict[str, str] = {}
        self.ever: list[str] = []

    def __call__(self, name: str, text: str | None) -> None:
        if text is None:
            self.on.pop(name, None)
        else:
            self.on[name] = text
            self.ever.append(name)


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait for a condition; fail when it does not come."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - any condition, of any part
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*jobs: Awaitable[None]) -> AsyncIterator[None]:
    """Run jobs beside the test and cancel them after it."""

    async def run(job: Awaitable[None]) -> None:
        await job

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(job)) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
