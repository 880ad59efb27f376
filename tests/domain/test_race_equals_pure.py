"""However the facts arrive, the running race ends where the pure function does."""

from collections.abc import Iterable, Sequence
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.pure import Outcome, compute
from bridge.domain.race import Changes, Phase, Race
from bridge.domain.results import Crossing, ReadState, Result, State, TimedRead
from tests.domain.worlds import BASE, World, newest, seconds, world_of

FAR = 10**19


class Listener:
    """A consumer of changes, who knows nothing else.

    One who listens after every step is never told the same twice of a crossing that counts.
    """

    def __init__(self, *, always: bool) -> None:
        self.always = always
        self.crossings: dict[str, Crossing] = {}
        self.phases: dict[str, Phase] = {}
        self.results: dict[tuple[int, int], Result] = {}

    def hear(self, changes: Changes) -> None:
        for crossing, phase in changes.crossings:
            if phase is Phase.WITHDRAWN:
                self.crossings.pop(crossing.id, None)
            else:
                before = (self.crossings.get(crossing.id), self.phases.get(crossing.id))
                counts = self.always and crossing.state is State.USED
                assert not counts or before != (crossing, phase)
                self.crossings[crossing.id] = crossing
                self.phases[crossing.id] = phase
        for result in changes.withdrawn:
            assert self.results.pop((result.event_id, result.registration_id)) == result
        for result in changes.results:
            key = (result.event_id, result.registration_id)
            assert self.results.get(key) != result
            self.results[key] = result


class Journal:
    """What was read so far."""

    def __init__(self) -> None:
        self.reads: list[TimedRead] = []
        self.asked = 0

    def of(self, chips: Sequence[str]) -> Iterable[TimedRead]:
        self.asked += 1
        return [read for read in self.reads if read.chip in chips]


def tallied(states: Iterable[ReadState]) -> dict[object, int]:
    counts: dict[object, int] = {}
    for state in states:
        counts[state.state] = counts.get(state.state, 0) + 1
    return counts


def assert_equal(race: Race, listener: Listener, world: World, outcome: Outcome) -> None:
    assert listener.crossings == outcome.crossings
    assert listener.results == outcome.results
    for (_, registration), result in outcome.results.items():
        assert race.result(registration) == result
    for event in world.rules.events:
        table = race.results(event.id)
        assert {(r.event_id, r.registration_id): r for r in table} == {
            key: result for key, result in outcome.results.items() if key[0] == event.id
        }
        places = [r.place for r in table if r.place is not None]
        assert places == sorted(places)
        finished = sum(1 for r in table if r.place is not None)
        assert race.totals(event.id).finished == finished
    counts = {state: n for state, n in race.counts().items() if n}
    assert counts == tallied(outcome.read_states)
    owners = {c.registration_id or c.chip for c in outcome.crossings.values()}
    for owner in owners:
        mine = [c for c in outcome.crossings.values() if (c.registration_id or c.chip) == owner]
        assert sorted(race.crossings_of(owner)) == sorted(mine)
        told = {state.read.id: state for state in race.why(owner)}
        known = {state.read.id: state for state in outcome.read_states}
        assert all(known[number] == state for number, state in told.items())
        assert {c.id for c in mine} <= {f"box-{n}" for n in told} | {
            c.id for c in mine if c.reads == 0
        }
    assert not race.take().crossings


def play(rng: Random, world: World) -> tuple[Race, Listener, Journal]:
    """Let everything arrive in random order and portions; ask in between at random."""
    journal = Journal()
    race = Race(world.rules, journal.of)
    listener = Listener(always=rng.random() < 0.5)
    for name, value in script(rng, world):
        do(race, journal, world, name, value)
        if listener.always or rng.random() < 0.5:
            listener.hear(race.take())
        if rng.random() < 0.1:
            race.counts()
    race.set_entrants(world.entrants[-1])
    listener.hear(race.take())
    race.set_marks(world.marks)
    listener.hear(race.take())
    race.fold_remote(newest(world.remote))
    race.advance(dict.fromkeys(world.rules.readers, FAR))
    listener.hear(race.take())
    return race, listener, journal


def script(rng: Random, world: World) -> list[tuple[str, object]]:
    order = list(world.reads)
    if rng.random() < 0.5:
        rng.shuffle(order)
    order += [read for read in order if rng.random() < 0.2]
    cuts = sorted(rng.randint(0, len(order)) for _ in range(rng.randint(0, 8)))
    steps: list[tuple[str, object]] = [
        ("reads", order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)
    ]
    stages: list[tuple[str, object]] = [("entrants", field) for field in world.entrants]
    halfway = [rng.randint(0, len(world.marks)) for _ in range(rng.randint(0, 2))]
    stages += [("marks", world.marks[:number]) for number in halfway]
    half = len(world.remote) // 2
    stages += [("remote", world.remote[:half]), ("remote", world.remote[half:])]
    later = [rng.randint(0, 90) for _ in range(rng.randint(0, 4))]
    stages += [("advance", BASE + seconds(at)) for at in later]
    if rng.random() < 0.2:
        stages.append(("rebuild", None))
    for stage in stages:
        steps.insert(rng.randint(0, len(steps)), stage)
    return steps


def do(race: Race, journal: Journal, world: World, name: str, value: object) -> None:
    match name, value:
        case "reads", list(reads):
            journal.reads += reads
            race.fold(reads)
        case "entrants", dict(field):
            race.set_entrants(field)
        case "marks", list(marks):
            race.set_marks(marks)
        case "remote", list(crossings):
            race.fold_remote(crossings)
        case "advance", int(at):
            race.advance(dict.fromkeys(world.rules.readers, at))
        case "rebuild", _:
            race.rebuild(journal.reads)


@given(st.integers(0, 2**48), st.sampled_from([3, 14, 40]))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_arrival_gives_what_the_pure_function_gives(seed: int, size: int) -> None:
    rng = Random(seed)
    world = world_of(rng, size)
    race, listener, _ = play(rng, world)
    outcome = compute(
        world.rules, world.reads, world.entrants[-1], world.marks, newest(world.remote)
    )
    assert len(outcome.read_states) == len(world.reads)
    assert {state.read.id for state in outcome.read_states} == {r.id for r in world.reads}
    assert_equal(race, listener, world, outcome)
