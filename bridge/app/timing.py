"""From journalled reads to crossings and results: the running race on this box.

Folding is pure computation and happens before the commit, so that reads and the crossing messages
made of them become durable in one transaction; nothing of it is told to anybody before that.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

import orjson
import structlog

from bridge.app.ports import Clock, Store
from bridge.app.retelling import SLICE, anchor_of, digest, newest_of, slices, told_so_far
from bridge.app.rows import Batch, ClockSample, CrossingRow, EventRow, ReadRun, SessionRow
from bridge.app.standings import Standings
from bridge.app.timebase import ReaderTime, TimeBase, timed_reads
from bridge.domain.entrants import Entrant, NoOwner, RegistrationId
from bridge.domain.guns import resolve_guns
from bridge.domain.ledger import Changes, Phase
from bridge.domain.marks import Mark
from bridge.domain.race import Race
from bridge.domain.reads import NS_PER_S, UtcNs
from bridge.domain.results import Crossing, ReadState, RemoteCrossing, Result, TimedRead
from bridge.domain.rules import ClockPolicy, EventId, ReaderRules, Rules

log = structlog.get_logger(__name__)

MOST_HELD = 100_000
OLD_NS = 10 * NS_PER_S
"""Reads that are so old when they come were stored: a second more or less tells nobody anything."""
MOST_UNTOLD = 5_000
"""Old reads folded before something is told of them, if no second passes meanwhile."""
PATIENCE_NS = 5 * NS_PER_S
"""Reads wait this long for the first clock answer of a reader that can be asked."""

Render = Callable[[Crossing, Phase, int], bytes]
"""Make the message of a crossing: (crossing, phase, seq) -> JSON object with a key ``seq``."""


@dataclass(slots=True)
class Emission:
    """What may be told once the batch it came with is durable."""

    crossings: list[CrossingRow] = field(default_factory=list)
    results: Sequence[Result] = ()
    withdrawn: Sequence[Result] = ()

    def __bool__(self) -> bool:
        return bool(self.crossings or self.results or self.withdrawn)

    def joined(self, later: "Emission") -> "Emission":
        """Return both, in order; an empty one costs nothing."""
        if not self or not later:
            return self or later
        gone = {(result.registration_id, result.event_id) for result in later.withdrawn}
        left = [r for r in self.results if (r.registration_id, r.event_id) not in gone]
        return Emission(
            self.crossings + later.crossings,
            [*left, *later.results],
            [*self.withdrawn, *later.withdrawn],
        )


class Timing:
    """Owns the race; turns rows, marks, entrants and news from other sites into emissions."""

    def __init__(
        self,
        *,
        rules: Rules,
        readers: Iterable[tuple[ReaderRules, bool]],
        store: Store,
        clock: Clock,
        render: Render,
        bases: Mapping[str, int],
    ) -> None:
        """`readers`: rules of each configured reader and whether its clock can be asked."""
        self._store = store
        self._clock = clock
        self._render = render
        self._take_rules(rules, readers)
        self._bases = dict(bases)
        self._new_sessions: dict[int, SessionRow] = {}
        self._new_samples: list[ClockSample] = []
        """Taken while the journal is read again: perhaps not yet in it."""
        self.timebase = self._new_timebase()
        self._entrants: Mapping[RegistrationId, Entrant] = {}
        self._marks: Sequence[Mark] = ()
        self.race = Race(self.rules, self._history)
        self._seq = store.next_seq
        self._next_id = store.next_id
        self._newest_stamp: dict[str, int] = {}
        self._held: list[EventRow] = []
        self._held_remote: list[RemoteCrossing] = []
        self._hopeless: set[str] = set()
        self._untold = 0
        """Old reads folded of which nothing was told; `MOST_UNTOLD` or more: it is time."""
        self.pulse = 0
        """Grows while the journal is read again: a sign of life."""
        self.folded = 0
        """Reads folded so far: every READ row of the journal once."""
        self.rebuilding = True
        """The journal is being read again: results are incomplete until it has been."""
        self.stale = True
        """Earlier reads must be placed anew: somebody must `await rebuild()`."""

    def _take_rules(self, rules: Rules, readers: Iterable[tuple[ReaderRules, bool]]) -> None:
        self._configured, self._asks = rules, tuple(readers)
        self._readers = {rules.name: (rules, asks) for rules, asks in self._asks}
        for session in self._store.sessions().values():
            self._retire(session)
        self.rules = replace(rules, readers={n: r for n, (r, _) in self._readers.items()})

    def over(self, store: Store) -> "Timing":
        """Return the same race over another store, for a replay."""
        return Timing(
            rules=self._configured,
            readers=self._asks,
            store=store,
            clock=self._clock,
            render=self._render,
            bases=self._bases,
        )

    def set_rules(self, rules: Rules, readers: Iterable[tuple[ReaderRules, bool]]) -> None:
        """Take new rules (the race's zone has become known); everything is placed anew."""
        self._take_rules(rules, readers)
        self.stale = True

    def _retire(self, session: SessionRow) -> None:
        """Keep the reads of a reader that is no longer configured, where it stood."""
        if session.reader in self._readers:
            return
        rules = ReaderRules(
            name=session.reader, location=session.location, clock=ClockPolicy.CORRECTED
        )
        self._readers[session.reader] = (rules, True)

    def _new_timebase(self) -> TimeBase:
        readers = [ReaderTime(rules, can_tell_time=asks) for rules, asks in self._readers.values()]
        sessions = {**self._store.sessions(), **self._new_sessions}
        timebase = TimeBase(readers, sessions, self._bases)
        fresh = list(self._new_samples)
        for sample in self._store.samples():
            timebase.sample(sample)
            if sample in fresh:
                fresh.remove(sample)
        for sample in fresh:
            timebase.sample(sample)
        return timebase

    def _history(self, chips: Sequence[str]) -> Iterable[TimedRead]:
        return self.timebase.timed(self._store.reads_of(chips))

    def gun(self, event_id: EventId) -> UtcNs | None:
        """Return T0 of an event as it stands (waves may have their own)."""
        return resolve_guns(self.rules, self._marks).events.get(event_id)

    def owner(self, chip: str, location: str) -> RegistrationId | None:
        """Return whose a chip is at a location, or None."""
        found = self.race.owner(chip, location)
        return None if isinstance(found, NoOwner) else found

    def explain(self, registration_id: RegistrationId) -> list[ReadState]:
        """Return the state of every read of a runner, in order of time."""
        return self.race.why(registration_id)

    def explain_chip(self, chip: str) -> list[ReadState]:
        """Return the state of every read of a chip, whoever owns it."""
        owners = {self.race.owner(chip, reader.location) for reader in self.rules.readers.values()}
        states = [
            state
            for owner in {chip if isinstance(owner, NoOwner) else owner for owner in owners}
            for state in self.race.why(owner)
            if state.read.chip == chip
        ]
        return sorted(states, key=lambda state: (state.read.at, state.read.id))

    @property
    def last_seq(self) -> int:
        """Highest crossing seq given out."""
        return self._seq - 1

    @property
    def held(self) -> int:
        """Reads that wait for their reader's clock or for the journal to be read again."""
        return len(self._held)

    def open_session(self, session: SessionRow) -> None:
        """Learn whose rows a new session's are."""
        self._new_sessions[session.id] = session
        self.timebase.session(session)

    def imported(self, upto: int) -> None:
        """Learn that rows below `upto` were stored behind our back: all is placed anew."""
        self._next_id = max(self._next_id, upto)
        self._take_rules(self._configured, self._asks)
        self.stale = True

    def fold(self, run: ReadRun) -> Emission:
        """Take reads that came in together; return what changed."""
        self._next_id = max(self._next_id, run.ids[-1] + 1)
        return self._safely(lambda: self._place(run), patient=True)

    def _place(self, run: ReadRun) -> None:
        name, boot_id = self.timebase.owner(run.session)
        reader = self.timebase.readers[name]
        if self.rebuilding or not (reader.ready or name in self._hopeless):
            self._hold(run)
            return
        arrived = self.timebase.host.utc(boot_id, run.boot_ns, run.utc_ns)
        if reader.guesses and self.timebase.learn_envelopes(run):
            self.stale = self.stale or name in self._newest_stamp
        newest = max(run.stamps)
        if newest > self._newest_stamp.get(name, -(2**63)):
            self._newest_stamp[name] = newest
        reads = timed_reads(run, reader, arrived)
        self.race.fold(reads)
        self.folded += len(run)
        live_ns = reader.now(arrived) - OLD_NS
        old = reads[-1].at < live_ns and reads[run.stamps.index(newest)].at < live_ns
        self._untold = self._untold + len(run) if old else MOST_UNTOLD

    def _hold(self, rows: Iterable[EventRow]) -> None:
        """Keep rows for later; if they become too many, the journal has them too."""
        self._held += rows
        if len(self._held) > MOST_HELD:
            self._held = []
            self.stale = True

    def _safely(self, work: Callable[[], object], *, patient: bool = False) -> Emission:
        """Change the race and return what changed. A fault in it never stops reads coming in.

        Whatever it was, the journal has the truth: everything is folded anew from there.

        Args:
            work: What changes it.
            patient: Nothing is told yet while a reader hands over what it had stored, thousands
                of old reads in a row: each crossing is told once then, and not at every read.
        """
        seq = self._seq
        try:
            work()
            if self.rebuilding or (patient and self._untold < MOST_UNTOLD):
                return Emission()
            self._untold = 0
            return self._emit(self.race.take())
        except Exception:  # bulkhead: reads go into the journal, whatever becomes of the results
            log.exception("the race could not take this; it is computed anew from the journal")
            self._seq = seq
            self.stale = True
            return Emission()

    def samples(self, samples: Sequence[ClockSample]) -> Emission:
        """Take clock samples; reads that waited for them are folded, earlier ones may be stale."""
        if self.rebuilding:
            self._new_samples += samples
        for sample in samples:
            moved = self.timebase.sample(sample)
            if moved is not None:
                name, stamp = moved
                self._hopeless.discard(name)
                self.stale = self.stale or self._newest_stamp.get(name, -(2**63)) >= stamp
        return self._release()

    def give_up_waiting(self, boot_ns: int) -> Emission:
        """Place reads without a clock answer whose reader gave none in all of `PATIENCE_NS`."""
        if self.rebuilding or not self._held or boot_ns - self._held[0][4] < PATIENCE_NS:
            return Emission()
        self._hopeless |= {
            self.timebase.owner(row[1])[0] for row in self._held if boot_ns - row[4] >= PATIENCE_NS
        }
        return self._release()

    def waits(self, row: EventRow) -> bool:
        """Say whether a row cannot be placed yet: its reader may tell its time soon."""
        name, boot_id = self.timebase.owner(row[1])
        reader = self.timebase.readers.get(name)
        if reader is None or reader.ready or boot_id != self._clock.boot_id:
            return False
        return self._clock.boot_ns() - row[4] < PATIENCE_NS

    def _release(self) -> Emission:
        if self.rebuilding or not self._held:
            return Emission()
        rows, self._held = self._held, []
        out = Emission()
        for part in _by_arrival(rows):
            out = out.joined(self.fold(ReadRun.of_rows(part)))
        return out

    @property
    def busy(self) -> bool:
        """Whether something may come due within a second."""
        return bool(self._held or self._untold) or self.race.next_deadline() is not None

    @property
    def bases(self) -> Mapping[str, int]:
        """Boot id -> UTC minus CLOCK_BOOTTIME, of the boots whose truth is known."""
        return self._bases

    def knows_host(self, boot_id: str) -> bool:
        """Say whether the truth about a boot's time is known."""
        return boot_id in self._bases

    def host_truth(self, boot_id: str, base_ns: int) -> bool:
        """Take the first synchronised moment of this boot; say whether it was news."""
        if boot_id in self._bases:
            return False
        self._bases[boot_id] = base_ns
        self.stale = True
        return True

    def set_entrants(self, entrants: Mapping[RegistrationId, Entrant]) -> Emission:
        """Take the participants as they are now."""
        self._entrants = entrants
        if self.rebuilding:
            return Emission()
        return self._safely(lambda: self.race.set_entrants(entrants))

    def set_marks(self, marks: Sequence[Mark]) -> Emission:
        """Take the marks as they are now."""
        self._marks = marks
        if self.rebuilding:
            return Emission()
        return self._safely(lambda: self.race.set_marks(marks))

    def remote(self, crossings: Sequence[RemoteCrossing]) -> Emission:
        """Take crossings of other sites."""
        if self.rebuilding:
            self._held_remote += crossings
            return Emission()
        return self._safely(lambda: self.race.fold_remote(crossings))

    def advance(self) -> Emission:
        """Close passings whose quiet has passed on their reader's clock."""
        if self.rebuilding:
            return Emission()
        return self._safely(lambda: self._advance(self.race))

    def _advance(self, race: Race) -> None:
        host = self._clock.utc_ns()
        readers = self.timebase.readers.items()
        race.advance({name: reader.now(host) for name, reader in readers})

    def _emit(self, changes: Changes) -> Emission:
        rows = [self._row(crossing, phase) for crossing, phase in changes.crossings]
        return Emission(rows, changes.results, changes.withdrawn)

    def _row(self, crossing: Crossing, phase: Phase) -> CrossingRow:
        seq = self._seq
        self._seq += 1
        payload = self._render(crossing, phase, seq)
        return CrossingRow(seq, anchor_of(crossing.id), crossing.location, payload)

    async def rebuild(self, standings: Standings) -> Emission:
        """Read the journal again and return how its results differ from those told so far.

        Live reads are journalled meanwhile and folded at the end. Called at start, and whenever
        `stale`: a first clock answer, a host clock that learnt the truth.
        """
        self.rebuilding, self.stale = True, False
        seq, done = self._seq, False
        try:
            out = await self._recompute(standings)
            done = True
        finally:
            if not done:
                self._seq = seq  # nothing of it was told
        return out.joined(self._release())

    async def _recompute(self, standings: Standings) -> Emission:
        upto = self._next_id
        self._held = []  # they are in the journal, below `upto`
        self._new_sessions, self._new_samples = {}, []
        await self._store.append(Batch())  # everything before this is durable, so readable
        self._take_rules(self._configured, self._asks)
        self.timebase = self._new_timebase()
        race = Race(self.rules, self._history)
        self._catch_up(race)
        race.fold_remote(list(self._store.remote()))
        await self._read_again(race, upto)
        self._catch_up(race)
        self._advance(race)
        out = await self._difference(race.take(), race, standings)
        self._catch_up(race)  # a gun may have been fired meanwhile
        out = out.joined(self._emit(race.take()))
        self.race, self.rebuilding = race, False
        return out

    def _catch_up(self, race: Race) -> None:
        """Bring a race in the making up to what was said while it was made."""
        race.set_entrants(self._entrants)
        race.set_marks(self._marks)
        remote, self._held_remote = self._held_remote, []
        race.fold_remote(remote)

    async def _read_again(self, race: Race, upto: int) -> None:
        """Fold every row before `upto`, a slice at a time."""
        self.folded = 0
        unasked = any(reader.guesses for reader in self.timebase.readers.values())
        if unasked:
            for part in slices(self._store.rows()):
                self.timebase.learn_envelopes(row for row in part if row[0] < upto)
                await self._breathe()
        for part in slices(self._store.rows()):
            rows = [row for row in part if row[0] < upto]
            for row in rows:
                name = self.timebase.owner(row[1])[0]
                self._newest_stamp[name] = max(row[6], self._newest_stamp.get(name, row[6]))
            race.fold(self.timebase.timed(rows))
            self.folded += len(rows)
            await self._breathe()

    async def _breathe(self) -> None:
        self.pulse += 1
        await asyncio.sleep(0)

    async def _difference(self, changes: Changes, race: Race, standings: Standings) -> Emission:
        """Return what the journal read again says differently from what was told."""
        upto = self.last_seq
        told = await told_so_far(self._store, upto, self._breathe)
        rows: list[CrossingRow] = []
        for number, (crossing, phase) in enumerate(changes.crossings):
            if number % SLICE == 0:
                await self._breathe()
            before = told.pop(anchor_of(crossing.id), None)
            if before is None and phase is Phase.WITHDRAWN:
                continue
            if before is None or before != digest(self._render(crossing, phase, 0)):
                rows.append(self._row(crossing, phase))
        lost = frozenset(anchor for anchor, digest in told.items() if digest is not None)
        newest = await newest_of(lost, self._store, upto, self._breathe)
        rows += map(self._withdrawal, newest)
        results = [r for r in changes.results if standings.result(r.registration_id) != r]
        gone = [
            result
            for event in self.rules.events
            for result in standings.results(event.id)
            if (now := race.result(result.registration_id)) is None or now.event_id != event.id
        ]
        return Emission(rows, results, gone)

    def _withdrawal(self, last: CrossingRow) -> CrossingRow:
        """Say that a crossing of which `last` was told no longer exists."""
        seq = self._seq
        self._seq += 1
        message = orjson.loads(last.payload) | {"seq": seq, "state": "withdrawn"}
        return last._replace(seq=seq, payload=orjson.dumps(message))


def _by_arrival(rows: Iterable[EventRow]) -> Iterator[list[EventRow]]:
    """Cut rows into runs of one session that arrived together, order kept."""
    for _, run in groupby(rows, key=itemgetter(1, 3)):
        yield list(run)
