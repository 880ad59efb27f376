"""The event loop's side of a store: queueing, what is not durable yet, and a reading connection."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from bridge.adapters.store.intake import BIG_ROWS, Intake
from bridge.adapters.store.jobs import Fault, Job, Outcome, fault_of
from bridge.adapters.store.recent import Generation, Recent
from bridge.adapters.store.schema import connect_reader
from bridge.adapters.store.writer import Access, Background, Writer
from bridge.app.ports import Batch, Clock
from bridge.errors import JournalError

T = TypeVar("T")
Values = tuple[Any, ...]
"""A row as SQLite gives it."""


class Core:
    """What the parts of a store share. All methods belong to the event loop's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        access: Access,
        *,
        path: Callable[[], Path],
        clock: Clock,
        linger_s: float,
        recent: Recent,
        background: Background | None,
        unsealed: Sequence[Generation],
    ) -> None:
        self.recent = recent
        self.clock = clock
        self.backlog = 0
        self._path = path
        self._loop: asyncio.AbstractEventLoop | None = None
        self._intake = Intake(clock, linger_s)
        self._writer = Writer(
            connection, access, self._intake, background=background, done=self._report
        )
        self._reader: sqlite3.Connection | None = None
        self._reader_epoch = 0
        self._closed = False
        for generation in unsealed:
            self._intake.put(Job(seal=generation, lazy=True))
        self._writer.start()

    @property
    def trouble(self) -> str | None:
        """See `Journal.trouble`."""
        return self._writer.trouble

    def append(
        self, batch: Batch, run: Callable[[sqlite3.Connection], object] | None = None
    ) -> Awaitable[None]:
        """See `Journal.append`; `run` writes more in the same transaction."""
        job = Job(batch=batch, run=run, lazy=batch.lazy, rows=batch.events)
        future = self._put(job)
        self.recent.add(batch.rows)
        for reads in batch.runs:
            self.recent.add_run(reads)
        generation = self.recent.take_full()
        if generation is not None:
            self._intake.put(Job(seal=generation, lazy=True))
        return cast("Awaitable[None]", future)

    def write(
        self, run: Callable[[sqlite3.Connection], T], *, lazy: bool = False, rows: int = 0
    ) -> Awaitable[T]:
        """Run `run` in the writer's next transaction; the awaitable gives what it returned."""
        return cast("Awaitable[T]", self._put(Job(run=run, lazy=lazy, rows=rows)))

    def fetch(self, sql: str, values: Sequence[object] = ()) -> list[Values]:
        """Return the rows of a query.

        Raises:
            JournalError: The file can not be read; if it is damaged it is being put aside.
        """
        with self.reading() as connection:
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the reading connection; `JournalError` as in `fetch`."""
        try:
            yield self._connected()
        except sqlite3.Error as error:
            if fault_of(error) is Fault.DAMAGE and not self._closed:
                self._intake.put(Job(damaged_epoch=self._reader_epoch))
            self._disconnect()
            raise JournalError(f"the store can not be read: {error}") from error

    async def close(self) -> None:
        """See `Store.close`.

        Raises:
            JournalError: The disk still refuses; the text says how many rows are lost.
        """
        if self._closed:
            return
        last = self._put(Job(last=True))
        self._closed = True
        self._intake.stop()
        self._disconnect()
        try:
            await last
        finally:
            self._writer.join()

    def _put(self, job: Job) -> "asyncio.Future[object]":
        if self._closed:
            raise JournalError("the store is closed")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        job.future = self._loop.create_future()
        self.backlog += job.rows
        self._intake.put(job)
        if self.backlog >= BIG_ROWS:
            self._intake.hurry()
        return job.future

    def _report(self, outcome: Outcome) -> None:
        """Hand an outcome over to the loop (called in the writer's thread)."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is gone, and whoever waited with it
                self._loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Outcome) -> None:
        for generation in outcome.sealed:
            self.recent.forget(generation)
        for job in outcome.jobs:
            self.backlog -= job.rows
            if job.batch is not None and job.error is None:
                self.recent.durable(job.batch)
            if job.future is None or job.future.done():
                continue
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)

    def _connected(self) -> sqlite3.Connection:
        if self._reader is not None and self._reader_epoch != self._writer.epoch:
            self._disconnect()
        if self._reader is None:
            if self._closed:
                raise JournalError("the store is closed")
            self._reader_epoch = self._writer.epoch
            self._reader = connect_reader(self._path())
        return self._reader

    def _disconnect(self) -> None:
        if self._reader is not None:
            with suppress(sqlite3.Error):
                self._reader.close()
            self._reader = None
