"""Insert event rows: the statement that every read of a race goes through."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from bridge.adapters.store.runs import Values
from bridge.app.ports import EventRow

_COLUMNS: Final = len(EventRow._fields)
_FEW: Final = 8
"""Below this, looking for columns that are the same throughout costs more than it saves."""
_NEVER_NULL: Final = frozenset({0, 3, 4, 6, 12})
"""Columns in which every row has a value of its own: id, moments, stamp and bytes."""
_PLAIN: Final = f"INSERT INTO events VALUES({', '.join('?' * _COLUMNS)})"


def insert_events(connection: sqlite3.Connection, rows: Sequence[Values]) -> None:
    """Insert rows of the table in order.

    Most readers leave several columns empty in all their reads. Binding a value costs about as
    much as storing it, so an empty column is written into the statement instead: the reads of an
    IPICO are stored in two thirds of the time.
    """
    if len(rows) < _FEW:
        connection.executemany(_PLAIN, map(tuple, rows))
        return
    columns = list(zip(*rows, strict=True))
    empty = {
        number
        for number, column in enumerate(columns)
        if number not in _NEVER_NULL and column[0] is None and column.count(None) == len(rows)
    }
    marks = ("NULL" if number in empty else "?" for number in range(_COLUMNS))
    filled = (column for number, column in enumerate(columns) if number not in empty)
    connection.executemany(
        f"INSERT INTO events VALUES({', '.join(marks)})",
        zip(*filled, strict=True),
    )
