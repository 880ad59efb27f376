"""The files of a store: which one is in use, what is wrong with it, and putting it aside."""

import json
import re
import sqlite3
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bridge.adapters.store.jobs import Fault, fault_of, in_words
from bridge.adapters.store.journal import Numbers
from bridge.adapters.store.pages import Log, complaint, log_is_foreign
from bridge.adapters.store.runs import NEXT_ID
from bridge.adapters.store.salvage import (
    News,
    Salvage,
    carry_over,
    first_free,
    remember,
    unfinished,
)
from bridge.adapters.store.schema import (
    FLOOR_NOTE,
    MIGRATIONS,
    UUID_NOTE,
    StoreTooNew,
    connect_writer,
    touch_first_page,
)
from bridge.app.ports import Clock
from bridge.errors import JournalError

_NAME: Final = "journal.db"
_LOST_LOG: Final = Numbers(1_000_000, 1_000, 10_000)
"""How far numbers jump when the newest rows may be lost: none must be given twice."""


@dataclass(slots=True)
class StoreFiles:
    """Opens and replaces the file of one store."""

    folder: Path
    clock: Clock
    news: News = field(default_factory=News)
    path: Path = Path()

    def open(self, *, was_open: bool) -> tuple[sqlite3.Connection, Numbers, Salvage | None]:
        """Open the newest file, or a fresh one if there is none or it is damaged.

        Raises:
            StoreTooNew: A newer program wrote it.
            JournalError: The disk refuses.
        """
        self.path = self._newest()
        existed = self.path.exists()
        jump = Numbers(0, 0, 0)
        try:
            problem = self._examine() if existed else None
            if existed and not problem and was_open and not _log_of(self.path).exists():
                jump = _LOST_LOG
                self.news.notices.append(
                    f"the log of {self.path} is missing although it was not closed in order:"
                    " the newest reads before the stop may be lost"
                )
            connection = None if problem else self._connect_sound()
        except sqlite3.Error as error:
            raise JournalError(in_words(error, str(self.folder))) from error
        if connection is None:
            connection, salvage = self.renew()
        else:
            left = unfinished(connection)
            salvage = Salvage(left, self.news) if left else None
        free = free_numbers(connection)
        numbers = Numbers(*(number + more for number, more in zip(free, jump, strict=True)))
        return connection, numbers, salvage

    def connect(self) -> sqlite3.Connection:
        """Open the file in use once more."""
        return connect_writer(self.path)

    def renew(self) -> tuple[sqlite3.Connection, Salvage | None]:
        """Put the file aside, open a fresh one and say so in the news.

        Raises:
            sqlite3.Error, OSError: No fresh file can be made.
        """
        before = unfinished_of(self.path)
        damaged = self._set_aside()
        free = first_free(damaged, self.clock)
        connection = connect_writer(self.path)
        connection.execute("BEGIN IMMEDIATE")
        _name_store(connection)
        carry_over(connection, damaged)
        connection.execute(
            "INSERT OR REPLACE INTO notes VALUES(?, ?)", (FLOOR_NOTE, json.dumps(free))
        )
        left = [*before, (damaged, 1)]
        remember(connection, [(str(path), page) for path, page in left])
        connection.execute("COMMIT")
        self.news.notices.append(
            f"the store was damaged and has been put aside as {damaged}; a fresh one is in use and"
            " what can be saved of the old one is being brought over; look at `chip-bridge results`"
            " and say guns and marks again that are missing"
        )
        return connection, Salvage(left, self.news)

    def _newest(self) -> Path:
        """Return the file in use: a fresh one gets a number if the damaged one could not move."""
        numbered = [
            (int(match[1]), path)
            for path in self.folder.glob("journal-*.db")
            if (match := re.fullmatch(r"journal-(\d+)\.db", path.name))
        ]
        return max(numbered)[1] if numbered else self.folder / _NAME

    def _examine(self) -> str | None:
        """Say what a look at the bytes finds wrong; a foreign log is taken away."""
        log_path = _log_of(self.path)
        try:
            problem = complaint(self.path)
            if problem == "its end is missing" and _has_frames(log_path):
                problem = None  # the stop came in the middle of a check-point: the log has it
            if problem is None and log_path.exists() and log_is_foreign(self.path, log_path):
                aside = log_path.with_name(f"{log_path.name}.foreign-{self._now()}")
                log_path.rename(aside)
                _log_of(self.path, "-shm").unlink(missing_ok=True)
                self.news.notices.append(
                    f"the log beside {self.path} belonged to another store and lies in {aside} now;"
                    " reads that were only in this store's own log are lost"
                )
        except OSError as error:
            return str(error)
        return problem

    def _connect_sound(self) -> sqlite3.Connection | None:
        """Connect, or return None if the file is damaged.

        Raises:
            sqlite3.Error: The disk refuses.
        """
        connection = None
        try:
            connection = self.connect()
            _probe(connection)
            connection.execute("BEGIN IMMEDIATE")
            touch_first_page(connection)
            _name_store(connection)
            connection.execute("COMMIT")
        except StoreTooNew:
            raise
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            if fault_of(error) in (Fault.DISK, Fault.NO_ROOM):
                raise
            return None
        return connection

    def _set_aside(self) -> Path:
        """Move the file and its log; return where they are now, `path` being free."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{self._now()}")
        try:
            self.path.rename(aside)
        except OSError:
            aside = self.path
            match = re.search(r"-(\d+)\.db$", self.path.name)
            number = int(match[1]) + 1 if match else 1
            self.path = self.folder / f"journal-{number}.db"
            return aside
        with suppress(OSError):
            _log_of(self.path).rename(_log_of(aside))
        with suppress(OSError):
            _log_of(self.path, "-shm").unlink()
        return aside

    def _now(self) -> str:
        moment = datetime.fromtimestamp(self.clock.utc_ns() / 1e9, UTC)
        return moment.strftime("%Y%m%dT%H%M%S.%fZ")


def free_numbers(connection: sqlite3.Connection) -> Numbers:
    """Return the first numbers that neither the file nor a damaged one before it has given."""
    found = connection.execute("SELECT value FROM notes WHERE name = ?", (FLOOR_NOTE,)).fetchone()
    floor = json.loads(found[0]) if found else (1, 1, 1)
    free_here = connection.execute(
        f"SELECT ({NEXT_ID}), (SELECT max(id) + 1 FROM sessions),"  # noqa: S608  our own words
        " (SELECT max(seq) + 1 FROM crossings)"
    ).fetchone()
    return Numbers(*(max(low, free or 1) for low, free in zip(floor, free_here, strict=True)))


def unfinished_of(path: Path) -> list[tuple[Path, int]]:
    """Return what the damaged file itself had still to be filled from."""
    with suppress(sqlite3.Error, ValueError):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return unfinished(connection)
        finally:
            connection.close()
    return []


def _log_of(path: Path, suffix: str = "-wal") -> Path:
    return path.with_name(path.name + suffix)


def _has_frames(log_path: Path) -> bool:
    log = Log(log_path)
    log.close()
    return bool(log.pages)


def _probe(connection: sqlite3.Connection) -> None:
    """Touch the root and an end of every table: cheap, and finds what would stop us at once."""
    names = re.findall(r"CREATE TABLE (\w+)", MIGRATIONS[0])
    for name in names:
        connection.execute(f"SELECT * FROM {name} LIMIT 1").fetchall()  # noqa: S608  our names
    for name, key in (("events", "id"), ("crossings", "seq"), ("samples", "id")):
        connection.execute(f"SELECT * FROM {name} ORDER BY {key} DESC LIMIT 1")  # noqa: S608
    free_numbers(connection)


def _name_store(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO notes VALUES(?, ?)", (UUID_NOTE, json.dumps(str(uuid.uuid4())))
    )
