"""The pure function against rules written down a second time, and against itself in disorder."""

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.marks import MarkKind
from bridge.domain.passings import HAND_ENTERED
from bridge.domain.pure import Outcome, compute
from tests.domain.oracle import answer
from tests.domain.worlds import World, newest, world_of


def outcome_of(world: World) -> Outcome:
    return compute(world.rules, world.reads, world.entrants[-1], world.marks, newest(world.remote))


@given(st.integers(0, 2**48), st.sampled_from([3, 14, 30]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_rules_written_twice_agree(seed: int, size: int) -> None:
    world = world_of(Random(seed), size)
    world = replace(world, marks=[m for m in world.marks if m.kind is not MarkKind.SWAP])
    outcome = outcome_of(world)
    expected = answer(world)
    crossings = {}
    for crossing in outcome.crossings.values():
        number = int(crossing.id.rpartition("-")[2])
        key = HAND_ENTERED - number if number >= HAND_ENTERED else number
        crossings[key] = (crossing.at, crossing.state.value, crossing.reads)
    assert crossings == expected.crossings
    results = {
        key: (
            result.status.value,
            result.clock_ns,
            result.chip_ns,
            tuple((s.point, s.clock_ns, s.chip_ns) for s in result.splits),
            result.no_start_read,
            result.place,
        )
        for key, result in outcome.results.items()
    }
    assert results == expected.results


@given(st.integers(0, 2**48), st.sampled_from([14, 40]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_order_of_arrival_changes_no_time_and_no_place(seed: int, size: int) -> None:
    rng = Random(seed)
    world = world_of(rng, size)
    numbers = [read.id for read in world.reads]
    rng.shuffle(numbers)
    renumbered = [
        read._replace(id=number) for read, number in zip(world.reads, numbers, strict=True)
    ]
    rng.shuffle(renumbered)
    one, other = outcome_of(world), outcome_of(replace(world, reads=renumbered))
    assert one.results == other.results
    times = [
        sorted(
            (c.location, c.at, c.reads, c.state.value, c.registration_id or 0, c.chip_ns or 0)
            for c in outcome.crossings.values()
        )
        for outcome in (one, other)
    ]
    assert times[0] == times[1]


@given(st.integers(0, 2**48))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_read_has_one_state_and_chip_time_never_exceeds_clock_time(seed: int) -> None:
    world = world_of(Random(seed), 20)
    outcome = outcome_of(world)
    assert sorted(s.read.id for s in outcome.read_states) == sorted(r.id for r in world.reads)
    for result in outcome.results.values():
        pairs = [(result.chip_ns, result.clock_ns)]
        pairs += [(split.chip_ns, split.clock_ns) for split in result.splits]
        for chip_ns, clock_ns in pairs:
            if chip_ns is not None and clock_ns is not None:
                assert 0 <= chip_ns <= clock_ns
    assert all(c.why or c.state.value == "used" for c in outcome.crossings.values())
    assert all(state.why for state in outcome.read_states)
