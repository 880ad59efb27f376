"""Place reads in time: each reader's policy, samples and arrivals, from what was journalled."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby, repeat
from operator import itemgetter

from bridge.app.rows import ClockSample, EventRow, ReadRun, SessionRow
from bridge.domain.clocks import ClockTrack, ZoneClock, believable, by_zone
from bridge.domain.reads import NS_PER_MS, StampForm
from bridge.domain.results import TimedRead
from bridge.domain.rules import ClockPolicy, ReaderRules

BAD = -1
"""`TimedRead.at` of a read whose clock cannot be believed."""
NOBODY = ("", "")
"""Whose reads are when a damaged store lost the record of their session."""
ENVELOPE_STEP_NS = 20 * NS_PER_MS
"""The lower envelope of arrivals moves in steps, so that times do not shiver."""


class HostTime:
    """UTC of a moment from the host's monotonic clock, once the truth about a boot is known.

    A Pi has no battery clock: until the first synchronisation its UTC is that of the last stop.
    Every record keeps the monotonic clock too; when the truth arrives, all of that boot is rebased.
    """

    def __init__(self, bases: Mapping[str, int]) -> None:
        self._bases = dict(bases)

    def utc(self, boot_id: str, boot_ns: int, utc_ns: int) -> int:
        """Return UTC of a moment recorded as (`boot_ns`, `utc_ns`).

        While both clocks agree to a second the recorded UTC stands: it is smoother than ours.
        """
        base = self._bases.get(boot_id)
        if base is None:
            return utc_ns
        rebased = boot_ns + base
        return utc_ns if abs(rebased - utc_ns) < 1_000 * NS_PER_MS else rebased


class ReaderTime:
    """Turns one reader's rows into `TimedRead`s by its policy."""

    def __init__(self, rules: ReaderRules, *, can_tell_time: bool) -> None:
        self.rules = rules
        self.track = ClockTrack()
        self._zone = ZoneClock(rules.zone)
        self._asks = can_tell_time
        self._envelope: tuple[int, int] | None = None

    @property
    def ready(self) -> bool:
        """Whether reads can be placed now, or should wait for the first clock answer."""
        waits = self.rules.clock is ClockPolicy.CORRECTED and self._asks
        return self.track.known or not waits

    @property
    def guesses(self) -> bool:
        """Whether arrivals are all there is to learn the offset from."""
        return self.rules.clock is ClockPolicy.CORRECTED and not self.track.known

    @property
    def clueless(self) -> bool:
        """Whether not even an arrival has told anything of the reader's clock yet."""
        return self.guesses and self._envelope is None

    def sample(self, sample: ClockSample, host_ns: int) -> int | None:
        """Take a clock sample; return the lowest stamp whose time may have changed, or None."""
        changed = self.track.add(
            host_ns=host_ns,
            rtt_ns=sample.rtt_ns,
            stamp=sample.stamp,
            form=sample.form,
            step=sample.step,
        )
        return changed if self.rules.clock is ClockPolicy.CORRECTED else None

    def at(self, stamp: int, form: int, arrived_ns: int) -> int:
        """Return UTC ns of a read, `BAD` if its clock cannot be believed."""
        policy = self.rules.clock
        if policy is ClockPolicy.ARRIVAL or form == StampForm.ABSENT:
            return arrived_ns
        at: int | None = None
        if policy is ClockPolicy.CORRECTED:
            at = self.track.correct(stamp, form, arrived_ns)
            if at is None:
                at = self._by_envelope(stamp, form, arrived_ns)
        if at is None:
            at = by_zone(stamp, form, arrived_ns, self._zone)
        return at if believable(at, arrived_ns, policy) else BAD

    def shift(self, low: int, high: int, form: int, arrived_ns: int) -> int | None:
        """Return what turns every stamp from `low` to `high` into UTC, if that is one number.

        The usual case of a run of live reads; `None` sends them through `at` one by one.
        """
        if form == StampForm.ABSENT:
            return None
        match self.rules.clock:
            case ClockPolicy.CORRECTED:
                return self.track.shift(low, high, form, arrived_ns)
            case ClockPolicy.READER if form == StampForm.NAIVE:
                return self._zone.shift(low, high)
            case _:
                return None

    def envelope(self, stamp: int, form: int, arrived_ns: int) -> bool:
        """Learn from an arrival of a reader that cannot be asked; say whether times changed.

        Arrival minus stamp is never less than the true offset, so its lowest value is the best
        estimate there is.
        """
        if not self.guesses or form == StampForm.ABSENT:
            return False
        lag = arrived_ns - stamp
        if self._envelope is None or self._envelope[0] != form:
            self._envelope = (form, lag)
            return True
        if lag < self._envelope[1] - ENVELOPE_STEP_NS:
            self._envelope = (form, lag)
            return True
        return False

    def _by_envelope(self, stamp: int, form: int, arrived_ns: int) -> int | None:
        if self._envelope is None or self._envelope[0] != form:
            return None
        return min(stamp + self._envelope[1], arrived_ns)

    def now(self, host_ns: int) -> int:
        """Return what a read made now would be timed at (for closing passings)."""
        offset, form = self.track.offset, self.track.form
        if self.rules.clock is not ClockPolicy.READER or offset is None:
            return host_ns
        return by_zone(host_ns - offset[0], form, host_ns, self._zone)


class TimeBase:
    """All readers of this box."""

    def __init__(
        self,
        readers: Iterable[ReaderTime],
        sessions: Mapping[int, SessionRow],
        bases: Mapping[str, int],
    ) -> None:
        self.host = HostTime(bases)
        self.readers = {reader.rules.name: reader for reader in readers}
        self._sessions: dict[int, tuple[str, str]] = {
            number: (session.reader, session.boot_id) for number, session in sessions.items()
        }

    def session(self, session: SessionRow) -> None:
        """Learn whose rows a new session number marks."""
        self._sessions[session.id] = (session.reader, session.boot_id)

    def owner(self, session: int) -> tuple[str, str]:
        """Return (reader name, boot id) of a session; `NOBODY` if its record was lost."""
        return self._sessions.get(session, NOBODY)

    def sample(self, sample: ClockSample) -> tuple[str, int] | None:
        """Take a sample; return (reader, lowest stamp that may have moved) or None."""
        name, boot_id = self.owner(sample.session)
        reader = self.readers.get(name)
        if reader is None:
            return None
        host = self.host.utc(boot_id, sample.boot_ns, sample.utc_ns)
        changed = reader.sample(sample, host)
        return None if changed is None else (name, changed)

    def arrival(self, row: EventRow) -> int:
        """Return UTC ns of a row's arrival."""
        _, boot_id = self.owner(row[1])
        return self.host.utc(boot_id, row[4], row[3])

    def timed(self, rows: Iterable[EventRow]) -> list[TimedRead]:
        """Place READ rows in time; those of a reader nobody knows of have none."""
        reads: list[TimedRead] = []
        for (session, utc_ns), run in groupby(rows, key=_ARRIVAL):
            name, boot_id = self.owner(session)
            reader = self.readers.get(name)
            some = list(run)
            if reader is None:
                reads += [_placeless(row, name) for row in some]
                continue
            arrived = self.host.utc(boot_id, some[0][4], utc_ns)
            reads += timed_reads(ReadRun.of_rows(some), reader, arrived)
        return reads

    def learn_envelopes(self, rows: Iterable[EventRow]) -> bool:
        """Let readers that cannot be asked learn from arrivals; say whether times changed."""
        changed = False
        for row in rows:
            reader = self.readers.get(self.owner(row[1])[0])
            if reader is not None and reader.guesses:
                changed |= reader.envelope(row[6], row[7], self.arrival(row))
        return changed


_ARRIVAL = itemgetter(1, 3)
_make_read = partial(tuple.__new__, TimedRead)


def timed_reads(run: ReadRun, reader: ReaderTime, arrived_ns: int) -> list[TimedRead]:
    """Return the reads of one reader that arrived together, placed in time."""
    # Column by column, without a line of Python for each read: this is the hot path.
    chips, stamps, keys = run.chips, run.stamps, run.keys
    form = run.forms[0]
    shift = reader.shift(min(stamps), max(stamps), form, arrived_ns)
    if shift is None or run.forms.count(form) != len(run):
        return [_timed_read(row, reader, arrived_ns) for row in run]
    times = stamps if shift == 0 else map(shift.__add__, stamps)
    identities: Iterable[object] = zip(chips, stamps, strict=True)
    if any(keys):
        identities = (key or pair for key, pair in zip(keys, identities, strict=True))
    name = repeat(reader.rules.name)
    made = zip(run.ids, times, chips, name, run.rssis, run.antennas, identities, strict=False)
    return list(map(_make_read, made))


def _timed_read(row: EventRow, reader: ReaderTime, arrived_ns: int) -> TimedRead:
    chip = row[5] or ""
    return TimedRead(
        row[0],
        reader.at(row[6], row[7], arrived_ns),
        chip,
        reader.rules.name,
        row[9],
        row[8],
        _identity(row),
    )


def _placeless(row: EventRow, reader: str) -> TimedRead:
    chip = row[5] or ""
    return TimedRead(row[0], BAD, chip, reader, row[9], row[8], _identity(row))


def _identity(row: EventRow) -> tuple[str, int] | str:
    """Return what makes two rows of a reader the same read.

    One without a stamp has another time at each arrival. If it has a key, the 0 says that it may
    come again; else each is its own.
    """
    if row[7] == StampForm.ABSENT:
        return (row[11], 0) if row[11] else (row[5] or "", -row[0])
    return row[11] or (row[5] or "", row[6])
