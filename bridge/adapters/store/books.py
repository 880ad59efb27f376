"""The small books of a race: operator marks, what the provider acknowledged, notes."""

import sqlite3
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace

import orjson

from bridge.adapters.store.core import Core, Values
from bridge.app.ports import PostRow
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import UtcNs
from bridge.errors import NotFound

_PAGE = 500


class MarkPart:
    """`ports.MarkBook`."""

    _core: Core

    def marks(self) -> list[Mark]:
        """Return all marks, oldest first, undone ones included."""
        found = self._core.fetch(
            "SELECT m.*, u.mark FROM marks m LEFT JOIN undone u ON u.mark = m.id ORDER BY m.id"
        )
        return [_mark(values) for values in found]

    def add(self, mark: Mark) -> Awaitable[Mark]:
        """Record a mark; its `id` is assigned here and returned in the copy."""

        def run(connection: sqlite3.Connection) -> Mark:
            cursor = connection.execute(
                "INSERT INTO marks SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
                " FROM marks RETURNING id",
                (
                    mark.kind.value,
                    mark.made_at,
                    mark.author,
                    mark.event_id,
                    mark.wave,
                    mark.bib,
                    mark.other_bib,
                    mark.location,
                    mark.at,
                    mark.note,
                ),
            )
            ((number,),) = cursor.fetchall()
            return replace(mark, id=number)

        return self._core.write(run)

    def undo(self, mark_id: int, *, author: str, made_at: UtcNs) -> Awaitable[None]:
        """Mark it undone; the first to do so is kept.

        Raises (from the awaitable):
            NotFound: There is no such mark.
        """

        def run(connection: sqlite3.Connection) -> None:
            if not connection.execute("SELECT 1 FROM marks WHERE id = ?", (mark_id,)).fetchall():
                raise NotFound(f"there is no mark {mark_id}")
            connection.execute(
                "INSERT OR IGNORE INTO undone VALUES(?, ?, ?)", (mark_id, author, made_at)
            )

        return self._core.write(run)


class PostPart:
    """`ports.PostLedger`."""

    _core: Core

    def posted(self) -> Iterator[PostRow]:
        """Yield the whole ledger by event and registration."""
        after = (-(1 << 62), 0)
        while page := self._core.fetch(
            "SELECT * FROM posts WHERE (event_id, registration_id) > (?, ?)"
            " ORDER BY event_id, registration_id LIMIT ?",
            (*after, _PAGE),
        ):
            for event_id, registration_id, fields, refused, attempted in page:
                after = (event_id, registration_id)
                yield PostRow(
                    event_id,
                    registration_id,
                    orjson.loads(fields),
                    refused,
                    None if attempted is None else orjson.loads(attempted),
                )

    def settle(self, rows: Sequence[PostRow]) -> Awaitable[None]:
        """Record what was accepted or refused; replaces the runner's row."""
        values = [
            (
                row.event_id,
                row.registration_id,
                _json(row.fields),
                row.refused,
                None if row.attempted is None else _json(row.attempted),
            )
            for row in rows
        ]

        def run(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO posts VALUES(?, ?, ?, ?, ?)", values)

        return self._core.write(run, rows=len(values))


class NotePart:
    """`ports.Notes`. Names that begin with ``store.`` are the store's own."""

    _core: Core

    def get(self, name: str) -> str | None:
        """Return the value, or None."""
        found = self._core.fetch("SELECT value FROM notes WHERE name = ?", (name,))
        return found[0][0] if found else None

    def put(self, name: str, value: str, *, lazy: bool = False) -> Awaitable[None]:
        """Store a value; lazy as in `Batch.lazy`."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO notes VALUES(?, ?)", (name, value))

        return self._core.write(run, lazy=lazy)


def _mark(values: Values) -> Mark:
    number, kind, made_at, author, event_id, wave, bib, other_bib, location, at, note, undone = (
        values
    )
    return Mark(
        id=number,
        kind=MarkKind(kind),
        made_at=made_at,
        author=author,
        event_id=event_id,
        wave=wave,
        bib=bib,
        other_bib=other_bib,
        location=location,
        at=at,
        note=note,
        undone=undone is not None,
    )


def _json(fields: Mapping[str, object]) -> str:
    return orjson.dumps(dict(fields)).decode()
