"""What waits to be written: group commit, linger and laziness."""

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue

from bridge.adapters.store.jobs import Job
from bridge.app.ports import Clock

LAZY_S = 10.0
BIG_ROWS = 2000
"""So many rows are not made to wait for more."""
_MOST_ROWS = 20_000
_MOST_JOBS = 2_000


class Intake:
    """The queue between the event loop's thread (`put`, `hurry`, `stop`) and the writer's."""

    def __init__(self, clock: Clock, linger_s: float) -> None:
        self.stopping = threading.Event()
        self._clock = clock
        self._linger_s = linger_s
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._hurry = threading.Event()
        self._held: list[Job] = []
        self._held_since = 0

    def put(self, job: Job) -> None:
        """Queue a job."""
        self._queue.put(job)

    def hurry(self) -> None:
        """Cut the linger short: enough is waiting."""
        self._hurry.set()

    def stop(self) -> None:
        """Cut every wait short from now on."""
        self.stopping.set()
        self._hurry.set()

    def collect(self, patience_s: float | None) -> list[Job]:
        """Wait until there is something to write and return it, in order.

        Returns nothing after `patience_s` without a job, and while only lazy ones are held.
        """
        try:
            job = self._queue.get(timeout=self._wait_s(patience_s))
        except Empty:
            return self._release() if self._overdue() or patience_s is None else []
        if not self._held:
            self._held_since = self._clock.boot_ns()
        self._held.append(job)
        rows = self._drain()
        if all(job.lazy for job in self._held) and rows < BIG_ROWS and not self._overdue():
            return []
        if self._linger_s > 0 and rows < BIG_ROWS:
            self._hurry.wait(self._linger_s)
            self._drain()
        if not self.stopping.is_set():
            self._hurry.clear()
        return self._release()

    def rest(self) -> list[Job]:
        """Return everything queued without waiting."""
        with suppress(Empty):
            while True:
                self._held.append(self._queue.get_nowait())
        return self._release()

    def _wait_s(self, patience_s: float | None) -> float | None:
        if not self._held:
            return patience_s
        left_s = max(0.0, LAZY_S - (self._clock.boot_ns() - self._held_since) / 1e9)
        return left_s if patience_s is None else min(left_s, patience_s)

    def _overdue(self) -> bool:
        waited_ns = self._clock.boot_ns() - self._held_since
        return bool(self._held) and waited_ns >= LAZY_S * 1e9

    def _drain(self) -> int:
        rows = sum(job.rows for job in self._held)
        with suppress(Empty):
            while rows < _MOST_ROWS and len(self._held) < _MOST_JOBS:
                job = self._queue.get_nowait()
                self._held.append(job)
                rows += job.rows
        return rows

    def _release(self) -> list[Job]:
        jobs, self._held = self._held, []
        return jobs
