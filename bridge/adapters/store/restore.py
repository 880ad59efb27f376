"""Taking in what was exported, here or elsewhere, so that nothing is taken twice."""

import sqlite3
from collections.abc import Awaitable
from dataclasses import dataclass, field

from bridge.adapters.store.chip_index import seal_at_once
from bridge.adapters.store.core import Core
from bridge.adapters.store.journal import session_values
from bridge.adapters.store.ranges import Spans, add_numbers
from bridge.adapters.store.recent import Generation
from bridge.adapters.store.runs import NEXT_ID, rows_with
from bridge.app.ports import Batch, Kind, SessionRow

_SESSION = "INSERT OR IGNORE INTO sessions VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
_SAMPLE = "INSERT OR IGNORE INTO samples VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
_EVENT = "INSERT OR IGNORE INTO events VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Parcel:
    """A part of an import, under the numbers it gets here."""

    batch: Batch = field(default_factory=Batch)
    sessions: list[SessionRow] = field(default_factory=list)
    origin: str | None = None
    """The uuid of the store it was exported from, or None."""
    event_ids: list[int] = field(default_factory=list)
    sample_ids: list[int] = field(default_factory=list)
    session_ids: list[tuple[int, int]] = field(default_factory=list)
    """Numbers of the origin; sessions with the number they got here."""


class RestorePart:
    """The store's side of an import."""

    _core: Core

    def is_empty(self) -> bool:
        """Tell whether nothing was ever journalled here."""
        ((used,),) = self._core.fetch(
            "SELECT EXISTS(SELECT 1 FROM events) OR EXISTS(SELECT 1 FROM sessions)"
            " OR EXISTS(SELECT 1 FROM samples) OR EXISTS(SELECT 1 FROM notes WHERE name IN"
            " ('store.floor', 'store.salvage'))"
        )
        return not used

    def first_free(self) -> tuple[int, int]:
        """Return event id and session id above all that are durable now."""
        ((event, session),) = self._core.fetch(
            f"SELECT ({NEXT_ID}), (SELECT max(id) + 1 FROM sessions)"  # noqa: S608  our own words
        )
        return event or 1, session or 1

    def known_origin(self, origin: str) -> tuple[Spans, Spans, dict[int, int]]:
        """Return which events and samples of a store are here, and what its sessions became."""
        sql = "SELECT first, last FROM ranges WHERE name = ? ORDER BY first"
        events = self._core.fetch(sql, (_events_of(origin),))
        samples = self._core.fetch(sql, (_samples_of(origin),))
        sessions = self._core.fetch(
            "SELECT session, local FROM origin_sessions WHERE store = ?", (origin,)
        )
        return Spans((a, b) for a, b in events), Spans((a, b) for a, b in samples), dict(sessions)

    def adopt(self, parcel: Parcel) -> Awaitable[None]:
        """Store a parcel and where it came from, in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            connection.executemany(_SESSION, map(session_values, parcel.sessions))
            if parcel.origin is not None:
                add_numbers(connection, _events_of(parcel.origin), parcel.event_ids)
                add_numbers(connection, _samples_of(parcel.origin), parcel.sample_ids)
                connection.executemany(
                    "INSERT OR REPLACE INTO origin_sessions VALUES(?, ?, ?)",
                    [(parcel.origin, *numbers) for numbers in parcel.session_ids],
                )

        return self._core.append(parcel.batch, run)

    def put_back(self, parcel: Parcel) -> Awaitable[int]:
        """Put rows of this very store back under their own ids; return how many were missing."""
        batch = parcel.batch
        samples = list(zip(parcel.sample_ids, batch.samples, strict=True))

        def run(connection: sqlite3.Connection) -> int:
            connection.executemany(_SESSION, map(session_values, parcel.sessions))
            connection.executemany(_SAMPLE, [(number, *sample) for number, sample in samples])
            generation, missing = Generation(tail=False), 0
            here = rows_with(connection, (row.id for row in batch.rows))
            for row in batch.rows:
                if row.id in here or not connection.execute(_EVENT, tuple(row)).rowcount:
                    continue
                missing += 1
                if row.kind == Kind.READ and row.chip is not None:
                    generation.add(row.id, row.chip)
            if generation.reads:
                seal_at_once(connection, generation)
            return missing

        return self._core.write(run, rows=len(batch.rows))


def _events_of(origin: str) -> str:
    return f"origin:{origin}:events"


def _samples_of(origin: str) -> str:
    return f"origin:{origin}:samples"
