"""What is kept of each owner while the race runs, bounded per runner.

A track is one owner at one location. Its newest passing knows its reads for `YOUNG_NS` of reader
time, so that late and repeated reads of a live link are answered at once. Whatever the kept
summary cannot answer exactly is `Change.STALE`: the track is made anew from the journal.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import pairwise

from bridge.domain.collapse import Collapsed
from bridge.domain.course import Walk
from bridge.domain.crossings import Decision, Sighting
from bridge.domain.judging import Owner, Runner
from bridge.domain.live import CLOSED, Live
from bridge.domain.passings import Verdict, claim, parts
from bridge.domain.reads import UtcNs
from bridge.domain.results import RemoteCrossing, TimedRead
from bridge.domain.rules import ClockPolicy, EventId, LocationRules, Method, ReaderRules


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
        "resting",
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
        self.resting: list[tuple[int, int, Live]] = []
        """Heap of (due, serial, final passing that still knows its reads)."""
        self.past: set[int] | None = set() if reader.clock is ClockPolicy.ARRIVAL else None
        """Hashes of all identities: without a clock a repeat has a time of its own."""

    def may_repeat(self, read: TimedRead) -> bool:
        """Return whether an equal record may have come at another time; remember this one.

        Reads without a stamp are placed by arrival whatever the policy: their identity is a key
        and 0.
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
        self.hands: Sequence[Live] = ()
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

    def admit(self, read: TimedRead, lane: Lane, readers: Mapping[str, ReaderRules]) -> Change:
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
        return self._join(newest, read, lane, readers)

    def _reaches_older(self, at: int, quiet_ns: int) -> bool:
        if len(self.passings) == 1:
            return False
        older = self.passings[-2]
        return at - older.last_at <= quiet_ns and not parts(self.t0, older.last_at, at)

    def _open(self, read: TimedRead, at: int, lane: Lane) -> Change:
        if self.passings:
            self.passings[-1].until = CLOSED
        passing = Live.opened(self, read, at, lane.priority)
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

    def _join(
        self, passing: Live, read: TimedRead, lane: Lane, readers: Mapping[str, ReaderRules]
    ) -> Change:
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
            self._decide(passing, new, readers, later=later)
        self.warm(passing)
        lane.open[read.chip] = passing
        changed = passing.final or passing.essence() != before
        return Change.CHANGED if changed else Change.NONE

    def _decide(
        self, passing: Live, new: Sighting, readers: Mapping[str, ReaderRules], *, later: bool
    ) -> None:
        rules = self.place.rules
        if passing.remotes or not passing.ours:
            passing.refresh(rules, readers)
        elif rules.method is Method.FIRST:
            if (new.priority, new.at, new.read.id) < (passing.priority, passing.at, passing.by_id):
                passing.refresh(rules, readers)
        elif (
            rules.method is Method.LAST
            and later
            and new.priority == passing.priority
            and passing.last_at - passing.first_at <= rules.stray_ns
        ):
            passing.take(Decision(new.at, Method.LAST, new))
            passing.time = UtcNs(new.at)
        else:
            passing.refresh(rules, readers)

    def attach(self, crossing: RemoteCrossing, readers: Mapping[str, ReaderRules]) -> Change:
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
        passing.refresh(rules, readers)
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
