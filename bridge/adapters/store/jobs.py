"""What is handed to the writer thread, and what kind of failure a failure is."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain

from bridge.adapters.store.events import insert_events
from bridge.adapters.store.recent import Generation
from bridge.adapters.store.runs import folded, rows_with
from bridge.adapters.store.schema import COMMIT_NOTE
from bridge.app.ports import Batch, EventRow

_DISK = ("IOERR", "READONLY", "CANTOPEN", "PERM", "NOMEM", "PROTOCOL", "NOLFS")
_NO_ROOM = ("FULL", "BUSY", "LOCKED")
_DAMAGE = ("CORRUPT", "NOTADB")


@dataclass(slots=True, eq=False)
class Job:
    """One thing to make durable; those of one commit share its fate."""

    future: "asyncio.Future[object] | None" = None
    batch: Batch | None = None
    tamed: Batch | None = None
    """What is written in its place, where an event in it cannot be stored as it is."""
    run: Callable[[sqlite3.Connection], object] | None = None
    """Other writing, in the same transaction; its return value becomes the future's."""
    seal: Generation | None = None
    lazy: bool = False
    rows: int = 0
    result: object = None
    error: Exception | None = None
    damaged_epoch: int | None = None
    """A reading connection found the file of this epoch damaged: put it aside."""
    last: bool = False
    """Write what is queued, then end the thread."""


class Fault(Enum):
    """Who can do something about a failure to write."""

    DISK = "disk"
    """Try again, with the file opened anew, until it works."""
    NO_ROOM = "no room"
    """Try again until there is room, or the lock is gone; the connection is sound."""
    DAMAGE = "damage"
    """Put the file aside."""
    JOB = "job"
    """What was to be written can never be: tell who asked."""


def fault_of(error: Exception) -> Fault:
    """Tell what kind of failure an exception out of a transaction is."""
    name = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
    if name.startswith(_DAMAGE):
        return Fault.DAMAGE
    if name.startswith(_NO_ROOM):
        return Fault.NO_ROOM
    if name.startswith(_DISK) or (isinstance(error, OSError) and not name):
        return Fault.DISK
    return Fault.JOB


def in_words(error: Exception, folder: str) -> str:
    """Say for people what the disk's refusal means and what to do."""
    name = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
    if name.startswith("FULL"):
        return f"the disk of {folder} is full: reads wait in memory, make room now"
    if name.startswith(("READONLY", "PERM", "CANTOPEN")):
        return f"{folder} can not be written to ({error}): reads wait in memory, check the card"
    if name.startswith(("BUSY", "LOCKED")):
        return f"another program holds the store in {folder} locked: close it, reads wait in memory"
    return f"the disk of {folder} fails ({error}): reads wait in memory, change the card or disk"


_SAMPLE = (
    "INSERT INTO samples(session, utc_ns, boot_ns, rtt_ns, stamp, form, step)"
    " VALUES(?, ?, ?, ?, ?, ?, ?)"
)
_CROSSING = "INSERT INTO crossings VALUES(?, ?, ?, ?)"
_MEMORY = "INSERT OR REPLACE INTO memories VALUES(?, ?)"


def write_batches(connection: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    """Insert everything in `batches`, in order."""
    rows = chain.from_iterable(folded(batch.rows, batch.runs) for batch in batches)
    insert_events(connection, list(rows))
    for batch in batches:
        if batch.samples:
            connection.executemany(_SAMPLE, batch.samples)
        if batch.crossings:
            connection.executemany(_CROSSING, batch.crossings)
        if batch.memories:
            connection.executemany(_MEMORY, batch.memories.items())


def prove(connection: sqlite3.Connection, jobs: Sequence[Job], token: str) -> None:
    """Leave what `has_landed` looks for; event rows prove themselves and cost no page more."""
    if _first_row(jobs) is None:
        connection.execute("INSERT OR REPLACE INTO notes VALUES(?, ?)", (COMMIT_NOTE, token))


def has_landed(connection: sqlite3.Connection, jobs: Sequence[Job], token: str) -> bool:
    """Tell whether a commit that was reported as failed is in the file all the same.

    The log may hold all of it when the failure comes last (at the sync): whoever opens the file
    next recovers it, and it must not be written again.
    """
    row = _first_row(jobs)
    if row is None:
        found = connection.execute("SELECT value FROM notes WHERE name = ?", (COMMIT_NOTE,))
        return found.fetchall() == [(token,)]
    return rows_with(connection, [row.id]).get(row.id) == row


def _first_row(jobs: Sequence[Job]) -> EventRow | None:
    for job in jobs:
        batch = job.tamed or job.batch
        if batch is not None and batch.rows:
            return batch.rows[0]
        if batch is not None and batch.runs:
            return batch.runs[0][0]
    return None


@dataclass(slots=True)
class Outcome:
    """What one commit brought, for the loop's side."""

    jobs: list[Job]
    sealed: list[Generation] = field(default_factory=list)
