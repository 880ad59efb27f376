"""The desk where readers hand in: rows for the journal, folded at once, told once durable."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Protocol, cast

import orjson
import structlog

from bridge.app.ports import Clock, Store
from bridge.app.rows import Batch, ClockSample, EventRow, Kind, ReadRun, SessionRow
from bridge.app.timing import Emission, Timing
from bridge.domain.reads import Read, UtcNs
from bridge.driver_api import Clock as ClockAnswer
from bridge.driver_api import ClockStep, Control, Kept, Marker, Rejected, Status

log = structlog.get_logger(__name__)

_ONLY_READS = frozenset({Read})
BACKLOG = 8_000
"""Rows not yet durable above which the links stop reading their sockets."""


class Outlet(Protocol):
    """Whoever is told of what became durable. Called on the loop, must not block."""

    def told(self, emission: Emission) -> None:
        """Take news."""
        ...


class Intake:
    """Takes events of all readers in, in one order: the order of the journal."""

    def __init__(
        self,
        *,
        store: Store,
        timing: Timing,
        clock: Clock,
        places: Mapping[str, tuple[str, str, str]],
        outlet: Outlet,
        on_marker: Callable[[str, Marker, EventRow], None],
    ) -> None:
        """`places`: reader name -> (driver, location, link without secrets)."""
        self._store = store
        self._timing = timing
        self._clock = clock
        self._places = places
        self._outlet = outlet
        self._on_marker = on_marker
        self._next_id = store.next_id
        self._next_session = store.next_session
        self._readers: dict[int, str] = {}
        self.settled = 0
        """Batches of which the store has said what became of them: a sign of its life."""
        self.on_reads: list[Callable[[ReadRun], None]] = []
        """Whoever wants to know of every read once it is durable."""

    def opening(self, reader: str) -> tuple[str | None, int | None]:
        """Return (memory, newest stamp) of a reader, for its next session."""
        return self._store.memory(reader), self._store.last_stamp(reader)

    def open_session(self, reader: str) -> int:
        """Begin a session of a reader; its row is queued before any of its events."""
        driver, location, link = self._places[reader]
        session = SessionRow(
            id=self._next_session,
            reader=reader,
            driver=driver,
            location=location,
            link=link,
            boot_id=self._clock.boot_id,
            opened_ns=UtcNs(self._clock.utc_ns()),
            synchronised=self._clock.error_ns() is not None,
        )
        self._next_session += 1
        self._readers[session.id] = reader
        self._store.open_session(session)
        self._timing.open_session(session)
        return session.id

    @property
    def next_id(self) -> int:
        """First row id not given out."""
        return self._next_id

    def take_id(self) -> int:
        """Give out the next row id, for rows that do not come from a reader (an import)."""
        self._next_id += 1
        return self._next_id - 1

    def take_session(self) -> int:
        """Give out the next session id."""
        self._next_session += 1
        return self._next_session - 1

    def skip_past(self, event_id: int, session_id: int) -> None:
        """Never give out these or lower ones: an export was taken over with its numbers."""
        self._next_id = max(self._next_id, event_id + 1)
        self._next_session = max(self._next_session, session_id + 1)

    async def room(self) -> None:
        """Wait while too much is not yet durable."""
        while self._store.backlog > BACKLOG:
            await self._clock.sleep(0.01)

    def take(
        self,
        session: int,
        kept: list[Kept],
        utc_ns: int,
        boot_ns: int,
        *,
        memory: str | None,
        samples: list[ClockSample],
    ) -> Awaitable[None]:
        """Journal events and what follows from them; the awaitable ends when all is durable."""
        batch = Batch(samples=samples)
        markers: list[tuple[Marker, EventRow]] = []
        are_reads = set(map(type, kept)) == _ONLY_READS  # nearly always: nothing to sort
        for kind, some in [(Read, iter(kept))] if are_reads else groupby(kept, key=type):
            if kind is Read:
                batch.runs.append(self._run(session, utc_ns, boot_ns, some))
                continue
            for event in some:
                row = other_row(self.take_id(), session, event, utc_ns, boot_ns)
                if isinstance(event, Marker):
                    markers.append((event, row))
                batch.rows.append(row)
        emission = self._follow(samples, batch.runs)
        batch.crossings = emission.crossings
        reader = self._readers[session]
        if memory is not None:
            batch.memories[reader] = memory
        batch.lazy = not (batch.runs or markers or emission or memory is not None)
        durable = self._commit(batch, emission)
        for marker, row in markers:
            self._on_marker(reader, marker, row)
        return durable

    def _run(self, session: int, utc_ns: int, boot_ns: int, reads: Iterable[Kept]) -> ReadRun:
        plain = cast("Iterable[Read]", reads)
        run = ReadRun.of_reads(self._next_id, session, utc_ns, boot_ns, plain)
        self._next_id += len(run)
        return run

    def _follow(self, samples: list[ClockSample], runs: list[ReadRun]) -> Emission:
        """Return what follows for the race; whatever goes wrong there, the rows go on."""
        emission = self._timing.samples(samples) if samples else Emission()
        for run in runs:
            self._store.remember_recent(run)
            emission = emission.joined(self._timing.fold(run))
        return emission

    def tell(self, emission: Emission) -> Awaitable[None]:
        """Make an emission durable that came from elsewhere (marks, entrants, time), then tell."""
        return self._commit(Batch(crossings=emission.crossings), emission)

    def _commit(self, batch: Batch, emission: Emission) -> Awaitable[None]:
        durable = asyncio.ensure_future(self._store.append(batch))  # noqa: TID251 - a Future already
        durable.add_done_callback(lambda done: self._told(done, emission, batch.runs))
        return durable

    def _told(
        self, done: "asyncio.Future[None]", emission: Emission, runs: Sequence[ReadRun]
    ) -> None:
        self.settled += 1
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            log.error("the store can never take this", error=str(error), reads=sum(map(len, runs)))
            self._timing.stale = True  # the race knows reads that the journal does not have
            return
        if emission:
            self._outlet.told(emission)
        for listener in self.on_reads:
            for run in runs:
                listener(run)


def other_row(row_id: int, session: int, event: Kept, utc_ns: int, boot_ns: int) -> EventRow:
    """Return the row of any kept event but a read."""
    kind, stamp, form, key, note = _facts(event)
    return EventRow(
        row_id, session, int(kind), utc_ns, boot_ns, None, stamp, form,
        None, None, None, key, event.raw, note,
    )  # fmt: skip


def _facts(event: Kept) -> tuple[Kind, int, int, str | None, str | None]:
    match event:
        case Marker():
            return Kind.MARKER, event.stamp, int(event.form), event.key, event.name
        case ClockAnswer():
            return Kind.CLOCK, event.stamp, int(event.form), None, None
        case ClockStep():
            return Kind.STEP, event.after or 0, 0, None, event.detail
        case Status():
            return Kind.STATUS, 0, 0, None, orjson.dumps(dict(event.fields), default=str).decode()
        case Rejected():
            return Kind.REJECTED, 0, 0, None, f"{event.reason.value}: {event.detail}".strip(": ")
        case Control():
            return Kind.CONTROL, 0, 0, None, event.note
        case _:
            raise TypeError(event)
