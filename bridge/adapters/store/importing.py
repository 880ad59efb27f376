"""Take JSON Lines of reads into a store: an export of ours, or what another tool wrote."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

import orjson

from bridge.adapters.store.lines import (
    FORMAT,
    DamagedLine,
    Line,
    bare_read,
    event_in,
    parse,
    sample_in,
    session_in,
)
from bridge.adapters.store.opening import SqliteStore
from bridge.adapters.store.ranges import Spans
from bridge.adapters.store.restore import Parcel
from bridge.app.ports import Batch, Clock, ClockSample, EventRow, Kind, SessionRow
from bridge.domain.reads import StampForm, UtcNs

_PARCEL_ROWS = 500
_COMPLAINTS = 1000
DRIVER = "import"
"""`SessionRow.driver` of reads whose reader is not known to us."""


class NumberSource(Protocol):
    """Who gives out event and session ids while the store is open."""

    def take_id(self) -> int:
        """Return the next event id."""
        ...

    def take_session(self) -> int:
        """Return the next session id."""
        ...

    def skip_past(self, event_id: int, session_id: int) -> None:
        """Never give these or lower ones: an empty store took them over from an export."""
        ...


class Counter:
    """A `NumberSource` for a store that nobody else is using."""

    def __init__(self, store: SqliteStore) -> None:
        event, session = store.first_free()
        self._event = max(store.next_id, event)
        self._session = max(store.next_session, session)

    def take_id(self) -> int:
        """Return the next event id."""
        self._event += 1
        return self._event - 1

    def take_session(self) -> int:
        """Return the next session id."""
        self._session += 1
        return self._session - 1

    def skip_past(self, event_id: int, session_id: int) -> None:
        """Go on above these."""
        self._event = max(self._event, event_id + 1)
        self._session = max(self._session, session_id + 1)


@dataclass(slots=True)
class ImportReport:
    """What became of the lines."""

    taken: int = 0
    """Events stored."""
    known: int = 0
    """Events that were here already."""
    damaged: int = 0
    complaints: list[str] = field(default_factory=list)
    """The first thousand damaged lines, each with its number and what is wrong with it."""


async def import_reads(
    store: SqliteStore,
    lines: Iterable[bytes | str],
    *,
    numbers: NumberSource,
    clock: Clock,
    source: str,
    taken: Callable[[Sequence[SessionRow], Batch], None] | None = None,
    line_numbers: Iterable[int] | None = None,
) -> ImportReport:
    """Store what `lines` hold, in parcels of 500, each durable before the next is read.

    Rows get new ids, unless the store is empty or is the one that was exported: then ids stay, and
    what is there already is not taken again. `taken` is told each parcel once it is durable.
    `line_numbers` names the lines in complaints; without it they count from 1.

    Raises:
        JournalError: The store does not take it.
    """
    intake = _Importer(store, numbers, clock, source)
    for number, line in zip(line_numbers or count(1), lines, strict=False):
        if not line.strip():
            continue
        try:
            intake.take(parse(line))
        except DamagedLine as error:
            intake.report.damaged += 1
            if len(intake.report.complaints) < _COMPLAINTS:
                intake.report.complaints.append(f"line {number}: {error}")
        if intake.full:
            await intake.store_parcels(taken)
    await intake.store_parcels(taken)
    return intake.report


class _Importer:
    """Turns lines into parcels under the numbers they get here."""

    def __init__(
        self, store: SqliteStore, numbers: NumberSource, clock: Clock, source: str
    ) -> None:
        self.report = ImportReport()
        self._store = store
        self._numbers = numbers
        self._clock = clock
        self._source = source
        self._origin: str | None = None
        self._keep_numbers = False
        self._events = Spans()
        self._samples = Spans()
        self._sessions: dict[int, int] = {}
        self._bare: dict[tuple[str, str], int] = {}
        self._begun = False
        self._parcels: list[Parcel] = [Parcel()]

    @property
    def full(self) -> bool:
        """Whether it is time to store."""
        batch = self._parcels[-1].batch
        return len(self._parcels) > 1 or len(batch.rows) + len(batch.samples) >= _PARCEL_ROWS

    def take(self, said: Line) -> None:
        """Take one line; raises `DamagedLine`."""
        if "export" in said:
            self._begin(said)
        elif "session" in said:
            self._take_session(session_in(said["session"]))
        elif "sample" in said:
            self._take_sample(*sample_in(said["sample"]))
        elif "event" in said:
            self._take_event(event_in(said["event"]), said)
        else:
            self._take_bare(said)
        self._begun = True

    async def store_parcels(
        self, taken: Callable[[Sequence[SessionRow], Batch], None] | None
    ) -> None:
        """Make durable what was taken."""
        parcels, self._parcels = self._parcels, [Parcel(origin=self._origin)]
        for parcel in parcels:
            if not (parcel.batch.rows or parcel.batch.samples or parcel.sessions):
                continue
            if parcel.origin == self._store.uuid:
                missing = await self._store.put_back(parcel)
                self.report.taken += missing
                self.report.known += len(parcel.batch.rows) - missing
            else:
                await self._store.adopt(parcel)
                self.report.taken += len(parcel.batch.rows)
            if taken is not None and parcel.batch.rows:
                taken(parcel.sessions, parcel.batch)

    def _begin(self, said: Line) -> None:
        origin, version = said.get("store"), said.get("v")
        if not isinstance(origin, str) or version != FORMAT:
            raise DamagedLine("an export of a version that is not known here")
        own = origin == self._store.uuid
        self._keep_numbers = own or (not self._begun and self._store.is_empty())
        self._origin = origin
        self._parcels.append(Parcel(origin=origin))
        nothing: tuple[Spans, Spans, dict[int, int]] = (Spans(), Spans(), {})
        known = nothing if own else self._store.known_origin(origin)
        self._events, self._samples, self._sessions = known

    def _take_session(self, session: SessionRow) -> None:
        if session.id in self._sessions:
            return
        local = session.id if self._keep_numbers else self._numbers.take_session()
        self._add_session(replace(session, id=local), session.id)

    def _take_sample(self, number: int, sample: ClockSample) -> None:
        if number in self._samples:
            return
        self._samples.add(number)
        parcel = self._parcels[-1]
        parcel.sample_ids.append(number)
        session = self._session_of(sample.session, {})
        parcel.batch.samples.append(sample._replace(session=session))

    def _take_event(self, row: EventRow, said: Line) -> None:
        if row.id in self._events:
            self.report.known += 1
            return
        self._events.add(row.id)
        parcel = self._parcels[-1]
        parcel.event_ids.append(row.id)
        session = self._session_of(row.session, said)
        if self._keep_numbers:
            self._numbers.skip_past(row.id, session)
        local = row.id if self._keep_numbers else self._numbers.take_id()
        parcel.batch.rows.append(row._replace(id=local, session=session))

    def _take_bare(self, said: Line) -> None:
        reader, location, chip, stamp, form = bare_read(said)
        if (reader, location) not in self._bare:
            session = self._stand_in(self._numbers.take_session(), reader, location)
            self._bare[reader, location] = session.id
            self._parcels[-1].sessions.append(session)
        self._parcels[-1].batch.rows.append(
            EventRow(
                id=self._numbers.take_id(),
                session=self._bare[reader, location],
                kind=int(Kind.READ),
                utc_ns=stamp if form is StampForm.UTC else self._clock.utc_ns(),
                boot_ns=0,
                chip=chip,
                stamp=stamp,
                form=int(form),
                antenna=None,
                rssi=None,
                seq=None,
                key=None,
                raw=orjson.dumps(said),
                note=None,
            )
        )

    def _session_of(self, number: int, said: Line) -> int:
        """Return what a session of the origin is here; one whose line was lost is made up."""
        if number not in self._sessions:
            reader, location = said.get("reader"), said.get("location")
            local = number if self._keep_numbers else self._numbers.take_session()
            made_up = self._stand_in(local, str(reader or DRIVER), str(location or ""))
            self._add_session(made_up, number)
        return self._sessions[number]

    def _add_session(self, session: SessionRow, number: int) -> None:
        self._sessions[number] = session.id
        parcel = self._parcels[-1]
        parcel.sessions.append(session)
        parcel.session_ids.append((number, session.id))
        if self._keep_numbers:
            self._numbers.skip_past(0, session.id)

    def _stand_in(self, number: int, reader: str, location: str) -> SessionRow:
        return SessionRow(
            id=number,
            reader=reader,
            driver=DRIVER,
            location=location,
            link=f"import:{self._source}",
            boot_id="",
            opened_ns=UtcNs(self._clock.utc_ns()),
            synchronised=True,
        )
