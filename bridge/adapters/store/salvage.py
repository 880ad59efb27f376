"""Bring what can be read of a damaged store into the fresh one that took its place.

The small tables that the service needs at once are carried over by SQLite before it starts; the
journal itself is read raw, page by page, in the background.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Final

import orjson

from bridge.adapters.store.chip_index import seal_at_once
from bridge.adapters.store.pages import PageFile, Record, Value
from bridge.adapters.store.recent import Generation
from bridge.adapters.store.runs import NEXT_ID, GarbledRow, chips_of
from bridge.adapters.store.schema import COMMIT_NOTE, SALVAGE_NOTE, connect_reader
from bridge.app.ports import Clock

_SMALL: Final = (
    ("sessions", ""),
    ("memories", ""),
    ("marks", ""),
    ("undone", ""),
    ("roster", ""),
    ("assignments", ""),
    ("cursors", ""),
    ("posts", ""),
    ("notes", f"WHERE name NOT LIKE 'store.%' OR name = '{COMMIT_NOTE}'"),
)
_REMOTE: Final = (("remote", ""), ("ranges", "WHERE name LIKE 'received:%'"))
_ROWS_A_STEP = 200
_PAGES_A_STEP = 1000
_SEGMENT_READS = 4096
_NUMBERS: Final = (
    NEXT_ID,
    "SELECT max(id) + 1 FROM sessions",
    "SELECT max(seq) + 1 FROM crossings",
)

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "i": (int,),
    "t": (str,),
    "b": (bytes,),
    "I": (int, NoneType),
    "T": (str, NoneType),
    "R": (float, int, NoneType),
}
_SHAPES: Final = {
    "events": "-iiiiTiiIRITbT",
    "samples": "-iiiiiii",
    "sessions": "-tttttii",
    "crossings": "-itb",
    "marks": "-titITIITIt",
    "undone": "-ti",
    "assignments": "-IT",
}
"""Columns by type, ``-`` for the row id, capitals where NULL is allowed."""


@dataclass(slots=True)
class News:
    """What the operator should know about this store; written by the writer, read by the loop."""

    notices: list[str] = field(default_factory=list)
    progress: float | None = None
    """How much of a damaged file has been read through, 0 to 1; None: nothing to do."""


def carry_over(fresh: sqlite3.Connection, damaged: Path) -> None:
    """Copy the small tables as far as SQLite can read them."""
    with suppress(sqlite3.Error), closing(connect_reader(damaged)) as old:
        for table, where in _SMALL:
            with suppress(sqlite3.Error):
                _copy(old, fresh, table, where)
        # what was received may only be believed together with the crossings themselves
        with suppress(sqlite3.Error):
            for table, where in _REMOTE:
                _copy(old, fresh, table, where)


def first_free(damaged: Path, clock: Clock) -> tuple[int, int, int]:
    """Return event id, session id and seq that nothing in the damaged file can have.

    What SQLite can not tell is replaced by the time (microseconds for events, else milliseconds):
    more than any count ever reached, and more than what was counted since an earlier accident.
    """
    now_us = clock.utc_ns() // 1_000
    free = [now_us, now_us // 1_000, now_us // 1_000]
    with suppress(sqlite3.Error), closing(connect_reader(damaged)) as old:
        for position, query in enumerate(_NUMBERS):
            with suppress(sqlite3.Error):
                found = old.execute(query).fetchone()
                free[position] = found[0] or 1 if found else 1
    return free[0], free[1], free[2]


class Salvage:
    """Reads damaged files through, oldest first; goes on after a restart where it stopped."""

    def __init__(self, files: list[tuple[Path, int]], news: News) -> None:
        self._files = files
        self._news = news
        self._file: PageFile | None = None
        self._page = 0
        self._resume = 0
        self._saved = 0
        self._generation = Generation(tail=False)
        news.progress = 0.0

    def step(self, connection: sqlite3.Connection) -> bool:
        """Take some pages in; return whether there are more."""
        file = self._file or self._open_next()
        if file is None:
            self._news.progress = None
            return False
        connection.execute("BEGIN IMMEDIATE")
        before = self._page
        try:
            self._take(connection, file)
            connection.execute("COMMIT")
        except BaseException:
            # the generation holds ids whose rows were undone: begin again at the last segment
            self._page, self._generation = min(before, self._resume), Generation(tail=False)
            raise
        if self._page > file.count:
            self._finish(connection)
        else:
            self._news.progress = self._page / (file.count + 1)
        return True

    def abandon(self, why: str) -> None:
        """Say that it can not be finished."""
        self.close()
        places = ", ".join(str(path) for path, _page in self._files)
        self._news.progress = None
        self._news.notices.append(f"not everything of {places} could be read ({why}); keep it")

    def close(self) -> None:
        """Let go of the file; `unfinished` knows where to go on."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open_next(self) -> PageFile | None:
        while self._files:
            path, page = self._files[0]
            try:
                self._file = PageFile(path)
            except OSError as error:
                self._news.notices.append(f"{path} can not be read: {error}")
                self._files.pop(0)
                continue
            self._page = self._resume = max(1, page)
            self._saved = 0
            return self._file
        return None

    def _take(self, connection: sqlite3.Connection, file: PageFile) -> None:
        rows = pages = 0
        while self._page <= file.count and rows < _ROWS_A_STEP and pages < _PAGES_A_STEP:
            for record in file.records(self._page):
                rows += 1
                self._saved += self._insert(connection, record)
            self._page += 1
            pages += 1
        done = self._page > file.count
        if self._generation.reads >= _SEGMENT_READS or (done and self._generation.reads):
            seal_at_once(connection, self._generation)
            self._generation = Generation(tail=False)
            self._resume = self._page
        if self._resume == self._page or done:
            self._remember(connection, finished=done)

    def _insert(self, connection: sqlite3.Connection, record: Record) -> int:
        row_id, columns = record
        table = _table_of(columns)
        if table is None:
            return 0
        places = ", ".join("?" * len(columns))
        values = (row_id, *columns[1:])
        reads: Sequence[tuple[int, str]] = ()
        if table == "events":
            try:
                reads = chips_of(values)
            except GarbledRow:  # or the fresh store would be a damaged one
                return 0
        try:
            cursor = connection.execute(
                f"INSERT OR IGNORE INTO {table} VALUES({places})",
                values,
            )
        except (sqlite3.IntegrityError, OverflowError):
            return 0
        for read_id, chip in reads:
            self._generation.add(read_id, chip)
        return max(0, cursor.rowcount)

    def _remember(self, connection: sqlite3.Connection, *, finished: bool) -> None:
        left = [(str(path), page) for path, page in self._files[1:]]
        if not finished:
            left.insert(0, (str(self._files[0][0]), self._resume))
        remember(connection, left)

    def _finish(self, connection: sqlite3.Connection) -> None:
        path, _page = self._files.pop(0)
        self.close()
        (held,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
        self._news.notices.append(
            f"{self._saved} rows of the damaged store were saved ({held} connections on record);"
            f" the old file is kept as {path}"
        )


def remember(connection: sqlite3.Connection, files: list[tuple[str, int]]) -> None:
    """Note which files are still to be read through, and from which page."""
    connection.execute(
        "INSERT OR REPLACE INTO notes VALUES(?, ?)", (SALVAGE_NOTE, orjson.dumps(files).decode())
    )


def unfinished(connection: sqlite3.Connection) -> list[tuple[Path, int]]:
    """Return what `remember` noted last."""
    found = connection.execute("SELECT value FROM notes WHERE name = ?", (SALVAGE_NOTE,)).fetchone()
    return [] if found is None else [(Path(path), page) for path, page in orjson.loads(found[0])]


def _copy(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str, where: str) -> None:
    rows = old.execute(f"SELECT * FROM {table} {where}").fetchall()  # noqa: S608  our own names
    if rows:
        places = ", ".join("?" * len(rows[0]))
        fresh.executemany(f"INSERT OR IGNORE INTO {table} VALUES({places})", rows)


def _table_of(columns: Sequence[Value]) -> str | None:
    """Tell a row's table by the number and the types of its columns.

    Tables whose rows are replaced are not among them: an old page may hold an old row.
    """
    for table, shape in _SHAPES.items():
        if len(shape) == len(columns) and all(map(_fits, shape, columns)):
            return table
    return None


def _fits(kind: str, value: Value) -> bool:
    return value is None if kind == "-" else isinstance(value, _TYPES[kind])
