"""Passings while reads still come: the state behind `race.Race`, bounded per runner.

A track is one owner at one location. Its newest passing knows its reads for `YOUNG_NS` of reader
time, so that late and repeated reads of a live link are answered at once. Whatever the kept
summary cannot answer exactly is `Change.STALE`: the track is made anew from the journal.
"""

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from typing import Final

from bridge.domain.collapse import Collapsed
from bridge.domain.course import Walk
from bridge.domain.crossings import Decision, Sighting
from bridge.domain.judging import Owner, Runner
from bridge.domain.passings import Passing, Verdict, claim, parts
from bridge.domain.reads import NS_PER_S, UtcNs
from bridge.domain.results import Crossing, RemoteCrossing, TimedRead
from bridge.domain.rules import ClockPolicy, EventId, LocationRules, Method, ReaderRules

YOUNG_NS: Final = 20 * NS_PER_S
"""How long a passing knows its reads: live links deliver up to 11 s late."""
CLOSED: Final = -1


class Change(Enum):
    """What a fact did to a track."""

    NONE = "none"
    """At most a count."""
    CHANGED = "changed"
    """A crossing appeared or reads differently now."""
    REPEATED = "repeated"
    """The record only repeats a read."""
    STALE = "stale"
    """Nobody can say without the journal."""


class Live(Passing):
    """A passing that can still grow."""

    __slots__ = (
        "final",
        "forgotten",
        "known_from",
        "queued",
        "seen",
        "settled",
        "shown",
        "told",
        "track",
        "until",
        "verdict",
        "young",
    )

    def __init__(
        self,
        rules: LocationRules,
        sightings: Sequence[Sighting],
        remotes: Sequence[RemoteCrossing] = (),
    ) -> None:
        super().__init__(rules, sightings, remotes)
        self.track: Track | None = None
        """None when it was replaced."""
        self.until = CLOSED
        """A later read until here changes nothing but the count; `CLOSED`: ask the track."""
        self.young = False
        """Whether `seen` has its reads."""
        self.seen: dict[str, dict[tuple[str, int] | str, TimedRead]] = {}
        """Reader -> identity -> read, while young."""
        self.queued = False
        """Whether somebody will close it when its time has come."""
        self.forgotten = 0
        """Reads of a parked chip no longer in `seen`."""
        self.known_from = 0
        """Reads before this may be among the forgotten."""
        self.final = False
        self.verdict: Verdict | None = None
        self.shown: int | None = None
        """Signature under which it was last told."""
        self.told: tuple[int, Crossing] | None = None
        """While young: what was told but for the counts, and a digest of it."""
        self.settled = False
        """Whether only its verdict or its runner can make it read differently from `shown`."""

    @classmethod
    def opened(cls, track: "Track", read: TimedRead, at: int, lane: "Lane") -> "Live":
        """Make the passing that a live read opens: what `__init__` makes of one, much faster."""
        self = cls.__new__(cls)
        self.location = track.place.name
        self.mark = None
        self.remotes = self.sightings = ()
        self.first_at = self.last_at = self.at = at
        self.time = UtcNs(at)
        self.stray = False
        self.reads, self.outranked = 1, 0
        method = track.place.rules.method
        if method is Method.PEAK or method is Method.STRONGEST:
            method = Method.FIRST if read.rssi is None else Method.STRONGEST
        self.method = method
        self.priority = lane.priority
        self.number = self.by_id = read.id
        self.chip, self.reader = read.chip, read.reader
        self.rssi, self.antenna = read.rssi, read.antenna
        self.track = track
        self.young = True
        self.seen = {read.reader: {read.identity: read}}
        self.queued = self.final = self.settled = False
        self.forgotten = self.known_from = 0
        self.until = CLOSED
        self.verdict = self.shown = self.told = None
        return self

    def remember(self) -> None:
        """Turn the sightings it was made of into what it knows."""
        self.young = True
        for seen in self.sightings:
            self.seen.setdefault(seen.read.reader, {})[seen.read.identity] = seen.read
        self.sightings = ()

    def known(self, lanes: "dict[str, Lane]") -> list[Sighting]:
        """Return the sightings it knows."""
        found: list[Sighting] = []
        for name, reads in self.seen.items():
            lane = lanes[name]
            found += [
                Sighting(r.at - lane.offset_ns, lane.priority, r, r.id) for r in reads.values()
            ]
        return found

    def count(self, lanes: "dict[str, Lane]", stray_ns: int) -> None:
        """Bring the counts up to date: they are left behind while reads come."""
        if not self.young:
            return
        self.reads = self.forgotten + sum(map(len, self.seen.values()))
        self.outranked = sum(
            len(reads) for name, reads in self.seen.items() if lanes[name].priority != self.priority
        )
        self.stray = self.last_at - self.first_at > stray_ns

    def refresh(self, rules: LocationRules, lanes: "dict[str, Lane]") -> None:
        """Decide anew from the reads it knows."""
        first_known = self.number
        self.sightings = self.known(lanes)
        self.settle(rules)
        self.sightings = ()
        if first_known >= 0:
            self.number = first_known

    def essence(self) -> tuple[object, ...]:
        """Return what the outside sees of it before it is final."""
        return (self.number, self.at, self.time, self.by_id, self.method)

    def retire(self, lanes: "dict[str, Lane]", stray_ns: int) -> None:
        """Forget the reads."""
        self.count(lanes, stray_ns)
        self.young = False
        self.seen = {}
        self.told = None
        self.until = CLOSED

    def prune(self, lanes: "dict[str, Lane]", before: int) -> None:
        """Forget the older reads of a parked chip, whose crossing is decided."""
        for name, reads in self.seen.items():
            offset_ns = lanes[name].offset_ns
            old = [identity for identity, r in reads.items() if r.at - offset_ns < before]
            for identity in old:
                del reads[identity]
            self.forgotten += len(old)
        self.known_from = before


class Place:
    """A location with all its tracks."""

    __slots__ = ("name", "open", "remotes", "rules", "tracks")

    def __init__(self, rules: LocationRules) -> None:
        self.name = rules.name
        self.rules = rules
        self.tracks: dict[str, Track] = {}
        """By the exact text of the chip."""
        self.open: dict[str, Live] = {}
        """By chip: the passing that a next read most probably extends."""
        self.remotes: dict[str, dict[tuple[str, str], RemoteCrossing]] = {}
        """By chip: other sites' crossings here, by (site, id)."""


class Lane:
    """One reader's way into its place."""

    __slots__ = (
        "closing",
        "newest",
        "offset_ns",
        "open",
        "past",
        "place",
        "priority",
        "quiet_ns",
        "reader",
    )

    def __init__(self, reader: ReaderRules, place: Place) -> None:
        self.reader = reader.name
        self.offset_ns = reader.offset_ns
        self.priority = reader.priority
        self.place = place
        self.open = place.open
        self.quiet_ns = place.rules.quiet_ns
        self.newest = -1
        """Time of the read that last opened a passing."""
        self.closing: list[tuple[int, int, Live]] = []
        """Heap of (due, serial, passing) decided by this reader."""
        self.past: set[int] | None = set() if reader.clock is ClockPolicy.ARRIVAL else None
        """Hashes of all identities: without a clock a repeat has a time of its own."""

    def may_repeat(self, read: TimedRead) -> bool:
        """Return whether an equal record may have come at another time; remember this one.

        Reads without a stamp are placed by arrival whatever the policy.
        """
        if self.past is None:
            if isinstance(read.identity, str) or read.identity[1] != 0:
                return False
            self.past = set()
        key = hash(read.identity)
        if key in self.past:
            return True
        self.past.add(key)
        return False


class Books:
    """All that is kept of one owner."""

    __slots__ = (
        "changed_from",
        "event_told",
        "frame",
        "hands",
        "key",
        "news",
        "runner",
        "start",
        "told",
        "tracks",
        "walk",
    )

    def __init__(self, key: Owner, runner: Runner | None) -> None:
        self.key = key
        self.runner = runner
        """None: nobody's chip, or a registration in no configured event."""
        self.tracks: dict[str, Track] = {}
        """By location."""
        self.hands: list[Live] = []
        """Hand-entered passings."""
        self.start: UtcNs | None = None
        """Own start by the last judgement."""
        self.told: object = None
        """What the result told last was made of."""
        self.frame: object = None
        """Runner and start by which its passings were last told."""
        self.event_told: EventId | None = None
        self.walk: Walk | None = None
        """The last judgement, while it can go on from there."""
        self.news: Live | None = None
        """The one passing that is new since."""
        self.changed_from: int | None = None
        """Earliest moment about which something is new since the last judgement."""

    @property
    def texts(self) -> list[str]:
        """Every chip that leads here."""
        return list({text: None for track in self.tracks.values() for text in track.texts})

    def passings(self) -> list[Live]:
        """Return what is kept of the owner's passings, hand-entered ones included."""
        return [*self.hands, *(p for track in self.tracks.values() for p in track.passings)]

    def collapsed_until(self) -> int | None:
        """Return the newest time of anything dropped, None while nothing is."""
        dropped = [t.collapsed.until for t in self.tracks.values() if t.collapsed is not None]
        return max(dropped, default=None)


class Track:
    """One owner's passings at one location, in order of time."""

    __slots__ = (
        "books",
        "collapsed",
        "nobody",
        "passings",
        "past",
        "place",
        "repeats",
        "t0",
        "texts",
    )

    def __init__(self, books: Books, place: Place, nobody: Verdict | None) -> None:
        self.books = books
        self.place = place
        self.t0 = None if books.runner is None else books.runner.t0
        self.nobody = nobody
        """Why the chip is nobody's; None: it is a runner's."""
        self.passings: list[Live] = []
        self.texts: list[str] = []
        """Chips that lead here, as readers and sites spell them."""
        self.repeats = 0
        self.collapsed: Collapsed | None = None
        self.past: Collapsed | None = None
        """What had been collapsed before the passings were made anew, until they are told."""

    def remotes(self) -> list[RemoteCrossing]:
        """Return other sites' crossings of this owner here."""
        if self.nobody is not None:
            return []
        found = self.place.remotes
        return [crossing for text in self.texts for crossing in found.get(text, {}).values()]

    def admit(self, read: TimedRead, lane: Lane, lanes: dict[str, Lane]) -> Change:
        """Take a read of this track in, if the newest passing can say what it does."""
        at = read.at - lane.offset_ns
        quiet_ns = self.place.rules.quiet_ns
        if not self.passings:
            return self._open(read, at, lane)
        newest = self.passings[-1]
        if at > newest.last_at + quiet_ns or parts(self.t0, newest.last_at, at):
            return self._open(read, at, lane)
        if not newest.young or at < newest.known_from or at < newest.first_at - quiet_ns:
            return Change.STALE
        if parts(self.t0, at, newest.first_at) or self._reaches_older(at, quiet_ns):
            return Change.STALE
        return self._join(newest, read, lane, lanes)

    def _reaches_older(self, at: int, quiet_ns: int) -> bool:
        if len(self.passings) == 1:
            return False
        older = self.passings[-2]
        return at - older.last_at <= quiet_ns and not parts(self.t0, older.last_at, at)

    def _open(self, read: TimedRead, at: int, lane: Lane) -> Change:
        if self.passings:
            self.passings[-1].until = CLOSED
        passing = Live.opened(self, read, at, lane)
        self.passings.append(passing)
        self.warm(passing)
        lane.open[read.chip] = passing
        lane.newest = at
        return Change.CHANGED

    def warm(self, passing: Live) -> None:
        """Let later reads take the short way where they cannot change the crossing."""
        begun = self.t0 is None or passing.first_at >= self.t0
        first = self.place.rules.method is Method.FIRST
        if begun and first and passing.seen and not passing.remotes and not passing.final:
            passing.until = passing.last_at + self.place.rules.quiet_ns
        else:
            passing.until = CLOSED

    def _join(self, passing: Live, read: TimedRead, lane: Lane, lanes: dict[str, Lane]) -> Change:
        known = passing.seen.setdefault(read.reader, {})
        same = known.get(read.identity)
        at = read.at - lane.offset_ns
        new = Sighting(at, lane.priority, read, read.id)
        if same is not None:
            if same.id == read.id:
                return Change.NONE
            old = Sighting(same.at - lane.offset_ns, lane.priority, same, same.id)
            known_best = claim(old) <= claim(new) and read.id > passing.number
            return Change.REPEATED if known_best else Change.STALE
        if passing.forgotten and lane.priority < passing.priority:
            return Change.STALE
        if read.id < passing.number:
            return Change.STALE  # it was told of under another id
        known[read.identity] = read
        before = passing.essence()
        later = at > passing.last_at
        passing.first_at = min(passing.first_at, at)
        passing.last_at = max(passing.last_at, at)
        if not passing.forgotten:
            self._decide(passing, new, lanes, later=later)
        self.warm(passing)
        lane.open[read.chip] = passing
        changed = passing.final or passing.essence() != before
        return Change.CHANGED if changed else Change.NONE

    def _decide(self, passing: Live, new: Sighting, lanes: dict[str, Lane], *, later: bool) -> None:
        rules = self.place.rules
        if passing.remotes or not passing.ours:
            passing.refresh(rules, lanes)
        elif rules.method is Method.FIRST:
            if (new.priority, new.at, new.read.id) < (passing.priority, passing.at, passing.by_id):
                passing.refresh(rules, lanes)
        elif (
            rules.method is Method.LAST
            and later
            and new.priority == passing.priority
            and passing.last_at - passing.first_at <= rules.stray_ns
        ):
            passing.take(Decision(new.at, Method.LAST, new))
            passing.time = UtcNs(new.at)
        else:
            passing.refresh(rules, lanes)

    def attach(self, crossing: RemoteCrossing, lanes: dict[str, Lane]) -> Change:
        """Take in another site's new crossing."""
        rules = self.place.rules
        near = [p for p in self.passings if self._touches(p, crossing.at)]
        until = -1 if self.collapsed is None else self.collapsed.until
        if len(near) > 1 or crossing.at <= until + rules.quiet_ns:
            return Change.STALE
        if not near:
            self._insert(Live(rules, (), (crossing,)))
            return Change.CHANGED
        passing = near[0]
        if not passing.young or passing.forgotten:
            return Change.STALE
        passing.remotes = (*passing.remotes, crossing)
        passing.first_at = min(passing.first_at, crossing.at)
        passing.last_at = max(passing.last_at, crossing.at)
        passing.refresh(rules, lanes)
        passing.until = CLOSED
        return Change.CHANGED

    def _touches(self, passing: Live, at: int) -> bool:
        quiet_ns = self.place.rules.quiet_ns
        if not passing.first_at - quiet_ns <= at <= passing.last_at + quiet_ns:
            return False
        before = parts(self.t0, at, passing.first_at)
        return not (before or parts(self.t0, passing.last_at, at))

    def _insert(self, passing: Live) -> None:
        passing.remember()
        passing.track = self
        self.passings.append(passing)
        self.passings.sort(key=lambda p: p.first_at)
        for each in self.passings:
            each.until = CLOSED

    def keeps(self, t0: UtcNs | None) -> bool:
        """Return whether the passings stay the same under another T0, and take it if so."""
        for passing in self.passings:
            if parts(t0, passing.first_at, passing.last_at):
                return False
        quiet_ns = self.place.rules.quiet_ns
        for one, other in pairwise(self.passings):
            near = other.first_at - one.last_at <= quiet_ns
            if near and not parts(t0, one.last_at, other.first_at):
                return False
        self.t0 = t0
        if self.passings:
            self.warm(self.passings[-1])
        return True
