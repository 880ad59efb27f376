"""Reads and crossings as numbered records, straight from the journal.

The n-th record is the n-th READ row, or crossing message, of the wanted locations: a function of
the journal alone, so that a number means the same after every restart. In memory stands only where
to begin to look: the journal id of every 64th read, the seq of each crossing.
"""

import asyncio
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import tzinfo
from itertools import islice
from typing import NamedTuple, Protocol

import orjson

from bridge.app.payloads import read as read_payload
from bridge.app.ports import Store
from bridge.app.rows import CrossingRow, EventRow, ReadRun, SessionRow
from bridge.app.timebase import BAD
from bridge.app.timing import Timing
from bridge.domain.marked import Marked
from bridge.domain.reads import NS_PER_MS, Chip
from bridge.domain.results import TimedRead
from bridge.domain.rules import ReaderRules
from bridge.driver_api import Archive, Sighting

STEP = 64
"""Reads between two journal ids kept in memory."""
SLICE = 1_000
"""Stretches of reads, or crossings, looked at between two turns of the event loop at start."""
TAIL = 500
"""Newest reads kept as they are, so that live ones need not be read again for each client."""
RESUMED = 64
"""Places kept at which somebody has stopped reading, so that the next page begins right there."""

Stamp = Callable[[int], int]
"""UTC ns -> the number that the protocol's stamp is."""


class Records(Archive, Protocol):
    """An archive that also gives its records as JSON, and translates its numbers."""

    def messages(self, first: int, count: int) -> Sequence[bytes]:
        """Return up to `count` records from number `first` on, each a JSON object with its ``n``.

        Fewer where there are no more.
        """
        ...

    def mark_of(self, number: int) -> int:
        """Return where in the journal a record stands, which no other numbering can change."""
        ...

    def number_of(self, mark: int) -> int:
        """Return the number of the last record at or before `mark`."""
        ...

    async def catch_up(self) -> None:
        """Number what is on record, a slice at a time; then nothing durable is missing."""
        ...

    def release(self) -> None:
        """Let records be read whose time is certain by now."""
        ...


class _Held(NamedTuple):
    """Reads that may be read once their reader's clock is known."""

    upto: int
    row: EventRow | None
    """The first of them; None: only the journal has to be read."""


class ReadArchive:
    """READ rows of some locations, by the location their reader had when they were taken."""

    def __init__(
        self,
        store: Store,
        timing: Timing,
        places: Collection[str],
        stamp: Stamp,
        zone: Callable[[], tzinfo],
    ) -> None:
        self._store = store
        self._timing = timing
        self._wanted = frozenset(places)
        self._stamp = stamp
        self._zone = zone
        self._places: dict[int, str] = {}
        """Session -> its location, of all sessions seen so far."""
        self._sessions: tuple[int, ...] = ()
        self._ids = array("q")
        self._count = self._ready = 0
        self._behind = 0
        """Rows before this id are numbered."""
        self._is_complete = False
        self._held: deque[_Held] = deque()
        self._tail: deque[EventRow] = deque(maxlen=TAIL)
        """The last of them has number `_count`."""
        self._resume: dict[int, int] = {}
        """Number of a record -> a journal id at or before it, with no other wanted one between."""

    def __len__(self) -> int:
        return self._ready

    async def catch_up(self) -> None:
        """See `Records.catch_up`."""
        while part := list(islice(self._store.read_spans(self._behind), SLICE)):
            for first, session, count in part:
                self._add(first, session, count)
            await asyncio.sleep(0)
        self._is_complete = True
        self._held.append(_Held(self._count, None))
        self.release()

    def took(self, run: ReadRun) -> None:
        """Learn of reads that have become durable, in the order of their ids."""
        if not self._is_complete or run.ids[-1] < self._behind:
            return
        before = self._count
        if run.ids[-1] - run.ids[0] == len(run) - 1:
            self._add(run.ids[0], run.session, len(run))
        else:
            for number in run.ids:
                self._add(number, run.session, 1)
        if self._count == before:
            return
        if self._count - before != len(run):
            self._tail.clear()  # some of them were numbered from the journal
        else:
            self._tail.extend(run)
        if not self._held and not self._waits(run[0]):
            self._ready = self._count
        elif self._held and (last := self._held[-1].row) and last.session == run.session:
            self._held[-1] = _Held(self._count, last)
        else:
            self._held.append(_Held(self._count, run[0]))

    def release(self) -> None:
        """See `Records.release`."""
        while self._held and not self._waits(self._held[0].row):
            self._ready = self._held.popleft().upto

    def read(self, first: int, count: int) -> Sequence[Sighting]:
        """See `Archive.read`."""
        return [
            Sighting(
                chip=Chip(read.chip),
                stamp=self._stamp(at),
                antenna=read.antenna or 1,
                rssi=read.rssi or 0.0,
                seq=number,
                place=place,
            )
            for number, read, at, place in self._timed(first, count)
        ]

    def messages(self, first: int, count: int) -> Sequence[bytes]:
        """See `Records.messages`."""
        site, zone = self._timing.rules.site, self._zone()
        return [
            b'{"n":%d,"id":"%s-%d",%s'
            % (
                number,
                site.encode(),
                read.id,
                read_payload(
                    site=site,
                    location=place,
                    reader=read.reader,
                    chip=read.chip,
                    at_ns=at,
                    antenna=read.antenna,
                    rssi=read.rssi,
                    zone=zone,
                )[1:],
            )
            for number, read, at, place in self._timed(first, count)
        ]

    def mark_of(self, number: int) -> int:
        """See `Records.mark_of`: a journal id."""
        rows = self._rows(number, 1)
        return rows[0].id if rows else 0

    def number_of(self, mark: int) -> int:
        """See `Records.number_of`."""
        block = bisect_right(self._ids, mark) - 1
        if block < 0:
            return 0
        number = block * STEP
        for row in islice(self._store.reads_in(self._ids[block], self._sessions), STEP):
            if row.id > mark:
                break
            number += 1
        return number

    def _waits(self, row: EventRow | None) -> bool:
        timing = self._timing
        return timing.rebuilding or (timing.stale if row is None else timing.waits(row))

    def _add(self, first: int, session: int, count: int) -> None:
        skipped = max(self._behind - first, 0)
        first, count = first + skipped, count - skipped
        if count <= 0:
            return
        self._behind = first + count
        if self._place(session) not in self._wanted:
            return
        number = self._count
        self._ids.extend(range(first + -number % STEP, first + count, STEP))
        self._count += count

    def _place(self, session: int) -> str:
        """Return the location of a session, "" where its record was lost."""
        if session not in self._places:
            known = self._store.sessions()
            readers = self._timing.rules.readers
            self._places = {number: _location(row, readers) for number, row in known.items()}
            self._places.setdefault(session, "")
            self._sessions = tuple(
                number for number, place in self._places.items() if place in self._wanted
            )
        return self._places[session]

    def _rows(self, first: int, count: int) -> list[EventRow]:
        count = min(count, self._ready - first + 1)
        if first < 1 or count <= 0:
            return []
        behind = self._count - first + 1
        if behind <= len(self._tail):
            begins = len(self._tail) - behind
            return list(islice(self._tail, begins, begins + count))
        begin = self._resume.pop(first, None)
        skip = 0
        if begin is None:
            block, skip = divmod(first - 1, STEP)
            begin = self._ids[block]
        rows = list(islice(self._store.reads_in(begin, self._sessions), skip, skip + count))
        if rows:
            self._resume[first + len(rows)] = rows[-1].id + 1
            if len(self._resume) > RESUMED:
                del self._resume[next(iter(self._resume))]
        return rows

    def _timed(self, first: int, count: int) -> list[tuple[int, TimedRead, int, str]]:
        """Return (number, read, UTC ns, location); a time not to be believed is the arrival."""
        first = max(first, 1)
        rows = self._rows(first, count)
        timebase = self._timing.timebase
        return [
            (
                number,
                read,
                timebase.arrival(row) if read.at == BAD else read.at,
                self._places[row.session],
            )
            for number, (row, read) in enumerate(
                zip(rows, timebase.timed(rows), strict=True), start=first
            )
        ]


def _location(session: SessionRow, readers: Mapping[str, ReaderRules]) -> str:
    """Return where a session's reader stood; an import need not say so of one we know."""
    reader = readers.get(session.reader)
    return session.location or (reader.location if reader is not None else "")


class CrossingArchive:
    """Crossings of some locations.

    Either every message about them, revisions and withdrawals included, or, for protocols that
    cannot take anything back, each crossing once: as it was when it first was final.
    """

    def __init__(
        self, store: Store, places: Collection[str], stamp: Stamp, *, revisions: bool
    ) -> None:
        self._store = store
        self._wanted = frozenset(places)
        self._stamp = stamp
        self._revisions = revisions
        self._seqs = array("q")
        self._told = Marked()
        """Anchors of crossings that have been final."""
        self._behind = 1
        self._is_complete = False

    def __len__(self) -> int:
        return len(self._seqs)

    async def catch_up(self) -> None:
        """See `Records.catch_up`."""
        while part := list(islice(self._store.crossings(self._behind, 2**62), SLICE // 4)):
            self._add(part)
            await asyncio.sleep(0)
        self._is_complete = True

    def took(self, rows: Sequence[CrossingRow]) -> None:
        """Learn of messages that have become durable, in the order of their seq."""
        if self._is_complete:
            self._add(rows)

    def release(self) -> None:
        """Do nothing: a crossing's time is certain, or it is told again."""

    def read(self, first: int, count: int) -> Sequence[Sighting]:
        """See `Archive.read`."""
        found = []
        for number, row in self._rows(first, count):
            told = orjson.loads(row.payload)
            at = told["at_ms"] * NS_PER_MS + told["at_sub_ns"]
            found.append(
                Sighting(
                    chip=Chip(told["chip"]),
                    stamp=self._stamp(at),
                    antenna=told["antenna"] or 1,
                    rssi=told["rssi"] or 0.0,
                    seq=number,
                    place=row.location,
                )
            )
        return found

    def messages(self, first: int, count: int) -> Sequence[bytes]:
        """See `Records.messages`."""
        return [
            b'{"n":%d,%s' % (number, row.payload[1:]) for number, row in self._rows(first, count)
        ]

    def mark_of(self, number: int) -> int:
        """See `Records.mark_of`: a seq."""
        return self._seqs[number - 1] if 0 < number <= len(self._seqs) else 0

    def number_of(self, mark: int) -> int:
        """See `Records.number_of`."""
        return bisect_right(self._seqs, mark)

    def _rows(self, first: int, count: int) -> list[tuple[int, CrossingRow]]:
        first = max(first, 1)
        wanted = self._seqs[first - 1 : first - 1 + max(count, 0)]
        if not wanted:
            return []
        numbers = {seq: number for number, seq in enumerate(wanted, start=first)}
        rows = self._store.crossings(wanted[0], wanted[-1])
        return [(numbers[row.seq], row) for row in rows if row.seq in numbers]

    def _add(self, rows: Sequence[CrossingRow]) -> None:
        for row in rows:
            if row.seq < self._behind:
                continue
            self._behind = row.seq + 1
            if row.location in self._wanted and (self._revisions or self._is_news(row)):
                self._seqs.append(row.seq)

    def _is_news(self, row: CrossingRow) -> bool:
        """Say whether a crossing is final for the first time, and note it; it needs a time."""
        if b'"state":"final"' not in row.payload or b'"at_ms":null' in row.payload:
            return False
        return self._told.add(row.anchor)
