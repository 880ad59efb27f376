"""A made-up race: who runs, when each crosses which mat, and what the right results are.

Pure, and the same for the same seed. The demo, the emulators and the end-to-end tests run it; the
expectations are worked out here from the plan alone, without any of the timing code.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.domain.reads import NS_PER_MS, NS_PER_S

FIRST = (
    "Ada", "Ben", "Chloe", "Dan", "Eva", "Finn", "Gus", "Hana",
    "Ivo", "Jo", "Kim", "Lars", "Mia", "Nils", "Oda", "Pia",
    "Quin", "Rosa", "Sam", "Tess", "Uma", "Vic", "Wim", "Zoe",
)  # fmt: skip
LAST = (
    "Abbott", "Berg", "Cruz", "Dahl", "Evans", "Fox", "Green", "Hill",
    "Ito", "Jones", "Klein", "Lopez", "Moss", "Novak", "Olsen", "Park",
    "Quist", "Reed", "Stone", "Turner", "Udo", "Vance", "West", "Young",
)  # fmt: skip

READ_NS = 10 * NS_PER_MS
"""Every simulated time is a whole hundredth: the coarsest reader loses nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """One made-up participant."""

    registration_id: int
    bib: int
    first_name: str
    last_name: str
    gender: str
    age: int


@dataclass(frozen=True, slots=True)
class Mat:
    """A timed place: `share` of the course at which it lies (0 start, 1 finish)."""

    location: str
    share: float


@dataclass(frozen=True, slots=True)
class Sight:
    """One read that a mat makes: `at_ns` after the gun."""

    at_ns: int
    location: str
    bib: int
    rssi: float
    antenna: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The right result of one runner; durations in ns, None: no finish."""

    bib: int
    clock_ns: int | None
    chip_ns: int | None
    splits: dict[str, int]
    """Location -> chip time ns, of the mats between start and finish that saw the runner."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole race."""

    runners: tuple[Runner, ...]
    sights: tuple[Sight, ...]
    """In order of time."""
    expected: dict[int, Expected]
    """By bib."""


def people(count: int, seed: int, first_registration: int = 70_000_001) -> tuple[Runner, ...]:
    """Make up participants with bibs from 1."""
    chance = random.Random(seed)  # noqa: S311 - a made-up race
    return tuple(
        Runner(
            registration_id=first_registration + number,
            bib=number + 1,
            first_name=chance.choice(FIRST),
            last_name=chance.choice(LAST),
            gender=chance.choice("MF"),
            age=chance.randint(9, 78),
        )
        for number in range(count)
    )


def plan(
    runners: Sequence[Runner],
    mats: Sequence[Mat],
    *,
    seconds: float,
    seed: int,
    drop_out: float = 0.02,
    missed_start: float = 0.01,
) -> Plan:
    """Let the race happen: the last finisher is in `seconds` after the gun.

    A start mat sees everybody leave within the first tenth; each mat sees a runner two to eight
    times within about half a second. Some never see the start mat, some drop out.
    """
    chance = random.Random(seed)  # noqa: S311 - a made-up race
    sights: list[Sight] = []
    expected: dict[int, Expected] = {}
    for runner in runners:
        start_s = chance.uniform(0.3, max(0.1 * seconds, 0.5))
        whole_s = min(chance.triangular(0.45, 0.9, 0.62) * seconds, seconds - start_s - 0.6)
        out_at = chance.uniform(0.1, 0.95) if chance.random() < drop_out else 2.0
        no_start = chance.random() < missed_start
        seen: dict[str, tuple[int, int]] = {}
        for mat in mats:
            if mat.share > out_at or (mat.share == 0 and no_start):
                continue
            at_s = start_s + mat.share * whole_s * chance.uniform(0.98, 1.0)
            times = _passage(chance, at_s)
            seen[mat.location] = times[0], times[-1]
            sights += _sights(chance, times, mat.location, runner.bib)
        expected[runner.bib] = _expect(runner.bib, mats, seen)
    sights.sort(key=lambda sight: (sight.at_ns, sight.bib))
    return Plan(tuple(runners), tuple(sights), expected)


def _passage(chance: random.Random, at_s: float) -> list[int]:
    first = int(at_s * NS_PER_S) // READ_NS * READ_NS
    steps = sorted(chance.sample(range(1, 50), chance.randint(1, 7)))
    return [first, *(first + step * READ_NS for step in steps)]


def _sights(chance: random.Random, times: list[int], location: str, bib: int) -> list[Sight]:
    middle = (times[0] + times[-1]) / 2
    return [
        Sight(
            at,
            location,
            bib,
            round(-50 - abs(at - middle) / (30 * NS_PER_MS) - chance.random() * 3, 1),
            chance.randint(1, 4),
        )
        for at in times
    ]


def _expect(bib: int, mats: Sequence[Mat], seen: dict[str, tuple[int, int]]) -> Expected:
    start = seen[mats[0].location][1] if mats[0].location in seen and mats[0].share == 0 else 0
    finish = seen.get(mats[-1].location)
    return Expected(
        bib=bib,
        clock_ns=finish[0] if finish else None,
        chip_ns=finish[0] - start if finish else None,
        splits={
            mat.location: seen[mat.location][0] - start
            for mat in mats[:-1]
            if mat.share > 0 and mat.location in seen
        },
    )
