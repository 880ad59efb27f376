"""Participants: the provider's word and what was assigned on site, kept apart."""

import sqlite3
from collections.abc import Awaitable, Iterable

import orjson

from bridge.adapters.store.core import Core, Values
from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.rules import EventId

_COLUMNS = (
    "event_id",
    "bib",
    "chips",
    "first_name",
    "last_name",
    "wave",
    "start_ns",
    "gender",
    "age",
)
# the WHERE keeps a sync that brings nothing new from writing a page
_UPSERT = (
    "INSERT INTO roster VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(registration_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
    + " WHERE "
    + " OR ".join(f"{name} IS NOT excluded.{name}" for name in _COLUMNS)
)


class RosterPart:
    """`ports.RosterStore`."""

    _core: Core

    def entrants(self) -> dict[RegistrationId, Entrant]:
        """Return everybody, local bibs and chips laid over the provider's."""
        found = self._core.fetch(
            "SELECT r.registration_id, r.event_id, coalesce(a.bib, r.bib),"
            " coalesce(a.chips, r.chips), r.first_name, r.last_name, r.wave, r.start_ns, r.gender,"
            " r.age FROM roster r LEFT JOIN assignments a USING(registration_id)"
            " ORDER BY r.registration_id"
        )
        return {values[0]: _entrant(values) for values in found}

    def merge(
        self,
        event_id: EventId,
        upserts: Iterable[Entrant],
        removed: Iterable[RegistrationId],
        *,
        cursor: int | None,
        whole: bool = False,
    ) -> Awaitable[None]:
        """See `ports.RosterStore.merge`; assignments of removed registrations stay."""
        rows = [_values(entrant) for entrant in upserts]
        gone = [(event_id, number) for number in removed]
        kept = orjson.dumps([row[0] for row in rows]).decode()

        def run(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM roster WHERE event_id = ? AND registration_id = ?", gone
            )
            if whole:
                connection.execute(
                    "DELETE FROM roster WHERE event_id = ?"
                    " AND registration_id NOT IN (SELECT value FROM json_each(?))",
                    (event_id, kept),
                )
            connection.executemany(_UPSERT, rows)
            if cursor is not None:
                connection.execute(
                    "INSERT INTO cursors VALUES(?, ?) ON CONFLICT(event_id) DO UPDATE"
                    " SET cursor = excluded.cursor WHERE cursor <> excluded.cursor",
                    (event_id, cursor),
                )

        return self._core.write(run, rows=len(rows))

    def cursor(self, event_id: EventId) -> int | None:
        """Return where to continue asking, or None before the first full load."""
        found = self._core.fetch("SELECT cursor FROM cursors WHERE event_id = ?", (event_id,))
        return found[0][0] if found else None

    def assign(
        self, registration_id: RegistrationId, *, bib: int | None, chips: tuple[str, ...] | None
    ) -> Awaitable[None]:
        """Record a bib or chips given on site; None leaves what was assigned before."""
        listed = None if chips is None else orjson.dumps(chips).decode()

        def run(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO assignments VALUES(?, ?, ?) ON CONFLICT(registration_id) DO UPDATE"
                " SET bib = coalesce(excluded.bib, bib), chips = coalesce(excluded.chips, chips)",
                (registration_id, bib, listed),
            )

        return self._core.write(run)


def _values(entrant: Entrant) -> Values:
    return (
        entrant.registration_id,
        entrant.event_id,
        entrant.bib,
        orjson.dumps(entrant.chips).decode(),
        entrant.first_name,
        entrant.last_name,
        entrant.wave,
        entrant.start_ns,
        entrant.gender,
        entrant.age,
    )


def _entrant(values: Values) -> Entrant:
    registration_id, event_id, bib, chips, first, last, wave, start_ns, gender, age = values
    return Entrant(
        registration_id=registration_id,
        event_id=event_id,
        bib=bib,
        chips=tuple(orjson.loads(chips)),
        first_name=first,
        last_name=last,
        wave=wave,
        start_ns=start_ns,
        gender=gender,
        age=age,
    )
