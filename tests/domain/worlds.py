"""Small random races in which everything happens: for the property tests of the timing maths.

Made from one seed rather than from many hypothesis draws: a hundred times as many races per
second. `size` bounds how much there is of everything, so a failure is made small by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from bridge.domain.entrants import Entrant, RegistrationId
from bridge.domain.marks import Mark, MarkKind
from bridge.domain.reads import NS_PER_MS, NS_PER_S, UtcNs
from bridge.domain.results import RemoteCrossing, TimedRead
from bridge.domain.rules import (
    ClockPolicy,
    EventId,
    EventRules,
    LocationRules,
    Method,
    Point,
    ReaderRules,
    Rules,
    TimeKind,
)

BASE = 1_800_000_000 * NS_PER_S
SITE = "box"
CHIPS = ("a", "B", "b", "12@x", "c", "d")
LOCATIONS = ("start", "5k", "finish", "mat")
READERS = ("start-1", "5k-1", "5k-arrival", "finish-main", "finish-backup", "mat-1", "mat-2")
AFTER_DAMAGE = 1_795_293_055_000_000
"""Ids go on from the time in microseconds where a damaged journal cannot say how far it was."""


@dataclass(frozen=True, slots=True)
class World:
    """A race and all its facts; `entrants` by the stages in which they came, the last holds."""

    rules: Rules
    reads: list[TimedRead]
    entrants: list[Mapping[RegistrationId, Entrant]]
    marks: list[Mark]
    remote: list[RemoteCrossing]
    """Revisions in the order they were made; the last of each (site, id) holds."""


def seconds(value: float) -> int:
    return round(value * NS_PER_S)


def instant(value: float) -> UtcNs:
    return UtcNs(BASE + seconds(value))


def world_of(rng: Random, size: int = 14) -> World:
    return World(
        rules_of(rng),
        reads_of(rng, size),
        [entrants_of(rng) for _ in range(rng.randint(1, 3))],
        marks_of(rng, size),
        remote_of(rng, size),
    )


def moment(rng: Random) -> float:
    """On a coarse grid, so that ties and boundaries are met often."""
    return rng.randint(0, 100) / 2


def rules_of(rng: Random) -> Rules:
    gun = [None if rng.random() < 0.3 else instant(rng.randint(0, 24) / 2) for _ in range(3)]
    out = (
        Point(location="start"),
        Point(location="5k", split="5K", distance_m=5000.0, min_ns=seconds(3)),
        Point(location="finish", distance_m=10000.0, max_ns=seconds(40)),
    )
    laps = (
        Point(location="mat"),
        Point(location="mat", split="lap 1"),
        Point(location="5k", split="5K"),
        Point(location="mat", split="lap 2", max_ns=rng.choice([None, seconds(30)])),
        Point(location="mat"),
    )
    gun_only = (Point(location="5k", split="half"), Point(location="finish", min_ns=seconds(5)))
    events = (
        EventRules(
            id=EventId(1),
            name="out",
            course=out,
            start_window_ns=seconds(15),
            gun=gun[0],
            wave_guns=rng.choice([{}, {"late": instant(8)}]),
        ),
        EventRules(
            id=EventId(2),
            name="laps",
            course=laps,
            start_window_ns=seconds(10),
            gun=gun[1],
            place_by=TimeKind.CHIP,
        ),
        EventRules(id=EventId(3), name="gun", course=gun_only, gun=gun[2], share_places=False),
    )
    return Rules(
        site=SITE,
        events=events,
        locations={name: _location(rng, name) for name in LOCATIONS},
        readers={reader.name: reader for reader in _readers(rng)},
        min_finish_ns=seconds(rng.choice([6, 12])),
    )


def _location(rng: Random, name: str) -> LocationRules:
    return LocationRules(
        name=name,
        method=rng.choice(list(Method)),
        quiet_ns=seconds(rng.choice([1.0, 1.5])),
        stray_ns=seconds(rng.choice([2.0, 4.0])),
        min_gap_ns=seconds(rng.choice([0.0, 5.0])),
    )


def _readers(rng: Random) -> list[ReaderRules]:
    return [
        _reader("start-1", "start"),
        _reader("5k-1", "5k"),
        _reader("5k-arrival", "5k", 2),
        _reader("finish-main", "finish"),
        _reader("finish-backup", "finish", 2, 0.5),
        _reader("mat-1", "mat"),
        _reader("mat-2", "mat", rng.choice([1, 2])),
    ]


def _reader(name: str, location: str, priority: int = 1, offset: float = 0.0) -> ReaderRules:
    policy = ClockPolicy.ARRIVAL if name == "5k-arrival" else ClockPolicy.CORRECTED
    return ReaderRules(
        name=name, location=location, priority=priority, offset_ns=seconds(offset), clock=policy
    )


def reads_of(rng: Random, size: int) -> list[TimedRead]:
    """Visits of a few reads each, so that clusters are as common as single reads."""
    made: list[TimedRead] = []
    chips = CHIPS[: rng.randint(1, len(CHIPS))]
    readers = rng.sample(READERS, rng.randint(1, len(READERS)))
    clockless = rng.choice([None, "finish-backup", "mat-1"])
    for _ in range(rng.randint(0, size)):
        chip, reader, begin = rng.choice(chips), rng.choice(readers), moment(rng)
        loud = rng.choice([None, -50.0, -60.5, -61.0])
        bad, strange = rng.random() < 0.03, rng.random() < 0.03
        for _ in range(rng.randint(1, 4)):
            step = rng.randint(0, 6)
            at = instant(begin + step / 2)
            identity: tuple[str, int] | str = (chip, at)
            if reader == "5k-arrival":
                identity = f"k{rng.randint(0, 5)}"
            elif reader == clockless:
                number = rng.randint(0, 7)
                identity = (f"k{number}", 0) if number < 5 else (chip, -len(made) - 1)
            rssi = None if loud is None else loud + rng.choice([0, 1, 2])
            name = "nobody's" if strange else reader
            when = -1 if bad else at
            made.append(TimedRead(len(made) + 1, when, chip, name, rssi, step % 3, identity))
    if rng.random() < 0.5:
        made.sort(key=lambda read: read.at)
    first = rng.choice([1, 1, 1, AFTER_DAMAGE])
    numbers = list(range(first, first + len(made)))
    if rng.random() < 0.3:
        rng.shuffle(numbers)
    return [read._replace(id=number) for read, number in zip(made, numbers, strict=True)]


def entrants_of(rng: Random) -> Mapping[RegistrationId, Entrant]:
    field: dict[RegistrationId, Entrant] = {}
    for number in range(1, rng.randint(0, 5) + 1):
        field[RegistrationId(number)] = Entrant(
            registration_id=RegistrationId(number),
            event_id=EventId(rng.choice([1, 1, 2, 2, 3, 4])),
            bib=rng.choice([None, 10, 11, 12, 13]),
            chips=tuple(rng.sample(CHIPS, rng.randint(0, 2))),
            wave=rng.choice([None, "late", "none"]),
            start_ns=rng.choice([None, None, None, instant(4)]),
        )
    return field


def marks_of(rng: Random, size: int) -> list[Mark]:
    return [
        Mark(
            id=number,
            kind=rng.choice(list(MarkKind)),
            made_at=instant(moment(rng)),
            author="cli:pi",
            event_id=rng.choice([None, EventId(1), EventId(2), EventId(3)]),
            wave=rng.choice([None, None, "late"]),
            bib=rng.randint(10, 13),
            other_bib=rng.randint(10, 13),
            location=rng.choice([None, *LOCATIONS]),
            at=rng.choice([None, instant(moment(rng))]),
            undone=rng.random() < 0.2,
        )
        for number in range(1, rng.randint(0, min(size, 6)) + 1)
    ]


def remote_of(rng: Random, size: int) -> list[RemoteCrossing]:
    return [
        RemoteCrossing(
            rng.choice(["1", "2", "3"]),
            rng.choice(["other", "other", "third", SITE]),
            rng.choice(LOCATIONS),
            rng.choice(CHIPS),
            BASE + rng.randint(0, 500) * 100 * NS_PER_MS,
            rng.random() < 0.3,
        )
        for _ in range(rng.randint(0, min(size, 6)))
    ]


def newest(crossings: Sequence[RemoteCrossing]) -> list[RemoteCrossing]:
    return list({(crossing.site, crossing.id): crossing for crossing in crossings}.values())
