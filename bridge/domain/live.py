"""A passing while reads still come: it knows its reads for a while, then only what they gave."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from bridge.domain.crossings import Sighting
from bridge.domain.passings import Passing, Verdict, sighting
from bridge.domain.reads import NS_PER_S, UtcNs
from bridge.domain.results import RemoteCrossing, TimedRead
from bridge.domain.rules import LocationRules, Method, ReaderRules

if TYPE_CHECKING:
    from bridge.domain.track import Track

YOUNG_NS: Final = 13 * NS_PER_S
"""How long a passing knows its reads: live links deliver up to 11 s late."""
CLOSED: Final = -1
Seen = dict[str, dict[tuple[str, int] | str, TimedRead]]
_NOTHING: Final = cast("Seen", MappingProxyType({}))


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
        self.seen: Seen = _NOTHING
        """Reader -> identity -> read, while young; else one empty mapping for all."""
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
        self.settled = False
        """Whether only its verdict or its runner can make it read differently from `shown`."""

    @classmethod
    def opened(cls, track: "Track", read: TimedRead, at: int, priority: int) -> "Live":
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
        self.priority = priority
        self.number = self.by_id = read.id
        self.chip, self.reader = read.chip, read.reader
        self.rssi, self.antenna = read.rssi, read.antenna
        self.track = track
        self.young = True
        self.seen = {read.reader: {read.identity: read}}
        self.queued = self.final = self.settled = False
        self.forgotten = self.known_from = 0
        self.until = CLOSED
        self.verdict = self.shown = None
        return self

    def remember(self) -> None:
        """Turn the sightings it was made of into what it knows."""
        self.young = True
        self.seen = dict(self.seen)
        for seen in self.sightings:
            self.seen.setdefault(seen.read.reader, {})[seen.read.identity] = seen.read
        self.sightings = ()

    def known(self, readers: Mapping[str, ReaderRules]) -> list[Sighting]:
        """Return the sightings it knows."""
        return [
            sighting(read, readers[name])
            for name, reads in self.seen.items()
            for read in reads.values()
        ]

    def count(self, readers: Mapping[str, ReaderRules], stray_ns: int) -> None:
        """Bring the counts up to date: they are left behind while reads come."""
        if not self.young:
            return
        self.stray = self.last_at - self.first_at > stray_ns
        alone = self.seen.get(self.reader) if len(self.seen) == 1 else None
        if alone is not None:  # nearly always
            self.reads, self.outranked = self.forgotten + len(alone), 0
            return
        self.reads, self.outranked = self.forgotten, 0
        for name, reads in self.seen.items():
            self.reads += len(reads)
            if name != self.reader and readers[name].priority != self.priority:
                self.outranked += len(reads)

    def refresh(self, rules: LocationRules, readers: Mapping[str, ReaderRules]) -> None:
        """Decide anew from the reads it knows."""
        first_known = self.number
        self.sightings = self.known(readers)
        self.settle(rules)
        self.sightings = ()
        if first_known >= 0:
            self.number = first_known

    def essence(self) -> tuple[object, ...]:
        """Return what the outside sees of it before it is final."""
        return (self.number, self.at, self.time, self.by_id, self.method)

    def retire(self, readers: Mapping[str, ReaderRules], stray_ns: int) -> None:
        """Forget the reads."""
        self.count(readers, stray_ns)
        self.young = False
        self.seen = _NOTHING
        self.until = CLOSED

    def prune(self, readers: Mapping[str, ReaderRules], before: int) -> None:
        """Forget the older reads of a parked chip, whose crossing is decided."""
        for name, reads in self.seen.items():
            offset_ns = readers[name].offset_ns
            old = [identity for identity, r in reads.items() if r.at - offset_ns < before]
            for identity in old:
                del reads[identity]
            self.forgotten += len(old)
        self.known_from = before
