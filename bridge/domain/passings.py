"""Reads of one owner at one location become passings (timing rule 3)."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from bridge.domain.crossings import Decision, Sighting, across_sites, decide
from bridge.domain.marks import Mark
from bridge.domain.reads import UtcNs
from bridge.domain.results import RemoteCrossing, State, TimedRead
from bridge.domain.rules import LocationRules, Method, ReaderRules

HAND_ENTERED: Final = 10**18
"""Added to a mark's number to make the number of its crossing: no journal gets there."""

_at = attrgetter("at")


class Verdict(NamedTuple):
    """What became of a passing, as numbers: text is made of it only when somebody asks."""

    state: State
    rule: Callable[..., str]
    """Says it in words, given the numbers."""
    numbers: tuple[int, ...] = ()

    @property
    def why(self) -> str:
        """The rule with its numbers, for people."""
        return self.rule(*self.numbers)


class Passing:
    """One owner's stay at one location. Only `live` changes one after it was made.

    `number` is what makes its id: the lowest journal id of its reads. `time` is what counts for
    the runner, `at` what our own readers say; they differ only where another site saw it too.
    """

    __slots__ = (
        "antenna",
        "at",
        "by_id",
        "chip",
        "first_at",
        "last_at",
        "location",
        "mark",
        "method",
        "number",
        "outranked",
        "priority",
        "reader",
        "reads",
        "remotes",
        "rssi",
        "sightings",
        "stray",
        "time",
    )

    def __init__(
        self,
        rules: LocationRules,
        sightings: Sequence[Sighting],
        remotes: Sequence[RemoteCrossing] = (),
    ) -> None:
        """Make one of distinct sightings and other sites' crossings, at least one of either."""
        points = [*map(_at, sightings), *map(_at, remotes)]
        self.location = rules.name
        self.mark: Mark | None = None
        self.first_at: int = min(points)
        self.last_at: int = max(points)
        self.remotes = tuple(remotes)
        self.sightings: Sequence[Sighting] = sightings
        self.settle(rules)

    def settle(self, rules: LocationRules) -> None:
        """Take the time from the sightings, after either changed."""
        self.stray = self.last_at - self.first_at > rules.stray_ns
        method = Method.FIRST if self.stray else rules.method
        decision = decide(self.sightings, method) if self.sightings else None
        self.reads = len(self.sightings)
        if decision is not None:
            self.take(decision)
            self.number = min(s.first_id for s in self.sightings)
            self.outranked = sum(1 for s in self.sightings if s.priority != self.priority)
        else:
            self._take_nothing(method)
        self.time = across_sites(decision, self.remotes, method)

    def take(self, decision: Decision) -> None:
        """Let this decision hold."""
        by = decision.by.read
        self.at = decision.at
        self.method = decision.method
        self.priority = decision.by.priority
        self.by_id = by.id
        self.chip, self.reader = by.chip, by.reader
        self.rssi, self.antenna = by.rssi, by.antenna

    def _take_nothing(self, method: Method) -> None:
        self.at = min(remote.at for remote in self.remotes)
        self.method = method
        self.priority, self.by_id, self.number, self.outranked = 0, -1, -1, 0
        self.chip, self.reader = self.remotes[0].chip, ""
        self.rssi = self.antenna = None

    @property
    def ours(self) -> bool:
        """Whether this site publishes it: our readers saw it, or our operator entered it."""
        return self.number >= 0

    def __repr__(self) -> str:
        return f"Passing({self.location} {self.first_at}..{self.last_at} #{self.number})"


P = TypeVar("P", bound=Passing)
Maker = Callable[[LocationRules, Sequence[Sighting], Sequence[RemoteCrossing]], P]


def by_hand(mark: Mark, chip: str, make: Maker[P]) -> P:
    """Make the passing of a crossing an operator entered; without a time, when it was entered."""
    at = mark.made_at if mark.at is None else mark.at
    location = mark.location or ""
    stand_in = RemoteCrossing("", "", location, chip, at, withdrawn=False)
    passing = make(LocationRules(name=location), (), (stand_in,))
    passing.remotes = ()
    passing.number = HAND_ENTERED + mark.id
    passing.reader = mark.author
    passing.mark = mark
    return passing


def sighting(read: TimedRead, reader: ReaderRules) -> Sighting:
    """Put a read where its reader stands: offset subtracted, with its rank."""
    return Sighting(read.at - reader.offset_ns, reader.priority, read, read.id)


def distinct(sightings: Iterable[Sighting]) -> tuple[list[Sighting], list[Sighting]]:
    """Return the sightings that count and those that repeat one of them.

    Two records of one reader with the same identity are one read. If they differ in what they
    say, the earlier, else the louder, else the first that arrived counts.
    """
    kept: dict[tuple[str, tuple[str, int] | str], Sighting] = {}
    repeats: list[Sighting] = []
    for new in sightings:
        key = (new.read.reader, new.read.identity)
        old = kept.setdefault(key, new)
        if old is new or old.read.id == new.read.id:
            continue
        better, worse = (new, old) if claim(new) < claim(old) else (old, new)
        kept[key] = better._replace(first_id=min(old.first_id, new.first_id))
        repeats.append(worse)
    return list(kept.values()), repeats


def claim(seen: Sighting) -> tuple[int, bool, float, int]:
    """Return what decides between records of the same read; the lowest counts."""
    rssi = seen.read.rssi
    return (seen.at, rssi is None, 0.0 if rssi is None else -rssi, seen.read.id)


def form(
    rules: LocationRules,
    sightings: Sequence[Sighting],
    remotes: Sequence[RemoteCrossing],
    t0: UtcNs | None,
    make: Maker[P],
) -> list[P]:
    """Cluster distinct sightings of one owner by quiet, in order of time.

    A gap of exactly `quiet_ns` is still inside. Reads before T0 never share a passing with reads
    from T0 on. `make` is `Passing` or a kind of it.
    """
    points: list[Sighting | RemoteCrossing] = sorted([*sightings, *remotes], key=_at)
    cuts = [0]
    for index, (before, after) in enumerate(pairwise(points), start=1):
        if after.at - before.at > rules.quiet_ns or parts(t0, before.at, after.at):
            cuts.append(index)
    cuts.append(len(points))
    return [_passing(rules, points[a:b], make) for a, b in pairwise(cuts) if a < b]


def parts(t0: UtcNs | None, before: int, after: int) -> bool:
    """Return whether T0 lies between two moments, the later one included."""
    return t0 is not None and before < t0 <= after


def _passing(
    rules: LocationRules, points: Sequence[Sighting | RemoteCrossing], make: Maker[P]
) -> P:
    return make(
        rules,
        [point for point in points if isinstance(point, Sighting)],
        [point for point in points if isinstance(point, RemoteCrossing)],
    )
