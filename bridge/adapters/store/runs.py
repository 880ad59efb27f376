"""Reads that came in together, stored as one row.

Binding fourteen columns and finding a place in the tree costs more than everything else that
happens to a read, and is the same work for thirty. So consecutive reads of one arrival become one
row of table `events` with kind `RUN`: `id` that of the first, `seq` how many, `stamp` the newest,
and in `raw` a line of JSON with their columns, a line feed, and their frames end to end. A column
that is the same throughout is told once.
"""

import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from operator import itemgetter
from types import NoneType
from typing import Any, Final

import orjson

from bridge.app.rows import Column, EventRow, Kind, ReadRun

RUN: Final = 9
"""`events.kind` of a run. Stored, next to those of `ports.Kind`: never renumber."""
LONGEST: Final = 32
"""Reads in a run: whoever wants one of them has to unpack all. Stored: never lower it."""
NEXT_ID: Final = (
    "SELECT id + CASE WHEN kind <> 9 THEN 1"
    " WHEN typeof(seq) = 'integer' AND seq BETWEEN 1 AND 32 THEN seq ELSE 32 END"
    " FROM events ORDER BY id DESC LIMIT 1"
)
"""First id above all events, whatever a garbled run says; no row if there is none."""
HOLDING: Final = (
    "SELECT DISTINCT e.* FROM json_each(?) AS wanted"
    " JOIN events AS e ON e.id = (SELECT max(id) FROM events WHERE id <= wanted.value)"
)
"""The rows that hold a JSON list of ids, if they are there; perhaps others too."""

_SHORTEST = 3
_READ = int(Kind.READ)
_ID = itemgetter(0)
_make_row = partial(tuple.__new__, EventRow)
_TEXT: frozenset[type] = frozenset({str, NoneType})
_NUMBER: frozenset[type] = frozenset({int, NoneType})
_TYPES: tuple[frozenset[type], ...] = (
    _TEXT, frozenset({int}), frozenset({int}), _NUMBER, frozenset({float, int, NoneType}), _NUMBER,
    _TEXT,
)  # fmt: skip
"""What may stand in chips, stamps, forms, antennas, signals, numbers and keys."""

Values = tuple[Any, ...]


class GarbledRow(sqlite3.DatabaseError):
    """A page that SQLite takes for sound holds something that we did not write."""

    sqlite_errorname = "SQLITE_CORRUPT"


def folded(rows: Sequence[EventRow], runs: Sequence[ReadRun]) -> Iterable[Values]:
    """Return what to store of events, in order of id."""
    packed = chain.from_iterable(map(_packed, runs))
    return sorted(chain(rows, packed), key=_ID) if rows and runs else chain(rows, packed)


def unfolded(found: Iterable[Values]) -> Iterator[EventRow]:
    """Yield the events of stored rows, each read for itself.

    Raises:
        GarbledRow: A run does not say what we write.
    """
    for values in found:
        if values[2] == RUN:
            yield from _members(values)
        else:
            yield _make_row(values)


def chips_of(values: Values) -> list[tuple[int, str]]:
    """Return (id, chip) of the reads in a stored row; `GarbledRow` as above."""
    if values[2] == RUN:
        return [(row.id, row.chip) for row in _members(values) if row.chip is not None]
    return [(values[0], values[5])] if values[2] == _READ and values[5] is not None else []


def rows_with(connection: sqlite3.Connection, ids: Iterable[int]) -> Mapping[int, EventRow]:
    """Return the events that have these ids, as far as they are there; `GarbledRow` as above."""
    wanted = set(ids)
    found = connection.execute(HOLDING, (orjson.dumps(list(wanted)).decode(),)).fetchall()
    return {row.id: row for row in unfolded(found) if row.id in wanted}


def _packed(run: ReadRun) -> Iterable[Values]:
    size = len(run)
    in_line = run.ids[-1] - run.ids[0] == size - 1
    if size < _SHORTEST or not in_line or not _told_by_json(run.rssis):
        return run
    told = (
        run.chips, run.stamps, run.forms, run.antennas, run.rssis, run.seqs, run.keys,
        tuple(map(len, run.raws)),
    )  # fmt: skip
    same = [column.count(column[0]) == size for column in told]
    rows = []
    for at in range(0, size, LONGEST):
        behind = min(at + LONGEST, size)
        head = orjson.dumps(
            [
                column[0] if is_same else column[at:behind]
                for column, is_same in zip(told, same, strict=True)
            ]
        )
        pack = b"%b\n%b" % (head, b"".join(run.raws[at:behind]))
        rows.append((
            run.ids[at], run.session, RUN, run.utc_ns, run.boot_ns, None,
            max(run.stamps[at:behind]), run.forms[at], None, None, behind - at, None, pack, None,
        ))  # fmt: skip
    return rows


def _told_by_json(rssis: Column) -> bool:
    """Say whether JSON has words for all of them: it has none for infinities."""
    return rssis.count(None) == len(rssis) or all(
        rssi is None or math.isfinite(rssi) for rssi in rssis
    )


def _members(values: Values) -> list[EventRow]:
    first, session, _, utc_ns, boot_ns, *_, size, _, pack, _ = values
    if type(size) is not int or type(pack) is not bytes or not 0 < size <= LONGEST:
        raise GarbledRow(f"the reads from {first} on are garbled: nothing says how many")
    try:
        head, _, body = pack.partition(b"\n")
        *told, lengths = orjson.loads(head)
        chips, stamps, forms, antennas, rssis, seqs, keys = (
            _spread(column, size, allowed) for column, allowed in zip(told, _TYPES, strict=True)
        )
        made = zip(
            range(first, first + size), repeat(session), repeat(_READ), repeat(utc_ns),
            repeat(boot_ns), chips, stamps, forms, antennas, rssis, seqs, keys,
            _cut(body, lengths, size), repeat(None), strict=False,
        )  # fmt: skip
        rows = list(map(_make_row, made))
    except (ValueError, TypeError) as error:
        raise GarbledRow(f"the reads from {first} on are garbled: {error}") from None
    if len(rows) != size:
        raise GarbledRow(f"the reads from {first} on are not all there")
    return rows


def _spread(column: object, size: int, allowed: frozenset[type]) -> Iterable[object]:
    if not isinstance(column, list):
        if type(column) not in allowed:
            raise ValueError("a column is something else")
        return repeat(column)
    if len(column) != size:
        raise ValueError("a column is too short")
    if not allowed.issuperset(map(type, column)):
        raise ValueError("something else is in a column")
    return column


def _cut(body: bytes, lengths: int | list[int], size: int) -> list[bytes]:
    if isinstance(lengths, int):
        if len(body) != lengths * size:
            raise ValueError("the frames are not all there")
        return [body[at : at + lengths] for at in range(0, len(body), lengths)] or [b""] * size
    frames, at = [], 0
    for length in lengths:
        frames.append(body[at : at + length])
        at += length
    if at != len(body):
        raise ValueError("the frames are not all there")
    return frames
