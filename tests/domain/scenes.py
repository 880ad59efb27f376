"""One event on a short course, for tests that say their numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.pure import Outcome, compute
from bridge.domain.reads import UtcNs
from bridge.domain.results import Crossing, RemoteCrossing, Result, TimedRead
from bridge.domain.rules import (
    EventId,
    EventRules,
    LocationRules,
    Method,
    Point,
    ReaderRules,
    Rules,
)
from tests.domain.worlds import BASE, instant, seconds

EVENT = EventId(1)
START, MIDDLE, FINISH = "start", "5k", "finish"
COURSE = (
    Point(location=START),
    Point(location=MIDDLE, split="5K", min_ns=seconds(600), max_ns=seconds(3600)),
    Point(location=FINISH, distance_m=10_000.0, min_ns=seconds(1200)),
)
GUN = instant(0)


def rules(course: Sequence[Point] = COURSE, *, gun: UtcNs | None = GUN, **finish: object) -> Rules:
    """`finish` changes `LocationRules` of the finish."""
    event = EventRules(id=EVENT, name="10K", course=tuple(course), gun=gun)
    names = {point.location for point in course} | {START, MIDDLE, FINISH}
    locations = {name: LocationRules(name=name) for name in names}
    locations[START] = replace(locations[START], method=Method.LAST)
    locations[FINISH] = replace(locations[FINISH], **finish)  # type: ignore[arg-type]
    readers = {name: ReaderRules(name=name, location=name) for name in names}
    readers["backup"] = ReaderRules(
        name="backup", location=FINISH, priority=2, offset_ns=seconds(0.5)
    )
    return Rules(site="box", events=(event,), locations=locations, readers=readers)


def runner(number: int = 1, *, chips: tuple[str, ...] | None = None, **more: object) -> Entrant:
    entrant = Entrant(
        registration_id=RegistrationId(number),
        event_id=EVENT,
        bib=number,
        chips=(f"c{number}",) if chips is None else chips,
    )
    return replace(entrant, **more)  # type: ignore[arg-type]


def field(*runners: Entrant) -> Mapping[RegistrationId, Entrant]:
    return {entrant.registration_id: entrant for entrant in runners or (runner(),)}


class Reads:
    """Makes reads with running ids."""

    def __init__(self) -> None:
        self.made: list[TimedRead] = []

    def at(
        self, reader: str, when: float, chip: str = "c1", rssi: float | None = None
    ) -> TimedRead:
        moment = BASE + seconds(when)
        read = TimedRead(len(self.made) + 1, moment, chip, reader, rssi, 1, (chip, moment))
        self.made.append(read)
        return read


def mark(kind: MarkKind, number: int = 1, **more: object) -> Mark:
    made = Mark(id=number, kind=kind, made_at=instant(9000), author="cli:pi", bib=1)
    return replace(made, **more)  # type: ignore[arg-type]


def outcome(
    reads: Reads,
    *,
    of: Rules | None = None,
    who: Mapping[RegistrationId, Entrant] | None = None,
    marks: Sequence[Mark] = (),
    remote: Sequence[RemoteCrossing] = (),
) -> Outcome:
    return compute(of or rules(), reads.made, who or field(), marks, remote)


def states(out: Outcome) -> list[str]:
    """States of the crossings in time order."""
    return [crossing.state.value for crossing in by_time(out)]


def by_time(out: Outcome) -> list[Crossing]:
    return sorted(out.crossings.values(), key=lambda crossing: crossing.at)


def read_states(out: Outcome) -> list[str]:
    """States of the reads by id."""
    return [s.state.value for s in sorted(out.read_states, key=lambda s: s.read.id)]


def result(out: Outcome, number: int = 1) -> Result:
    return out.results[EVENT, RegistrationId(number)]
