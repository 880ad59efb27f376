"""Write a journal out as JSON Lines, from a running store's file or a copy of it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import orjson

from bridge.adapters.store.core import Values
from bridge.adapters.store.journal import session_of
from bridge.adapters.store.lines import event_line, header_line, sample_line, session_line
from bridge.adapters.store.runs import unfolded
from bridge.adapters.store.schema import UUID_NOTE, connect_reader
from bridge.app.ports import ClockSample
from bridge.errors import JournalError

_PAGE = 500


def export_reads(store_path: Path, out: Callable[[bytes], object]) -> int:
    """Write everything in the journal to `out`, a line a call; return the number of events.

    Raises:
        JournalError: The file can not be read.
    """
    try:
        with closing(connect_reader(store_path)) as connection:
            return _export(connection, out)
    except sqlite3.Error as error:
        raise JournalError(f"{store_path} can not be read: {error}") from error


def _export(connection: sqlite3.Connection, out: Callable[[bytes], object]) -> int:
    (store,) = connection.execute("SELECT value FROM notes WHERE name = ?", (UUID_NOTE,)).fetchone()
    out(header_line(orjson.loads(store)))
    found = connection.execute("SELECT * FROM sessions ORDER BY id").fetchall()
    sessions = {values[0]: session_of(values) for values in found}
    for session in sessions.values():
        out(session_line(session))
    count = 0
    for row in unfolded(_paged(connection, "events")):
        if row.session not in sessions:  # opened while we were writing
            again = connection.execute("SELECT * FROM sessions WHERE id = ?", (row.session,))
            for late in map(session_of, again.fetchall()):
                sessions[late.id] = late
                out(session_line(late))
        out(event_line(row, sessions.get(row.session)))
        count += 1
    for values in _paged(connection, "samples"):
        sample = ClockSample._make(values[1:])
        out(sample_line(values[0], sample._replace(step=bool(sample.step))))
    return count


def _paged(connection: sqlite3.Connection, table: str) -> Iterator[Values]:
    """Yield rows by id without a long read transaction: the log can be reset meanwhile."""
    after = -1
    sql = f"SELECT * FROM {table} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608  our own names
    while page := connection.execute(sql, (after, _PAGE)).fetchall():
        yield from page
        after = page[-1][0]
