"""The writer: the one thread of the program, with the one connection that writes.

Everything waiting goes into one transaction; one call to the event loop reports its end. Whatever
the disk does, a job is written once and in order, or its future gets the reason why it never can.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from bridge.adapters.store.chip_index import Upkeep
from bridge.adapters.store.intake import Intake
from bridge.adapters.store.jobs import (
    Fault,
    Job,
    Outcome,
    fault_of,
    has_landed,
    in_words,
    prove,
    write_batches,
)
from bridge.adapters.store.odd_rows import tamed
from bridge.adapters.store.schema import touch_first_page
from bridge.errors import BridgeError, JournalError

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_LAST_TRIES_S = 3.0
_TOUCH_EVERY = 256
_BETWEEN_STEPS_S = 0.01
_UPKEEP_UNITS = 1000
_UPKEEP_PER_ROW = 4


class Background(Protocol):
    """Work for when there is time: reading a damaged file through."""

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do a few milliseconds of it in a transaction of its own; False: there is no more."""
        ...

    def abandon(self, why: str) -> None:
        """Say that it can not be finished."""
        ...

    def close(self) -> None:
        """Let go of files; the rest is done after the next opening."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the writer gets at the store's file."""

    connect: Callable[[], sqlite3.Connection]
    """Open it again, after the disk failed."""
    renew: Callable[[], tuple[sqlite3.Connection, Background | None]]
    """Put the damaged file aside and open a fresh one."""
    folder: str
    """As people know it."""


class Writer:
    """Takes jobs out of the intake and writes them in a thread of its own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        access: Access,
        intake: Intake,
        *,
        background: Background | None,
        done: Callable[[Outcome], None],
    ) -> None:
        self.trouble: str | None = None
        self.epoch = 0
        """Grows when the file was replaced: reading connections must be opened again."""
        self._connection: sqlite3.Connection | None = connection
        self._access = access
        self._intake = intake
        self._background = background
        self._done = done
        self._upkeep = Upkeep()
        self._commits = 0
        self._boot = uuid4().hex
        self._token = 0
        self._ended = False
        self._thread = threading.Thread(  # noqa: TID251  this is the journal's thread
            target=self._run, name="journal", daemon=True
        )

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, which a job marked `last` brings."""
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            jobs = self._intake.collect(_BETWEEN_STEPS_S if self._background else None)
            if jobs:
                self._write(jobs)
            if self._background is not None and not self._ended:
                self._step(self._background)
        if self._background is not None:
            self._background.close()
        self._disconnect()

    def _write(self, jobs: list[Job], *, alone: bool = False) -> None:
        """Write `jobs`, however long the disk refuses."""
        self._token += 1
        again = False
        pause_s, paused_s = _FIRST_PAUSE_S, 0.0
        while True:
            try:
                self._commit(jobs, upkeep=not alone, again=again)
            except Exception as error:  # noqa: BLE001  bulkhead: no job may end the thread
                if self._failed(error) is Fault.JOB:
                    self._isolate(jobs, error, alone=alone)
                    return
            else:
                break
            if self._intake.stopping.is_set():
                if paused_s > _LAST_TRIES_S:
                    self._give_up(jobs)
                    return
                time.sleep(pause_s)
                paused_s += pause_s
            else:
                self._intake.stopping.wait(pause_s)
            again = True
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        self._ended = self._ended or any(job.last for job in jobs)

    def _commit(self, jobs: list[Job], *, upkeep: bool, again: bool) -> None:
        if any(job.damaged_epoch == self.epoch for job in jobs):
            self._renew()
        if again and has_landed(self._connected(), jobs, self._proof()):
            outcome = Outcome(jobs)
        else:
            outcome = self._transaction(jobs, upkeep=upkeep)
        for job in jobs:
            if job.seal is not None:
                self._upkeep.add(job.seal)
        self.trouble = None
        self._done(outcome)

    def _transaction(self, jobs: list[Job], *, upkeep: bool) -> Outcome:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        changes = connection.total_changes
        if self._commits % _TOUCH_EVERY == 0:
            touch_first_page(connection)
        batches = [batch for job in jobs if (batch := job.tamed or job.batch) is not None]
        if batches:
            write_batches(connection, batches)
        for job in jobs:
            if job.run is not None:
                job.result = job.run(connection)
        if connection.total_changes > changes:
            prove(connection, jobs, self._proof())
        if upkeep:
            rows = sum(job.rows for job in jobs)
            self._upkeep.slice(connection, _UPKEEP_UNITS + _UPKEEP_PER_ROW * rows)
        connection.execute("COMMIT")
        self._commits += 1
        return Outcome(jobs, self._upkeep.committed())

    def _proof(self) -> str:
        return f"{self._boot} {self._token}"

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._access.connect()
        return self._connection

    def _failed(self, error: Exception) -> Fault:
        """Undo the transaction and make ready for the next attempt."""
        fault = fault_of(error)
        self._upkeep.restart()
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.rollback()
        if fault is Fault.JOB:
            return fault
        self.trouble = in_words(error, self._access.folder)
        if fault is not Fault.NO_ROOM:
            self._disconnect()  # the card may have been changed or mounted again
        if fault is Fault.DAMAGE:
            try:
                self._renew()
            except (sqlite3.Error, OSError, JournalError) as worse:
                self.trouble = f"the store is damaged and no new one can be made: {worse}"
        return fault

    def _renew(self) -> None:
        self._disconnect()
        if self._background is not None:
            self._background.close()
        self._connection, self._background = self._access.renew()
        self._commits = 0
        self.epoch += 1

    def _isolate(self, jobs: list[Job], error: Exception, *, alone: bool) -> None:
        """Find the job that can not be written: it must not keep the others."""
        if not alone:
            for job in jobs:
                self._write([job], alone=True)
            return
        (job,) = jobs
        batch = None if job.batch is None or job.tamed is not None else tamed(job.batch)
        if batch is not None:
            job.tamed = batch
            self._write(jobs, alone=True)
            return
        known = isinstance(error, BridgeError)
        job.error = error if known else JournalError(f"this can not be stored: {error}")
        self._ended = self._ended or job.last
        self._done(Outcome(jobs))

    def _give_up(self, jobs: list[Job]) -> None:
        jobs = [*jobs, *self._intake.rest()]
        rows = sum(job.rows for job in jobs)
        for job in jobs:
            job.error = JournalError(f"stopped while {rows} rows were not stored: {self.trouble}")
        self._ended = True
        self._done(Outcome(jobs))

    def _step(self, background: Background) -> None:
        try:
            if not background.step(self._connected()):
                self._background = None
        except Exception as error:  # noqa: BLE001  bulkhead: salvage must not stop the journal
            if self._failed(error) is Fault.JOB:
                background.abandon(str(error))
                self._background = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
