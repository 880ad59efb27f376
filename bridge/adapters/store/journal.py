"""The journal: frames, sessions, clock samples and own crossings."""

import json
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bridge.adapters.store.chip_index import chips_in, ids_of
from bridge.adapters.store.core import Core
from bridge.adapters.store.runs import LONGEST, RUN, rows_with, unfolded
from bridge.app.rows import (
    Batch,
    ClockSample,
    CrossingRow,
    EventRow,
    Kind,
    ReadRun,
    SessionRow,
)
from bridge.domain.reads import StampForm, UtcNs

_PAGE = 1000
_RUNS = 100
_STAMP_ROWS = 1000
_STAMP_WINDOW = 20_000
_STAMP_WINDOWS = 10


class Numbers(NamedTuple):
    """First free numbers."""

    event: int
    session: int
    seq: int


class JournalPart:
    """`ports.Journal` over a store's core."""

    _core: Core
    _numbers: Numbers

    @property
    def trouble(self) -> str | None:
        """What is wrong with the disk right now, in words, or None."""
        return self._core.trouble

    @property
    def backlog(self) -> int:
        """Rows queued and not yet durable."""
        return self._core.backlog

    @property
    def next_id(self) -> int:
        """First free event id as of opening."""
        return self._numbers.event

    @property
    def next_session(self) -> int:
        """First free session id as of opening."""
        return self._numbers.session

    @property
    def next_seq(self) -> int:
        """First free crossing seq as of opening."""
        return self._numbers.seq

    def append(self, batch: Batch) -> Awaitable[None]:
        """See `ports.Journal.append`.

        Raises (from the awaitable):
            JournalError: This batch can never be stored: an id is taken, a number too large.
        """
        return self._core.append(batch)

    def remember_recent(self, run: ReadRun) -> None:
        """See `ports.Store.remember_recent`; the run has to be appended later."""
        self._core.recent.add_run(run)

    def open_session(self, session: SessionRow) -> Awaitable[None]:
        """Record a connection before its first row."""
        values = session_values(session)
        return self._core.write(
            lambda connection: _nothing(
                connection.execute("INSERT INTO sessions VALUES(?, ?, ?, ?, ?, ?, ?, ?)", values)
            )
        )

    def sessions(self) -> Mapping[int, SessionRow]:
        """Return every session on record."""
        found = self._core.fetch("SELECT * FROM sessions ORDER BY id")
        return {values[0]: session_of(values) for values in found}

    def samples(self) -> Iterator[ClockSample]:
        """Yield every clock sample, oldest first."""
        after = -1
        while page := self._core.fetch(
            "SELECT * FROM samples WHERE id > ? ORDER BY id LIMIT ?", (after, _PAGE)
        ):
            for values in page:
                yield ClockSample._make(values[1:])._replace(step=bool(values[7]))
            after = page[-1][0]

    def memory(self, reader: str) -> str | None:
        """Return the newest durable `Remember` of a reader."""
        found = self._core.fetch("SELECT memory FROM memories WHERE reader = ?", (reader,))
        return found[0][0] if found else None

    def last_stamp(self, reader: str) -> int | None:
        """Return the newest stamp among the reader's last thousand reads, or None.

        Looks through the last 200,000 frames of all readers; older ones say nothing about now.
        """
        sessions = self._core.fetch("SELECT id FROM sessions WHERE reader = ?", (reader,))
        numbers = json.dumps([number for (number,) in sessions])
        newest: int | None = None
        count, before = 0, 1 << 62
        for _window in range(_STAMP_WINDOWS if sessions else 0):
            ((lowest,),) = self._core.fetch(
                "SELECT min(id) FROM (SELECT id FROM events WHERE id < ? ORDER BY id DESC LIMIT ?)",
                (before, _STAMP_WINDOW),
            )
            if lowest is None:
                break
            ((found, stamp),) = self._core.fetch(
                "SELECT coalesce(sum(iif(kind = ?, seq, 1)), 0), max(stamp)"
                " FROM (SELECT kind, seq, stamp FROM events WHERE id >= ?"
                " AND id < ? AND kind IN (?, ?) AND form <> ?"
                " AND session IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?)",
                (
                    RUN,
                    lowest,
                    before,
                    int(Kind.READ),
                    RUN,
                    int(StampForm.ABSENT),
                    numbers,
                    _STAMP_ROWS - count,
                ),
            )
            count, before = count + found, lowest
            if stamp is not None:
                newest = stamp if newest is None else max(newest, stamp)
            if count >= _STAMP_ROWS:
                break
        return newest

    def rows(self, first_id: int = 0, kinds: Sequence[Kind] = (Kind.READ,)) -> Iterator[EventRow]:
        """Yield rows in id order, a few thousand in memory at most."""
        wanted = json.dumps([*map(int, kinds), *([RUN] if Kind.READ in kinds else [])])
        behind = first_id - LONGEST
        while page := self._core.fetch(
            "SELECT * FROM events WHERE id > ? AND kind IN (SELECT value FROM json_each(?))"
            " ORDER BY id LIMIT ?",
            (behind, wanted, _RUNS),
        ):
            with self._core.reading():
                yield from (row for row in unfolded(page) if row.id >= first_id)
            behind = page[-1][0]

    def reads_of(self, chips: Sequence[str]) -> list[EventRow]:
        """Return every READ row of these exact chip texts, in id order."""
        wanted = set(chips)
        rows: dict[int, EventRow] = {}
        ids: set[int] = set()
        with self._core.reading() as connection:
            for chip in wanted:
                # memory first: a generation that is sealed between the two is then seen twice
                ids.update(self._core.recent.ids(chip))
                ids.update(ids_of(connection, chip))
            for row_id in ids:
                row = self._core.recent.row(row_id)
                if row is not None:
                    rows[row_id] = row
            rows.update(rows_with(connection, (row_id for row_id in ids if row_id not in rows)))
        # an id whose row was lost with a damaged page may have been given again
        return [row for _id, row in sorted(rows.items()) if row.chip in wanted]

    def chips_seen(self) -> Iterator[str]:
        """Yield each distinct chip text on record."""
        with self._core.reading() as connection:
            yield from chips_in(connection, self._core.recent.chips())

    def crossings(self, first_seq: int, last_seq: int) -> Iterator[CrossingRow]:
        """Yield own crossing messages in seq order, both ends included."""
        while page := self._core.fetch(
            "SELECT * FROM crossings WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
            (first_seq, last_seq, _PAGE),
        ):
            yield from map(CrossingRow._make, page)
            first_seq = page[-1][0] + 1


def session_values(session: SessionRow) -> tuple[int | str, ...]:
    """Return the columns of table `sessions`."""
    return (
        session.id,
        session.reader,
        session.driver,
        session.location,
        session.link,
        session.boot_id,
        session.opened_ns,
        int(session.synchronised),
    )


def session_of(values: tuple[int | str, ...]) -> SessionRow:
    """Make a session of a row of table `sessions`."""
    number, reader, driver, location, link, boot_id, opened_ns, synchronised = values
    return SessionRow(
        id=int(number),
        reader=str(reader),
        driver=str(driver),
        location=str(location),
        link=str(link),
        boot_id=str(boot_id),
        opened_ns=UtcNs(int(opened_ns)),
        synchronised=bool(synchronised),
    )


def _nothing(_cursor: object) -> None:
    return None
