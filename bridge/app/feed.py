"""Publish what is durable: every crossing in order without a gap, everything retained as it is now.

Crossings come from the log: memory holds a bounded run of the newest, and whatever does not fit
(the broker was away for hours) is read from the journal again. Retained topics are never queued:
a topic is only noted as dirty, and rendered when its turn to be sent has come.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

from bridge.app.broker import Alarm, Gauge, Interest, Outlet, Topics
from bridge.app.ports import Clock, CrossingRow, Notes
from bridge.domain.reads import NS_PER_MS

WINDOW = 40
"""Crossings in flight at most. Beyond 50 the broker only queues; 20 already fill the link."""
RETAINED_WINDOW = 8
"""Retained messages in flight at most, so that re-publishing all never stands before a crossing."""
HELD = 2_000
"""Crossings kept in memory; more are read from the log again when their turn comes."""
PAGE = 250
"""Crossings read from the log at a time: about a millisecond."""
CROWD = 1_000
"""Crossings not acknowledged yet from which on the broker is behind."""
READS_HELD = 5_000
READS_AT_ONCE = 200
TICK_S = 0.5
"""Topics that change with every crossing are sent at most once per tick."""
HEARTBEAT_TICKS = 20
"""Health and readers are told anew every so many ticks, changed or not."""
SAVE_S = 5.0
"""The cursor is written this often: after a crash so much is sent twice at most."""
REFUSED_TICKS = 10
"""After the broker refused a crossing (access rules), it is offered again this much later."""
CURSOR = "feed.cursor"
TAIL = 5_000
"""Newest crossings shown to the board at start."""
_MARK_NS = 100 * NS_PER_MS
_MARKS = 512


class Log(Protocol):
    """The crossings of this site on record."""

    @property
    def next_seq(self) -> int:
        """First free seq as of opening the store."""
        ...

    def crossings(self, first_seq: int, last_seq: int) -> Iterator[CrossingRow]:
        """Yield messages in seq order, both ends included."""
        ...


class Content(Protocol):
    """What the retained topics say. A key is the topic below the base."""

    def keys(self, *, sweep: bool) -> Iterable[str]:
        """Yield every key with something to say, for a new connection.

        With `sweep` also those that an earlier run may have left something in. What it iterates
        over may change meanwhile.
        """
        ...

    def heartbeat(self) -> Iterable[str]:
        """Yield the keys that are told anew at regular intervals."""
        ...

    def render(self, key: str) -> bytes | None:
        """Return the newest content; b"" clears the topic, None: not ours to say."""
        ...

    def observe(self, rows: Sequence[CrossingRow]) -> Iterable[str]:
        """Take crossings in; return the keys they changed."""
        ...


class Feed:
    """The publishing stage: a `Service` of the link to the broker."""

    def __init__(
        self,
        *,
        topics: Topics,
        store: Log,
        notes: Notes,
        content: Content,
        clock: Clock,
        alarm: Alarm,
    ) -> None:
        self._topics = topics
        self._log = store
        self._notes = notes
        self._content = content
        self._clock = clock
        self._alarm = alarm
        self._last = store.next_seq - 1
        self._acked = min(int(notes.get(CURSOR) or 0), self._last)
        self._saved = self._acked
        self._next = self._acked + 1
        self._queue: deque[CrossingRow] = deque()
        self._flight: deque[int] = deque()
        self._done: set[int] = set()
        self._marks: deque[tuple[int, int]] = deque()
        self._now: dict[str, None] = {}
        self._soon: dict[str, None] = {}
        self._flying: set[str] = set()
        self._announcing: Iterator[str] | None = None
        self._swept = False
        self._reads: deque[tuple[str, bytes]] = deque(maxlen=READS_HELD)
        self._held_ticks = 0
        self._refused: str | None = None
        self._refused_key: str | None = None
        self._epoch = 0
        self._outlet: Outlet | None = None
        self._wake = asyncio.Event()
        first = max(1, self._last - TAIL + 1)
        content.observe(list(store.crossings(first, self._last)))
        if self._acked < self._last:
            self._note_time(self._acked + 1)

    @property
    def last_seq(self) -> int:
        """Highest seq offered, or on record at start."""
        return self._last

    @property
    def acked_seq(self) -> int:
        """Highest seq up to which the broker has acknowledged every message."""
        return self._acked

    @property
    def crowded(self) -> bool:
        """Whether a broker is there and more waits for it than it takes in a third of a second."""
        return self._outlet is not None and self._last - self._acked > CROWD

    def gauge(self) -> Gauge:
        """Say how far behind the broker is."""
        queued = self._last - self._acked
        lag = (self._clock.boot_ns() - self._marks[0][1]) // NS_PER_MS if self._marks else None
        return Gauge(queued, lag if queued else None, self._refused or self._refused_key)

    def offer(self, rows: Sequence[CrossingRow]) -> None:
        """Take rows that are durable, in seq order. Never waits, never refuses."""
        if not rows:
            return
        self._note_time(rows[0].seq)
        self._last = rows[-1].seq
        for key in self._content.observe(rows):
            self._soon[key] = None
        if self._outlet is None:
            return
        expected = self._queue[-1].seq + 1 if self._queue else self._next
        if rows[0].seq == expected and len(self._queue) + len(rows) <= HELD:
            self._queue.extend(rows)
        self._wake.set()

    def offer_reads(self, reads: Iterable[tuple[str, bytes]]) -> None:
        """Take (location, payload) pairs for the tree ``read``; the oldest give way."""
        if self._outlet is not None:
            self._reads.extend(reads)
            self._wake.set()

    def touch(self, key: str) -> None:
        """Say that the content of a retained topic has changed."""
        if key.startswith("result/"):
            self._now[key] = None
            self._wake.set()
        else:
            self._soon[key] = None

    async def save(self) -> None:
        """Write the cursor, so that a restart sends nothing twice."""
        if self._saved != self._acked:
            acked = self._acked
            await self._notes.put(CURSOR, str(acked))
            self._saved = acked

    def interests(self) -> Sequence[Interest]:
        """Ask for nothing."""
        return ()

    def received(self, topic: str, payload: bytes) -> None:
        """Ignore everything."""

    async def serve(self, outlet: Outlet) -> None:
        """Publish on this connection until cancelled."""
        self._forget_flight()
        self._refused_key = None
        self._announcing = iter(self._content.keys(sweep=not self._swept))
        self._outlet = outlet
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish(outlet), name="mqtt publish")
                group.create_task(self._tick(), name="mqtt tick")
                group.create_task(self._save_lazily(), name="mqtt cursor")
        finally:
            self._outlet = None
            self._forget_flight()
            self._now.update(dict.fromkeys(self._flying))
            self._flying.clear()
            self._reads.clear()

    def _forget_flight(self) -> None:
        """Begin again behind the last acknowledged crossing; the log has the rows."""
        self._epoch += 1  # acknowledgements of what was in flight no longer count
        self._queue.clear()
        self._flight.clear()
        self._done.clear()
        self._next = self._acked + 1

    async def _publish(self, outlet: Outlet) -> None:
        """Send in bursts: one turn of the loop for all that came since the last."""
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._send_crossings(outlet)
            self._send_retained(outlet)
            self._send_reads(outlet)

    def _send_crossings(self, outlet: Outlet) -> None:
        window = max(1, min(WINDOW, outlet.window - _retained_share(outlet)))
        base = self._topics.of("crossing/")
        epoch = self._epoch
        while len(self._flight) < window and self._held_ticks == 0:
            if not self._queue and not self._refill():
                return
            row = self._queue.popleft()
            self._next = row.seq + 1
            self._flight.append(row.seq)
            outlet.send(base + row.location, row.payload, partial(self._taken, epoch, row.seq))

    def _refill(self) -> bool:
        """Read the next page of the log; False when everything offered has been sent."""
        if self._next > self._last:
            return False
        row = next(iter(self._log.crossings(self._next, self._last)), None)
        if row is None:  # a hole up to the end in a salvaged log: nothing will ever fill it
            self._next = self._last + 1
            if not self._flight:
                self._acked = self._last
                self._marks.clear()
            return False
        upto = min(row.seq + PAGE - 1, self._last)
        self._queue.extend(self._log.crossings(row.seq, upto))
        return True

    def _taken(self, epoch: int, seq: int, refused: str | None) -> None:
        if epoch != self._epoch:
            return
        if refused is not None:
            self._refuse(seq, refused)
            return
        if self._refused is not None:
            self._refused = None
            self._alarm("mqtt_refused", None)
        flight, done = self._flight, self._done
        done.add(seq)
        while flight and flight[0] in done:
            self._acked = flight.popleft()
            done.remove(self._acked)
        self._forget_times()
        if self._next <= self._last:  # else waking the sender would only cost
            self._wake.set()

    def _refuse(self, seq: int, why: str) -> None:
        """Stop sending crossings for a while, then begin again with the refused one."""
        self._refused = f"crossing {seq}: {why}"
        self._alarm(
            "mqtt_refused",
            f"The broker refuses our crossings ({why}): give this box write access to "
            f"{self._topics.of('crossing/+')}. They are kept and offered again.",
        )
        self._forget_flight()
        self._held_ticks = REFUSED_TICKS

    def _send_retained(self, outlet: Outlet) -> None:
        window = _retained_share(outlet)
        while len(self._flying) < window and (key := self._next_key()) is not None:
            payload = self._content.render(key)
            if payload is not None:
                self._flying.add(key)
                done = partial(self._kept, outlet, key)
                outlet.send(self._topics.of(key), payload, done, retain=True)

    def _next_key(self) -> str | None:
        """Return what to render next: what changed before what is only said again.

        A key in flight waits: its changes meanwhile become one message.
        """
        for key in self._now:
            if key not in self._flying:
                del self._now[key]
                return key
        for key in self._announcing or ():
            if key not in self._flying:
                return key
        if self._announcing is not None:
            self._announcing = None
            self._swept = True
        return None

    def _kept(self, outlet: Outlet, key: str, refused: str | None) -> None:
        if outlet is not self._outlet:
            return
        self._flying.discard(key)
        if refused is not None:
            self._refused_key = f"{key}: {refused}"
        if self._now or self._announcing is not None:
            self._wake.set()

    def _send_reads(self, outlet: Outlet) -> None:
        """Send reads only into an empty socket: QoS 0 must not pile up before a crossing."""
        if not self._reads or not outlet.idle:
            return
        base = self._topics.of("read/")
        for _ in range(min(READS_AT_ONCE, len(self._reads))):
            location, payload = self._reads.popleft()
            outlet.drop(base + location, payload)

    async def _tick(self) -> None:
        count = 0
        while True:
            await self._clock.sleep(TICK_S)
            count += 1
            if count % HEARTBEAT_TICKS == 0:
                self._soon.update(dict.fromkeys(self._content.heartbeat()))
            if self._held_ticks:
                self._held_ticks -= 1
            if self._soon:
                self._now.update(self._soon)
                self._soon.clear()
            if self._now or self._reads or self._next <= self._last:
                self._wake.set()

    async def _save_lazily(self) -> None:
        while True:
            await self._clock.sleep(SAVE_S)
            if self._saved != self._acked:
                acked = self._acked
                await self._notes.put(CURSOR, str(acked), lazy=True)
                self._saved = acked

    def _note_time(self, seq: int) -> None:
        """Remember when crossings were offered, coarsely and in bounded memory."""
        now = self._clock.boot_ns()
        if self._marks and now - self._marks[-1][1] < _MARK_NS:
            return
        self._marks.append((seq, now))
        if len(self._marks) > _MARKS:
            self._marks = deque(islice(self._marks, 0, None, 2))

    def _forget_times(self) -> None:
        """Keep the time at which the oldest unacknowledged crossing was offered in front."""
        if self._acked >= self._last:
            self._marks.clear()
        while len(self._marks) > 1 and self._marks[1][0] <= self._acked + 1:
            self._marks.popleft()


def _retained_share(outlet: Outlet) -> int:
    return max(1, min(RETAINED_WINDOW, outlet.window // 8))
